"""The pipeline that all passes of a core share: which adder computes what in which stage, and the code of a lane.

Stage 1 begins with registers that hold what was read.  An adder of level n (one that waits for n - 1 others) works in
stage n and ends in a register; all else is logic in front of the adders.  The last stage, `depth` + 1, chooses what is
written back.  Since passes exclude each other, a pass lends its adders to the others: `units[n]` are the adders of a
level, each with the node that it computes in each pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spikec.dialects.rtl_builder import Module, Signal
from spikec.lower.step_to_rtl.programs.expressions import ADDERS, Graph, Node, above, below_power, bits
from spikec.lower.step_to_rtl.programs.fold import Pass, Plan

Unit = dict[str, Node]
"""What an adder computes, by pass."""


@dataclass
class Datapath:
    """`passes` by name, with comparisons that the adders decide; `level` of nodes: how many adders lead to them."""

    passes: dict[str, Pass]
    level: dict[Node, int]
    units: list[list[Unit]]

    @property
    def depth(self) -> int:
        return len(self.units)

    @staticmethod
    def of(plan: Plan) -> Datapath:
        _decide(plan.graph, plan.passes)
        level = _levels(above(_roots(plan.passes)))
        units: list[list[Unit]] = [[] for _ in range(max([1, *level.values()]))]
        for one in plan.passes:
            for node in above(_roots([one])):
                if node.kind in ADDERS and node.constant is None:
                    _place(units[level[node] - 1], one.name, node)
        return Datapath({one.name: one for one in plan.passes}, level, units)


def _roots(passes: Iterable[Pass]) -> list[Node]:
    return [node for one in passes for node in (*one.results.values(), *one.events.values())]


def _decide(graph: Graph, passes: list[Pass]) -> None:
    """Makes each comparison a look at upper bits: of the value, of what it is added to anyway, or of a difference."""
    while True:
        nodes = above(_roots(passes))
        open_ = next((node for node in nodes if node.kind == "below" and not below_power(_number(node))), None)
        if open_ is None:
            return
        value, limit = open_.args[0], _number(open_)
        sums = [
            node for node in nodes if node.kind == "add" and node.args[0] is value and node.args[1].constant is not None
        ]
        near = next((node for node in sums if below_power(limit + (node.args[1].constant or 0))), None)
        near = near if near is not None else graph.difference(value, limit)
        change = {open_: graph.test(near, limit + (near.args[1].constant or 0))}
        for one in passes:
            one.results = dict(zip(one.results, graph.rebuilt(one.results.values(), change.get), strict=True))
            one.events = dict(zip(one.events, graph.rebuilt(one.events.values(), change.get), strict=True))


def _levels(nodes: list[Node]) -> dict[Node, int]:
    level: dict[Node, int] = {}
    for node in nodes:
        adder = node.kind in ADDERS and node.constant is None
        level[node] = max((level[arg] for arg in node.args), default=0) + adder
    return level


def _place(units: list[Unit], name: str, node: Node) -> None:
    """Gives a node to an adder that is free in its pass: the one that has it already, has an operand of it, or any."""
    if node.kind == "mul":
        free = [unit for unit in units if node in unit.values()]
    else:
        free = [unit for unit in units if name not in unit and all(other.kind != "mul" for other in unit.values())]

    def fit(unit: Unit) -> int:
        return 2 * (node in unit.values()) + any(held(node.args[0]) == held(other.args[0]) for other in unit.values())

    if free:
        max(free, key=fit)[name] = node
    else:
        units.append({name: node})


def held(node: Node) -> str | Node:
    """The input that a node is, a field whatever is known of its value in a pass ("sum NAME", ...), or the node."""
    if node.kind != "input":
        return node
    kind, _, name = str(node.value).partition(" ")
    return f"field {name}" if kind in ("sum", "left", "cleared") else str(node.value)


def _number(node: Node) -> int:
    return int(node.value or 0)


class Lane:
    """The code of one lane.

    `sources` are the inputs of nodes ("field NAME", "weight", ...) in stage 1, signals with whether they are signed;
    `active(passes, stage)` is the signal that one of some passes is in a stage.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        datapath: Datapath,
        sources: Callable[[str], tuple[Signal, bool]],
        active: Callable[[Iterable[str], int], Signal],
    ) -> None:
        self._module, self._name, self._datapath = module, name, datapath
        self._sources, self._active = sources, active
        self._last = datapath.depth + 1
        self._made: dict[tuple[Node | str, int], Signal] = {}
        self._delayed: dict[tuple[Node | str, int], Signal] = {}
        self._resized: dict[tuple[Node | str, int, int], Signal] = {}
        self._homes = {
            node: (level, k)
            for level, units in enumerate(datapath.units)
            for k, unit in enumerate(units)
            for node in unit.values()
        }
        self._sums: dict[tuple[int, int], Signal] = {}  # behind the registers of adders

    def result(self, nodes: dict[str, Node], width: int) -> Signal:
        """What passes end with, by pass, as a number of so many bits in the last stage."""
        return self._chosen({name: self.resized(node, self._last, width) for name, node in nodes.items()}, self._last)

    def resized(self, node: Node, stage: int, width: int) -> Signal:
        """The lowest bits of a node, or the node with copies of its sign."""
        if node.constant is not None:
            return self._constant(node.constant, width)
        key = (held(node), stage, width)
        if key not in self._resized and node.kind in ADDERS and width <= (total := self._sum(node, stage)).width:
            self._resized[key] = total[:width]  # its upper bits are copies of the sign already
        if key not in self._resized:
            signal, signed = self._signal(node, stage), self._signed(node)
            if width <= signal.width:
                self._resized[key] = signal[:width]
            else:
                self._resized[key] = signal.sext(width) if signed else signal.zext(width)
        return self._resized[key]

    # ------------------------------------------------------------ nodes

    def _signed(self, node: Node) -> bool:
        return self._source(node)[1] if node.kind == "input" else node.range.low < 0

    def _source(self, node: Node) -> tuple[Signal, bool]:
        return self._sources(str(held(node)))

    def _signal(self, node: Node, stage: int) -> Signal:
        """A node in a stage: an input as wide as it is held, others as wide as their range."""
        key = (held(node), stage)
        if key not in self._made:
            if node.kind == "input":
                self._made[key] = self._wait(held(node), self._source(node)[0], 1, stage)
            elif node.kind in ADDERS:
                self._made[key] = self._sum(node, stage)[: node.width]
            elif node.width == 1 and stage > (first := self._datapath.level[node] + 1):
                self._made[key] = self._wait(node, self._signal(node, first), first, stage)
            else:
                self._made[key] = self._logic(node, stage)
        return self._made[key]

    def _wait(self, what: Node | str, signal: Signal, since: int, stage: int) -> Signal:
        """A signal of one stage as it is in a later one."""
        if stage == since:
            return signal
        key = (what, stage)
        if key not in self._delayed:
            before = self._wait(what, signal, since, stage - 1)
            register = self._module.reg(f"{self._name}_value{len(self._delayed)}_at{stage}", signal.width)
            register.next(before)
            self._delayed[key] = register
        return self._delayed[key]

    def _logic(self, node: Node, stage: int) -> Signal:
        width, args = node.width, node.args
        match node.kind:
            case "join":
                zeros = args[0].zeros
                return self._module.concat(
                    self.resized(args[0], stage, width)[zeros:], self._constant(_number(node), zeros)
                )
            case "shl":
                k = _number(node)
                return self._module.concat(self.resized(args[0], stage, width - k), self._constant(0, k))
            case "shr":
                k = _number(node)
                return self.resized(args[0], stage, width + k)[k:]
            case "wrap" | "low":
                return self.resized(args[0], stage, width)
            case "below":
                return self._below(args[0], _number(node), stage)
            case "same":
                wide = bits(args[0].range.hull(args[1].range))
                return self.resized(args[0], stage, wide).eq(self.resized(args[1], stage, wide))
            case "select":
                condition = self.resized(args[0], stage, 1)
                return self._mux(condition, *(self.resized(arm, stage, width) for arm in args[1:]))
            case "and":
                return self.resized(args[0], stage, width) & self.resized(args[1], stage, width)
            case "or":
                return self.resized(args[0], stage, width) | self.resized(args[1], stage, width)
        if args[1].constant == 1 and width == 1:
            return ~self.resized(args[0], stage, 1)
        return self.resized(args[0], stage, width) ^ self.resized(args[1], stage, width)

    def _below(self, node: Node, c: int, stage: int) -> Signal:
        """x < c of a power of two: the sign, with the bits from that of the power on."""
        signal, signed = self.resized(node, stage, node.width), node.range.low < 0
        top = node.width - signed
        low = abs(c).bit_length() - 1
        if c <= 0 and not signed:  # more is known of the number than when it was compared
            return self._constant(0, 1)
        if c == 0:
            return signal[top]
        upper = signal[low:top] if low < top else None
        if c < 0:
            return signal[top] if upper is None else signal[top] & ~upper.all()
        small = ~upper.any() if upper is not None else self._constant(1, 1)
        return signal[top] | small if signed else small

    # ------------------------------------------------------------ adders

    def _sum(self, node: Node, stage: int) -> Signal:
        level, k = self._homes[node]
        if (level, k) not in self._sums:
            total = self._unit(self._datapath.units[level][k], level + 1)
            register = self._module.reg(f"{self._name}_sum{level + 1}_{k}", total.width)
            register.next(total)
            self._sums[level, k] = register
        return self._wait(f"sum {level} {k}", self._sums[level, k], level + 2, stage)

    def _unit(self, unit: Unit, stage: int) -> Signal:
        """What an adder computes."""
        width = max(node.width for node in unit.values())
        if all(node.kind != "mul" for node in unit.values()):
            return self._added(unit, stage, width)
        one, other = (self.resized(arg, stage, width) for arg in next(iter(unit.values())).args)
        return one * other

    def _added(self, unit: Unit, stage: int, width: int) -> Signal:
        operands = Counter(held(arg) for node in unit.values() for arg in node.args[: 1 + (node.kind == "add")])
        usual = operands.most_common(1)[0][0]
        first: dict[str, Signal] = {}
        second: dict[str, Signal] = {}
        inverted: dict[int, Signal] = {}
        for name, node in unit.items():
            in_order = node.kind == "sub" or held(node.args[1]) != usual
            one, other = (self.resized(arg, stage, width) for arg in (node.args if in_order else node.args[::-1]))
            first[name], second[name] = one, other
            if node.kind == "sub":
                second[name] = inverted.setdefault(id(other), other if len(unit) == 1 else ~other)
        subtractions = [name for name, node in unit.items() if node.kind == "sub"]
        a, b = self._chosen(first, stage), self._chosen(second, stage)
        if not subtractions:
            return a + b
        if len(unit) == 1:
            return a - b
        lowest = self._constant(1, 1)
        carry = lowest if len(subtractions) == len(unit) else self._active(subtractions, stage)
        return (self._module.concat(a, lowest) + self._module.concat(b, carry))[1:]

    def _chosen(self, signals: dict[str, Signal], stage: int) -> Signal:
        """The signal of the pass that is in a stage; of those that are not named, any."""
        groups: dict[int, list[str]] = {}
        for name, signal in signals.items():
            groups.setdefault(id(signal), []).append(name)
        names = sorted(groups.values(), key=len)
        found = signals[names[-1][0]]
        for group in names[:-1]:
            found = self._mux(self._active(group, stage), signals[group[0]], found)
        return found

    # ------------------------------------------------------------ pieces

    def _constant(self, value: int, width: int) -> Signal:
        key = (f"constant {value & ((1 << width) - 1)}", width)
        if key not in self._delayed:
            self._delayed[key] = self._module.constant(value & ((1 << width) - 1), width)
        return self._delayed[key]

    def _mux(self, condition: Signal, when_true: Signal, when_false: Signal) -> Signal:
        return when_true if when_true is when_false else self._module.mux(condition, when_true, when_false)
