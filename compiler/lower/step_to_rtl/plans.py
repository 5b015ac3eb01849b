"""The cores of a program with their passes, their lanes and the form of what crosses between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from spikec.analysis.intervals import BOOL, Interval, limits, point, width
from spikec.dialects.constants import Array
from spikec.dialects.functions import size
from spikec.dialects.program import Program
from spikec.lower.step_to_rtl.behaviour import Behaviour, behaviour
from spikec.lower.step_to_rtl.channel import Channel
from spikec.lower.step_to_rtl.core import Parts
from spikec.lower.step_to_rtl.cores import Core, Cut, cut
from spikec.lower.step_to_rtl.fold import Plan, plan
from spikec.lower.step_to_rtl.weights import matrix
from spikec.runtime.rtl.circuit import Shape, Stream

HOST_WORD = 16
"""The most events of a word of the host."""

Lanes = Mapping[str, int] | int


@dataclass(frozen=True)
class Planned:
    """A core, what it computes and in which passes; `matrices` are the weights of its arrivals."""

    core: Core
    found: Behaviour
    plan: Plan
    matrices: list[Array]
    shape: Shape

    @property
    def waits(self) -> bool:
        """Whether nothing but the host can tell that its next step begins."""
        return bool(self.found.values) or all(arrival.delay for arrival in self.core.arrivals)


@dataclass
class Plans:
    """All cores; `ranges` are the values of the events of buffers, where more is known than their type.

    `bank` is the number of rows of a bank of weights.
    """

    program: Program
    cut: Cut
    ranges: dict[str, Interval]
    bank: int | None
    cores: list[Planned] = field(default_factory=list)

    @staticmethod
    def of(
        program: Program,
        lanes: Lanes,
        starts: Mapping[str, Array],
        ranges: Mapping[str, Interval],
        bank: int | None,
    ) -> Plans:
        """Those of a program; `starts` are what states hold at first where that is computed.  Raises `Refusal`."""
        plans = Plans(program, cut(program), dict(ranges), bank)
        for core in plans.cut.cores:
            wanted = lanes if isinstance(lanes, int) else lanes.get(core.name, 1)
            plans.cores.append(plans._planned(core, _lanes(core.size, wanted), starts))
        return plans

    def _planned(self, core: Core, lanes: int, starts: Mapping[str, Array]) -> Planned:
        matrices = [matrix(self.program, arrival.table, arrival.part) for arrival in core.arrivals]
        events = [self._events(arrival.source) for arrival in core.arrivals]
        sums: dict[str, Interval] = {}
        for arrival, array, values in zip(core.arrivals, matrices, events, strict=True):
            before, more = sums.get(arrival.into, point(0)), _arriving(array, values)
            sums[arrival.into] = Interval(before.low + more.low, before.high + more.high)
        found = behaviour(self.program, core, sums, starts)
        self.ranges |= {name: node.range for name, node in found.events.items()}
        weights = Interval(min([0, *(int(a.min()) for a in matrices)]), max([0, *(int(a.max()) for a in matrices)]))
        valued = [values for values in events if values != BOOL]
        around = point(1)
        for values in valued:
            around = around.hull(values)
        return Planned(core, found, plan(found, weights, around if valued else None), matrices, Shape(core.size, lanes))

    def _events(self, source: str) -> Interval:
        return self.ranges.get(source, limits(self.cut.buffers[source].type))

    def width(self, name: str) -> int:
        """The bits of an element of a buffer."""
        return width(self.cut.buffers[name].type)

    def home(self, source: str) -> Planned | None:
        """The core that makes a buffer, None for the host."""
        return next((one for one in self.cores if source in one.core.sends), None)

    def stream(self, source: str) -> Stream:
        """How the events of a buffer cross: as groups of the core that makes them, or in words of the host."""
        home, bits = self.home(source), self.width(source)
        if home is not None:
            return Stream(home.shape.size, home.shape.lanes, bits, bits > 1)
        count = size(self.cut.buffers[source].type)
        return Stream(count, _lanes(count, HOST_WORD) if bits == 1 else 1, bits, bits > 1)

    def parts(self, one: Planned) -> Parts:
        """What the module of a core is built from."""
        channels = []
        for arrival, array in zip(one.core.arrivals, one.matrices, strict=True):
            stream = self.stream(arrival.source)
            rows = np.zeros((stream.elements * stream.words, array.shape[1]), np.int64)
            rows[arrival.low : arrival.low + len(array)] = array
            channels.append(Channel(arrival.into, stream, rows))
        return Parts(
            shape=one.shape,
            plan=one.plan,
            channels=channels,
            constants={name: self.program.constants[name] for name in one.found.constants},
            values={name: self.width(name) for name in one.found.values},
            draws=list(one.found.draws),
            sends=[self.stream(name) for name in one.core.sends],
            waits=one.waits,
            bank=self.bank,
        )


def _lanes(count: int, wanted: int) -> int:
    """A lane for each element, or a power of two of lanes: then a place is the number of its word, then that in it."""
    return count if wanted >= count else 1 << (wanted.bit_length() - 1)


def _arriving(array: Array, values: Interval) -> Interval:
    """What sources with such values can bring to a target in a step."""
    ends = array * int(values.low), array * int(values.high)
    low, high = np.minimum(np.minimum(*ends), 0), np.maximum(np.maximum(*ends), 0)
    return Interval(int(low.sum(0).min()), int(high.sum(0).max()))
