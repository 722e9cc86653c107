"""A study is one file: it is found where it lies, and one from outside by its module."""

import subprocess
import sys
from pathlib import Path

import pytest

from studies.kit.run.catalog import HOME, PARTS, UnknownStudy, catalog, import_study, study_of
from tests.studies import toy


def test_every_study_is_listed_once_by_its_theme() -> None:
    entries = [*catalog().values()]
    assert len(entries) >= 30 and len({e.module for e in entries}) == len(entries)
    assert [e.module for e in entries] == sorted(e.module for e in entries)
    for entry in entries:
        study = import_study(entry.name)
        assert entry.claim == study.__doc__.splitlines()[0] and entry.claim and entry.theme
        assert all(hasattr(study, part) for part in (*PARTS, "TOY"))
        assert entry.data == (
            study.Args().data if isinstance(getattr(study.Args(), "data", None), str) else ""
        )


def test_a_study_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    themes = {"ours": "Ours: a theme.", "kit": "What is shared."}
    for name, text in themes.items():
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "__init__.py").write_text(f'"""{text}"""')
        (tmp_path / "studies" / name / "helper.py").write_text("def plan(): ...")
    monkeypatch.setattr("studies.kit.run.catalog.HOME", tmp_path / "studies")
    assert catalog() == {}
    (tmp_path / "studies" / "ours" / "toy.py").write_text(Path(toy.__file__).read_text())
    (entry,) = catalog().values()
    assert entry[:4] == (
        "toy",
        "studies.ours.toy",
        "Ours: a theme.",
        "A study for tests: quick trials that draw, wait and yield.",
    )


def test_the_list_imports_no_study() -> None:
    code = "import sys, studies.__main__ as m; sys.argv[1:] = []; m.main(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_study_is_imported_by_module() -> None:
    assert import_study("tests.studies.toy") is toy
    assert study_of({"made_by": {"study": "tests.studies.toy"}}) is toy
    assert (
        study_of({"made_by": {"study": "studies.heirs"}}).__name__ == "studies.handing_on.heirs"
    )  # since moved


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("heirz", "perhaps you meant heirs"),
        ("heirz", "one of your own is named as module or package.module, importable from here"),
        ("zzz", "there are apprentice, "),
        ("mine.zzz", "no study is called 'mine.zzz'"),
        ("studies.kit.run.study", "is not a study; it has no Args, plan, run, table, figures"),
        ("./mine/study.py", "for a file write mine.study"),
    ],
)
def test_an_unknown_study_says_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UnknownStudy, match=said):
        import_study(name)


def test_studies_are_looked_for_in_their_package() -> None:
    assert HOME.name == "studies"
