"""`python -m studies` lists the studies; `python -m studies NAME --help` shows a study's flags."""

import sys
from dataclasses import make_dataclass
from typing import Any

import tyro
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn
from rich.table import Table

from learners.data.datasets import BadData

from .handing_on import apprentice
from .handing_on import bits
from .handing_on import community
from .handing_on import handover
from .handing_on import heirs
from .handing_on import left_out
from .handing_on import lineage
from .handing_on import mistakes
from .handing_on import stimuli
from .handing_on import temperature
from .hardware import aging
from .hardware import calibrate
from .hardware import zoo
from .kit.run.results import ResultsError
from .kit.run.results import read_rows
from .kit.run.runner import RunOptions
from .kit.run.runner import run_study
from .kit.run.study import Row
from .kit.run.study import claim
from .kit.run.study import short_name
from .local_learning import autoencoder
from .local_learning import contrastive
from .local_learning import convolution
from .local_learning import depth
from .local_learning import forward_forward
from .local_learning import local
from .local_learning import local_targets
from .optimizers import lecun1989
from .optimizers import towers
from .perturbation import in_place
from .perturbation import laws
from .perturbation import probes
from .perturbation import scaling
from .perturbation import speed
from .perturbation import tuning
from .rl import control
from .rl import meta

STUDIES: tuple[Any, ...] = (
    heirs,
    lineage,
    handover,
    in_place,
    laws,
    probes,
    scaling,
    tuning,
    speed,
    zoo,
    aging,
    calibrate,
    temperature,
    bits,
    stimuli,
    left_out,
    mistakes,
    community,
    meta,
    control,
    apprentice,
    local,
    depth,
    convolution,
    contrastive,
    forward_forward,
    autoencoder,
    local_targets,
    towers,
    lecun1989,
)  # a new study is one more name here


def main() -> int:
    console = Console()
    named = {short_name(s): s for s in STUDIES}
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        _list(console, named)
        return 0
    study = named.get(sys.argv[1])
    if study is None:
        console.print(f"no study is called {sys.argv[1]!r}; there are {', '.join(named)}")
        return 2
    asked: Any = make_dataclass("Asked", [("args", study.Args), ("options", RunOptions)], frozen=True)
    command = f"python -m studies {sys.argv[1]}"
    given: Any = tyro.cli(
        asked,
        prog=command,
        description=study.__doc__,
        args=sys.argv[2:],
        config=(tyro.conf.OmitArgPrefixes,),
    )
    try:
        folder = _conduct(console, study, given.args, given.options)
    except (BadData, ResultsError, ValueError) as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
        return 1
    _report(console, study, folder)
    return 0


def _list(console: Console, named: dict[str, Any]) -> None:
    table = Table("study", "claim", title="python -m studies NAME [--help]")
    for name, study in named.items():
        table.add_row(name, claim(study))
    console.print(table)


def _conduct(console: Console, study: Any, args: Any, options: RunOptions) -> Any:
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def show(name: str, row: Row) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name.rpartition(":")[2], total=1.0, state="")
            state = ", ".join(
                f"{k} {v:.4g}" if isinstance(v, float) else str(v)
                for k, v in row.items()
                if k in ("what", "who", "method", "step", "accuracy")
            )
            progress.update(tasks[name], state=state, **({"completed": row["done"]} if "done" in row else {}))

        folder = run_study(study, args, options, show)
        for task in tasks.values():
            progress.update(task, completed=1.0)
    return folder


def _report(console: Console, study: Any, folder: Any) -> None:
    rows = read_rows(folder)
    lines = study.table(rows)
    columns = list(dict.fromkeys(key for line in lines for key in line))
    table = Table(*columns)
    for line in lines:
        table.add_row(*(str(line.get(c, "")) for c in columns))
    console.print(table)
    for path in sorted(folder.glob("*.png")):
        console.print(f"picture: {path.resolve()}", soft_wrap=True, highlight=False)
    console.print(f"rows:    {(folder / 'rows.jsonl').resolve()}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
