"""NVIDIA's own tools, where they are installed: on the PATH, or as wheels in this environment."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from spikec.dialects.diagnostics import MissingTool

REMEDIES = {"ptxas": "pip install 'spikec[ptxas]'", "nvdisasm": "pip install nvidia-cuda-nvdisasm"}


def find(tool: str) -> str | None:
    """The path of `ptxas` or `nvdisasm`, or None."""
    return shutil.which(tool) or next((path for path in map(str, _in_wheels(tool)) if os.access(path, os.X_OK)), None)


def _in_wheels(tool: str) -> Iterator[Path]:
    """Wheels for CUDA 13 have a folder `nvidia/cu13/bin`, earlier ones `nvidia/cuda_nvcc/bin`."""
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for name in (tool, f"{tool}.exe"):
            yield from sorted(Path(folder).glob(f"*/bin/{name}"), reverse=True)


def needed(tool: str, why: str) -> str:
    """The path of a tool.  Raises `MissingTool` that says why it is needed and how to get it."""
    found = find(tool)
    if found is None:
        raise MissingTool(f"{tool} is needed {why}, and is neither on the PATH nor installed here; {REMEDIES[tool]}")
    return found


def run(tool: str, arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What a tool says about files of a folder."""
    return subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@functools.cache
def version(tool: str) -> str:
    """The release of a tool, such as 13.0."""
    said = run(tool, ["--version"], Path.cwd()).stdout
    return said.partition("release ")[2].partition(",")[0] or "of an unknown release"
