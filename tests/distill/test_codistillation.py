"""Chips that teach each other: who hears what, what it costs, and what it comes to without the others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analog import Chip, Ledger, Mismatched, Port, Tape, dense, metered, replayed, stream, taped, xray
from distill import Codistillation, QuantizedLogits, SampledLabels, SoftLabels, codistill, soften
from distill.codistillation import CodistillationLoss, CodistillationTarget
from distill.communication import CommunicationLog
from distill.shards import shard_indices, take_from_shards
from learners import Batch, CrossEntropy, Descent, Learner, Loss, NodePerturbation, adam, fit
from tests.distill.noted_rounds import Notes, noted, numbered

LAYERS = (dense(8, 12), dense(12, 3, linear=True))


CENTERS = 2 * torch.randn(3, 8, generator=stream(0, "community", "centres"))


def learner(loss: Loss) -> Learner:
    return Descent(NodePerturbation(0.1, probes=4), adam(0.02), loss)


def shards(chips: int, examples: int) -> Batch:
    label = torch.arange(chips * examples).reshape(chips, examples) % 3
    noise = torch.randn(chips, examples, 8, generator=stream(0, "community", chips, examples))
    return Batch(CENTERS[label] + 0.5 * noise, label)


def grown(
    port: Port, given: Batch, sharing: Codistillation, rounds: int, log: CommunicationLog | None = None
) -> list[Any]:
    return list(
        codistill(
            port,
            learner,
            given,
            sharing,
            rounds,
            order=stream(0, "community", "order"),
            generator=stream(0, "community", "probes"),
            answer_generator=stream(0, "community", "answers"),
            log=log,
        )
    )


def same(one: Chip, other: Chip) -> bool:
    return all(torch.equal(a, b) for a, b in zip(xray.knobs(one), xray.knobs(other), strict=True))


@pytest.mark.parametrize(("chips", "sharing"), [(1, Codistillation(4, 2)), (3, Codistillation(4, 0))])
def test_without_the_others_it_is_plain_learning(chips: int, sharing: Codistillation) -> None:
    """One chip, or nothing shown: bitwise what `fit` does, and nothing was sent."""
    lone, plain, log = (
        Chip(Mismatched(), LAYERS, range(chips)),
        Chip(Mismatched(), LAYERS, range(chips)),
        CommunicationLog(),
    )
    grown(lone.port(), shards(chips, 10), sharing, 7, log)
    chosen = shard_indices(shards(chips, 10), 4, 7, stream(0, "community", "order"))
    batches = [take_from_shards(shards(chips, 10), c) for c in chosen]
    assert len(batches) == 7
    list(fit(learner(CrossEntropy()), plain.port(), batches, stream(0, "community", "probes")))
    assert same(lone, plain) and sum(log.bits) == 0


def test_a_coordinator_is_everybody_listening_to_everybody() -> None:
    """The same chips in the end, who heard the same; only the way up is shorter, by as many as listen."""
    given, logs, chips = shards(4, 9), (CommunicationLog(), CommunicationLog()), []
    for log, peers in zip(logs, (None, 3), strict=True):
        chips.append(Chip(Mismatched(), LAYERS, range(4)))
        grown(chips[-1].port(), given, Codistillation(4, 2, SampledLabels(3), peers), 5, log)
    assert same(*chips) and logs[0].received == logs[1].received
    for once, thrice in zip(logs[0].sent, logs[1].sent, strict=True):
        assert (3 * once.lessons, 3 * once.bits) == (thrice.lessons, thrice.bits)


@pytest.mark.parametrize("peers", [None, 1, 2])
def test_lessons_are_what_others_say_to_stimuli_of_their_own(peers: int | None) -> None:
    """Nobody hears itself or one peer twice in a round; every answer is its sender's to that stimulus."""
    given = numbered(4, 6)
    notes, chip = noted(given, Codistillation(3, 2, SoftLabels(2.0), peers), 9, CommunicationLog())
    said = soften(xray.respond(chip, given.x).out, 2.0).flatten(0, 1)  # nobody learns, so it stays
    heard: set[tuple[int, ...]] = set()
    for x, target in notes.batches:
        number = x[..., 0].long()
        senders = (number // 6)[:, 3:].unflatten(-1, (-1, 2))
        assert bool((number[:, :3] // 6 == torch.arange(4).unsqueeze(-1)).all())
        assert torch.equal(target.label, number[:, :3] % 5)
        assert torch.equal(senders[..., 0], senders[..., 1])
        for me, whom in enumerate(senders[..., 0].tolist()):
            assert len({*whom} - {me}) == len(whom) == (peers or 3)
        heard.add(tuple(senders.flatten().tolist()))
        torch.testing.assert_close(target.answers.soft, said[number[:, 3:]])
    assert (len(heard) == 1) == (peers is None)


def test_answers_are_readings_and_are_charged() -> None:
    chip = Chip(Mismatched(), LAYERS, range(3))
    ledger = Ledger(chip.spec)
    grown(metered(chip.port(), ledger), shards(3, 8), Codistillation(4, 2), 6)
    assert ledger.reads == [6 * (2 + (4 + 2 * 2) * (1 + 4))] * 2


def test_it_is_a_function_of_what_was_measured() -> None:
    """Played back with no chip present, all asks and pulses are the same: wires are all it has."""
    tape, again = Tape(Chip(Mismatched(), LAYERS, range(3)).spec), CommunicationLog()
    live, log = Chip(Mismatched(), LAYERS, range(3)), CommunicationLog()
    sharing = Codistillation(4, 2, SampledLabels(2), peers=1)
    steps = grown(taped(live.port(), tape), shards(3, 8), sharing, 6, log)
    back = grown(replayed(tape), shards(3, 8), sharing, 6, again)
    assert all(torch.equal(a.loss, b.loss) for (_, a), (_, b) in zip(steps, back, strict=True))
    assert log == again


@pytest.mark.parametrize("answers", [SampledLabels(1), SoftLabels(2.0)], ids=str)
def test_answers_do_not_depend_on_how_many_probes_the_learner_sends(answers: Any) -> None:
    """Answers have a generator of their own, so that the probes' draws leave them alone."""
    targets = []
    for probes in (1, 2):
        chip = Chip(Mismatched(read_noise=0.0), (dense(2, 5, linear=True),), range(3))
        notes = Notes(draws=probes)
        steps = codistill(
            chip.port(),
            notes,
            numbered(3, 6),
            Codistillation(3, 2, answers),
            5,
            order=stream(0),
            generator=stream(1),
            answer_generator=stream(2),
        )
        list(steps)
        targets.append(torch.stack([b.target.answers.soft for b in notes.batches]))
    assert torch.equal(*targets)
    if answers.draws:
        with pytest.raises(ValueError, match="draws by lot"):
            codistill(
                chip.port(),
                notes,
                numbered(3, 6),
                Codistillation(3, 2, answers),
                5,
                order=stream(0),
                generator=stream(1),
            )


def test_a_chip_learns_a_class_that_only_others_have_labels_of() -> None:
    """Chip k has no example of class k; alone it never names it, in company nearly always."""
    kind = torch.tensor([[1, 2], [0, 2], [0, 1]]).repeat(1, 15)
    noise = 0.5 * torch.randn(3, 30, 8, generator=stream(0, "community", "missing"))
    given = Batch(CENTERS[kind] + noise, kind)
    named = []
    for shown in (0, 8):
        chip = Chip(Mismatched(), LAYERS, range(3))
        grown(chip.port(), given, Codistillation(15, shown, QuantizedLogits(4, temperature=1.0)), 150)
        said = xray.respond(chip, take_from_shards(shards(1, 300), torch.arange(300)[None]).x[0]).out.argmax(
            -1
        )
        wanted = torch.arange(300) % 3
        missing = [(said[k] == k)[wanted == k].double().mean() for k in range(3)]
        named.append(torch.stack(missing).mean())
    assert float(named[0]) < 0.2 and float(named[1]) > 0.9


@given(own=st.integers(1, 4), lessons=st.integers(1, 4), temperature=st.floats(0.5, 8.0))
def test_own_labels_and_heard_answers_are_two_losses_side_by_side(
    own: int, lessons: int, temperature: float
) -> None:
    def draw(name: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=stream(0, "side", name, *shape), dtype=torch.float64)

    out, said = draw("out", 3, 2, own + lessons, 5).requires_grad_(), draw("said", 2, lessons, 5)
    answers = SoftLabels(temperature)
    target = CodistillationTarget(
        torch.arange(2 * own).reshape(2, own) % 5, answers.encode(said, None, stream(0))
    )
    loss = CodistillationLoss(own, answers.loss)
    losses = loss(out, target)
    parts: list[Callable[..., Tensor]] = [CrossEntropy(), answers.loss]
    assert torch.equal(losses[..., :own], parts[0](out[..., :own, :], target.label))
    assert torch.equal(losses[..., own:], parts[1](out[..., own:, :], target.answers))
    (slope,) = torch.autograd.grad(losses.sum(), out)
    torch.testing.assert_close(loss.gradient(out.detach(), target), slope)


def test_what_cannot_be_is_refused() -> None:
    chip, given = Chip(Mismatched(), LAYERS, range(3)), shards(3, 8)
    for words, match in (
        ({"own_examples": 0}, "own_examples is 0, wanted"),
        ({"own_examples": 2.0}, "own_examples is 2.0, wanted"),
        ({"shared_examples": -1}, "shared_examples is -1, wanted"),
        ({"own_examples": 2, "shared_examples": 3}, "shared_examples is 3, wanted at most own_examples, 2"),
    ):
        with pytest.raises(ValueError, match=match):
            Codistillation(**words)  # type: ignore[arg-type]
    for peers in (0, 3):
        with pytest.raises(ValueError, match=f"peers is {peers}, wanted 1 to 2 of 3 chips"):
            grown(chip.port(), given, Codistillation(4, 2, peers=peers), 1)
    with pytest.raises(ValueError, match="a round takes 9, wanted 1 to 8"):
        grown(chip.port(), given, Codistillation(9, 2), 1)
    with pytest.raises(ValueError, match="wanted one axis"):
        grown(Chip(Mismatched(), LAYERS).port(), given, Codistillation(4, 2), 1)
    for wrong in (Batch(given.x[:2], given.target[:2]), Batch(given.x), Batch(given.x, given.target[:, :5])):
        with pytest.raises(ValueError, match="shards are x"):
            grown(chip.port(), wrong, Codistillation(4, 2), 1)
    with pytest.raises(ValueError, match="no label"):  # weighed in, but it does not travel
        grown(chip.port(), given, Codistillation(4, 2, SoftLabels(2.0, hard_weight=0.5)), 1)
    grown(chip.port(), given, Codistillation(4, 2, SoftLabels(2.0, hard_weight=0.5), send_labels=True), 1)
