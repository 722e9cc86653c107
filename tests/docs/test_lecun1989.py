"""The version of LeCun's network that is made for reading, beside the fast one."""

import torch

from analog import stream
from docs import lecun1989 as reading
from learners import Batch
from learners.data import load_data
from studies.kit.data.lecun1989 import draw_digits
from studies.kit.digital.lecun1989_training import error_rates, train_passes
from studies.optimizers.lecun1989 import LADDER


def test_it_gives_the_same_weights_and_errors_after_a_pass_as_the_first_rung_of_the_study() -> None:
    data, rung = draw_digits(load_data("digits"), 150, 100), LADDER["base"]
    network = rung.network([stream(0, "lecun1989", "base", "weights", 0)])
    own = next(reading.passes(data, 1))
    next(train_passes(network, rung.schedule, data.train, [stream(0, "lecun1989", "base", "order", 0)]))
    w1, b1, w2, b2, w3, b3, w4, b4 = (w[0] for w in network.weights)  # type: ignore[attr-defined]
    connected = torch.zeros(12, 12, 5, 5)
    for group, planes in enumerate(([*range(8)], [*range(4, 12)], [0, 1, 2, 3, 8, 9, 10, 11])):
        connected[4 * group : 4 * group + 4, planes] = 1
    theirs = (
        *(w1.T.reshape(12, 1, 5, 5), b1.T.reshape(12, 8, 8), w2.view(5, 5, 12, 12).permute(3, 2, 0, 1)),
        *(b2.T.reshape(12, 4, 4), w3, b3[0], w4, b4[0]),
    )
    for name, mine, fast in zip(vars(own), own.parameters(), theirs, strict=True):
        mine = mine.detach() * connected if name == "h2_weights" else mine.detach()
        torch.testing.assert_close(mine, fast, rtol=1e-4, atol=1e-5)
    for half in (data.train, data.test):
        assert reading.score(own, half)[1] == round(
            len(half.x) * error_rates(network, half.x, half.target)[0]
        )


def test_its_loss_is_the_papers_mean_squared_error() -> None:
    own = reading.Network(stream(0, "reading"))
    images = Batch(torch.rand(4, 256, generator=stream(0, "images")), torch.tensor([3, 1, 4, 1]))
    answers = own(images.x.view(-1, 1, 16, 16)).detach()
    wanted = torch.full((4, 10), -1.0)
    wanted[range(4), images.target.tolist()] = 1.0
    loss, misses = reading.score(own, images)
    assert abs(loss - float((answers - wanted).square().sum() / 40)) < 1e-6
    assert misses == int((answers.argmax(1) != images.target).sum())
