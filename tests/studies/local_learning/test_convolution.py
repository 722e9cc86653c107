"""LeCun's chip: what the ways have in common, and whose errors are whose."""

import torch

from analog import Chip, Ideal, Ledger, Mismatched, metered, stream, xray
from learners import Batch, sgd
from learners.local.greedy import _BlockState, _State
from studies.kit.data import lecun1989
from studies.local_learning import convolution

X = torch.rand((5, 256), generator=stream(0, "convolution", "x")) * 2 - 1
BATCH = Batch(X, torch.tensor([0, 1, 2, 3, 4]))


def test_perturbing_methods_read_alike_and_the_reference_only_reads() -> None:
    """Vectors through each layer in one step: 1 and 4 for each example."""
    reads = {}
    for method in convolution.METHODS:
        chip = Chip(Mismatched(), lecun1989.network_layers(), range(2))
        ledger = Ledger(chip.spec)
        taught = convolution.learner(method, chip, sgd(0.1))
        taught.step(metered(chip.port(), ledger), BATCH, taught.init(chip.spec), stream(0, "probes"))
        reads[method] = ledger.reads
    assert reads.pop("exact gradient") == [5] * 4
    assert reads.pop("measured feedback") == [5, 5 + 769, 5 + 193, 5 + 31]
    assert all(vectors == [25] * 4 for vectors in reads.values())


def test_blocks_are_judged_by_what_they_show_to_their_own_read_outs() -> None:
    """Heads that name the class of one chosen unit's activity: known answers for each chip."""
    chip = Chip(Ideal(), lecun1989.network_layers(), range(2))
    taps = xray.respond(chip, X).taps
    heads, wanted = [], []
    for tap in taps[:2]:
        head = torch.zeros(2, 1, 10, tap.shape[-1] + 1)
        head[0, 0, 3, 7] = 1.0  # chip 0 says 3 where unit 7 is active, else 0; chip 1 always says 4
        head[1, 0, 4, -1] = 1.0
        heads.append(_BlockState(None, head))
        named = torch.stack((3 * (tap[0, :, 7] > 0).long(), torch.full((5,), 4)))
        wanted.append([round(e, 6) for e in (named != BATCH.target).double().mean(-1).tolist()])
    state = _State(0, (*heads, _BlockState(None, None)))
    assert convolution.block_errors(chip.port(), BATCH, state) == wanted


def test_images_are_moved_by_a_pixel_at_most_and_all_ways_occur() -> None:
    """Of all nine moves, each image is one, made by rolling within a frame of what lies outside."""
    generator, found = stream(0, "moved"), set()
    framed = torch.nn.functional.pad(X.view(5, 16, 16), (1, 1, 1, 1), value=-1.0)
    ways = {(i, j): framed[:, i : i + 16, j : j + 16].flatten(1) for i in range(3) for j in range(3)}
    for _ in range(30):  # 150 lots; one of nine ways is missing with probability 2e-7
        moved = convolution._shifted(X, generator)
        for at, image in enumerate(moved):
            (way,) = [w for w, images in ways.items() if torch.equal(images[at], image)]
            found.add(way)
    assert found == set(ways)


def test_only_the_first_block_sees_the_image() -> None:
    """Greedy as set up here: what the third block is made of changes nothing in the first two."""
    knobs = []
    for scale in (1.0, 3.0):
        chip = Chip(Ideal(), lecun1989.network_layers(), range(2))
        chip.port().pulse(tuple(k * (scale - 1) * (at > 1) for at, k in enumerate(xray.knobs(chip))))
        taught = convolution.learner("greedy", chip, sgd(0.1))
        state, generator = taught.init(chip.spec), stream(0, "probes")
        for _ in range(3):
            state, _ = taught.step(chip.port(), BATCH, state, generator)
        knobs.append(xray.knobs(chip))
    same = [torch.equal(a, b) for a, b in zip(*knobs, strict=True)]
    assert same == [True, True, False, False]
