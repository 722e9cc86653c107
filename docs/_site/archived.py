"""Tables of archived runs, put into pages that are written by hand where these ask for them.

A page asks by a fence that names a study; read on a forge, the fence stays and says where to look.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from studies.kit.report.markdown import markdown_table
from studies.kit.run.catalog import import_study

from .study_pages import archives_of

FENCE: Final = re.compile(r"^```\{archived\} (\w+)\n(.*?)```$", re.MULTILINE | re.DOTALL)


def insert_archived(app: Any, docname: str, source: list[str]) -> None:
    """Replace the fences of a page by the tables of their studies' archived runs."""
    up = "../" * docname.count("/")
    root = Path(app.srcdir).parent
    source[0] = FENCE.sub(lambda fence: "\n".join(archived_tables(fence[1], root, f"{up}studies")), source[0])


def archived_tables(name: str, root: Path, pages: str) -> Iterator[str]:
    """The archived runs of a study as Markdown: commands and tables, or that there is none yet.

    Args:
        name: of the study.
        root: of the repository.
        pages: where the pages of studies are, seen from the page.
    """
    study, kept = import_study(name), archives_of(name, root)
    if not kept:
        yield f"[`{name}`]({pages}/{name}.md): not run yet since rows are archived."
    for one in kept:
        yield from (f"[`{name}`]({pages}/{name}.md), {len(one.trials)} trials:", "")
        yield from ("```sh", str(one.manifest["command"]), "```", "")
        yield from (*markdown_table(study.table(one.rows)), "")
