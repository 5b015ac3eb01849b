"""The cycles that a circuit takes for given events, by the rules of its control, without a simulation of its signals.

For each event there is one look at when it leaves its encoder and when its core takes it: the later of both being
ready.  Cores wait for words in queues, for room in these, and for random numbers.

A core with G groups whose passes go over G' = max(G, depth + 2) numbers takes G' (E + 1) cycles for a step of E events,
G' more where there is a first pass, and one for each channel; an event that is listed takes the cycles of its list.  In
a single group, passes that are prompt take a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from spikec.dialects.constants import Array
from spikec.lower.step_to_rtl.cores import Arrival
from spikec.lower.step_to_rtl.hardware.core import DISTRIBUTED, Parts
from spikec.lower.step_to_rtl.hardware.datapath import Datapath
from spikec.lower.step_to_rtl.hardware.encoder import levels
from spikec.lower.step_to_rtl.hardware.fifo import delayed
from spikec.lower.step_to_rtl.hardware.registers import is_prompt
from spikec.lower.step_to_rtl.plans import Planned, Plans
from spikec.lower.step_to_rtl.rows.store import Store
from spikec.runtime.rtl.circuit import Stream, placed

DRAW = 92
"""The cycles from taking a random number to the next one."""
_FIRST_DRAW = 91


@dataclass(frozen=True)
class Timing:
    """The passes of a core, in cycles.

    `start` comes once, `first` before the events of a step, `event` is that of a channel's event, None where it is the
    cycles of its list; `last` ends a step, but for what comes `after`.  A word of the last pass is in its queues
    `latency` cycles after its group was read.  A group is read again `distance` cycles later at the earliest.
    `lists` has the entries of each list, those of a channel from its number in `before` on, found in `looked` cycles;
    where the core `draws`, the last pass waits for random numbers.
    """

    groups: int
    start: int
    first: int
    event: list[int | None]
    last: int
    after: int
    latency: int
    distance: int
    lists: Array | None
    looked: int
    before: list[int]
    draws: bool

    @staticmethod
    def of(parts: Parts) -> Timing:
        """Of the core that is made of some parts."""
        plan, groups = parts.plan, parts.shape.groups
        datapath, single = Datapath.of(plan), groups == 1
        store = Store.of(parts.channels, parts.shape)
        span = datapath.depth + 1 if single else max(groups, datapath.depth + 2)
        banks = -(-len(store.words) // (parts.bank or max(1, len(store.words)))) if parts.channels else 1
        prompt = {name for name, one in datapath.passes.items() if single and is_prompt(datapath, one)}

        def cycles(name: str) -> int:
            return 1 if name in prompt else span

        return Timing(
            groups,
            span if plan.start is not None else 0,
            cycles(plan.first.name) if plan.first is not None else 0,
            [None if channel.listed else cycles(plan.arrive[channel.port].name) for channel in parts.channels],
            cycles(plan.last.name),
            sum(cycles(one.name) for one in plan.after),
            datapath.depth + 4 + (banks > 1),
            datapath.depth + 2 + (groups > DISTRIBUTED),
            None if store.lists is None else store.lists.count,
            0 if store.lists is None else store.lists.sources.steps,
            store.before,
            bool(parts.draws),
        )

    def alone(self, streams: list[Stream], activity: float) -> float:
        """The cycles of a step where nothing has to be waited for but events of the share `activity` of sources."""
        last = max(self.last, self.groups * DRAW) if self.draws else self.last
        found, search = float(self.first + last + self.after), 0.0
        for number, stream in enumerate(streams):
            events = expected(stream, activity)
            each = self.event[number]
            if each is None:
                assert self.lists is not None
                low = self.before[number]
                counts = self.lists[low : low + stream.size]
                least = self.looked + 1
                each = np.where(counts > 0, counts + max(self.distance - 1, least), least).mean().item()
            # Where an event takes a cycle, the encoder looks ahead for words with events, and begins a step with none.
            found += events * each + 1 + (2 if self.quick and stream.words > 1 else 0)
            search = max(search, stream.words + (2 if self.quick else events + 1))
        return max(found, search)

    @property
    def quick(self) -> bool:
        """Whether an event takes a cycle."""
        return self.groups == 1 and all(one == 1 for one in self.event)


@dataclass
class _Level:
    """A level of an encoder: when it is free for a piece, when it has none, and when it can offer the next one."""

    part: int
    room: int = 0
    empty: int = 0
    free: int = 0


class _Queue:
    """When the words of each step can be taken, and when the last one was."""

    def __init__(self, slots: int, late: int) -> None:
        self.slots, self.late = slots, late
        self.words: list[Array] = []
        self.taken: list[int] = []

    def room(self, step: int) -> int:
        """The cycle from which on there is room for a step."""
        return self.taken[step - self.slots] + 1 if step >= self.slots else 0


@dataclass
class _Channel:
    """An encoder with what it takes words from, and the events of each step."""

    arrival: Arrival
    stream: Stream
    queue: _Queue | None
    levels: list[_Level]
    eager: bool
    next: int = 0  # when the next word can be taken


@dataclass
class _Core:
    planned: Planned
    timing: Timing
    channels: list[_Channel] = field(default_factory=list)
    queues: list[_Queue] = field(default_factory=list)
    free: int = 0
    read: int = -(1 << 30)  # when a group was read last
    drawn: int = _FIRST_DRAW
    go: int = 0
    began: bool = False


class Cycles:
    """Follows the cores of a program from step to step."""

    def __init__(self, plans: Plans, timings: Sequence[Timing] | None = None) -> None:
        self._plans = plans
        timings = timings or [Timing.of(plans.parts(one)) for one in plans.cores]
        self._cores = [_Core(one, timing) for one, timing in zip(plans.cores, timings, strict=True)]
        consumers = [arrival.source for one in plans.cores for arrival in one.core.arrivals]
        consumers += [one.source for one in plans.cut.outputs]
        self._forked = {name for name in plans.cut.inputs if consumers.count(name) > 1}
        self._host: dict[str, list[_Queue]] = {name: [] for name in self._forked}
        self._pushed: dict[str, int] = dict.fromkeys(self._forked, 0)
        home = {name: core for core in self._cores for name in core.planned.core.sends}
        for core in self._cores:
            core.free = core.timing.start
            if core.timing.start:
                core.read = core.timing.groups - 1
            for arrival in core.planned.core.arrivals:
                queue = self._queue(home.get(arrival.source), arrival.source, arrival.delay)
                stream = plans.stream(arrival.source)
                core.channels.append(
                    _Channel(arrival, stream, queue, _levels(stream, core.timing.quick), core.timing.quick)
                )
        self._outputs = [self._queue(home.get(one.source), one.source, 0) for one in plans.cut.outputs]
        self._end = 0

    def _queue(self, home: _Core | None, source: str, delay: int) -> _Queue | None:
        if home is None and source not in self._forked:
            return None
        slots, stream = 1 << (delay + 1).bit_length(), self._plans.stream(source)
        queue = _Queue(slots, delayed(stream.width, stream.words, slots))
        (self._host[source] if home is None else home.queues).append(queue)
        return queue

    def run(self, events: Mapping[str, Array], steps: int) -> Array:
        """The cycle in which each step is over (i64 [steps]); `events` [steps, size] of each buffer that arrives."""
        placed_ = {name: placed(array, self._plans.stream(name).order) for name, array in events.items()}
        ends = np.zeros(steps, np.int64)
        for step in range(steps):
            for source in self._forked:
                self._fork(source, step)
            for core in self._cores:
                self._step(core, step, placed_)
            ends[step] = self._end
        return ends

    def _fork(self, source: str, step: int) -> None:
        """The words of a host for several consumers: a step when all have room."""
        queues, words = self._host[source], self._plans.stream(source).words
        begin = max([self._pushed[source], *(queue.room(step) for queue in queues)])
        for queue in queues:
            queue.words.append(begin + 1 + queue.late + np.arange(words))
        self._pushed[source] = begin + words
        self._take(queues, step)

    def _step(self, core: _Core, step: int, events: Mapping[str, Array]) -> None:
        timing = core.timing
        core.began = timing.first == 0
        core.free = max(core.free, core.go)
        if not core.channels:
            core.free += timing.first
        for number, channel in enumerate(core.channels):
            self._channel(core, number, channel, step, events)
        begin = max([core.free, *(queue.room(step) for queue in core.queues)])
        words = begin + np.arange(timing.groups)
        core.free = begin + timing.last
        if timing.draws:
            words, core.free = self._draw(core, begin)
        core.read = max(core.read, int(words[-1]))
        for queue in core.queues:
            queue.words.append(words + timing.latency + queue.late)
        self._end = max(self._end, int(words[-1]) + timing.latency + 1)
        if core.planned.waits:
            values = bool(core.planned.found.values)
            core.go = core.free + (timing.groups if values else 0)
        core.free += timing.after
        self._take(core.queues, step)

    def _take(self, queues: list[_Queue], step: int) -> None:
        """The host takes what goes out at once."""
        for output in self._outputs:
            if output is not None and output in queues:
                output.taken.append(int(output.words[step][-1]))

    def _draw(self, core: _Core, begin: int) -> tuple[Array, int]:
        """When the groups of the last pass are read, each with a random number, and when it ends."""
        words, at = [], begin
        for number in range(core.timing.last):
            at = max(at, core.drawn)
            if number < core.timing.groups:
                words.append(at)
                core.drawn = at + DRAW
            at += 1
        return np.array(words), at

    # ------------------------------------------------------------ events

    def _channel(self, core: _Core, number: int, channel: _Channel, step: int, events: Mapping[str, Array]) -> None:
        """The events of a channel in a step."""
        delay, stream = channel.arrival.delay, channel.stream
        if step >= delay:
            happened = events[channel.arrival.source][step - delay] != 0
            row = np.zeros(stream.words * stream.elements, bool)
            row[: len(happened)] = happened
            for word in range(stream.words):
                there = 0 if channel.queue is None else int(channel.queue.words[step - delay][word])
                low = word * stream.elements
                places = low + np.flatnonzero(row[low : low + stream.elements])
                channel.next = 1 + self._piece(core, number, channel, 0, max(there, channel.next), places)
            if channel.queue is not None:
                channel.queue.taken.append(channel.next - 1)
        channel.next = 1 + self._over(core, number, channel, 0, channel.next)

    def _piece(self, core: _Core, number: int, channel: _Channel, depth: int, there: int, places: Array) -> int:
        """When a level takes a piece with events at some places, which is `there`; goes on with all its parts."""
        level = channel.levels[depth]
        load = at = max(there, level.room)
        parts = np.split(places, np.flatnonzero(np.diff(places // level.part)) + 1) if len(places) else []
        for part in parts:
            at = max(at + 1, level.free)
            if depth + 1 < len(channel.levels):
                level.free = self._piece(core, number, channel, depth + 1, at + 1, part)
            else:
                level.free = self._event(core, number, at + 1, int(part[0]))
        level.room = at if channel.eager and parts else at + 1
        level.empty = at + 1
        return load

    def _over(self, core: _Core, number: int, channel: _Channel, depth: int, there: int) -> int:
        """When a level passes on the end of a step, which is `there`."""
        level = channel.levels[depth]
        at = max(there, level.empty, level.free)
        if depth + 1 < len(channel.levels):
            level.free = self._over(core, number, channel, depth + 1, at + 1)
        else:
            level.free = self._ended(core, number, at + 1)
        level.room = max(level.room, at)
        return at

    def _begin(self, core: _Core, there: int) -> None:
        """The first pass begins with the first token of a step."""
        if not core.began:
            core.began = True
            core.read = max(core.free, there) + core.timing.groups - 1
            core.free = max(core.free, there) + core.timing.first

    def _event(self, core: _Core, number: int, there: int, place: int) -> int:
        """When a core has taken an event."""
        self._begin(core, there)
        timing, at = core.timing, max(core.free, there)
        cycles = timing.event[number]
        if cycles is not None:
            core.read = at + timing.groups - 1
            core.free = at + cycles
            return core.free - 1
        assert timing.lists is not None
        count = int(timing.lists[timing.before[number] + place])
        at = max(at, core.read + 1 + max(0, timing.distance - 2 - timing.looked)) + timing.looked + count
        if count:
            core.read = at
        core.free = at + 1
        return at

    def _ended(self, core: _Core, number: int, there: int) -> int:
        """When a core has taken the end of a channel's step; behind lists all must be written."""
        self._begin(core, there)
        at = max(core.free, there)
        if core.timing.event[number] is None:
            at = max(at, core.read + core.timing.distance - 1)
        core.free = at + 1
        return at


def expected(stream: Stream, activity: float) -> float:
    """The events of a step where a share of the sources has one; values of more than a bit are there in each step."""
    return stream.size * (activity if stream.bits == 1 else 1.0)


def _levels(stream: Stream, eager: bool) -> list[_Level]:
    """The levels of an encoder."""
    return [_Level(part) for part in levels(stream, eager)]
