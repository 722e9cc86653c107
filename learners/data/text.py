"""Text to predict symbol by symbol: by name, from a file, or of your own; contexts are windows of it."""

import gzip
import hashlib
import importlib
import os
import zlib
from math import log
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from analog.streams import stream

from ..learner import Batch
from .bad_data import BadData, describe_error
from .dataset import Dataset
from .idx import is_folder
from .vocabulary import Vocabulary, byte_pairs

TEXTS: Final = {  # address, and MD5 of the text
    "shakespeare": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "6fb458f1232090904fb40fe944165e91",
    )
}
_SHARES: Final = 10  # the last share of the text is to judge by
_LETTERS: Final = "abcdefg "  # of "markov"
_CHANCES: Final = (0.6, 0.3, 0.1)  # of the three letters that follow a pair of letters there
MARKOV_ENTROPY: Final = -sum(
    p * log(p) for p in _CHANCES
)  # nats a character: what no model of "markov" beats


class Text(NamedTuple):
    """A text as numbers of symbols: the part to learn from, and the part behind it to judge by."""

    name: str
    vocabulary: Vocabulary
    train: Tensor  # (symbols,) int64
    test: Tensor  # (symbols,) int64

    def contexts(self, length: int) -> Dataset:
        """The examples of a text: `length` symbols each, numbers in float32, and the symbol that follows.

        They are windows of one tensor, so that all together take no more memory than the text; what decodes
        them is the wiring of the chip (`analog.layers.OneHot`).

        Raises:
            BadData: a part is not longer than a context.
        """
        halves = []
        for part in (self.train, self.test):
            if not 1 <= length < len(part):
                raise BadData(f"{self.name}: a part of {len(part):,} symbols has no context of {length}")
            halves.append(Batch(part.float().unfold(0, length, 1)[:-1], part[length:]))
        data = Dataset.from_batches(self.name, *halves)
        return data._replace(classes=len(self.vocabulary), class_names=self.vocabulary.symbols)

    def characters_each(self, context: int) -> float:
        """The mean number of characters of the symbols that the test examples of such a context end in."""
        lengths = torch.tensor([len(symbol) for symbol in self.vocabulary.symbols])
        return float(lengths[self.test[context:]].double().mean())


def load_text(where: str | Path, *, vocabulary: int | None = None, held_out: bool = False) -> Text:
    """Load a text whose last tenth is to judge by.

    "shakespeare", the million characters that Karpathy made of it
    (https://github.com/karpathy/char-rnn), is read from $MORTAL_DATA/shakespeare/input.txt, gzipped or not,
    when that folder exists, else downloaded once into the user's cache; either is checked against its MD5.
    "markov" is drawn: every pair of its letters is followed by one of three, with chances .6, .3 and .1.

    Args:
        where: one of these names; a file of UTF-8, gzipped or not; or "module:attribute", a string, or a
            function that returns one.
        vocabulary: symbols, learned from the part to learn from; None takes the characters as they are.
        held_out: leave the last tenth out, and judge by the tenth before it, to choose settings by.

    Raises:
        BadData: naming the file or the module, what was found and what was wanted.
    """
    name, text = _read(str(where))
    tenth = len(text) // _SHARES
    if not tenth:
        raise BadData(f"{name}: {len(text)} characters have no tenth to judge by")
    end = len(text) - tenth if held_out else len(text)
    train, test = text[: end - tenth], text[end - tenth : end]
    characters = tuple(sorted({*text}))
    words = Vocabulary(characters) if vocabulary is None else byte_pairs(characters, train, vocabulary)
    return Text(name, words, words.encode(train), words.encode(test))


def _read(where: str) -> tuple[str, str]:
    """The name of a text, and the text."""
    if where == "markov":
        return where, _markov()
    if where in TEXTS:
        address, md5 = TEXTS[where]
        text = _read_file(_find(where, address, md5))
        if hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != md5:
            raise BadData(f"text: {where} is not the original: its MD5 should be {md5}")
        return where, text
    if Path(where).expanduser().is_file():
        return Path(where).name, _read_file(Path(where).expanduser())
    if ":" in where:
        return where.rpartition(":")[2], _import(where)
    known = ", ".join((*TEXTS, "markov"))
    raise BadData(f"text: {where!r} is no file, nor one of {known}, nor module:attribute")


def _find(name: str, address: str, md5: str) -> Path:
    """The file of a text by its name, downloaded if it is nowhere."""
    home = os.environ.get("MORTAL_DATA")
    if home and is_folder(Path(home) / name):
        folder = Path(home).expanduser() / name
        for path in (folder / "input.txt", folder / "input.txt.gz"):
            if path.is_file():
                return path
        raise BadData(f"{folder}: has neither input.txt nor input.txt.gz")
    import pooch  # slow to import

    try:
        folder = Path(pooch.os_cache("mortal")) / name
        return Path(pooch.retrieve(address, known_hash=f"md5:{md5}", fname="input.txt", path=folder))
    except (OSError, ValueError) as error:
        raise BadData(
            f"text: cannot download {name} ({error}); set MORTAL_DATA to the folder that holds "
            f"{name}/input.txt, or pass a file"
        ) from error


def _read_file(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{path}: cannot be read: {describe_error(error)}") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: is no UTF-8 text: {describe_error(error)}") from error


def _import(where: str) -> str:
    module, _, name = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        text = found() if callable(found) else found
    except (Exception, SystemExit) as error:  # whatever a user's module does
        raise BadData(f"text: {where!r}: {type(error).__name__}: {describe_error(error)}") from error
    if not isinstance(text, str):
        raise BadData(f"text: {where!r} is {type(text).__name__}, wanted a string")
    return text


def _markov(length: int = 5_000) -> str:
    """A text whose entropy is known."""
    generator, count = stream(0, "data", "markov"), len(_LETTERS)
    followers = torch.rand(count, count, count, generator=generator).argsort(-1).tolist()
    draws = torch.multinomial(torch.tensor(_CHANCES), length, True, generator=generator).tolist()
    numbers = [0, 1]
    for draw in draws:
        numbers.append(followers[numbers[-2]][numbers[-1]][draw])
    return "".join(_LETTERS[number] for number in numbers)
