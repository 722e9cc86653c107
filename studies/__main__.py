"""`python -m studies` lists the studies; `python -m studies NAME --help` shows a study's flags."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

OTHER_COMMANDS = """\
python -m studies PACKAGE.MODULE    run a study of your own
python -m studies report FOLDER     write the report of results again, with table and figures
python -m studies list [FOLDER]     list results: of which study, when, how far, with which arguments
python -m studies compare ONE TWO   compare two runs of one study
python -m studies archive FOLDER    keep results in docs/archive, also those of an unfinished run
python -m studies restore ARCHIVE   unpack them, so that the run can go on
python -m studies results           write docs/results.md from docs/archive"""


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that knows ASCII alone gets the rest of the table
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        return _list()
    with _left_at_once():
        from .kit.run.command_line import execute  # torch takes seconds to import, and the list needs none

    return execute(words)


@contextmanager
def _left_at_once() -> Iterator[None]:
    """Let Ctrl-C end this process on the spot, while it has nothing to lose; imports do not stand errors."""

    def leave(*_: object) -> None:
        os.write(2, b"interrupted\n")
        os._exit(128 + signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody does not want to be interrupted
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _list() -> int:
    from itertools import groupby

    from rich.table import Table

    from .kit.report.terminal import plain_console, print_table
    from .kit.run.catalog import catalog

    table = Table("study", "claim", "data", title="python -m studies NAME [--help]")
    for theme, entries in groupby(catalog().values(), lambda entry: entry.theme):
        table.add_section()
        table.add_row("", theme, style="italic")
        for entry in entries:
            table.add_row(entry.name, entry.claim, entry.data)
    print_table(plain_console(), table)
    plain_console().print(OTHER_COMMANDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
