"""Weights from beyond the second cache that 16 bits can hold are kept so, and give the bits of the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.target import CpuTarget

from .conftest import equal

MODEL = """model Wide {
  step 1 ms
  neuron IF { in I; var V = 0; V := 0.8 * V + I; spike when V >= 1 { V := 0 } }
  input x : spikes[300]
  param A : real[ROWS, 300] = load("w.npz", "A")
  param B : real[40, ROWS]  = load("w.npz", "B")
  a = IF[ROWS](A @ x)
  b = IF[40](B @ a)
  output y = b
  probe a.V
}
"""


@pytest.mark.skipif(not CpuTarget.parse().compress, reason="it needs AVX-512")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1024, 1001])
def test_weights_of_16_bits(tmp_path: Path, rows: int, threads: int) -> None:
    rng = np.random.default_rng(rows)
    large, small = rng.normal(0, 0.1, (rows, 300)), rng.normal(0, 0.1, (40, rows))
    # Subnormal numbers of 16 bits, zeros of both signs, and the largest number.
    halves = large.astype(np.float16)
    halves[:4, 0] = [2.0**-24, -(2.0**-15), -0.0, 65504]
    (tmp_path / "m.snn").write_text(MODEL.replace("ROWS", str(rows)))
    x = rng.random((30, 300)) < 0.1
    x[:, 0] = True
    kept = {}
    for name, weights in (
        ("halves", halves),
        ("others", large),
        ("too large", np.where(halves < 0.3, halves.astype(float), 1e5)),
    ):
        np.savez(tmp_path / "w.npz", A=weights.astype(np.float32), B=small.astype(np.float16).astype(np.float32))
        program = spikec.load(tmp_path / "m.snn")
        net = spikec.compile(program)
        mine, reference = net.run({"x": x}, threads=threads), spikec.compile(program, target="reference").run({"x": x})
        assert all(equal(mine.outputs[key], reference.outputs[key]) for key in reference.outputs)
        assert all(equal(mine.probes[key], reference.probes[key]) for key in reference.probes)
        kept[name] = {stored.dtype for stored in net.engine.layout.stored}
    assert kept == {"halves": {"float16", "float32"}, "others": {"float32"}, "too large": {"float32"}}
