"""What a circuit takes of a device before any tool has seen it, for each part of it.

Registers, adders and memories are counted as they stand, without what is unused.  The logic between them is cut into
tables of as many inputs as the family's have: a gate that only one other uses joins its table as long as there is room.
yosys shares and splits more than that, so its tables are these times a factor of the family.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from spikec.backends.fpga.bits import AND, LEAF, MUX, ONE, ZERO, Adder, Bits, Word
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import FAMILIES
from spikec.backends.fpga.memories import Stored, is_logic, stored
from spikec.dialects import rtl
from spikec.dialects.netlist import Cell, Memory, Netlist, Register, elaborate
from spikec.dialects.program import Program

FACTORS = {"xilinx": 0.97, "ecp5": 1.0, "ice40": 0.98, "gowin": 0.98}
"""Tables of yosys for each one that is counted here; `benchmarks/fpga/fit.py` finds them."""

_SHIFT = 3  # registers in a row that are worth a table as memory
_RESET = 3  # bits of a register for which a control of its own is worth it
_CHOICE = 1.6  # tables of four inputs that choose one of as many more
_MULTIPLIERS = {"xilinx": (25, 18), "ecp5": (18, 18)}
"""The widths of a multiplier of the families whose synthesis takes them."""


@dataclass(frozen=True)
class Area:
    """Cells, and bits of memories."""

    resources: Resources
    bits: int

    @staticmethod
    def none() -> Area:
        """Of nothing."""
        return Area(Resources(0, 0, 0, 0, 0), 0)


def areas(program: Program, family: str, part: Callable[[str], str]) -> dict[str, Area]:
    """What each part of a circuit takes; `part` names that of a path, such as `a_core.lane0_sum2_0`."""
    return _Area(elaborate(program), family, part).found()


@dataclass
class _Sum:
    luts: float = 0
    memory_luts: int = 0
    ffs: int = 0
    blocks: float = 0
    dsps: int = 0
    bits: int = 0


@dataclass
class _State:
    """Bits that a register, an adder or a memory makes, and what these take in."""

    path: str
    inputs: Word
    count: Callable[[_Sum, int], None]
    """Adds what the state takes, of which so many bits are used."""


@dataclass(frozen=True)
class _Bit:
    """A bit of a register; `start` is None where no reset changes it."""

    path: str
    output: int
    value: int
    controls: tuple[int, ...]
    start: int | None


class _Area:
    def __init__(self, net: Netlist, family: str, part: Callable[[str], str]) -> None:
        self._net, self._family, self._part = net, family, part
        self._inputs = FAMILIES[family].inputs
        self._sums: dict[str, _Sum] = {}
        self._bits = Bits()
        self._words: dict[int, Word] = {}
        self._paths: list[str] = [""]  # of the cell that made a node
        self._owners: dict[int, tuple[_State, int]] = {}  # of leaves: what makes them, and which bit of it
        self._registered: set[int] = set()  # what goes to a register as it is
        self._rows: list[_Bit] = []
        self._seen: set[int] = set()  # nodes that an output depends on

    def found(self) -> dict[str, Area]:
        net, bits = self._net, self._bits
        for nets in (net.inputs.values(), [one.output for one in net.registers], [one.output for one in net.reads]):
            for number in nets:
                self._words[number] = bits.leaves(net.widths[number])
        for cell in net.cells:
            self._words[cell.output] = self._made(cell)
            self._paths += [cell.path] * (len(bits.kinds) - len(self._paths))
        self._registers()
        self._memories()
        for adder in bits.adders:
            self._adder(adder)
            self._paths += [self._paths[adder.outputs[0] >> 1]] * (len(bits.kinds) - len(self._paths))
        roots = self._alive()
        if self._family == "xilinx":
            self._shifted_bits(roots)
        self._tables(roots)
        factor = FACTORS[self._family]
        return {
            name: Area(Resources(round(one.luts * factor), one.memory_luts, one.ffs, one.blocks, one.dsps), one.bits)
            for name, one in self._sums.items()
        }

    # ------------------------------------------------------------ gates

    def _made(self, cell: Cell) -> Word:
        """The bits of what a cell makes."""
        bits, width, view = self._bits, self._net.widths[cell.output], cell.view
        words = [self._words[number] for number in cell.inputs]
        match view:
            case rtl.Constant():
                return [ONE if view.value >> k & 1 else ZERO for k in range(width)]
            case rtl.Wire():
                return words[0]
            case rtl.Not():
                return [bit ^ 1 for bit in words[0]]
            case rtl.And() | rtl.Or() | rtl.Xor():
                gate = {"and": bits.and_, "or": bits.or_, "xor": bits.xor}[view.mnemonic]
                return [gate(a, b) for a, b in zip(*words, strict=True)]
            case rtl.Mux():
                return [bits.mux(words[0][0], a, b) for a, b in zip(*words[1:], strict=True)]
            case rtl.Concat():
                return [*words[1], *words[0]]
            case rtl.Extract():
                return words[0][view.low : view.low + width]
            case rtl.Zext():
                return [*words[0], *[ZERO] * (width - len(words[0]))]
            case rtl.Sext():
                return [*words[0], *[words[0][-1]] * (width - len(words[0]))]
            case rtl.Reduce():
                gate, none = {"and": (bits.and_, ONE), "or": (bits.or_, ZERO), "xor": (bits.xor, ZERO)}[view.kind]
                return [bits.tree(gate, words[0], none)]
            case rtl.Add():
                return bits.sum(words[0], words[1])
            case rtl.Sub():
                return bits.sum(words[0], [bit ^ 1 for bit in words[1]], ONE)
            case rtl.Cmp():
                return [self._compared(view.predicate, *words)]
            case rtl.Shl() | rtl.Shru() | rtl.Shrs():
                return self._shifted(view.mnemonic, *words)
            case rtl.Mul():
                return self._product(cell, *words)
        return bits.leaves(width)  # a look at a memory

    def _compared(self, predicate: str, a: Word, b: Word) -> int:
        bits = self._bits
        if predicate in ("eq", "ne"):
            return bits.equal(a, b) ^ (predicate == "ne")
        if predicate[0] == "s":
            a, b = [*a[:-1], a[-1] ^ 1], [*b[:-1], b[-1] ^ 1]
        less = predicate[1:]
        return (
            bits.less(a, b)
            if less == "lt"
            else bits.less(b, a) ^ 1
            if less == "le"
            else self._compared({"gt": "ult", "ge": "ule"}[less], b, a)
        )

    def _shifted(self, kind: str, word: Word, amount: Word) -> Word:
        fill = word[-1] if kind == "shrs" else ZERO
        found = list(word)
        for k, bit in enumerate(amount):
            by = min(1 << k, len(word))
            moved = [ZERO] * by + found[: len(word) - by] if kind == "shl" else found[by:] + [fill] * by
            found = [self._bits.mux(bit, a, b) for a, b in zip(moved, found, strict=True)]
        return found

    def _product(self, cell: Cell, a: Word, b: Word) -> Word:
        """In multipliers where synthesis takes some, else in rows of adders."""
        found = self._bits.leaves(len(a))
        wide = sorted((_significant(a), _significant(b)), reverse=True)

        def count(area: _Sum, used: int) -> None:
            if self._family in _MULTIPLIERS:
                high, low = _MULTIPLIERS[self._family]
                area.dsps += -(-wide[0] // high) * -(-wide[1] // low)
            else:
                area.luts += wide[1] * min(used, wide[0] + 1)

        self._own(_State(cell.path, [*a, *b], count), found)
        return found

    # ------------------------------------------------------------ state

    def _own(self, state: _State, outputs: Iterable[int]) -> None:
        for k, literal in enumerate(outputs):
            self._owners[literal >> 1] = state, k

    def _registers(self) -> None:
        self._rows = rows = [row for register in self._net.registers for row in self._bits_of(register)]
        alike = _alike(rows)
        self._registered = {row.value for row in rows}
        for row in rows:
            same = alike.get(row.output)
            inputs = [row.value, *row.controls] if same is None else [same]
            self._own(_State(row.path, inputs, _registered if same is None else _nothing), [row.output])

    def _bits_of(self, register: Register) -> Iterator[_Bit]:
        """The bits of a register; a choice that many of them share is a reset or an enable."""
        outputs, controls = self._words[register.output], []
        if register.enable is not None:
            controls.append(self._words[register.enable][0])
        found = dict(enumerate(self._words[register.value]))
        start = [register.init >> k & 1 if register.resets else None for k in range(len(outputs))]
        while True:
            parts = {k: list(self._gated(bit, outputs[k], start[k])) for k, bit in found.items()}
            many = Counter(control for each in parts.values() for control, _ in each)
            control, count = many.most_common(1)[0] if many else (ZERO, 0)
            if count < _RESET:
                break
            controls.append(control)
            found |= {k: rest for k, each in parts.items() for one, rest in each if one == control}
        for k, output in enumerate(outputs):
            yield _Bit(register.path, output, found[k], tuple(controls), start[k])

    def _gated(self, bit: int, own: int, start: int | None) -> Iterator[tuple[int, int]]:
        """What may be the reset or the enable of a register's bit, and its next value without."""
        kind, fanins = self._bits.kinds[bit >> 1], self._bits.fanins[bit >> 1]
        if kind == AND and start in (None, bit & 1):
            for control, rest in (fanins, fanins[::-1]):
                yield control, rest ^ (bit & 1)
        elif kind == MUX and own ^ (bit & 1) in fanins[1:]:
            yield fanins[0], fanins[1 + (fanins[1] == own ^ (bit & 1))] ^ (bit & 1)

    def _adder(self, adder: Adder) -> None:
        """A bit takes a table; that of xilinx has room for more before the exclusive or of both inputs."""
        family, bits = self._family, self._bits
        inputs = [*adder.first, *adder.second]
        inverters = 0
        if family == "xilinx":
            either = [bits.xor(a, b) for a, b in zip(adder.first, adder.second, strict=True)]
            inputs = [*adder.first, *either]
        elif family == "ice40":
            inverters = sum(bit & 1 for bit in inputs if bit > ONE and bits.kinds[bit >> 1] == LEAF)

        def count(area: _Sum, used: int) -> None:
            if family == "ecp5":
                area.luts += 2 * -(-len(adder.first) // 2)
            elif family != "xilinx":
                area.luts += len(adder.first) + inverters

        self._own(_State(self._paths[adder.outputs[0] >> 1], inputs, count), adder.outputs)

    def _memories(self) -> None:
        net = self._net
        looks: dict[int, list[Cell]] = {}
        for cell in net.cells:
            if cell.memory is not None:
                looks.setdefault(cell.memory, []).append(cell)
        for number, memory in enumerate(net.memories):
            writes = [one for one in net.writes if one.memory == number]
            reads = [one for one in net.reads if one.memory == number]
            taken = [net for one in writes for net in (one.address, one.data, one.enable)]
            taken += [one.address for one in reads] + [one.enable for one in reads if one.enable is not None]
            taken += [one.inputs[0] for one in looks.get(number, [])]
            inputs = [bit for one in taken for bit in self._words[one]]
            ports = [one.output for one in reads] + [one.output for one in looks.get(number, [])]
            outputs = [bit for one in ports for bit in self._words[one]]
            count = self._memory(memory, len(ports), bool(writes), not reads, self._registered.issuperset(outputs))
            self._own(_State(memory.path, inputs, count), outputs)

    def _memory(
        self, memory: Memory, ports: int, written: bool, looked: bool, registered: bool
    ) -> Callable[[_Sum, int], None]:
        """What a memory takes; where no table can be memory, one that is looked at is a block, or registers."""
        family, depth, width = self._family, memory.depth, memory.width
        block = memory.style in ("block", "huge") or (memory.style == "auto" and not looked)
        if not FAMILIES[family].distributed and not block:
            block = registered and not is_logic(family, depth, width, written)
            soft = not block
        else:
            soft = memory.style == "auto" and not written and is_logic(family, depth, width, written)

        def count(area: _Sum, used: int) -> None:
            area.bits += depth * width
            if soft:
                parts = -(-depth // (1 << self._inputs))
                area.luts += used * (parts if self._inputs == 6 else parts + _CHOICE * (parts - 1))
                area.ffs += 0 if looked else used
                if written:
                    area.ffs += depth * width
                    area.luts += depth + used * depth // 2
                return
            found: Stored = stored(family, depth, used // ports, block, written)
            area.blocks += found.blocks * ports
            area.memory_luts += found.tables * ports
            more = found.parts - 1
            area.luts += used * (-(-more // 3) if self._inputs == 6 else -(-2 * more // 3))
            if block:
                area.ffs += more.bit_length()
            if block and written and not memory.exclusive and family != "xilinx":
                area.luts += used + (depth - 1).bit_length() // 2
                area.ffs += (1 if looked else 2) * used + (depth - 1).bit_length()

        return count

    # ------------------------------------------------------------ tables

    def _alive(self) -> list[int]:
        """Counts all states that an output depends on; gives the literals that have to be there as signals."""
        bits = self._bits
        roots: list[int] = []
        used: dict[int, set[int]] = {}
        states: dict[int, _State] = {}
        seen: set[int] = set()
        waiting: list[int] = []

        def need(literals: Iterable[int]) -> None:
            literals = list(literals)
            roots.extend(literals)
            waiting.extend(literal >> 1 for literal in literals)

        need(bit for number in self._net.outputs.values() for bit in self._words[number])
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if bits.kinds[node] != LEAF:
                waiting.extend(literal >> 1 for literal in bits.fanins[node])
            elif node in self._owners:
                state, place = self._owners[node]
                if id(state) not in states:
                    states[id(state)] = state
                    need(state.inputs)
                used.setdefault(id(state), set()).add(place)
        for key, state in states.items():
            state.count(self._at(state.path), len(used[key]))
        self._seen = seen
        return roots

    def _shifted_bits(self, roots: list[int]) -> None:
        """Bits that only go from register to register, without a reset, are memory in a table."""
        readers = Counter(literal >> 1 for literal in roots)
        readers.update(literal >> 1 for node in self._seen for literal in self._bits.fanins[node])
        bits = {bit.output: bit for bit in self._rows if bit.output >> 1 in self._seen and bit.start is None}
        following = {
            bit.value: bit
            for bit in bits.values()
            if bit.value in bits and readers[bit.value >> 1] == 1 and bits[bit.value].controls == bit.controls
        }
        for bit in bits.values():
            if following.get(bit.value) is not bit:
                length, last = 1, bit
                while last.output in following:
                    length, last = length + 1, following[last.output]
                if length >= _SHIFT:
                    area = self._at(bit.path)
                    area.ffs -= length
                    area.memory_luts += -(-length // 16)

    def _tables(self, roots: list[int]) -> None:
        """Cuts the gates into tables."""
        bits = self._bits
        nodes = sorted(node for node in self._seen if bits.kinds[node] != LEAF)
        fanout = dict.fromkeys(nodes, 0)
        for node in nodes:
            for literal in bits.fanins[node]:
                if literal >> 1 in fanout:
                    fanout[literal >> 1] += 1
        for literal in dict.fromkeys(roots):
            if literal >> 1 in fanout:
                fanout[literal >> 1] += 2
            elif literal & 1 and literal > ONE:
                self._at(self._paths[literal >> 1]).luts += 1  # an inverter
        tables: dict[int, frozenset[int]] = {}  # what a table that ends in a node looks at
        for node in nodes:
            made = [literal >> 1 for literal in bits.fanins[node]]
            open_ = [one for one in made if fanout.get(one) == 1]
            closed = frozenset(one for one in made if fanout.get(one) != 1)
            tables[node], left = self._joined(closed, open_, tables)
            for one in left:
                self._at(self._paths[one]).luts += 1
        for node in nodes:
            if fanout[node] > 1:
                self._at(self._paths[node]).luts += 1

    def _joined(
        self, closed: frozenset[int], open_: list[int], tables: dict[int, frozenset[int]]
    ) -> tuple[frozenset[int], list[int]]:
        """The inputs of a table that takes in as many of some gates as it can, and those left out."""
        for count in range(len(open_), -1, -1):
            found = []
            for taken in itertools.combinations(open_, count):
                left = [one for one in open_ if one not in taken]
                support = closed.union(left, *(tables[one] for one in taken))
                if len(support) <= self._inputs:
                    found.append((len(support), support, left))
            if found:
                return min(found, key=lambda one: one[0])[1:]
        return closed.union(open_), list(open_)

    def _at(self, path: str) -> _Sum:
        return self._sums.setdefault(self._part(path), _Sum())


def _registered(area: _Sum, used: int) -> None:
    area.ffs += used


def _nothing(area: _Sum, used: int) -> None:
    pass


def _alike(bits: list[_Bit]) -> dict[int, int]:
    """Of bits that are always equal to an earlier one, or constant, which literal that is."""
    found: dict[int, int] = {}

    def known(literal: int) -> int:
        return found.get(literal & -2, literal & -2) ^ (literal & 1)

    while True:
        before = len(found)
        first: dict[tuple[int, tuple[int, ...], int | None], int] = {}
        for bit in bits:
            value = known(bit.value)
            if bit.output in found:
                continue
            if value == (bit.start or ZERO) or value == bit.output:
                found[bit.output] = bit.start or ZERO
            else:
                same = first.setdefault((value, tuple(map(known, bit.controls)), bit.start), bit.output)
                if same != bit.output:
                    found[bit.output] = same
        if len(found) == before:
            return found


def _significant(word: Word) -> int:
    """The bits of a number without copies of its sign."""
    count = len(word)
    while count > 1 and word[count - 1] == word[count - 2]:
        count -= 1
    return count
