"""Laws of fabrication: what a device is made of, and what the factory delivers."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ..chip import Chip
from ..costs import Costs
from ..io.store import load, save
from ..settings import Setting, settings
from .assertions import cell_fields, require, require_equal
from .surroundings import GLOBAL_GENERATORS, Generators, moved_generator, watched_clocks
from .trial import AXES, Trial

_COUPLES = frozenset({*AXES, "cells"})


def check_parameters(trial: Trial) -> None:
    """A device is frozen, each parameter of it has a `setting`, and it states its costs and couplings."""
    device = trial.device
    require(
        isinstance(device.costs, Costs), f"costs are {device.costs!r}, wanted Costs; is costs a property?"
    )
    couples: object = device.couples
    law = f"couples is {couples!r}, wanted a frozenset of some of {', '.join(sorted(_COUPLES))}"
    require(isinstance(couples, frozenset) and couples <= _COUPLES, law)
    _check_fields(device)


def _check_fields(device: Any) -> None:
    kind: Any = type(device)
    name = kind.__name__
    if not dataclasses.is_dataclass(device):
        return
    require(kind.__dataclass_params__.frozen, f"{name} can be altered; write @dataclass(frozen=True)")
    for field, known in settings(kind).items():
        value = getattr(device, field)
        if hasattr(value, "fabricate"):
            _check_fields(value)
        else:
            law = f"parameter {field} of {name} has no meaning, unit or range; write {field} = setting(...)"
            require(known != Setting(), law)


def check_fabrication(trial: Trial) -> None:
    """Cells are a NamedTuple of finite tensors, the same for the same identity, alone or in a fleet."""
    before = Generators()
    with watched_clocks(trial.device, moved=False) as clocks:
        alone, again, other, fleet = (trial.chip(who) for who in (3, 3, 4, range(5)))
    used = before.used()
    require(used is None, f"{used} was used by fabricate; draw from `birth` only")
    with watched_clocks(trial.device, moved=True):
        later = trial.chip(3)
    clock = f"fabricate reads the computer's clock ({clocks[0]}); draw from `birth` only" if clocks else ""
    differs = False
    for i in range(len(trial.layers)):
        _check_form(alone, i)
        for name, cell in cell_fields(alone, i).items():
            where = f"layer {i}: cells.{name}"
            for same in (again, later):
                found = cell_fields(same, i)[name]
                require_equal(found, cell, clock or f"{where}: the same identity gave another chip")
            require_equal(cell_fields(fleet, i)[name][3], cell, f"{where}: row 3 of a fleet is not chip 3")
            differs = differs or not torch.equal(cell_fields(other, i)[name], cell)
    _check_worlds(trial, alone)
    require(differs, "chips 3 and 4 are the same; draw what differs between chips from `birth`")


def _check_worlds(trial: Trial, alone: Chip) -> None:
    for which, name in GLOBAL_GENERATORS.items():
        with moved_generator(which):
            elsewhere = trial.chip(3)
        for i in range(len(trial.layers)):
            for field, cell in cell_fields(alone, i).items():
                law = f"layer {i}: cells.{field} depends on {name}; draw from `birth` only"
                require_equal(cell_fields(elsewhere, i)[field], cell, law)


def _check_form(chip: Chip, i: int) -> None:
    layer = chip.spec.layers[i]
    shape, knobs = (layer.tiles, layer.rows, layer.cols), chip._cells[i].knobs
    require(tuple(knobs.shape) == shape, f"layer {i}: cells.knobs is {tuple(knobs.shape)}, wanted {shape}")
    require(
        knobs.dtype == chip.spec.dtype, f"layer {i}: cells.knobs is {knobs.dtype}, wanted {chip.spec.dtype}"
    )
    for name, cell in cell_fields(chip, i).items():
        where = f"layer {i}: cells.{name}"
        require(isinstance(cell, Tensor), f"{where} is {type(cell).__name__}, wanted a tensor")
        require(not vars(cell), f"{where} carries {', '.join(vars(cell))}; a file keeps numbers alone")
        require(not cell.requires_grad, f"{where} requires a gradient; cells are plain tensors")
        law = f"{where} has {cell.ndim} axes for one chip, wanted at most (tiles, a, b)"
        require(cell.ndim <= 3, law)
        require(bool(torch.isfinite(cell).all()), f"{where} is not finite at birth")


def check_files(trial: Trial) -> None:
    """Every field of the cells goes through a file and comes back bitwise."""
    chip = trial.chip(3)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "chip"
        save(chip, path)
        loaded = load(path, trial.device, trial.layers)
    for i in range(len(trial.layers)):
        for name, cell in cell_fields(chip, i).items():
            require_equal(cell_fields(loaded, i)[name], cell, f"layer {i}: a file altered cells.{name}")
