"""Synapses that are stored against synapses that are drawn again at each event: time, bytes, and time to compile.

    python benchmarks/procedural.py [--neurons N] [--p P]

N sources and N targets, each pair with probability P and one weight.  A line is one format: bytes of the table, seconds
to compile, and nanoseconds of a synaptic event, those of the compiled loop with events less those without.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import spikec
from spikec.lower import snn_to_step
from timing import least

STEPS, RUNS, EVENTS = 100, 5, 0.005
MODEL = """model Sparse(N: int = 20000, p = 0.05) {
  step 1 ms
  neuron Sum { in I; var V = 0; V := I }
  input x : spikes[N]
  pop a : Sum[N]
  proj wires : x -> a.I { connect prob(p) seed 1; weight 0.5 }
  probe a.V[0]
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=20000)
    parser.add_argument("--p", type=float, default=0.05)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.snn"
        path.write_text(MODEL.replace("spikes[N]", f"spikes[{given.neurons}]"))
        network = spikec.load(path, params={"N": given.neurons, "p": given.p})
    x = np.random.default_rng(0).random((STEPS, given.neurons)) < EVENTS
    silent = np.zeros_like(x)
    print(f"{'format':<11} {'bytes':>12} {'s to compile':>12} {'ns a synaptic event':>20}")
    for format in ("csr", "procedural"):
        program = spikec.pipeline(f"formats{{{format}=wires}}")(network)
        constants = snn_to_step.lower(program).constants
        begin = time.process_time()
        net = spikec.compile(program, "cpu")
        compiling = time.process_time() - begin
        events = net.run({"x": x}).synaptic_events
        busy, idle = least([partial(net.run, {"x": given}) for given in (x, silent)], RUNS)
        bytes = sum(array.nbytes for array in constants.values())
        print(f"{format:<11} {bytes:>12} {compiling:>12.1f} {(busy - idle) / events * 1e9:>20.1f}", flush=True)


if __name__ == "__main__":
    main()
