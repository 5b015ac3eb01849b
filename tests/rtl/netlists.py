"""Random circuits: every op, widths from 1 to beyond 64, registers, memories, modules in modules."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from spikec.dialects.netlist import elaborate
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design, Memory, Module, Signal

NARROW = (1, 1, 1, 2, 3, 4, 7, 8)
WIDTHS = (*NARROW, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 130)
COMPARE = ("eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge")


class _Random:
    """Makes one module."""

    def __init__(self, rng: random.Random, design: Design, name: str, deep: bool, widths: Sequence[int]) -> None:
        self.rng, self.module, self.deep, self.widths = rng, design.module(name), deep, widths
        self.pool = [self.module.input(f"in{k}", rng.choice(widths)) for k in range(rng.randint(1, 4))]

    def signal(self, width: int | None = None) -> Signal:
        """Some signal, made as wide as wanted."""
        found = self.rng.choice(self.pool)
        if width is None or width == found.width:
            return found
        if width < found.width:
            low = self.rng.randint(0, found.width - width)
            return found[low : low + width]
        return found.sext(width) if self.rng.random() < 0.5 else found.zext(width)

    def value(self, width: int) -> Signal | int:
        return self.rng.getrandbits(width) if self.rng.random() < 0.2 else self.signal(width)

    def fill(self, inner: list[Module], count: int) -> Module:
        rng, module = self.rng, self.module
        registers = [
            module.reg(f"r{k}", width, rng.choice((None, 0, rng.getrandbits(width))))
            for k, width in enumerate(rng.choices(self.widths, k=rng.randint(1, 4)))
        ]
        wires = [module.wire(f"w{k}", rng.choice(self.widths)) for k in range(2)]
        self.pool += registers
        memories = [self.memory(k) for k in range(rng.randint(0, 2))]
        for _ in range(count):
            self.pool.append(self.one(memories))
        for k, one in enumerate(inner):
            self.instance(one, f"i{k}")
        for wire in wires:  # driven before they are used: what follows cannot lead back
            wire.drive(self.value(wire.width))
        self.pool += wires
        for _ in range(count // 2):
            self.pool.append(self.one(memories))
        for memory in memories:
            for _ in range(rng.randint(0, 2)):
                parts = rng.choice([k for k in (1, 2, memory.width) if memory.width % k == 0])
                memory.write(self.value(memory.address_width), self.value(memory.width), self.signal(parts))
        for register in registers:
            enable = self.signal(1) if rng.random() < 0.5 else None
            register.next(self.value(register.width), enable)
        for k, signal in enumerate(rng.sample(self.pool, min(len(self.pool), 6))):
            module.output(f"out{k}", signal)
        return module

    def memory(self, k: int) -> Memory:
        rng = self.rng
        # Beyond the depth, simulators of Verilog see nothing defined.
        depth = rng.choice((2, 4, 16)) if not self.deep else rng.choice((1, 3, 5, 16, 37))
        lanes, bits = rng.randint(1, 5), rng.choice((1, 3, 8, 13, 70))
        content = None
        if rng.random() < 0.6:
            top = 1 << (min(bits, 16) - 1)
            content = np.array([[rng.randint(-top, top - 1) for _ in range(lanes)] for _ in range(depth)], np.int16)
        style = "auto" if content is not None else rng.choice(("auto", "huge"))
        return self.module.mem(f"m{k}", depth, lanes * bits, content, style)

    def one(self, memories: list[Memory]) -> Signal:
        rng, module = self.rng, self.module
        width = rng.choice(self.widths)
        kind = rng.randrange(12)
        a = self.signal(width)
        if kind == 0:
            return rng.choice((a.__add__, a.__sub__, a.__mul__))(self.value(width))
        if kind == 1:
            return rng.choice((a.__and__, a.__or__, a.__xor__))(self.value(width))
        if kind == 2:
            return rng.choice((a.__invert__, a.__neg__))()
        if kind == 3:
            return rng.choice((a.any, a.all, a.parity))()
        if kind in (4, 5):
            amount = rng.randint(0, 2 * width) if rng.random() < 0.4 else self.signal(rng.choice((1, 3, 6, 9)))
            return rng.choice((a.__lshift__, a.shru, a.shrs))(amount)
        if kind == 6:
            return getattr(a, rng.choice(COMPARE))(self.value(width))
        if kind == 7:
            return module.mux(self.signal(1), a, self.value(width))
        if kind == 8:
            return module.concat(*(self.signal() for _ in range(rng.randint(2, 4))))[: rng.randint(1, 200)]
        if kind == 9:
            return a.sext(width + rng.randint(0, 70))
        if kind == 10 and memories:
            return self.read(memories)
        return (a ^ self.value(width)).named(f"some{rng.randrange(9)}")

    def read(self, memories: list[Memory]) -> Signal:
        memory = self.rng.choice(memories)
        address = self.value(memory.address_width)
        if self.rng.random() < 0.5:
            return memory.look(address)
        return memory.read(address, enable=self.signal(1) if self.rng.random() < 0.5 else None)

    def instance(self, module: Module, name: str) -> None:
        inputs = {port: self.signal(width) for port, width in module.inputs.items()}
        self.pool += self.module.instance(module, name, inputs).values()


def circuit(seed: int, deep: bool = False, count: int = 25, widths: Sequence[int] = WIDTHS) -> Program:
    """A random circuit of about so many ops; a `deep` one has memories whose depth is no power of two."""
    rng = random.Random(seed)
    design = Design("top")
    with design:
        leaf = _Random(rng, design, "leaf", deep, widths).fill([], count // 3)
        _Random(rng, design, "top", deep, widths).fill([leaf] * rng.randint(0, 2), count)
    return design.program()


def stimulus(program: Program, cycles: int, seed: int) -> list[tuple[bool, dict[str, int]]]:
    """A reset and the inputs for each cycle."""
    rng = random.Random(seed)
    net = elaborate(program)
    widths = {name: net.widths[index] for name, index in net.inputs.items()}
    return [
        (rng.random() < 0.05, {name: rng.choice((0, rng.getrandbits(w), (1 << w) - 1)) for name, w in widths.items()})
        for _ in range(cycles)
    ]
