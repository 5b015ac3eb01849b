"""Time from the text of a network to its first step, and memory of ten million synapses, each beside its limit.

Each figure is that of a process of its own, from its start on.  Times are CPU seconds, the best of `--rounds`; "cold"
is without a cache, "cached" with what an earlier process left there.  Memory is what a process takes beyond the same
one with a hundred neurons: at its peak, and resident after some steps of a network from the cache.
Exit status 1 where a limit is missed.

    python benchmarks/compile_time.py [--rounds 5] [--only cuba]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CUBA = ROOT / "examples" / "02_vogels_abbott" / "cuba.snn"
BRUNEL = ROOT / "examples" / "05_brunel" / "brunel.snn"
SMALL = {"excitatory": 80, "inhibitory": 20}
SYNAPSES = 10_000_000

Row = tuple[str, float, float, str]
"""What was measured, the figure, its limit and its unit."""

# Runs a network through the cache of compiled ones and says how many KiB are then resident.
RUN = """
import sys
from pathlib import Path
from spikec import driver
net = driver.executable(driver.Compilation(Path(sys.argv[1]), driver.Options(dict(p.split("=") for p in sys.argv[3:]))))
net.run(steps=int(sys.argv[2]))
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
print(next((line.split()[1] for line in lines if line.startswith("VmRSS")), "nan"))
"""


class Processes:
    """Starts processes with a folder for Python's own cache, and for that of compiled networks where there is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment["PYTHONPYCACHEPREFIX"] = str(folder / "python")
        self.forget()

    def forget(self) -> None:
        """No cache of networks: its place cannot be a folder."""
        (self.folder / "file").touch()
        self._environment["SPIKEC_CACHE_DIR"] = str(self.folder / "file")

    @contextmanager
    def cache(self) -> Iterator[None]:
        """An empty cache of networks."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            self._environment["SPIKEC_CACHE_DIR"] = place
            try:
                yield
            finally:
                self.forget()

    def run(self, command: Sequence[object]) -> tuple[float, int, str]:
        """CPU seconds and peak memory in KiB of a process, and what it printed last."""
        with tempfile.TemporaryFile() as printed:
            words = [sys.executable, *map(str, command)]
            process = subprocess.Popen(words, env=self._environment, cwd=self.folder, stdout=printed)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            printed.seek(0)
            said = printed.read().decode()
        if process.returncode:
            sys.exit(f"failed: {' '.join(words)}")
        peak = used.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
        return used.ru_utime + used.ru_stime, peak, said.strip().rpartition("\n")[2]

    def seconds(self, command: Sequence[object], rounds: int) -> float:
        """The least CPU seconds of a command, after one that warms up."""
        return min([self.run(command)[0] for _ in range(rounds + 1)][1:])


def first_step(model: Path, params: Mapping[str, object] | None = None) -> list[object]:
    """The command that compiles a network and runs one step."""
    given = [word for name, value in (params or {}).items() for word in ("-P", f"{name}={value}")]
    return ["-m", "spikec", "run", model, "--steps", 1, *given]


# ---------------------------------------------------------------- what is measured


def start(processes: Processes, rounds: int) -> Iterator[Row]:
    yield "spikec --help", processes.seconds(["-m", "spikec", "--help"], rounds), 0.2, "s"


def cuba(processes: Processes, rounds: int) -> Iterator[Row]:
    large = {"excitatory": 32000, "inhibitory": 8000, "p": 0.002}
    for name, params, limit in (("4,000 neurons", None, 1.0), ("40,000", large, 2.0)):
        command = first_step(CUBA, params)
        yield f"CUBA of {name}, cold", processes.seconds(command, rounds), limit, "s"
        with processes.cache():
            yield f"CUBA of {name}, cached", processes.seconds(command, rounds), 0.15, "s"


def layers(processes: Processes, rounds: int) -> Iterator[Row]:
    for name, kinds in (("one neuron", 1), ("100 neurons of their own", 100)):
        model = processes.folder / f"layers_{kinds}.snn"
        model.write_text(deep(100, 64, kinds))
        yield f"100 dense layers of 64, {name}, cold", processes.seconds(first_step(model), rounds), 5.0, "s"


def deep(count: int, size: int, kinds: int) -> str:
    """The text of a network of dense layers, with the neurons taken from so many kinds in turn."""
    lines = [f"model Deep {{\n  step 1 ms\n  pop x : Poisson[{size}](rate = 50 Hz)"]
    for kind in range(kinds):
        lines.append(
            f"  neuron LIF{kind}(tau: time = {20 + kind / 10} ms) {{\n"
            "    in I : real\n    var v = 0\n    v' = -v / tau\n    v += I\n"
            f"    spike when v >= {1 + kind / 1000} {{ v := 0 }}\n  }}"
        )
    for layer in range(count):
        source = f"h{layer - 1}" if layer else "x"
        lines.append(
            f"  pop h{layer} : LIF{layer % kinds}[{size}]\n"
            f"  proj {source} -> h{layer}.I {{ connect all; weight uniform(-0.1, 0.2) seed {layer} }}"
        )
    return "\n".join([*lines, f"  output counts = over_time(count, h{count - 1})\n}}\n"])


def memory(processes: Processes, rounds: int) -> Iterator[Row]:
    text = BRUNEL.read_text()
    drawn = text.replace("weight J;", "weight uniform(0.5, 1.5) * J seed 7;")
    drawn = drawn.replace("weight -g * J;", "weight uniform(-1.5, -0.5) * g * J seed 8;")
    late = text.replace("delay transmission", "delay uniform(0.5 ms, 2.5 ms) seed 9")
    for name, network in (("one weight", text), ("a weight each", drawn), ("a delay each", late)):
        model = processes.folder / f"brunel_{len(name)}.snn"
        model.write_text(network)
        large, small = ([*first_step(model, params), "--quiet"] for params in (None, SMALL))
        peak = processes.run(large)[1] - processes.run(small)[1]
        yield f"Brunel, {name}: peak of construction", 1024 * peak / SYNAPSES, 12.0, "bytes/synapse"
        with processes.cache():
            resident = []
            for params in ((), [f"{name}={value}" for name, value in SMALL.items()]):
                command = ["-c", RUN, model, 1000, *params]
                processes.run(command)
                resident.append(float(processes.run(command)[2]))
        yield f"Brunel, {name}: resident", 1024 * (resident[0] - resident[1]) / SYNAPSES, 6.0, "bytes/synapse"


MEASURED = {"start": start, "cuba": cuba, "layers": layers, "memory": memory}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=MEASURED, help="a part of it")
    arguments = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="spikec-") as folder:
        processes = Processes(Path(folder))
        for name, rows in MEASURED.items():
            if arguments.only in (None, name):
                for what, figure, limit, unit in rows(processes, arguments.rounds):
                    missed += figure > limit
                    verdict = "" if figure <= limit else "   MISSED"
                    print(f"{what:<56}{figure:8.3f}  at most {limit:5.2f} {unit}{verdict}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
