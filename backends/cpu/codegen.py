"""LLVM IR text to machine code."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spikec.backends.cpu.host import host
from spikec.backends.llvm import binding
from spikec.dialects.diagnostics import InternalError
from spikec.runtime.cpu import CONSTANTS, ENTRIES, Code

if TYPE_CHECKING:
    from spikec.backends.cpu.target import CpuTarget


def knows(triple: str) -> bool:
    """Whether LLVM can make code for a triple."""
    try:
        binding().Target.from_triple(triple)
    except RuntimeError:
        return False
    return True


@functools.cache
def _machine(triple: str, cpu: str, features: str) -> Any:
    target = binding().Target.from_triple(triple)
    # The default code model and position independence: one object serves this process, libraries and executables.
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="default")


@functools.cache
def has(target: CpuTarget, feature: str) -> bool:
    """Whether the processor of `target` has a feature, by LLVM's name of it."""
    llvm = binding()
    if f"+{feature}" in target.features.split(","):
        return True
    if target.features:
        return False
    return feature in _implied(llvm, target.triple, target.cpu)


@functools.cache
def _implied(llvm: Any, triple: str, cpu: str) -> frozenset[str]:
    # LLVM's C API does not list a processor's features: the levels of x86-64 stand here, others count as its base.
    levels = {"x86-64-v2": ("sse4.1",), "x86-64-v3": ("sse4.1", "avx2", "fma")}
    levels["x86-64-v4"] = (*levels["x86-64-v3"], "avx512vl")
    return frozenset(levels.get(cpu, ()))


def data_layout(target: CpuTarget) -> str:
    """LLVM's data layout of the target."""
    return str(_machine(target.triple, target.cpu, target.features).target_data)


def _optimized(target: CpuTarget, text: str, also: str = "") -> tuple[Any, Any]:
    llvm = binding()
    machine = _machine(target.triple, target.cpu, target.features)
    try:
        module = _parsed(text, target, machine)
        if also:
            module.link_in(_parsed(also, target, machine))
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the generated code: {error}", "step_to_cpu", text) from None
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine


def _parsed(text: str, target: CpuTarget, machine: Any) -> Any:
    module = binding().parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    return module


def object_code(target: CpuTarget, text: str, also: str = "") -> bytes:
    """An object file of LLVM IR, with a second module linked in; the same bytes for the same text."""
    module, machine = _optimized(target, text, also)
    return bytes(machine.emit_object(module))


def assembly(target: CpuTarget, text: str) -> bytes:
    """The same as assembly text."""
    module, machine = _optimized(target, text)
    return str(machine.emit_assembly(module)).encode()


ELSEWHERE = f"@{CONSTANTS} = hidden constant i8 0"
"""A module in the place of the block of constants, for code that a process is given the address of the block for."""


def link(code: bytes) -> Code:
    """Loads the object of a network into this process."""
    entries, owner = linked(code, ENTRIES)
    return Code(owner, *entries)


def linked(code: bytes, entries: Sequence[str]) -> tuple[list[int], Any]:
    """Loads an object into this process: the addresses of its entries, and what keeps the memory that holds them."""
    llvm = binding()
    triple, cpu, features = host()
    target = llvm.Target.from_triple(triple)
    # An engine of its own for each network: it goes with the last reference to it.
    machine = target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="default", jit=True
    )
    jit = llvm.create_lljit_compiler(machine)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name in entries:
        builder.export_symbol(name)
    tracker = builder.link(jit, "spikec")
    return [int(tracker[name]) for name in entries], (tracker, jit)
