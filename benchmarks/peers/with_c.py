"""Loops written by hand for one network each, in `handwritten/`: what a compiler can be measured against.

The numbers of a case are known to the C compiler, and the program draws its connections before it looks at the clock.
With `--shared-counters` four cells draw from one counter of the generator; in the language each has its own, so that
what a cell draws depends on nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from protocol import Case, Result, Task, serve

SOURCES = Path(__file__).resolve().parent.parent / "handwritten"


def sizes(case: Case) -> dict[str, float]:
    return {"EXC": case["neurons"]["exc"], "INH": case["neurons"]["inh"], "STEPS": case["steps"], "SEED": 1}


def cuba(case: Case) -> dict[str, float]:
    return {**sizes(case), "P": case["parameters"]["p"]}


def brunel(case: Case) -> dict[str, float]:
    outside_kHz = case["parameters"].get("outside_kHz")
    if not outside_kHz:
        return sizes(case)
    shared = {"SHARED_COUNTERS": 1} if "--shared-counters" in case["options"] else {}
    return sizes(case) | {"POISSON": outside_kHz * case["dt_ms"]} | shared


def check_processor() -> None:
    info = Path("/proc/cpuinfo")
    if not info.is_file() or "avx512vbmi" not in info.read_text().split():
        sys.exit("these loops need AVX-512 with VBMI")


def prepare(numbers: Callable[[Case], Mapping[str, float]], case: Case, folder: Path) -> None:
    check_processor()
    flags = [f"-D{name}={value}" for name, value in numbers(case).items()]
    source = SOURCES / f"{case['network']}.c"
    subprocess.run(["gcc", "-O3", "-march=native", *flags, source, "-o", folder / "program", "-lm"], check=True)


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    def run() -> Result:
        done = subprocess.run([folder / "program"], check=True, stdout=subprocess.PIPE)
        return Result(**json.loads(done.stdout))

    return run


if __name__ == "__main__":
    serve(__doc__, {network.__name__: Task(ready, partial(prepare, network)) for network in (cuba, brunel)})
