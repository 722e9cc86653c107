"""Blocks keep every bit and the layout; checksums see every difference that matters, and no other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import Ideal, Mismatched, conv2d, dense, grouped, patches, stream
from analog.effects import Endurance
from analog.io.serialization import BadBlock, checksum, describe, layer_checksum, pack, unpack


@given(
    shape=st.lists(st.integers(0, 3), max_size=4),
    order=st.permutations(range(4)),
    dtype=st.sampled_from("fdbi"),
)
def test_a_block_keeps_bits_and_layout(shape: list[int], order: list[int], dtype: str) -> None:
    kind = {"f": torch.float32, "d": torch.float64, "b": torch.bool, "i": torch.uint8}[dtype]
    axes = [axis for axis in order if axis < len(shape)]
    sent = (100 * torch.rand(shape, generator=stream(0, "frames"))).to(kind).permute(axes)
    header, tensors = unpack(pack({"a": [1, None, "b"]}, {"t": sent}))
    back = tensors["t"]
    assert header == {"a": [1, None, "b"]}
    assert back.dtype == sent.dtype and back.shape == sent.shape and torch.equal(back, sent)
    if 1 not in shape and 0 not in shape:  # strides of other axes say nothing
        assert back.stride() == sent.stride()


def test_odd_values_survive() -> None:
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    back = unpack(pack({}, {"t": odd, "view": odd[1:], "same": odd.expand(2, 4)}))[1]
    assert torch.equal(back["t"].view(torch.int32), odd.view(torch.int32))
    assert torch.equal(back["view"], odd[1:]) and back["same"].shape == (2, 4)


def test_what_is_no_block_is_refused() -> None:
    whole = pack({"a": 1}, {"t": torch.ones(3)})
    for cut in range(len(whole)):
        with pytest.raises(BadBlock, match="not a whole block"):
            unpack(whole[:cut])


def test_wiring_is_what_layers_do() -> None:
    kinds = [
        (dense(4, 4),),
        (dense(4, 4, linear=True),),
        (dense(4, 4, bias=False),),
        (grouped(4, 4, 2),),
        (conv2d((1, 2, 2), 1, 1),),
        (patches((1, 2, 2), 1, 1),),
        (conv2d((1, 2, 2), 1, 1, padding_value=1.0),),  # nothing is padded: the same as without
        (conv2d((1, 2, 2), 1, 2, padding=1),),
        (conv2d((1, 2, 2), 1, 2, padding=1, padding_value=1.0),),
        (dense(4, 4), dense(4, 4)),
    ]
    sums = [layer_checksum(layers) for layers in kinds]
    assert sums[4] == sums[5] == sums[6]  # one row at four sites, by any name
    assert len({*sums}) == len(sums) - 2


def test_digests_and_descriptions_see_differences() -> None:
    t = torch.arange(6.0)
    seen = [
        checksum({}, {"t": t}),
        checksum({"a": 1}, {"t": t}),
        checksum({}, {"u": t}),
        checksum({}, {"t": t.reshape(2, 3)}),
        checksum({}, {"t": t.double()}),
        checksum({}, {"t": t, "u": t}),
    ]
    assert len({*seen}) == len(seen)
    assert checksum({}, {"t": t, "u": t + 1}) == checksum({}, {"u": t + 1, "t": t.clone()})
    devices = (
        Ideal(),
        Mismatched(),
        Mismatched(read_noise=0.021),
        Endurance(Ideal()),
        Endurance(Mismatched()),
    )
    assert len({str(describe(d)) for d in devices}) == len(devices)
    assert describe(Endurance(Ideal())) == describe(Endurance(Ideal()))
