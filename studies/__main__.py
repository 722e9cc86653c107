"""`python -m studies` lists the studies; `python -m studies NAME --help` shows a study's flags."""

import sys
from itertools import groupby

from rich.console import Console
from rich.table import Table

from .kit.report.terminal import print_table
from .kit.run.catalog import catalog

OTHER_COMMANDS = """\
python -m studies PACKAGE.MODULE    run a study of your own
python -m studies draw FOLDER       draw the figures of results again
python -m studies archive FOLDER    keep results in docs/archive, also those of an unfinished run
python -m studies restore ARCHIVE   unpack them, so that the run can go on"""


def main() -> int:
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        _list(Console())
        return 0
    from .kit.run.command_line import execute  # torch takes seconds to import, and the list needs none

    return execute(words)


def _list(console: Console) -> None:
    table = Table("study", "claim", "data", title="python -m studies NAME [--help]")
    for theme, entries in groupby(catalog().values(), lambda entry: entry.theme):
        table.add_section()
        table.add_row("", theme, style="italic")
        for entry in entries:
            table.add_row(entry.name, entry.claim, entry.data)
    print_table(console, table)
    print(OTHER_COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
