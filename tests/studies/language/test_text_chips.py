"""The task of chips that predict text: its layers, its loss, and symbols that are hidden from learners."""

from dataclasses import replace
from itertools import islice
from math import log

import pytest
import torch

from analog import Chip, Ideal, Mismatched, Port, stream
from distill import SoftLabels
from learners import Batch, Step
from learners.data.text import MARKOV_ENTROPY
from studies.language.text_chips import SymbolDropout, TextChips, text_task

FEW = TextChips(context=3, hidden=(20,), steps=150, batch=64, learning_rate=3e-2)


@pytest.mark.parametrize(
    ("args", "sizes"),
    [
        (TextChips(context=3, hidden=(20,)), [(3, 20), (20, 8)]),
        (TextChips(context=3, hidden=(20, 9)), [(3, 20), (20, 9), (9, 8)]),
        (TextChips(context=3, hidden=(20,), embedding=5), [(3, 15), (15, 20), (20, 8)]),
        (TextChips(context=2, hidden=(6,), vocabulary=12), [(2, 6), (6, 12)]),
        (TextChips(context=3, hidden=(20, 9), recurrent=True), [(3, 60), (60, 9), (9, 8)]),
        (TextChips(context=3, hidden=(20,), recurrent=True, embedding=5), [(3, 15), (15, 60), (60, 8)]),
    ],
    ids=str,
)
def test_a_network_reads_a_context_and_answers_for_every_symbol(
    args: TextChips, sizes: list[tuple[int, int]]
) -> None:
    task = text_task("markov", args)
    assert [(layer.features_in, layer.features) for layer in task.layers] == sizes
    state = args.hidden[0] if args.recurrent else 0
    first = task.symbols + state if args.recurrent else args.context * task.symbols
    assert task.layers[0].cols == (8 if args.embedding else first) + 1
    assert [layer.step is not None for layer in task.layers] == [
        args.recurrent and layer.features == args.context * state for layer in task.layers
    ]
    assert [layer.linear for layer in task.layers] == [False] * (len(sizes) - 1) + [True]


def test_a_chip_that_knows_nothing_loses_the_log_of_the_symbols() -> None:
    """Nats a character, also where symbols are several characters."""
    for args in (FEW, TextChips(context=2, hidden=(6,), vocabulary=12)):
        task = text_task("markov", args)
        chip = Chip(Ideal(), task.layers)
        chip.port().program(chip.spec.zeros())
        (nats,) = task.judge(chip.port())
        assert nats == pytest.approx(log(task.symbols) / task.characters_each, abs=1e-5)
    assert task.characters_each > 1.0


def test_a_noisy_chip_learns_the_drawn_text_to_near_its_entropy() -> None:
    task = text_task("markov", FEW)
    chip = Chip(Mismatched(), task.layers, 1)
    learner = task.learner("measured feedback", chip)
    state = learner.init(chip.spec)
    for batch in task.batches(stream(0, "data")):
        state, _ = learner.step(chip.port(), batch, state, stream(0, "probes"))
    (nats,) = task.judge(chip.port())
    assert MARKOV_ENTROPY - 0.1 < nats < 1.4 < log(8)


def test_a_state_learns_the_drawn_text_by_probes_symbol_by_symbol() -> None:
    task = text_task("markov", replace(FEW, recurrent=True))
    chip = Chip(Mismatched(), task.layers, 1)
    learner = task.learner("learned feedback", chip)
    state = learner.init(chip.spec)
    for batch in task.batches(stream(0, "data")):
        state, _ = learner.step(chip.port(), batch, state, stream(0, "probes"))
    (nats,) = task.judge(chip.port())
    assert nats < 1.6 < log(8)
    with pytest.raises(ValueError, match="MeasuredFeedback: layer 0 has a state"):
        task.learner("measured feedback", chip).init(chip.spec)


def test_layers_with_local_objectives_learn_side_by_side() -> None:
    task = text_task("markov", replace(FEW, hidden=(20, 12), greedy=True))
    chip = Chip(Mismatched(), task.layers, 1)
    learner = task.learner("measured feedback", chip)
    (before,), state = task.judge(chip.port()), learner.init(chip.spec)
    for batch in islice(task.batches(stream(0, "data")), 60):
        state, _ = learner.step(chip.port(), batch, state, stream(0, "probes"))
    (nats,) = task.judge(chip.port())
    assert nats < min(before, log(8)) - 0.3
    assert task.access("measured feedback", chip).startswith("spans")
    with pytest.raises(ValueError, match="the exact gradient is of all"):
        task.learner("exact gradient", chip)


def test_the_hidden_share_of_symbols_is_that_asked_for_and_targets_stay() -> None:
    """Of 6,000 symbols a fifth is hidden, within 4 standard errors."""
    seen = []

    class Watching:
        def init(self, spec: object) -> None:
            return None

        def step(self, port: Port, batch: Batch, state: None, generator: torch.Generator) -> object:
            seen.append(batch)
            return state, Step(torch.zeros(()), None)  # type: ignore[arg-type]

    x, target = torch.randint(5, (1000, 6), generator=stream(0)).float(), torch.arange(1000)
    port = Chip(Ideal(), text_task("markov", FEW).layers).port()
    SymbolDropout(Watching(), 0.2).step(port, Batch(x, target), None, stream(1))  # type: ignore[arg-type]
    hidden = seen[0].x == -1
    assert abs(float(hidden.float().mean()) - 0.2) < 4 * (0.16 / 6000) ** 0.5
    assert torch.equal(seen[0].x[~hidden], x[~hidden]) and torch.equal(seen[0].target, target)


def test_symbols_are_hidden_from_who_learns_by_a_text_and_not_from_who_is_taught_by_answers() -> None:
    task = text_task("markov", replace(FEW, dropout=0.2))
    chip = Chip(Ideal(), task.layers)
    assert isinstance(task.learner("measured feedback", chip), SymbolDropout)
    assert not isinstance(task.learner("measured feedback", chip, SoftLabels(2.0).loss), SymbolDropout)
