"""What run.py and the script of a peer say to each other.

A script `peers/with_PEER.py` hands its networks to `serve`, which makes three actions of them:

- `networks` prints their names, as a list in JSON.
- `prepare FOLDER CASE.json [options]` builds whatever can be built ahead into a folder of its own, and keeps the case
  and the options there.
- `run FOLDER` makes everything ready, then runs once for each line that it reads and answers each with one line:

      {"cpu_seconds": 0.0123, "wall_seconds": 0.0124, "spikes": {"exc": 18213, "inh": 4522}, "outputs": []}

The seconds are those of the step loop alone. Every run begins in the first state. The first answer of a process is
thrown away, so scripts need not warm up.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

Case = dict[str, Any]
"""A case as `cases.py` describes it, with `name`, `network`, absolute paths of the `model` and of the folder `shared`
that has what the network's script of inputs wrote, and the `options` of the peer."""


@dataclass(frozen=True)
class Result:
    """What one run gave: spikes by population, and those of each output neuron where a network has outputs.

    `events` are additions of a weight to a target, where they are counted.
    """

    cpu_seconds: float
    wall_seconds: float
    spikes: Mapping[str, int]
    outputs: tuple[int, ...] = ()
    events: int | None = None


class Stopwatch:
    """CPU time of this process and wall time, of what runs `with` it."""

    def __enter__(self) -> Self:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = time.process_time() - self._cpu
        self.wall_seconds = time.perf_counter() - self._wall


def nothing(case: Case, folder: Path) -> None:
    """The preparation of a network that has nothing to be built ahead."""


@dataclass(frozen=True)
class Task:
    """A network in a peer: `ready` makes what runs it once, as often as it is called; `prepare` builds ahead."""

    ready: Callable[[Case, Path], Callable[[], Result]]
    prepare: Callable[[Case, Path], None] = field(default=nothing)


def serve(about: str | None, networks: Mapping[str, Task]) -> None:
    """The `main` of a peer's script."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("networks")
    preparing = actions.add_parser("prepare")
    preparing.add_argument("folder", type=Path)
    preparing.add_argument("case", type=Path)
    actions.add_parser("run").add_argument("folder", type=Path)
    arguments, options = parser.parse_known_args()
    if arguments.action == "networks":
        print(json.dumps(list(networks)))
        return
    folder = arguments.folder.resolve()
    if arguments.action == "prepare":
        case = {**json.loads(arguments.case.read_text()), "options": options}
        folder.mkdir(parents=True, exist_ok=True)
        networks[case["network"]].prepare(case, folder)
        (folder / "case.json").write_text(json.dumps(case, indent=2))
        return
    case = json.loads((folder / "case.json").read_text())
    run = networks[case["network"]].ready(case, folder)
    for _ in sys.stdin:
        print(json.dumps(asdict(run())), flush=True)
