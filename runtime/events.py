"""Event files: `.npz` with `t`, `x`, `y` and `p`, counted per pixel in bins of one step from t = 0.

Times are microseconds and ascend; x is the column and y the row of the pixel; p is the polarity, 1 for a
rise and 0 or -1 for a fall.  The declared shape says what is counted apart:

    [2, H, W]           falls in channel 0, rises in channel 1
    [1, H, W], [H, W]   both polarities together
    [W]                 a line of pixels: y is 0

An input of spikes takes 1 where a pixel had at least one event in a step, other kinds the count.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime import arrays, memory
from spikec.runtime.arrays import fail
from spikec.runtime.interface import Input

KEYS = ("t", "x", "y", "p")
# A count that no run reaches, and that fits its type.
_NEVER = 2**62


def is_events(path: Path) -> bool:
    """Whether a file is an event file, told by the names in it."""
    return path.suffix.lower() == ".npz" and set(KEYS) <= set(arrays.keys(path))


def read(path: Path, declared: Input, dt_seconds: float | None) -> Array:
    """The events of a file as int64 rows (step, flat index in a slice of the input), in the order of the file.

    `dt_seconds` is the duration of a step, None where the model counts time in steps.  Raises CompileError for
    arrays that are no events, pixels outside the declared shape, and inputs that cannot be fed so.
    """
    channels, height, width = _extent(declared, path)
    if dt_seconds is None:
        message = f"events have times, and a step of the model has no duration, so '{declared.name}' cannot be counted"
        raise fail("E0722", path, message, "write 'step 1 ms', or give the spikes as an array")
    columns = {key: _column(path, key) for key in KEYS}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{key} {len(column)}" for key, column in columns.items())
        raise fail("E0722", path, f"t, x, y and p are not of one length: {lengths}")
    step = _steps(columns["t"], dt_seconds, path)
    x = _integers(columns, "x", 0, width - 1, path, f"is outside: '{declared.name}' is {width} wide")
    y = _integers(columns, "y", 0, height - 1, path, f"is outside: '{declared.name}' is {height} high")
    p = _integers(columns, "p", -1, 1, path, "is no polarity, which is 1, 0 or -1")
    channel = p > 0 if channels == 2 else np.zeros(len(p), np.int64)
    return np.stack([step, (channel * height + y) * width + x], axis=1)


def counted(rows: Array, declared: Input, steps: int | None, file: Path | None) -> Array:
    """Rows (step, flat index) as an array `(steps, *shape)`; without `steps`, up to the last event.

    Bool for spikes, else int32 counts.  Later events are left out.  Raises CompileError where memory is too small.
    """
    if steps is None:
        steps = int(rows[:, 0].max(initial=-1)) + 1
    size = math.prod(declared.shape)
    need = steps * size * np.dtype(np.int32).itemsize
    if need > memory.limit():
        message = (
            f"{steps} steps of '{declared.name}' take {memory.shown(need)}, more than half of this machine's memory"
        )
        raise fail("E0706", file, message, "times are microseconds from 0; --steps N takes the first N steps")
    counts = np.zeros(steps * size, np.int32)
    kept = rows[rows[:, 0] < steps]
    np.add.at(counts, kept[:, 0] * size + kept[:, 1], 1)
    dense = counts.reshape(steps, *declared.shape)
    return dense != 0 if declared.dtype == "bool" else dense


def _extent(declared: Input, path: Path) -> tuple[int, int, int]:
    """Channels, rows and columns of an input."""
    match declared.shape:
        case (channels, height, width) if channels in (1, 2):
            return channels, height, width
        case (height, width):
            return 1, height, width
        case (width,):
            return 1, 1, width
    message = f"'{declared.name}' of shape {declared.shape} cannot be fed from events"
    raise fail("E0716", path, message, "shapes for events are [2, H, W], [1, H, W], [H, W] and [W]")


def _column(path: Path, key: str) -> Array:
    array = arrays.read(path, key)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise fail("E0722", path, f"'{key}' is {array.dtype} of shape {array.shape}, not one number for each event")
    return array


def _steps(t: Array, dt_seconds: float, path: Path) -> Array:
    """The step of each time in microseconds."""
    # 0.1 ms as a product of two floats may miss 100 microseconds by an ulp, and an event would change its bin.
    step = float(f"{dt_seconds * 1e6:.12g}")
    _refuse("t", t, ~((t >= 0) & np.isfinite(t)), path, "is no time, which is at least 0")
    falls = np.zeros(len(t), np.bool_)
    falls[1:] = t[1:] < t[:-1]
    _refuse("t", t, falls, path, "is before the event in front of it: times ascend")
    return np.minimum(np.floor(t.astype(np.float64) / step), _NEVER).astype(np.int64)


def _integers(columns: dict[str, Array], key: str, low: int, high: int, path: Path, why: str) -> Array:
    array = columns[key]
    bad = ~((array >= low) & (array <= high))
    if array.dtype.kind == "f":
        bad |= array != np.floor(array)
    _refuse(key, array, bad, path, why)
    return array.astype(np.int64)


def _refuse(key: str, array: Array, bad: Array, path: Path, why: str) -> None:
    """Reports the first bad value and its index."""
    if bad.any():
        index = int(np.argmax(bad))
        more = f" ({int(bad.sum())} values in all)" if bad.sum() > 1 else ""
        raise fail("E0722", path, f"{key}[{index}] = {array[index].item()} {why}{more}")
