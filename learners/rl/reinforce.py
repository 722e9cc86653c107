"""REINFORCE by node perturbation: probes at the summing nodes explore, and returns credit them.

Williams, "Simple statistical gradient-following algorithms" (Machine Learning 8, 1992,
https://doi.org/10.1007/BF00992696), section 4, for Gaussian units: with noise n of standard deviation s at a
unit, reward times n x' / s^2 follows the gradient of the expected return. Fiete and Seung (PRL 97, 048104,
2006, https://doi.org/10.1103/PhysRevLett.97.048104): a neuron only needs its own injected noise, its inputs,
a fading memory of their product (the eligibility trace) and one global reward.

    trace_t = decay * trace_(t-1) + n_t x_t'    change = rate / s^2 * sum_t (reward_t - baseline_t) trace_t

Where we differ and why. The sum is worked out as return-to-go times n_t x_t' at the episode's end, the same
numbers, so that any wiring will do. The baseline is the mean return-to-go, at the same step, of the other
episodes that the chip plays side by side, without bias as they share nothing but the policy.
Actions follow from the disturbed outputs themselves; no distribution is sampled behind the chip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe, Reading
from analog.spec import Spec

from ..estimators.base import ProbeResult
from ..estimators.gradient import knob_gradients
from ..estimators.node import NodePerturbation
from ..estimators.schemes import one_sided
from ..updates.record import Update
from .actions import ActionSelector
from .random_search import PolicyState
from .rollout import Transition, VectorEnv, episode_stats, rollout
from .training import Progress, Round, episode_seeds, episodes_per_chip, send_update


@dataclass(frozen=True)
class NodePerturbationReinforce:
    """REINFORCE with the probes of every step as exploration, over several episodes played side by side.

    decay: of the trace, per step; 1 credits every probe with all that comes after it.
    max_env_steps, final_scale, one_seed: as of `AugmentedRandomSearch`.

    Raises:
        ValueError: the estimator sends more than one one-sided probe, or `decay` is out of its range.
    """

    estimator: NodePerturbation
    update: Update
    actions: ActionSelector
    decay: float = 1.0
    normalize: bool = True
    max_env_steps: int | None = None
    final_scale: float = 1.0
    one_seed: bool = False

    def __post_init__(self) -> None:
        if self.estimator.probes != 1 or self.estimator.scheme != one_sided:
            raise ValueError(
                "NodePerturbationReinforce: the world cannot be tried twice, so it sends one one-sided probe "
                f"a step; "
                f"got {self.estimator}"
            )
        if not 0 <= self.decay <= 1:
            raise ValueError(f"NodePerturbationReinforce: decay is {self.decay}, wanted 0 <= decay <= 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: what its estimator needs, and the outputs, by which it acts."""
        return Access("outputs", node_probes=False) | self.estimator.needs(spec)

    def init(self, spec: Spec) -> PolicyState:
        return PolicyState.start(self.update, spec)

    def step(
        self, port: Port, env: VectorEnv, state: PolicyState, generator: Generator
    ) -> tuple[PolicyState, Round]:
        """Play one round of episodes, and pulse the chips once.

        Raises:
            ValueError: a chip plays one episode only, which leaves no baseline.
        """
        spec, progress = port.spec, state.progress
        if episodes_per_chip(env, spec) < 2:
            raise ValueError(
                "NodePerturbationReinforce: the baseline wants at least 2 episodes a chip, got 1"
            )
        moments = list(self._play(port, env, progress, generator))
        tally = episode_stats(iter(moments), len(spec.fleet))
        result = credit(spec, moments, self.decay)
        gradient = knob_gradients(spec, self.estimator.tell(spec, result), result.inputs, result.out)
        inner = send_update(
            port,
            self.update,
            gradient,
            state.update,
            progress.drive_scale(self.max_env_steps, self.final_scale),
        )
        steps = tally.lengths.sum(-1)
        normalizer = progress.normalizer.merge(tally.normalizer) if self.normalize else progress.normalizer
        return PolicyState(inner, Progress(normalizer, progress.steps + steps)), Round(tally.returns, steps)

    def _play(
        self, port: Port, env: VectorEnv, progress: Progress, generator: Generator
    ) -> Iterator[Transition]:
        """Episodes side by side, each of their steps with a probe of its own."""

        def probe(x: Tensor) -> Probe:
            asked, _ = self.estimator.ask(port.spec, x, Reading(()), generator)
            return Probe(nodes=tuple(n.squeeze(0) for n in asked.nodes or () if n is not None))

        return rollout(
            port,
            env,
            self.actions,
            progress.normalizer,
            generator,
            seeds=episode_seeds(env, 1, generator, self.one_seed),
            probe=probe,
            active=progress.active(self.max_env_steps),
        )


def credit(spec: Spec, moments: Sequence[Transition], decay: float) -> ProbeResult:
    """A play as a probe's result: every step an example, its loss the negative of the return-to-go."""
    worth = return_to_go(torch.stack([m.reward for m in moments]), decay)  # (steps, *fleet, batch)
    batch = worth.shape[-1]
    others = (worth.sum(-1, keepdim=True) - worth) / (batch - 1)
    going = torch.stack([m.going for m in moments])

    def examples(parts: Sequence[Tensor]) -> Tensor:  # (*fleet, steps * batch, ...)
        fleet = len(spec.fleet)
        return torch.stack(tuple(parts)).movedim(0, fleet).flatten(fleet, fleet + 1)

    def losses(value: Tensor) -> Tensor:
        return examples((-value * going).to(spec.on, spec.dtype).unbind(0)).unsqueeze(-1)

    taps = Reading(tuple(examples(t) for t in zip(*(m.reading.taps for m in moments), strict=True)))
    sent = zip(*(m.probe.nodes or () for m in moments), strict=True)
    nodes = tuple(examples([n for n in of if n is not None]).unsqueeze(0) for of in sent)
    probed = Reading(tuple(t.unsqueeze(0) for t in taps.taps))
    x = examples([m.x for m in moments])
    return ProbeResult(x, taps, losses(others), Probe(nodes=nodes), probed, losses(worth).unsqueeze(0))


def return_to_go(reward: Tensor, decay: float) -> Tensor:  # (steps, ...)
    """The discounted return of each step: its reward and all after it, fading by `decay` a step."""
    worth = reward.clone()
    for at in range(len(worth) - 2, -1, -1):
        worth[at] += decay * worth[at + 1]
    return worth
