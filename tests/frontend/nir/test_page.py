"""What stands in docs/nir.md works as it stands there, on a file as snnTorch writes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from spikec.frontend.nir.profiles import PROFILES

PAGE = (Path(__file__).parents[3] / "docs" / "nir.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `net.nir`, as snnTorch exports two dense layers of Leaky neurons, and input for it."""
    random = np.random.default_rng(0)

    def affine(out: int, into: int) -> dict[str, Any]:
        return {"type": "Affine", "weight": random.normal(size=(out, into)), "bias": random.normal(size=out)}

    def leaky(size: int) -> dict[str, Any]:
        numbers = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
        return {"type": "LIF", **{name: np.full(size, value) for name, value in numbers.items()}}

    nodes = {
        "input": {"type": "Input", "shape": np.array([4])},
        "0": affine(6, 4),
        "1": leaky(6),
        "2": affine(2, 6),
        "3": leaky(2),
        "output": {"type": "Output", "shape": np.array([2])},
    }
    with h5py.File(tmp_path / "net.nir", "w") as file:
        file["version"] = "1.0.8"
        file["node/type"] = "NIRGraph"
        for name, fields in nodes.items():
            for key, value in fields.items():
                file[f"node/nodes/{name}/{key}"] = value
        edges = np.array(list(zip(nodes, list(nodes)[1:], strict=False)), dtype=object)
        file.create_dataset("node/edges", data=edges, dtype=h5py.string_dtype())
    np.savez(tmp_path / "x.npz", x=random.random((20, 4)).astype(np.float32))
    return tmp_path


@pytest.fixture
def shell(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Runs commands in the folder; `spikec` is that of the interpreter that runs the tests."""
    scripts = tmp_path_factory.mktemp("scripts")
    (scripts / "spikec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spikec "$@"\n')
    (scripts / "spikec").chmod(0o755)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}

    def run(commands: str) -> str:
        done = subprocess.run(["sh", "-e"], input=commands, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def test_the_commands_run(folder: Path, shell: Callable[[str], str]) -> None:
    walk, out = blocks("sh")
    printed = shell(walk + out)
    (expected,) = blocks("text")
    assert expected in printed
    assert {path.suffix for path in (folder / "net.build").iterdir()} >= {".so", ".h", ".json"}
    with np.load(folder / "spikes.npz") as run:
        assert run["output"].shape == (20, 2)


def test_the_walk_begins_in_snntorch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snntorch, torch = pytest.importorskip("snntorch"), pytest.importorskip("torch")
    pytest.importorskip("nir")
    leaky = {"beta": 0.9, "init_hidden": True}
    layers = torch.nn.Linear(4, 6), snntorch.Leaky(**leaky), torch.nn.Linear(6, 2), snntorch.Leaky(**leaky)
    monkeypatch.chdir(folder)
    (code,) = blocks("python")
    exec(code, {"net": torch.nn.Sequential(*layers)})
    assert (folder / "net.nir").is_file()


def test_all_primitives_profiles_and_options_are_listed() -> None:
    primitives = "Input Output NIRGraph Linear Affine Conv1d Conv2d SumPool2d AvgPool2d Scale Threshold Flatten Delay"
    for word in [*primitives.split(), "I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"]:
        assert re.search(rf"^\|[^|]*\b{word}\b", PAGE, re.MULTILINE), word
    rows = re.findall(r"^\| `?([\w-]+)`? \|", PAGE, re.MULTILINE)
    for profile in PROFILES.values():
        assert profile.name in rows
        for option in profile.options:
            assert option in rows
