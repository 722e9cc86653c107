"""What holds for any draw is required of every estimate, law by law, beside estimates that keep it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError, Probe, stream
from analog.tree import tree_map
from learners import Gradient, NodePerturbation, WeightPerturbation
from learners.check.exact_laws import (
    check_batches,
    check_exactly,
    check_parts,
    chosen_examples,
    uses_probed_taps,
)
from learners.check.linear_chip import CONVOLUTION, DENSE, LinearChip
from tests.learners.check.test_forms import Bent

F64 = torch.float64
SOUND = {"nodes": NodePerturbation(0.3, probes=2), "knobs": WeightPerturbation(0.3, probes=2)}


def exactly(estimator: Any, fleet: int | None = 3, dtype: torch.dtype = F64) -> None:
    check_exactly(estimator, LinearChip(DENSE, dtype), fleet, stream(0, "exactly"))


@pytest.mark.parametrize("place", SOUND)
def test_sound_estimates_keep_every_law(place: str) -> None:
    sound: Any = SOUND[place]
    for layers, fleet, dtype in ((DENSE, 3, F64), (DENSE, None, torch.float32), (CONVOLUTION, 2, F64)):
        chip, generator = LinearChip(layers, dtype), stream(0, "sound")
        check_exactly(sound, chip, fleet, generator)
        check_batches(sound, chip, generator)
        check_parts(sound, chip, generator)
        assert not uses_probed_taps(sound, chip, generator)


def told(change: Any, place: str = "nodes") -> Any:
    return Bent(place, tell=lambda f, r: tree_map(lambda t: change(t, r), f))


def off(by: float) -> Any:
    """One number is off by a share of the largest, if losses are three times as large."""

    def change(t: Tensor, result: Any) -> Tensor:
        tripled = float(result.baseline_losses.flatten()[0]) == pytest.approx(0.9)
        moved = t.clone()
        moved[..., -1, -1] += by * t.abs().max() * tripled
        return moved

    return told(change)


def no_x_for_chips(probe: Any, memo: Any, given: Any) -> Any:
    assert given[1].ndim == 2, "one x for all"
    return probe, memo


LAWS: dict[str, tuple[Any, str]] = {
    "offset": (told(lambda t, r: t + 0.1), "layer 0: three times the losses give three times the estimate"),
    "square": (told(lambda t, r: t * t), "three times the losses give three times the estimate"),
    "one number": (off(1e-5), "layer 0: three times the losses .*; off by"),
    "level": (
        told(lambda t, r: t * (1 + (r.baseline_losses.mean() > 5))),
        "a constant added to all losses changes nothing",
    ),
    "size": (
        told(lambda t, r: t.abs()),
        "estimates of two losses add up to that of their sum",
    ),
    "x for chips": (
        told(lambda t, r: t * (r.x.ndim - 1)),
        "an x for each chip, though all alike, changes nothing",
    ),
    "no x for chips": (
        Bent(ask=no_x_for_chips),
        "ask raised, given an x for each chip of a fleet: AssertionError: one x",
    ),
    "losses of the last chip": (
        told(lambda t, r: t + (r.losses - r.losses.mean(2, keepdim=True))[0, -1, 0, 0] * t.ndim),
        "what other chips of a fleet measured does not change|add|order",
    ),
    "taps of the last chip": (
        told(
            lambda t, r: t * (1 + (r.baseline.taps[0].flatten(1)[-1].mean() - r.baseline.taps[0][0].mean()))
        ),
        "what other chips of a fleet measured does not change",
    ),
    "probed taps of the last chip": (
        told(lambda t, r: t * r.probed.taps[0].abs().amax()),
        "what other chips of a fleet measured does not change|order|add up|times",
    ),
    "place": (
        told(lambda t, r: t * torch.arange(1.0, 1 + t.shape[-2], dtype=t.dtype)[:, None]),
        "the order of the examples changes nothing",
    ),
    "place, knobs": (
        told(lambda t, r: t * (2 if bool(r.x[..., 0, 0].mean() > r.x[..., 1, 0].mean()) else 1), "knobs"),
        "the order of the examples changes nothing",
    ),
    "lone": (told(lambda t, r: t * (2 if r.losses.ndim == 3 else 1)), "the same alone and in a fleet"),
    "lone shape": (
        told(lambda t, r: t.unsqueeze(0) if r.losses.ndim == 3 else t),
        r"\(on a lone chip\)|the same alone and in a fleet",
    ),
}


def remembering(change: Any) -> Any:
    """Has a memo, so that nobody asks about other examples."""
    return Bent(ask=lambda p, m, g: (p, "memo"), tell=lambda f, r: tree_map(lambda t: t * change(r), f))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: 1 + r.baseline.taps[0][-1, 0].mean(),
        lambda r: 1 + r.probed.taps[0][:, -1, 0].mean(),
        lambda r: 1 + r.probed.taps[1][1, 1, 0].mean(),
    ],
    ids=["baseline", "probed", "probed, second"],
)
def test_no_number_of_another_chip_may_enter(change: Any) -> None:
    with pytest.raises(ContractError, match="what other chips of a fleet measured does not change"):
        exactly(remembering(change))


@pytest.mark.parametrize("name", LAWS)
def test_each_law_is_required(name: str) -> None:
    estimator, says = LAWS[name]
    with pytest.raises(ContractError, match=says):
        exactly(estimator)


def test_rounding_is_let_pass_as_far_as_the_dtype_goes() -> None:
    exactly(off(3e-8))
    exactly(off(1e-4), dtype=torch.float32)
    with pytest.raises(ContractError, match="three times"):
        exactly(off(1e-2), dtype=torch.float32)


def test_an_estimator_with_a_memo_is_not_asked_about_other_examples() -> None:
    place: Any = LAWS["place"][0]
    remembering = Bent(ask=lambda p, m, g: (p, "memo"), tell=place.changed_tell)
    exactly(remembering)
    check_batches(remembering, LinearChip(), stream(0))


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        (told(lambda t, r: t * 5 / r.x.shape[-2]), "layer 0: examples that come twice change nothing"),
        (
            told(lambda t, r: t * (1 + (r.x.shape[-2] == 1))),
            "an example's part is the same in a batch of one",
        ),
        (told(lambda t, r: t * (1 + (r.x.shape[-2] == 1)), "knobs"), "the same in a batch of one"),
    ],
    ids=["of five", "of one", "of one, knobs"],
)
def test_an_estimate_of_another_batch_is_required_to_be_the_same(estimator: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_batches(estimator, LinearChip(), stream(0))


def summed(change: Any) -> Any:
    def tell(found: Gradient, result: Any) -> Gradient:
        return change(found, result) if result.losses.shape[-1] == 2 else found

    return Bent(tell=tell)


def no_parts(found: Gradient, result: Any) -> Gradient:
    raise ValueError("no parts")


def confused(found: Gradient, result: Any) -> Gradient:
    raise KeyError("parts")


def test_parts_are_told_apart_or_refused() -> None:
    chip = LinearChip()
    check_parts(summed(no_parts), chip, stream(0))
    with pytest.raises(ContractError, match="tell raised, given losses in 2 parts: KeyError: 'parts'"):
        check_parts(summed(confused), chip, stream(0))
    for change in (
        lambda f, r: tree_map(lambda t: t.flip(-1), f),
        lambda f, r: tree_map(lambda t: t + t.roll(t.shape[-1] // 2, -1), f),
        lambda f, r: tree_map(lambda t: t * (1 + 1e-5 * (r.losses[..., 1] != r.losses[..., 0]).any()), f),
    ):
        with pytest.raises(ContractError, match="layer 0: each half of the nodes learns from its own"):
            check_parts(summed(change), chip, stream(0))


def test_who_reads_probed_taps_is_found() -> None:
    reads = told(lambda t, r: t * r.probed.taps[1].mean())
    assert uses_probed_taps(reads, LinearChip(), stream(0))
    second = Bent(tell=lambda f, r: Gradient(nodes=(f.nodes[0], f.nodes[1] * r.probed.taps[0].mean())))
    assert uses_probed_taps(second, LinearChip(), stream(0))  # type: ignore[arg-type]
    reads.probes_at = None
    assert not uses_probed_taps(reads, LinearChip(), stream(0))


def test_a_layer_without_a_probe_has_none_of_some_examples() -> None:
    chip = LinearChip()
    spec = chip.spec(2)
    nodes = torch.ones(1, 2, 5, 4, dtype=F64)
    asked = chip.answer(SOUND["nodes"], spec, Probe(nodes=(nodes, None)), None, stream(0))  # type: ignore[arg-type]
    some = chosen_examples(chip.result(spec, asked), (1, 2))
    assert some.probe.nodes is not None and some.probe.nodes[1] is None
    assert some.probe.nodes[0] is not None and some.probe.nodes[0].shape == (1, 2, 2, 4)


def test_chosen_examples_are_those_in_their_order() -> None:
    chip, order = LinearChip(), (3, 0, 0)
    spec = chip.spec(2)
    for place, sound in SOUND.items():
        estimator: Any = sound
        result = chip.result(spec, chip.ask(estimator, spec, stream(0)))
        some = chosen_examples(result, order)
        assert torch.equal(some.x, result.x[[*order]]) and torch.equal(
            some.losses, result.losses[:, :, [*order]]
        )
        assert torch.equal(some.baseline_losses, result.baseline_losses[:, [*order]])
        for now, before in zip(some.probed.taps, result.probed.taps, strict=True):
            assert torch.equal(now, before[:, :, [*order]])
        if place == "knobs":
            assert some.probe is result.probe or some.probe == result.probe
        else:
            assert some.probe.nodes is not None and result.probe.nodes is not None
            assert some.probe.nodes[0] is not None and result.probe.nodes[0] is not None
            assert torch.equal(some.probe.nodes[0], result.probe.nodes[0][:, :, [*order]])
