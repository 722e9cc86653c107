"""Heirs of text chips: what they hear, when their teacher dies, and what copies of weights are worth."""

from dataclasses import replace

import torch

from analog import Chip, Ideal, Ledger, Mismatched, metered, stream, xray
from distill import SoftLabels, Traffic
from learners import fit
from studies.kit.recipes.layer_meter import Lines
from studies.language import language_heirs
from studies.language.language_heirs import Args, Trial, _Generation, _School
from studies.language.text_chips import text_task

FEW = Args(data="markov", context=3, hidden=(16,), steps=40, batch=64, own_text=640, heirs=1, sample=0)


def generation(args: Args = FEW) -> _Generation:
    task = text_task(args.data, args)
    return _Generation(Trial(args), task, Chip(args.device, task.layers, 0), 1)


def test_every_line_of_a_decoder_is_lit_alone_and_none_in_the_dark() -> None:
    layer, lines = generation().task.layers[0], Lines.of_symbols(3, 8)
    assert torch.equal(layer.gather(lines.each)[0, :, :-1], torch.eye(24))
    assert not layer.gather(lines.none[None])[0, :, :-1].any()


def test_heirs_study_what_they_heard_when_the_teacher_is_dead() -> None:
    of = generation()
    traffic, school = Traffic(), _School("soft", SoftLabels(1.0), 0.5)
    heard = []
    for number, lesson in enumerate(of._lessons(school, traffic)):
        assert of.teacher.alive == (number < 20)
        heard.append(lesson)
    assert len(heard) == 40 and traffic.lessons == 20 * 64
    assert all(any(late is early for early in heard[:20]) for late in heard[20:])


def test_the_teachers_own_text_follows_the_contexts_that_it_was_written_behind() -> None:
    """Each text is one of ten symbols: windows overlap, and a target is the last of the next window."""
    of, traffic = generation(), Traffic()
    read = of._own_text(traffic)
    assert read.x.shape == (640, 3) and traffic.bits == 3 * (640 + 64 * 3)
    x, target = read.x.unflatten(0, (64, 10)), read.target.unflatten(0, (64, 10))
    assert torch.equal(x[:, 1:, :-1], x[:, :-1, 1:]) and torch.equal(x[:, 1:, -1].long(), target[:, :-1])


def test_copies_between_perfect_chips_are_perfect_and_blind_ones_between_others_are_not() -> None:
    """Written and verified copies are nearer to their source than blind ones."""
    for device, is_exact in ((Ideal(), True), (Mismatched(), False)):
        of = generation(replace(FEW, device=device, rounds=4, steps=150, learning_rate=3e-2))
        port = metered(of.teacher.port(), Ledger(of.teacher.spec))
        learner = of.task.learner("measured feedback", of.teacher)
        for _ in fit(learner, port, of.task.batches(stream(0)), stream(1)):
            pass
        (taught,), rows = of.task.judge(of.teacher.port()), list(of.copy())
        blind, written = (row["nats"][0] for row in rows)
        assert rows[0]["bits"] == 32 * sum(k.numel() for k in xray.knobs(of.teacher))
        if is_exact:
            assert abs(blind - taught) < 1e-5
        else:
            assert written - taught < 0.5 * (blind - taught)


def test_bits_to_near_the_teacher_are_those_of_the_first_point_that_is_near() -> None:
    rows = [{"what": "end", "way": "teacher", "teacher": 0, "nats": [1.5], "trial": "a"}]
    for bits, nats in ((1e6, 1.6), (2e6, 1.52), (4e6, 1.51)):
        point = {"way": "soft", "teacher": 0, "bits": bits, "nats": [nats], "trial": "a"}
        rows.append({"what": "end" if bits == 4e6 else "curve", **point})
    line = language_heirs.table(rows)[-1]
    assert (line["Mbit"], line["Mbit to within 0.03"], line["behind the teacher"]) == ("4", "2", "0.010")
