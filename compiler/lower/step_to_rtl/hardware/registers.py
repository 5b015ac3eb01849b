"""The lane of a single group, whose fields are registers.

Nothing that it reads changes while a pass is at work, so what is there in a stage is there in all later ones: values
need no registers to wait in, and the sum of an adder goes to the field without one in between.  Only sums that other
adders take, and tests of sums, have registers.  Where a pass keeps a field its register is not enabled, and where it
makes it a constant it is reset.

Passes that need no test of a sum are `prompt`: their results are there in stage 1, and they take one cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from spikec.dialects.rtl_builder import Module, Signal
from spikec.lower.step_to_rtl.hardware.control import any_of
from spikec.lower.step_to_rtl.hardware.datapath import Datapath, Lane, held
from spikec.lower.step_to_rtl.programs.expressions import ADDERS, Node
from spikec.lower.step_to_rtl.programs.fold import Pass


def is_prompt(datapath: Datapath, one: Pass) -> bool:
    """Whether all results of a pass without events follow from what stage 1 has, and one addition at most."""

    def follows(node: Node) -> bool:
        if node.kind == "select" and datapath.level[node.args[0]] == 0:
            return all(follows(arm) for arm in node.args[1:])
        return datapath.level[node] == 0 or (node.kind in ("add", "sub") and datapath.level[node] == 1)

    return not one.events and all(follows(node) for node in one.results.values())


class RegisterLane(Lane):
    """The code of such a lane; `active(passes)` is the signal that one of some passes is at work."""

    def __init__(
        self,
        module: Module,
        name: str,
        datapath: Datapath,
        sources: Callable[[str], tuple[Signal, bool]],
        active: Callable[[Iterable[str]], Signal],
        prompt: frozenset[str],
    ) -> None:
        super().__init__(module, name, datapath, sources, lambda names, stage: active(names))
        self._prompt = prompt

    def written(
        self, name: str, now: Signal, nodes: Mapping[str, Node], when: Callable[[Iterable[str]], Signal]
    ) -> Signal:
        """What field `name`, which is `now`, becomes by passes whose results are `nodes`; `when` one of some writes."""
        always: dict[bool, list[str]] = {False: [], True: []}
        writes: dict[bool, list[Signal]] = {False: [], True: []}
        data: dict[str, Signal] = {}
        constant: Node | None = None
        for one, whole in nodes.items():
            stage = 1 if one in self._prompt else self._last
            node, condition = self._written_if(name, whole, stage)
            fixed = node.constant is not None and (constant is None or node is constant)
            if fixed:
                constant = node
            else:
                data[one] = self.resized(node, stage, now.width)
            if condition is None:
                always[fixed].append(one)
            else:
                writes[fixed].append(when([one]) & condition)
        for fixed, names in always.items():
            writes[fixed] += [when(names)] if names else []
        found = now
        if data:
            found = self._mux(any_of(self._module, writes[False]), self._chosen(data, 1), found)
        if constant is not None:
            found = self._mux(any_of(self._module, writes[True]), self.resized(constant, 1, now.width), found)
        return found

    def _written_if(self, name: str, node: Node, stage: int) -> tuple[Node, Signal | None]:
        """What a field becomes, and under which condition, else it keeps its value."""
        if node.kind == "select":
            condition, a, b = node.args
            if held(a) == f"field {name}":
                return b, ~self.resized(condition, stage, 1)
            if held(b) == f"field {name}":
                return a, self.resized(condition, stage, 1)
        return node, None

    def _signal(self, node: Node, stage: int) -> Signal:
        if node.kind == "input":
            return self._source(node)[0]
        level = self._datapath.level[node]
        if node.kind in ADDERS:
            return self._sum(node, stage)[: node.width]
        if node.kind == "xor" and node.args[1].constant == 1 and node.width == 1:
            return ~self._signal(node.args[0], stage)
        if node.width == 1 and stage > level > 0:
            return self._wait(node, self._signal(node, level), level, stage)
        key = (node, stage)
        if key not in self._made:
            self._made[key] = self._logic(node, stage)
        return self._made[key]

    def _sum(self, node: Node, stage: int) -> Signal:
        """A sum in the stage of its adder and in the last one; between them, for other adders, from a register."""
        level, k = self._homes[node]
        if (level, k) not in self._sums:
            self._sums[level, k] = self._unit(self._datapath.units[level][k], level + 1)
        total = self._sums[level, k]
        return total if stage in (level + 1, self._last) else self._wait(f"sum {level} {k}", total, level + 1, stage)

    def _wait(self, what: Node | str, signal: Signal, since: int, stage: int) -> Signal:
        return super()._wait(what, signal, since, min(stage, since + 1))

    def _chosen(self, signals: dict[str, Signal], stage: int) -> Signal:
        """By halves, since few bits then say which one it is."""
        groups: dict[int, list[str]] = {}
        for name, signal in signals.items():
            groups.setdefault(id(signal), []).append(name)
        alike = sorted(groups.values(), key=len, reverse=True)
        found = [signals[names[0]] for names in alike]
        place = 1
        while len(found) > 1:
            odd = [name for k, names in enumerate(alike) if k & place for name in names]
            pairs = [found[k : k + 2] for k in range(0, len(found), 2)]
            found = [self._mux(self._active(odd, stage), *pair[::-1]) if len(pair) > 1 else pair[0] for pair in pairs]
            place *= 2
        return found[0]
