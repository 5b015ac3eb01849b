"""How long the PTX of each example takes: from kernels in LLVM IR to text, processor time in ms, the best of some runs.

    python benchmarks/ptx_emission.py [--chip CHIP]

A line is an example: milliseconds, and the size of the text.  LLVM is there already: each text is made once before.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from spikec import driver
from spikec.backends.ptx import codegen
from spikec.backends.ptx.chips import CHIPS
from spikec.compilation import Compilation, Options
from timing import least

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*/*.snn"))
RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chip", default="sm_80", choices=tuple(CHIPS), metavar="CHIP")
    chip = parser.parse_args().chip
    for path in EXAMPLES:
        text = driver.emit(Compilation(path, Options(target=f"ptx:{chip}")), ["llvm"]).files["llvm"].decode()
        size = len(codegen.ptx(text, chip))
        (seconds,) = least([partial(codegen.ptx, text, chip)], RUNS)
        print(f"{path.parent.name + '/' + path.stem:<28} {seconds * 1000:>6.0f} ms {size / 1000:>6.0f} kB", flush=True)


if __name__ == "__main__":
    main()
