"""`std.neurons`: each against its recurrence in numpy, a closed form, a fine integration in f64, or its paper's pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.runtime.run import Run

from .engines import differences, run_everywhere

Array = npt.NDArray[Any]
Simulate = Callable[..., Run]


@pytest.fixture
def simulate(tmp_path: Path) -> Simulate:
    """`simulate(lines, steps, step="1 ms", x=None, real=32)` on the processor."""

    def run(lines: str, steps: int, step: str = "1 ms", x: Array | None = None, real: int = 32) -> Run:
        path = tmp_path / "model.snn"
        declared = "" if x is None else f"input x : real[{x.shape[1]}]\n"
        path.write_text(f"import std.neurons\nmodel M {{\nstep {step}\n{declared}{lines}\n}}\n", "utf-8")
        inputs = {} if x is None else {"x": x}
        return spikec.compile(spikec.load(path, real=real), "cpu").run(inputs, steps=steps)

    return run


def spikes(run: Run, population: str, shape: tuple[int, ...]) -> Array:
    """What was recorded of spikes as an array of flags [step, cell]."""
    flags = np.zeros(shape, bool)
    flags[tuple(np.asarray(run.probes[f"{population}.spike"]).T)] = True
    return flags


def times(run: Run, cell: int = 0) -> Array:
    """The steps in which a cell of `p` spiked."""
    found = np.asarray(run.probes["p.spike"])
    return found[found[:, 1] == cell, 0]


# ---------------------------------------------------------------- every engine

ALL = """import std.neurons
model All {
  step 0.1 ms
  input x : real[5] in [0, 2]
  a = IF[5](x)
  b = LIF[5](0.4 * x, theta = 0.9)
  c = PLIF[5](2 * x, tau = 3 ms)
  d = CubaLIF[5](0.05 * x)
  e = ALIF[5](0.3 * x, tau_a = 20 ms)
  f = Izhikevich[5](30 * x)
  g = QIF[5](x * 40 mV)
  h = AdEx[5](x * 3 nA)
  k = HodgkinHuxley[5](x * 30 uA)
  output most = over_time(count, concat(a, b, c, d, e, f, g, h, k))
  probe a.V, b.V, c.V, d.V, d.i, e.V, e.b, f.V, f.u, g.V, h.V, h.w, k.V, k.m, k.h, k.n
  probe a.spike, b.spike, c.spike, d.spike, e.spike, f.spike, g.spike, h.spike, k.spike
}
"""


@pytest.mark.parametrize("real", [32, 64])
def test_every_engine_gives_the_same_bits(tmp_path: Path, real: int) -> None:
    path = tmp_path / "all.snn"
    path.write_text(ALL, "utf-8")
    dtype = np.float32 if real == 32 else np.float64
    x = (2 * np.random.default_rng(1).random((300, 5))).astype(dtype)
    runs = run_everywhere(path, {"x": x}, 300, real=real)
    assert not differences(runs)
    counts = np.asarray(runs["cpu"].outputs["most"]).reshape(9, 5).sum(axis=1)
    assert np.all(counts > 5), counts


# ---------------------------------------------------------------- recurrences


def recurrence(name: str, x: Array, dtype: Any, dt: float) -> tuple[Array, Array]:
    """Voltages and spikes of the neurons that are recurrences, each operation rounded to `dtype`."""
    real = dtype

    def decay(tau: float) -> Any:
        return real(math.exp(-dt / tau))

    zero = np.zeros(x.shape[1], dtype)
    v, i, b = zero, zero, zero
    voltages, fired = [], []
    for drive in x:
        threshold: Any = real(1)
        match name:
            case "IF":
                v = v + drive
            case "LIF":
                v = decay(10e-3) * v + drive
            case "PLIF":
                v = v + (drive - v) * real(dt) / real(2 * dt)
            case "CubaLIF":
                i = decay(5e-3) * i + drive
                v = decay(10e-3) * v + i
            case "ALIF":
                b = decay(200e-3) * b
                v = decay(20e-3) * v + drive
                threshold = real(1) + real(1.8) * b
        spike = v >= threshold
        v = np.where(spike, zero if name == "PLIF" else v - threshold, v)
        b = np.where(spike, b + real(1), b)
        voltages.append(v)
        fired.append(spike)
    return np.array(voltages), np.array(fired)


@pytest.mark.parametrize("name", ["IF", "LIF", "PLIF", "CubaLIF", "ALIF"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_recurrences_equal_numpy(simulate: Simulate, name: str, dtype: Any) -> None:
    x = np.random.default_rng(2).uniform(-0.4, 2, (400, 6)).astype(dtype)
    run = simulate(f"pop p : {name}[6](x)\nprobe p.V, p.spike", 400, x=x, real=32 if dtype is np.float32 else 64)
    voltages, fired = recurrence(name, x, dtype, 1e-3)
    assert np.array_equal(run.probes["p.V"], voltages)
    assert np.array_equal(spikes(run, "p", fired.shape), fired)
    assert fired.sum() > 50


def test_the_first_spike_is_where_the_geometric_sum_says(simulate: Simulate) -> None:
    """A constant input I makes V = I n in IF, and I (1 - d^n) / (1 - d) in LIF, after n steps; PLIF tends to I."""
    drive, d = 0.085, math.exp(-1 / 20)
    x = np.full((100, 1), drive, np.float32)
    first = {}
    for call in ("IF[1](x)", "LIF[1](x, tau = 20 steps)", "PLIF[1](11 * x, tau = 20 steps)", "PLIF[1](13 * x)"):
        run = simulate(f"pop p : {call}\nprobe p.spike", 100, step="1 steps", x=x)
        first[call] = [*(times(run) + 1), None][0]
    towards = 13 * drive  # and its distance halves in each step
    assert list(first.values()) == [
        math.ceil(1 / drive),
        math.ceil(math.log(1 - (1 - d) / drive) / math.log(d)),
        None,
        math.ceil(math.log2(towards / (towards - 1))),
    ]


# ---------------------------------------------------------------- Izhikevich


def test_izhikevich_is_the_program_of_the_paper(simulate: Simulate) -> None:
    x = np.random.default_rng(3).normal(5, 4, (500, 3)).astype(np.float32)
    run = simulate("pop p : Izhikevich[3](x)\nprobe p.V, p.u, p.spike", 500, x=x)
    f = np.float32
    v, u = np.full(3, -65, f), np.full(3, -13, f)
    for t in range(500):
        for _ in range(2):
            v = v + f(0.5) * (f(0.04) * (v * v) + f(5) * v + f(140) - u + x[t])
        u = u + f(0.02) * (f(0.2) * v - u)
        fired = v >= 30
        v, u = np.where(fired, f(-65), v), np.where(fired, u + f(8), u)
        np.testing.assert_allclose(run.probes["p.V"][t], v, rtol=1e-4, atol=1e-3)
        v, u = run.probes["p.V"][t], run.probes["p.u"][t]  # rounding must not add up over the spikes
    assert len(run.probes["p.spike"]) > 10


def test_izhikevich_shows_the_patterns_of_the_paper(simulate: Simulate) -> None:
    run = simulate(
        """param a : real[5] = [0.02, 0.02, 0.02, 0.1, 0.02]
        param b : real[5] = [0.2, 0.2, 0.2, 0.2, 0.25]
        param c : real[5] = [-65, -55, -50, -65, -65]
        param d : real[5] = [8, 4, 2, 2, 2]
        pop p : Izhikevich[5](a = a, b = b, c = c, d = d)
        p.I = 10
        probe p.spike""",
        500,
    )
    regular, intrinsic, chattering, fast, low = (np.diff(times(run, cell)) for cell in range(5))
    # regular spiking: the first interval is the shortest, then a steady rhythm
    assert regular[0] < 0.7 * regular[1:].min() and regular[2:].std() < 0.12 * regular[2:].mean()
    # intrinsically bursting: one burst at the onset, then single spikes
    assert intrinsic[0] <= 6 and intrinsic[1:].min() > 25
    # chattering: short intervals and long pauses to the end
    assert set(chattering > 10) == {True, False} and chattering[chattering <= 10].max() <= 5
    assert np.sum(chattering[-8:] > 40) >= 3 and np.sum(chattering[-8:] < 6) >= 3
    # fast spiking: the highest rate without adaptation; low-threshold spiking: fast, slowing down
    assert len(fast) > 2.5 * len(regular) and fast[-10:].mean() < 1.3 * fast[:10].mean() + 2
    assert low[:2].mean() < 0.5 * low[2:].mean()


# ---------------------------------------------------------------- QIF


def test_the_interval_of_qif_is_its_closed_form(simulate: Simulate) -> None:
    drives = np.array([4.0, 5.0, 8.0, 15.0, 40.0])
    run = simulate(
        f"param drive : voltage[5] = {(drives * 1e-3).tolist()}\npop p : QIF[5]\np.I = drive\nprobe p.spike",
        40_000,
        step="0.02 ms",
    )
    tau, rest, threshold, peak, reset = 10.0, -65.0, -50.0, 20.0, -80.0
    width, middle = threshold - rest, (threshold + rest) / 2
    for cell, drive in enumerate(drives):
        omega = math.sqrt(width * drive - width**2 / 4)
        ends = math.atan((peak - middle) / omega), math.atan((reset - middle) / omega)
        period = tau * width / omega * (ends[0] - ends[1])
        found = times(run, cell)
        assert len(found) > 2
        # A spike is seen at the end of the step in which it happens.
        assert np.diff(found).mean() * 0.02 == pytest.approx(period, abs=0.021)


def test_the_rate_of_qif_grows_with_the_root_of_the_current(simulate: Simulate) -> None:
    above = np.array([0.05, 0.2, 0.8, 3.2])  # mV above the least current that makes it fire, 3.75 mV
    run = simulate(
        f"param drive : voltage[4] = {((3.75 + above) * 1e-3).tolist()}\n"
        "pop p : QIF[4](V_peak = 500 mV, V_reset = -630 mV)\np.I = drive\nprobe p.spike",
        250_000,
        step="0.01 ms",
    )
    periods = np.array([np.diff(times(run, cell)).mean() * 0.01 for cell in range(4)])
    np.testing.assert_allclose(periods * np.sqrt(15 * above), 10 * 15 * math.pi, rtol=0.03)
    below = simulate("pop p : QIF[1]\np.I = 3.7 mV\nprobe p.spike, p.V", 20_000)
    assert len(times(below)) == 0


# ---------------------------------------------------------------- AdEx


def fine_adex(drive: float, steps: int, dt: float, reset: float) -> list[float]:
    """Spike times in ms of AdEx in f64 (pF, nS, mV, pA, ms), the method of Runge and Kutta."""
    c, g, rest, threshold, slope, tau, a, b = 281.0, 30.0, -70.6, -50.4, 2.0, 144.0, 4.0, 80.5

    def rate(v: float, w: float) -> tuple[float, float]:
        push = math.exp(min((v - threshold) / slope, 60.0))
        return (g * (rest - v) + g * slope * push - w + drive) / c, (a * (v - rest) - w) / tau

    v, w, found = rest, 0.0, []
    for step in range(steps):
        k1 = rate(v, w)
        k2 = rate(v + dt / 2 * k1[0], w + dt / 2 * k1[1])
        if v + dt * k2[0] > 100:  # the upstroke: less than a step to go
            v, w, k1, k2 = 100.0, w + dt * k1[1], (0.0, 0.0), (0.0, 0.0)
        v, w = v + dt * k2[0], w + dt * k2[1]
        if v >= 20:
            found.append((step + 1) * dt)
            v, w = reset, w + b
    return found


def test_adex_against_a_fine_integration(simulate: Simulate) -> None:
    run = simulate("pop p : AdEx[1]\np.I = 1 nA\nprobe p.spike", 30_000, step="0.01 ms")
    found, fine = (times(run) + 1) * 0.01, np.array(fine_adex(1000.0, 750_000, 0.0004, -70.6))
    assert len(found) == len(fine) > 5
    np.testing.assert_allclose(np.diff(found), np.diff(fine), rtol=0.005)
    # the paper's neuron adapts: each interval is longer than the one before, more than twice in the end
    assert np.all(np.diff(found, n=2) > 0) and np.diff(found)[-1] > 2 * np.diff(found)[0]


def test_adex_shows_tonic_adapting_and_bursting_patterns(simulate: Simulate) -> None:
    """Table 6.1 of W. Gerstner et al., Neuronal Dynamics, 2014, with the current that it is shown for."""
    run = simulate(
        """param C : capacitance[4] = [40e-12, 400e-12, 10e-12, 10e-12]
        param a : conductance[4] = [0, 0, 0.5e-9, -0.5e-9]
        param tau : time[4] = [30e-3, 100e-3, 100e-3, 100e-3]
        param b : current[4] = [60e-12, 5e-12, 7e-12, 7e-12]
        param reset : voltage[4] = [-55e-3, -55e-3, -51e-3, -46e-3]
        neuron Cell = AdEx(g_L = 2 nS, E_L = -70 mV, V_T = -50 mV, Delta_T = 2 mV)
        pop p : Cell[4](C = C, a = a, tau_w = tau, b = b, V_reset = reset)
        p.I = 65 pA
        probe p.spike""",
        30_000,
        step="0.1 ms",
    )
    tonic, adapting, initial, bursting = (np.diff(times(run, cell)) * 0.1 for cell in range(4))
    assert np.ptp(tonic[1:]) < 0.02 * tonic.mean()
    assert np.all(np.diff(adapting[:3]) > 0) and np.ptp(adapting[3:]) < 0.02 * adapting.mean()
    assert initial[:3].max() < 7 and np.ptp(initial[5:]) < 0.02 * initial[5:].mean() and initial[5:].min() > 30
    late = bursting[len(bursting) // 2 :]
    assert np.sum(late > 40) >= 10 and np.sum(late < 4) >= 2 * np.sum(late > 40)
    assert np.sum((late >= 4) & (late <= 40)) == 0


# ---------------------------------------------------------------- Hodgkin and Huxley


def fine_hodgkin_huxley(drive: float, milliseconds: float, dt: float, every: int) -> Array:
    """V in mV every `every` steps, in f64 with the method of Runge and Kutta, drive in uA/cm2."""

    def rates(s: Sequence[float]) -> tuple[float, ...]:
        v, m, h, n = s
        am, an = 0.1 * (v + 40) / -math.expm1(-(v + 40) / 10), 0.01 * (v + 55) / -math.expm1(-(v + 55) / 10)
        bm, bn = 4 * math.exp(-(v + 65) / 18), 0.125 * math.exp(-(v + 65) / 80)
        ah, bh = 0.07 * math.exp(-(v + 65) / 20), 1 / (1 + math.exp(-(v + 35) / 10))
        current = 120 * m**3 * h * (50 - v) + 36 * n**4 * (-77 - v) + 0.3 * (-54.387 - v) + drive
        return current, am * (1 - m) - bm * m, ah * (1 - h) - bh * h, an * (1 - n) - bn * n

    def moved(s: Sequence[float], k: Sequence[float], by: float) -> tuple[float, ...]:
        return tuple(a + by * b for a, b in zip(s, k, strict=True))

    state: tuple[float, ...] = (-65.0, 0.052932, 0.596121, 0.317677)
    trace = []
    for step in range(round(milliseconds / dt)):
        k1 = rates(state)
        k2 = rates(moved(state, k1, dt / 2))
        k3 = rates(moved(state, k2, dt / 2))
        k4 = rates(moved(state, k3, dt))
        slope = tuple((a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        state = moved(state, slope, dt)
        if (step + 1) % every == 0:
            trace.append(state[0])
    return np.array(trace)


@pytest.mark.parametrize(("dt", "close"), [(0.01, 2.0), (0.0025, 0.5)])
def test_the_spike_of_hodgkin_and_huxley_has_its_shape(simulate: Simulate, dt: float, close: float) -> None:
    """Against steps of 0.1 us: what differs, in mV, shrinks with the step, as it does for a method of the first order."""
    whole = simulate("pop p : HodgkinHuxley[1]\np.I = 10 uA\nprobe p.V, p.spike", round(15 / dt), step=f"{dt} ms")
    every = round(0.01 / dt)
    found, fine = whole.probes["p.V"][every - 1 :: every, 0] * 1e3, fine_hodgkin_huxley(10.0, 15.0, 1e-4, 100)
    assert abs(int(found.argmax()) - int(fine.argmax())) <= 5  # 0.05 ms
    assert found.max() == pytest.approx(fine.max(), abs=0.2)
    assert found.min() == pytest.approx(fine.min(), abs=0.1)
    around = np.arange(-150, 500)
    np.testing.assert_allclose(found[found.argmax() + around], fine[fine.argmax() + around], atol=close)
    assert np.count_nonzero(found >= 0) == pytest.approx(np.count_nonzero(fine >= 0), abs=1)
    assert times(whole).tolist() == [int(np.argmax(whole.probes["p.V"][:, 0] >= 0))]


def test_hodgkin_and_huxley_rest_fire_once_and_fire_repeatedly(simulate: Simulate) -> None:
    """One spike above 2.3 uA/cm2, a train from 6.3 on, at 68 Hz with 10."""
    run = simulate(
        "param drive : current[6] = [0, 2e-6, 2.5e-6, 6e-6, 6.5e-6, 10e-6]\n"
        "pop p : HodgkinHuxley[6]\np.I = drive\nprobe p.spike, p.V",
        100_000,
        step="0.01 ms",
    )
    counts = [len(times(run, cell)) for cell in range(6)]
    assert counts[:3] == [0, 0, 1] and counts[3] <= 3 and counts[4] > 50
    assert counts[5] == pytest.approx(68, abs=1)
    np.testing.assert_allclose(run.probes["p.V"][:, 0], -65e-3, atol=2e-5)


def test_the_limits_of_the_rates_of_hodgkin_and_huxley_are_finite(simulate: Simulate) -> None:
    """At -40 mV and -55 mV the rates of m and n are quotients of zeros, and 1 / ms and 0.1 / ms."""
    run = simulate(
        "pop p : HodgkinHuxley[4] { V = [-40 mV, -55 mV, -40.0001 mV, -55.0001 mV] }\nprobe p.V, p.m, p.n",
        1,
        step="0.01 ms",
    )
    for key, exact, near in (("p.m", 0, 2), ("p.n", 1, 3)):
        assert np.all(np.isfinite(run.probes[key]))
        assert run.probes[key][0, exact] == pytest.approx(run.probes[key][0, near], rel=1e-5)
