"""What a run leaves behind: the `.npz` file and the JSON object."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.interface import Interface
from spikec.runtime.run import Run

# Arrays with at most this many elements stand in the JSON object whole.
FEW = 64


def archive(run: Run, raw: bool = False) -> dict[str, Array]:
    """The arrays of the output file by key: outputs, then probes.

    Spikes are bool, counts int32, states and all other values float32 (float64 for a program in f64).
    Integers that stand for reals are these in float64, or with `raw` the integers as they are.
    """
    run = run if raw else run.real()
    arrays = {name: _kept(run, name, _output) for name in run.outputs}
    for key, array in run.probes.items():
        if key.endswith(".spike"):
            arrays[key] = array
        else:
            arrays[key] = _kept(run, key, _output if key.endswith(".event") else _state)
    return arrays


def _kept(run: Run, key: str, change: Callable[[Array], Array]) -> Array:
    """An output or probe as `change` makes it; integers that stand for reals as they are."""
    array = run.outputs[key] if key in run.outputs else run.probes[key]
    return array if key in run.scales else change(array)


def _output(array: Array) -> Array:
    """Bool and floats as they are; integers in 32 bits, where they fit."""
    if array.dtype.kind in "iu" and array.dtype != np.int32:
        narrow = array.astype(np.int32)
        return narrow if np.array_equal(narrow, array) else array
    return array


def _state(array: Array) -> Array:
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def npz(arrays: Mapping[str, Array]) -> bytes:
    """An `.npz` file, the same bytes for the same arrays."""
    import zipfile  # most runs write no file

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True) as target:
        for name, array in arrays.items():
            # The earliest date of the format: the date of the run would make every file another.
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            with target.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array, order="C"), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def summary(run: Run, raw: bool = False) -> dict[str, Any]:
    """The object that `run --json` prints, of what the file has; numbers that JSON lacks (NaN, infinities) are null."""
    run = run if raw else run.real()
    return {
        "steps": run.steps,
        "batch": run.batch,
        "seconds": {part: round(value, 6) for part, value in run.seconds.items()},
        "spikes": run.counts,
        "synaptic_events": run.synaptic_events,
        "projections": run.projections,
        "outputs": {name: _described(_kept(run, name, _output)) for name in run.outputs},
    }


def _described(array: Array) -> dict[str, Any]:
    """Shape, element type, SHA-256 of the bytes in C order, and the values of a small array as nested lists."""
    described: dict[str, Any] = {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
    }
    if array.size <= FEW:
        described["values"] = _finite(array.tolist())
    return described


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown(run: Run, interface: Interface, raw: bool = False) -> str:
    """The run in a few lines for people: time, events, small outputs as numbers and large ones by shape."""
    run = run if raw else run.real()
    duration = f", {run.steps * interface.dt:g} s of model time" if interface.dt_unit == "s" else ""
    samples = "" if run.batch is None else f"{run.batch} samples of "
    lines = [f"{interface.model}: {samples}{run.steps} steps{duration}, in {run.seconds['run']:.3g} s"]
    rows = [(name, f"{count} events") for name, count in run.counts.items()]
    rows.append(("synapses", f"{run.synaptic_events} weight additions"))
    if run.cycles:
        rows.append(("circuit", _clocked(run)))
    rows += [(name, _short(_kept(run, name, _output))) for name in run.outputs]
    width = max(len(name) for name, _ in rows)
    return "\n".join(lines + [f"  {name:<{width}}  {text}" for name, text in rows])


def _clocked(run: Run) -> str:
    """The cycles of a circuit: in all, of a step, and the time of a sample."""
    samples = run.batch or 1
    step, time = run.cycles / (samples * run.steps), run.cycles / samples / run.clock
    return f"{run.cycles} cycles, {step:.4g} a step; {time * 1e6:.4g} us a sample at {run.clock / 1e6:g} MHz"


def _short(array: Array) -> str:
    if array.size <= FEW // 4:
        return str(array.tolist())
    return f"{array.dtype}{list(array.shape)}"
