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


class Program:
    """Compiled functions; the code lives as long as this object."""

    def __init__(self, text: str, thorough: bool) -> None:
        """Compile: with all of LLVM's passes, or with the few that make most of the speed in a fifth of the time."""
        llvm = _llvm()
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as error:
            raise ExecutionError(f"the kernel gives no valid code: {str(error).strip()[:500]}") from None
        # The engine takes the target machine over, so each program has its own.
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=1 if thorough else 0,
            jit=True,
        )
        builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
        if thorough:
            builder.getModulePassManager().run(module, builder)
        else:
            _simplify(module, builder)
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function."""
        return int(self._engine.get_function_address(name))


def _simplify(module: Any, builder: Any) -> None:
    """Inline what is marked so, and make values of the registers."""
    llvm = _llvm()
    whole = llvm.create_new_module_pass_manager()
    whole.add_always_inliner_pass()
    whole.add_global_dead_code_eliminate_pass()
    whole.run(module, builder)
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
