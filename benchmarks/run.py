"""Measures spikec against its peers: the same network, one thread, CPU seconds of the step loop.

Rounds are interleaved (A B C A B C ...), each run is a process of its own, and all are kept on one core. What is
compared are ratios within a round, because the speed of a machine drifts; reported are medians over rounds.
Exit status 1 where the spike counts of a peer are not ours, because then the two did not do the same work.

    python benchmarks/run.py [--rounds 7] [--networks cuba] [--peers brian2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from networks import Network, networks
from peers import PEERS, Peer, Unavailable

HERE = Path(__file__).resolve().parent
OURS = "spikec"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Round = dict[str, dict[str, Any]]


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spikec-benchmarks"


def call(command: Sequence[str | Path], pinned: bool = False) -> str:
    """The last line that a script prints, run on one core where `pinned`."""
    if pinned and shutil.which("taskset"):
        command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout.strip().rpartition("\n")[2]


def prepare(network: Network, peers: Sequence[Peer], cache: Path) -> None:
    """Writes the inputs that all peers share, then builds what each peer can build ahead."""
    folder = cache / network.name
    folder.mkdir(parents=True, exist_ok=True)
    inputs = network.folder / "inputs.py"
    if inputs.is_file():
        call([sys.executable, inputs, folder])
    for peer in peers:
        call([peer.python(cache), network.script(peer.script), "prepare", folder / peer.name, *peer.options])


def measure(network: Network, peers: Sequence[Peer], rounds: int, cache: Path) -> list[Round]:
    """Results by peer for each round; the first, which warms up, is left out."""
    results: list[Round] = []
    for number in range(rounds + 1):
        result = {}
        for peer in peers:
            script = network.script(peer.script)
            line = call([peer.python(cache), script, "run", cache / network.name / peer.name], pinned=True)
            result[peer.name] = json.loads(line)
        if number:
            results.append(result)
            times = "  ".join(f"{name} {row['cpu_seconds']:.4f} s" for name, row in result.items())
            print(f"  round {number}: {times}", flush=True)
    return results


def summary(network: Network, rounds: Sequence[Round]) -> dict[str, Any]:
    """Medians, ratios within rounds, and spikes of the last round with what differs from ours, by peer."""
    table = {}
    for name, last in rounds[-1].items():
        times = [result[name]["cpu_seconds"] for result in rounds]
        ratios = [result[OURS]["cpu_seconds"] / result[name]["cpu_seconds"] for result in rounds]
        table[name] = {
            "median_cpu_seconds": statistics.median(times),
            "least_cpu_seconds": min(times),
            "median_ratio_of_spikec": statistics.median(ratios),
            "spikec_is_faster_by": statistics.median(1 / ratio for ratio in ratios),
            "spikes": last["spikes"],
            "outputs": last["outputs"],
            "differing": network.differing(last, rounds[-1][OURS]),
        }
    return table


def show(network: Network, table: dict[str, Any]) -> None:
    what = "spikes" if network.seconds is None else "mean rates"
    print(f"  {'':<16}{'median':>10}{'least':>10}{'spikec / peer':>16}{'faster':>10}   {what}")
    for name, row in table.items():
        ratio = faster = ""
        if name != OURS:
            ratio, faster = f"{row['median_ratio_of_spikec']:.3f}", f"{row['spikec_is_faster_by']:.1f} x"
        times = f"{row['median_cpu_seconds']:>8.4f} s{row['least_cpu_seconds']:>8.4f} s"
        print(f"  {name:<16}{times}{ratio:>16}{faster:>10}   {network.shown(row)}")
    for name, row in table.items():
        for line in row["differing"]:
            print(f"  {name} did other work, {line}")


def chosen(names: str | None, network: Network, cache: Path) -> list[Peer]:
    """Ourselves and the wanted peers that have a script for this network and can be had here."""
    found = []
    for peer in PEERS:
        wanted = names is None or peer.name == OURS or peer.name in names.split(",")
        if not wanted or not network.script(peer.script).is_file():
            continue
        try:
            peer.python(cache)
        except Unavailable as reason:
            print(f"  {peer.name} is left out: {reason}", flush=True)
            continue
        found.append(peer)
    return found


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def parsed() -> argparse.Namespace:
    known = networks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", default=",".join(known), help="names, separated by commas; all without it")
    parser.add_argument("--peers", help="names, separated by commas; all without it")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder of environments and builds")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="file of the results")
    arguments = parser.parse_args()
    arguments.networks = arguments.networks.split(",")
    unknown = [name for name in arguments.networks if name not in known]
    unknown += [n for n in (arguments.peers or OURS).split(",") if n not in {peer.name for peer in PEERS}]
    if unknown:
        names = f"networks {', '.join(known)}; peers {', '.join(peer.name for peer in PEERS)}"
        parser.error(f"unknown: {', '.join(unknown)}; there are {names}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def benchmark(network: Network, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The rounds of a network and their summary; None where it cannot be run here."""
    missing = network.missing()
    if missing:
        print(f"{network.name} is left out: {missing}", flush=True)
        return None
    print(f"{network.name}: {network.about}; CPU seconds of the step loop, one thread", flush=True)
    cache = arguments.cache.resolve()
    peers = chosen(arguments.peers, network, cache)
    prepare(network, peers, cache)
    rounds = measure(network, peers, arguments.rounds, cache)
    table = summary(network, rounds)
    show(network, table)
    return {"about": network.about, "rounds": rounds, "summary": table}


def main() -> int:
    arguments = parsed()
    known = networks()
    results = {name: benchmark(known[name], arguments) for name in arguments.networks}
    measured = {name: result for name, result in results.items() if result is not None}
    report = {"processor": processor(), "python": platform.python_version(), "networks": measured}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {arguments.json}")
    return int(any(row["differing"] for result in measured.values() for row in result["summary"].values()))


if __name__ == "__main__":
    sys.exit(main())
