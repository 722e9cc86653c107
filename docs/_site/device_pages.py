"""Pages of the devices: what each is, its figure, what its use costs, and which learners do best on it."""

import inspect
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from analog import Mismatched
from analog.devices import ZOO, Hopfield, Resistive
from analog.plots import device_figure
from studies.kit.report.board import board_table
from studies.kit.report.markdown import markdown_table
from studies.kit.run.archive import StoredRun
from studies.kit.run.references import reference, short_reference

from .api_pages import public_names, write_changed
from .fields import comments_of_fields, settings_of
from .study_pages import archives_of, markdown_of

DEVICES: Final[tuple[Any, ...]] = (Mismatched(), *ZOO, Hopfield(), Resistive())  # those of the league
RESULTS: Final = (
    "learner",
    "access",
    "at all reads",
    "after a day",
    "pulses/cell",
    "chip J, by guessed Costs",
)


def write_device_pages(folder: Path, root: Path) -> None:
    """Write a page of each class of device, and their list; pages that did not change stay as they are.

    Args:
        folder: of the pages; figures go below it.
        root: of the repository.
    """
    kinds = list(dict.fromkeys(type(device) for device in DEVICES))
    boards = archives_of("league", root)
    pages = {f"{kind.__name__}.md": _page(kind, boards, folder) for kind in kinds}
    write_changed(folder, pages | {"index.md": _index(kinds, boards)})


def _of_kind(kind: type) -> list[Any]:
    return [device for device in DEVICES if type(device) is kind]


def _said(kind: type) -> list[str]:
    """The paragraphs of a device's docstring."""
    doc = inspect.getdoc(kind) or ""
    return doc.partition("\nArgs:")[0].strip().split("\n\n")


def _page(kind: type, boards: Sequence[StoredRun], folder: Path) -> str:
    first, *rest = _said(kind)
    home = next(name.full for name in public_names() if name.value is kind)
    source = (inspect.getdoc(inspect.getmodule(kind)) or "").split("\n\n")
    parts = [f"# {kind.__name__}", f"**{first}**", *rest, *map(markdown_of, source)]
    parts.append(f"Reference: {{py:obj}}`{home}`.")
    for device in _of_kind(kind):
        parts += [f"## {_name(device)}", _picture(device, folder), *_results(device, boards)]
    costs = _of_kind(kind)[0].costs
    parts += ["## What its use costs", "\n".join(markdown_table(_costs(costs)))]
    if said := settings_of(kind):
        values = {f.name: getattr(_of_kind(kind)[0], f.name) for f in fields(kind)}
        rows = [{"setting": f"`{n}`", "default": f"`{values[n]!r}`", "meaning": m} for n, m in said.items()]
        parts += ["## Settings", "\n".join(markdown_table(rows))]
    return "\n\n".join(parts) + "\n"


def _name(device: Any) -> str:
    return f"`{short_reference(reference(device))}`"


def _picture(device: Any, folder: Path) -> str:
    """The figure of a device, drawn again only if its source changed."""
    word = "".join(c if c.isalnum() else "-" for c in short_reference(reference(device))).strip("-")
    path = folder / "figures" / f"{word}.png"
    if not path.exists() or path.stat().st_mtime < Path(inspect.getfile(type(device))).stat().st_mtime:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = path.with_suffix(".new.png")
        device_figure(device).savefig(drawn, dpi=110)
        shutil.move(drawn, path)
    what = "its pulses, its steps, what it keeps, how it reads, and a chip of it"
    return f"![{what}](figures/{path.name})"


def _results(device: Any, boards: Sequence[StoredRun]) -> Iterator[str]:
    """What learners reached on a device, in each archived league that had it."""
    for board in boards:
        own = [row for row in board.rows if row.get("device") == reference(device)]
        rows = [
            {key: line.get(key, "") for key in RESULTS}
            for line in board_table([row for row in own if row["what"] == "end"])
        ]
        if rows:
            yield _best(own, board)
            yield "\n".join(markdown_table(rows)).replace(" ± ", "\u00a0±\u00a0")
            place = f"{{ref}}`league <archive-{board.place.name}>`"
            yield f"Right % (of a regression, variance explained %), 95 % intervals, ranks: {place}."


def _task(board: StoredRun) -> str:
    """What the chips of a league learned, in words."""
    made_by = board.manifest["made_by"]
    layers = f", {made_by['depth']} hidden layers" if made_by["depth"] > 1 else ""
    return f"{made_by['data']}{layers}"


def _best(rows: Sequence[dict[str, Any]], board: StoredRun) -> str:
    """Which learner does best through the wires, what it takes, and what is left of it after a day."""
    ends = [r for r in rows if r["what"] == "end" and r["accuracy"] and r["access"] != "x-ray"]
    if not ends:
        return f"On {_task(board)} no learner could be run."
    best = max(ends, key=lambda r: sum(r["accuracy"]))
    count = len(best["accuracy"])
    right, later = (100 * sum(best[key]) / count for key in ("accuracy", "after_a_day"))
    return (
        f"On {_task(board)} the best through its wires is **{short_reference(best['learner'])}** "
        f"(access: {best['access']}): {right:.1f} % in the mean of {count} chips after "
        f"{best['reads']:,} reads, {best['pulses_per_cell']:.0f} pulses of each cell and "
        f"{best['joules']:.1g} J, {later:.1f} % a day later."
    )


def _costs(costs: Any) -> list[dict[str, str]]:
    said = comments_of_fields(type(costs))
    return [
        {"of": f"`{f.name}`", "value": f"`{getattr(costs, f.name)!r}`", "meaning": said.get(f.name, "")}
        for f in fields(costs)
    ]


def _index(kinds: Sequence[type], boards: Sequence[StoredRun]) -> str:
    rows = []
    for kind in kinds:
        best = [
            _best([r for r in board.rows if r.get("device") == reference(device)], board)
            for device in _of_kind(kind)
            for board in boards
            if any(r["what"] == "end" and r["device"] == reference(device) for r in board.rows)
        ]
        link = f"[{kind.__name__}]({kind.__name__}.md)"
        rows.append(
            {"device": link, "what it is": _said(kind)[0].replace("\n", " "), "league": "; ".join(best)}
        )
    names = "\n".join(kind.__name__ for kind in kinds)
    lines = [
        "# Devices",
        "",
        "What each device is, its figure as papers on devices have it, what its use costs, and which learner",
        "does best on it by the archived rows of the [league](../studies/league.md). Devices of your own:",
        "[](../your_own.md).",
        "",
        *markdown_table(rows),
    ]
    return "\n".join([*lines, "", f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"])
