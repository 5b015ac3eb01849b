"""Code for several threads that run one network together: compiled for this process, or taken from the cache."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from spikec.backends.cpu import waiting
from spikec.backends.cpu.module import WorkersModule
from spikec.dialects.diagnostics import InternalError, MissingTool
from spikec.runtime.cache import Cache
from spikec.runtime.workers import ENTRIES, Division, WorkersCode

if TYPE_CHECKING:
    from spikec.backends.cpu.target import CpuTarget

LIBRARY = "code.so"


def load(target: CpuTarget, module: WorkersModule, cache: Cache | None, key: str) -> WorkersCode:
    """Compiles for this process; with a cache, keeps the result for `load_cached`."""
    from spikec.backends.cpu import codegen, files

    code = codegen.object_code(target, module.llvm, waiting.text(target.family, target.triple))
    if cache is not None and key:
        with suppress(MissingTool, InternalError):
            cache.store(_name(key), {"division": module.division.to_json()}, {LIBRARY: files.library(code)})
    (cut, share), owner = codegen.linked(code, ENTRIES)
    return WorkersCode(cut, share, module.division, owner)


def load_cached(cache: Cache, key: str) -> WorkersCode | None:
    """What `load` kept for a network, or None."""
    entry = cache.find(_name(key))
    if entry is None:
        return None
    try:
        division = Division.from_json(entry.head["division"])
        library: Any = ctypes.CDLL(str(entry.path(LIBRARY)))
        cut, share = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in ENTRIES)
    except (KeyError, TypeError, ValueError, OSError, AttributeError):
        return None
    return WorkersCode(cut, share, division, library)


def _name(key: str) -> str:
    return f"{key}-workers"
