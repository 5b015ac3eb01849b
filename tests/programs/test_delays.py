"""Delays that differ between synapses: the same bits on all engines, and what arrives is late by each synapse's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.analysis.dependence import entry_ops
from spikec.analysis.ranges import analyse
from spikec.dialects import snn
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.random import key, uniform
from spikec.dialects.verify import problems
from spikec.lower import connect, snn_to_step
from spikec.lower.recipes import Recipes
from spikec.passes.schedule import Schedule

from .engines import ENGINES, Array, differences, on_every_engine, run_everywhere

STEPS = 60
HEAD = """model M {
  step 0.1 ms
  neuron LIF { in I; var V = 0; V := 0.9 * V + I; spike when V >= 1 { V := 0 } }
  neuron Sum { in I; out I }
  neuron Kept { in g; var V = 0; g' = -g / 2 ms; V := V + g }
  param D : real[12, 9] = load("arrays.npz", "D")
  param W : real[12, 9] = load("arrays.npz", "W")
  param own : real[12] = load("arrays.npz", "own")
  input x : spikes[12]
  input r : real[12] in [-4, 4]
  pop a : LIF[9] at grid(3, 3)
  pop k : Kept[9]
  pop s : Sum[9]
"""
TAIL = """
  proj x -> a.I { connect all; weight 0.05 }
  probe a.V, k.g, s.out, a.spike
}
"""
PROJECTIONS = {
    "array": "proj x -> a.I { weight W; delay D * 0.1 ms }",
    "array, one to one": "proj x[0:9] -> a.I { connect one_to_one; weight 0.4; delay [0.1 ms, 0.3 ms, 0 ms, 1 ms, 1 ms, 2 ms, 0 ms, 0 ms, 1 ms] }",
    "element": "proj x -> a.I { connect prob(0.6) seed 2; weight W; delay own[pre] * 0.1 ms + D[pre, post] * 0.1 ms }",
    "drawn": "proj x -> a.I { connect fixed_in(30) repeat seed 1; weight 0.2; delay uniform(0 ms, 1.5 ms) seed 4 }",
    "normal": "proj x -> a.I { weight W; delay clamp(normal(1 ms, 0.5 ms), 0.1 ms, 2 ms) }",
    "recurrent": "proj a -> a.I { weight 0.2; delay (1 + (pre + 2 * post) % 5) * 0.1 ms }",
    "distance": "proj a -> a.I { connect all if pre != post; weight 0.3; delay axonal(0.1 ms) + dendritic(0.1 ms * distance(pre, post)) }",
    "table": 'proj x -> s.I { connect from("wiring.csv"); weight from("wiring.csv"); delay from("wiring.csv", "delay") * 0.1 ms }',
    "port with an equation": "proj x -> k.g { weight W; delay D * 0.1 ms }\n  proj x -> k.g { weight 0.1 }",
    "several": "proj x -> s.I { weight W; delay D * 0.1 ms }\n  proj a -> s.I { weight 0.3; delay uniform(0.2 ms, 2 ms) }",
    "slices": "proj x -> s[0:4].I { weight 0.3; delay uniform(0 ms, 1 ms) }\n"
    "  proj x -> s[5:9].I { weight 0.7; delay uniform(0 ms, 1 ms) }\n  proj a -> s[3:6].I { weight 0.1; delay choice(0.1 ms, 0.3 ms) }",
    "groups": "proj {x[2:8], a} -> {s, a}.I { connect prob(0.5) seed 1; weight 0.11; delay uniform(0.1 ms, 0.9 ms) seed 1 }",
    "real events": "proj r -> s.I { weight W; delay D * 0.1 ms }",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    arrays = {"D": rng.integers(0, 25, (12, 9)), "W": rng.normal(0, 0.3, (12, 9)), "own": rng.integers(0, 3, 12)}
    np.savez(tmp_path / "arrays.npz", **arrays)
    rows = "\n".join(f"{n % 12},{n % 7},{0.1 * n},{n % 6}" for n in range(40))
    (tmp_path / "wiring.csv").write_text(f"pre,post,weight,delay\n{rows}\n")
    return tmp_path


def inputs() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {"x": rng.random((STEPS, 12)) < 0.2, "r": rng.uniform(-4, 4, (STEPS, 12)).astype(np.float32)}


def written(folder: Path, projections: str) -> Path:
    path = folder / "m.snn"
    path.write_text(f"{HEAD}  {projections}{TAIL}")
    return path


@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_same_bits_on_all_engines(name: str, folder: Path) -> None:
    assert not differences(run_everywhere(written(folder, PROJECTIONS[name]), inputs(), STEPS, seed=3))


def test_the_same_bits_in_64_bit_reals(folder: Path) -> None:
    path = written(folder, PROJECTIONS["several"])
    assert not differences(run_everywhere(path, inputs(), STEPS, real=64))


@pytest.mark.parametrize("schedule", ["schedule{block=1}", "schedule{block=16}", "schedule{mode=dense}"])
def test_every_schedule_gives_the_same_bits(folder: Path, schedule: str) -> None:
    program = spikec.load(written(folder, PROJECTIONS["several"]))
    runs = {
        "reference": ENGINES["reference of snn"](program, 0).run(inputs(), steps=STEPS),
        "cpu": spikec.compile(program, "cpu", pipeline=schedule).run(inputs(), steps=STEPS),
    }
    assert not differences(runs)


def test_quantized_networks_give_the_same_bits(folder: Path) -> None:
    program = spikec.load(written(folder, PROJECTIONS["several"]))
    program = spikec.pipeline("quantize{weights=8, acc=32}")(program)
    assert not differences(on_every_engine(program, inputs(), STEPS))


# ---------------------------------------------------------------- meaning


def late(x: Array, weights: Array, delays: Array) -> Array:
    """sum over i of weights[i, j] x[t - delays[i, j], i], in f64."""
    result = np.zeros((len(x), weights.shape[1]))
    for d in np.unique(delays):
        result[d:] += x[: len(x) - d].astype(float) @ np.where(delays == d, weights, 0)
    return result


def test_planted_delays_arrive_when_they_should(folder: Path) -> None:
    rng = np.random.default_rng(2)
    arrays = dict(np.load(folder / "arrays.npz"))
    arrays["W"] = rng.integers(-64, 65, (12, 9)) / 64  # exact in any order
    np.savez(folder / "arrays.npz", **arrays)
    x = inputs()["x"]
    found = run_everywhere(written(folder, "proj x -> s.I { weight W; delay D * 0.1 ms }"), inputs(), STEPS)
    expected = late(x, arrays["W"], arrays["D"])
    assert len(np.unique(arrays["D"])) > 20
    for run in found.values():
        np.testing.assert_array_equal(run.probes["s.out"], expected.astype(np.float32))


def test_a_projection_for_each_delay_is_the_same_network(folder: Path) -> None:
    """Written in the order in which the one projection adds, from the largest delay on, even the bits are the same."""
    apart = "\n  ".join(
        f"proj x -> s.I {{ connect all if pre % 25 == {d}; weight W; delay {d} * 0.1 ms }}" for d in range(11, -1, -1)
    )
    together = "proj x -> s.I { weight W; delay (pre % 25) * 0.1 ms }"
    one, other = (spikec.compile(spikec.load(written(folder, text)), "cpu") for text in (together, apart))
    a, b = (executable.run(inputs(), steps=STEPS) for executable in (one, other))
    assert sum(a.projections.values()) == sum(b.projections.values()) > 0
    np.testing.assert_array_equal(a.probes["s.out"], b.probes["s.out"])


def test_older_events_are_added_first_and_before_all_other_arrivals(folder: Path) -> None:
    """By age, then in the order of the text, then by ascending source; as one sum that starts from zero."""
    text = (
        "proj x -> s.I { weight 0.3 }\n  proj x -> s.I { weight W; delay D * 0.1 ms }\n"
        "  proj x -> s.I { weight -0.7 * W; delay D * 0.2 ms }"
    )
    run = spikec.compile(spikec.load(written(folder, text)), "cpu").run(inputs(), steps=STEPS)
    arrays, x = np.load(folder / "arrays.npz"), inputs()["x"]
    D, f = arrays["D"], np.float32
    W, second = arrays["W"].astype(f), (-0.7 * arrays["W"]).astype(f)
    for t in range(STEPS):
        for j in range(9):
            total = f(0)
            for age in range(48, -1, -1):
                for weights, delays in ((W, D), (second, 2 * D)):
                    for i in range(12):
                        if age <= t and delays[i, j] == age and x[t - age, i]:
                            total = f(total + weights[i, j])
            for i in range(12):
                total = f(total + f(0.3)) if x[t, i] else total
            assert run.probes["s.out"][t, j] == total


def test_delays_are_drawn_in_row_order_under_their_own_path(folder: Path) -> None:
    program = spikec.load(
        written(folder, "proj p : x -> a.I { connect prob(0.5) seed 2; delay uniform(0.1 ms, 3 ms) seed 4 }")
    )
    (view,) = (one for one in program.ops(snn.Synapses) if one.sym_name == "p")
    recipes = Recipes(program, 7)
    rows = recipes.rows(view)
    drawn = uniform(key(7, 4, "p.delay"), np.arange(len(rows.col)), 0, 0)
    expected = np.rint(1 + 29 * drawn.astype(np.float64))
    found = recipes.delays(view, rows)
    assert view.delay_range == [1, 30]
    assert np.mean(found == expected) > 0.99  # f32 and f64 may differ next to a tie
    parts, order = connect.in_parts(rows, found - 1, 30, np.arange(len(rows.col)))
    assert order is not None
    assert sorted(order) == list(range(len(rows.col))) and parts.row[-1] == len(rows.col)
    assert np.array_equal(parts.col, rows.col[order]) and np.array_equal(parts.sources() // 30, rows.sources()[order])
    assert np.array_equal(parts.sources() % 30 + 1, found[order])


@pytest.mark.parametrize(
    ("written_as", "steps"), [("0.25 ms", 2), ("0.35 ms", 4), ("0.14 ms", 1), ("0 ms", 0), ("1.3 ms", 13)]
)
def test_an_array_of_delays_is_rounded_as_decimals_with_ties_to_even(folder: Path, written_as: str, steps: int) -> None:
    row = ", ".join([written_as] + ["0 ms"] * 8)
    path = written(folder, f"proj x[0:9] -> s.I {{ connect one_to_one; delay [{row}] }}")
    x = np.zeros((STEPS, 12), bool)
    x[5, 0] = True
    out = spikec.compile(spikec.load(path), "cpu").run({"x": x, "r": inputs()["r"]}, steps=STEPS).probes["s.out"]
    assert np.flatnonzero(out[:, 0]).tolist() == [5 + steps]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_negative_delay_that_is_drawn_is_an_error_with_a_remedy(folder: Path, engine: str) -> None:
    program = spikec.load(written(folder, "proj p : x -> s.I { delay normal(0.1 ms, 0.5 ms) seed 1 }"))
    with pytest.raises(CompileError, match="p: a synapse has a negative delay") as error:
        ENGINES[engine](program, 0).run(inputs(), steps=2)
    assert "clamp" in str(error.value.diagnostics[0].help)


def test_bounds_do_not_grow_with_the_number_of_delays(folder: Path) -> None:
    """A target's arrivals are bounded by all its synapses once, whichever delays they have."""
    text = "proj x -> s.I {{ weight 0.5; delay {} }}\n  proj a -> s.I {{ weight -0.25; delay {} }}"
    for delays in (("0 ms", "0.1 ms"), ("uniform(0 ms, 3 ms)", "uniform(0.1 ms, 2 ms)")):
        found = analyse(spikec.load(written(folder, text.format(*delays)))).states["s.out"]
        assert found.low == pytest.approx(-2.25, rel=1e-4) and found.high == pytest.approx(6, rel=1e-4)


def test_a_step_does_not_grow_with_the_number_of_delays(folder: Path) -> None:
    """The projections into a port act in turn in one op, so that a thousand delays are compiled like ten."""
    text = "proj x -> s.I {{ delay uniform(0.1 ms, {0} ms) }}\n  proj a -> s.I {{ delay uniform(0.1 ms, {0} ms) }}"

    def scheduled(most: int) -> list[str]:
        program = Schedule().run(snn_to_step.lower(spikec.load(written(folder, text.format(most)))))
        assert problems(program) == []
        return [op.mnemonic for _, op in entry_ops(program)]

    assert scheduled(100) == scheduled(1)
    assert scheduled(100).count("sweep") == 1
    assert not differences(run_everywhere(written(folder, text.format(100)), inputs(), STEPS))


def test_delay_takes_an_array_of_delays(folder: Path) -> None:
    path = written(
        folder, "z = delay(2.0 * r, own * 0.1 ms)\n  e = delay(x, own * 0.1 ms)\n  output z = z\n  output e = e"
    )
    runs = run_everywhere(path, inputs(), STEPS)
    assert not differences(runs)
    own = np.load(folder / "arrays.npz")["own"]
    for name, values in (("z", 2 * inputs()["r"]), ("e", inputs()["x"])):
        found = np.asarray(runs["cpu"].outputs[name]).astype(np.float32)
        for i, d in enumerate(own):
            np.testing.assert_array_equal(found[d:, i], values[: STEPS - d, i].astype(np.float32))
            assert not found[:d, i].any()
