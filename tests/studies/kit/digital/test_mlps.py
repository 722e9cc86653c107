"""Digital MLPs: gradients agree with autograd, and variants of a seed begin alike."""

import torch
from torch.nn.functional import cross_entropy

from analog import stream
from learners import Batch
from studies.kit.digital.mlps import Sizes, error_rates, gradient, initial_knobs

SIZES = Sizes(seeds=2, variants=3, inputs=7, hidden=5, classes=4)


def test_gradients_agree_with_autograd() -> None:
    """Every copy with the batch of its own seed, in float64."""
    generator = stream(0, "digital")
    knobs = tuple(
        k.double() + 0.1 * torch.randn(k.shape, generator=generator)
        for k in initial_knobs(SIZES, [stream(0, "born", s) for s in range(2)])
    )
    x = torch.rand(2, 6, 7, generator=generator, dtype=torch.float64)
    label = torch.randint(0, 4, (2, 6), generator=generator)
    made = gradient(SIZES, knobs, Batch(x, label))
    for copy in range(SIZES.copies):
        one, two = (k[copy, 0].clone().requires_grad_() for k in knobs)
        hidden = (x[copy // 3] @ one[:, :-1].T + one[:, -1]).tanh()
        loss = cross_entropy((hidden @ two[:, :-1].T + two[:, -1]).tanh(), label[copy // 3])
        for ours, slope in zip(made, torch.autograd.grad(loss, (one, two)), strict=True):
            torch.testing.assert_close(ours[copy, 0], slope, rtol=1e-10, atol=1e-12)


def test_variants_of_a_seed_begin_alike_and_err_alike() -> None:
    knobs = initial_knobs(SIZES, [stream(0, "born", s) for s in range(2)])
    alone = initial_knobs(SIZES._replace(seeds=1), [stream(0, "born", 1)])
    for all_of_them, own in zip(knobs, alone, strict=True):
        assert torch.equal(all_of_them[3:], own) and torch.equal(all_of_them[3], all_of_them[5])
        assert not torch.equal(all_of_them[0], all_of_them[3])
    data = Batch(torch.rand(50, 7, generator=stream(0, "x")), torch.arange(50) % 4)
    wrong = error_rates(SIZES, knobs, data)
    for seed, own in enumerate(wrong.view(2, 3)):
        one, two = knobs[0][3 * seed, 0], knobs[1][3 * seed, 0]
        hidden = (data.x @ one[:, :-1].T + one[:, -1]).tanh()
        named = (hidden @ two[:, :-1].T + two[:, -1]).argmax(-1)
        assert own.unique().tolist() == [float((named != data.target).double().mean())]
