"""What controls a core: which pass works on which group.

A step is a row of phases: perhaps a first pass, a phase for each channel with a pass for each of its tokens, the last
pass.  A pass visits `span` groups, one a cycle; the numbers from `groups` on are pauses, in which what was read is
written back before it is read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikec.dialects.rtl_builder import Module, Register, Signal
from spikec.lower.step_to_rtl.channel import Channel

FIRST, LAST = "first", "last"


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

    `quick`: a pass for a token takes one cycle.  `drawn` says that random numbers are there.  A core that `waits` does
    nothing of a step before `go`, which stays until `ready`.
    """

    def __init__(
        self,
        module: Module,
        first: bool,
        channels: list[Channel],
        groups: int,
        span: int,
        quick: bool,
        waits: bool,
        drawn: Signal | None,
    ) -> None:
        self._module = module
        self.tokens = [self._token(k, channel) for k, channel in enumerate(channels)]
        phases = [*([FIRST] if first else []), *map(phase, range(len(channels))), LAST]
        self.state: dict[str, Signal] = {LAST: module.constant(1, 1)}
        if len(phases) > 1:
            self.state = {name: module.reg(f"in_{name}", 1, init=int(name == phases[0])) for name in phases}
        group = module.reg("group", max(1, (span - 1).bit_length()), init=0)
        start, end = (group.eq(0), group.eq(span - 1)) if span > 1 else (module.constant(1, 1),) * 2
        if quick:
            end = end | any_of(module, [self.state[phase(k)] for k in range(len(channels))])
        may, ended = self._may(module.input("go", 1) if waits else None, drawn)
        run = (~start | may) if drawn is None else (~start | may) & (~self.state[LAST] | drawn)
        run = run.named("run")
        group.next(module.mux(end, 0, group + 1), enable=run)
        done, ended = (run & end).named("pass_done"), (start & ended).named("channel_done")
        for k, name in enumerate(phases):
            before = self._left(phases[k - 1], done, ended)
            register = self.state[name]
            if isinstance(register, Register):
                register.next(before | (register & ~self._left(name, done, ended)))
        for k in range(len(channels)):
            module.output(f"token{k}_ready", self.state[phase(k)] & (done | ended))
        if waits:
            module.output("ready", self.state[LAST] & done)
        module.output("begin", self.state[LAST] & run & start)
        self.issue = (run if span == groups else run & group.ult(groups)).named("issue")
        self.group = group[: max(1, (groups - 1).bit_length())]

    def _token(self, k: int, channel: Channel) -> Token:
        widths = {"valid": 1, "last": 1, "index": channel.index_width, "value": channel.stream.bits}
        return Token(**{name: self._module.input(f"token{k}_{name}", width) for name, width in widths.items()})

    def _may(self, go: Signal | None, drawn: Signal | None) -> tuple[Signal, Signal]:
        """Whether the pass of this phase may start, and whether the channel of this phase has no more events."""
        state = self.state
        here = [(state[phase(k)] & token.valid, token.last) for k, token in enumerate(self.tokens)]
        may = state[LAST] & self._module.input("room", 1)
        may = any_of(self._module, [may, *(valid & ~last for valid, last in here)])
        if FIRST in state:
            may = may | (state[FIRST] & self.tokens[0].valid if self.tokens else state[FIRST])
        ended = any_of(self._module, [valid & last for valid, last in here])
        return (may, ended) if go is None else (may & go, ended & go)

    def _left(self, name: str, done: Signal, ended: Signal) -> Signal:
        """A phase is left when its pass is over, that of a channel after the channel's last token."""
        return self.state[name] & (done if name in (FIRST, LAST) else ended)


def any_of(module: Module, signals: Iterable[Signal]) -> Signal:
    """Whether one of some signals is 1."""
    found = None
    for signal in signals:
        found = signal if found is None else found | signal
    return module.constant(0, 1) if found is None else found
