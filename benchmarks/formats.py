"""What pruned weights cost in each storage format: by the cost model, and measured.

    python benchmarks/formats.py [--layer SOURCESxTARGETS]... [--density SHARE]...

One layer of integrate-and-fire neurons gets random spikes; `sparsify` prunes its random weights, one by one and, for
the format `block`, in blocks of 1 by 16.  A line is a layer and the share of its weights that is left.  A pair of
numbers is a format: nanoseconds of an event by the model, and those of the compiled loop with events less without,
for each event; processor time, the best of several runs.  The format with a star is the one that the compiler chooses.
Then the same for connections that are drawn and have one weight.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from spikec.analysis.cost_model import CLOCK, row_cycles
from spikec.dialects import snn, step
from spikec.lower import snn_to_step
from timing import least

LAYERS = ("64x256", "256x10", "128x128", "784x128", "1024x1024")
DENSITIES = (0.5, 0.25, 0.1, 0.05, 0.02)
BLOCK = 16
STEPS, RUNS = 400, 9
WIDTH = 4  # bytes of a sum
MODEL = """model Layer(N: int = 1, P: int = 1) {
  step 1 steps
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1e6 { V -= 1 } }
  input x : spikes[N]
  param W : real[P, N] = load("weights.npz", "W")
  y = IF[P](W @ x)
  output count = over_time(count, y)
}
"""


ALIKE = """model Alike(N: int = 1, P: int = 1, p = 0.1) {
  step 1 steps
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1e6 { V -= 1 } }
  input x : spikes[N]
  pop y : IF[P]
  proj x -> y.I { connect prob(p) seed 1; weight 0.5 }
}
"""


def layer(folder: Path, sources: int, targets: int) -> spikec.Program:
    """A layer with random weights, at level `snn`."""
    weights = np.random.default_rng(0).normal(0, 1, (targets, sources)).astype(np.float32)
    np.savez(folder / "weights.npz", W=weights)
    (folder / "net.snn").write_text(MODEL)
    return spikec.load(folder / "net.snn", params={"N": sources, "P": targets})


def measured(program: spikec.Program, x: npt.NDArray[np.bool_]) -> float:
    """Nanoseconds of an event."""
    net = spikec.compile(program, "cpu")
    silent = np.zeros_like(x)
    busy, idle = least([partial(net.run, {"x": given}, steps=len(x)) for given in (x, silent)], RUNS)
    return (busy - idle) / max(1, int(x.sum())) * 1e9


def alike(folder: Path, sources: int, targets: int, density: float, x: npt.NDArray[np.bool_]) -> str:
    """Model and measurement of csr and bitmap for drawn connections of one weight."""
    (folder / "alike.snn").write_text(ALIKE)
    network = spikec.load(folder / "alike.snn", params={"N": sources, "P": targets, "p": density})
    (synapses,) = network.ops(snn.Synapses)
    cells = []
    for format in ("csr", "bitmap"):
        forced = spikec.pipeline(f'formats{{{format}="{synapses.sym_name}"}}')(network)
        star = "*" if chosen(network) == format else " "
        model = row_cycles(format, density * targets, targets, WIDTH, alike=True) / CLOCK["cpu"]
        cells.append(f"{format}{star} {model:5.1f} {measured(forced, x):5.1f}")
    return "   ".join(cells)


def chosen(program: spikec.Program) -> str:
    """The format of a program's one layer where nobody asks for one."""
    (table,) = snn_to_step.lower(program).ops(step.Table)
    return str(table.format)


def line(network: spikec.Program, density: float, x: npt.NDArray[np.bool_], targets: int) -> str:
    """Model and measurement of all formats of a layer with some of its weights."""
    if density == 1:
        whole = spikec.pipeline("canonicalize")(network)
        return f"dense {row_cycles('dense', targets, targets, WIDTH) / CLOCK['cpu']:5.1f} {measured(whole, x):5.1f}"
    blocks = {"block": f",block=1x{BLOCK}"} if targets % BLOCK == 0 else {}
    cells: list[Any] = []
    for format, options in {"csr": "", "bitmap": "", **blocks}.items():
        pruned = spikec.pipeline(f"canonicalize,sparsify{{density={density}{options}}}")(network)
        (synapses,) = pruned.ops(snn.Synapses)
        forced = spikec.pipeline(f'formats{{{format}="{synapses.sym_name}"}}')(pruned)
        star = "*" if chosen(pruned) == format else " "
        model = row_cycles(format, density * targets, targets, WIDTH) / CLOCK["cpu"]
        cells.append(f"{format}{star} {model:5.1f} {measured(forced, x):5.1f}")
    return "   ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--layer", action="append", metavar="SOURCESxTARGETS")
    parser.add_argument("--density", action="append", type=float, metavar="SHARE")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    print(f"{'layer':<10} {'density':>7}  model, measured: ns an event")
    for name in arguments.layer or LAYERS:
        sources, targets = (int(number) for number in name.split("x"))
        x = rng.random((STEPS, sources)) < (0.3 if sources <= 64 else 0.1)
        with tempfile.TemporaryDirectory() as folder:
            network = layer(Path(folder), sources, targets)
            for density in arguments.density or (1.0, *DENSITIES):
                print(f"{name:<10} {density:>7}  {line(network, density, x, targets)}", flush=True)
            for density in arguments.density or DENSITIES:
                shown = alike(Path(folder), sources, targets, density, x)
                print(f"{name:<10} {density:>7}  one weight: {shown}", flush=True)


if __name__ == "__main__":
    main()
