"""What the bits study says where: courses, where they reach an accuracy, what is sent."""

import pytest
import tyro

from distill import AnswerFormat, HardCaptions, HardLabels, QuantizedLogits, SampledLabels, SoftLabels
from learners.data import load_data
from studies.handing_on import bits, heirs
from studies.kit.run.references import BadReference


def test_a_course_is_a_mean_over_all_heirs_and_rises_in_bits() -> None:
    rows = [
        {"what": "heirs", "method": "SoftLabels", "lessons": n, "bits": 288 * n, "scores": s}
        for n, s in ((64, [0.5, 0.7]), (16, [0.2]), (64, [0.9]))
    ]
    rows += [{"what": "teacher", "method": "SoftLabels"}, {"what": "heirs", "method": "Logits"}]
    assert bits.course(rows, "SoftLabels") == [(16, 4608, 0.2), (64, 18432, pytest.approx(0.7))]


def test_where_an_accuracy_is_reached() -> None:
    """Half way up is half way along the logarithm; from the start; never."""
    points = [(10.0, 0.5), (1000.0, 0.9), (10000.0, 0.8)]
    assert bits.cost_to_reach(points, 0.7) == pytest.approx(100.0)
    assert bits.cost_to_reach(points, 0.5) == 10.0 and bits.cost_to_reach(points, 0.91) is None
    assert bits.cost_to_reach([], 0.5) is None and bits.cost_to_reach(points, 0.9) == pytest.approx(1000.0)


BITS_OF_A_LESSON = {  # on digits, counted by hand
    "HardLabels": 4,
    "SampledLabels": 4,
    "SampledLabels(count=4)": 14,
    "SampledLabels(count=16)": 54,
    **{
        f"QuantizedLogits({words})": 10 * b
        for b, words in (
            (1, "bits_each=1, span=8.0, temperature=10.0"),
            (2, "bits_each=2, temperature=10.0"),
            (4, "span=32.0, temperature=10.0"),
            (8, "bits_each=8, span=32.0, temperature=10.0"),
        )
    },
    "SoftLabels(temperature=10.0)": 32 * 9,
    "Logits": 320,
    "hard captions": 4 + 16,
    "soft captions": 32 * (9 + 16),
    "subclasses": 32 * (10 * bits.SUBCLASSES - 1),
}


def test_bits_of_every_method() -> None:
    """What one lesson on digits takes; weights and gradients are counted by knob."""
    names = [bits.Trial(method=method).method_name for method in bits.METHODS]
    assert names == [*BITS_OF_A_LESSON, "weights", "gradients"]
    for method, wanted in zip(bits.METHODS, BITS_OF_A_LESSON.values(), strict=False):
        subject = bits.teaching(method, load_data("digits"), 10.0)
        assert subject.answers.bits(subject.outputs) == wanted
    assert 2**14 >= 10**4 > 2**13 and 2**54 >= 10**16 > 2**53


def test_captions_split_the_images_in_halves() -> None:
    """Of each region, at most half of the images have more ink than the median."""
    subject = bits.teaching("hard captions", load_data("digits"), 10.0)
    share = subject.targets.attributes.mean(0)
    assert share.shape == (16,) and float(share.max()) <= 0.5 and float(share.median()) > 0.45
    assert isinstance(subject.answers, HardCaptions)


def test_knobs_copied_and_gradients_are_counted_by_knob() -> None:
    args = bits.Args(heirs=1, teachers=1, epochs=0.1, hidden=8)
    knobs = (64 + 1) * 8 + (8 + 1) * 10  # with biases
    methods: tuple[bits.Method, ...] = ("weights", "gradients")
    for method in methods:
        rows = [r for r in bits.run(bits.Trial(args, method)) if r["what"] == "heirs"]
        for row in rows:
            assert row["bits"] == 32 * knobs * max(1, row["lessons"])  # of gradients, lessons are steps
    assert [r["lessons"] for r in rows] == [1, 2]


def test_heirs_of_few_images_take_as_many_steps() -> None:
    cases: tuple[tuple[int | None, AnswerFormat], ...] = (
        (None, SoftLabels()),
        (50, HardLabels()),
        (10, SampledLabels(1)),
    )
    rows = [
        list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.3, hidden=4, stimuli=s, answers=a))))
        for s, a in cases
    ]
    curve = [[r for r in rs if r["what"] == "curve" and r["who"] == "heirs"][-1]["step"] for rs in rows]
    assert len(set(curve)) == 1
    with pytest.raises(ValueError, match="asked for 1438 of a pool of 1437"):
        list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.1, hidden=4, stimuli=1438))))


def test_methods_are_named_on_the_command_line() -> None:
    """Words, or an answer format by reference; what is neither is refused in one line."""
    words = [
        "--methods",
        "weights",
        "distill:SoftLabels(temperature=3.0)",
        "subclasses",
        "distill:HardLabels",
    ]
    args = tyro.cli(bits.Args, args=words)
    assert args.methods == ("weights", SoftLabels(3.0), "subclasses", HardLabels())
    heirs_args = tyro.cli(heirs.Args, args=["--answers", "distill:QuantizedLogits(bits_each=2)"])
    assert heirs_args.answers == QuantizedLogits(2)
    with pytest.raises(BadReference, match="is not an answer format; it has no 'bits'"):
        tyro.cli(heirs.Args, args=["--answers", "analog:Mismatched"])
