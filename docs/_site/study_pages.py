"""Pages of the studies: what each claims, from its docstring; what came out, from its archived rows."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from studies.kit.report.described import origin
from studies.kit.report.figures import draw_figures
from studies.kit.report.markdown import markdown_table
from studies.kit.run.archive import ARCHIVES, StoredRun, read_archive
from studies.kit.run.catalog import Entry, catalog, import_study

from .api_pages import write_changed
from .fields import comments_of_fields

SECTIONS: Final = {  # paragraphs of a docstring that begin so open a section
    "Published": "Published beside ours",
    "No published": "Published beside ours",
    "Beside ours": "Published beside ours",
    "Open question": "What is open",
    "What it cannot": "What limits it",
    "What the table may": "What limits it",
    "Theirs is": "What limits it",
    "Ours and theirs": "What limits it",
}
_FOLDED: Final = """\
```{{raw}} html
<details class="fold"><summary>{title}</summary>
```

{body}

```{{raw}} html
</details>
```"""


def write_study_pages(folder: Path, root: Path) -> None:
    """Write a page of each study, and their list; pages that did not change stay as they are.

    Args:
        folder: of the pages; figures go below it.
        root: of the repository.
    """
    studies = catalog()
    pages = {f"{name}.md": _page(entry, folder, root) for name, entry in studies.items()}
    write_changed(folder, pages | {"index.md": _index(list(studies.values()), root)})


def archives_of(name: str, root: Path) -> list[StoredRun]:
    """The archives of a study, in the order of their commands."""
    kept = [read_archive(path.parent) for path in sorted((root / ARCHIVES / name).glob("*/manifest.json"))]
    return sorted(kept, key=lambda one: str(one.manifest["command"]))


def _index(entries: Sequence[Entry], root: Path) -> str:
    lines = [
        "# Studies",
        "",
        "One claim each, one file each, `python -m studies NAME`. A page shows what a study claims, how,",
        "what was published, and the figures and tables of its [archived rows](../results.md); it is made",
        "from these when the documentation is built.",
        "",
    ]
    for theme in dict.fromkeys(entry.theme for entry in entries):
        own = [entry for entry in entries if entry.theme == theme]
        rows = [
            {
                "study": f"[{entry.name}]({entry.name}.md)",
                "claim": entry.claim,
                "archived runs": len(archives_of(entry.name, root)) or "none yet",
            }
            for entry in own
        ]
        lines += [f"## {theme.partition(':')[0]}", "", theme, "", *markdown_table(rows), ""]
    names = "\n".join(entry.name for entry in entries)
    return "\n".join([*lines, f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"])


def _page(entry: Entry, folder: Path, root: Path) -> str:
    study = import_study(entry.name)
    kept = archives_of(entry.name, root)
    source = f"{entry.module.replace('.', '/')}.py"
    parts = [f"# {entry.name}", f"**{entry.claim}**", f"```sh\npython -m studies {entry.name}\n```"]
    if entry.data:
        parts.append(f"Data by default: `{entry.data}`.")
    parts += _sections(study.__doc__ or "")
    parts += ["## Archived runs", *(_run(one, study, folder) for one in kept)]
    if not kept:
        parts.append("There is no archived run yet; the command above makes one.")
    parts += ["## Arguments", *_arguments(study.Args)]
    body = f"```{{literalinclude}} /../{source}\n:language: python\n```"
    parts += ["## Source", _FOLDED.format(title=f"<code>{source}</code>", body=body)]
    return "\n\n".join(parts) + "\n"


def _sections(doc: str) -> Iterator[str]:
    """The paragraphs behind the claim, those about the same matter under one heading."""
    paragraphs = doc.strip().split("\n\n")[1:]
    sections: dict[str, list[str]] = {}
    for paragraph in paragraphs:
        heading = next((h for start, h in SECTIONS.items() if paragraph.startswith(start)), "How")
        sections.setdefault(heading, []).append(markdown_of(paragraph))
    order = dict.fromkeys(["How", *SECTIONS.values()])
    for heading in order:
        if heading in sections:
            yield f"## {heading}"
            yield from sections[heading]


def markdown_of(paragraph: str) -> str:
    """A paragraph of a docstring: addresses become links, what it sets off by indentation stays as it is."""
    if paragraph.startswith("    "):
        return paragraph
    paragraph = re.sub(r"(?<![`(<])(https?://[^\s,;)]+[^\s,;).:])", r"<\1>", paragraph)
    paragraph = re.sub(r"\((https?://[^\s,;)]+[^\s,;).:])", r"(<\1>", paragraph)
    return re.sub(r"(?<!`)(--[a-z][a-z-]*(?:-[a-z]+)*)(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"`\1`", paragraph)


def _run(kept: StoredRun, study: Any, folder: Path) -> str:
    """What an archive holds: its command, what it was made by, its figures, its closing table."""
    made = kept.manifest
    planned = len(made["seeds"]["trials"])
    commits = sorted({str(state["commit"])[:8] for state in made["git"].values()})
    facts = [
        f"{planned} trials" if kept.is_finished else f"unfinished: {len(kept.trials)} of {planned} trials",
        *(f"commit `{commit}`" for commit in commits),
        f"torch {made['versions']['torch']}",
        *([f"{made['seconds'] / 60:.0f} minutes"] if "seconds" in made else ["time not archived"]),
    ]
    place = f"/archive/{kept.place.parent.name}/{kept.place.name}"
    files = f"{{download}}`manifest <{place}/manifest.json>`, {{download}}`rows <{place}/rows.jsonl.gz>`"
    pictures = "\n\n".join(
        f"![{path.stem}]({path.relative_to(folder).as_posix()})" for path in _draw(kept, study, folder)
    )
    return "\n\n".join(
        [
            f"(archive-{kept.place.name})=\n### {kept.place.name}",
            f"```sh\n{made['command']}\n```",
            f"{', '.join(facts)}; {files}.",
            pictures,
            "\n".join(markdown_table(study.table(kept.rows))).replace(" ± ", "\u00a0±\u00a0"),
        ]
    )


def _draw(kept: StoredRun, study: Any, folder: Path) -> list[Path]:
    """The figures of an archive, drawn by the study itself; drawn again only if it, or the rows, changed."""
    place = folder / "figures" / kept.place.parent.name / kept.place.name
    rows, stamp = kept.place / "rows.jsonl.gz", place / "drawn"
    made_from = max(rows.stat().st_mtime, Path(study.__file__).stat().st_mtime)
    if not stamp.exists() or stamp.stat().st_mtime < made_from:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        draw_figures(study, kept.rows, place, origin(kept.manifest))
        stamp.touch()
    return sorted(place.glob("*.png"))


def _arguments(args: type[Any]) -> Iterator[str]:
    said = comments_of_fields(args)
    rows = [
        {
            "flag": f"`--{f.name.replace('_', '-')}`",
            "default": f"`{_shown(f.default)}`",
            "meaning": said.get(f.name, ""),
        }
        for f in fields(args)
    ]
    yield "\n".join(markdown_table(rows))


def _shown(value: Any) -> str:
    text = " ".join(map(_shown, value)) if isinstance(value, tuple) and value else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
