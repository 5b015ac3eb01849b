"""CUBA compiled by spikec, one thread: `prepare FOLDER` writes the artifact, `run FOLDER` times its step loop.

What is timed is one call that runs 10,000 steps, with recording of all spikes; reading the artifact and setting
the first state are not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import spikec
from protocol import Result, serve

STEPS = 10_000


def prepare(folder: Path, options: Sequence[str]) -> None:
    spikec.compile(spikec.load(Path(__file__).with_name("model.snn"))).save(folder, force=True)


def run(folder: Path) -> Result:
    network = spikec.open(folder)
    network.reset()
    begin = time.process_time()
    trace = network.engine.advance({}, frozenset(), STEPS)
    seconds = time.process_time() - begin
    return Result(seconds, {name: trace.emitted[name] for name in ("exc", "inh")})


if __name__ == "__main__":
    serve(__doc__, prepare, run)
