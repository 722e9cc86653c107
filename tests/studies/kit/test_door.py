"""The door of studies.kit gives what it lists, imports nothing before, and leads to what is asked for."""

import subprocess
import sys

import pytest

from studies import kit
from studies.kit.run.imports import ImportGraph
from tests.source import ROOT


def test_every_name_is_there_and_is_the_one_that_its_module_has() -> None:
    for name in kit.__all__:
        assert getattr(kit, name) is not None
    assert dir(kit) == sorted(kit.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'train_within_read'"):
        kit.train_within_read  # noqa: B018


def test_the_door_imports_nothing_before_it_is_asked() -> None:
    code = "import sys, studies.kit; assert not {'torch', 'matplotlib'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_name_from_the_door_leads_to_its_own_module_alone(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "asks_the_door.py").write_text("from studies.kit import train_within_reads\n")
    monkeypatch.syspath_prepend(folder)
    read = {*ImportGraph(["asks_the_door"]).code}
    assert "studies.kit.recipes.equal_reads" in read
    assert not {"studies.kit.report.report", "studies.kit.report.learner_results"} & read
