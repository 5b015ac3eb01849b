"""LLVM IR text to machine code of this process, through llvmlite: the only module that knows it."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from spikec.runtime.executor.errors import ExecutionError


@functools.cache
def _llvm() -> Any:
    binding = importlib.import_module("llvmlite.binding")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def _target() -> Any:
    """A target machine; an engine takes it over, so each has its own."""
    llvm = _llvm()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=1, jit=True
    )


class Program:
    """Compiled functions; the code lives as long as this object."""

    def __init__(self, text: str, speed: int) -> None:
        """Compile; `speed` 1 takes the few passes that matter for generated code, 2 all of LLVM's."""
        llvm = _llvm()
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as error:
            raise ExecutionError(f"the kernel gives no valid code: {str(error).strip()[:500]}") from None
        target = _target()
        builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=speed))
        builder.getModulePassManager().run(module, builder)
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function."""
        return int(self._engine.get_function_address(name))
