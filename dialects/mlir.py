"""The one door to upstream MLIR's Python bindings.

Every other module imports `ir` and the upstream dialects from here, so that another distribution of
the same bindings can take this one's place, and so that importing spikec stays cheap: nothing but
this module loads MLIR.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from mlir import ir
from mlir._mlir_libs import _mlir
from mlir.dialects import _linalg_ops_gen as linalg  # the package itself also loads a language for named ops
from mlir.dialects import arith, func, irdl, llvm, math, memref, scf, tensor, vector
from mlir.passmanager import PassManager

__all__ = [
    "PassManager",
    "arith",
    "context",
    "file_location",
    "func",
    "ir",
    "irdl",
    "linalg",
    "llvm",
    "math",
    "memref",
    "scf",
    "tensor",
    "vector",
]


# For an op of a dialect that it does not know, MLIR looks for a Python module of the dialect's name each time that the
# op is touched; where it finds one, it never looks again.  Ours have such modules, in this package.
_mlir.globals.append_dialect_search_prefix("spikec.dialects")


def _without_named_ops() -> None:
    """Keeps MLIR from importing all of `mlir.dialects.linalg` at the first such op: that takes longer than MLIR itself.

    What it asks for under this name is the module of the generated ops; who imports the package later still gets it.
    """
    name, load = "mlir.dialects.linalg", getattr(_mlir.globals, "_check_dialect_module_loaded", None)
    if load is not None and name not in sys.modules:
        sys.modules[name] = linalg
        load("linalg")
        del sys.modules[name]


_without_named_ops()

UPSTREAM = ("arith", "func", "irdl", "linalg", "llvm", "math", "memref", "nvvm", "scf", "tensor", "vector")
"""The dialects of which ops are built here.  Texts and passes load others; all of MLIR's take four times as long."""


def context() -> Any:
    """A fresh MLIR context that knows the project's dialects; single-threaded, since our modules are small."""
    result = ir.Context(load_on_create_dialects=[])
    result.enable_multithreading(False)
    for name in UPSTREAM:
        result.get_dialect_descriptor(name)  # `result.dialects[name]` would import its Python module too
    with result, ir.Location.unknown():
        for text in _ours():
            irdl.load_dialects(ir.Module.parse(text))
    return result


@functools.cache
def _ours() -> tuple[str, ...]:
    """The project's dialects as IRDL texts."""
    from spikec.dialects import rtl, snn, step

    return tuple(dialect.irdl() for dialect in (snn.DIALECT, step.DIALECT, rtl.DIALECT))


def file_location(span: Any) -> Any:
    """The MLIR location of a source span, or the unknown location without one; needs a current context."""
    if span is None:
        return ir.Location.unknown()
    return ir.Location.file(span.file, span.line, span.column)
