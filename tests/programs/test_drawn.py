"""Arrays that are drawn: which numbers they hold, that all uses of one see the same ones, and all engines too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.dialects.random import key, uniform
from spikec.dialects.verify import problems

from .engines import Array, differences, run_everywhere

MODEL = """
model Drawn {
  step 1 ms
  neuron Cell {
    in  I
    var V = 0
    V := 0.8 * V + I
    spike when V >= 0.6 { V -= 0.6 }
  }
  block mixed(x, weights = normal(0, 0.3)) {
    param W : real[3, size(x)] = weights
    return W @ flatten(x)
  }
  input s : spikes[2, 5, 4]
  input x : real[6]
  input row : int
  param K : real[3, 2, 3, 2] = kaiming() seed 1 learn
  param W : real[4, 6] = kaiming(gain = 1) seed 2
  param N : real[4, 6] = 0.1 * index + normal(0, 0.5) * spread
  param spread : real[4, 6] = linspace_of_rows
  param linspace_of_rows : real[4, 6] = load("rows.npy")
  param T : real[5, 3] = choice(-1, 0.5, 2) seed 4
  param L : real[6] = lognormal(-1, 0.4) seed 5
  param E : real[6] = exponential(0.3) seed 6
  param rest : voltage[6] = uniform(-70 mV, -60 mV) seed 7
  param top : real[2, 6] = W[1:3]

  cells   = Cell[3, 5, 5](conv2d(s, K, pad = [1, 1]))
  right   = W @ x
  left    = right @ W
  turned[i] = sum[j](W[j, i] * right[j])
  each[i, j] = W[i, j] * N[i, j]
  part    = top @ x
  folded  = reshape(W, 8, 3) @ x[0:3]
  chosen  = T[row]
  first   = mixed(cells)
  second  = cells |> mixed(kaiming())
  third   = mixed(x, weights = W[1:4])
  output W = W * once(1.0)
  output rest = rest
  output right = right
  output left = left
  output turned = turned
  output each = each
  output part = part
  output folded = folded
  output chosen = chosen
  output sums = concat(first, second, third, L * E)
  probe cells.spike
}
"""
STEPS = 5


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", np.linspace(0.5, 2, 24, dtype=np.float32).reshape(4, 6))
    path = tmp_path / "drawn.snn"
    path.write_text(MODEL, "utf-8")
    return path


def inputs() -> dict[str, Array]:
    random = np.random.default_rng(0)
    return {
        "s": random.random((STEPS, 2, 5, 4)) < 0.5,
        "x": random.normal(0, 1, (STEPS, 6)).astype(np.float32),
        "row": np.array([0, 4, 2, 5, -1]),
    }


@pytest.mark.parametrize("real", [32, 64])
def test_all_engines_agree(model: Path, real: int) -> None:
    for seed in (0, 2**64 - 1):
        assert not differences(run_everywhere(model, inputs(), STEPS, seed, real))


def test_kaiming_is_uniform_within_its_bound(model: Path) -> None:
    """gain * sqrt(3 / fan_in), element by element from the counter that its number in the declared array names."""
    run = spikec.compile(spikec.load(model, real=64), seed=9).run(inputs(), steps=STEPS)
    bound = np.sqrt(3 / 6)
    expected = -bound + 2 * bound * uniform(key(9, 2, "W"), np.arange(24), 0, 0).reshape(4, 6)
    W = run.outputs["W"][0]
    assert np.allclose(W, expected, rtol=1e-15)
    rest = -0.07 + 0.01 * uniform(key(9, 7, "rest"), np.arange(6), 0, 0)
    assert np.allclose(run.outputs["rest"][3], rest, rtol=1e-14)


def test_all_uses_see_the_same_numbers(model: Path) -> None:
    run = spikec.compile(spikec.load(model, real=64), seed=3).run(inputs(), steps=STEPS)
    W, x = run.outputs["W"][0], inputs()["x"].astype(np.float64)
    right = x @ W.T
    for name, expected in {
        "right": right,
        "left": right @ W,
        "turned": right @ W,
        "part": x @ W[1:3].T,
        "folded": x[:, :3] @ W.reshape(8, 3).T,
    }.items():
        assert np.allclose(run.outputs[name], expected, rtol=1e-12), name
    assert np.allclose(run.outputs["sums"][:, 6:9], x @ W[1:4].T, rtol=1e-12)
    assert set(np.unique(run.outputs["chosen"][:3])) <= {-1.0, 0.5, 2.0}
    assert not run.outputs["chosen"][3:].any()


def test_another_seed_is_another_network(model: Path) -> None:
    network = spikec.compile(spikec.load(model), seed=1)
    other = spikec.compile(spikec.load(model), seed=2)
    assert not np.array_equal(
        network.run(inputs(), steps=STEPS).outputs["W"], other.run(inputs(), steps=STEPS).outputs["W"]
    )
    with pytest.raises(CompileError) as caught:
        network.run(inputs(), steps=STEPS, seed=2)
    assert caught.value.diagnostics[0].code == "E0721"


def test_other_sizes_leave_the_others_draws_alone(model: Path) -> None:
    text = MODEL.replace("param T : real[5, 3]", "param T : real[50, 3]")
    (longer := model.with_name("longer.snn")).write_text(text, "utf-8")
    runs = [spikec.compile(spikec.load(path), "reference").run(inputs(), steps=STEPS) for path in (model, longer)]
    assert np.array_equal(runs[0].outputs["sums"], runs[1].outputs["sums"])


def test_the_text_of_a_program_keeps_its_drawn_arrays(model: Path) -> None:
    program = spikec.load(model)
    again = Program.parse(program.text(), program.constants)
    runs = [spikec.compile(p, "reference", seed=4).run(inputs(), steps=STEPS) for p in (program, again)]
    assert np.array_equal(runs[0].outputs["left"], runs[1].outputs["left"])


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("draw = @W.draw", "draw = @K.other", "refers to @K.other"),
        ("draw = @W.draw, ", "", "either a 'digest' or a 'draw'"),
        ("snn.seed = 2 : i64", "snn.index", "wrong marks"),
        ("first = 6 : i64", "first = -1 : i64", "have numbers from 0"),
        ("strides = [1, 6], ", "strides = [6], ", "'strides' has 1 numbers"),
        ('draw = @rest.draw, sym_name = "rest", type = tensor<6xf32>',
         'draw = @rest.draw, sym_name = "rest", type = tensor<6xf64>', "must be (i64, ...) -> f64"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(model: Path, old: str, new: str, text: str) -> None:
    program = spikec.load(model)
    written = program.text()
    assert old in written
    found = problems(Program.parse(written.replace(old, new, 1), program.constants))
    assert any(text in problem for _, problem in found), found


PROJECTIONS = """
model Projections {
  step 1 ms
  neuron Cell {
    in  I
    var V = 0
    V := 0.9 * V + I
    spike when V >= 1 { V -= 1 }
  }
  input x : spikes[6]
  param W : real[6, 8] = kaiming() seed 1
  param g : real[8] = exponential(0.5) seed 2
  param K : real[3, 1, 2] = normal(0.5, 0.5) seed 3
  pop a : Cell[8]
  pop b : Cell[8]
  pop c : Cell[3, 5]
  q = reshape(x, 1, 6)
  proj x -> a.I { connect all; weight W }
  proj x -> a.I { connect prob(0.5) seed 4; weight 2 * W + 0.1 }
  proj x -> b.I { connect all; weight W[pre, post] * g[post] }
  proj a -> b.I { connect one_to_one; weight g; delay 2 ms }
  proj q -> c.I { connect conv(2); weight K }
  z = x @ W
  output z = z
  probe a.V, b.V, c.spike
}
"""


def test_weights_of_projections(tmp_path: Path) -> None:
    (path := tmp_path / "projections.snn").write_text(PROJECTIONS, "utf-8")
    x = np.random.default_rng(1).random((STEPS, 6)) < 0.5
    runs = run_everywhere(path, {"x": x}, STEPS, seed=8)
    assert not differences(runs)
    assert runs["cpu"].counts["c"] > 0


def test_passes_see_the_numbers(tmp_path: Path) -> None:
    """Quantization needs weights; it is exact on all engines, and close to the reals."""
    computed = ("2 * W + 0.1", "W[pre, post] * g[post]")  # for each synapse, which quantize does not take
    text = PROJECTIONS.replace(computed[0], "0.2").replace(computed[1], "W")
    (path := tmp_path / "projections.snn").write_text(text, "utf-8")
    x = np.random.default_rng(1).random((STEPS, 6)) < 0.5
    real = spikec.compile(spikec.load(path), "cpu", seed=8).run({"x": x}, steps=STEPS)
    networks = [
        spikec.compile(spikec.load(path), engine, seed=8, pipeline="quantize{weights=16}")
        for engine in ("cpu", "reference")
    ]
    runs = [network.run({"x": x}, steps=STEPS) for network in networks]
    assert not differences({"cpu": runs[0], "reference": runs[1]})
    scale = next(output.scale for output in networks[0].interface.outputs if output.name == "z")
    assert np.allclose(runs[0].outputs["z"] * scale, real.outputs["z"], atol=1e-3)


def test_states_start_at_drawn_parameters(tmp_path: Path) -> None:
    """A state that starts at a parameter of its cell sees the number that was drawn for it, wherever it was drawn."""
    path = tmp_path / "starts.snn"
    path.write_text(
        """model Starts {
          step 1 ms
          neuron Cell(E = 0.5) { in I; var V = uniform(1, 2) + 2 * E; out V - 2 * E }
          neuron Shown(E = 0.5) { in I; var V = E; out V - E }
          param omega : real[6] = normal(0, 1) seed 1
          pop a : Shown[6](E = uniform(0, 2))
          pop b : Shown[6](E = omega)
          pop c : Shown[6](E = 0) { V = 3 * omega }
          pop d : Cell[6](E = omega)
          output a = a
          output b = b
          output c = c - 3 * omega
          output d = d
          output omega = omega * 1
        }""",
        "utf-8",
    )
    runs = run_everywhere(path, {}, 1, seed=2, real=64)
    assert not differences(runs)
    found = runs["cpu"].outputs
    assert not found["a"].any() and not found["b"].any() and not found["c"].any()
    assert np.all((found["d"] >= 1 - 1e-9) & (found["d"] < 2)) and np.unique(found["omega"]).size == 6


def test_the_delays_of_a_drawn_array(tmp_path: Path) -> None:
    """One spike of each source arrives as many steps later as the array says; elements of arrays count too."""
    path = tmp_path / "delays.snn"
    path.write_text(
        """model Delays {
          step 1 ms
          neuron Shows { in I; out I }
          input x : spikes[3]
          param D : time[3, 4] = uniform(0 ms, 9 ms) seed 1
          param a : time[3] = clamp(normal(3 ms, 2 ms), 0 ms, 6 ms) seed 2
          pop whole : Shows[4]
          pop each : Shows[4]
          proj x -> whole.I { connect all; weight 1 + pre; delay D }
          proj x -> each.I  { connect all; weight 1 + pre; delay a[pre] + 1 ms * post }
          output whole = whole
          output each = each
          output D = D / dt
          output a = a / dt
        }""",
        "utf-8",
    )
    x = np.zeros((14, 3), bool)
    x[0] = True
    runs = run_everywhere(path, {"x": x}, 14, seed=2)
    assert not differences(runs)
    found = runs["cpu"].outputs
    late = {"whole": np.rint(found["D"][0]), "each": np.rint(found["a"][0][:, np.newaxis] + np.arange(4))}
    for name, steps in late.items():
        for step in range(14):
            assert np.array_equal(found[name][step], np.array([1, 2, 3]) @ (steps == step)), name


def test_the_type_of_an_unnamed_population_is_asked_for_twice(tmp_path: Path) -> None:
    path = tmp_path / "unnamed.snn"
    path.write_text(
        """model Unnamed {
          step 1 ms
          neuron Cell { in I; var V = 0; V := 0.9 * V + I; spike when V >= 1 { V := 0 } }
          input x : real[1, 6, 6] in [0, 1]
          param K : real[2, 1, 3, 3] = kaiming() seed 1
          param W : real[8, size(f)] = kaiming() seed 2
          f = Cell[2, 6, 6](4 * conv2d(x, K, pad = 1)) |> avg_pool2d(2) |> flatten()
          z = sigmoid(W @ f + prev(h))
          h = (1 - z) * prev(h) + z * tanh(W @ f)
          output y = h
        }""",
        "utf-8",
    )
    x = np.random.default_rng(1).random((8, 1, 6, 6)).astype(np.float32)
    runs = run_everywhere(path, {"x": x}, 8)
    assert not differences(runs) and runs["cpu"].outputs["y"].any()
