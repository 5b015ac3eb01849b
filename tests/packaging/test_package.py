"""The package: its list of folders, the one-way rule's tools, and what a wheel holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = SETTINGS["tool"]["setuptools"]["package-dir"]


def packages_in_the_folders() -> set[str]:
    """Every folder with Python files, as the package that it is."""
    found = set()
    for package, top in FOLDERS.items():
        for path in (ROOT / top).rglob("*.py"):
            inner = path.parent.relative_to(ROOT / top).parts
            if "__pycache__" not in inner:
                found.add(".".join((package, *inner)))
    return found


def test_the_list_of_packages_is_complete() -> None:
    listed = SETTINGS["tool"]["setuptools"]["packages"]
    assert listed == sorted(listed)
    assert set(listed) == packages_in_the_folders()


def test_every_package_says_that_it_is_one() -> None:
    for package, top in FOLDERS.items():
        for name in packages_in_the_folders():
            if name == package or name.startswith(f"{package}."):
                folder = ROOT.joinpath(top, *name.removeprefix(package).strip(".").split("."))
                if package != "spikec" or name.split(".")[1:2] not in (["dialects"], ["runtime"], ["backends"]):
                    assert (folder / "__init__.py").is_file(), name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy of the sources so that no earlier build can slip in."""
    source = tmp_path_factory.mktemp("source")
    for top in FOLDERS.values():
        shutil.copytree(ROOT / top, source / top, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "made", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (source / "made").glob("*.whl")
    return made


def test_the_wheel_holds_every_source_and_what_it_reads(wheel: Path) -> None:
    wanted = set()
    for package, top in FOLDERS.items():
        for path in (ROOT / top).rglob("*"):
            if (
                path.suffix in (".py", ".lark", ".snn", ".json")
                or path.name.endswith(".irdl.mlir")
                or path.name == "py.typed"
            ):
                wanted.add("/".join((*package.split("."), *path.relative_to(ROOT / top).parts)))
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == wanted
    assert {"spikec/py.typed", "spikec/frontend/grammar.lark"} <= found


def test_the_wheel_has_its_licence_and_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
    assert "licenses/LICENSE" in names
    assert "spikec = spikec.cli:main" in archive.read(names["entry_points.txt"]).decode()
