"""Initial states and parameters with a value for each cell: loaded, computed from `index`, spaced, drawn."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.dialects.random import key, uniform

from .engines import Array, differences, run_everywhere

MODEL = """
model Start(file: path = "start.npz") {
  step 1 ms
  neuron Cell(tau: time = 10 ms, b = 0.0, E: voltage = 0 mV) {
    in  I
    var V = 0, n : int = 0, U : voltage = E + index * 1 mV
    V := exp(-dt / tau) * V + I + b
    n += 1
    U := U + 1 mV
    spike when V >= 100 { V := 0 }
  }
  neuron Slow = Cell(tau = load("start.npz", "tau"), b = 0.5 * index)
  neuron Drawn = Cell(b = uniform(0, 2))
  param P = load(file)
  param theta = load(file, "scalar")
  param long : time = load(file, "scalar")
  param ramp : time[4] = linspace(1 ms, 4 ms)
  param bend : real[3] = logspace(1, 100)
  param sign : real[4] = if index < 3 then 1 else -1
  param g : real[4] = uniform(1, 3) seed 7 in [1, 3]
  pop a : Cell[4](tau = load(file, "tau"), E = P.volts) { V = load(file, "V"); n = index; U = P.volts }
  pop b : Cell[2, 2](b = 0.1 * index + theta) { V = 0.1 * index }
  pop c : Slow[4] { V = 2 * sign }
  pop d : Cell[4](tau = uniform(5 ms, 20 ms), b = g)
  pop e : Cell[4](tau = ramp) { V = uniform(0, 1) seed 3 }
  pop f : Drawn[4](tau = long)
  output bent = bend * once(1)
  output gain = g * (1.0 * a + 1)
  probe a.V, a.n, a.U, b.V, b.U, c.V, d.V, e.V, f.V
}
"""
STEPS = 4
TAU = np.array([0.005, 0.01, 0.015, 0.02])
ARRAYS = {
    "tau": TAU,
    "V": np.array([0.0, 0.25, 0.5, 1.0]),
    "volts": np.array([-0.06, -0.061, -0.062, -0.063]),
    "scalar": np.float64(0.5),
}


def decays(start: Array, tau: Array | float, b: Array | float) -> Array:
    """V after each step."""
    found, V = [], np.asarray(start, np.float64)
    for _ in range(STEPS):
        V = np.exp(-1e-3 / np.asarray(tau)) * V + b
        found.append(V)
    return np.array(found)


def drawn(path: str, seed: int, low: float, high: float) -> Array:
    return low + (high - low) * uniform(key(11, seed, path), np.arange(4), 0, 0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    folder = tmp_path_factory.mktemp("start")
    (folder / "start.snn").write_text(MODEL, encoding="utf-8")
    np.savez(folder / "start.npz", **ARRAYS)  # type: ignore[arg-type]
    runs = run_everywhere(folder / "start.snn", {}, STEPS, seed=11)
    assert differences(runs) == []
    return {**runs["cpu"].probes, **runs["cpu"].outputs}


def test_arrays_of_a_file_are_in_si_units_of_their_place(found: dict[str, Array]) -> None:
    assert np.allclose(found["a.V"], decays(ARRAYS["V"], TAU, 0))
    steps = np.arange(1, STEPS + 1)[:, None]
    assert np.allclose(found["a.U"], ARRAYS["volts"] + 1e-3 * steps)
    assert np.array_equal(found["a.n"], np.arange(4) + steps)
    assert np.allclose(found["c.V"], decays(np.array([2, 2, 2, -2]), TAU, 0.5 * np.arange(4)))


def test_values_of_the_index(found: dict[str, Array]) -> None:
    index = np.arange(4.0).reshape(2, 2)
    assert np.allclose(found["b.V"], decays(0.1 * index, 0.01, 0.1 * index + 0.5))
    assert np.allclose(found["b.U"], 1e-3 * (index + np.arange(1, STEPS + 1)[:, None, None]))


def test_spaced_numbers(found: dict[str, Array]) -> None:
    start = drawn("e.V", 3, 0, 1)
    assert np.allclose(found["e.V"], decays(start, 1e-3 * np.array([1, 2, 3, 4]), 0))
    assert np.allclose(found["bent"][0], [1, 10, 100])


def test_drawn_parameters_stand_still(found: dict[str, Array]) -> None:
    g = drawn("g", 7, 1, 3)
    assert np.allclose(found["gain"], np.tile(g, (STEPS, 1)))
    assert np.allclose(found["d.V"], decays(np.zeros(4), drawn("d.tau", 0, 0.005, 0.02), g), rtol=1e-5)
    assert np.allclose(found["f.V"], decays(np.zeros(4), 0.5, drawn("f.b", 0, 0, 2)), rtol=1e-5)
