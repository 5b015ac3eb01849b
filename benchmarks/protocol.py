"""What run.py and the script of a peer say to each other.

A script `NETWORK/with_PEER.py` knows two actions: `prepare FOLDER` builds whatever can be built ahead into a folder
of its own, and `run FOLDER` runs once and prints one JSON object as its last line:

    {"cpu_seconds": 0.0123, "spikes": {"exc": 18213, "inh": 4522}, "outputs": []}

`cpu_seconds` is CPU time of the step loop alone, `spikes` counts the spikes of each population and `outputs` those
of each output neuron, where a network has any.  A script may read files that its network's `inputs.py` wrote into
the parent of its folder.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """What one run gave; see the module."""

    cpu_seconds: float
    spikes: dict[str, int]
    outputs: tuple[int, ...] = ()


def serve(about: str | None, prepare: Callable[[Path, Sequence[str]], None], run: Callable[[Path], Result]) -> None:
    """The `main` of a peer's script; options after FOLDER are for `prepare`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("prepare", "run"))
    parser.add_argument("folder", type=Path)
    arguments, options = parser.parse_known_args()
    folder = arguments.folder.resolve()
    if arguments.action == "prepare":
        prepare(folder, options)
    else:
        print(json.dumps(asdict(run(folder))))


def conformance(name: str) -> Path:
    """A file of the conformance data, which are not part of this repository."""
    return Path(os.environ["SPIKEC_CONFORMANCE"]) / name
