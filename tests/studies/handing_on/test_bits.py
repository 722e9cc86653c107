"""What the bits study says where: courses, where they reach an accuracy, who is taught what."""

import math

import pytest

from distill import HardCaptions
from learners.data import load_data
from studies.handing_on import bits
from studies.handing_on import heirs
from studies.kit.recipes.answer_formats import WAYS
from studies.kit.recipes.answer_formats import Way


def test_a_course_is_a_mean_over_all_heirs_and_rises_in_bits() -> None:
    rows = [
        {"what": "heirs", "way": "soft", "lessons": n, "bits": 288 * n, "scores": s}
        for n, s in ((64, [0.5, 0.7]), (16, [0.2]), (64, [0.9]))
    ]
    rows += [{"what": "teacher", "way": "soft"}, {"what": "heirs", "way": "raw"}]
    assert bits.course(rows, "soft") == [(16, 4608, 0.2), (64, 18432, pytest.approx(0.7))]


def test_where_an_accuracy_is_reached() -> None:
    """Half way up is half way along the logarithm; from the start; never."""
    points = [(10.0, 0.5), (1000.0, 0.9), (10000.0, 0.8)]
    assert bits.reached(points, 0.7) == pytest.approx(100.0)
    assert bits.reached(points, 0.5) == 10.0 and bits.reached(points, 0.91) is None
    assert bits.reached([], 0.5) is None and bits.reached(points, 0.9) == pytest.approx(1000.0)


@pytest.mark.parametrize("way", bits.SENT)
def test_bits_of_every_way(way: bits.Sent) -> None:
    """What one lesson on digits takes, counted by hand."""
    rounded = {f"rounded-{b}": 10 * b for b in (1, 2, 4, 8)}
    drawn = {"label": 4, "sample": 4, "samples-4": 14, "samples-16": 54}
    rich = {"plain-captions": 4 + 16, "captions": 32 * (9 + 16), "subclasses": 32 * (10 * bits.EACH - 1)}
    wanted = {**rounded, **drawn, **rich, "soft": 32 * 9, "raw": 320}
    school = bits.school(way, load_data("digits"), 10.0)
    if way in wanted:
        assert school.answers.bits(school.outputs) == wanted[way]
    assert 2**14 >= 10**4 > 2**13 and 2**54 >= 10**16 > 2**53


def test_captions_split_the_images_in_halves() -> None:
    """Of each region, at most half of the images have more ink than the median."""
    school = bits.school("plain-captions", load_data("digits"), 10.0)
    share = school.wanted.attributes.mean(0)
    assert share.shape == (16,) and float(share.max()) <= 0.5 and float(share.median()) > 0.45
    assert isinstance(school.answers, HardCaptions)


def test_knobs_copied_and_gradients_are_counted_by_knob() -> None:
    args = bits.Args(heirs=1, teachers=1, epochs=0.1, hidden=8)
    knobs = (64 + 1) * 8 + (8 + 1) * 10  # with biases
    ways: tuple[bits.Sent, ...] = ("weights", "gradients")
    for way in ways:
        rows = [r for r in bits.run(bits.Trial(args, way)) if r["what"] == "heirs"]
        for row in rows:
            assert row["bits"] == 32 * knobs * max(1, row["lessons"])  # of gradients, lessons are steps
    assert [r["lessons"] for r in rows] == [1, 2]


def test_heirs_of_few_images_take_as_many_steps() -> None:
    ways: tuple[tuple[int | None, Way], ...] = ((None, "soft"), (50, "label"), (10, "raw"))
    rows = [
        list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.3, hidden=4, stimuli=s, answers=a))))
        for s, a in ways
    ]
    curve = [[r for r in rs if r["what"] == "curve" and r["who"] == "heirs"][-1]["step"] for rs in rows]
    assert len(set(curve)) == 1
    with pytest.raises(ValueError, match="asked for 1438 of a pool of 1437"):
        list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.1, hidden=4, stimuli=1438))))


def test_every_way_has_its_temperature() -> None:
    for way, made in WAYS.items():
        answers = made(7.0)
        assert math.isclose(getattr(answers, "temperature", 7.0), 1.0 if "sample" in way else 7.0)
