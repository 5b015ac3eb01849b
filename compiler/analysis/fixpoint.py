"""Invariants: an interval for each state that no step leaves.

`step` gives the intervals after one step from those before it.  Plain iteration from the initial values finds the
least invariant of what saturates.  What contracts (v = d v + i) nears its bound and never reaches it: the
bound is extrapolated and then checked, together with all others, to hold.  What still grows moves out to
the constants of the program and at last to the limits of its type.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spikec.analysis.intervals import Interval, Number

States = dict[str, Interval]
Step = Callable[[Mapping[str, Interval]], States]
End = tuple[str, bool]  # a state and whether its upper end is meant

_SLACKS = (
    0.0,
    2.0**-20,
    2.0**-13,
    2.0**-6,
    1.0,
)  # how far out a bound moves, relative to its size, before it is given up
_LEVELS = len(_SLACKS) + 6
_DESCENT = 8
_PERIOD = 4  # rounds between two extrapolations


@dataclass
class Solver:
    """`init` and `limits` of each state, numbers that bounds of reals and of
    integers may stop at, and rounds of iteration before widening."""

    init: States
    limits: States
    integers: frozenset[str]
    stops: tuple[Sequence[Number], Sequence[Number]]
    step: Step
    rounds: int
    _levels: dict[End, int] = field(default_factory=dict)

    def solve(self) -> tuple[States, frozenset[str]]:
        """An invariant, and the states of which an end was moved to the limits of the type and stayed there."""
        states = self._iterate()
        image = self._image(states)
        while not self._holds(states, image):
            states = self._widened(states, image)
            image = self._image(states)
        states = self._descend(states, image)
        widened = {name for (name, upper), level in self._levels.items() if self._is_limit(states, name, upper, level)}
        return states, frozenset(widened)

    def _image(self, states: States) -> States:
        after = self.step(states)
        return {name: init.hull(after[name]) if name in after else init for name, init in self.init.items()}

    def _holds(self, states: States, image: States) -> bool:
        return all(states[name].covers(found) for name, found in image.items())

    def _iterate(self) -> States:
        """States that are an invariant or near one."""
        states = self.init
        trail = [states]
        for number in range(self.rounds):
            image = self._image(states)
            if self._holds(states, image):
                return states
            states = image
            trail.append(states)
            if number % _PERIOD == _PERIOD - 1:
                states = self._extrapolated(trail[-3:])
        return states

    def _extrapolated(self, trail: Sequence[States]) -> States:
        """Where three rounds of a contraction lead to (Aitken's rule), end by end."""
        return {
            name: Interval(
                self._limit([s[name].low for s in trail], name),
                self._limit([s[name].high for s in trail], name),
                last.nan,
            )
            for name, last in trail[-1].items()
        }

    def _limit(self, ends: Sequence[Number], name: str) -> Number:
        first, second, third = ends
        before, after = second - first, third - second
        if not before or not after or not math.isfinite(before) or not math.isfinite(after):
            return third
        ratio = after / before
        if not 0 < ratio < 0.99999:
            return third
        rest = after * ratio / (1 - ratio)
        return third + (math.ceil(rest) if rest > 0 else math.floor(rest)) if name in self.integers else third + rest

    def _widened(self, states: States, image: States) -> States:
        """Each end that does not hold moves further out."""
        moved = {}
        for name, now in states.items():
            found = image[name]
            low, high = now.low, now.high
            if found.low < low:
                low = self._moved(name, False, found.low)
            if found.high > high:
                high = self._moved(name, True, found.high)
            moved[name] = Interval(low, high, now.nan or found.nan)
        return moved

    def _moved(self, name: str, upper: bool, end: Number) -> Number:
        """An end further out than `end`."""
        level = self._levels[name, upper] = self._levels.get((name, upper), -1) + 1
        init = self.init[name].high if upper else self.init[name].low
        limit = self.limits[name].high if upper else self.limits[name].low
        if not math.isfinite(end) or level >= _LEVELS:
            self._levels[name, upper] = _LEVELS
            return limit
        if level < len(_SLACKS):
            slack = self._whole(name, _SLACKS[level] * max(abs(end), abs(end - init)), True)
            far = end + slack if upper else end - slack
        else:
            far = self._whole(name, self._stop(name, end, upper, 2 ** (level - len(_SLACKS)) - 1), upper)
        if far < limit if upper else far > limit:
            return far
        self._levels[name, upper] = _LEVELS
        return limit

    def _whole(self, name: str, value: Number, up: bool) -> Number:
        """A value of the kind of a state, rounded outwards."""
        if name not in self.integers or not math.isfinite(value):
            return value
        return math.ceil(value) if up else math.floor(value)

    def _stop(self, name: str, end: Number, upper: bool, skipped: int) -> Number:
        """A number of the program at or beyond `end`, infinity where there is none."""
        stops = self.stops[name in self.integers]
        if upper:
            place = bisect_left(stops, end) + skipped
            return stops[place] if place < len(stops) else math.inf
        place = bisect_right(stops, end) - 1 - skipped
        return stops[place] if place >= 0 else -math.inf

    def _is_limit(self, states: States, name: str, upper: bool, level: int) -> bool:
        if level < _LEVELS:
            return False
        return states[name].high == self.limits[name].high if upper else states[name].low == self.limits[name].low

    def _descend(self, states: States, image: States) -> States:
        """What is reachable lies in the invariant and in its image: a few rounds bring it closer."""
        trail = [states]
        for _ in range(_DESCENT):
            states = {name: now.meet(image[name]) or now for name, now in states.items()}
            if states == trail[-1]:
                return states
            trail.append(states)
            image = self._image(states)
        return self._tightened(states, trail)

    def _tightened(self, states: States, trail: Sequence[States]) -> States:
        """The place where the descent leads to, if that is an invariant."""
        guess = {}
        for name, end in self._extrapolated(trail[-3:]).items():
            low, high = (abs(bound) * 2.0**-13 if math.isfinite(bound) else 0.0 for bound in end)
            wider = Interval(end.low - self._whole(name, low, True), end.high + self._whole(name, high, True), end.nan)
            guess[name] = wider.meet(states[name]) or states[name]
        image = self._image(guess)
        return image if self._holds(guess, image) else states
