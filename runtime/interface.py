"""What a compiled network shows to its host: inputs, outputs, probes and populations, by name.

An `Interface` is read from a program at level `snn`, handed to every engine, and stored in manifests.
In a program at level `step`, input x is the buffer `input.x`, output y `output.y`, a probe
`probe.KEY`, the number of events that population p emitted is the counter `p.emitted`, and the number of weight
additions of projection q `q.synaptic_events`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic

if TYPE_CHECKING:  # MLIR stays out: an executable is run without it
    from spikec.dialects.program import Program


EMITTED, ADDED = ".emitted", ".synaptic_events"


def additions(counters: Mapping[str, int]) -> dict[str, int]:
    """The weight additions of each projection, from all counters of a program at level `step`."""
    return {name.removesuffix(ADDED): count for name, count in counters.items() if not name.endswith(EMITTED)}


@dataclass(frozen=True, slots=True)
class Input:
    """`dtype` is the numpy type the engine takes: bool for "spikes", float32 or float64 for "real", int64 for "int".

    With a `scale` the engine takes integers and what the host gives is real: integer * scale.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    dtype: str
    unit: str
    low: float | None
    high: float | None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A stream gives one slice a step; otherwise one array for the run.  With a `scale` integers stand for reals."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    stream: bool
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """`kind` is "value" (samples of a state) or "event" (rows of step and flat index).

    With a `scale`, one number or one per recorded element, integers stand for reals: integer * scale.
    """

    key: str
    shape: tuple[int, ...]
    kind: str
    dtype: str
    unit: str
    every: int
    scale: float | tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    model: str
    dt: float
    dt_unit: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    probes: tuple[Probe, ...]
    populations: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Interface:
        """Raises KeyError or TypeError where `data` is not what `to_json` gives."""
        return Interface(
            model=str(data["model"]),
            dt=float(data["dt"]),
            dt_unit=str(data["dt_unit"]),
            inputs=tuple(Input(**{**i, "shape": tuple(i["shape"])}) for i in data["inputs"]),
            outputs=tuple(Output(**{**o, "shape": tuple(o["shape"])}) for o in data["outputs"]),
            probes=tuple(Probe(**{**p, "shape": tuple(p["shape"]), "scale": _tuple(p)}) for p in data["probes"]),
            populations=tuple(data["populations"]),
        )

    @staticmethod
    def of(program: Program) -> Interface:
        """The interface of a program at level `snn`."""
        from spikec.dialects import snn
        from spikec.dialects.mlir import ir

        states = {state.sym_name: state for state in program.ops(snn.State)}
        symbols = program.symbols()

        def named(op: Any, which: str) -> list[dict[str, Any]]:
            if which not in op.attributes:
                return []
            return [{n.name: n.attr for n in ir.DictAttr(d)} for d in ir.ArrayAttr(op.attributes[which])]

        def text(attributes: dict[str, Any], key: str) -> str:
            return ir.StringAttr(attributes[key]).value if key in attributes else ""

        def scale(attributes: dict[str, Any]) -> float | None:
            return float(ir.FloatAttr(attributes[snn.SCALE]).value) if snn.SCALE in attributes else None

        step = symbols["step"]
        inputs = []
        for attributes, type in zip(named(step, "arg_attrs"), _function_type(step).inputs, strict=True):
            low, high = (
                [ir.FloatAttr(a).value for a in attributes[snn.RANGE]] if snn.RANGE in attributes else [None, None]
            )
            inputs.append(
                Input(
                    text(attributes, snn.NAME),
                    tuple(type.shape),
                    text(attributes, snn.KIND),
                    numpy_type(type.element_type),
                    text(attributes, snn.UNIT),
                    low,
                    high,
                    scale(attributes),
                )
            )
        outputs = [
            Output(
                text(attributes, snn.NAME),
                tuple(type.shape),
                numpy_type(type.element_type),
                text(attributes, snn.UNIT),
                entry == "step",
                scale(attributes),
            )
            for entry in ("step", "finish")
            if entry in symbols
            for attributes, type in zip(
                named(symbols[entry], "res_attrs"), _function_type(symbols[entry]).results, strict=True
            )
        ]
        probes = [
            Probe(
                probe.sym_name.removeprefix("probe."),
                tuple(probe.shape),
                probe.kind,
                numpy_type(states[probe.of].type.element_type),
                states[probe.of].unit or "",
                probe.every,
                _scale(states[probe.of].scale, program, probe.low, probe.high),
            )
            for probe in program.ops(snn.Probe)
        ]
        return Interface(
            model=program.attribute("model"),
            dt=program.attribute("dt"),
            dt_unit=program.attribute("dt_unit"),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            probes=tuple(probes),
            populations=tuple(p.sym_name for p in program.ops(snn.Population) if not p.hidden),
        )


def _scale(attribute: Any, program: Program, low: int, high: int) -> float | tuple[float, ...] | None:
    """The scale of the elements low:high of a state: a number, or an array of the constants store.

    Raises CompileError for an array that is not in the store.
    """
    from spikec.dialects.functions import symbol_of

    name = symbol_of(attribute) if attribute is not None else None
    if name is None:
        return None if attribute is None else float(attribute.value)
    if name not in program.constants:
        message = f"the scales '{name}' of a probe are not at hand"
        raise CompileError([Diagnostic("E0802", "error", message, help="give the constants with --constants FILE")])
    return tuple(program.constants[name].reshape(-1)[low:high].tolist())


def _tuple(probe: Mapping[str, Any]) -> float | tuple[float, ...] | None:
    scale = probe.get("scale")
    return tuple(scale) if isinstance(scale, list) else scale


def _function_type(op: Any) -> Any:
    from spikec.dialects.mlir import ir

    return ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value)


def numpy_type(element: Any) -> str:
    """The numpy name of an element type: i1 is bool, i2 and i8 int8, and so on."""
    name = str(element)
    return {"i1": "bool", "i2": "int8", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64"}.get(
        name, {"f32": "float32", "f64": "float64"}.get(name, "")
    )


@dataclass
class Trace:
    """What one stretch of steps gave, for one sample.

    outputs: name -> (steps, *shape); probes: key -> (samples, *shape) for values; for events, int32 rows
    (step, flat index) sorted, with the events' values under `key` in `values` where they are not plain
    spikes; emitted: population -> number of nonzero events; projections: projection -> weight additions done;
    cycles: clock cycles of a circuit.
    """

    outputs: dict[str, Array]
    probes: dict[str, Array]
    values: dict[str, Array]
    emitted: dict[str, int]
    projections: dict[str, int]
    cycles: int = 0

    @property
    def synaptic_events(self) -> int:
        """Weight additions of all projections."""
        return sum(self.projections.values())

    @staticmethod
    def joined(pieces: Sequence[Trace]) -> Trace:
        """Consecutive stretches of one sample as one."""
        if len(pieces) == 1:
            return pieces[0]

        def joined(which: str) -> dict[str, Array]:
            return {key: np.concatenate([getattr(p, which)[key] for p in pieces]) for key in getattr(pieces[0], which)}

        return Trace(
            joined("outputs"),
            joined("probes"),
            joined("values"),
            summed([p.emitted for p in pieces]),
            summed([p.projections for p in pieces]),
            sum(p.cycles for p in pieces),
        )


def summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sums of counts of the same names."""
    return {name: sum(part[name] for part in counts) for name in counts[0]}


class Samples(NamedTuple):
    """What several samples gave, in arrays with an axis of samples in front.

    outputs: name -> (samples, steps, *shape) for a stream, (samples, *shape) otherwise; probes of values: key ->
    (samples, n, *shape); counts: (samples, n), in an order of the engine.
    """

    outputs: dict[str, Array]
    probes: dict[str, Array]
    counts: Array


class Engine(Protocol):
    """Runs one network, one sample at a time, with state that lasts from `reset` to `reset`."""

    interface: Interface

    def another(self) -> Engine | None:
        """An engine of the same network with a state of its own, for another thread; None where one thread is all."""

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; `seed` and `sample` choose the random numbers."""

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps.  Arrays are of the declared dtype and C-contiguous, checked by the caller;
        those named in `streamed` have shape (steps, *shape), the others (*shape) and are held.  Subnormal values
        count as zero."""

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""


@runtime_checkable
class Divisible(Engine, Protocol):
    """An engine that several threads can run together; the results are the same."""

    def divide(self, threads: int) -> None:
        """From now on at most `threads` threads share the work of a step, where that is likely to be faster."""


@runtime_checkable
class Sampled(Engine, Protocol):
    """An engine that runs samples from start to end, one after the other, faster than step by step."""

    def room(self, samples: int, steps: int) -> Samples | None:
        """Arrays for what samples give; None where they must be run by `advance`."""

    def run_samples(
        self, room: Samples, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int, seed: int, part: range
    ) -> None:
        """`reset`, `advance` and `finish` for each of the samples `part` of the room; so do arrays of inputs have an
        axis of all samples in front."""

    def counted(self, room: Samples) -> tuple[dict[str, int], dict[str, int]]:
        """`emitted` and `projections` of all samples, as in a trace."""


@runtime_checkable
class Clocked(Engine, Protocol):
    """An engine of a circuit, whose traces have cycles of a clock (Hz)."""

    clock: float


@runtime_checkable
class Batches(Engine, Protocol):
    """An engine that takes several samples at once; arrays and results are lists of the samples' ones."""

    def most_samples(self) -> int:
        """How many samples it takes at once, at least one."""

    def start(self, seed: int, first: int, samples: int) -> None:
        """As `reset`, for the samples `first`, `first` + 1, ..."""

    def proceed(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> list[Trace]:
        """As `advance`; arrays have a leading axis of samples."""

    def results(self) -> list[dict[str, Array]]:
        """As `finish`."""


def flush_subnormals(array: Array) -> Array:
    """A float array with subnormal values replaced by zero of the same sign; other arrays as they are."""
    if array.dtype.kind != "f":
        return array
    size = np.abs(array)
    subnormal = (size < _smallest(array.dtype)) & (size > 0)
    if not subnormal.any():
        return array
    return np.where(subnormal, np.copysign(array.dtype.type(0), array), array)


@cache
def _smallest(dtype: Any) -> Any:
    """The smallest normal number of a float type."""
    return np.finfo(dtype).tiny
