"""Programs at level `snn` that tests read from files, and what running them gives."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.mlir import context, ir
from spikec.dialects.program import Program
from spikec.runtime.interface import Interface, Trace, numpy_type

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.mlir"))


def load(path: Path) -> Program:
    """The program of a file; the arrays that it declares are made up, always the same ones."""
    return parse(path.read_text())


def parse(text: str) -> Program:
    """As `load`, from text."""
    constants = Constants()
    with context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        program = Program(module, constants)
        for constant in program.ops(snn.Constant):
            digest = constants.add(constant.sym_name, made_up(constant.sym_name, constant.type))
            constant.operation.attributes["digest"] = ir.StringAttr.get(digest)
        return program


def made_up(name: str, type: Any) -> Array:
    """An array of a tensor type that depends on its name alone; "index..." holds numbers of one of four neurons."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    dtype = np.dtype(numpy_type(type.element_type))
    shape = tuple(type.shape)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if name.startswith("index."):
        return rng.integers(0, 4, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-4, 5, shape).astype(dtype)
    return rng.normal(0.1, 0.5, shape).astype(dtype)


def inputs(interface: Interface, steps: int, seed: int = 0) -> dict[str, Array]:
    """Streams for every input: sparse spikes, reals around zero, small integers."""
    rng = np.random.default_rng(seed)
    made = {}
    for entry in interface.inputs:
        shape = (steps, *entry.shape)
        match np.dtype(entry.dtype).kind:
            case "b":
                made[entry.name] = rng.random(shape) < 0.3
            case "i":
                made[entry.name] = rng.integers(-5, 6, shape).astype(entry.dtype)
            case _:
                made[entry.name] = rng.normal(0.2, 1.0, shape).astype(entry.dtype)
    return made


Ran = tuple[list[Trace], dict[str, Array]]


def run(engine: Any, interface: Interface, steps: int, seed: int = 0, parts: int = 1) -> Ran:
    """The traces of a run in `parts` stretches of `steps`, and the outputs of the end."""
    engine.reset(seed, 0)
    data = inputs(interface, steps * parts)
    traces = []
    for part in range(parts):
        now = {name: array[part * steps : (part + 1) * steps] for name, array in data.items()}
        traces.append(engine.advance(now, frozenset(now), steps))
    return traces, engine.finish()


def assert_same(one: Ran, other: Ran) -> None:
    """Bit equality of all that two runs give."""
    for a, b in zip(one[0], other[0], strict=True):
        for what in ("outputs", "probes", "values"):
            _same_arrays(getattr(a, what), getattr(b, what), what)
        assert a.emitted == b.emitted
        assert a.synaptic_events == b.synaptic_events
    _same_arrays(one[1], other[1], "results")


def _same_arrays(one: dict[str, Array], other: dict[str, Array], what: str) -> None:
    assert one.keys() == other.keys()
    for name in one:
        a, b = np.asarray(one[name]), np.asarray(other[name])
        assert a.dtype == b.dtype, f"{what} {name}: {a.dtype} and {b.dtype}"
        assert a.shape == b.shape, f"{what} {name}: {a.shape} and {b.shape}"
        # The bits of a NaN have no meaning.
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), f"{what} {name} differ:\n{a}\n{b}"
        if a.dtype.kind == "f":
            zero = a == 0
            assert np.array_equal(np.signbit(a[zero]), np.signbit(b[zero])), f"{what} {name}: signs of zeros differ"
