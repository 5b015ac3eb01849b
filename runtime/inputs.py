"""What a run is fed: arrays from files or from Python, checked against what the network declares.

An array of shape `(T, *shape)` streams one slice a step, one of shape `(*shape)` is held for all
steps; with a batch of B samples both have a leading axis B.  A `.csv` file is a table: each row is one
step's slice, flattened; a single row is held; with a batch, its rows are the samples.  An `.npz` with
`t`, `x`, `y` and `p` holds events, which are counted (`events.py`); a pixel is silent after its last one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, UsageError, did_you_mean
from spikec.runtime.interface import Input, Interface

# Steps are counted in 32 bits where events are recorded.
MAX_STEPS = 2**31 - 1


@dataclass(frozen=True)
class Source:
    """An array that was given for an input, and where it came from.

    A `table` has rows of flattened slices; the array of `events` has rows (step, flat index).
    """

    array: Array
    file: Path | None = None
    table: bool = False
    events: bool = False


@dataclass(frozen=True)
class Inputs:
    """Arrays of the engine's dtypes, contiguous; `streamed` names those with an axis of steps."""

    arrays: dict[str, Array]
    streamed: frozenset[str]
    steps: int
    batch: int | None

    def sample(self, index: int) -> dict[str, Array]:
        """The arrays of one sample, without the batch axis."""
        if self.batch is None:
            return self.arrays
        return {name: array[index] for name, array in self.arrays.items()}


def read(specs: Sequence[str], interface: Interface) -> dict[str, Source]:
    """Reads what `--input [NAME=]FILE[:KEY]` options name.  Collects every mistake into one CompileError."""
    sources: dict[str, Source] = {}
    found: list[Diagnostic] = []
    for spec in specs:
        try:
            name, path, key = _parse(spec, interface)
            if name in sources:
                raise UsageError(f"--input gives '{name}' twice")
            sources[name] = _source(name, path, key, interface)
        except CompileError as error:
            found += error.diagnostics
    if found:
        raise CompileError(found)
    return sources


def _source(name: str, path: Path, key: str | None, interface: Interface) -> Source:
    from spikec.runtime import arrays, events

    if key is None and events.is_events(path):
        declared = next(i for i in interface.inputs if i.name == name)
        duration = interface.dt if interface.dt_unit == "s" else None
        return Source(events.read(path, declared, duration), path, events=True)
    return Source(arrays.read(path, key, name), path, path.suffix.lower() == ".csv")


def _parse(spec: str, interface: Interface) -> tuple[str, Path, str | None]:
    """The input's name, the file and the key of one option."""
    from spikec.runtime import arrays

    match = re.fullmatch(r"(?:([A-Za-z_]\w*)=)?(.+)", spec, re.DOTALL)
    place = None if match is None else arrays.split(match[2])
    if match is None or place is None:
        raise UsageError(f"--input '{spec}' is not [NAME=]FILE[:KEY]")
    name = match[1]
    declared = [i.name for i in interface.inputs]
    if name is None:
        if len(declared) != 1:
            have = f"has {len(declared)} inputs ({', '.join(declared)})" if declared else "has no inputs"
            raise _error("E0715", None, f"--input {spec} names no input, and {interface.model} {have}")
        name = declared[0]
    if name not in declared:
        raise _unknown(name, interface)
    return name, *place


def prepare(
    sources: Mapping[str, Source], interface: Interface, steps: int | None = None, batch: int | None = None
) -> Inputs:
    """Checks and converts what was given.

    Raises CompileError (every mistake at once) for missing and unknown inputs, wrong shapes, lengths and
    values, and UsageError where nothing tells the number of steps.
    """
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"the number of steps must be in 1..{MAX_STEPS}, not {steps}")
    if batch is not None and batch < 1:
        raise UsageError(f"the batch must be at least 1, not {batch}")
    found = [d for name in sources if (d := _check_known(name, interface))]
    ready: dict[str, Array] = {}
    streamed: set[str] = set()
    for declared in interface.inputs:
        try:
            if declared.name not in sources:
                raise _missing(declared)
            source, streams = _arrange(_counted(sources[declared.name], declared, steps, batch), declared, batch)
            ready[declared.name] = _convert(source, declared)
            if streams:
                streamed.add(declared.name)
        except CompileError as error:
            found += error.diagnostics
    if found:
        raise CompileError(found)
    axis = 0 if batch is None else 1
    lengths = {name: ready[name].shape[axis] for name in sorted(streamed)}
    if steps is None and not lengths:
        raise UsageError("the number of steps is not known: no input streams, so give --steps N")
    count = max(lengths.values()) if steps is None else steps
    for name in streamed:
        if sources[name].events and lengths[name] < count:
            silence = np.zeros((count - lengths[name], *ready[name].shape[1:]), ready[name].dtype)
            ready[name], lengths[name] = np.concatenate([ready[name], silence]), count
    _check_lengths(lengths, count, sources)
    for name in streamed:
        ready[name] = np.ascontiguousarray(ready[name][(slice(None),) * axis + (slice(count),)])
    return Inputs(ready, frozenset(streamed), count, batch)


def _check_known(name: str, interface: Interface) -> Diagnostic | None:
    known = {i.name for i in interface.inputs}
    return None if name in known else _unknown(name, interface).diagnostics[0]


def _unknown(name: str, interface: Interface) -> CompileError:
    names = [i.name for i in interface.inputs]
    listed = f"its inputs are {', '.join(names)}" if names else "it has none"
    return _error("E0715", None, f"{interface.model} has no input '{name}'", did_you_mean(name, names) or listed)


def _missing(declared: Input) -> CompileError:
    message = f"input '{declared.name}' is missing: {_described(declared)}"
    return _error("E0714", None, message, f"give --input {declared.name}=FILE")


def _described(declared: Input) -> str:
    """What an input takes: `spikes of shape (T, 64) or (64,)`, `real in A of shape (T,) or ()`."""
    unit = f" in {declared.unit}" if declared.unit else ""
    return f"{declared.kind}{unit} of shape {_shapes(declared, None)}"


def _shapes(declared: Input, batch: int | None) -> str:
    lead = () if batch is None else (str(batch),)
    shape = tuple(str(n) for n in declared.shape)
    return f"{_tuple(*lead, 'T', *shape)} or {_tuple(*lead, *shape)}"


def _tuple(*items: str) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"  # as numpy shows shapes


def _error(code: str, source: Source | None, message: str, help: str | None = None) -> CompileError:
    from spikec.runtime import arrays

    return arrays.fail(code, source.file if source else None, message, help)


# ---------------------------------------------------------------- shapes


def _counted(source: Source, declared: Input, steps: int | None, batch: int | None) -> Source:
    """Events as an array with an axis of steps; other sources as they are."""
    if not source.events:
        return source
    if batch is not None:
        help = "give an array with an axis of samples"
        raise _error("E0716", source, f"input '{declared.name}' is an event file, which is one sample", help)
    if steps is None and len(source.array) == 0:
        raise _error("E0718", source, f"input '{declared.name}' has no events", "give --steps N")
    if steps is None and source.array[:, 0].max() >= MAX_STEPS:
        message = f"the last event of '{declared.name}' is after step {MAX_STEPS}"
        raise _error("E0722", source, message, "times are microseconds from 0; --steps N takes the first N steps")
    from spikec.runtime import events

    dense = events.counted(source.array, declared, steps, source.file)
    return replace(source, array=dense, events=False)


def _arrange(source: Source, declared: Input, batch: int | None) -> tuple[Source, bool]:
    """The source with the array in the shape that the input takes, and whether it streams."""
    if source.table:
        source = replace(source, array=_from_table(source.array, declared, batch))
    lead = () if batch is None else (batch,)
    shape = source.array.shape
    tail = shape[len(shape) - len(declared.shape) :]
    if shape == (*lead, *declared.shape):
        return source, False
    if tail == declared.shape and len(shape) == len(lead) + 1 + len(tail) and shape[: len(lead)] == lead:
        if shape[len(lead)] == 0:
            raise _error("E0718", source, f"input '{declared.name}' has no steps")
        return source, True
    message = f"input '{declared.name}' has shape {shape}, not {_shapes(declared, batch)}"
    help = None
    if batch is not None and len(shape) <= len(declared.shape) + 1:
        help = "with a batch, the first axis is the sample"
    elif batch is None and len(shape) == len(declared.shape) + 2:
        help = f"for {shape[0]} samples, give --batch {shape[0]}"
    raise _error("E0716", source, message, help)


def _from_table(table: Array, declared: Input, batch: int | None) -> Array:
    """Rows of flattened slices, as `(T, *shape)`, `(*shape)` for one row, or `(B, *shape)` with a batch."""
    rows, columns = table.shape
    size = math.prod(declared.shape)
    if columns != size and rows == size and columns == 1 and batch is None:
        # A column that holds one slice.
        rows, columns = 1, size
    if columns != size or batch not in (None, rows):
        return table
    return table.reshape(declared.shape if rows == 1 and batch is None else (rows, *declared.shape))


def _check_lengths(lengths: Mapping[str, int], steps: int, sources: Mapping[str, Source]) -> None:
    found = []
    for name, length in lengths.items():
        if length < steps:
            message = f"input '{name}' has {length} steps, but {steps} are run"
            found += _error("E0718", sources[name], message).diagnostics
    if found:
        raise CompileError(found)


# ---------------------------------------------------------------- values


def _convert(source: Source, declared: Input) -> Array:
    """The array in the engine's dtype, after a look at every value."""
    array = source.array
    if array.dtype.kind not in "biuf":
        raise _error("E0717", source, f"input '{declared.name}' holds {array.dtype}, not numbers")
    if declared.scale is not None:
        _check_values(source, declared, ~np.isfinite(array), "it is not a finite number")
        return np.ascontiguousarray(_to_integers(array, declared, declared.scale)).reshape(array.shape)
    if declared.dtype == "bool" and array.dtype.kind == "f":
        _check_values(source, declared, (array != 0) & (array != 1), "spikes are 0 or 1")
    elif declared.dtype == "bool" and array.dtype != bool:
        _check_within(source, declared, 0, 1, "spikes are 0 or 1")
    elif declared.dtype.startswith("float"):
        top = np.finfo(declared.dtype).max
        _check_within(source, declared, -top, top, f"it is not a finite {declared.dtype}")
    elif declared.dtype != "bool":
        _check_values(source, declared, _unfit_integers(array, declared), f"it is not an integer of {declared.dtype}")
    if declared.kind == "events":
        _check_within(source, declared, 0, np.inf, "events are counts, which are at least 0")
    if declared.low is not None and declared.high is not None:
        why = f"the declared range is [{declared.low:g}, {declared.high:g}]"
        _check_within(source, declared, declared.low, declared.high, why)
    return np.ascontiguousarray(array.astype(declared.dtype, copy=False)).reshape(array.shape)


def _to_integers(array: Array, declared: Input, scale: float) -> Array:
    """Real values over the scale, rounded half to even, cut to the declared range and to the integers of the type."""
    low = -math.inf if declared.low is None else declared.low
    high = math.inf if declared.high is None else declared.high
    wide = np.clip(array.astype(np.float64), low, high)
    whole = np.rint(wide / scale)
    info = np.iinfo(declared.dtype)
    # The upper end need not be a float of its own: 2.0**63 is one too many.
    above, below = whole >= float(info.max) + 1, whole < float(info.min)
    inside = np.where(above | below, 0.0, whole).astype(np.int64)
    return np.where(above, info.max, np.where(below, info.min, inside)).astype(declared.dtype)


def _unfit_integers(array: Array, declared: Input) -> Array:
    info = np.iinfo(declared.dtype)
    if array.dtype.kind == "f":
        # The upper end is not a float of its own: 2.0**63 is one too many.
        fits = (array == np.floor(array)) & (array >= float(info.min)) & (array < float(info.max) + 1)
        return np.asarray(~fits)
    return np.asarray((array < info.min) | (array > info.max))


def _check_within(source: Source, declared: Input, low: Any, high: Any, why: str) -> None:
    """Reports the first value that is not between two others."""
    array = source.array
    # Extremes take no mask, which would take longer than a short run; with NaN they are NaN.
    if array.size and not (low <= array.min() and array.max() <= high):
        _check_values(source, declared, ~((array >= low) & (array <= high)), why)


def _check_values(source: Source, declared: Input, bad: Array, why: str) -> None:
    """Reports the first bad value and its index."""
    if not bad.any():
        return
    index = np.unravel_index(int(np.argmax(bad)), bad.shape)
    place = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
    value = source.array[index].item()
    more = f" ({int(bad.sum())} values in all)" if bad.sum() > 1 else ""
    raise _error("E0717", source, f"input '{declared.name}'{place} is {value}: {why}{more}")
