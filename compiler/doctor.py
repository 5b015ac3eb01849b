"""`spikec doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spikec.dialects.diagnostics import MissingTool
from spikec.runtime import cache
from spikec.runtime.memory import shown

PYTHON = (3, 11)
Status = Literal["ok", "missing", "optional"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `optional` is something absent that only some commands need."""

    what: str
    status: Status
    detail: str


def examine() -> list[Finding]:
    """Everything that is looked at, in the order of the report."""
    return [_python(), *_packages(), _bindings(), _native(), _linker(), *_nvidia(), _gpu(), _cache()]


def report(findings: list[Finding]) -> str:
    """The findings as a table."""
    width = max(len(f.what) for f in findings)
    mark = {"ok": "ok     ", "missing": "MISSING", "optional": "absent "}
    return "\n".join(f"{mark[f.status]}  {f.what:<{width}}  {f.detail}".rstrip() for f in findings)


def _python() -> Finding:
    version = ".".join(str(n) for n in sys.version_info[:3])
    if sys.version_info[:2] < PYTHON:
        return Finding("python", "missing", f"{version}, at least {PYTHON[0]}.{PYTHON[1]} is needed")
    return Finding("python", "ok", f"{version}, {sys.platform}")


def _packages() -> list[Finding]:
    """The distributions that spikec's own metadata asks for, each once; those of `dev` are left out."""
    findings = {}
    for requirement in importlib.metadata.requires("spikec") or []:
        match = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?[^;]*(?:;.*extra\s*==\s*['\"](\w+)['\"])?", requirement)
        if match is None or match[3] == "dev" or match[1] in findings:
            continue
        findings[match[1]] = _package(match[1], match[2] or "0", match[3])
    return list(findings.values())


def _package(name: str, least: str, extra: str | None) -> Finding:
    lacking: Status = "optional" if extra else "missing"
    remedy = f"pip install 'spikec[{extra}]'" if extra else f"pip install '{name}>={least}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, lacking, remedy)
    if _numbers(version) < _numbers(least):
        return Finding(name, lacking, f"{version} is older than {least}; {remedy}")
    return Finding(name, "ok", version)


def _numbers(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", version)][:3]


def _works(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", check())
    except Exception as error:  # whatever a broken installation raises is the finding
        return Finding(what, "missing", (str(error).splitlines() or [type(error).__name__])[0])


def _bindings() -> Finding:
    """MLIR loads, and knows the project's dialects."""

    def check() -> str:
        importlib.import_module("spikec.dialects.mlir").context()
        return "loads, with the dialects snn and step"

    return _works("MLIR bindings", check)


def _native() -> Finding:
    """LLVM can make code for this machine."""

    def check() -> str:
        from spikec.backends.target import TARGETS

        return f"the targets {', '.join(sorted(TARGETS))}"

    return _works("targets", check)


def _linker() -> Finding:
    """A C compiler, with which shared libraries and executables are linked."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path:
            return Finding("C compiler", "ok", path)
    return Finding("C compiler", "optional", "needed by `compile` for .so and exe: install gcc or clang, or set CC")


def _nvidia() -> list[Finding]:
    """NVIDIA's assembler and disassembler, for cubins and for the report of the target ptx."""
    from spikec.backends.ptx import toolkit

    found = {tool: toolkit.find(tool) for tool in toolkit.REMEDIES}
    return [Finding(tool, "ok" if path else "optional", path or toolkit.REMEDIES[tool]) for tool, path in found.items()]


def _gpu() -> Finding:
    """A GPU with its driver."""
    from spikec.runtime.devices import open_device

    try:
        device = open_device()
    except MissingTool as error:
        return Finding("GPU", "optional", " ".join(str(error).split()))
    memory = device.memory()
    device.close()
    return Finding("GPU", "ok", f"{shown(memory)} of its memory are free")


def _cache() -> Finding:
    try:
        folder = cache.folder()
    except RuntimeError as error:
        return Finding("cache", "optional", f"{error}; every run compiles anew")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("cache", "optional", f"{folder} cannot be written: {error.strerror}; every run compiles anew")
    return Finding("cache", "ok", str(folder))
