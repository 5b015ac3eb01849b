"""How far the values of the real network reach: observed on calibration data, or proven for all inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spikec.analysis.ranges import Interval, Ranges
from spikec.dialects import snn
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration, Observations, Seen, observe
from spikec.passes.quantize.classes import is_real

FAR = 1e30
"""What reaches further is not bounded in any useful sense."""

HEADROOM = 1.25
"""What is kept free above the greatest magnitude that was observed: other inputs reach a little further."""


@dataclass(frozen=True)
class Reaches:
    """The greatest magnitude of each real state (None: nothing bounds it), and what inputs were seen to be."""

    states: dict[str, float | None]
    inputs: dict[str, Seen] = field(default_factory=dict)
    values: Callable[[Any], float | None] = lambda value: None

    def state(self, name: str) -> float | None:
        return self.states[name]

    def input(self, name: str) -> Seen | None:
        return self.inputs.get(name)


def proven(program: Program, found: Ranges) -> Reaches:
    """By interval analysis: the worst case of all inputs."""
    states: dict[str, float | None] = {}
    for view in program.ops(snn.State):
        if is_real(view.type):
            states[view.sym_name] = _finite(found.state(view.sym_name))
    return Reaches(states, values=lambda value: _finite(found.of(value)))


def _finite(interval: Interval) -> float | None:
    reach = max(abs(interval.low), abs(interval.high))
    return float(reach) if reach < FAR else None


def _seen(seen: Seen) -> float | None:
    return HEADROOM * seen.magnitude if seen.magnitude < FAR else None  # not for NaN either


def observed(program: Program, calibration: Calibration, seed: int) -> Reaches:
    """By a run on calibration data."""
    found: Observations = observe(program, calibration, seed)
    states: dict[str, float | None] = {}
    for view in program.ops(snn.State):
        if is_real(view.type):
            seen = found.states[view.sym_name]
            states[view.sym_name] = _seen(seen)

    def value(of: Any) -> float | None:
        seen = found.of(of)
        return None if seen is None else _seen(seen)

    return Reaches(states, found.inputs, value)
