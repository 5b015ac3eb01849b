"""Interleaved rounds of a case: one process a peer, which lives as long as the case and runs once when it is asked.

All processes are kept on one core, on which only the one that was asked has anything to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from cases import Case
from environments import Peer

HERE = Path(__file__).resolve().parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Round = dict[str, dict[str, Any]]
"""What each peer answered, by its name; see protocol.py."""


class Failed(Exception):
    """What a peer's script said when it failed."""


def environment() -> dict[str, str]:
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)}


def call(command: Sequence[str | Path]) -> str:
    """What a script prints.  Raises Failed."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise Failed(_last(done.stderr))
    return done.stdout


def networks_of(peer: Peer, cache: Path) -> frozenset[str]:
    """The networks that a peer's script knows; one that loads an environment is asked once.  Raises Failed."""
    command = [peer.python(cache), peer.path, "networks"]
    version = hashlib.sha256(repr(peer.installs).encode() + peer.path.read_bytes()).hexdigest()
    known = cache / "networks" / f"{peer.script}-{version}.json"
    if peer.installs and known.is_file():
        return frozenset(json.loads(known.read_text()))
    answer = call(command).strip().rpartition("\n")[2]
    if peer.installs:
        known.parent.mkdir(exist_ok=True)
        known.write_text(answer)
    return frozenset(json.loads(answer))


def as_measured(case: Case, peer: Peer) -> Case:
    """The case as this peer runs it."""
    return case.over(f"peers.{peer.name}")


def prepare(case: Case, peer: Peer, folder: Path, cache: Path) -> None:
    """Builds what a peer can build ahead, unless that is what stands there.  Raises Failed."""
    path = as_measured(case, peer).write(folder / "shared", f"{peer.name}.json")
    beside = [file for file in sorted(peer.path.parent.glob("*.py")) if not file.name.startswith("with_")]
    parts = (repr(peer).encode(), *(file.read_bytes() for file in (path, peer.path, *beside)))
    wanted = hashlib.sha256(b"".join(parts)).hexdigest()
    made = folder / peer.name / "prepared.txt"
    # What has no environment of its own is made of this working tree, of which nobody knows what has changed.
    if peer.installs and made.is_file() and made.read_text() == wanted:
        return
    shutil.rmtree(folder / peer.name, ignore_errors=True)
    call([peer.python(cache), peer.path, "prepare", folder / peer.name, path, *peer.options])
    made.write_text(wanted)


class Process:
    """A peer's process for one case."""

    def __init__(self, peer: Peer, folder: Path, cache: Path) -> None:
        command: list[str | Path] = [peer.python(cache), peer.path, "run", folder / peer.name]
        if shutil.which("taskset"):
            command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in `close`)
        self._process = subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def run(self) -> dict[str, Any]:
        """The answer of one run.  Raises Failed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self._end()) from None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries greet
                return dict(json.loads(line))
        raise Failed(self._end())

    def _end(self) -> str:
        self._process.wait()
        self._said.seek(0)
        return _last(self._said.read()) or f"it ended with status {self._process.returncode}"

    def close(self) -> None:
        self._process.terminate()
        with self._said, suppress(BrokenPipeError), self._process:  # which closes its pipes and waits
            pass


def measure(
    case: Case,
    peers: Sequence[Peer],
    folder: Path,
    cache: Path,
    enough: Callable[[float], int],
    fail: Callable[[Peer, Failed], None],
) -> list[Round]:
    """Answers by peer for each round; the first, which warms up, is left out.

    `enough` tells how many rounds there shall be from the wall seconds of the first; `fail` hears of a peer that
    failed, which is not asked again.
    """
    results: list[Round] = []
    with ExitStack() as stack:
        processes = {}
        for peer in peers:
            processes[peer] = Process(peer, folder, cache)
            stack.callback(processes[peer].close)

        def once() -> Round:
            answers = {}
            for peer, process in list(processes.items()):
                try:
                    answers[peer.name] = scaled(process.run(), case, as_measured(case, peer))
                except Failed as failure:
                    del processes[peer]
                    fail(peer, failure)
            return answers

        once()
        begin = time.perf_counter()
        results.append(once())
        count = enough(time.perf_counter() - begin)
        while len(results) < count and processes:
            results.append(once())
    alive = {peer.name for peer in processes}
    return [{name: answer for name, answer in result.items() if name in alive} for result in results]


def scaled(answer: dict[str, Any], case: Case, measured: Case) -> dict[str, Any]:
    """The answer for the steps of `case`, of a peer that runs those of `measured`."""
    factor = case.steps / measured.steps
    if factor == 1:
        return answer
    times = {name: answer[name] * factor for name in ("cpu_seconds", "wall_seconds")}
    spikes = {name: round(count * factor) for name, count in answer["spikes"].items()}
    return {**answer, **times, "spikes": spikes, "outputs": [round(count * factor) for count in answer["outputs"]]}


def _last(text: str) -> str:
    return text.strip()[-1000:]
