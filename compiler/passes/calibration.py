"""Calibration: what a network does on data that it is given: ranges of every value, and means of what is sent.

The network runs on the reference interpreter.  A copy of it keeps each value of `@step` that is to be
watched in a state of its own, so that the interpreter knows nothing of this; values are named by their
place (position of the op in `@step`, number of the result), which is the same in the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.functions import result_roles
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.runtime import arrays, inputs
from spikec.runtime.inputs import Inputs, Source, prepare
from spikec.runtime.interface import Input, Interface, Trace
from spikec.runtime.reference.engine import SnnEngine

SAMPLES = 64
"""How many samples are used where a file has more."""

Place = tuple[int, int]
"""(position of an op in `@step`, number of its result); position -1 for the arguments."""

Key = TypeVar("Key", str, Place)

Watchable = Callable[[Program], Iterator[tuple[Place, Any]]]
"""The values of `@step` that are to be watched."""


@dataclass(frozen=True)
class Calibration:
    """Samples of inputs, all of the same number of steps.

    arrays: name -> (samples, T, *shape) for those in `streamed`, else (samples, *shape), real numbers as given.
    chosen: the index in the file of each sample that is used, of `total` there are.
    A network without inputs is calibrated with `Calibration(steps)`.
    """

    steps: int
    arrays: dict[str, Array] = field(default_factory=dict)
    streamed: frozenset[str] = frozenset()
    chosen: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    total: int = 1

    @staticmethod
    def given(program: Program, spec: str | None, steps: int | None) -> Calibration | None:
        """What FILE[:KEY] holds, or some steps of a network without inputs; None without either.

        Raises CompileError for data that does not fit.
        """
        if spec is not None:
            return Calibration.read(spec, Interface.of(program), steps)
        return Calibration(steps) if steps is not None else None

    @staticmethod
    def read(spec: str, interface: Interface, steps: int | None = None, samples: int = SAMPLES) -> Calibration:
        """The calibration data of FILE[:KEY]; an `.npz` without a key has one array per input, by name.

        An array is (*shape), held; (T, *shape), streamed; or (B, T, *shape), B streamed samples.  With `steps`,
        (N, *shape) is N samples that are held for so many steps.  Of more than `samples`, evenly spread ones are
        used.  Raises CompileError for files and arrays that do not fit.
        """
        sources = _read(spec, interface, steps)
        batched = steps is not None or any(_lead(sources[i.name], i) == 2 for i in interface.inputs)
        made = _arranged(sources, interface, batched, steps)
        total = max(len(array) for array in made.values())
        chosen = np.linspace(0, total - 1, min(total, samples)).round().astype(np.int64)
        used = {
            name: array[chosen] if len(array) > 1 else _repeated(array, len(chosen)) for name, array in made.items()
        }
        streamed = frozenset(i.name for i in interface.inputs if used[i.name].ndim == len(i.shape) + 2)
        file = next(iter(sources.values())).file
        count = _steps({name: used[name].shape[1] for name in streamed}, steps, file)
        result = Calibration(count, used, streamed, chosen, total)
        prepare({n: Source(array, file) for n, array in used.items()}, interface, count, len(chosen))
        return result

    def samples(self, interface: Interface) -> Iterator[tuple[int, Inputs]]:
        """The samples, converted for a program of this interface, with their indices in the file."""
        for number, index in enumerate(self.chosen.tolist()):
            sources = {name: Source(array[number]) for name, array in self.arrays.items()}
            yield index, prepare(sources, interface, self.steps)


# ---------------------------------------------------------------- files


def _error(code: str, message: str, file: Path | None, help: str | None = None) -> CompileError:
    return arrays.fail(code, file, message, help)


def place(spec: str) -> tuple[Path, str | None]:
    """FILE[:KEY] as a file and a key.  Raises CompileError for an empty text."""
    found = arrays.split(spec)
    if found is None:
        raise _error("E1205", f"calibration data '{spec}' is not FILE[:KEY]", None)
    return found


def _read(spec: str, interface: Interface, steps: int | None) -> dict[str, Source]:
    """One source per input, each with an array."""
    path, key = place(spec)
    names = [declared.name for declared in interface.inputs]
    if not names:
        raise _error("E1205", f"{interface.model} has no inputs, so there is nothing to calibrate it with", path)
    if len(names) > 1:
        found = set(arrays.keys(path)) if key is None and path.suffix.lower() == ".npz" else set()
        missing = [name for name in names if name not in found]
        if missing:
            message = f"{interface.model} has the inputs {', '.join(names)}; there is no data for {', '.join(missing)}"
            raise _error("E1205", message, path, "give one .npz with an array for each input, under its name")
    given = {i.name: inputs.read([f"{i.name}={spec}"], interface)[i.name] for i in interface.inputs}
    return {i.name: _counted(given[i.name], i, interface, steps) for i in interface.inputs}


def _counted(source: Source, declared: Input, interface: Interface, steps: int | None) -> Source:
    """Events as one streamed sample, tables as slices; other sources as they are."""
    if source.events:
        alone = replace(interface, inputs=(declared,))
        return Source(prepare({declared.name: source}, alone, steps).arrays[declared.name][np.newaxis], source.file)
    if source.table and source.array.shape[1] == np.prod(declared.shape, dtype=int):
        rows = len(source.array)
        return Source(source.array.reshape(declared.shape if rows == 1 else (rows, *declared.shape)), source.file)
    return source


# ---------------------------------------------------------------- shapes


def _lead(source: Source, declared: Input) -> int:
    """How many axes stand before those of a slice."""
    return source.array.ndim - len(declared.shape)


def _arranged(sources: dict[str, Source], interface: Interface, batched: bool, steps: int | None) -> dict[str, Array]:
    """Every array with the axis of samples, which has length 1 where all samples share it."""
    made, found = {}, []
    for declared in interface.inputs:
        source = sources[declared.name]
        lead, shape = _lead(source, declared), source.array.shape
        if lead not in (0, 1, 2) or shape[lead:] != declared.shape:
            message = f"calibration data of '{declared.name}' has shape {shape}; {_expected(declared, steps)}"
            found += _error("E1204", message, source.file).diagnostics
        elif source.array.size == 0:
            found += _error(
                "E1206", f"calibration data of '{declared.name}' is empty: shape {shape}", source.file
            ).diagnostics
        else:
            shared = lead == 0 or (lead == 1 and not batched)
            made[declared.name] = source.array[np.newaxis] if shared else source.array
    counts = {name: len(array) for name, array in made.items() if len(array) > 1}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{name}' has {count}" for name, count in counts.items())
        found += _error(
            "E1204", f"different numbers of samples: {listed}", next(iter(sources.values())).file
        ).diagnostics
    if found:
        raise CompileError(found)
    return made


def _repeated(array: Array, count: int) -> Array:
    """One sample for all, without a copy."""
    return np.broadcast_to(array, (count, *array.shape[1:]))


def _expected(declared: Input, steps: int | None) -> str:
    def shown(*lead: str) -> str:
        items = [*lead, *map(str, declared.shape)]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"

    if steps is None:
        return f"expected {shown('T')} for one sample or {shown('B', 'T')} for B samples of T steps"
    return f"expected {shown('N')} for N samples of {steps} steps each, or {shown('B', 'T')}"


def _steps(lengths: dict[str, int], steps: int | None, file: Path | None) -> int:
    """The number of steps of each sample."""
    if steps is None and not lengths:
        message = "the calibration data has no axis of steps, so their number is not known"
        raise _error("E1206", message, file, "say how many steps each sample is held")
    wanted = max(lengths.values()) if steps is None else steps
    short = {name: length for name, length in lengths.items() if length < wanted}
    if short:
        listed = ", ".join(f"'{name}' has {length}" for name, length in short.items())
        raise _error("E1204", f"calibration runs {wanted} steps, but {listed}", file)
    return wanted


def read_labels(spec: str, calibration: Calibration) -> Array:
    """The labels (integers) of FILE[:KEY], one per sample of the calibration file; those of the samples in use."""
    path, key = place(spec)
    labels = arrays.read(path, key, "labels")
    if path.suffix.lower() == ".csv":
        labels = labels.reshape(-1)
    if labels.shape != (calibration.total,):
        message = f"labels have shape {labels.shape}, but the calibration data has {calibration.total} samples"
        raise _error("E1207", message, path, f"expected ({calibration.total},)")
    if labels.dtype.kind not in "biuf" or (labels != np.floor(labels)).any():
        raise _error("E1207", "labels are not integers", path)
    return np.asarray(labels[calibration.chosen].astype(np.int64))


# ---------------------------------------------------------------- ranges


@dataclass
class Seen:
    """Least and greatest value of each element; `whole` if all values were integers.  A NaN stays once it was seen."""

    low: Array
    high: Array
    whole: bool

    @property
    def least(self) -> float:
        return float(self.low.min())

    @property
    def greatest(self) -> float:
        return float(self.high.max())

    @property
    def magnitude(self) -> float:
        """The greatest absolute value."""
        return max(abs(self.least), abs(self.greatest))

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())


@dataclass(frozen=True)
class Observations:
    """Ranges over all steps of all samples.

    states: by name, from before the first step on.  inputs: by name.  places: the tensors of `@step` that are not i1.
    """

    program: Program
    states: dict[str, Seen]
    inputs: dict[str, Seen]
    places: dict[Place, Seen]

    @cached_property
    def _values(self) -> dict[Any, Place]:
        return {value: place for place, value in _watchable(self.program)}

    def of(self, value: Any) -> Seen | None:
        """What a value of `@step` was, in the program that was observed, as long as nobody has changed that."""
        place = self._values.get(value)
        return None if place is None else self.places[place]


def observe(program: Program, calibration: Calibration, seed: int = 0) -> Observations:
    """Runs a program of level `snn` on the calibration data, with the run seed `seed`, and tells the ranges."""
    watched, copies = instrumented(program, _watchable)
    engine = SnnEngine(watched, Interface.of(watched))
    own = [state.sym_name for state in program.ops(snn.State)]
    fed: dict[str, Seen] = {}
    states: dict[str, Seen] = {}
    places: dict[Place, Seen] = {}
    for index, given in calibration.samples(engine.interface):
        for name, array in given.arrays.items():
            for value in array if name in given.streamed else [array]:
                _add(fed, name, value)
        engine.reset(seed, index)
        for name in own:
            _add(states, name, engine.state(name))
        for _ in stepped(engine, given):
            for name in own:
                _add(states, name, engine.state(name))
            for place, name in copies.items():
                _add(places, place, engine.state(name))
    return Observations(program, states, fed, places)


def activity(program: Program, calibration: Calibration, seed: int = 0) -> dict[str, Array]:
    """For each population that emits events the share of all steps in which a neuron does, in its shape."""
    found = _means(program, calibration, seed, _emitting, lambda value: value != 0)
    block = program.symbols()["step"].regions[0].blocks[0]
    return {snn.Update(block.operations[place[0]].operation).population: mean for place, mean in found.items()}


def flow(program: Program, calibration: Calibration, seed: int = 0) -> dict[str, Array]:
    """For each projection the mean magnitude of what a source sends in a step (flat), summed over its propagates."""
    found = _means(program, calibration, seed, _sent, np.abs)
    block = program.symbols()["step"].regions[0].blocks[0]
    result: dict[str, Array] = {}
    for place, mean in found.items():
        name = snn.Propagate(block.operations[place[0]].operation).synapses
        result[name] = result.get(name, 0.0) + mean.reshape(-1)
    return result


def _means(
    program: Program, calibration: Calibration, seed: int, watchable: Watchable, measure: Callable[[Array], Array]
) -> dict[Place, Array]:
    """The mean of `measure` of each value that is watched, over all steps of all samples."""
    watched, copies = instrumented(program, watchable)
    engine = SnnEngine(watched, Interface.of(watched))
    totals: dict[Place, Array] = {}
    for index, given in calibration.samples(engine.interface):
        engine.reset(seed, index)
        for _ in stepped(engine, given):
            for place, name in copies.items():
                totals[place] = totals.get(place, 0.0) + measure(engine.state(name).astype(np.float64))
    steps = calibration.steps * len(calibration.chosen)
    return {place: total / steps for place, total in totals.items()}


def stepped(engine: SnnEngine, given: Inputs) -> Iterator[Trace]:
    """Runs one step after the other, so that states can be looked at in between."""
    for t in range(given.steps):
        now = {name: a[t : t + 1] if name in given.streamed else a for name, a in given.arrays.items()}
        yield engine.advance(now, given.streamed, 1)


def _add(seen: dict[Key, Seen], key: Key, value: Array) -> None:
    whole = value.dtype.kind in "biu" or bool((value == np.floor(value)).all())
    if key not in seen:
        seen[key] = Seen(np.array(value), np.array(value), whole)
        return
    one = seen[key]
    np.minimum(one.low, value, out=one.low)
    np.maximum(one.high, value, out=one.high)
    one.whole = one.whole and whole


def _watchable(program: Program) -> Iterator[tuple[Place, Any]]:
    """The arguments and results of `@step` that are tensors of numbers, with their places."""
    block = program.symbols()["step"].regions[0].blocks[0]
    groups = [block.arguments, *(operation.operation.results for operation in block.operations)]
    for position, group in enumerate(groups):
        for number, value in enumerate(group):
            if isinstance(value.type, ir.RankedTensorType) and str(value.type.element_type) != "i1":
                yield (position - 1, number), value


def _emitting(program: Program) -> Iterator[tuple[Place, Any]]:
    """What the populations of a program emit in `@step`, with its places."""
    symbols = program.symbols()
    for position, operation in enumerate(symbols["step"].regions[0].blocks[0].operations):
        op = operation.operation
        if op.name == snn.Update.name() and len(op.results):
            neuron = symbols[snn.Population(symbols[snn.Update(op).population]).neuron]
            if any(role == "event" for role, _ in result_roles(neuron)):
                yield (position, 0), op.results[0]


def _sent(program: Program) -> Iterator[tuple[Place, Any]]:
    """What projections get in `@step`, with the places of their propagates."""
    for position, operation in enumerate(program.symbols()["step"].regions[0].blocks[0].operations):
        op = operation.operation
        if op.name == snn.Propagate.name():
            yield (position, 0), op.operands[0]


def instrumented(program: Program, watchable: Watchable) -> tuple[Program, dict[Place, str]]:
    """A copy without probes whose `@step` writes each value that is watched to a state; the states' names."""
    copy = program.clone()
    names = {}
    with copy.module.context, ir.Location.unknown():
        step = copy.symbols()["step"]
        last = list(step.regions[0].blocks[0].operations)[-1]
        for probe in list(copy.ops(snn.Probe)):
            probe.operation.erase()
        for place, value in list(watchable(copy)):
            names[place] = f"watched.{place[0]}.{place[1]}"
            with ir.InsertionPoint(step):
                snn.State.build(sym_name=names[place], type=value.type, depth=1)
            with ir.InsertionPoint(last):
                snn.Write.build(value, to=names[place])
    return copy, names
