"""What the gradient estimate of a perturbation student varies by: mini-batch, answers, probes and readings.

A nested design, at fixed knobs: each repeat draws a batch and takes the gradient four times, every time with
one more of the things that chance decides: exactly (x-ray), exactly with what the teacher answered this once,
by probes on a chip without noise, by the same probes through the wires. Squared steps from one to the next
are the parts, in multiples of the squared mean gradient; their sum is the whole variance.

Beside them what the laws say. With g_n = d_n x_n' the gradient of example n (d at q_n active nodes), N the
batch, K probes of size s and kurtosis k, m_n the noise of one reading of the loss:

    mini-batch  (E|g_n|^2 / |g|^2 - 1) / N       (less, as batches are drawn without replacement)
    answers     E|g'_n - g_n|^2 / (N |g|^2)
    probes      E (q_n - 2 + k)|g'_n|^2 / (K N |g|^2)
    readings    c E q_n |x_n|^2 m_n^2 / (s^2 N |g|^2),  c = 2/K against one baseline reading

where g'_n follows from what the teacher answered once, g_n from its mean answer. They leave out what the
loss curves within a probe. All of them but the answers shrink together when examples' gradients agree.
"""

from collections.abc import Callable
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Port
from analog import Probe
from analog import Reading
from analog import xray
from distill import Answers
from learners import Batch
from learners import CrossEntropy
from learners import Evidence
from learners import Loss
from learners import NodePerturbation
from learners.estimators.base import correlate

READINGS = 32  # of a teacher and of the student's loss, to know their mean and noise


class Way(NamedTuple):
    """What a student may be asked to make small, and what it is told: labels, or softened answers."""

    loss: Loss
    said: Callable[[Tensor, Tensor, Generator], Any]  # from the teacher's outputs and the labels


class Parts(NamedTuple):
    """Each (*fleet,), in multiples of the squared mean gradient."""

    minibatch: Tensor
    answers: Tensor
    probes: Tensor
    readings: Tensor
    total: Tensor
    predicted_minibatch: Tensor
    predicted_answers: Tensor
    predicted_probes: Tensor
    predicted_readings: Tensor


def ways(answers: Mapping[str, Answers]) -> dict[str, Way]:
    """By labels, and by each of some answers."""
    made = {"labels": Way(CrossEntropy(), lambda out, label, generator: label.expand(out.shape[:-1]))}
    return made | {name: Way(a.loss, a.said) for name, a in answers.items()}


def parts(
    chip: Chip[Any],
    teacher: Port,
    lessons: Batch,  # all examples there are, with labels
    asked: Mapping[str, Way],
    estimator: NodePerturbation,
    *,
    batch: int,
    repeats: int,
    generator: Generator,
) -> dict[str, Parts]:
    """Of the first layer's gradient, for each way; all ways see the same batches, probes and noise."""
    heard = torch.stack([teacher.measure(lessons.x).out for _ in range(READINGS)])
    wanted = {name: _mean(way, heard, lessons.target, generator) for name, way in asked.items()}
    slopes = {
        n: xray.node_gradient(chip, lessons.x, wanted[n], way.loss)[0].detach() for n, way in asked.items()
    }
    layer = chip.spec.layers[0]
    mean = {n: correlate(layer, d, lessons.x) for n, d in slopes.items()}
    steps: dict[str, list[Tensor]] = {n: [] for n in asked}
    for _ in range(repeats):
        chosen = torch.randperm(len(lessons.x), generator=generator)[:batch]
        x, label = lessons.x[chosen], lessons.target[chosen]
        said = teacher.measure(x).out
        silent, noisy = _seen(chip, estimator, x, generator)
        for name, way in asked.items():
            target = way.said(said, label, generator)
            exact = correlate(layer, slopes[name][..., chosen, :], x)
            once = correlate(layer, xray.node_gradient(chip, x, target, way.loss)[0], x)
            probed, read = (_told(chip, estimator, s, way.loss, target) for s in (silent, noisy))
            nested = (mean[name], exact, once, probed, read)
            gaps = [_square(b - a) for a, b in pairwise(nested)]
            steps[name].append(torch.stack([*gaps, _square(read - mean[name])]))
    made = {}
    for name, way in asked.items():
        once = way.said(heard[0], lessons.target, generator)
        laws = _laws(chip, lessons.x, slopes[name], way.loss, once, estimator, batch)
        scale = _square(mean[name])
        made[name] = Parts(*(torch.stack(steps[name]).mean(0) / scale), *(law / scale for law in laws))
    return made


def _mean(way: Way, heard: Tensor, labels: Tensor, generator: Generator) -> Any:
    """The target that repeated answers come to on average."""
    told = [way.said(out, labels, generator) for out in heard]
    if isinstance(told[0], Tensor):
        return told[0]  # labels are always the same
    return told[0]._replace(soft=torch.stack([t.soft for t in told]).mean(0))


class _Seen(NamedTuple):
    """A probed measurement, its losses still to be worked out."""

    x: Tensor
    baseline: Reading
    probe: Probe
    probed: Reading


def _seen(
    chip: Chip[Any], estimator: NodePerturbation, x: Tensor, generator: Generator
) -> tuple[_Seen, _Seen]:
    """The same probes of the first layer without noise and through the wires."""
    port, baseline = chip.port(), xray.respond(chip, x)
    probe = estimator.ask(chip.spec.span(0, 0), x, Reading(baseline.taps[:1]), generator)
    assert probe.nodes is not None
    sent = probe.padded(after=len(chip.spec.layers) - 1)
    silent = _Seen(x, baseline, probe, xray.respond(chip, x, sent))
    return silent, _Seen(x, port.measure(x), probe, port.measure(x, sent))


def _told(chip: Chip[Any], estimator: NodePerturbation, seen: _Seen, loss: Loss, target: Any) -> Tensor:
    own, probed = Reading(seen.baseline.taps[:1]), Reading(seen.probed.taps[:1])
    baseline, losses = loss.value(seen.baseline.out, target), loss.value(seen.probed.out, target)
    (told,) = estimator.tell(
        chip.spec.span(0, 0), Evidence(seen.x, own, baseline, seen.probe, probed, losses)
    )
    return told


def _laws(
    chip: Chip[Any], x: Tensor, slopes: Tensor, loss: Loss, once: Any, estimator: NodePerturbation, batch: int
) -> tuple[Tensor, ...]:
    """Of gradients that follow from mean answers, and from answers given once."""
    kurtosis = estimator.distribution.kurtosis
    if kurtosis is None:
        raise ValueError(
            f"parts: no law for probes {estimator.distribution!r}; wanted independent coordinates"
        )
    count, port, layer = len(x), chip.port(), chip.spec.layers[0]
    power = layer.gather(x).square().sum(-1).flatten().double()  # (examples,), |x_n|^2
    tap = xray.respond(chip, x).taps[0]
    active = (tap != 0 if estimator.mask else torch.ones_like(tap)).sum(-1).double()  # q_n
    noisy = xray.node_gradient(chip, x, once, loss)[0]
    known, said, differ = ((d.double().square().sum(-1) * power) for d in (slopes, noisy, noisy - slopes))
    noise = torch.stack([loss(port.measure(x).out, once) for _ in range(READINGS)]).double().var(0)
    spread = known.sum(-1) - count * _square(correlate(layer, slopes, x))
    minibatch = spread / (count - 1) / batch * (1 - batch / count)
    share = (active - 2 + kurtosis) / (estimator.probes * batch)
    added = estimator.scheme.reading_noise(estimator.probes) / estimator.size**2 / batch
    answers = differ.mean(-1) / batch * READINGS / (READINGS - 1)  # the mean answer holds this one too
    return minibatch, answers, (share * said).mean(-1), added * (active * power * noise).mean(-1)


def _square(gradient: Tensor) -> Tensor:  # (*fleet,), float64
    return gradient.double().square().sum((-3, -2, -1))
