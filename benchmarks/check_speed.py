"""How long `spikec check` takes on a model of 2000 lines, after imports.

    python benchmarks/check_speed.py [--lines 2000] [--profile]

The model has as many neurons, populations, projections and probes as fit: each neuron has equations of its own and is
used by one population, which projects to the next.  The first check of a process loads MLIR and the tables of the
parser; the seconds are those of the processor in the best of five checks after it.  Exit status 1 where they are one
or more.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from pathlib import Path

from spikec import driver

LIMIT = 1.0


def model(lines: int) -> str:
    """A model of about so many lines."""
    parts = ["model Long {", "  step 0.1 ms", "  input x : spikes[40]", ""]
    count = (lines - 6) // 14
    for k in range(count):
        source = f"p{k - 1}" if k else "x"
        parts += f"""\
  neuron N{k}(tau: time = {10 + k % 7} ms, theta: voltage = -50 mV, rest: voltage = -{65 + k % 5} mV) {{
    in  ge : voltage
    var V : voltage = rest, n : int = 0
    V'  = (rest - V + ge) / tau
    ge' = -ge / 5 ms
    excess = V - rest
    spike when V >= theta and excess > {k % 3} mV {{
      V := rest
      n += 1
      hold V for 2 ms
    }}
  }}
  pop p{k} : N{k}[40] {{ V = uniform(-65 mV, -50 mV) seed {k} }}
  proj {source} -> p{k}.ge {{ connect prob(0.2) seed {k}; weight {2 + k % 4} mV; delay {1 + k % 3} ms }}""".split("\n")
    return "\n".join([*parts, f"  probe p{count - 1}.spike", "}", ""])


def seconds(path: Path) -> float:
    """The time of one check."""
    begin = time.process_time()
    compilation = driver.Compilation(path, driver.Options())
    driver.check(compilation)
    taken = time.process_time() - begin
    for stage, value in compilation.seconds.items():
        print(f"{value * 1e3:9.1f} ms  {stage}", file=sys.stderr)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.snn"
        text = model(arguments.lines)
        path.write_text(text)
        first = seconds(path)
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(driver.check, driver.Compilation(path, driver.Options()))
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        best = min(seconds(path) for _ in range(5))
    print(f"{text.count(chr(10))} lines: {best:.3f} s (the first time {first:.3f} s)")
    return int(best >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
