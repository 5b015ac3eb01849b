"""The example package adds a pass and a target by being installed, and by nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip installs it, from a copy of its sources."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(
        ROOT / "examples" / "plugin", folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build")
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", folder / "site", folder / "source"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


def spikec(site: Path, *arguments: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site), "SPIKEC_CACHE_DIR": str(site.parent / "cache")}
    command = [sys.executable, "-m", "spikec", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site.parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [entry for entry in entries if entry["name"] == name]
    return found


def test_what_is_installed_is_listed(site: Path) -> None:
    clip = named(json.loads(spikec(site, "passes", "--json"))["passes"], "clip-weights")
    assert (clip["package"], clip["level"], clip["error"]) == ("spikec-plugin-example", "snn", None)
    assert [(o["name"], o["type"], o["required"]) for o in clip["options"]] == [("limit", "float", True)]
    dot = named(json.loads(spikec(site, "targets", "--json"))["targets"], "dot")
    assert (dot["package"], dot["emit"][-1]) == ("spikec-plugin-example", "dot")


def test_the_pass_clips(site: Path) -> None:
    model, out = ROOT / "examples" / "03_digits" / "digits.snn", site.parent / "clipped.mlir"
    pipeline = "clip-weights{limit=0.1},canonicalize"
    spikec(site, "compile", model, "--pipeline", pipeline, "--emit", "step", "--verify-each", "-o", out)
    from safetensors.numpy import load_file

    arrays = load_file(out.with_suffix(".safetensors"))
    weights = [array for array in arrays.values() if array.ndim == 2]
    assert len(weights) == 2
    assert all(abs(array).max() == abs(array).dtype.type(0.1) for array in weights)


def test_the_report_counts_what_was_clipped(site: Path) -> None:
    model, out = ROOT / "examples" / "03_digits" / "digits.snn", site.parent / "report.mlir"
    command = ["compile", model, "--pipeline", "clip-weights{limit=0.5}", "--emit", "snn", "-o", out]
    (table,) = json.loads(spikec(site, *command, "--report", "--json"))["tables"]
    assert table["title"] == "weights clipped to 0.5"
    shares = {row[0]: row[2] for row in table["rows"]}
    assert shares["class/matmul#0"] == 0 < shares["hidden/matmul#0"] < 1


def test_the_target_draws(site: Path) -> None:
    model = ROOT / "examples" / "02_vogels_abbott" / "cuba.snn"
    drawing = spikec(site, "compile", model, "--target", "dot", "--emit", "dot")
    assert drawing.startswith("digraph timestep {\n")
    assert drawing.count("{") == drawing.count("}")
    assert " [shape=box, label=" in drawing
    assert " -> " in drawing
