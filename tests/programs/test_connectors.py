"""Connectors and weights of every kind give the same bits on all engines, and mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects import connectors, snn
from spikec.lower.recipes import Recipes

from .engines import Array, differences, run_everywhere

HEAD = """model M {
  step 1 ms
  neuron LIF { in I; var V = 0; V := 0.9 * V + I; spike when V >= 1 { V := 0 } }
  neuron Sum { in I; var V = 0; V := I }
  input x : real[20]
  pop src : Poisson[20](rate = 300 Hz)
  pop a : LIF[20] at grid(4, 5)
  pop b : LIF[30]
  pop c : LIF[2, 6] at grid(3, 4)
  pop s : Sum[8]
  exc = a[0:12]
  inh = a[12:20]
  param sign : real[20] = load("arrays.npz", "sign")
  param W : real[20, 30] = load("arrays.npz", "W")
  proj src -> a.I { connect fixed_out(3) seed 4; weight uniform(0.1, 0.9) seed 2 }
"""
TAIL = """
  probe a.spike, b.spike, a.V, b.V, c.V, s.V
}
"""
PROJECTIONS = {
    "fixed in": "proj a -> b.I { connect fixed_in(7) seed 1; weight 0.2 }",
    "fixed in, condition": "proj a -> b.I { connect fixed_in(7) seed 1 if pre != post; weight W; delay 2 ms }",
    "fixed out, repeat": "proj a -> b.I { connect fixed_out(40) seed 1 repeat; weight W }",
    "fixed total": "proj b -> a.I { connect fixed_total(500) if (pre + post) % 2 == 0 or pre > 3; weight 0.1; delay 1 ms }",
    "condition divides": "proj a -> b.I { connect all if pre // post == 1; weight 0.2 }",
    "signs": "proj a -> b.I { connect prob(0.4); weight 0.2 * sign[pre] * lognormal(0, 0.5) }",
    "clipped": "proj a -> b.I { connect all; weight clamp(normal(0.1, 0.3), 0, 0.5) seed 5 }",
    "scattered": "proj a -> b.I { weight W * uniform(0.5, 1.5) + 0.001 * index }",
    "elements": "proj a -> b.I { connect prob(0.5) seed 2; weight W[pre, post] - 0.1 * sign[pre] }",
    "one to one": "proj a -> a.I { connect one_to_one if pre > 3; weight sign * exponential(0.1); delay 1 ms }",
    "choice": "proj a -> b.I { connect all; weight choice(-1, 1) * 0.3 seed 2 }",
    "near": "proj a -> c.I { connect prob(0.8 * exp(-(distance(pre, post) / 2)^2)) seed 3; weight 0.4 }",
    "near, parts": "proj exc -> inh.I { connect prob(0.9) if distance(pre, post) <= 2; weight 0.2; delay 1 ms }",
    "weight by distance": "proj exc -> exc.I { connect all; weight 0.3 / (1 + distance(pre, post)); delay 1 ms }",
    "groups": "proj {a, b[0:10], a[3:5]} -> {c, s[2:5], s[4:8]}.I { connect prob(0.5) seed 1; weight 0.05 }",
    "real events": "proj x -> s[1:3].I { connect fixed_in(5) repeat; weight normal(0, 1) seed 1 }",
    "table": 'proj a -> s.I { connect from("wiring.csv"); weight from("wiring.csv") * from("wiring.csv", "gain") }',
    "table, condition": 'proj a -> s.I { connect from("wiring.csv") if pre != 3; weight from("wiring.csv") * uniform(0, 1) }',
    "table of weights": 'proj a -> s.I { connect from("wiring.npz") }',
    "convolution": "proj c -> e.I { connect conv(3, pad = 1); weight 0.1 }\n  pop e : LIF[3, 6]",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "arrays.npz", sign=np.where(np.arange(20) < 14, 1.0, -1.0), W=rng.normal(0, 0.3, (20, 30)))
    (tmp_path / "wiring.csv").write_text(
        "pre, post, weight, gain\n0,1,0.5,2\n3,2,0.25,1  # twice\n0,1,-0.1,3\n3,2,0.7,1\n"
    )
    np.savez(
        tmp_path / "wiring.npz", pre=np.array([5, 5, 2]), post=np.array([1, 1, 7]), weight=np.array([0.1, 1e-8, -2.0])
    )
    return tmp_path


def model(folder: Path, *projections: str) -> Path:
    path = folder / "model.snn"
    text = "\n  ".join(projections)
    # One channel of 2 x 6 positions is what 'conv' takes.
    text = HEAD + "  " + text + TAIL
    if "conv(" in text:
        text = text.replace(
            "pop e : LIF[3, 6]", "pop e : LIF[3, 12]\n  pop d : LIF[2, 12]\n  proj c -> d.I { weight 0.3 }"
        )
        text = text.replace("proj c -> e.I", "proj d -> e.I")
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_same_bits_on_all_engines(name: str, folder: Path) -> None:
    x = np.random.default_rng(1).normal(0, 1, (40, 20)).astype(np.float32)
    runs = run_everywhere(model(folder, PROJECTIONS[name]), {"x": x}, 40, seed=3)
    assert not differences(runs)
    assert sum(next(iter(runs.values())).counts.values()) > 50


def test_the_same_bits_in_64_bit_reals(folder: Path) -> None:
    lines = [line for name, line in PROJECTIONS.items() if name != "convolution"]
    runs = run_everywhere(model(folder, *lines), {"x": np.ones(20)}, 30, real=64)
    assert not differences(runs)


def synapses(path: Path, seed: int = 0) -> tuple[Array, Array, Array]:
    """Sources, targets and weights of the projection that is named `p`."""
    program = spikec.load(path)
    with program.module.context:
        view = next(view for view in program.ops(snn.Synapses) if view.sym_name == "p")
        recipes = Recipes(program, seed)
        rows = recipes.rows(view)
        weights = recipes.weights(view, rows)
        assert weights is not None
        return rows.sources(), rows.col.astype(np.int64), weights


LARGE = """model M {{
  step 1 ms
  neuron N {{ in I; var V = 0; V := I; spike when V > 1 {{ V := 0 }} }}
  pop a : N[{pre}]
  pop b : N[{post}]
  proj p : a -> b.I {{ connect all; weight {weight} seed 1 }}
  probe b.V
}}
"""


@pytest.mark.parametrize(
    ("weight", "mean", "deviation"),
    [
        ("uniform(-1, 3)", 1.0, 4 / np.sqrt(12)),
        ("normal(2, 0.5)", 2.0, 0.5),
        ("lognormal(0, 0.5)", np.exp(0.125), np.sqrt((np.exp(0.25) - 1) * np.exp(0.25))),
        ("exponential(2)", 2.0, 2.0),
        ("choice(0, 1, 5)", 2.0, np.sqrt(14 / 3)),
    ],
)
def test_weights_have_the_distribution_that_is_named(
    weight: str, mean: float, deviation: float, tmp_path: Path
) -> None:
    path = tmp_path / "m.snn"
    path.write_text(LARGE.format(pre=300, post=200, weight=weight))
    _, _, weights = synapses(path)
    assert len(weights) == 60000
    assert abs(weights.mean() - mean) < 5 * deviation / np.sqrt(60000)
    assert abs(weights.std() - deviation) < 0.03 * deviation
    assert abs(np.corrcoef(weights[:-1], weights[1:])[0, 1]) < 5 / np.sqrt(60000)


def test_weights_are_drawn_in_row_order_from_the_run_seed(tmp_path: Path) -> None:
    path = tmp_path / "m.snn"
    path.write_text(LARGE.format(pre=30, post=20, weight="uniform(0, 1)"))
    first, other = synapses(path)[2], synapses(path, 1)[2]
    assert not np.array_equal(first, other)
    path.write_text(LARGE.format(pre=50, post=20, weight="uniform(0, 1)"))
    assert np.array_equal(synapses(path)[2][:600], first), "more sources leave the rows of the others alone"
    program = spikec.load(path)
    view = next(iter(program.ops(snn.Synapses)))
    assert connectors.is_drawn(view, program.symbols())


def test_the_probability_falls_with_the_distance(tmp_path: Path) -> None:
    path = tmp_path / "m.snn"
    text = LARGE.format(pre=400, post=400, weight="uniform(0, 1)").replace("N[400]", "N[400] at grid(20, 20)")
    path.write_text(text.replace("connect all", "connect prob(exp(-distance(pre, post) / 3)) seed 2"))
    source, target, _ = synapses(path)
    place = np.stack(np.divmod(np.arange(400), 20), axis=1)
    distance = np.linalg.norm(place[:, np.newaxis] - place, axis=2)
    made = np.zeros((400, 400), bool)
    made[source, target] = True
    assert made[distance == 0].all()
    for d in (1.0, 2.0, np.hypot(3, 4), 9.0):
        there = np.isclose(distance, d)
        p = np.exp(-d / 3)
        assert abs(made[there].mean() - p) < 5 * np.sqrt(p * (1 - p) / there.sum())


def test_a_probability_does_not_depend_on_the_reals_of_the_program(folder: Path) -> None:
    path = model(
        folder, PROJECTIONS["near"].replace("proj a", "proj p : a").replace("weight 0.4", "weight uniform(0, 1)")
    )
    drawn = []
    for real in (32, 64):
        program = spikec.load(path, real=real)
        view = next(view for view in program.ops(snn.Synapses) if view.sym_name == "p")
        with program.module.context:
            rows = Recipes(program, 0).rows(view)
        drawn.append((rows.row.tolist(), rows.col.tolist()))
    assert drawn[0] == drawn[1]


def test_a_condition_that_leaves_too_few_is_named_with_its_place(folder: Path) -> None:
    path = model(folder, "proj p : a -> b.I { connect fixed_in(10) if pre < 5; weight 0.1 }")
    with pytest.raises(spikec.CompileError) as caught:
        spikec.compile(spikec.load(path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0606" and diagnostic.span is not None
    assert "target 0 needs 10 partners, and there are 5" in diagnostic.message


def test_a_slice_of_a_target_is_reached_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.snn"
    path.write_text("""model M {
  step 1 ms
  neuron Sum { in I; var V = 0; V := I; spike when V > 1e6 { V := 0 } }
  input x : real[3]
  pop b : Sum[2, 4]
  part = b[1, 1:3]
  proj x -> b.I { weight 100 }
  proj x -> b[0, 2:4].I { weight 1 }
  proj x -> part.I { connect all if post == 1; weight 10 }
  proj x[0:2] -> {b[1], b[0, 0]}.I { weight 1000 }
  probe b.V
}
""")
    runs = run_everywhere(path, {"x": np.ones(3, np.float32)}, 1)
    assert not differences(runs)
    found = np.asarray(next(iter(runs.values())).probes["b.V"]).reshape(2, 4)
    assert found.tolist() == [[2300, 300, 303, 303], [2300, 2300, 2330, 2300]]
