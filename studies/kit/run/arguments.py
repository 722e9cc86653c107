"""Arguments of studies on the command line: parts named by reference, and the command for given arguments."""

import dataclasses
import importlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from tyro.constructors import PrimitiveConstructorSpec

from analog import Device

from .references import BadReference, argument_text, default_of, public_reference, resolve


def by_reference(kind: str, has: str, homes: Sequence[str] = ()) -> PrimitiveConstructorSpec[Any]:
    """How tyro reads a part of some kind, told by a method or property that it has.

    Args:
        kind: of part, for messages.
        has: what it must have.
        homes: packages in which somebody who gives no module may have meant a part.

    With `AnyDevice = Annotated[Device, by_reference("device", has="fabricate")]`, a field `device: AnyDevice`
    is named by reference on the command line; in a union the literal words come first.
    """

    def read(words: list[str]) -> Any:
        require_module(words[0], kind, homes)
        part = resolve(words[0])
        if not _is_suitable(part):
            raise BadReference(f"{words[0]}: is not {_article(kind)}; it has no {has!r}")
        return part

    def _is_suitable(part: Any) -> bool:
        return hasattr(part, has) and not isinstance(part, type)

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="MODULE:NAME",
        instance_from_str=read,
        is_instance=_is_suitable,
        str_from_instance=lambda part: [public_reference(part)],
    )


def by_name(
    kind: str, names: Sequence[str], read: Callable[[str], Any], homes: Sequence[str] = ()
) -> PrimitiveConstructorSpec[Any]:
    """How tyro reads what is called by a name of ours, or else is named by reference.

    Args:
        kind: of what is named, for messages.
        names: ours.
        read: makes it of a reference.
        homes: packages in which somebody who gives no module may have meant one.
    """

    def instance(words: list[str]) -> Any:
        if words[0] in names:
            return words[0]
        require_module(words[0], kind, homes, names)
        return read(words[0])

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(names) + "}|MODULE:NAME",
        instance_from_str=instance,
        is_instance=lambda part: part in names if isinstance(part, str) else True,
        str_from_instance=lambda part: [part if isinstance(part, str) else public_reference(part)],
    )


def require_module(word: str, kind: str, homes: Sequence[str], names: Sequence[str] = ()) -> None:
    """Refuse a word that names no module, with what may have been meant.

    Args:
        word: from the command line.
        kind: of what it should name.
        homes: packages in which there are such parts.
        names: that are known without a module.

    Raises:
        BadReference: it has no colon.
    """
    if ":" in word or word.partition("(")[0].endswith(".py"):
        return
    bare, bracket, arguments = word.partition("(")
    known = {name: f"{home}:{name}" for home in homes[::-1] for name in dir(importlib.import_module(home))}
    ours = _nearest(bare, names) if not bracket else None  # a name of ours takes no arguments
    theirs = None if ours else _nearest(bare, [name for name in known if name[0] != "_"])
    meant = ours or (known[theirs] + bracket + arguments if theirs else None)
    perhaps = f"perhaps {meant!r}; " if meant else ""
    raise BadReference(f"{word}: no {kind} is called so; {perhaps}one's own is named as module:name")


def _nearest(word: str, known: Sequence[str]) -> str | None:
    """The nearest word, whose hyphens, underscores and spaces are alike, whatever the case."""
    plain = {_plain(each): each for each in known[::-1]}
    near = get_close_matches(_plain(word), plain, 1)
    return plain[near[0]] if near else None


def _plain(word: str) -> str:
    return word.lower().replace("-", " ").replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class SeededChips:
    """The seed of a study on chips: of order, probes and noise, and, unless they are held, of the chips.

    Seed 0 makes the chips from identity 0 on; every further seed makes others, a million or more away.
    """

    seed: int = 0  # of data order, probes and the chips' noise, and of which chips are made
    hold_chips: bool = False  # make the chips of seed 0, whatever the seed

    def first_identity(self, spans: int = 1) -> int:
        """The identity that the study counts its chips from.

        Args:
            spans: how many millions of identities the study's chips spread over.
        """
        return 0 if self.hold_chips else 1_000_000 * spans * self.seed

    def identities(self, count: int) -> range:
        """The identities of so many chips, of a study that has no others."""
        first = self.first_identity()
        return range(first, first + count)


@dataclass(frozen=True, kw_only=True)
class WithPrecision:
    """The precision of a study's large products: of those that simulate chips, and of its learners'."""

    precision: Literal["float32", "bfloat16"] = "float32"  # of large products; bfloat16 takes half the time

    @property
    def product_precision(self) -> torch.dtype | None:
        """The precision as a chip takes it."""
        return torch.bfloat16 if self.precision == "bfloat16" else None


DEVICES = ("analog", "analog.devices", "analog.effects")
AnyDevice = Annotated[Device, by_reference("device", has="fabricate", homes=DEVICES)]


def command(study: str, args: Any) -> str:
    """The command that runs a study with these arguments; it names those that are not the defaults.

    Args:
        study: its name on the command line.
        args: an instance of its `Args`.
    """
    words = ["python", "-m", "studies", study]
    for field in dataclasses.fields(args):
        value, flag = getattr(args, field.name), field.name.replace("_", "-")
        if isinstance(value, bool) and value != default_of(field):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value != default_of(field):
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{flag}", *map(_word, values)]
    return shlex.join(words)


def _word(value: Any) -> str:
    """A value on the command line."""
    if isinstance(value, str | Path):
        return str(value)
    if dataclasses.is_dataclass(value) or isinstance(value, partial) or callable(value):
        return public_reference(value)
    return argument_text(value)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
