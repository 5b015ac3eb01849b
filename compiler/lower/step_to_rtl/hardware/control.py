"""What controls a core: which pass works on which group.

A step is a row of phases: perhaps a first pass, a phase for each channel with a pass for each of its tokens, the last
pass.  Before the first step after a reset there may be a pass that gives fields their start.  A pass visits `span`
groups, one a cycle; the numbers from `groups` on are pauses, in which what was read is written back before it is read
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikec.dialects.rtl_builder import Module, Register, Signal
from spikec.lower.step_to_rtl.hardware.walk import Walk
from spikec.lower.step_to_rtl.rows.channel import Channel
from spikec.lower.step_to_rtl.rows.store import Store

START, FIRST, LAST = "start", "first", "last"


def phase(number: int) -> str:
    """The phase of a channel."""
    return f"arrive{number}"


@dataclass(frozen=True)
class Token:
    """What an encoder offers: an event of source `index`, or that those of this step are `last`."""

    valid: Signal
    last: Signal
    index: Signal
    value: Signal


class Control:
    """The ports and registers of the control; `state` has a signal for each phase, `issue` is 1 for a group to work on.

    A pass of a `quick` phase takes one cycle.  Phases `after` the last pass end a step.  `drawn` says that random
    numbers are there.  A core that `waits` does nothing of a step before `go`, which stays until `ready`.
    `once`: a start pass comes after a reset.
    """

    def __init__(
        self,
        module: Module,
        once: bool,
        first: bool,
        after: list[str],
        channels: list[Channel],
        groups: int,
        span: int,
        store: Store,
        distance: int,
        quick: frozenset[str],
        waits: bool,
        drawn: Signal | None,
    ) -> None:
        self._module = module
        self.tokens = [self._token(k, channel) for k, channel in enumerate(channels)]
        phases = [*([FIRST] if first else []), *map(phase, range(len(channels))), LAST, *after]
        before = {name: [phases[k - 1]] for k, name in enumerate(phases)}
        if once:
            before[phases[0]].append(START)
            before = {START: [], **before}
        self.state: dict[str, Signal] = {LAST: module.constant(1, 1)}
        if len(before) > 1:
            self.state = {name: module.reg(f"in_{name}", 1, init=int(k == 0)) for k, name in enumerate(before)}
        self._channels, self._before, self._after = channels, store.before, after
        self.walk = None if store.lists is None else Walk(module, store.lists, groups, distance)
        group = module.reg("group", max(1, (span - 1).bit_length()), init=0)
        start, end = (group.eq(0), group.eq(span - 1)) if span > 1 else (module.constant(1, 1),) * 2
        if quick:
            end = end | any_of(module, [self.state[name] for name in phases if name in quick])
        may, ended = self._may(module.input("go", 1) if waits else None, drawn)
        run = (~start | may) if drawn is None else (~start | may) & (~self.state[LAST] | drawn)
        run = run.named("run")
        group.next(module.mux(end, 0, group + 1), enable=run)
        done, ended = (run & end).named("pass_done"), (start & ended).named("channel_done")
        left = {name: self._left(name, done, ended) for name in before}
        for name, earlier in before.items():
            register = self.state[name]
            if isinstance(register, Register):
                entered = any_of(module, [left[one] for one in earlier])
                register.next(entered | (register & ~left[name]))
        taken = done | ended if self.walk is None else done | ended | self.walk.done
        for k in range(len(channels)):
            module.output(f"token{k}_ready", self.state[phase(k)] & taken)
        self.step_done = self.state[LAST] & done
        if waits:
            module.output("ready", self.step_done)
        module.output("begin", self.state[LAST] & run & start)
        issue = run if span == groups else run & group.ult(groups)
        self.counter = self.group = group[: max(1, (groups - 1).bit_length())]
        if self.walk is not None:
            issue = issue | self.walk.issue
            self.group = module.mux(self.walk.issue, self.walk.group, self.counter)
            self.walk.track(issue)
        self.issue = issue.named("issue")

    def _token(self, k: int, channel: Channel) -> Token:
        widths = {"valid": 1, "last": 1, "index": channel.index_width, "value": channel.stream.bits}
        return Token(**{name: self._module.input(f"token{k}_{name}", width) for name, width in widths.items()})

    def _may(self, go: Signal | None, drawn: Signal | None) -> tuple[Signal, Signal]:
        """Whether the pass of this phase may start, and whether the channel of this phase has no more events."""
        state = self.state
        here = [(valid, token.last) for valid, token in self._here(listed=False)]
        may = state[LAST] & self._module.input("room", 1)
        may = any_of(self._module, [may, *(valid & ~last for valid, last in here)])
        if FIRST in state:
            may = may | (state[FIRST] & self.tokens[0].valid if self.tokens else state[FIRST])
        ended = any_of(self._module, [valid & last for valid, last in here])
        if go is not None:
            may, ended = may & go, ended & go
        if self.walk is not None:
            ended = ended | self._walked(self.walk, go)
        free = [state[name] for name in (START, *self._after) if name in state]
        return any_of(self._module, [may, *free]), ended

    def _here(self, listed: bool) -> list[tuple[Signal, Token]]:
        """The tokens of channels whose rows are listed or not, and whether there is one and it is their phase."""
        return [
            (self.state[phase(k)] & token.valid, token)
            for k, token in enumerate(self.tokens)
            if self._channels[k].listed == listed
        ]

    def _walked(self, walk: Walk, go: Signal | None) -> Signal:
        """Lets the lists of tokens be walked; whether the channel of this phase is listed and has no more events."""
        here, module = self._here(listed=True), self._module
        before = [number for number, channel in zip(self._before, self._channels, strict=True) if channel.listed]
        index = None
        for number, (valid, token) in zip(before, here, strict=True):
            wide = walk.index_width
            place = token.index[:wide] if token.index.width > wide else token.index.zext(wide)
            place = place + number if number else place
            index = place if index is None else module.mux(valid, place, index)
        event = any_of(module, [valid & ~token.last for valid, token in here])
        last = any_of(module, [valid & token.last for valid, token in here])
        assert index is not None
        walk.walk(index, event if go is None else event & go)
        return walk.ended(last if go is None else last & go)

    def _left(self, name: str, done: Signal, ended: Signal) -> Signal:
        """A phase is left when its pass is over, that of a channel after the channel's last token."""
        return self.state[name] & (done if name in (START, FIRST, LAST, *self._after) else ended)


def any_of(module: Module, signals: Iterable[Signal]) -> Signal:
    """Whether one of some signals is 1."""
    found = None
    for signal in signals:
        found = signal if found is None else found | signal
    return module.constant(0, 1) if found is None else found
