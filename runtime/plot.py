"""A picture of a run: rasters of events, traces of values, bars of what is computed once.

One panel for each probe and output, in the order of the file; of a batch the first sample is drawn.
The same run gives the same picture, byte for byte.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import MissingTool, UsageError
from spikec.runtime.interface import Interface
from spikec.runtime.run import Run

FORMATS = ("png", "svg", "pdf")
# More lines than this in one panel cannot be told apart.
TRACES = 8
INK, SECOND = "#1f3a5f", "#c8553d"


def check(path: Path) -> None:
    """Raises UsageError for a name whose kind of picture is not made, MissingTool without matplotlib."""
    if path.suffix[1:].lower() not in FORMATS:
        raise UsageError(f"--plot {path}: a picture is one of {', '.join('.' + f for f in FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingTool("--plot needs matplotlib; install it with: pip install 'spikec[plot]'")


def draw(run: Run, interface: Interface, kind: str) -> bytes:
    """The picture as bytes of the format `kind`, one of FORMATS."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = _panels(run, interface)
    heights = [1.6 if name == "raster" else 1.2 for name, *_ in panels] or [1.0]
    with matplotlib.rc_context({"svg.hashsalt": "spikec", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False}):  # fmt: skip
        figure = Figure(figsize=(8, 0.8 + 1.3 * sum(heights)), layout="constrained")
        figure.suptitle(f"{interface.model}, {_duration(run, interface)}")
        axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (style, title, array, label, every) in zip(axes, panels, strict=False):
            STYLES[style](axis, array, _clock(run, interface, every))
            axis.set_title(title, loc="left", fontsize=9)
            axis.set_ylabel(label)
        if not panels:
            axes[0].text(0.5, 0.5, "nothing is probed and there is no output", ha="center")
            axes[0].set_axis_off()
        target = io.BytesIO()
        figure.savefig(target, format=kind, dpi=120, metadata=_metadata(kind))
    return target.getvalue()


def _metadata(kind: str) -> dict[str, None]:
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]


def _duration(run: Run, interface: Interface) -> str:
    if interface.dt_unit != "s":
        return f"{run.steps} steps"
    factor, unit = _scale(run, interface)
    return f"{run.steps * interface.dt * factor:g} {unit}"


def _scale(run: Run, interface: Interface) -> tuple[float, str]:
    """Times are shown in milliseconds up to ten seconds."""
    return (1e3, "ms") if run.steps * interface.dt <= 10 else (1.0, "s")


def _clock(run: Run, interface: Interface, every: int) -> tuple[float, float, str]:
    """The time from one sample to the next, of the whole run, and the label of the axis."""
    if interface.dt_unit != "s":
        return float(every), float(run.steps), "step"
    factor, unit = _scale(run, interface)
    step = interface.dt * factor
    return step * every, step * run.steps, f"time [{unit}]"


def _panels(run: Run, interface: Interface) -> list[tuple[str, str, Array, str, int]]:
    """(style, title, array, label of the values, steps between samples) of each panel."""
    panels = []
    first = 0 if run.batch is not None else ...
    for probe in interface.probes:
        array = run.probes[probe.key]
        if probe.kind == "event":
            rows = array if run.batch is None else array[array[:, 0] == 0][:, 1:]
            panels.append(("raster", probe.key, rows, "index", 1))
        else:
            label = f"[{probe.unit}]" if probe.unit else ""
            panels.append(("traces", probe.key, _flat(array[first]) * 1.0, label, probe.every))
    for output in interface.outputs:
        array = run.outputs[output.name][first]
        label = f"[{output.unit}]" if output.unit else ""
        if output.stream and output.dtype == "bool":
            panels.append(("raster", output.name, np.argwhere(_flat(array)), "index", 1))
        elif output.stream:
            panels.append(("traces", output.name, _flat(array) * 1.0, label, 1))
        else:
            panels.append(("bars", output.name, np.atleast_1d(array).reshape(-1) * 1.0, label, 1))
    return panels


def _flat(array: Array) -> Array:
    return array.reshape(len(array), -1)


def _raster(axis: Any, rows: Array, clock: tuple[float, float, str]) -> None:
    step, end, label = clock
    size = 4.0 if len(rows) < 500 else 1.0 if len(rows) < 20000 else 0.3
    axis.scatter(rows[:, 0] * step, rows[:, 1], s=size, c=INK, marker="|" if len(rows) < 500 else ".", linewidths=0.8)
    axis.set_xlim(0, end)
    axis.set_xlabel(label)
    if not len(rows):
        axis.text(0.5, 0.5, "no events", ha="center", va="center", transform=axis.transAxes)


def _traces(axis: Any, samples: Array, clock: tuple[float, float, str]) -> None:
    step, end, label = clock
    times = np.arange(len(samples)) * step
    for column in samples.T[:TRACES]:
        axis.plot(times, column, linewidth=0.9, color=INK, alpha=1.0 if samples.shape[1] == 1 else 0.6)
    if samples.shape[1] > TRACES:
        note = f"the first {TRACES} of {samples.shape[1]}"
        axis.text(1, 1.02, note, ha="right", va="bottom", fontsize=7, transform=axis.transAxes)
    axis.set_xlim(0, end)
    axis.set_xlabel(label)


def _bars(axis: Any, values: Array, clock: tuple[float, float, str]) -> None:
    colors = [SECOND if i == int(np.argmax(values)) else INK for i in range(len(values))] if len(values) > 1 else INK
    axis.bar(np.arange(len(values)), values, color=colors)
    axis.set_xlabel("index")
    axis.xaxis.get_major_locator().set_params(integer=True)


STYLES = {"raster": _raster, "traces": _traces, "bars": _bars}
