"""A report opens by itself, holds every cell of the table, and shows rows as words, whatever they hold."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from analog import Ideal, Mismatched
from analog.effects import Endurance
from analog.settings import setting, settings
from studies.kit.report.report import csv_table, write_report
from studies.kit.run.manifest import to_json
from studies.kit.run.study import Row

VOID = {"meta", "img", "br", "link", "input", "hr"}
EVIL = "<script>alert('&\"x\"')</script>"


@dataclass(frozen=True)
class Args:
    data: str = "digits"
    rates: tuple[float, ...] = (0.1, 0.2)
    seed: int = 0


class Page(HTMLParser):
    """What a page holds; raises if its tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.resources: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words = self.code = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        known = dict(attrs)
        self.ids += [known["id"]] if "id" in known else []
        self.resources += [known["src"]] if "src" in known else []
        self.resources += [known["href"]] if tag == "link" else []
        if tag == "table":
            self.tables[known["id"]] = []
        if tag == "tr":
            self.tables[[*self.tables][-1]].append([])
        if tag in ("td", "th"):
            self.tables[[*self.tables][-1]][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.code += data
            return
        self.words += data
        if {"td", "th"} & {*self.open}:
            self.tables[[*self.tables][-1]][-1][-1] += data


def study(table: Any = None, figures: Any = None) -> Any:
    def by_trial(rows: Sequence[Row]) -> list[Row]:
        return [{"trial": r["trial"], "right %": "96.1 +- 0.3", "note": r.get("note", "")} for r in rows]

    def plain(rows: Sequence[Row]) -> dict[str, Figure]:
        figure = Figure()
        figure.subplots().plot([r["x"] for r in rows], label=EVIL)
        return {"plain": figure}

    return SimpleNamespace(
        __name__="pkg.mystudy",
        __doc__=f"One claim & {EVIL}.\n\nSee https://example.org/paper, and more.",
        Args=Args,
        table=table or by_trial,
        figures=figures or plain,
    )


def manifest(**made_by: Any) -> Row:
    about = {"study": "pkg.mystudy", "data": "digits", "rates": [0.1, 0.2], "seed": 0, "cpu": "x86_64"}
    return {
        "format": 2,
        "made_by": about | {"threads": 1, "torch": "2", "code_digest": "c0de"} | made_by,
        "command": f"python -m studies pkg.mystudy --data /home/somebody/secret/{EVIL}/images --seed 1",
        "seeds": {"seed": 0, "trials": ["a", "b"]},
        "versions": {"python": "3.12"},
        "git": {"pkg": {"commit": "0123456789abcdef", "dirty": True}},
        "modules": {},
    }


ROWS = [{"trial": "a", "x": 1.0, "note": EVIL}, {"trial": "b", "x": 3.0, "note": EVIL}]


def test_a_report_needs_no_other_file_and_shows_all_that_was_asked(tmp_path: Path) -> None:
    page = Page(write_report(study(), manifest(seed=7), ROWS, tmp_path).read_text())
    assert len({*page.ids}) == len(page.ids)
    assert {"report", "claim", "results", "figures", "asked", "spread", "manifest", "repeat"} <= {*page.ids}
    assert {"closing", "arguments", "provenance", "command", "figure-plain"} <= {*page.ids}
    assert page.resources and all(r.startswith("data:image/") for r in page.resources)
    assert "http" not in page.code and "@import" not in page.code and "url(" not in page.code
    assert page.tables["arguments"][1:] == [
        ["--data", "digits", ""],
        ["--rates", "0.1, 0.2", ""],
        ["--seed", "7", "0"],
    ]
    assert "01234567, changed" in page.words and "2 trials" in page.words
    assert {p.name for p in tmp_path.iterdir()} == {
        *("report.html", "table.csv", "table.md", "plain.png", "plain.svg")
    }


def test_what_rows_and_arguments_hold_is_words_and_no_markup(tmp_path: Path) -> None:
    text = write_report(study(), manifest(data=EVIL), ROWS, tmp_path).read_text()
    page = Page(text)
    assert text.count("<script>") == 1 and "alert" not in page.code
    assert page.tables["closing"][1] == ["a", "96.1 ± 0.3", EVIL]
    assert page.tables["arguments"][1][1] == EVIL


def test_a_report_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    made = write_report(study(), manifest(data="/home/somebody/secret/images"), ROWS, tmp_path)
    for path in (made, tmp_path / "table.md"):
        assert "somebody" not in path.read_text() and "secret" not in path.read_text()
    assert Page(made.read_text()).tables["arguments"][1][1] == "…/images"


def test_how_to_repeat_it_says_what_it_takes(tmp_path: Path) -> None:
    needed = [
        {"what": "module mine", "is": "mine.py", "where": "the folder of the run"},
        {"what": "data", "is": "/home/somebody/secret/images", "where": "where it was"},
    ]
    page = Page(write_report(study(), manifest() | {"needs": needed}, ROWS, tmp_path).read_text())
    assert page.tables["needed"][1:] == [
        ["module mine", "mine.py", "the folder of the run"],
        ["data", "…/images", "where it was"],
    ]
    nothing = Page(write_report(study(), manifest() | {"needs": []}, ROWS, tmp_path).read_text())
    assert "nothing but the toolkit" in nothing.words and "needed" not in nothing.tables


@dataclass(frozen=True)
class Mine(Ideal):
    """A device of a user's, one of whose settings says nothing of itself."""

    stroke: float = setting(0.5, "how far a pulse <moves> a cell", unit="uS")
    rows: int = 4


def test_every_device_of_the_arguments_shows_its_settings(tmp_path: Path) -> None:
    """Also one inside of another, and one that nobody can import any more."""
    gone = {"class": "nowhere:Gone", "levels": 32}
    named = to_json((Mine(stroke=0.75), Endurance(Mismatched(severity=0.5))))
    page = Page(
        write_report(study(), manifest(devices=named, device=to_json(Mine())), ROWS, tmp_path).read_text()
    )
    tables = [lines for name, lines in page.tables.items() if name.startswith("device-")]
    heads = ["setting", "value", "default", "unit", "meaning"]
    assert [lines[0] for lines in tables if len(lines) > 1] == [heads] * 4
    mine, endurance, mismatched, default = ({line[0]: line[1:] for line in lines[1:]} for lines in tables)
    assert mine["stroke"] == ["0.75", "0.5", "uS", "how far a pulse <moves> a cell"]
    assert mine["rows"] == ["4", "", "", ""] and default["stroke"][:2] == ["0.5", ""]
    assert mismatched["severity"][:2] == ["0.5", "1.0"] and "Mismatched(severity=0.5)" in str(endurance)
    assert {*mismatched} == {*settings(Mismatched)}
    assert "Mine(stroke=0.75)" in page.words
    lost = Page(write_report(study(), manifest(device=gone), ROWS, tmp_path).read_text())
    assert lost.tables["device-1"][1:] == [["levels", "32", "", "", ""]]
    assert "devices" not in Page(write_report(study(), manifest(), ROWS, tmp_path).read_text()).ids


def test_the_table_is_whole_in_every_form(tmp_path: Path) -> None:
    """Also a column that only some lines have."""
    lines = [{"a": 1, "b": 'x,"y"\nz'}, {"a": 2, "c": "1,200"}]
    page = Page(write_report(study(lambda rows: lines), manifest(), ROWS, tmp_path).read_text())
    assert page.tables["closing"] == [["a", "b", "c"], ["1", 'x,"y"\nz', ""], ["2", "", "1,200"]]
    read = [*csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text()))]
    assert read == [{"a": "1", "b": 'x,"y"\nz', "c": ""}, {"a": "2", "b": "", "c": "1,200"}]
    assert "| 2 |  | 1,200 |" in (tmp_path / "table.md").read_text() and csv_table([]) == ""


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report(study(), manifest(), ROWS, tmp_path / name)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]


def test_of_some_trials_there_is_a_report_even_if_the_study_can_make_nothing_of_them(tmp_path: Path) -> None:
    def fails(rows: Sequence[Row]) -> Any:
        raise KeyError("b")

    page = Page(write_report(study(fails, fails), manifest(), ROWS[:1], tmp_path).read_text())
    assert "Unfinished: 1 of 2 trials" in page.words and "closing" not in page.tables
    with pytest.raises(KeyError):  # of a finished run it is an error of the study
        write_report(study(fails), manifest(), ROWS, tmp_path)


def test_energy_stands_beside_its_assumption(tmp_path: Path) -> None:
    rows = [{"trial": t, "device": "analog:Ideal", "joules": 2e-6, "reads": 10, "x": 0.0} for t in "ab"]
    page = Page(write_report(study(), manifest(), rows, tmp_path).read_text())
    assert page.tables["energy-table"][1] == ["analog:Ideal", "2", "2e-06", "10"]
    assert "guesses" in page.words and "array_joules" in page.tables["costs"][0]
    assert "energy" not in Page(write_report(study(), manifest(), ROWS, tmp_path).read_text()).ids
