"""`lfsr`: the bits of shift registers by hand, the same on every engine, and their rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spikec
from spikec.dialects.random import key, shift_registers

from tests.ptx.emulated import Emulated

from .engines import Array, differences, run_everywhere

STEPS = 20

SHIFTED = """
model Shifted {
  step 1 ms
  input x : real[2, 5] in [0, 1]
  s = lfsr(0.5 * x) seed 7
  t = lfsr(x * 300 Hz)
  k = lfsr(1 - x) seed 8
  output s = s
  output t = t
  output k = k
}
"""


def shifted(starts: Array, steps: int) -> Array:
    """Numbers in [0, 1) from 24 single shifts a step."""
    registers = [int(start) for start in starts]
    found = np.empty((steps, len(registers)), np.float32)
    for t in range(steps):
        for n, _ in enumerate(registers):
            for _ in range(24):
                r = registers[n]
                fresh = (r >> 31 ^ r >> 29 ^ r >> 25 ^ r >> 24) & 1
                registers[n] = (r << 1 | fresh) & 0xFFFFFFFF
            found[t, n] = (registers[n] & 0xFFFFFF) / 2**24
    return found


def test_every_engine_has_the_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((STEPS, 2, 5)).astype(np.float32)
    (tmp_path / "model.snn").write_text(SHIFTED)
    runs = run_everywhere(tmp_path / "model.snn", {"x": x}, STEPS)
    runs |= Emulated.of(spikec.load(tmp_path / "model.snn"), "ptx").runs({"x": x}, STEPS)
    assert not differences(runs)
    found = next(iter(runs.values())).outputs
    flat = x.reshape(STEPS, -1)
    rates = {"s": np.float32(0.5) * flat, "t": flat * np.float32(0.3), "k": np.float32(1) - flat}
    for name, seed in (("s", 7), ("t", 0), ("k", 8)):
        u = shifted(shift_registers(key(0, seed, f"{name}/lfsr#0"), np.arange(10)), STEPS)
        assert np.array_equal(found[name].reshape(STEPS, -1), u < rates[name]), name


def test_rates_are_those_asked_for(tmp_path: Path) -> None:
    """Over 4000 steps: the rate within 5 deviations of a fair draw, and no correlation with the step before."""
    rates = np.array([0.02, 0.1, 0.3, 0.5, 0.9])
    text = "model Rates { step 1 ms; input p : real[5]; s = lfsr(p); output s = s }"
    (tmp_path / "model.snn").write_text(text)
    steps = 4000
    s = spikec.compile(spikec.load(tmp_path / "model.snn")).run({"p": rates.astype("f4")}, steps).outputs["s"]
    deviation = np.sqrt(rates * (1 - rates) / steps)
    assert (np.abs(s.mean(0) - rates) < 5 * deviation).all()
    both = (s[1:] & s[:-1]).mean(0)
    assert (np.abs(both - rates**2) < 5 * np.sqrt(rates**2 / steps)).all()
    assert not (s[:, 0] == s[:, 1]).all()


def test_a_register_returns_after_all_other_states() -> None:
    """A single shift is a linear map of 32 bits; its order is 2^32 - 1, and that of 24 shifts a third of it."""

    def shift(r: int) -> int:
        return (r << 1 | (r >> 31 ^ r >> 29 ^ r >> 25 ^ r >> 24) & 1) & 0xFFFFFFFF

    def applied(matrix: list[int], r: int) -> int:
        total = 0
        for k in range(32):
            total ^= matrix[k] if r >> k & 1 else 0
        return total

    def power(exponent: int) -> list[int]:
        found, square = one, [shift(r) for r in one]
        while exponent:
            if exponent & 1:
                found = [applied(square, r) for r in found]
            square, exponent = [applied(square, r) for r in square], exponent >> 1
        return found

    one = [1 << k for k in range(32)]
    period = 2**32 - 1
    assert power(period) == one
    assert all(power(period // prime) != one for prime in (3, 5, 17, 257, 65537))
    assert np.gcd(24, period) == 3
