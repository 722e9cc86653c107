"""Handovers: lessons are softened readings, and fleets of heirs learn in one call."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, TensorDataset

from analog import Chip, Ledger, Mismatched, dense, metered, mlp, stream, xray
from distill import (
    DistillationLoss,
    SampledLabels,
    SoftLabels,
    Traffic,
    distill,
    distillation_steps,
    lessons,
    record,
    soften,
)
from learners import Batch, CrossEntropy, Descent, Learner, Loss, NodePerturbation, adam, recipes, train
from learners.callbacks import Callback
from learners.data import batches, load_data
from learners.learner import Step
from learners.training_state import TrainingState

LAYERS = (dense(8, 12), dense(12, 3, linear=True))
X = torch.randn(64, 8, generator=stream(0, "x"))


class Recorded:
    """A format that keeps what it sent."""

    needs_label = False
    draws = True

    def __init__(self, answers: SampledLabels) -> None:
        self.answers, self.sent = answers, list[Any]()

    @property
    def loss(self) -> Loss:
        return self.answers.loss

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Any:
        target = self.answers.encode(out, label, generator)
        self.sent.append(target.soft)
        return target

    def bits(self, outputs: int) -> int:
        return self.answers.bits(outputs)


def learner(loss: Loss) -> Learner:
    return Descent(NodePerturbation(0.1, probes=4), adam(0.02), loss)


def test_lessons_are_the_teachers_softened_readings() -> None:
    teacher, twin = (Chip(Mismatched(), LAYERS, 1).port() for _ in range(2))
    traffic, stimuli = Traffic(), [Batch(X), Batch(X[:5], torch.zeros(5))]
    made = list(lessons(teacher, stimuli, SoftLabels(3.0), traffic=traffic))
    assert traffic == Traffic(69, 69 * 64)
    for lesson, x in zip(made, (X, X[:5]), strict=True):
        assert torch.equal(lesson.target.soft, soften(twin.measure(x).out, 3.0))
        assert torch.equal(lesson.x, x)
    assert made[0].target.label is None and made[1].target.label is not None


def test_a_fleet_of_heirs_learns_in_one_call_and_pays_the_teacher_once() -> None:
    teacher = Chip(Mismatched(read_noise=0), LAYERS, 1)
    ledger = Ledger(teacher.spec)
    heirs = Chip(Mismatched(), LAYERS, range(2, 6))
    wanted = xray.respond(teacher, X).out.argmax(-1)
    before = (xray.respond(heirs, X).out.argmax(-1) == wanted).double().mean(-1)
    steps = list(
        distillation_steps(
            metered(teacher.port(), ledger),
            heirs.port(),
            learner,
            [Batch(X)] * 300,
            temperature=2.0,
            generator=stream(0, "heirs"),
        )
    )
    after = (xray.respond(heirs, X).out.argmax(-1) == wanted).double().mean(-1)
    assert ledger.reads == [64 * 300] * 2
    assert float(after.mean()) > 0.9 and float((after - before).min()) > 0.1
    (_, first), *_, (_, last) = steps
    assert first.loss.shape == (4,) and bool((last.loss < 0.2 * first.loss).all())


def test_teachers_may_be_a_fleet_of_as_many() -> None:
    """Each pupil learns from its own teacher: it agrees with it more than with the other's."""
    teachers = Chip(Mismatched(), LAYERS, range(2))
    heirs = Chip(Mismatched(), LAYERS, range(2, 4))
    list(
        distillation_steps(
            teachers.port(),
            heirs.port(),
            learner,
            [Batch(X)] * 300,
            temperature=2.0,
            generator=stream(0, "agreement"),
        )
    )
    of_teachers, of_heirs = (xray.respond(c, X).out.argmax(-1) for c in (teachers, heirs))
    agreement = float((of_teachers == of_heirs).double().mean())
    assert agreement > 0.9 > float((of_teachers.flip(0) == of_heirs).double().mean())


def test_the_learner_is_handed_the_loss_of_the_one_temperature() -> None:
    given: list[Loss] = []

    def note(loss: Loss) -> Learner:
        given.append(loss)
        return learner(loss)

    port = Chip(Mismatched(), LAYERS).port()
    distillation_steps(port, port, note, [], temperature=7.0, generator=stream(0))
    distillation_steps(port, port, note, [], answers=SoftLabels(7.0, 0.5, 0.25), generator=stream(0))
    assert given == [DistillationLoss(7.0), DistillationLoss(7.0, 0.5, 0.25)]
    for both in ({}, {"temperature": 2.0, "answers": SoftLabels(2.0)}):
        with pytest.raises(ValueError, match="not both"):
            distillation_steps(port, port, note, [], generator=stream(0), **both)  # type: ignore[arg-type]


def test_heirs_are_taught_in_one_call_while_the_teacher_lives() -> None:
    """Unlabeled digits, a fleet of heirs, one seed; then the teacher dies, and they answer as it did."""
    data, layers = load_data("digits"), mlp(64, 32, 10)
    chip = Chip(Mismatched(), layers, identity=7)
    train(chip.port(), recipes.learned_feedback(CrossEntropy()), data, epochs=8, seed=0, progress=False)
    wanted = chip.port().measure(data.test.x).out.argmax(-1)
    heirs = Chip(Mismatched(), layers, identity=range(8, 11))
    handover = distill(
        chip.port(),
        heirs.port(),
        recipes.learned_feedback,
        data.train.unlabeled,
        temperature=4.0,
        epochs=8,
        seed=1,
        progress=False,
    )
    chip.die()
    agreement = (heirs.port().measure(data.test.x).out.argmax(-1) == wanted).double().mean(-1)
    assert agreement.shape == (3,) and float(agreement.min()) > 0.8
    steps = 8 * (1437 // 64)
    assert handover.losses.shape == (steps, 3) and handover.traffic.lessons == 64 * steps
    assert handover.traffic.bits == 64 * steps * 32 * 9


def test_what_is_no_recipe_port_or_batch_is_named() -> None:
    chip = Chip(Mismatched(), LAYERS)
    port = chip.port()
    with pytest.raises(
        TypeError, match=r"^distill: learner is a Descent, wanted a function.*without its loss"
    ):
        distill(port, port, learner(CrossEntropy()), Batch(X), temperature=1.0, seed=0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"give its wires, chip.port\(\)"):
        distill(chip, port, learner, Batch(X), temperature=1.0, seed=0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got a list, wanted a Batch or a torch DataLoader"):
        distill(port, port, learner, [Batch(X)], temperature=1.0, seed=0)  # type: ignore[arg-type]


def test_a_loader_teaches_as_its_examples_do_and_callbacks_see_every_step() -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.steps: list[tuple[int, int, float]] = []

        def on_step(self, state: TrainingState, step: Step) -> None:
            self.steps.append((state.steps, state.reads, float(step.loss)))

    x = stream(0, "images")
    images = torch.rand(50, 1, 2, LAYERS[0].features_in // 2, generator=x)
    loader = DataLoader(TensorDataset(images, torch.arange(50) % 3), batch_size=20, shuffle=True)
    found = []
    for stimuli, size in ((loader, None), (Batch(images), 20)):
        teacher, student, seen = Chip(Mismatched(), LAYERS, 1), Chip(Mismatched(), LAYERS, 2), Seen()
        given: dict[str, Any] = {"temperature": 2.0, "epochs": 3, "seed": 5, "batch_size": size}
        handover = distill(teacher.port(), student.port(), learner, stimuli, **given, callbacks=[seen])
        assert [losses for _, _, losses in seen.steps] == handover.losses.tolist()
        assert [steps for steps, _, _ in seen.steps] == [*range(1, 7)]
        assert handover.reads == seen.steps[-1][1] == 6 * seen.steps[0][1]
        assert handover.traffic.lessons == 6 * 20
        shown = f"Handover(loss={float(handover.losses[-1]):.4g}, steps=6, reads={handover.reads}, traffic="
        assert repr(handover) == f"{shown}{handover.traffic!r})"
        found.append(handover.losses)
    assert torch.equal(*found)


def test_a_seed_is_a_stream_for_each_use() -> None:
    """In one call as step by step with the streams of the same seed, bitwise."""
    stimuli, losses = Batch(torch.cat((X, X + 1))), []
    for whole in (True, False):
        teacher, student = (Chip(Mismatched(), LAYERS, i).port() for i in (1, 2))
        answers = SampledLabels(2)
        if whole:
            handover = distill(teacher, student, learner, stimuli, answers=answers, epochs=3, seed=5)
            losses.append(handover.losses)
            continue
        steps = distillation_steps(
            teacher,
            student,
            learner,
            batches(stimuli, 64, 3, stream(5, "distill", "order")),
            answers=answers,
            generator=stream(5, "distill", "probes"),
            answer_generator=stream(5, "distill", "answers"),
        )
        losses.append(torch.stack([step.loss for _, step in steps]))
    assert torch.equal(*losses)


def test_drawn_labels_do_not_depend_on_how_many_probes_the_student_sends() -> None:
    """The teacher draws with a generator of its own: another learner hears the same labels."""
    labels = []
    for probes in (1, 2):

        def learner_with(loss: Loss, probes: int = probes) -> Learner:
            return Descent(NodePerturbation(0.1, probes=probes), adam(0.02), loss)

        teacher = Chip(Mismatched(read_noise=0.0), LAYERS, 1).port()
        student = Chip(Mismatched(), LAYERS, 2).port()
        answers = Recorded(SampledLabels(1))
        steps = distillation_steps(
            teacher,
            student,
            learner_with,
            [Batch(X)] * 3,
            answers=answers,
            generator=stream(0, "probes"),
            answer_generator=stream(0, "answers"),
        )
        list(steps)
        labels.append(torch.stack(answers.sent))
    assert torch.equal(*labels)
    assert not torch.equal(labels[0][0], labels[0][1])  # drawn anew for every lesson


def test_a_format_that_draws_wants_a_generator() -> None:
    port = Chip(Mismatched(), LAYERS).port()
    with pytest.raises(ValueError, match=r"SampledLabels.* draws by lot"):
        distillation_steps(port, port, learner, [], answers=SampledLabels(1), generator=stream(0))
    with pytest.raises(ValueError, match="draws by lot"):
        next(lessons(port, [Batch(X)], SampledLabels(1)))


def test_a_format_that_weighs_labels_in_wants_them() -> None:
    port = Chip(Mismatched(), LAYERS).port()
    with pytest.raises(ValueError, match="weighs in labels, and the stimuli have no label"):
        next(lessons(port, [Batch(X)], SoftLabels(2.0, hard_weight=0.5)))


def test_chips_that_cannot_understand_each_other_are_refused() -> None:
    teacher = Chip(Mismatched(), (dense(8, 4, linear=True),)).port()
    with pytest.raises(ValueError, match="teacher has 4 outputs, student 3"):
        distillation_steps(
            teacher, Chip(Mismatched(), LAYERS).port(), learner, [], temperature=1.0, generator=stream(0)
        )
    fleet = Chip(Mismatched(), LAYERS, range(3)).port()
    with pytest.raises(ValueError, match="as many as students"):
        distillation_steps(
            fleet,
            Chip(Mismatched(), LAYERS, range(2)).port(),
            learner,
            [],
            temperature=1.0,
            generator=stream(0),
        )


def test_lessons_written_down_are_the_same_lessons() -> None:
    """A book is what was said, one lesson after another; labels travel along or are nowhere."""
    made = [
        list(lessons(Chip(Mismatched(), LAYERS).port(), s, SoftLabels(2.0)))
        for s in ([Batch(X[:5], torch.arange(5)), Batch(X[5:8], torch.arange(3))], [Batch(X[:5]), Batch(X)])
    ]
    books = [record(m) for m in made]
    for book, parts in zip(books, made, strict=True):
        assert torch.equal(book.x, torch.cat([p.x for p in parts]))
        assert torch.equal(book.target.soft, torch.cat([p.target.soft for p in parts]))
    assert books[0].target.label.tolist() == [0, 1, 2, 3, 4, 0, 1, 2] and books[1].target.label is None
