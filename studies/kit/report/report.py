"""What a run leaves to be read: figures, the closing table as CSV and Markdown, and all of it as one page.

`report.html` needs nothing but itself: no file beside it, no network, no font. The same rows give the same.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from ..run.study import Row, Study, claim, short_name
from . import html
from .described import argument_rows, devices_of, origin, provenance_rows, without_place, words
from .devices import device_tables
from .energy import ASSUMPTION, costs_table, energy_table
from .figures import draw_figures
from .look import SCRIPT, STYLE
from .markdown import markdown_table
from .spread import spread_table

REPORT: Final = "report.html"
T = TypeVar("T")
_SPREAD: Final = (
    "Of every number in the rows: n trials or chips with the same settings, mean with its 95 % interval "
    "(Student's), if they are not all equal, standard deviation and range; of a course its end."
)


_TAKES: Final = (
    "Besides the toolkit it takes what is listed here. The folder of the run is named in surroundings.json "
    "of the results, and not here, so that this page can be handed on."
)


def write_report(study: Study, manifest: Row, rows: Sequence[Row], folder: Path) -> Path:
    """Write figures, `table.csv`, `table.md` and `report.html` of a run, finished or not.

    Args:
        study: that was run.
        manifest: of the run.
        rows: of its finished trials.
        folder: to write to.

    Returns:
        the page.

    Raises:
        Exception: whatever the study's `table` or `figures` raise of the rows of a finished run.
    """
    is_finished = len({row["trial"] for row in rows}) == len(manifest["seeds"]["trials"])
    closing: Sequence[Row] = _drawn(lambda: study.table(rows), [], is_finished)
    drawn: Sequence[Path] = _drawn(
        lambda: draw_figures(study, rows, folder, origin(manifest)), [], is_finished
    )
    (folder / "table.csv").write_text(csv_table(closing), newline="")
    (folder / "table.md").write_text(_markdown(study, manifest, closing, rows))
    page = folder / REPORT
    page.write_text(report_page(study, manifest, rows, closing, drawn), encoding="utf-8")
    return page


def _drawn(draw: Callable[[], T], otherwise: T, is_finished: bool) -> T:
    """What a study makes of its rows; of those of some trials alone it may not be able to."""
    try:
        return draw()
    except Exception:
        if is_finished:
            raise
        return otherwise


def csv_table(rows: Sequence[Row]) -> str:
    """The lines of a table as CSV, with all keys of the rows as columns."""
    keys = [*dict.fromkeys(key for row in rows for key in row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
    if keys:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _markdown(study: Study, manifest: Row, closing: Sequence[Row], rows: Sequence[Row]) -> str:
    command = without_place(str(manifest["command"]))
    head = [f"# {short_name(study)}", "", claim(study), "", f"`{command}`", "", _progress(manifest, rows), ""]
    return "\n".join([*head, *markdown_table(closing)]) + "\n"


def _progress(manifest: Row, rows: Sequence[Row]) -> str:
    planned, finished = len(manifest["seeds"]["trials"]), len({row["trial"] for row in rows})
    return f"{planned} trials" if finished == planned else f"Unfinished: {finished} of {planned} trials"


def report_page(
    study: Study, manifest: Row, rows: Sequence[Row], closing: Sequence[Row], drawn: Sequence[Path]
) -> str:
    """The page of a run, all of it in one text.

    Args:
        study: that was run.
        manifest: of the run.
        rows: of its finished trials.
        closing: the study's table.
        drawn: files of its figures.
    """
    title, asked = html.text(short_name(study)), argument_rows(study, manifest)
    sections = {
        "results": ("Closing table", _results(manifest, rows, closing)),
        "figures": ("Figures", _pictures(drawn)),
        "asked": ("What was asked", [html.table("arguments", asked, [bool(a["default"]) for a in asked])]),
        "devices": ("Devices", [*_devices(manifest)]),
        "spread": ("Spread", _spread(manifest, rows)),
        "energy": ("Energy", _energy(manifest, rows)),
        "manifest": ("What made it", [html.table("provenance", [*provenance_rows(manifest)])]),
        "repeat": ("How to repeat it", _repeat(manifest)),
    }
    body = {name: html.section(name, *section) for name, section in sections.items()}
    links = "\n".join(f'<a href="#{name}">{sections[name][0]}</a>' for name, made in body.items() if made)
    all_said = html.linked((study.__doc__ or "").strip())
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}: {html.text(claim(study))}</title>
<style>{STYLE}</style>
</head>
<body>
<main id="report">
<header id="claim">
<div class="soft" id="study">{title}</div>
<h1>{html.text(claim(study))}</h1>
<p class="soft" id="tested">This is the claim that the study puts to the test. Whether it holds for what was
asked here, the tables below say, and nothing else on this page.</p>
<nav id="contents">{links}</nav>
<details id="docstring"><summary>All that the study says of itself</summary>
<pre class="wrapped">{all_said}</pre></details>
</header>
{chr(10).join(body.values())}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _results(manifest: Row, rows: Sequence[Row], closing: Sequence[Row]) -> list[str]:
    said = f'<p class="soft" id="progress">{html.text(_progress(manifest, rows))}</p>'
    return [said, html.table("closing", closing) or "<p>No rows yet.</p>"]


def _pictures(drawn: Sequence[Path]) -> list[str]:
    names = dict.fromkeys(path.stem for path in drawn)
    return [html.picture(name, [path for path in drawn if path.stem == name]) for name in names]


def _devices(manifest: Row) -> Iterator[str]:
    for number, (name, (lines, changed)) in enumerate(device_tables(manifest["made_by"]).items(), 1):
        yield f"<h3>{html.text(name)}</h3>"
        yield html.table(f"device-{number}", lines, changed)


def _spread(manifest: Row, rows: Sequence[Row]) -> list[str]:
    made = html.table("spread-table", spread_table(rows, manifest["made_by"]))
    return [f'<p class="soft">{html.text(_SPREAD)}</p>', made] if made else []


def _energy(manifest: Row, rows: Sequence[Row]) -> list[str]:
    means = energy_table(rows, manifest["made_by"])
    if not means:
        return []
    prices = html.table("costs", costs_table(devices_of(manifest, [*rows])))
    said = f'<p class="soft" id="assumption">{html.text(ASSUMPTION)} Means over trials and chips.</p>'
    return [said, html.table("energy-table", means), "<p>Assumed prices:</p>", prices]


def _repeat(manifest: Row) -> list[str]:
    command = html.text(without_place(str(manifest["command"])))
    needed = [{key: words(cell) for key, cell in line.items()} for line in manifest.get("needs", ())]
    takes = _TAKES if needed else "It takes nothing but the toolkit, in any folder."
    return [
        f'<pre id="command" class="wrapped"><code>{command}</code></pre>',
        f'<p id="needs">{takes}</p>' if "needs" in manifest else "",
        html.table("needed", needed),
        '<p class="soft">From the commit above. Rows are the same, bit for bit, on the same kind of machine, '
        "with the same versions and as many torch threads; elsewhere sums of floats may differ.</p>",
    ]
