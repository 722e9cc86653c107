"""The README is true: its code runs as written, and what it promises exists."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from analog import check_device
from studies.kit.run.catalog import catalog
from tests.source import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = dict(
    re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", README, re.DOTALL | re.MULTILINE)
)


def run(code: str, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, f"README.md: {name}", "exec"), module.__dict__)
    return module.__dict__


def test_the_example_in_use_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifteenth of its epochs already tell digits apart; all of them give what its comments say."""
    assert BLOCKS["In use"].count("epochs=45") == 2
    made = run(BLOCKS["In use"].replace("epochs=45", "epochs=3"), "in_use", monkeypatch)
    assert float(made["run"].accuracy) > 0.85 and not made["chip"].alive
    heirs = made["evaluate"](made["heirs"].port(), made["data"].test)
    assert heirs.shape == (16,) and float(heirs.mean()) > 0.8


def test_the_custom_device_is_short_and_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["A device of your own"], "memristor", monkeypatch)
    body = re.search(r"class Cells.*?(?=\ncheck_device)", BLOCKS["A device of your own"], re.DOTALL)
    assert body is not None and len([line for line in body[0].splitlines() if line.strip()]) <= 22
    alike = made["Memristor"](gain_dtod=0.0)  # all chips' gains alike is fine: knobs still differ
    check_device(alike)
    with pytest.raises(ValueError, match=r"Memristor: gain_dtod is nan; wanted a number in \[0, 1\]"):
        made["Memristor"](gain_dtod=float("nan"))


def test_the_custom_learner_is_honest(monkeypatch: pytest.MonkeyPatch) -> None:
    run(BLOCKS["A learner of your own"], "coin_flip", monkeypatch)


def test_a_device_comes_out_of_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["A device from your measurements"], "calibration", monkeypatch)
    assert made["step"].low < 0.003 < made["step"].high


def test_the_life_with_an_end_is_lived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    made = run(BLOCKS["A life with an end"], "life", monkeypatch)
    assert made["chip"].clock == 3600.0 and made["chip"].identity == 7


def test_what_was_said_outlives_the_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["Handing on"], "handing_on", monkeypatch)
    assert made["traffic"].bits == 200 * 3 * 4 and made["book"].x.shape == (200, 4)
    assert float(made["last"]) < 0.5 * float(
        made["answers"].loss(torch.zeros(200, 3), made["book"].target).mean()
    )


def test_chips_are_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["Chips that act, and a chip as an environment"], "environment", monkeypatch)
    assert made["reward"].shape == (64,) and not made["dead"].any() and not made["over"].any()


def test_blocks_learn_by_objectives_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["Local objectives, local targets, self-tuning rates"], "local", monkeypatch)
    assert made["losses"][-1] < 0.6 * made["losses"][0]


def test_what_the_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", README):
        assert (ROOT / link).exists(), link
    for name in catalog():
        assert f"`{name}" in README


def test_no_file_names_a_place_of_one_machine() -> None:
    """The project's files name no folder outside it; .ci/run alone may hand the data's place over."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.suffix not in (".py", ".md", ".toml", ".txt", "") or not path.is_file():
            continue
        if any(p.startswith(".") or p in ("results", "build") or p.endswith(".egg-info") for p in parts):
            continue
        text = path.read_text(errors="ignore")
        assert not re.search(r"\.\./" + "shared|/" + "work/|/" + "root/", text), path


def test_notes_are_kept() -> None:
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        assert len((ROOT / name).read_text()) > 500
    assert Path(ROOT / ".ci/run").stat().st_mode & 0o100
