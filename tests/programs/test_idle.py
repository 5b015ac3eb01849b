"""What is said of idle populations is true: random programs are run, and those said to be silent are.

30 random programs by default, 600 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import spikec
from spikec.analysis import idle

from .engines import reference_of_network
from .generator import write_case

PROGRAMS = 600 if os.environ.get("SPIKEC_FULL") == "1" else 30


def test_silent_populations_are_silent(report: Callable[[str, str], None]) -> None:
    found: dict[str, int] = {}
    for seed in range(PROGRAMS):
        case = write_case(Random(9000 + seed))
        with tempfile.TemporaryDirectory() as folder:
            program = spikec.load(case.write(Path(folder)))
        said = idle.find(program)
        for item in said:
            found[item.code] = found.get(item.code, 0) + 1
        if any(item.code != "W0204" for item in said):
            counts = reference_of_network(program, seed).run(case.inputs, steps=case.steps).counts
            for item in said:
                if item.code == "W0205" or "never spikes" in item.message:
                    assert counts[item.population] == 0, case
                elif "spikes in every step" in item.message:
                    assert counts[item.population] >= case.steps, case
    report(f"idle populations in {PROGRAMS} random programs", ", ".join(f"{k}: {n}" for k, n in sorted(found.items())))
