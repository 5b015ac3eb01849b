"""Convolutions as rows of synapses and as their kernels alone: bytes, and time of the compiled loop.

    python benchmarks/convolutions.py [--events SHARE]... [--layer CHANNELSxROWSxCOLUMNS:OUTPUTScKERNEL[sSTRIDE]]...

A line is a layer, the share of its sources that spike in a step, and a form: `csr` has rows, `conv` leads each event
through the kernels, `lanes` has channels in the lanes of vectors, and `all` lets all inputs go by.  Which one of the
last three a step takes is decided when it runs; here they are forced, and the one that would be taken has a star.  Then
come the bytes of the table, microseconds of a step, and how many of them the events take, by the cost model and
measured as what steps with events take longer than those without.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import spikec
from spikec.analysis.cost_model import CLOCK, SPREAD_OUT, across_cycles, held_cycles, kernel_cycles, row_cycles
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import snn
from spikec.dialects.convolution import Convolution
from spikec.lower import snn_to_step
from spikec.lower.step_to_cpu.synapses.across import Across
from timing import least

LAYERS = ("2x34x34:8c5", "8x30x30:16c5", "8x30x30:16c3s2", "16x15x15:32c3", "16x17x17:32c5")
EVENTS = (0.02, 0.1, 0.3, 0.5, 1.0)
NEVER = 1 << 40
STEPS, RUNS = 300, 7
MODEL = """model Layer {{
  step 1 steps
  neuron IF {{ in I; var V = 0; V := V + I; spike when V >= 1e6 {{ V -= 1 }} }}
  input x : spikes[{input}]
  param W : real[{weights}] = load("weights.npz", "W")
  y = IF[{output}](conv2d(x, W, stride = {stride}))
  output count = over_time(count, y)
}}
"""


def layer(folder: Path, text: str) -> tuple[Any, Convolution]:
    """A layer with random weights at level `snn`, and its geometry."""
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+):(\d+)c(\d+)(?:s(\d+))?", text)
    if found is None:
        raise SystemExit(f"'{text}' is no layer such as {LAYERS[0]}")
    channels, rows, columns, outputs, kernel, stride = (int(number or 1) for number in found.groups())
    extents = [(size - kernel) // stride + 1 for size in (rows, columns)]
    numbers = {"input": (channels, rows, columns), "weights": (outputs, channels, kernel, kernel)}
    numbers["output"] = (outputs, extents[0], extents[1])
    weights = np.random.default_rng(0).normal(size=numbers["weights"]).astype(np.float32)
    np.savez(folder / "weights.npz", W=weights)
    shown = {name: ", ".join(map(str, extent)) for name, extent in numbers.items()}
    (folder / "net.snn").write_text(MODEL.format(**shown, stride=stride))
    network = spikec.pipeline("canonicalize")(spikec.load(folder / "net.snn"))
    return network, Convolution.of(next(iter(network.ops(snn.Synapses))).connect)


def seconds(net: Any, x: npt.NDArray[np.bool_]) -> float:
    """The least of several runs, for one step."""
    (best,) = least([partial(net.run, {"x": x}, steps=STEPS)], RUNS)
    return best / STEPS


def forced(form: str) -> AbstractContextManager[object]:
    """Steps with events take this form."""
    if form == "csr":
        return nullcontext()
    worth, many = {"conv": (NEVER, NEVER), "lanes": (1, NEVER), "all": (1, 1)}[form]
    return patch.multiple(Across, worth=lambda self, spikes: worth, many=lambda self, spikes: many)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--layer", action="append")
    parser.add_argument("--events", action="append", type=float)
    arguments = parser.parse_args()
    print(f"{'layer':<16} {'events':>6} {'form':<6} {'bytes':>10} {'us a step':>10}  model, measured: us for events")
    host = CpuTarget.parse("cpu")
    for text in arguments.layer or LAYERS:
        with tempfile.TemporaryDirectory() as folder:
            network, shape = layer(Path(folder), text)
        made = Across(shape, -1, max(1, host.vector_bits // 32), host.compress)
        order = made.order_cycles
        # Cycles of a step, and more of them for each event.
        cycles = {
            "csr": (0.0, row_cycles("csr", shape.synapses / shape.pre, shape.post, 4)),
            "conv": (0.0, kernel_cycles(shape, 4)),
            "lanes": (order, across_cycles(shape, 4)),
            "all": (order + held_cycles(shape, 4, spikes=True), SPREAD_OUT),
        }
        for form, (whole, each) in cycles.items():
            format = "csr" if form == "csr" else "conv"
            program = spikec.pipeline(f"formats{{{format}={next(iter(network.ops(snn.Synapses))).sym_name}}}")(network)
            (row,) = next(note.rows for note in snn_to_step.lower(program).notes if note.title == "storage of synapses")
            with forced(form):
                net = spikec.compile(program, "cpu")
            silent = seconds(net, np.zeros((STEPS, *shape.input), np.bool_))
            for share in arguments.events or EVENTS:
                x = np.random.default_rng(1).random((STEPS, *shape.input)) < share
                step = seconds(net, x)
                events = x.sum() / STEPS
                model = (whole + events * each) / CLOCK["cpu"] / 1e3
                taken = "conv" if events < made.worth(True) else "lanes" if events < made.many(True) else "all"
                name = form + " *" * (form == taken)
                ours = f"{model:.1f}, {(step - silent) * 1e6:.1f}"
                print(f"{text:<16} {share:>6} {name:<7}{row[3]:>10} {step * 1e6:>10.1f} {ours:>31}", flush=True)


if __name__ == "__main__":
    main()
