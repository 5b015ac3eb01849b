"""From MLIR to the text of LLVM IR: what a lowering checks before and after its passes."""

from __future__ import annotations

from typing import Any

from spikec.dialects.diagnostics import InternalError
from spikec.dialects.functions import walk
from spikec.dialects.mlir import PassManager, ir, llvm


def check(module: Any, where: str) -> None:
    """Raises InternalError, with the IR, for a module that is not valid."""
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise InternalError(f"invalid IR: {error}", where, str(module)) from None


def run(pipeline: str, module: Any) -> None:
    """Runs passes of MLIR; LLVM verifies what comes of them, and to verify it after each takes as long as they do."""
    passes = PassManager.parse(pipeline)
    passes.enable_verifier(False)
    passes.run(module.operation)


def text(module: Any, where: str) -> str:
    """LLVM IR.  Raises InternalError for an op of another dialect, which the translation would not survive."""
    for operation in walk(module.operation):
        if not operation.name.startswith(("llvm.", "nvvm.", "builtin.module")):
            raise InternalError(f"'{operation.name}' was not lowered to LLVM", where, str(module))
    return str(llvm.translate_module_to_llvmir(module.operation))
