"""What stands in the pages of the project works as it stands there.

The ```sh blocks of a page run in order in one shell, in a folder with copies of the examples; the ```snn blocks of
the language's description pass `check`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spikec

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "examples/01_lif/README.md",
    "examples/02_vogels_abbott/README.md",
    "examples/03_digits/README.md",
    "examples/04_conv/README.md",
    "examples/05_brunel/README.md",
    "examples/06_spikformer_block/README.md",
    "examples/07_egru/README.md",
    "examples/08_celegans/README.md",
    "examples/09_shifts/README.md",
    "examples/10_dvs/README.md",
    "examples/11_bit_budget/README.md",
    "examples/12_pruning/README.md",
    "examples/13_conversion/README.md",
    "examples/14_mixed_precision/README.md",
    "examples/15_mnist_core/README.md",
    "examples/plugin/README.md",
    "docs/convert.md",
    "docs/cost.md",
    "docs/fpga.md",
    "docs/new_pass.md",
    "docs/ptx.md",
    "docs/quantize.md",
    "docs/sparsify.md",
)
SHOWN = (
    "01_lif/run",
    "02_vogels_abbott/run",
    "03_digits/demo",
    "04_conv/demo",
    "05_brunel/run",
    "06_spikformer_block/demo",
    "07_egru/demo",
    "08_celegans/run",
    "09_shifts/demo",
    "10_dvs/slip",
    "11_bit_budget/demo",
    "12_pruning/demo",
    "13_conversion/demo",
    "14_mixed_precision/demo",
    "15_mnist_core/demo",
)
"""Demonstrations that have tests of their own, which run them."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_commands_run(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__", "build"))
    shutil.copy(ROOT / "tests/frontend/onnx/cnn.onnx", tmp_path)
    # The commands `spikec` and `python` are those of the interpreter that runs the tests; `pip` installs into a folder.
    scripts, site = tmp_path / "scripts", tmp_path / "site"
    scripts.mkdir()
    python = f'"{sys.executable}"'
    offline = f'--quiet --no-index --no-deps --no-build-isolation --target "{site}"'
    for name, command in (
        ("spikec", f'{python} -m spikec "$@"'),
        ("python", f'{python} "$@"'),
        ("pip", f'{python} -m pip "$@" {offline}'),
    ):
        (scripts / name).write_text(f"#!/bin/sh\nexec {command}\n")
        (scripts / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(site)}
    commands = "".join(blocks(page, "sh"))
    assert commands
    commands = re.sub(rf"^python examples/({'|'.join(SHOWN)})\.py\b.*$", r"\g<0> --help", commands, flags=re.MULTILINE)
    done = subprocess.run(["sh", "-e"], input=commands, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr


def test_the_set_up_is_two_commands() -> None:
    (setup,) = blocks("README.md", "console")
    assert [line.split("#")[0].strip() for line in setup.strip().splitlines()] == ["make demo", "make test"]


def test_what_is_made_from_sources_is_current() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}run: python docs/generate.py"


@pytest.mark.parametrize("number", range(len(blocks("docs/language.md", "snn"))))
def test_models_of_the_language_page_are_valid(number: int, tmp_path: Path) -> None:
    model = tmp_path / "model.snn"
    model.write_text(blocks("docs/language.md", "snn")[number])
    spikec.load(model)
