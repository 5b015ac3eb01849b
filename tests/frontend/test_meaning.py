"""What a model means: small models whose behaviour can be said by hand or by a closed form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LIF = """
  neuron LIF(tau: time = 10 ms, theta = 1.0) {
    in I; var V = 0
    V := exp(-dt/tau)*V + I
    spike when V >= theta { V -= theta }
  }
"""
RELAY = "\n  neuron Relay { in I; out I }\n  neuron Fire { in I; var V = 0; V := I; spike when V > 0 { V := 0 } }\n"


def test_statements_act_in_textual_order(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N { in I; var a = 1, b = 2; t = a; a := b + I; b := t; c = a * 10; out c + b }
        input x : real[1]
        pop n : N[1](x)
        output y = n }""",
        2,
        {"x": [[5.0], [0.0]]},
    )
    # a, b = 1, 2 -> a = 7, b = 1 -> a = 1, b = 7
    assert run.outputs["y"].tolist() == [[71.0], [17.0]]


def test_leaky_integration_equals_numpy(simulate: Any) -> None:
    x = np.random.default_rng(1).random((40, 3), dtype=np.float32)
    run = simulate(
        f"model M {{ step 1 ms {LIF} input x : real[3]\n pop a : LIF[3](x)\n probe a.V, a.spike }}", 40, {"x": x}
    )
    v, decay, spikes = np.zeros(3, np.float32), np.float32(math.exp(-0.1)), []
    for t in range(40):
        v = decay * v + x[t]
        fired = v >= 1
        spikes += [(t, i) for i in np.flatnonzero(fired)]
        v = np.where(fired, v - np.float32(1), v)
        assert np.array_equal(run.probes["a.V"][t], v)
    assert run.probes["a.spike"].tolist() == [list(s) for s in spikes] and len(spikes) > 20
    assert run.emitted == {"a": len(spikes)}


def test_a_linear_equation_is_integrated_exactly(simulate: Any) -> None:
    run = simulate(
        """model M { step 0.5 ms
        neuron N(tau: time = 7 ms) { in I : voltage; var V : voltage = 3 mV; V' = (I - V) / tau; out V }
        input x : voltage[1]
        pop n : N[1](x)
        output y = n }""",
        100,
        {"x": [0.02]},
    )
    t = 0.5e-3 * np.arange(1, 101)
    expected = 0.02 + (0.003 - 0.02) * np.exp(-t / 7e-3)
    np.testing.assert_allclose(run.outputs["y"][:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("taus", [(20, 5, 10), (10, 10, 3), (10, 10, 10)])
def test_coupled_equations_equal_a_fine_integration(simulate: Any, taus: tuple[int, int, int]) -> None:
    tm, te, ti = taus
    run = simulate(
        f"""model M {{ step 1 ms
        neuron N {{ in ge, gi; var V = 0, w = 0.5
          V' = (ge + gi - 2 * w - (V - 0.3)) / {tm} ms
          ge' = -ge / {te} ms
          gi' = -gi / {ti} ms
          w' = (V - w) / 15 ms
          out V }}
        input x : real[1]
        pop n : N[1]
        n.ge += x
        n.gi += -0.5 * x
        output y = n
        probe n.w }}""",
        30,
        {"x": [0.25]},
        real=64,
    )
    state = np.array([0.0, 0.5, 0.0, 0.0])  # V, w, ge, gi

    def slope(s: Any) -> Any:
        v, w, ge, gi = s
        return np.array([(ge + gi - 2 * w - (v - 0.3)) / tm, (v - w) / 15, -ge / te, -gi / ti])

    for t in range(30):
        state = state + np.array([0, 0, 0.25, -0.125])
        h = 1 / 64
        for _ in range(64):
            k1 = slope(state)
            k2 = slope(state + h / 2 * k1)
            k3 = slope(state + h / 2 * k2)
            k4 = slope(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        assert run.outputs["y"][t, 0] == pytest.approx(state[0], abs=1e-10)
        assert run.probes["n.w"][t, 0] == pytest.approx(state[1], abs=1e-10)


def test_per_neuron_time_constants_are_exact_too(simulate: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", tau=np.array([0.005, 0.02, 0.005]))
    run = simulate(
        """model M { step 1 ms
        param tau : time[3] = load("p.npz", "tau")
        neuron N(tau: time = 1 ms) { in I; var V = 1; V' = (I - V) / tau; out V }
        pop n : N[3](tau = tau)
        output y = n }""",
        10,
    )
    expected = np.exp(-1e-3 * np.arange(1, 11)[:, None] / np.array([0.005, 0.02, 0.005]))
    np.testing.assert_allclose(run.outputs["y"], expected, rtol=1e-6)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_solvers_converge_with_their_order(simulate: Any, solver: str, order: int) -> None:
    """x' = x (1 - x) - y x, y' = x - y against a fine RK4."""

    def at_one(step_us: int) -> float:
        run = simulate(
            f"""model M {{ step {step_us} us
            neuron N {{ var x = 0.2, y = 0.1
              x' = (x * (1 - x) - y * x) / 1 ms
              y' = (x - y) / 1 ms
              solver {solver}
              out x }}
            pop n : N[1]
            output v = n }}""",
            1000 // step_us,
            real=64,
        )
        return float(run.outputs["v"][-1, 0])

    def fine() -> float:
        s, h = np.array([0.2, 0.1]), 1 / 2000
        f = lambda s: np.array([s[0] * (1 - s[0]) - s[1] * s[0], s[0] - s[1]])  # noqa: E731
        for _ in range(2000):
            k1 = f(s)
            k2 = f(s + h / 2 * k1)
            k3 = f(s + h / 2 * k2)
            k4 = f(s + h * k3)
            s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return float(s[0])

    exact = fine()
    coarse, finer = abs(at_one(100) - exact), abs(at_one(50) - exact)
    assert coarse / finer == pytest.approx(2**order, rel=0.25)


def test_exponential_euler_is_exact_in_its_own_state(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N { in g; var V = -65; V' = (-65 - V + g * (0 - V)) / 20 ms; solver exponential_euler; out V }
        input g : real[1]
        pop n : N[1](g)
        output y = n }""",
        20,
        {"g": [3.0]},
        real=64,
    )
    t = np.arange(1, 21)
    expected = -65 / 4 + (-65 + 65 / 4) * np.exp(-4 * t / 20)
    np.testing.assert_allclose(run.outputs["y"][:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(("hold", "steps"), [("1.3 ms", 13), ("0.1 ms", 1), ("0.11 ms", 2), ("0 ms", 0)])
def test_hold_freezes_the_state_for_whole_steps(simulate: Any, hold: str, steps: int) -> None:
    run = simulate(
        f"""model M {{ step 0.1 ms
        neuron N {{ in I; var V = 0, n = 0; n += 1; V := V + I; spike when V >= 2 {{ V := 0; hold V for {hold} }} }}
        input x : real[1]
        pop a : N[1](x)
        probe a.V, a.n, a.spike }}""",
        40,
        {"x": [1.0]},
    )
    period = 2 + steps
    assert run.probes["a.spike"][:, 0].tolist() == list(range(1, 40, period))
    assert run.probes["a.n"][:, 0].tolist() == list(range(1, 41))
    assert np.all(run.probes["a.V"][2 : 2 + steps, 0] == 0)


def test_a_held_state_stands_still_in_the_equations_of_others(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N { in I; var V = 0, w = 0
          V' = (I - V) / 5 ms
          w' = (V - w) / 5 ms
          spike when V >= 0.5 { V := 1; hold V for 10 ms } }
        input x : real[1]
        pop a : N[1](x)
        probe a.V, a.w, a.spike }""",
        12,
        {"x": [2.0]},
        real=64,
    )
    first = int(run.probes["a.spike"][0, 0])
    w = run.probes["a.w"][:, 0]
    assert np.all(run.probes["a.V"][first : first + 10, 0] == 1)
    for t in range(first + 1, first + 10):
        assert w[t] == pytest.approx(1 + (w[t - 1] - 1) * math.exp(-0.2), rel=1e-12)


def test_the_event_is_the_sum_of_what_the_handlers_emit(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 steps
        neuron Bipolar { in I; var V = 0.5, S : int = 0
          V := V + I
          spike when V >= 1 and S < 15 emit 1 { V -= 1; S += 1 }
          spike when V < 0 and S > 0 emit -1 { V += 1; S -= 1 } }
        neuron Two { in I; spike when I > 1 { }; spike when I > 2 { } }
        neuron Graded { in I; var V = 0; V := I; spike when V > 1 emit V { V := 0 } }
        input x : real[1]
        b = Bipolar[1](x)
        t = Two[1](x)
        g = Graded[1](x)
        output yb = b + 0
        output yt = t + 0
        output yg = g
        output n = over_time(count, g)
        output s = over_time(sum, b) }""",
        5,
        {"x": [[0.6], [1.5], [-2.0], [3.0], [0.1]]},
    )
    assert run.outputs["yb"][:, 0].tolist() == [1, 1, -1, 1, 1]
    assert run.outputs["yt"][:, 0].tolist() == [0, 1, 0, 2, 0]
    assert run.outputs["yg"][:, 0].tolist() == pytest.approx([0, 1.5, 0, 3, 0])
    assert run.outputs["n"].tolist() == [2] and run.outputs["s"].tolist() == [3]


def test_delays_arrive_after_whole_steps(simulate: Any) -> None:
    run = simulate(
        f"""model M {{ step 1 ms {RELAY}
        input x : spikes[1]
        pop a : Fire[1]
        proj x -> a.I
        pop now : Relay[1]
        pop late : Relay[1]
        proj a -> now.I {{ weight 2 }}
        proj a -> late.I {{ weight 3; delay 2 ms }}
        output n = now
        output l = late
        output p = prev(a) + 0.0
        output d = delay(x, 3 ms) + 0.0 }}""",
        6,
        {"x": [[1], [0], [0], [1], [0], [0]]},
    )
    assert run.outputs["n"][:, 0].tolist() == [2, 0, 0, 2, 0, 0]
    assert run.outputs["l"][:, 0].tolist() == [0, 0, 3, 0, 0, 3]
    assert run.outputs["p"][:, 0].tolist() == [0, 1, 0, 0, 1, 0]
    assert run.outputs["d"][:, 0].tolist() == [0, 0, 0, 1, 0, 0]


def test_a_recurrent_stream_finds_its_shape(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 steps
        input x : real[2]
        m = 0.5 * prev(m) + x
        output y = m }""",
        3,
        {"x": [1.0, 2.0]},
    )
    assert run.outputs["y"].tolist() == [[1, 2], [1.5, 3], [1.75, 3.5]]


def test_states_of_others_are_read_as_they_were_at_the_start_of_the_step(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 steps
        neuron A { in I; var V = 1; V := V + I; out V }
        pop a : A[1]
        pop b : A[1]
        a.I = b.V
        b.I = a.V
        output ya = a
        output yb = b }""",
        3,
    )
    assert run.outputs["ya"][:, 0].tolist() == [2, 4, 8] and run.outputs["yb"][:, 0].tolist() == [2, 4, 8]


def test_projections_of_all_kinds(simulate: Any, tmp_path: Path) -> None:
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(tmp_path / "w.npz", w=w, v=np.array([10.0, 20.0, 30.0]))
    run = simulate(
        f"""model M {{ step 1 ms {RELAY}
        param w : real[2, 3] = load("w.npz", "w")
        param v : real[3] = load("w.npz", "v")
        input x : spikes[2]
        input z : spikes[3]
        pop a : Relay[3]
        pop b : Relay[3]
        pop c : Relay[3]
        proj x -> a.I {{ weight w }}
        proj z -> b.I {{ connect one_to_one; weight v }}
        proj z -> {{a, c}}.I {{ connect all if pre != post; weight 100 }}
        proj z[1:3] -> c.I {{ connect all if pre == 0 and post > 0; weight 7 }}
        output ya = a
        output yb = b
        output yc = c }}""",
        1,
        {"x": [[0, 1]], "z": [[1, 0, 1]]},
    )
    assert run.outputs["ya"][0].tolist() == [103, 204, 105]
    assert run.outputs["yb"][0].tolist() == [10, 0, 30]
    assert run.outputs["yc"][0].tolist() == [100, 200, 100]


def test_matrix_products_and_reductions(simulate: Any, tmp_path: Path) -> None:
    w = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    np.savez(tmp_path / "w.npz", w=w)
    x = np.array([0.5, -1, 2], dtype=np.float32)
    run = simulate(
        """model M { step 1 steps
        param P = load("w.npz")
        input x : real[3]
        input s : spikes[3]
        y = P.w @ x
        output a = y
        output b = P.w @ s
        output c = y @ P.w
        output total = sum(x)
        output low = min(x)
        output at = argmax(x)
        output some = any(x > 1)
        output each = all(x > 1)
        output joined = concat(x, s[1:3], y)
        output grid = reshape(concat(x, x), 2, 3) }""",
        1,
        {"x": x, "s": [1, 0, 1]},
    )
    out = {k: v[0] for k, v in run.outputs.items()}
    assert out["a"].tolist() == [4.5, 9.0] and out["b"].tolist() == [4, 10] and out["c"].tolist() == [40.5, 54, 67.5]
    assert out["total"] == 1.5 and out["low"] == -1 and out["at"] == 2 and out["some"] and not out["each"]
    assert out["joined"].tolist() == [0.5, -1, 2, 0, 1, 4.5, 9]
    assert out["grid"].tolist() == [[0.5, -1, 2], [0.5, -1, 2]]


def test_reductions_over_the_run(simulate: Any) -> None:
    x = np.array([[1.0, -2], [0, 5], [4, 0]], dtype=np.float32)
    run = simulate(
        """model M { step 1 steps
        input x : real[2]
        m = over_time(mean, x)
        output total = over_time(sum, x)
        output mean = m
        output top = over_time(max, x)
        output seen = over_time(any, x > 4)
        output times = over_time(count, x)
        output label = argmax(m) + 0 }""",
        3,
        {"x": x},
    )
    out = run.outputs
    assert out["total"].tolist() == [5, 3] and out["top"].tolist() == [4, 5] and out["times"].tolist() == [2, 2]
    np.testing.assert_allclose(out["mean"], [5 / 3, 1], rtol=1e-6)
    assert out["seen"].tolist() == [False, True] and int(out["label"]) == 0


def test_random_draws_are_bound_to_their_object(simulate: Any) -> None:
    one = "pop a : Poisson[200](rate = 100 Hz)\n output y = a"
    more = "pop z : Bernoulli[5](p = 0.5)\n" + one
    first = simulate(f"model M {{ step 1 ms\n {one} }}", 50).outputs["y"]
    again = simulate(f"model Other {{ step 1 ms\n {more} }}", 50).outputs["y"]
    assert np.array_equal(first, again)
    assert first.mean() == pytest.approx(1 - math.exp(-0.1), abs=0.01)
    assert not np.array_equal(first, simulate(f"model M {{ step 1 ms\n {one} }}", 50, seed=1).outputs["y"])
    assert not np.array_equal(first, simulate(f"model M {{ step 1 ms\n {one} }}", 50, sample=1).outputs["y"])


def test_seeds_of_streams_and_of_initial_states(simulate: Any) -> None:
    text = """model M {{ step 1 ms
        neuron N {{ in I; var V = uniform(-1, 3) seed {a}; V := V + I; out V }}
        pop n : N[1000]
        pop g : N[1000] {{ V = normal(2, 0.5) seed 4 }}
        s = bernoulli(0.25) seed {b}
        output y = n
        output z = g
        output e = s }}"""
    run = simulate(text.format(a=1, b=2), 100)
    y, z = run.outputs["y"][0], run.outputs["z"][0]
    assert y.min() >= -1 and y.max() < 3 and y.mean() == pytest.approx(1, abs=0.15)
    assert z.mean() == pytest.approx(2, abs=0.06) and z.std() == pytest.approx(0.5, abs=0.05)
    other = simulate(text.format(a=3, b=2), 100)
    assert not np.array_equal(y, other.outputs["y"][0]) and np.array_equal(run.outputs["e"], other.outputs["e"])
    assert 10 < run.outputs["e"].sum() < 45


def test_values_are_in_si_units_and_named(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N(C: capacitance = 100 pF, g: conductance = 5 nS) { in I : current
          var V : voltage = -70 mV
          V' = (I - g * V) / C
          out V }
        input I : current[1] in [-1 nA, 1 nA]
        pop n : N[1](I)
        output y = n
        probe n.V }""",
        1,
        {"I": [0.0]},
    )
    assert run.outputs["y"][0, 0] == pytest.approx(-0.07 * math.exp(-0.05), rel=1e-6)
    given = run.interface.inputs[0]
    assert (given.unit, given.low, given.high) == ("A", -1e-9, 1e-9)
    assert run.interface.outputs[0].unit == "V" and run.interface.probes[0].unit == "V"


def test_a_model_that_counts_steps_has_plain_times(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 steps
        neuron N(tau: time = 10 ms) { in I; var V = 1; V := V * exp(-dt / tau); out V }
        pop a : N[1](tau = 2 steps)
        pop b : N[1](tau = 2.0)
        output y = a - b
        output z = a }""",
        1,
    )
    assert run.outputs["y"][0, 0] == 0 and run.outputs["z"][0, 0] == pytest.approx(math.exp(-0.5))


def test_parameters_from_the_command_line(simulate: Any, mistakes: Any) -> None:
    text = """model M(n: int = 2, tau: time = 10 ms, w = 1.5) { step 1 ms
        param k : int
        neuron N(tau: time) { in I; var V = 1; V := V * exp(-dt / tau); out V }
        pop a : N[n * k](tau = tau)
        output y = a * w }"""
    run = simulate(text, 1, params={"k": "3", "tau": "2 * 5 ms", "n": "1 + 1"})
    assert run.outputs["y"].shape == (1, 6) and run.outputs["y"][0, 0] == pytest.approx(1.5 * math.exp(-0.1))
    assert mistakes(text) == ["E0204"]
    assert mistakes(text, params={"k": "3", "kk": "1"}) == ["E0208"]
    assert mistakes(text, params={"k": "3 ms"}) == ["E0401"]
    assert mistakes(text, params={"k": "3 +"})[0].startswith("E01")


def test_variants_take_other_constants(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N(a = 1.0, b = 10.0) { in I; out a + b }
        neuron Fast = N(a = 2.0)
        neuron Faster = Fast(b = 20.0)
        pop p : Faster[1]
        pop q : Faster[1](a = 3.0)
        output y = concat(p, q) }""",
        1,
    )
    assert run.outputs["y"][0].tolist() == [22, 23]


def test_parameters_can_be_streams(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        neuron N(theta = 1.0) { in I; spike when I >= theta { } }
        input x : real[3]
        pop p : N[3](2.0, theta = x)
        output y = p }""",
        1,
        {"x": [1.0, 2.0, 3.0]},
    )
    assert run.outputs["y"][0].tolist() == [True, True, False]


def test_probes_of_slices_and_periods(simulate: Any) -> None:
    run = simulate(
        f"""model M {{ step 1 ms {LIF} input x : real[4]
        pop a : LIF[4](x)
        y = 2 * a.V
        probe a.V[1:3] every 5 ms
        probe y every 10 ms }}""",
        20,
        {"x": [0.1, 0.2, 0.3, 0.4]},
    )
    assert run.probes["a.V"].shape == (4, 2) and run.probes["y"].shape == (2, 4)
    np.testing.assert_allclose(run.probes["a.V"][0], [0.2, 0.3], rtol=1e-6)


def test_array_files_that_are_wrong_are_explained(mistakes: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", w=np.ones(3))
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "object.npz", w=np.array([{}, 1], dtype=object))
    np.savez(tmp_path / "complex.npz", w=np.array([1j]))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:90])
    (tmp_path / "folder.npz").mkdir()

    def code(file: str, key: str = "w") -> list[str]:
        return list(mistakes(f'model M {{ step 1 ms\n param w = load("{file}", "{key}") }}'))

    assert code("absent.npz") == ["E0701"] and code("folder.npz") == ["E0704"]
    assert code("good.npz", "v") == ["E0702"]
    for file in ("text.npz", "object.npz", "complex.npz", "cut.npz"):
        assert code(file) == ["E0703"], file
