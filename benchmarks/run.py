"""Measures spikec against its peers: the same network, one thread, CPU seconds of the step loop.

Rounds are interleaved (A B C A B C ...), each run is a process of its own, and all are kept on one core. What is
compared are ratios within a round, because the speed of a machine drifts; reported are medians over rounds.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import PEERS, Peer

HERE = Path(__file__).resolve().parent
OURS = "spikec"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Network:
    """`neurons` by population; `seconds` of biological time that each run simulates."""

    name: str
    neurons: dict[str, int]
    seconds: float
    about: str


NETWORKS = (
    Network("cuba", {"exc": 3200, "inh": 800}, 1.0, "CUBA, 4000 neurons, 10,000 steps of 0.1 ms, all spikes recorded"),
)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spikec-benchmarks"


def call(peer: Peer, network: Network, cache: Path, action: str, options: Sequence[str] = ()) -> str:
    """The last line that the peer's script prints, run on one core."""
    script = HERE / network.name / f"with_{peer.script}.py"
    command = [str(peer.python(cache)), str(script), action, str(cache / network.name / peer.name), *options]
    if action == "run" and shutil.which("taskset"):
        command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{peer.name}: {action} failed\n{done.stderr[-2000:]}")
    return done.stdout.strip().rpartition("\n")[2]


def measure(network: Network, peers: Sequence[Peer], rounds: int, cache: Path) -> list[dict[str, Any]]:
    """One dictionary of results by peer for each round; the first, which warms up, is left out."""
    results = []
    for number in range(rounds + 1):
        results.append({peer.name: json.loads(call(peer, network, cache, "run")) for peer in peers})
        if number:
            times = "  ".join(f"{name} {result['cpu_seconds']:.4f} s" for name, result in results[-1].items())
            print(f"  round {number}: {times}", flush=True)
    return results[1:]


def summary(network: Network, peers: Sequence[Peer], rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians, ratios within rounds and mean rates, by peer."""
    table = {}
    for peer in peers:
        times = [result[peer.name]["cpu_seconds"] for result in rounds]
        ratios = [result[OURS]["cpu_seconds"] / result[peer.name]["cpu_seconds"] for result in rounds]
        spikes = rounds[-1][peer.name]["spikes"]
        table[peer.name] = {
            "median_cpu_seconds": statistics.median(times),
            "least_cpu_seconds": min(times),
            "median_ratio_of_spikec": statistics.median(ratios),
            "rates_hz": {name: spikes[name] / count / network.seconds for name, count in network.neurons.items()},
        }
    return table


def show(table: dict[str, Any]) -> None:
    print(f"  {'':<16}{'median':>10}{'least':>10}{'spikec / peer':>16}   mean rates")
    for name, row in table.items():
        rates = ", ".join(f"{population} {rate:.2f} Hz" for population, rate in row["rates_hz"].items())
        ratio = "" if name == OURS else f"{row['median_ratio_of_spikec']:.3f}"
        print(f"  {name:<16}{row['median_cpu_seconds']:>8.4f} s{row['least_cpu_seconds']:>8.4f} s{ratio:>16}   {rates}")


def chosen(names: str | None, network: Network) -> list[Peer]:
    """Ourselves and the wanted peers that have a script for this network and what they need."""
    peers = []
    for peer in PEERS:
        wanted = names is None or peer.name == OURS or peer.name in names.split(",")
        if not wanted or not (HERE / network.name / f"with_{peer.script}.py").is_file():
            continue
        if peer.missing():
            print(f"  {peer.name} is left out: it needs {peer.missing()}")
            continue
        peers.append(peer)
    return peers


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", default="cuba", help="names, separated by commas")
    parser.add_argument("--peers", help="names, separated by commas; all without it")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder of environments and builds")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="file of the results")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"processor": processor(), "python": platform.python_version(), "networks": {}}
    for network in (n for n in NETWORKS if n.name in arguments.networks.split(",")):
        print(f"{network.name}: {network.about}; CPU seconds of the step loop, one thread", flush=True)
        peers = chosen(arguments.peers, network)
        for peer in peers:
            (arguments.cache / network.name).mkdir(parents=True, exist_ok=True)
            call(peer, network, arguments.cache, "prepare", peer.options)
        rounds = measure(network, peers, arguments.rounds, arguments.cache)
        table = summary(network, peers, rounds)
        show(table)
        report["networks"][network.name] = {"about": network.about, "rounds": rounds, "summary": table}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {arguments.json}")


if __name__ == "__main__":
    main()
