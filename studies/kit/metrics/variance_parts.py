"""The parts of the variance of a perturbation student's gradient: mini-batch, answers, probes and readings.

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

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog import Chip, Port, Probe, Reading, xray
from analog.tree import tree_map
from distill import AnswerFormat, HardLabels
from learners import Batch, CrossEntropy, Loss, NodePerturbation, ProbeResult
from learners.estimators.gradient import knob_gradient, knob_gradients

REPEATED_READS = 32  # of a teacher and of the student's loss, to know their mean and noise


@dataclass(frozen=True)
class TrueLabels:
    """The true labels instead of a teacher's answers, in an answer format's clothes."""

    needs_label = True
    draws = False

    @property
    def loss(self) -> CrossEntropy:
        return CrossEntropy()

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        del generator  # nothing is drawn
        assert label is not None
        return label.expand(out.shape[:-1])

    def bits(self, outputs: int) -> int:
        return HardLabels().bits(outputs)


class VarianceParts(NamedTuple):
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


def variance_parts(
    chip: Chip,
    teacher: Port,
    examples: Batch,
    formats: Mapping[str, AnswerFormat],
    estimator: NodePerturbation,
    *,
    batch: int,
    repeats: int,
    generator: Generator,
    answer_generator: Generator | None = None,
) -> dict[str, VarianceParts]:
    """Split the variance of the first layer's gradient estimate, for each answer format.

    All formats see the same batches, probes and noise.

    Args:
        chip: the student, at fixed knobs.
        teacher: answers the examples.
        examples: all that there are, with labels.
        formats: by name; `TrueLabels` for what labels do.
        estimator: of the student, with independent probes.
        batch: examples in a mini-batch.
        repeats: estimates that the variance is taken from.
        generator: of batches and probes.
        answer_generator: of answers that are drawn by lot.

    Raises:
        ValueError: if the estimator's probes have no law here.
    """
    read = torch.stack([teacher.measure(examples.x).out for _ in range(REPEATED_READS)])
    targets = {name: _mean_target(f, read, examples.target, answer_generator) for name, f in formats.items()}
    node_gradients = {
        name: xray.node_gradient(chip, examples.x, targets[name], f.loss)[0].detach()
        for name, f in formats.items()
    }
    layer = chip.spec.layers[0]
    mean = {name: knob_gradient(layer, d, examples.x) for name, d in node_gradients.items()}
    steps: dict[str, list[Tensor]] = {name: [] for name in formats}
    for _ in range(repeats):
        indices = torch.randperm(len(examples.x), generator=generator)[:batch]
        x, label = examples.x[indices], examples.target[indices]
        out = teacher.measure(x).out
        without_noise, noisy = _measure(chip, estimator, x, generator)
        for name, answers in formats.items():
            target = answers.encode(out, label, answer_generator)
            exact = knob_gradient(layer, node_gradients[name][..., indices, :], x)
            answered_once = knob_gradient(layer, xray.node_gradient(chip, x, target, answers.loss)[0], x)
            probed, final = (
                _estimate(chip, estimator, m, answers.loss, target) for m in (without_noise, noisy)
            )
            nested = (mean[name], exact, answered_once, probed, final)
            gaps = [_square(b - a) for a, b in pairwise(nested)]
            steps[name].append(torch.stack([*gaps, _square(final - mean[name])]))
    parts = {}
    for name, answers in formats.items():
        target = answers.encode(read[0], examples.target, answer_generator)
        laws = _laws(chip, examples.x, node_gradients[name], answers.loss, target, estimator, batch)
        unit = _square(mean[name])
        parts[name] = VarianceParts(*(torch.stack(steps[name]).mean(0) / unit), *(law / unit for law in laws))
    return parts


def _mean_target(answers: AnswerFormat, read: Tensor, labels: Tensor, generator: Generator | None) -> Any:
    """The target that repeated answers come to on average; classes are those of the first."""
    return tree_map(_mean, *(answers.encode(out, labels, generator) for out in read))


def _mean(*targets: Tensor) -> Tensor:
    return torch.stack(targets).mean(0) if targets[0].is_floating_point() else targets[0]


class _Measurement(NamedTuple):
    """A probed measurement, its losses still to be worked out."""

    x: Tensor
    baseline: Reading
    probe: Probe
    probed: Reading


def _measure(
    chip: Chip, estimator: NodePerturbation, x: Tensor, generator: Generator
) -> tuple[_Measurement, _Measurement]:
    """The same probes of the first layer without noise and through the wires."""
    port, baseline = chip.port(), xray.respond(chip, x)
    probe, _ = estimator.ask(chip.spec.span(0, 0), x, Reading(baseline.taps[:1]), generator)
    assert probe.nodes is not None
    whole_probe = probe.padded(after=len(chip.spec.layers) - 1)
    without_noise = _Measurement(x, baseline, probe, xray.respond(chip, x, whole_probe))
    return without_noise, _Measurement(x, port.measure(x), probe, port.measure(x, whole_probe))


def _estimate(
    chip: Chip, estimator: NodePerturbation, measurement: _Measurement, loss: Loss, target: Any
) -> Tensor:
    baseline, probed = measurement.baseline, measurement.probed
    result = ProbeResult(
        measurement.x,
        Reading(baseline.taps[:1]),
        loss.value(baseline.out, target),
        measurement.probe,
        Reading(probed.taps[:1]),
        loss.value(probed.out, target),
    )
    spec = chip.spec.span(0, 0)
    (gradient,) = knob_gradients(spec, estimator.tell(spec, result), result.inputs, result.out)
    return gradient


def _laws(
    chip: Chip,
    x: Tensor,
    node_gradient: Tensor,
    loss: Loss,
    target: Any,
    estimator: NodePerturbation,
    batch: int,
) -> tuple[Tensor, ...]:
    """The predicted parts, by gradients that follow from mean answers, and from answers given once."""
    kurtosis = estimator.distribution.kurtosis
    if kurtosis is None:
        raise ValueError(
            f"variance_parts: no law for probes {estimator.distribution!r}; wanted independent coordinates"
        )
    count, port, layer = len(x), chip.port(), chip.spec.layers[0]
    power = layer.gather(x).square().sum(-1).flatten().double()  # (examples,), |x_n|^2
    tap = xray.respond(chip, x).taps[0]
    active = (tap != 0 if estimator.mask else torch.ones_like(tap)).sum(-1).double()  # q_n
    once = xray.node_gradient(chip, x, target, loss)[0]
    of_mean, of_once, of_difference = (
        (d.double().square().sum(-1) * power) for d in (node_gradient, once, once - node_gradient)
    )
    reads = torch.stack([loss(port.measure(x).out, target) for _ in range(REPEATED_READS)])
    noise = reads.double().var(0)  # m_n^2
    spread = of_mean.sum(-1) - count * _square(knob_gradient(layer, node_gradient, x))
    minibatch = spread / (count - 1) / batch * (1 - batch / count)
    share = (active - 2 + kurtosis) / (estimator.probes * batch)
    noise_gain = estimator.scheme.reading_noise(estimator.probes) / estimator.size**2 / batch
    # the mean answer holds this one too
    answers = of_difference.mean(-1) / batch * REPEATED_READS / (REPEATED_READS - 1)
    return minibatch, answers, (share * of_once).mean(-1), noise_gain * (active * power * noise).mean(-1)


def _square(gradient: Tensor) -> Tensor:  # (*fleet,), float64
    return gradient.double().square().sum((-3, -2, -1))
