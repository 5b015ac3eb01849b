"""Measures spikec against its peers: the same network, one thread, the step loop alone.

What is compared are CPU times within a round, because the speed of a machine drifts; reported are medians over
rounds.  The short form takes some minutes and leaves the longest cases out.  Exit status 1 where a peer failed, where
its spike counts are not ours (then the two did not do the same work), or where `--check` finds a difference.

    python benchmarks/run.py [--full] [--cases cuba,mlp/batch-1] [--peers brian2,c] [--rounds 7]
    python benchmarks/run.py --check      # our loop against the reference interpreter, bit for bit
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import summary
from cases import Case, cases
from environments import HANDWRITTEN, OURS, PEERS, Peer, Unavailable
from rounds import Failed, measure, networks_of, prepare

BUILD = Path("build")
# Rounds of a case: in full, and in the short form as many as fit into so many seconds.
ROUNDS, LEAST_ROUNDS, SHORT_SECONDS = 7, 3, 15


def announce(case: Case, number: int, count: int, seconds: float) -> None:
    """Says which case is next and, from the seconds that those before it took, how long the rest will take."""
    left = f", about {math.ceil(seconds / number * (count - number) / 60)} min left" if number else ""
    print(f"[{number + 1}/{count}{left}] {case.name}, {case.steps:,} steps: {case.about}", flush=True)


def available(wanted: Sequence[Peer], cache: Path) -> dict[Peer, frozenset[str]]:
    """The networks of each peer that can be had here; says why others are left out."""
    found = {}
    for peer in wanted:
        if peer.path.is_file():
            try:
                found[peer] = networks_of(peer, cache)
            except (Unavailable, Failed) as reason:
                print(f"{peer.name} is left out: {reason}", flush=True)
    return found


def takers(case: Case, peers: Mapping[Peer, frozenset[str]], named: bool) -> list[Peer]:
    """Those of some peers that know the network; `named` ones take part where the case would leave them out too."""
    knowing = [peer for peer, networks in peers.items() if case.network in networks]
    return [peer for peer in knowing if named or peer.name not in case.without]


def enough(rounds: int | None, full: bool, seconds: float) -> int:
    """How many rounds there shall be if one takes so many seconds."""
    if rounds or full:
        return rounds or ROUNDS
    return min(ROUNDS, max(LEAST_ROUNDS, int(SHORT_SECONDS / seconds)))


def benchmark(case: Case, peers: Sequence[Peer], arguments: argparse.Namespace) -> summary.Summary:
    """Measures a case and shows what came of it.  Raises Failed where we do."""
    cache: Path = arguments.cache
    folder = cache / "cases" / case.name
    failed: dict[str, str] = {}

    def fail(peer: Peer, failure: Failed) -> None:
        if peer is OURS:
            raise failure
        failed[peer.name] = str(failure)
        print(f"  {peer.name} failed: {failure}", flush=True)

    case.write_inputs(folder / "shared")
    for peer in peers:
        try:
            prepare(case, peer, folder, cache)
        except Failed as failure:
            fail(peer, failure)
    able = [peer for peer in peers if peer.name not in failed]
    rounds = measure(case, able, folder, cache, partial(enough, arguments.rounds, arguments.full), fail)
    result = summary.summary(case, rounds, failed)
    print(*summary.lines(case, result), sep="\n", flush=True)
    return result


def measured(chosen: Sequence[Case], wanted: Sequence[Peer], arguments: argparse.Namespace) -> int:
    """Measures all cases, writes results and chart, and returns the exit status."""
    results: dict[str, summary.Summary] = {}
    peers = available(wanted, arguments.cache)
    begin = time.perf_counter()
    for number, case in enumerate(chosen):
        announce(case, number, len(chosen), time.perf_counter() - begin)
        try:
            results[case.name] = benchmark(case, takers(case, peers, arguments.peers is not None), arguments)
            _write(results, arguments)
        except Failed as failure:
            print(f"  {OURS.name} failed: {failure}", flush=True)
    print("", *summary.table(results), sep="\n")
    _draw(results, arguments.plot)
    right = [not result.failed and not list(result.wrong()) for result in results.values()]
    return int(len(results) < len(chosen) or not all(right))


def _write(results: Mapping[str, summary.Summary], arguments: argparse.Namespace) -> None:
    named = {name: asdict(result) for name, result in results.items()}
    report = {"processor": processor(), "python": platform.python_version(), "full": arguments.full, "cases": named}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=2) + "\n")


def _draw(results: Mapping[str, summary.Summary], path: Path) -> None:
    try:
        import chart

        chart.draw(results, path)
    except ImportError:
        print("no chart without matplotlib: pip install 'spikec[plot]'")


def checked(chosen: Sequence[Case], arguments: argparse.Namespace) -> int:
    """Compares all cases with the reference interpreter and returns the exit status."""
    from agreement import differences

    wrong = 0
    for case in chosen:
        shared = arguments.cache / "cases" / case.name / "shared"
        case.write_inputs(shared)
        found = differences(case, shared)
        wrong += bool(found)
        print(f"{case.name}: {'differs in ' + ', '.join(found) if found else 'equal'}", flush=True)
    return int(wrong > 0)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spikec-benchmarks"


def chosen_cases(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Case]:
    """The named cases, or all those of the form, without those that cannot be had here."""
    known = cases()
    names = [name for name, case in known.items() if case.short or arguments.full or arguments.check]
    if arguments.cases:
        wanted = arguments.cases.split(",")
        names = [name for name in known if name in wanted or known[name].network in wanted]
        absent = set(wanted) - set(names) - {known[name].network for name in names}
        if absent:
            parser.error(f"unknown: {', '.join(sorted(absent))}; there are {', '.join(known)}")
    found = []
    for name in names:
        missing = known[name].missing()
        if missing:
            print(f"{name} is left out: {missing}", flush=True)
        else:
            found.append(known[name] if arguments.full or arguments.check else known[name].over("in_short"))
    return found


def chosen_peers(names: str | None, parser: argparse.ArgumentParser) -> list[Peer]:
    """Ourselves and the named peers, or all."""
    wanted = {peer.name for peer in PEERS} if names is None else {OURS.name, *names.split(",")}
    unknown = wanted - {peer.name for peer in PEERS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in PEERS)}")
    return [peer for peer in PEERS if peer.name in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all cases at full length")
    parser.add_argument("--check", action="store_true", help="compare with the reference interpreter instead")
    parser.add_argument("--rounds", type=int, help=f"of a case; {ROUNDS} in full, at least {LEAST_ROUNDS} in short")
    parser.add_argument("--cases", help="networks or cases, separated by commas")
    parser.add_argument("--peers", help=f"names, separated by commas; {HANDWRITTEN.name} is the loop written by hand")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder of environments and builds")
    parser.add_argument("--json", type=Path, default=BUILD / "benchmarks.json", help="file of the results")
    parser.add_argument("--plot", type=Path, default=BUILD / "benchmarks.png", help="file of the chart")
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    arguments.cache = arguments.cache.resolve()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    chosen = chosen_cases(arguments, parser)
    if arguments.check:
        return checked(chosen, arguments)
    return measured(chosen, chosen_peers(arguments.peers, parser), arguments)


if __name__ == "__main__":
    sys.exit(main())
