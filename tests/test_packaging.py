"""The wheel holds exactly the four packages, typed, with their licence, and no tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.source import PACKAGES, ROOT


def test_the_wheel_holds_the_four_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    held = set(archive.namelist())
    code = {n for n in held if ".dist-info/" not in n}
    wanted = {
        p.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for p in (ROOT / package).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert code == wanted
    assert all(f"{package}/py.typed" in held for package in PACKAGES)
    (terms,) = (n for n in held if n.endswith(".dist-info/licenses/LICENSE"))
    assert archive.read(terms) == (ROOT / "LICENSE").read_bytes()
    (metadata,) = (n for n in held if n.endswith(".dist-info/METADATA"))
    assert b"License-Expression: Apache-2.0" in archive.read(metadata)
