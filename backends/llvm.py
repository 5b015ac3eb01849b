"""LLVM, through llvmlite, as the backends share it."""

from __future__ import annotations

import functools
import importlib
from typing import Any


@functools.cache
def binding() -> Any:
    """llvmlite's binding with every target ready."""
    binding = importlib.import_module("llvmlite.binding")
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    binding.initialize_native_asmparser()  # for .incbin
    return binding


def version() -> str:
    """The version of llvmlite, which LLVM is a part of."""
    return f"llvmlite-{importlib.import_module('llvmlite').__version__}"
