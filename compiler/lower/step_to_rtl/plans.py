"""The cores of a program with their passes, their lanes and the form of what crosses between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from spikec.analysis.intervals import BOOL, Interval, limits, point, signed_limits, width
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import size
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.cores import CODE, Core, Cut, cut
from spikec.lower.step_to_rtl.elements.links import linked
from spikec.lower.step_to_rtl.hardware.core import Parts
from spikec.lower.step_to_rtl.programs.behaviour import Behaviour, behaviour
from spikec.lower.step_to_rtl.programs.expressions import bits as bits_of
from spikec.lower.step_to_rtl.programs.fold import Plan, Product, plan
from spikec.lower.step_to_rtl.programs.labels import labels, read_at_the_end
from spikec.lower.step_to_rtl.programs.saturate import saturated_later
from spikec.lower.step_to_rtl.rows.channel import Channel
from spikec.lower.step_to_rtl.rows.lists import Cost, cost
from spikec.lower.step_to_rtl.rows.weights import MOST, in_rows, synapses
from spikec.lower.synapses import Rows
from spikec.runtime.rtl.circuit import Label, Shape, Stream

HOST_WORD = 16
"""The most events of a word of the host."""

Lanes = Mapping[str, int] | int


@dataclass(frozen=True)
class Planned:
    """A core, what it computes and in which passes.

    For each arrival `rows` has the weights of its sources, whose targets are places of `shape`, and `costs` says
    whether they are listed.
    """

    core: Core
    found: Behaviour
    plan: Plan
    rows: list[Rows]
    costs: list[Cost]
    shape: Shape

    @property
    def waits(self) -> bool:
        """Whether nothing but the host can tell that its next step begins."""
        return bool(self.found.values) or all(arrival.delay for arrival in self.core.arrivals)


@dataclass
class Plans:
    """All cores; `ranges` are the values of the events of buffers, where more is known than their type.

    `bank` is the number of rows of a bank of weights; those that are `writable` can be any of their type.
    `results` are the buffers from which `@finish` makes outputs, of which `labels` can be found on the chip.
    """

    program: Program
    cut: Cut
    ranges: dict[str, Interval]
    bank: int | None
    writable: bool
    results: frozenset[str]
    labels: list[Label]
    starts: Mapping[str, Array]
    cores: list[Planned] = field(default_factory=list)
    known: dict[tuple[str, int], Planned] = field(default_factory=dict)
    """Cores by name and lanes, whatever the lanes of the others."""

    @staticmethod
    def of(
        program: Program,
        lanes: Lanes,
        starts: Mapping[str, Array],
        ranges: Mapping[str, Interval],
        bank: int | None,
        writable: bool,
    ) -> Plans:
        """Those of a program; `starts` are what states hold at first where that is computed.  Raises `Refusal`."""
        link = linked(program, starts)
        parts, ends = cut(link.program, link.late), read_at_the_end(program)
        plans = Plans(link.program, parts, dict(ranges), bank, writable, ends, labels(program), starts)
        return plans.with_lanes(lanes)

    def with_lanes(self, lanes: Lanes) -> Plans:
        """The same cores with other lanes; those that have as many as before stay as they are."""
        plans = replace(self, ranges=dict(self.ranges), cores=[])
        for core in self.cut.cores:
            wanted = lanes if isinstance(lanes, int) else lanes.get(core.name, 1)
            key = core.name, _lanes(core.size, wanted)
            if key not in self.known:
                self.known[key] = plans._planned(core, key[1], self.starts)
            one = self.known[key]
            plans.ranges |= {name: node.range for name, node in one.found.events.items()}
            plans.cores.append(one)
        return plans

    def _planned(self, core: Core, lanes: int, starts: Mapping[str, Array]) -> Planned:
        rows = [synapses(self.program, arrival.table, arrival.part) for arrival in core.arrivals]
        events = [self._events(arrival.source) for arrival in core.arrivals]
        sums: dict[str, Interval] = {}
        for arrival, one, values in zip(core.arrivals, rows, events, strict=True):
            more = _anything(arrival.table, values) if self.writable else _arriving(one, core.size, values)
            before = sums.get(arrival.into, point(0))
            sums[arrival.into] = Interval(before.low + more.low, before.high + more.high)
        found = behaviour(self.program, core, sums, starts)
        self.ranges |= {name: node.range for name, node in found.events.items()}
        weights = self._weights(core, rows)
        around = point(1)
        for values in events:
            around = around.hull(values) if values != BOOL else around
        shape, rows, costs = self._shaped(core, lanes, rows)
        single = shape.groups == 1
        passes = plan(found, weights, around, self._products(core, rows, events), registers=single)
        passes = saturated_later(passes) if single else passes
        return Planned(core, found, passes, rows, costs, shape)

    def _products(self, core: Core, rows: list[Rows], events: list[Interval]) -> dict[str, Product]:
        """What events bring to each port."""
        found: dict[str, Product] = {}
        for port in {arrival.into for arrival in core.arrivals}:
            mine = [k for k, arrival in enumerate(core.arrivals) if arrival.into == port]
            weights = np.concatenate([np.asarray(rows[k].weight, np.int64) for k in mine])
            sizes = np.abs(weights)
            if all(events[k] == BOOL for k in mine):
                found[port] = "weight"
            elif self.writable or (sizes & (sizes - 1)).any():
                found[port] = "product"
            else:
                found[port] = "value" if (weights >> 1 == 0).all() else "shifted"
        return found

    def _weights(self, core: Core, rows: list[Rows]) -> Interval:
        """All that a weight of a core can be, and 0."""
        if self.writable:
            return signed_limits(_weight_bits(core))
        each = np.concatenate([np.zeros(1, np.int64), *(np.asarray(one.weight) for one in rows)])
        return Interval(int(each.min()), int(each.max()))

    def _shaped(self, core: Core, lanes: int, rows: list[Rows]) -> tuple[Shape, list[Rows], list[Cost]]:
        """The shape, with rows whose targets are places: the order of elements in which their weights cost least.

        Channels of a convolution at one position have to be lanes of a group for that.
        """
        shapes = [Shape(core.size, lanes)]
        extents = tuple(self.cut.buffers[core.arrivals[0].into].type.shape) if core.arrivals else ()
        if shapes[0].groups > 1 and len(extents) > 1 and not any(isinstance(op, step.Draw) for op in core.ops):
            order = np.arange(core.size).reshape(-1, extents[0]).T.reshape(-1)
            shapes.append(Shape(core.size, lanes, order))
        found = []
        for shape in shapes:
            placed = [_placed(one, shape.order) for one in rows]
            found.append((shape, placed, [cost(one, shape, self.writable) for one in placed]))
        best = min(found, key=lambda one: sum(each.product for each in one[2]))
        for arrival, each in zip(core.arrivals, best[2], strict=True):
            if each.words * lanes > MOST:
                raise Refusal(
                    CODE, f"{each.words * lanes} weights are more than a memory holds", arrival.table.operation
                )
        return best

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
            values = self.ranges[source]
            signed = values.low < 0
            bits = bits_of(values) if not signed else max(2, bits_of(values))
            return Stream(home.shape.size, home.shape.lanes, bits, signed, home.shape.order)
        count = size(self.cut.buffers[source].type)
        return Stream(count, _lanes(count, HOST_WORD) if bits == 1 else 1, bits, bits > 1)

    def parts(self, one: Planned) -> Parts:
        """What the module of a core is built from."""
        channels = []
        for arrival, rows, each in zip(one.core.arrivals, one.rows, one.costs, strict=True):
            stream = self.stream(arrival.source)
            source = rows.numbers() + arrival.low
            source = source if stream.order is None else stream.order[source]
            placed = in_rows(stream.elements * stream.words, source, rows.target, np.asarray(rows.weight))
            channels.append(Channel(arrival.into, stream, placed, each.listed))
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
            writable=_weight_bits(one.core) if self.writable and channels else None,
            reads=[field.name for field in one.plan.fields if field.state in self.results],
        )


def _lanes(count: int, wanted: int) -> int:
    """A lane for each element, or a power of two of lanes: then a place is the number of its word, then that in it."""
    return count if wanted >= count else 1 << (wanted.bit_length() - 1)


def _arriving(rows: Rows, targets: int, values: Interval) -> Interval:
    """What sources with such values can bring to a target in a step."""
    weight = np.asarray(rows.weight)
    ends = weight * int(values.low), weight * int(values.high)
    low, high = np.zeros((2, targets), np.int64)
    np.add.at(low, rows.target, np.minimum(np.minimum(*ends), 0))
    np.add.at(high, rows.target, np.maximum(np.maximum(*ends), 0))
    return Interval(int(low.min()), int(high.max()))


def _anything(table: step.Table, values: Interval) -> Interval:
    """What sources with such values can bring to a target in a step, with any weights."""
    weights = limits(table.element)
    ends = [table.pre * int(a) * int(b) for a in (weights.low, weights.high) for b in (values.low, values.high)]
    return Interval(min([0, *ends]), max([0, *ends]))


def _weight_bits(core: Core) -> int:
    """The bits of the types of the weights."""
    return max((width(arrival.table.element) for arrival in core.arrivals), default=1)


def _placed(rows: Rows, order: Array | None) -> Rows:
    """Rows with places for targets."""
    if order is None:
        return rows
    return in_rows(len(rows.begin) - 1, rows.numbers(), order[rows.target], np.asarray(rows.weight))
