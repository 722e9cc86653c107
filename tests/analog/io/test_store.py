"""A saved chip comes back bitwise; whatever is not one is refused, and nothing in it is executed."""

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from analog import Chip, Dead, Device, Ideal, Mismatched, Probe, conv2d, dense, load, save, xray
from analog.devices import SoftBoundsRRAM
from analog.effects import Endurance
from analog.io import BadFile, store
from analog.io.serialization import pack, unpack

LAYERS = (dense(4, 3), dense(3, 2, linear=True))
X = torch.ones(5, 4)
WORN = Endurance(Mismatched(), pulses=30, pulses_dtod=0.5)


def lived(device: Device = WORN, identity: Any = (3, 4), **how: Any) -> Chip:
    chip = Chip(device, LAYERS, identity, noise_seed=5, **how)
    port = chip.port()
    port.program(tuple(0.1 + z for z in chip.spec.zeros()))
    port.measure(X.to(chip.spec.dtype))
    chip.wait(60.0)
    return chip


def future(chip: Chip) -> list[torch.Tensor]:
    """All that will be seen of a chip: readings, pulses, readings."""
    port = chip.port()
    probe = Probe(nodes=tuple(chip.spec.zeros()[0].new_zeros(2, *chip.spec.fleet, 5, n) for n in (3, 2)))
    first = port.measure(X.to(chip.spec.dtype), probe)
    port.pulse(tuple(0.1 + z for z in chip.spec.zeros()))
    return [
        *first.taps,
        *port.measure(X.to(chip.spec.dtype)).taps,
        torch.tensor(chip.clock),
        *xray.knobs(chip),
    ]


@pytest.mark.parametrize("identity", [7, (3, 4)], ids=["lone", "fleet"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("device", [Ideal(), Mismatched(), SoftBoundsRRAM(), WORN, Endurance(WORN)], ids=str)
def test_the_future_is_the_same(device: Any, dtype: torch.dtype, identity: Any, tmp_path: Path) -> None:
    """Knobs, readings, pulses, noise and clock, bitwise; nested wrappers too."""
    chip = lived(device, identity, dtype=dtype)
    save(chip, tmp_path / "chip")
    back = load(tmp_path / "chip", device, list(LAYERS))
    assert back.identities == chip.identities and back.spec == chip.spec and back.clock == chip.clock
    for mine, its in zip(future(chip), future(back), strict=True):
        assert torch.equal(mine, its)


def test_a_dead_chip_stays_dead(tmp_path: Path) -> None:
    chip = lived()
    chip.die()
    save(chip, tmp_path / "chip")
    back = load(tmp_path / "chip", WORN, LAYERS)
    with pytest.raises(Dead, match="killed"):
        back.port().measure(X)
    with pytest.raises(Dead):
        back.survivors()


@pytest.mark.parametrize("spared", [[], [1]], ids=["nobody left", "one left"])
def test_a_worn_out_fleet_stays_so(spared: list[int], tmp_path: Path) -> None:
    device = Endurance(Mismatched(), pulses=2, pulses_dtod=0.0)
    chip = Chip(device, LAYERS, (3, 4))
    drive = tuple(0.1 + z for z in chip.spec.zeros())
    for d in drive:
        d[spared] = 0.0
    for _ in range(2):
        chip.port().pulse(drive)
    save(chip, tmp_path / "chip")
    back = load(tmp_path / "chip", device, LAYERS)
    with pytest.raises(Dead) as theirs:
        back.port().measure(X)
    with pytest.raises(Dead, match=re.escape(str(theirs.value))):
        chip.port().measure(X)
    if spared:
        for mine, its in zip(future(chip.survivors()), future(back.survivors()), strict=True):
            assert torch.equal(mine, its)


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> None:
    """A forgery by somebody who knows the format: content altered, and the checksum made to fit."""
    header, tensors = unpack(path.read_bytes())
    header.pop("checksum")
    change(header, tensors)
    path.write_bytes(pack({**header, "checksum": store.checksum(header, tensors)}, tensors))


def forged(**changes: Any) -> Callable[[Path], None]:
    return lambda path: rewritten(path, lambda header, tensors: header.update(changes))


def spoil(field: str, value: float) -> Callable[[dict[str, Any], dict[str, torch.Tensor]], None]:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name in tensors if name.endswith(field))
        tensors[name].view(-1)[1] = value

    return change


def cut(path: Path, at: float) -> None:
    path.write_bytes(path.read_bytes()[: int(at * path.stat().st_size)])


def flipped(path: Path) -> None:
    block = bytearray(path.read_bytes())
    block[-100] ^= 1  # one bit of one tensor
    path.write_bytes(block)


def relabeled(path: Path) -> None:
    header, tensors = unpack(path.read_bytes())
    path.write_bytes(pack({**header, "clock": 0.0}, tensors))


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, (str(Path(os.environ["BOMB"])),)


BAD: list[tuple[str, Callable[[Path], Any], str]] = [
    ("empty", lambda p: p.write_bytes(b""), "not a whole block"),
    ("cut in its head", lambda p: cut(p, 0.01), "not a whole block"),
    ("cut in the middle", lambda p: cut(p, 0.5), "not a whole block"),
    ("lacking its last byte", lambda p: p.write_bytes(p.read_bytes()[:-1]), "not a whole block"),
    ("one byte too long", lambda p: p.write_bytes(p.read_bytes() + b"x"), "not a whole block"),
    ("one bit flipped", flipped, "content and checksum differ"),
    ("its clock turned back", relabeled, "content and checksum differ"),
    ("a pickle", lambda p: p.write_bytes(pickle.dumps(Bomb())), "not a whole block of ours: a pickle"),
    ("torch.save", lambda p: torch.save({"a": X}, p), "a pickle, or an archive of one"),
    ("an older pickle", lambda p: p.write_bytes(pickle.dumps(Bomb(), 0)), "not a whole block"),
    ("nonsense", lambda p: p.write_bytes(bytes(range(256)) * 9), "not a whole block"),
    ("a header that nests too deep", lambda p: p.write_bytes(deep()), "not a whole block"),
    ("no header", lambda p: p.write_bytes(pack({}, {})), "content and checksum differ"),
    ("another format", lambda p: rewritten(p, lambda w, t: w.update(format=2)), "format 2, wanted 1"),
    ("no clock", lambda p: rewritten(p, lambda w, t: w.pop("clock")), "KeyError: 'clock'"),
    ("a clock gone wrong", lambda p: rewritten(p, lambda w, t: w.update(clock=-1.0)), "clock shows -1"),
    ("an identity of words", lambda p: rewritten(p, lambda w, t: w.update(identity="7")), "identity"),
    ("half precision", lambda p: rewritten(p, lambda w, t: w.update(dtype="float16")), "float16"),
    ("nowhere", lambda p: rewritten(p, lambda w, t: w.update(on="moon")), "not a chip of this device"),
    ("a larger fleet", lambda p: rewritten(p, lambda w, t: w.update(identity=[1, 2, 3])), "wants"),
    ("lost rows of no chip", lambda p: rewritten(p, lambda w, t: w.update(lost=[9])), "rows"),
    ("no generator", lambda p: rewritten(p, lambda w, t: t.pop("generator.0")), "generator"),
    (
        "generator too short",
        lambda p: rewritten(p, lambda w, t: t.update({"generator.0": t["generator.0"][:9]})),
        r"generator.0 is \(9,\)",
    ),
    (
        "generator of nonsense",
        lambda p: rewritten(p, lambda w, t: t["generator.0"].fill_(255)),
        "not a chip",
    ),
    ("a clock past all numbers", forged(clock=10**400), "clock shows 1000"),
    ("a clock of words", forged(clock="5"), "clock shows 5 s"),
    ("a clock that is no number", forged(clock=float("nan")), "clock shows nan"),
    ("a clock without end", forged(clock=float("inf")), "clock shows inf"),
    ("alive in words", forged(alive="no"), "alive or apart is no bool"),
    ("apart in words", forged(apart="no"), "alive or apart is no bool"),
    ("lost rows of a living chip", forged(lost=[0]), "it holds cells, alive is True, lost rows"),
    ("lost rows twice", forged(lost=[0, 0]), "lost rows"),
    ("lost rows in words", forged(lost="0"), "lost rows 0 of no chip"),
    ("lost rows of numbers with a fraction", forged(lost=[0.0]), "lost rows"),
    ("dead with its cells", forged(alive=False), "it holds cells, alive is False"),
    ("alive with nothing", forged(holds="nothing"), "it holds nothing, alive is True"),
    ("holding something else", forged(holds=["cells"]), "it holds"),
    ("an identity of truth", forged(identity=True), "its identity is True"),
    ("identities of fractions", forged(identity=[3.0, 4.0]), "its identity is"),
    ("no identity", forged(identity=[]), "its identity is"),
    ("one identity for two", forged(identity=3), "this device wants"),
    ("twenty thousand identities", forged(identity=list(range(20_000))), "this device wants"),
    ("noise apart without its generators", forged(apart=True), "generator.1 is lacking"),
    ("cells not numbers", lambda p: rewritten(p, spoil("knobs", float("nan"))), "knobs is not finite"),
    ("cells without end", lambda p: rewritten(p, spoil("used", float("inf"))), "used is not finite"),
    ("cells lacking", lambda p: rewritten(p, lambda w, t: t.pop("cells.0.used")), "cells.0.used is lacking"),
    ("cells too many", lambda p: rewritten(p, lambda w, t: t.update(more=X)), "more is unknown"),
    (
        "cells of another shape",
        lambda p: rewritten(p, lambda w, t: t.update({"cells.1.used": X})),
        r"cells.1.used is \(5, 4\) torch.float32, this device wants \(2, 1, 2, 4\) torch.float64",
    ),
]


def deep() -> bytes:
    made = pack({"a": 0}, {})
    size = int.from_bytes(made[:8], "little")
    head = json.loads(made[8 : 8 + size])
    head["__metadata__"]["block"] = "[" * 100_000
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(("spoil", "says"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_files_are_refused(
    spoil: Callable[[Path], Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bomb = tmp_path / "chip", tmp_path / "bomb"
    monkeypatch.setenv("BOMB", str(bomb))
    save(lived(), path)
    spoil(path)
    with pytest.raises(BadFile, match=says) as error:
        load(path, WORN, LAYERS)
    assert str(path) in str(error.value) and not bomb.exists()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chip"
    save(lived(), path)
    mismatched, worn = Mismatched(), Endurance(Mismatched())
    for device, theirs, ours in (
        (mismatched, "analog.effects.endurance:Endurance", "analog.devices.mismatched:Mismatched"),
        (
            worn,
            "Endurance(pulses=30, pulses_dtod=0.5)",
            f"Endurance(pulses={worn.pulses}, pulses_dtod={worn.pulses_dtod})",
        ),
        (
            Endurance(Mismatched(read_noise=0.1), pulses=30, pulses_dtod=0.5),
            f"Endurance(device=Mismatched(read_noise={mismatched.read_noise}))",
            "Endurance(device=Mismatched(read_noise=0.1))",
        ),
    ):
        with pytest.raises(BadFile) as refused:
            load(path, device, LAYERS)
        assert str(refused.value) == f"{path}: was written by {theirs}, you gave {ours}"
    others = (
        LAYERS[:1],
        (LAYERS[0], dense(3, 2)),  # a neuron more
        (dense(4, 3, bias=False), LAYERS[1]),
        (
            conv2d((1, 2, 2), 3, 2),
            LAYERS[1],
        ),  # the same cells, wired the same, but for one thing: it is the same
    )
    for layers in others[:3]:
        with pytest.raises(BadFile, match="other layers"):
            load(path, WORN, layers)
    assert load(path, WORN, others[3]).clock > 0  # wiring is what it does, not what it is called
    with pytest.raises(BadFile, match="the limit is 1000"):
        load(path, WORN, LAYERS, limit=1000)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing", WORN, LAYERS)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, chip = tmp_path / "chip", lived()
    save(chip, path)
    before = path.read_bytes()
    chip.wait(1.0)

    def full(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save(chip, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["chip"]


def test_cells_far_outside_the_bounds_of_their_device_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "chip"
    save(lived(SoftBoundsRRAM()), path)
    rewritten(path, spoil("knobs", 1e30))
    with pytest.raises(BadFile, match="knobs of layer . are far outside the bounds"):
        load(path, SoftBoundsRRAM(), LAYERS)


def test_twenty_thousand_identities_are_not_fabricated_to_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = tmp_path / "chip", []
    save(lived(), path)
    forged(identity=list(range(20_000)))(path)
    fabricate = Mismatched.fabricate

    def counted(self: Mismatched, rows: int, cols: int, birth: Any) -> Any:
        made.append(birth.normal("count").shape[0])
        return fabricate(self, rows, cols, birth)

    monkeypatch.setattr(Mismatched, "fabricate", counted)
    with pytest.raises(BadFile):
        load(path, WORN, LAYERS)
    assert max(made) == 1


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_what_the_survivors_left_behind_is_dead(apart: bool, tmp_path: Path) -> None:
    device = Endurance(Mismatched(), pulses=2, pulses_dtod=0.0)
    chip = Chip(device, LAYERS, (3, 4), noise_seed=(1, 2) if apart else 1)
    drive = tuple(0.1 + z for z in chip.spec.zeros())
    for d in drive:
        d[1] = 0.0
    for _ in range(2):
        chip.port().pulse(drive)
    left = chip.survivors()
    save(chip, tmp_path / "chip")
    save(left, tmp_path / "left")
    back = load(tmp_path / "chip", device, LAYERS)
    assert not back.alive and back.dead.tolist() == chip.dead.tolist() and back.clock == chip.clock
    for use in (lambda c: c.port().measure(X), lambda c: c.survivors(), lambda c: c.wait(1.0)):
        with pytest.raises(Dead) as ours:
            use(chip)
        with pytest.raises(Dead, match=re.escape(str(ours.value))):
            use(back)
    for mine, its in zip(future(left), future(load(tmp_path / "left", device, LAYERS)), strict=True):
        assert torch.equal(mine, its)


def test_the_dead_of_a_fleet_that_lives_apart_come_back_dead(tmp_path: Path) -> None:
    device = Endurance(Mismatched(), pulses=2, pulses_dtod=0.0)
    chip = Chip(device, LAYERS, (3, 4), noise_seed=(1, 2))
    for rows in ([0], [0, 1]):
        drive = tuple(torch.zeros_like(z) for z in chip.spec.zeros())
        for d in drive:
            d[rows] = 0.1
        for _ in range(2):
            chip.port().pulse(drive)
        save(chip, tmp_path / "chip")
        back = load(tmp_path / "chip", device, LAYERS)
        assert back.dead.tolist() == chip.dead.tolist() and back.alive == chip.alive
        fresh = Chip(device, LAYERS, (9,), noise_seed=(5,))
        back.replace_rows([0], fresh)
        assert back.dead.tolist() == [False, *chip.dead.tolist()[1:]]


@pytest.mark.parametrize("wrong", [None, 3, Ideal()], ids=str)
def test_only_chips_are_saved(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=rf"\Asave: got {type(wrong).__name__}, wanted a Chip\Z"):
        save(wrong, tmp_path / "chip")
    with pytest.raises(TypeError, match=r"\Asave: got Port, wanted a Chip; a port leads to no cells[^\n]+\Z"):
        save(lived().port(), tmp_path / "chip")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_same_chip_gives_the_same_bytes(tmp_path: Path) -> None:
    blocks = set()
    for _ in range(20):
        save(lived(), tmp_path / "chip")
        blocks.add((tmp_path / "chip").read_bytes())
    assert len(blocks) == 1
