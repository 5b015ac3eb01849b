"""What an event costs in each format of pruned weights: by the cost model, and measured.

    python benchmarks/formats.py [--layer SOURCESxTARGETS]...

A line is a layer and a share of its weights; a pair of numbers is a format: nanoseconds of an event by the model, and
those of the compiled loop with events less those without, for each event.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import spikec
from sparsity import MODEL
from spikec.analysis.cost_model import CLOCK, row_cycles
from spikec.lower.snn_to_step import formats

LAYERS = ("64x256", "256x10", "128x128", "784x128", "1024x1024")
DENSITIES = (0.5, 0.25, 0.1, 0.05, 0.02)
BLOCK = 16
STEPS, RUNS = 400, 9
WIDTH = 4  # bytes of a sum


def layer(folder: Path, sources: int, targets: int) -> Any:
    """A layer with random weights, at level `snn`."""
    weights = np.random.default_rng(0).normal(0, 1, (targets, sources)).astype(np.float32)
    np.savez(folder / "weights.npz", W=weights)
    text = MODEL.replace("[N]", f"[{sources}]").replace("[P]", f"[{targets}]").replace("P, N", f"{targets}, {sources}")
    (folder / "net.snn").write_text(text)
    return spikec.load(folder / "net.snn", params={"N": sources, "P": targets})


def measured(program: Any, x: npt.NDArray[np.bool_]) -> float:
    """Nanoseconds of an event."""
    net = spikec.compile(program, "cpu")
    best = [float("inf")] * 2
    for _ in range(RUNS):
        for number, given in enumerate((x, np.zeros_like(x))):
            begin = time.process_time()
            net.run({"x": given}, steps=len(x))
            best[number] = min(best[number], time.process_time() - begin)
    return (best[0] - best[1]) / max(1, int(x.sum())) * 1e9


def stored(network: Any, pipeline: str, format: str, x: npt.NDArray[np.bool_]) -> float:
    """Nanoseconds of an event of a pruned layer whose rows are stored in a format."""

    def given(rows: Any, post: int, width: int) -> formats.Stored | None:
        return formats.of(format, rows, post)

    with mock.patch.object(formats, "chosen", given):
        return measured(spikec.pipeline(f"canonicalize,{pipeline}")(network), x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--layer", action="append", metavar="SOURCESxTARGETS")
    rng = np.random.default_rng(1)
    print(f"{'layer':<10} {'density':>7}  {'model, measured: ns an event'}")
    for name in parser.parse_args().layer or LAYERS:
        sources, targets = (int(number) for number in name.split("x"))
        x = rng.random((STEPS, sources)) < (0.3 if sources <= 64 else 0.1)
        with tempfile.TemporaryDirectory() as folder:
            network = layer(Path(folder), sources, targets)
            shown = row_cycles("dense", targets, targets, WIDTH) / CLOCK["cpu"]
            whole = measured(spikec.pipeline("canonicalize")(network), x)
            print(f"{name:<10} {1:>7}  dense {shown:5.1f} {whole:5.1f}", flush=True)
            for density in DENSITIES:
                kinds = {"csr": "", "bitmap": "", **({"block": f",block=1x{BLOCK}"} if targets % BLOCK == 0 else {})}
                cells = []
                for format, block in kinds.items():
                    model = row_cycles(format, density * targets, targets, WIDTH) / CLOCK["cpu"]
                    found = stored(network, f"sparsify{{density={density}{block}}}", format, x)
                    cells.append(f"{format} {model:5.1f} {found:5.1f}")
                print(f"{'':<10} {density:>7}  {'   '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
