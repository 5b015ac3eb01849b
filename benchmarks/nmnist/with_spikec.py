"""The N-MNIST net compiled by spikec, one thread: `prepare FOLDER` writes the artifact, `run FOLDER` times it.

What is timed is one call of the Python API that checks the input, sets the first state, runs all steps and gathers
the output.  With profile `nir-euler` and a step of 1 an IF adds its input and resets to zero, as in the peers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import spikec
from protocol import Result, conformance, serve


def prepare(folder: Path, options: Sequence[str]) -> None:
    program = spikec.load(conformance("nir/field/cnn_nmnist.nir"), semantics="nir-euler", dt=1)
    spikec.compile(program).save(folder, force=True)


def run(folder: Path) -> Result:
    with np.load(folder.parent / "events.npz") as data:
        inputs = {"input": data["events"]}
    network = spikec.open(folder)
    network.run(inputs)
    begin = time.process_time()
    result = network.run(inputs)
    seconds = time.process_time() - begin
    outputs = result.outputs["output"].sum(0, dtype=int)
    return Result(seconds, result.counts, tuple(outputs.tolist()))


if __name__ == "__main__":
    serve(__doc__, prepare, run)
