"""The files that the PTX target makes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from spikec.backends.ptx import assembler, codegen
from spikec.backends.ptx.module import GpuModule
from spikec.dialects.diagnostics import UsageError

if TYPE_CHECKING:
    from spikec.backends.ptx.target import PtxTarget


def emit(target: PtxTarget, module: GpuModule, kinds: Collection[str]) -> dict[str, bytes]:
    """See `PtxTarget.emit`."""
    for kind in kinds:
        if kind not in target.kinds:
            raise UsageError(f"the target {target.name} makes no '{kind}' (there is {', '.join(target.kinds)})")
    text = codegen.ptx(module.llvm, target.chip) if {"ptx", "cubin"} & set(kinds) else ""
    made: dict[str, bytes] = {}
    for kind in kinds:
        match kind:
            case "mlir":
                made[kind] = module.mlir.encode()
            case "llvm":
                made[kind] = module.llvm.encode()
            case "ptx":
                made[kind] = text.encode()
            case _:
                made[kind] = assembler.assemble(text, target.chip).cubin
    return made


def artifact(target: PtxTarget, module: GpuModule) -> dict[str, bytes]:
    """See `PtxTarget.artifact`."""
    from safetensors.numpy import save

    constants = {name: module.constants[name] for name in sorted(module.constants)}
    return {
        f"{module.model}.ptx": emit(target, module, ("ptx",))["ptx"],
        f"{module.model}.safetensors": save(constants),
    }
