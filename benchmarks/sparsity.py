"""Time of the compiled loop by the share of weights that is left, and by how they are stored.

    python benchmarks/sparsity.py [--sources N] [--targets N] [--events SHARE]

One layer of integrate-and-fire neurons gets random spikes; `sparsify` prunes its random weights.  A line is one
pipeline: the format it leads to, and for each step synaptic events and nanoseconds of the processor, the best of
several runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import spikec
from spikec.dialects import step
from spikec.lower import snn_to_step

STEPS, RUNS = 400, 9
MODEL = """model Layer(N = 1024, P = 1024) {
  step 1 steps
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1e6 { V -= 1 } }
  input x : spikes[N]
  param W : real[P, N] = load("weights.npz", "W")
  y = IF[P](W @ x)
  output count = over_time(count, y)
}
"""
PRUNED = (
    "",
    *(f"sparsify{{density={density}}}" for density in (0.9, 0.5, 0.2, 0.1, 0.05)),
    "sparsify{pattern=2:4}",
    "sparsify{density=0.1,block=1x16}",
    "sparsify{density=0.1,block=4x64}",
)


def measured(folder: Path, pipeline: str, x: npt.NDArray[np.bool_]) -> tuple[str, float, float]:
    """The format of the layer, and synaptic events and nanoseconds for each step."""
    sources, targets = np.load(folder / "weights.npz")["W"].T.shape
    network = spikec.load(folder / "net.snn", params={"N": sources, "P": targets})
    program = spikec.pipeline(f"canonicalize,{pipeline}" if pipeline else "canonicalize")(network)
    lowered = snn_to_step.lower(program)
    (format,) = [table.format for table in lowered.ops(step.Table)]
    net = spikec.compile(program, "cpu")
    seconds = []
    for _ in range(RUNS):
        begin = time.process_time()
        run = net.run({"x": x}, steps=len(x))
        seconds.append(time.process_time() - begin)
    return format, run.synaptic_events / len(x), min(seconds) / len(x) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sources", type=int, default=1024)
    parser.add_argument("--targets", type=int, default=1024)
    parser.add_argument("--events", type=float, default=0.1, help="spikes of a source in a step")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.random((STEPS, arguments.sources)) < arguments.events
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = rng.normal(0, 1, (arguments.targets, arguments.sources)).astype(np.float32)
        np.savez(folder / "weights.npz", W=weights)
        text = MODEL.replace("[N]", f"[{arguments.sources}]").replace(
            "P, N", f"{arguments.targets}, {arguments.sources}"
        )
        (folder / "net.snn").write_text(text.replace("[P]", f"[{arguments.targets}]"))
        print(f"{'pipeline':<34} {'format':<8} {'synaptic events':>16} {'ns a step':>10}")
        for pipeline in PRUNED:
            format, events, nanoseconds = measured(folder, pipeline, x)
            print(f"{pipeline or 'all weights':<34} {format:<8} {events:>16.0f} {nanoseconds:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
