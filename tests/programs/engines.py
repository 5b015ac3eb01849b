"""One program on every engine, and whether the results are the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine, StepEngine
from spikec.runtime.run import Executable, Run

Array = npt.NDArray[Any]


def reference_of_network(program: Program, seed: int) -> Executable:
    """The interpreter of level `snn`."""
    return Executable(SnnEngine(program, Interface.of(program)), "reference", seed)


def reference_of_steps(program: Program, seed: int) -> Executable:
    """The interpreter of level `step`."""
    return Executable(StepEngine(snn_to_step.lower(program, seed), Interface.of(program)), "reference", seed)


def cpu(program: Program, seed: int) -> Executable:
    return spikec.compile(program, "cpu", seed=seed)


ENGINES: dict[str, Callable[[Program, int], Executable]] = {
    "reference of snn": reference_of_network,
    "reference of step": reference_of_steps,
    "cpu": cpu,
}


def run_everywhere(
    path: Path, inputs: Mapping[str, Array], steps: int, seed: int = 0, real: int = 32
) -> dict[str, Run]:
    """The runs of all engines by name, of the program of a file."""
    return on_every_engine(spikec.load(path, real=real), inputs, steps, seed)


def on_every_engine(program: Program, inputs: Mapping[str, Array], steps: int, seed: int = 0) -> dict[str, Run]:
    """The runs of one program on all engines by name."""
    return {name: make(program, seed).run(inputs, steps=steps) for name, make in ENGINES.items()}


def differences(runs: Mapping[str, Run]) -> list[str]:
    """What differs from the first engine's run, one line each; empty where all are equal, bit for bit."""
    (first, expected), *others = runs.items()
    return [f"{name} against {first}: {text}" for name, run in others for text in _between(expected, run)]


def _between(expected: Run, found: Run) -> Iterator[str]:
    for kind in ("outputs", "probes"):
        a, b = getattr(expected, kind), getattr(found, kind)
        if a.keys() != b.keys():
            yield f"{kind} {sorted(a)} and {sorted(b)}"
            continue
        yield from (
            f"{kind} {name}: {text}" for name in a for text in _arrays(np.asarray(a[name]), np.asarray(b[name]))
        )
    if expected.counts != found.counts:
        yield f"counts {expected.counts} and {found.counts}"
    if expected.projections != found.projections:
        yield f"synaptic events {expected.projections} and {found.projections}"


def _arrays(a: Array, b: Array) -> Iterator[str]:
    if a.dtype != b.dtype or a.shape != b.shape:
        yield f"{a.dtype}{a.shape} and {b.dtype}{b.shape}"
    elif not same_bits(a, b):
        where = tuple(int(i) for i in np.argwhere(_bits(a) != _bits(b))[0])
        yield f"first at {where}: {a[where]!r} and {b[where]!r}"


def same_bits(a: Array, b: Array) -> bool:
    """Equal shapes, types and bits; one NaN is as good as another."""
    return bool(np.array_equal(_bits(a), _bits(b)))


def _bits(array: Array) -> Array:
    if array.dtype.kind != "f":
        return array
    canonical = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(canonical).view(f"u{array.dtype.itemsize}").reshape(array.shape)
