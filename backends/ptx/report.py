"""What the kernels of a program take on a chip, for `compile --report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spikec.backends.ptx import assembler, codegen, sass, toolkit
from spikec.backends.ptx.chips import CHIPS
from spikec.backends.ptx.module import GpuModule
from spikec.dialects.diagnostics import MissingTool
from spikec.dialects.notes import Table

if TYPE_CHECKING:
    from spikec.backends.ptx.target import PtxTarget

TOOLS = {"ptxas": "registers, spills, shared memory", "nvdisasm": "instructions per synaptic event"}


def tables(target: PtxTarget, module: GpuModule) -> tuple[Table, ...]:
    """How each part of the network is done, the resources of each kernel, and the loops over synapses.

    What a tool that is absent would tell is left out, with how to get the tool in its place.
    """
    return (*module.tables, *_machine_code(target, module))


def _machine_code(target: PtxTarget, module: GpuModule) -> Iterator[Table]:
    lacking = [tool for tool in TOOLS if toolkit.find(tool) is None]
    if "ptxas" not in lacking:
        try:
            made = assembler.assemble(codegen.ptx(module.llvm, target.chip), target.chip)
        except MissingTool as error:
            yield Table(str(error), (), ())
            return
        yield _resources(target.chip, made, module)
        if "nvdisasm" not in lacking:
            yield _loops(target.chip, made.cubin)
    if lacking:
        rows = tuple((TOOLS[tool], tool, toolkit.REMEDIES[tool]) for tool in lacking)
        yield Table("not measured", ("what", "lacking", "remedy"), rows)


def _resources(chip: str, made: assembler.Assembled, module: GpuModule) -> Table:
    """The persistent kernel runs where the device holds all its blocks at once."""
    columns = ("kernel", "registers", "bytes spilled", "bytes of stack", "bytes shared", "blocks", "blocks at once")
    rows = []
    for kernel in module.launches.kernels:
        found = made.kernels[kernel.name]
        at_once = CHIPS[chip].resident(kernel.block, found.registers, found.shared + kernel.shared_bytes)
        rows.append((kernel.name, found.registers, found.spilled, found.stack, found.shared, kernel.grid, at_once))
    return Table(f"kernels on {chip}", columns, tuple(rows))


def _loops(chip: str, cubin: bytes) -> Table:
    columns = ("kernel", "sums in", "instructions", "synaptic events", "instructions per event")
    rows = tuple(
        (name, "memory" if loop.atomics else "registers", loop.instructions, loop.events, loop.per_event)
        for name, kernel in sass.kernels(cubin).items()
        for loop in kernel.loops
    )
    return Table(f"inner loops on {chip}: one way through, of one thread", columns, rows)
