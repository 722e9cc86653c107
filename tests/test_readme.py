"""README and the pages of docs are true: their code runs as written, and what they promise exists."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from analog import BadInput, Chip, check_device, dense, xray
from analog.calibrate import calibrate, simulate_table
from analog.settings import settings
from studies.kit.run.catalog import catalog
from studies.kit.run.command_line import execute
from studies.kit.run.references import resolve
from tests.source import ROOT


def blocks(text: str) -> dict[str, str]:
    """The Python code of a document, by the heading of its section."""
    sections = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    code = {heading: re.findall(r"```python\n(.*?)```", body, re.DOTALL) for heading, body in sections}
    return {heading: "\n".join(parts) for heading, parts in code.items() if parts}


README = (ROOT / "README.md").read_text()
YOUR_OWN = (ROOT / "docs/your_own.md").read_text()
GUIDE = (ROOT / "docs/guide.md").read_text()
CERTIFICATES = (ROOT / "docs/certificates.md").read_text()
BLOCKS, PARTS = blocks(README) | blocks(GUIDE), blocks(YOUR_OWN)


def run(code: str, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the code of a section leaves behind, run as a module of that name."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, f"document: {name}", "exec"), module.__dict__)
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
    run(PARTS["A learner"], "coin_flip", monkeypatch)


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


def test_a_device_of_ones_own_shows_its_pulse_response(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["A device"], "floating_gate", monkeypatch)
    assert len(made["laws"]) > 5
    assert made["response"].shape == (20, 80)
    assert bool((made["response"][:, 39] > made["response"][:, -1]).all())
    parameters = settings(made["FloatingGate"])
    plan = made["FloatingGate"]().default_plan(100)
    found = calibrate(made["FloatingGate"](), simulate_table(made["FloatingGate"](), plan), copies=4)
    assert {p.name for p in found.parameters} == set(parameters)
    assert settings(made["Hafnia"])["step"].unit == "full scale"


def test_program_is_one_pulse_from_blank_that_nobody_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a device with coarse steps, a target between two of them is missed by a part of a step."""
    device = run(PARTS["A device"], "floating_gate", monkeypatch)["FloatingGate"](step=0.3)
    chip = Chip(device, (dense(3, 2, linear=True),))
    chip.port().program((torch.full((1, 2, 4), 0.4),))
    assert set(xray.knobs(chip)[0].flatten().mul(10).round().int().tolist()) <= {3, 6}


def test_measurements_say_why_a_device_does_not_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks((ROOT / "docs/does_not_learn.md").read_text()).values()
    found = run(code, "does_not_learn", monkeypatch)
    assert found["signal"] > 4 * found["noise"] and 0.2 < found["active"] < 0.8
    assert 0.1 < found["tuned"].size < 0.25 and found["losses"][-1] < 0.3 * found["losses"][0]
    assert min(found["pulsed"]) > 0.8
    dull = code.replace("Mismatched(severity=1.0)", "Mismatched(severity=1.0, read_noise=0.5)")
    drowned = run(dull.partition("# 3.")[0], "drowned", monkeypatch)
    assert drowned["signal"] < 0.7 * drowned["noise"]
    assert drowned["signal"] == pytest.approx(found["signal"], rel=0.3)  # noise is no part of it


def test_a_loss_of_ones_own_teaches_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["A loss or a local objective"], "hinge", monkeypatch)
    assert made["losses"][-1] < 0.6 * made["losses"][0]


def test_an_estimator_of_ones_own_keeps_the_laws_and_descends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["An estimator"], "coins", monkeypatch)
    assert bool((made["losses"][-1] < 0.1 * made["losses"][0]).all())


def test_a_rule_of_ones_own_is_tuned_without_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["An update rule that another one tunes"], "nesterov", monkeypatch)
    assert made["own"]["learning_rate"].shape == made["own"]["beta"].shape == (3,)
    assert not torch.equal(made["own"]["learning_rate"], torch.full((3,), 1e-2))
    assert made["tuners"] == {"learning_rate": 0.3}


def test_an_answer_format_of_ones_own_has_a_name_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    run(PARTS["An answer format"], "confidence", monkeypatch)
    (name,) = re.findall(r'--answers "([^"]+)"', YOUR_OWN)
    assert resolve(name).bits(10) == 4 + 6


def test_data_of_ones_own_keep_their_shape_and_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["Data"], "colors", monkeypatch)
    assert made["data"].shape == (3, 6, 6) and made["data"].split_seed == 0
    assert float(made["right"]) > 0.7 and made["again"].accuracy is None and len(made["again"].losses) == 6


def test_networks_and_optimizers_of_torch_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["From torch and back"], "bridges", monkeypatch)
    assert float(made["losses"][-1]) < 0.9 * float(made["losses"][0]) and float(made["difference"]) < 1e-5


def test_a_loop_of_ones_own_survives_a_kill_between_its_two_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed when the second chip is written and its state is not; the last chips are the same bytes."""
    code = PARTS["A loop of your own that survives a kill"]
    (tmp_path / "loop.py").write_text(code)
    deadly = """
import os, pathlib, loop
plain = loop.save_state
def save_state(state, path):
    if state[0] == 20:
        os.kill(os.getpid(), 9)
    plain(state, path)
loop.save_state = save_state
loop.learn(pathlib.Path("killed"), 30, 10)
"""
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    ended = subprocess.run([sys.executable, "-c", deadly], cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == -9
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["chip-10", "chip-20", "state"]
    learn = run(code, "loop", monkeypatch)["learn"]
    for name in ("killed", "whole"):
        learn(tmp_path / name, 30, 10)
    one, other = ((tmp_path / name / "chip-30").read_bytes() for name in ("killed", "whole"))
    assert one == other


def test_a_study_of_ones_own_runs_and_its_results_know_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    code = PARTS["A study"]
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    words = ["--reads", "2000", "--threads", "1", "--chips", "2"]
    other_table = code.replace("return learner_table(rows)", "return learner_table(rows)[::-1]")
    other_rate = code.replace("adam(1e-2)", "adam(2e-2)")
    assert len({code, other_table, other_rate}) == 3
    for version, folders in ((code, 1), (other_table, 1), (other_rate, 2)):
        Path("mystudy.py").write_text(version)
        monkeypatch.delitem(sys.modules, "mystudy", raising=False)
        importlib.invalidate_caches()
        assert execute(["mystudy", *words]) == 0
        assert len([*Path("results").iterdir()]) == folders
    (folder, *_) = Path("results").iterdir()
    assert execute(["report", str(folder)]) == 0 and "mystudy:mine" in capsys.readouterr().out
    Path("docs/archive").mkdir(parents=True)
    assert execute(["archive", str(folder)]) == 0
    (archive,) = Path("docs/archive/mystudy").iterdir()
    shutil.rmtree(folder)
    assert execute(["restore", str(archive)]) == 0 and (folder / "rows.jsonl").exists()


def test_an_instrument_learns_within_its_budget_and_on_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["An instrument"], "bench", monkeypatch)
    assert made["losses"] == made["again"] and made["losses"][-1] < 0.1 * made["losses"][0]
    assert max(made["ledger"].reads) == 50 * 2 * 3
    with pytest.raises(BadInput):
        made["port"].measure(torch.zeros(3, 5))


def test_a_lab_chip_is_certified_and_told_from_what_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(blocks(CERTIFICATES)["A certificate and a comparison"], "lab", monkeypatch)
    assert made["comparison"].stages[-1] == "the far bound"
    tried = {f.law for f in made["certificate"].findings}
    said = set(
        re.findall(r"[a-z ]+", "\n".join(re.findall(r"^\| ([a-z ,]+) \|", CERTIFICATES, re.MULTILINE)))
    )
    words = {word.strip() for word in said}
    assert {law for law in tried if not law.startswith("noise of")} <= words


def test_what_the_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for page, folder in ((README, ROOT), (YOUR_OWN, ROOT / "docs"), (GUIDE, ROOT / "docs")):
        for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", page):
            path, _, anchor = link.partition("#")
            assert (folder / path).exists(), link
            headings = re.findall(r"^## (.+)$", (folder / path).read_text(), re.MULTILINE) if anchor else ()
            assert not anchor or anchor in [h.lower().replace(" ", "-") for h in headings], link
    for name in catalog():
        assert f"`{name}" in README


def test_no_file_names_a_place_of_one_machine() -> None:
    """The project's files name no folder outside it; .ci/run alone may hand the data's place over."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.suffix not in (".py", ".md", ".toml", ".txt", "") or not path.is_file():
            continue
        if any(
            p.startswith(".") or p in ("results", "build", "_build") or p.endswith(".egg-info") for p in parts
        ):
            continue
        text = path.read_text(errors="ignore")
        assert not re.search(r"\.\./" + "shared|/" + "work/|/" + "root/", text), path


def test_notes_are_kept() -> None:
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        assert len((ROOT / name).read_text()) > 500
    assert Path(ROOT / ".ci/run").stat().st_mode & 0o100


def test_a_table_of_steps_becomes_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(BLOCKS["A device from a table of steps"], "tabulated", monkeypatch)
    assert made["device"].costs.step == pytest.approx(0.025)
    assert made["measured"].notes == () and len(made["printed"].notes) == 1
    assert made["axes"].get_ylabel() == "state, full scale"


def test_a_suite_of_ones_own_is_laws_and_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(PARTS["A test suite"], "suite", monkeypatch)
    hypothesis.settings(max_examples=5)(made["test_my_device_stays_finite"])()
    for case in (made["TestMyDevice"](), made["TestMyEstimator"]()):
        case.test_law(case.laws()[0])
