"""Whether our compiled loop and the reference interpreter agree on a benchmark, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from cases import Case
from models import inputs, network

# Where a case names no number.
STEPS = 100

Array = npt.NDArray[Any]


def differences(case: Case, shared: Path) -> list[str]:
    """What differs after the first steps of the first sample: states, outputs, probes and counts, one line each."""
    given = case.given(shared)
    steps = min(case.steps, case.values.get("check", STEPS))
    program = network(given)
    arrays = {name: (array[0] if "batch" in given else array)[:steps] for name, array in inputs(given).items()}
    expected, found = spikec.compile(program, "reference"), spikec.compile(program)
    runs = [executable.run(arrays, steps) for executable in (expected, found)]
    return [
        *_unequal("outputs", runs[0].outputs, runs[1].outputs),
        *_unequal("probes", runs[0].probes, runs[1].probes),
        *_unequal("spikes", _arrays(runs[0].counts), _arrays(runs[1].counts)),
        *_unequal("synaptic events", _arrays(runs[0].projections), _arrays(runs[1].projections)),
        *_unequal("state", *_states(expected.engine, found.engine, steps)),
    ]


def _states(reference: Any, cpu: Any, steps: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The states that both have, as they are after the last step; events are compared where they are counted."""
    slots = {cell.name: cell.slots for cell in cpu.layout.cells}
    expected, found = {}, {}
    for name, array in cpu.states().items():
        with suppress(KeyError):  # a buffer that is no state of the network
            if array.dtype != bool:
                expected[name] = reference.state(name)
                found[name] = array if slots[name] == 1 else array[(steps - 1) % slots[name]]
    return expected, found


def _arrays(counts: dict[str, int]) -> dict[str, Array]:
    return {name: np.array(count) for name, count in counts.items()}


def _unequal(kind: str, expected: dict[str, Array], found: dict[str, Array]) -> Iterator[str]:
    for name in expected.keys() | found.keys():
        a, b = (np.ascontiguousarray(arrays.get(name, ())) for arrays in (expected, found))
        if a.dtype != b.dtype or a.size != b.size or a.tobytes() != b.tobytes():
            yield f"{kind} {name}"
