"""CUBA compiled by spikec, one thread: `prepare FOLDER` writes the artifact, `run FOLDER` times its step loop.

What is timed is one call that runs 10,000 steps, with recording of all spikes; reading the artifact and setting
the first state are not.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import spikec

STEPS = 10_000


def prepare(folder: Path) -> None:
    spikec.compile(spikec.load(Path(__file__).with_name("model.snn"))).save(folder, force=True)


def run(folder: Path) -> dict[str, Any]:
    network = spikec.open(folder)
    network.reset()
    begin = time.process_time()
    trace = network.engine.advance({}, frozenset(), STEPS)
    seconds = time.process_time() - begin
    return {"cpu_seconds": seconds, "spikes": {name: trace.emitted[name] for name in ("exc", "inh")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("prepare", "run"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "prepare":
        prepare(arguments.folder)
    else:
        print(json.dumps(run(arguments.folder)))


if __name__ == "__main__":
    main()
