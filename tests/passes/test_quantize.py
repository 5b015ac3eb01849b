"""quantize: what integers lose, what they must not lose, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.dialects import snn
from spikec.dialects.diagnostics import CompileError, Diagnostic, UsageError
from spikec.dialects.functions import walk
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.lower import snn_to_step
from spikec.passes.quantize import Quantize
from spikec.runtime.interface import Interface
from spikec.runtime.run import Run

from tests.passes.tables import rows
from tests.programs.engines import differences, on_every_engine

Array = npt.NDArray[Any]
DIGITS = Path(__file__).resolve().parents[2] / "examples" / "03_digits" / "digits.snn"
CONFORMANCE = os.environ.get("SPIKEC_CONFORMANCE")


def network(tmp_path: Path, text: str) -> Program:
    path = tmp_path / "net.snn"
    path.write_text(text)
    return spikec.load(path)


def quantized(program: Program, **options: Any) -> Program:
    made = spikec.pipeline("canonicalize")(program)
    made = Quantize(**options).run(made)
    verify(made, "quantize")
    return made


def everywhere(program: Program, inputs: dict[str, Array], steps: int) -> Run:
    """The run of an integer program, the same on all engines."""
    runs = on_every_engine(program, inputs, steps)
    assert not differences(runs)
    return runs["cpu"]


def real_types(program: Program) -> list[str]:
    """Ops with a real operand or result."""
    return [
        op.name
        for op in walk(program.module.operation)
        for value in (*op.operands, *op.results)
        if str(getattr(value.type, "element_type", value.type)) in ("f32", "f64")
    ]


# ---------------------------------------------------------------- accuracy


@pytest.fixture(scope="module")
def images() -> tuple[Array, Array]:
    """Images 898 to 1796, which training did not see."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.data[898:] / 16).astype(np.float32), digits.target[898:]


def accuracy(program: Program, images: tuple[Array, Array]) -> float:
    run = spikec.compile(program).run({"x": images[0]}, steps=100, batch=len(images[0]))
    return 100 * float((run.outputs["label"] == images[1]).mean())


@pytest.fixture(scope="module")
def real_accuracy(images: tuple[Array, Array]) -> float:
    return accuracy(spikec.load(DIGITS), images)


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({"weights": 8, "state": 16}, 0.3),
        ({"weights": 4, "state": 16}, 1.5),
        ({"weights": 4, "state": 16, "per": "channel"}, 1.5),
        ({"weights": 4, "state": 16, "scale": "pow2"}, 1.5),
        ({"weights": 8, "state": 16, "decay": "shift", "round": "even"}, 0.3),
    ],
)
def test_digits_lose_little(
    options: dict[str, Any], points: float, images: tuple[Array, Array], real_accuracy: float
) -> None:
    made = quantized(spikec.load(DIGITS), **options)
    assert not real_types(made)
    assert real_accuracy - accuracy(made, images) <= points
    everywhere(made, {"x": images[0][0]}, 60)


def test_powers_of_two_leave_no_multiplication() -> None:
    made = quantized(spikec.load(DIGITS), weights=4, scale="pow2", decay="shift")
    for view in made.ops(snn.Synapses):
        assert view.code == "pow2"
        weights = np.abs(made.constants[str(view.weight).removeprefix("@").strip('"')].astype(np.int64))
        assert set(np.unique(weights)) <= {0, *(1 << k for k in range(7))}
    text = snn_to_step.lower(made).text()
    assert "muli" not in text and "mulf" not in text
    assert text.count('code = "pow2"') == 2


# ---------------------------------------------------------------- against the real network


def cases() -> list[dict[str, Any]]:
    if CONFORMANCE is None:
        return []
    found: list[dict[str, Any]] = json.loads((Path(CONFORMANCE) / "nir/cases/manifest.json").read_text())["cases"]
    return found


@pytest.mark.skipif(CONFORMANCE is None, reason="SPIKEC_CONFORMANCE does not name the conformance data")
@pytest.mark.parametrize("name", sorted({case["semantics"] for case in cases()}))
def test_networks_of_other_frameworks_keep_their_spikes(name: str, tmp_path: Path) -> None:
    """With 16-bit weights and 24-bit states, spikes are those of the real network in nearly all cases."""
    mine = [case for case in cases() if case["semantics"] == name]
    shares = [agreement(case, tmp_path) for case in mine]
    assert np.mean(shares) >= 0.97, dict(zip((case["case"] for case in mine), shares, strict=True))


def agreement(case: dict[str, Any], tmp_path: Path) -> float:
    """The share of output values that agree: equal where they are spikes, within 1 % of the greatest else."""
    folder = Path(str(CONFORMANCE)) / "nir/cases"
    options = "".join(f",{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in case["options"].items())
    real = spikec.load(folder / f"{case['case']}.nir", semantics=case["semantics"] + options, dt=case["dt"])
    data = np.load(folder / f"{case['case']}.npz")
    names = [i.name for i in Interface.of(real).inputs]
    keys = [key for key in data.files if key.startswith("input")]
    inputs = {name: data[key] for name, key in zip(names, keys, strict=True)} if len(keys) == 1 else {}
    inputs = inputs or {key.removeprefix("input_"): data[key] for key in keys}
    np.savez(tmp_path / "data.npz", **inputs)
    made = quantized(real, weights=16, state=24, calibrate=str(tmp_path / "data.npz"))
    wanted = spikec.compile(real).run(inputs, steps=case["steps"]).outputs
    got = spikec.compile(made).run(inputs, steps=case["steps"]).real().outputs
    shares = []
    for key, spec in case["outputs"].items():
        limit = 0.0 if spec["kind"] == "spikes" else 0.01 * float(np.max(np.abs(wanted[key])))
        shares.append(float((np.abs(wanted[key] - got[key]) <= limit).mean()))
    return min(shares)


XOR = """model Xor {
  step 1 steps
  neuron Count(theta = 2) { in I; var V = 0; V := V + I; spike when V >= theta { V := 0 } }
  input x : spikes[6]
  param W : real[4, 6] = load("w.npz", "W")
  pop a : Count[4]
  a.I += W @ x
  pop b : Count[2](theta = 3)
  proj a -> b { connect all; weight 1 }
  proj b -> a { connect all; weight -1; delay 1 steps }
  output y = b
  probe a.V, a.spike
}"""


def test_an_integer_network_loses_nothing(tmp_path: Path) -> None:
    """Whole weights and thresholds: the lossless route."""
    np.savez(tmp_path / "w.npz", W=np.random.default_rng(1).integers(-2, 4, (4, 6)).astype(np.float32))
    program = network(tmp_path, XOR)
    made = quantized(program, weights=4)
    x = np.random.default_rng(0).random((60, 6)) < 0.4
    real = spikec.compile(program).run({"x": x}, steps=60)
    whole = everywhere(made, {"x": x}, 60)
    assert real.counts == whole.counts and whole.counts["b"] > 3
    assert np.array_equal(real.probes["a.V"], whole.real().probes["a.V"])


CUBA = """model Cuba {
  step 1 ms
  neuron Cell(tau = 12 ms, theta = 1) {
    in g
    g' = -g / 5 ms
    var V = 0
    V' = (g - V) / tau
    spike when V > theta { V := 0; hold V for 3 ms }
  }
  input x : spikes[20]
  pop a : Cell[30]
  proj x -> a { connect prob(0.5) seed 1; weight 0.9 }
  proj a -> a { connect prob(0.2) seed 2; weight 0.2; delay 2 ms }
  probe a.V, a.spike
}"""


@pytest.mark.parametrize("decay", ["multiply", "shift"])
def test_equations_and_ports_that_are_states(tmp_path: Path, decay: str) -> None:
    program = network(tmp_path, CUBA)
    x = np.random.default_rng(2).random((400, 20)) < 0.15
    np.save(tmp_path / "x.npy", x)
    made = quantized(program, weights=8, state=16, decay=decay, calibrate=str(tmp_path / "x.npy"))
    assert not real_types(made)
    real = spikec.compile(program).run({"x": x}, steps=400)
    whole = everywhere(made, {"x": x}, 400)
    share = whole.counts["a"] / real.counts["a"]
    assert abs(share - 1) < (0.02 if decay == "multiply" else 0.2), (whole.counts, real.counts)
    if decay == "multiply":
        (spikes,) = (row for row in rows(made, "quantize: spikes") if row["population"] == "a")
        assert spikes["agreement"] > 0.9


def test_per_channel_scales_are_written_with_probes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(8, 12)) * np.geomspace(0.05, 2, 8)[:, None]
    np.savez(tmp_path / "w.npz", W=weights.astype(np.float32))
    program = network(
        tmp_path,
        """model Net {
          step 1 ms
          neuron Leak { in I; var V = 0; V := 0.9 * V + I; out V }
          input x : spikes[12]
          param W : real[8, 12] = load("w.npz", "W")
          pop a : Leak[8]
          a.I += W @ x
          output best = argmax(over_time(sum, a))
          probe a.V
        }""",
    )
    x = rng.random((50, 12)) < 0.3
    np.save(tmp_path / "x.npy", x)
    made = quantized(program, weights=6, state=20, per="channel", calibrate=str(tmp_path / "x.npy"))
    real = spikec.compile(program).run({"x": x}, steps=50)
    whole = everywhere(made, {"x": x}, 50)
    error = np.abs(whole.real().probes["a.V"] - real.probes["a.V"]).max(axis=0)
    assert (error <= 0.06 * np.abs(real.probes["a.V"]).max(axis=0)).all()
    assert whole.outputs["best"] == real.outputs["best"]


# ---------------------------------------------------------------- overflow


LEAK = """model Leak {
  step 1 ms
  neuron Cell { in I; var V = 0; V := 0.5 * V + I; spike when V >= 3 { V -= 3 } }
  input x : spikes[16]
  pop a : Cell[4]
  proj x -> a { connect all; weight 0.125 }
  probe a.V
}"""


def test_saturation_is_proven_away_or_kept(tmp_path: Path) -> None:
    """A leak bounds the first network; nothing bounds an integrator."""
    bounded = quantized(network(tmp_path, LEAK))
    assert [row["overflow"] for row in rows(bounded, "quantize: states") if row["state"] == "a.V"] == ["proven"]
    assert "minsi" not in bounded.text()
    free = quantized(network(tmp_path, LEAK.replace("0.5 * V", "V").replace("spike when V >= 3 { V -= 3 }", "out V")))
    assert [row["overflow"] for row in rows(free, "quantize: states") if row["state"] == "a.V"] == ["saturates"]
    run = everywhere(free, {"x": np.ones((4000, 16), bool)}, 4000)
    assert run.probes["a.V"].max() == 32767 and run.probes["a.V"][-1].min() == 32767


def refused(program: Program, **options: Any) -> list[Diagnostic]:
    with pytest.raises(CompileError) as caught:
        quantized(program, **options)
    return list(caught.value.diagnostics)


def test_an_accumulator_that_may_overflow_is_refused(tmp_path: Path) -> None:
    program = network(tmp_path, LEAK)
    assert quantized(program, acc=6)  # sixteen times one
    found = refused(program, acc=5)
    assert found[0].code == "E1212" and found[0].span is not None and "6 bits" in found[0].message


def test_what_has_no_integers_is_refused_with_its_place(tmp_path: Path) -> None:
    text = LEAK.replace("V := 0.5 * V + I", "V := 0.5 * V + exp(40 * I)")
    found = refused(network(tmp_path, text))
    assert found[0].code == "E1211" and found[0].span is not None and found[0].span.line == 3
    text = LEAK.replace("input x : spikes[16]", "input x : real[16]")
    assert refused(network(tmp_path, text))[0].code == "E1214"


@pytest.mark.parametrize("options", [{"weights": 17}, {"weights": 0}, {"state": 1}, {"acc": 2}, {"labels": "x.npy"}])
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Quantize(**options)
    text = ",".join(f"{k}={v}" for k, v in options.items())
    with pytest.raises(UsageError):
        spikec.pipeline(f"quantize{{{text}}}")


def test_a_layer_of_zeros_is_a_warning(tmp_path: Path) -> None:
    made = quantized(network(tmp_path, LEAK.replace("weight 0.125", "weight 0")))
    assert any(isinstance(n, Diagnostic) and n.code == "W1201" for n in made.notes)


def test_functions_become_polynomials(tmp_path: Path) -> None:
    """A Poisson encoder whose rate is an input: p = 1 - exp(-rate dt)."""
    program = network(
        tmp_path,
        """model Net {
          step 1 ms
          neuron Count { in I; var V = 0; V := V + I; out V }
          input x : real[200] in [0, 1]
          s = poisson(x * 400 Hz) seed 3
          pop a : Count[200]
          proj s -> a { connect one_to_one; weight 1 }
          output total = over_time(sum, a)
          probe a.V
        }""",
    )
    made = quantized(program)
    x = np.linspace(0, 1, 200).astype(np.float32)
    real = spikec.compile(program).run({"x": x}, steps=300).probes["a.V"][-1]
    whole = everywhere(made, {"x": x}, 300).real().probes["a.V"][-1]
    assert np.abs(real - whole).max() <= 1 and real.sum() > 1000


def test_states_that_start_at_random(tmp_path: Path) -> None:
    """Box-Muller in integers: logarithm, root and cosine."""
    text = LEAK.replace("pop a : Cell[4]", "pop a : Cell[400] { V = normal(1, 0.25) seed 2 }")
    program = network(tmp_path, text)
    x = np.zeros((1, 16), bool)
    real = spikec.compile(program).run({"x": x}, steps=1).probes["a.V"]
    whole = everywhere(quantized(program), {"x": x}, 1).real().probes["a.V"]
    assert np.abs(real - whole).max() < 0.002


def test_divisions(tmp_path: Path) -> None:
    """By a bounded variable, and a mean over the run, whose number of steps is one that may be 0."""
    text = LEAK.replace("V := 0.5 * V + I", "V := 0.5 * V + I / (1 + abs(V))")
    program = network(tmp_path, text.replace("probe a.V", "probe a.V\n  output rate = over_time(mean, a)"))
    x = np.random.default_rng(6).random((200, 16)) < 0.5
    real = spikec.compile(program).run({"x": x}, steps=200)
    whole = everywhere(quantized(program), {"x": x}, 200).real()
    assert np.abs(real.probes["a.V"] - whole.probes["a.V"]).max() < 0.01
    assert np.abs(real.outputs["rate"] - whole.outputs["rate"]).max() < 1e-3


def test_whole_inputs_within_a_range(tmp_path: Path) -> None:
    text = LEAK.replace("input x : spikes[16]", "input x : int[16] in [0, 16]")
    program = network(tmp_path, text)
    x = np.random.default_rng(4).integers(0, 17, (50, 16))
    real = spikec.compile(program).run({"x": x}, steps=50)
    whole = everywhere(quantized(program), {"x": x}, 50)
    assert whole.counts["a"] == real.counts["a"] > 0


def test_labels_give_the_accuracy_of_both(images: tuple[Array, Array], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images[0][:24])
    np.save(tmp_path / "y.npy", images[1][:24])
    made = quantized(spikec.load(DIGITS), calibrate=str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy"), steps=40)
    titles = [n.title for n in made.notes if isinstance(n, Table)]
    assert any(title.startswith("quantize: accuracy") for title in titles), titles
    (spikes,) = (row for row in rows(made, "quantize: spikes") if row["population"] == "hidden")
    assert spikes["agreement"] > 0.8


def test_populations_that_share_a_program(tmp_path: Path) -> None:
    """Each has scales of its own, per channel too."""
    text = LEAK.replace("probe a.V", "pop b : Cell[7]\n  proj a -> b { connect all; weight 40 }\n  probe a.V, b.V")
    program = network(tmp_path, text)
    x = np.random.default_rng(5).random((80, 16)) < 0.6
    real = spikec.compile(program).run({"x": x}, steps=80)
    whole = everywhere(quantized(program, weights=6, per="channel"), {"x": x}, 80)
    assert whole.counts == real.counts and real.counts["b"] > 0


SUMS = """
model Sums {
  step 1 steps
  input x : real[2, 3, 4] in [-1, 1]
  param W : real[5, 2] = [[1.5, 2], [3, -1], [-2, 4.25], [0.125, 7], [0, 0]]
  weighed[o]    = sum[c, i, j](W[o, c] * x[c, i, j])
  square[c]     = sum[i, j](x[c, i, j] * x[c, i, j])
  average[i]    = mean[c, j](x[c, i, j] - 0.5)
  greatest[c, i] = max[j](x[c, i, j])
  output weighed  = weighed
  output square   = square
  output total    = sum(x)
  output average  = average
  output greatest = greatest
  output label    = argmax(over_time(sum, weighed))
}
"""


def test_sums_of_reals_count_every_term(tmp_path: Path) -> None:
    program = network(tmp_path, SUMS)
    x = np.random.default_rng(5).uniform(-1, 1, (20, 2, 3, 4))
    wanted = spikec.compile(program).run({"x": x}).outputs
    run = everywhere(quantized(program), {"x": x}, 20)
    for name in ("weighed", "square", "total", "average", "greatest"):
        assert np.abs(run.outputs[name] * run.scales[name] - wanted[name]).max() < 0.02, name
    assert run.outputs["label"] == wanted["label"]
