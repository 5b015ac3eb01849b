"""How far the estimate of cycles on a CPU is from what runs: `python benchmarks/estimate.py`.

Small networks, each with one kind of work that dominates, and two examples.  The estimate is given the rates that
the run had.  Printed are microseconds a step, measured and estimated at `CLOCK`, and their ratio.  The constants of
`spikec.analysis.estimate` were fitted with this script.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from spikec.analysis.estimate import estimate
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import step
from spikec.dialects.functions import size
from spikec.lower import snn_to_step, step_to_cpu
from spikec.runtime.interface import Interface

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CLOCK = 3.0  # GHz
ROUNDS = 7


@dataclass(frozen=True)
class Net:
    """A model as a file or as text; `rates` of its spike inputs by name; `known` are rates that are not counted."""

    name: str
    model: Path | str
    steps: int
    rates: Mapping[str, float] = field(default_factory=dict)
    known: Mapping[str, float] = field(default_factory=dict)


NEURON = """
  neuron Cell(decay = 0.9, theta = 1.0) {
    in I
    var V = 0.0
    V := decay * V + I
    spike when V >= theta { V := 0 }
  }
"""


def layered(inputs: int, hidden: int) -> str:
    return f"""model Layered {{
  step 1 ms
{NEURON}
  input x : spikes[{inputs}]
  pop a : Cell[{hidden}]
  pop b : Cell[{hidden}]
  proj x -> a.I {{ connect all; weight 0.02 }}
  proj a -> b.I {{ connect all; weight 0.02 }}
}}
"""


def sparse(inputs: int, targets: int, p: float) -> str:
    return f"""model Sparse {{
  step 1 ms
{NEURON}
  input x : spikes[{inputs}]
  pop a : Cell[{targets}]
  proj x -> a.I {{ connect prob({p}) seed 1; weight 0.02 }}
}}
"""


def alone(count: int, term: str) -> str:
    return f"""model Alone {{
  step 1 ms
  neuron Cell {{
    in I
    var V = 0.0
    V := 0.9 * V + 0.01 * {term} + I
    spike when V >= 1 {{ V := 0 }}
  }}
  input x : real[{count}]
  a = Cell[{count}](x)
}}
"""


NETS = (
    Net("neurons", alone(8192, "V"), 4000),
    Net("neurons with exp", alone(8192, "exp(V)"), 2000),
    Net("sparse, 2 %", sparse(2000, 8000, 0.02), 2000, {"x": 0.05}),
    Net("layers of 64", layered(64, 64), 40000, {"x": 0.1}),
    Net("digits", EXAMPLES / "03_digits" / "digits.snn", 20000, {"x": 0.5}, {"value": 0.5}),
    Net("Vogels and Abbott", EXAMPLES / "02_vogels_abbott" / "cuba.snn", 5000),
)


def inputs(interface: Interface, net: Net, steps: int) -> dict[str, Any]:
    """Spikes at their rate; reals between 0 and 1, held."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for entry in interface.inputs:
        if entry.dtype == "bool":
            made[entry.name] = rng.random((steps, *entry.shape)) < net.rates[entry.name]
        else:
            made[entry.name] = rng.random(entry.shape).astype(entry.dtype)
    return made


def measure(net: Net, folder: Path) -> tuple[float, float]:
    """Microseconds a step: measured and estimated."""
    path = net.model if isinstance(net.model, Path) else folder / "model.snn"
    if isinstance(net.model, str):
        path.write_text(net.model)
    network = spikec.load(path)
    interface, program = Interface.of(network), snn_to_step.lower(network)
    target = CpuTarget.parse("cpu")
    engine = target.load(step_to_cpu.lower(program, target), program.constants, interface)
    given = inputs(interface, net, net.steps)
    streamed = frozenset(name for name, array in given.items() if array.dtype == bool)
    best = float("inf")
    for _ in range(ROUNDS):
        engine.reset()
        begin = time.process_time()
        trace = engine.advance(given, streamed, net.steps)
        best = min(best, time.process_time() - begin)
    sizes = {b.sym_name: size(b.type) for b in program.ops(step.Buffer)}
    counted = {p: n / net.steps / sizes[f"{p}.spike"] for p, n in trace.emitted.items() if f"{p}.spike" in sizes}
    made = estimate(program, "cpu", {**net.rates, **counted, **net.known})
    return best / net.steps * 1e6, made.total.cycles / CLOCK / 1e3


def main() -> None:
    print(f"{'network':<20}{'measured':>12}{'estimated':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for net in NETS:
            measured, estimated = measure(net, Path(folder))
            print(f"{net.name:<20}{measured:>9.2f} us{estimated:>9.2f} us{estimated / measured:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
