"""The module of one program: what runs where and when, then the code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from spikec.analysis import rings
from spikec.analysis.dependence import Dependences
from spikec.backends.ptx.chips import CHIPS
from spikec.backends.ptx.module import GpuModule
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations
from spikec.lower import to_llvm
from spikec.lower.step_to_gpu import arrivals, elements, exact, forms, maps, rows
from spikec.lower.step_to_gpu.code import WORD
from spikec.lower.step_to_gpu.kernels import Kernels, Work
from spikec.lower.step_to_gpu.layout import Layout, layout
from spikec.lower.step_to_gpu.network import Limits, Network
from spikec.lower.step_to_gpu.order import Order, grow, levels, pipeline
from spikec.lower.step_to_gpu.sections import Section, device_uses, owns, sections
from spikec.lower.step_to_gpu.thread import Thread
from spikec.runtime.launches import Kernel, Launches

PIPELINE = (
    "builtin.module(canonicalize,cse,convert-scf-to-cf,convert-math-to-llvm,convert-arith-to-llvm,convert-cf-to-llvm,"
    "convert-vector-to-llvm,convert-ub-to-llvm,convert-nvvm-to-llvm,reconcile-unrealized-casts)"
)
ENTRIES = ("init", "step", "finish")


SMALL_BOARD = 20
"""Multiprocessors of a board that nobody described."""
FEW = 1 << 19
"""Synapses that all targets look through in about the time that one more kernel takes to start (8 bytes each)."""


def build(program: Program, limits: Limits) -> GpuModule:
    with program.module.context, ir.Location.unknown():
        spread = program.clone()
        rings.spread(spread)  # so that what a step's events reach can be done while the next ones are made
        network = Network.of(spread, limits)
        chosen = _Builder(network)
        if limits.sums == "auto" and chosen.kernels > 1 and forms.synapses(network) <= FEW:
            gathered = _Builder(replace(network, owned=True))
            chosen = gathered if gathered.kernels < chosen.kernels else chosen
        return chosen.module()


@dataclass
class _Part:
    """An entry of the program: its ops, and the sections and order that they have."""

    dependences: Dependences
    sections: list[Section]
    order: Order


class _Builder:
    def __init__(self, network: Network) -> None:
        self.network = network
        program = network.program
        scatters = partial(forms.scatters, network)
        self.parts = {entry: self._part(entry, scatters) for entry in ENTRIES}
        ops = [op for part in self.parts.values() for op in part.dependences.ops]
        self.layout = layout(program, forms.scattered(network, ops))
        self._place(self.layout)

    @property
    def kernels(self) -> int:
        """Kernels of a round."""
        return self.parts["step"].order.kernels

    def _part(self, entry: str, scatters: Any) -> _Part:
        dependences = Dependences.of(self.network.program, entry, device_uses(scatters))
        made = sections(dependences, scatters)
        for section in made:
            if section.scatters:
                section.size = rows.threads(self.network, dependences.ops[section.ops[0]])
        return _Part(dependences, made, (pipeline if entry == "step" else levels)(dependences, made))

    def _place(self, layout: Layout) -> None:
        """Slots of rings, and what lives in registers alone."""
        step_part = self.parts["step"]
        grown = grow(step_part.dependences, step_part.sections, step_part.order)
        elsewhere: dict[str, int] = defaultdict(int)
        for entry in ("init", "finish"):
            for name, users in self.parts[entry].dependences.uses.items():
                elsewhere[name] = max(elsewhere[name], *(use.delay for _, use in users))
        for name, held in layout.buffers.items():
            slots = max(grown.get(name, held.op.slots), elsewhere.get(name, 1))
            held.slots = 1 << (slots - 1).bit_length()
            held.stored = name in elsewhere or not _in_registers(step_part, name)

    def module(self) -> GpuModule:
        module = ir.Module.create()
        kernels = Kernels(module, self.layout)
        launches = self._launches(kernels)
        to_llvm.check(module, "step_to_gpu")
        exact.adapt(module)
        mlir = str(module)
        to_llvm.run(PIPELINE, module)
        text = to_llvm.text(module, "step_to_gpu")
        name = self.network.program.attribute("model")
        return GpuModule(name, mlir, text, launches, self._constants(launches), (self._table(),), self._reordered())

    def _launches(self, kernels: Kernels) -> Launches:
        init = self._once(kernels, "init")
        finish = self._once(kernels, "finish")
        part = self.parts["step"]
        order = part.order
        rounds = [
            [self._work(part, section, order.order[section] // order.kernels) for section in order.kernel(k)]
            for k in range(order.kernels)
        ]
        steps = tuple(kernels.of_round(f"step_{k}", works) for k, works in enumerate(rounds) if works)
        persistent = None
        if steps and self._persists(max(kernel.grid for kernel in steps)):
            persistent = kernels.persistent("run", rounds, order.skew)
        return Launches(
            memories=self.layout.memories(kernels.used),
            hosts=self.layout.host_arrays(kernels.used),
            init=init,
            step=steps,
            finish=finish,
            persistent=persistent,
            skew=order.skew,
            draws=tuple(self.layout.draws[key] for key in sorted(self.layout.draws)),
            counters=tuple((name, name) for name, held in self.layout.buffers.items() if held.kind == "counter"),
        )

    def _persists(self, grid: int) -> bool:
        """Whether one kernel does whole runs: if it is not chosen, where that takes one wait of all blocks a step, and
        each block has a multiprocessor of its own."""
        limits = self.network.limits
        if limits.launch == "persistent":
            return True
        most = CHIPS[limits.chip].multiprocessors or SMALL_BOARD
        return limits.launch == "auto" and self.kernels == 1 and grid <= most

    def _once(self, kernels: Kernels, entry: str) -> tuple[Kernel, ...]:
        part = self.parts[entry]
        return tuple(
            kernels.once(
                f"{entry}_{k}", [self._work(part, section, 0) for section in part.order.kernel(k)], entry == "finish"
            )
            for k in range(part.order.kernels)
            if part.order.kernel(k)
        )

    def _work(self, part: _Part, number: int, skew: int) -> Work:
        section = part.sections[number]

        def body(thread: Thread) -> None:
            for one in section.ops:
                op = part.dependences.ops[one]
                with op.operation.location:
                    self._op(thread, op)

        return Work(section.blocks, skew, body)

    def _op(self, thread: Thread, op: Any) -> None:
        match op:
            case step.Fill():
                elements.fill(thread, op)
            case step.Copy():
                elements.copy(thread, op)
            case step.Propagate() | step.Sweep():
                lowered = rows.lower if forms.scatters(self.network, op) else arrivals.lower
                lowered(thread, self.network, op)
            case step.Update():
                elements.update(thread, op, self.network.symbols)
            case step.Map():
                maps.lower(thread, op, self.network.symbols)
            case step.Draw():
                elements.draw(thread, op)
            case step.Clock():
                elements.clock(thread, op)
            case step.Tally():
                elements.tally(thread, op)
            case step.Record():
                elements.record(thread, op)
            case _:
                raise InternalError(f"no lowering of {op.name()}", "step_to_gpu")

    def _constants(self, launches: Launches) -> Mapping[str, Array]:
        """The arrays of constant buffers and of those that others start as."""
        wanted = {m.name for m in launches.memories if m.kind == "constant"}
        wanted |= {m.init for m in launches.memories if isinstance(m.init, str)}
        arrays = {**self.network.constants, **self.layout.made}
        return {name: _as_kept(arrays[name]) for name in sorted(wanted)}

    def _reordered(self) -> tuple[str, ...]:
        """The projections that add reals with atomic additions."""
        ops = [op for part in self.parts.values() for op in part.dependences.ops if forms.scatters(self.network, op)]
        found = [one for op in ops for one in propagations(op)]
        integers = {one.into for one in found if isinstance(self.layout.buffers[one.into].element, ir.IntegerType)}
        return tuple(sorted({one.table for one in found if one.into not in integers}))

    def _table(self) -> Table:
        part = self.parts["step"]
        found = [
            (
                number,
                order % part.order.kernels,
                order // part.order.kernels,
                section.blocks,
                ", ".join(self._described(part.dependences.ops[one]) for one in section.ops),
            )
            for number, (section, order) in enumerate(zip(part.sections, part.order.order, strict=True))
        ]
        return Table("sections", ("section", "kernel", "rounds behind", "blocks", "ops"), tuple(found))

    def _described(self, op: Any) -> str:
        named = [f"{forms.form(self.network, one)} {one.table}" for one in propagations(op)]
        return " + ".join(named) or str(op.mnemonic)


def _as_kept(array: Array) -> Array:
    """Flat; truth values as words of 32 bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype != np.bool_:
        return flat
    padded = np.zeros(-(-max(flat.size, 1) // WORD) * WORD, np.bool_)
    padded[: flat.size] = flat
    return np.packbits(padded, bitorder="little").view("<u4")


def _in_registers(part: _Part, name: str) -> bool:
    """Whether a temporary is made and used by one section, by each thread for itself."""
    buffer, users = part.dependences.buffers[name], part.dependences.uses.get(name, ())
    if buffer.kind not in ("temp", "stream") or name not in part.dependences.renewed or buffer.init is not None:
        return False
    homes = {number for number, section in enumerate(part.sections) for one, _ in users if one in section.ops}
    return len(homes) == 1 and all(owns(part.dependences, number, use) for number, use in users)
