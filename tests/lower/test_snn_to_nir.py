"""NIR out: what a program becomes, that it is the same network when it is read again, and what is refused."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest
from spikec import cli, driver
from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import CompileError, Diagnostics
from spikec.dialects.program import Program
from spikec.lower import snn_to_nir
from spikec.runtime.run import Run

LIF = """
  neuron LIF(tau: time = 10 ms, r = 2.0, rest = 0.0, theta = 1.0, floor = 0.0) {
    in  I
    var V = 0
    V := V + (rest + I * r - V) * dt / tau
    spike when V > theta { V := floor }
  }
"""
MLP = (
    """model MLP {
  step 1 ms"""
    + LIF
    + """
  input x : real[6]
  param W : real[3, 6] = [[1, 0, 2, 0, 0, 1], [0, 2, 0, 1, 1, 0], [1, 1, 1, 0, 0, 2]]
  param b : real[3] = [0.1, 0.2, 0.3]
  param taus : time[3] = [10 ms, 20 ms, 7 ms]
  hidden = LIF[3](1.5 * (W @ x + b), tau = taus)
  pop out : LIF[4](floor = -0.5)
  proj hidden -> out.I { connect prob(0.7) seed 1; weight 0.9 }
  proj out -> out.I { connect all if pre != post; weight -0.2; delay 1 ms }
  output early = hidden
  output late = out
}
"""
)


class Written:
    """A model, the NIR file that it becomes, and what was said on the way."""

    def __init__(self, text: str, folder: Path, real: int = 32, pipeline: str = "") -> None:
        self.model = folder / "model.snn"
        self.model.write_text(text)
        self.file = folder / "model.nir"
        self.diagnostics = Diagnostics()
        self.options = {"real": real, "pipeline": pipeline}
        compilation = driver.Compilation(self.model, driver.Options(**self.options), self.diagnostics)
        self.file.write_bytes(driver.emit(compilation, ["nir"]).files["nir"])

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """The fields of each node as numpy values, `type` as a text."""
        with h5py.File(self.file) as file:
            return {
                name: {key: field.asstr()[()] if field.dtype.kind == "O" else field[()] for key, field in node.items()}
                for name, node in file["node/nodes"].items()
            }

    @property
    def edges(self) -> set[tuple[str, str]]:
        with h5py.File(self.file) as file:
            return {(source, target) for source, target in file["node/edges"].asstr()[()]}

    def of_type(self, type: str) -> dict[str, Any]:
        """The only node of a type."""
        (found,) = [node for node in self.nodes.values() if node["type"] == type]
        return found

    def both(self, steps: int, **inputs: Any) -> tuple[Run, Run]:
        """What the model gives, and what the file gives when it is read as the note says."""
        (note,) = [d.message for d in self.diagnostics.items if d.code == "N1101"]
        said, dt = re.search(r"--semantics (\S+)", note), re.search(r"--dt (\S+)", note)
        assert dt is not None
        reading = {"semantics": said and said[1], "dt": dt[1], "real": self.options["real"]}
        first = driver.executable(driver.Compilation(self.model, driver.Options(target="reference", **self.options)))
        second = driver.executable(driver.Compilation(self.file, driver.Options(target="reference", **reading)))
        return first.run(inputs, steps=steps), second.run(inputs, steps=steps)

    def check(self, steps: int = 200, **inputs: Any) -> None:
        """Both give the same outputs: spikes exactly, potentials up to the rounding of another order."""
        first, second = self.both(steps, **inputs)
        assert set(first.outputs) == set(second.outputs)
        for name, value in first.outputs.items():
            found = np.asarray(second.outputs[name], np.float64)
            assert np.any(value), f"nothing happens at {name}"
            if value.dtype == np.bool_:
                assert np.array_equal(found, value)
            else:
                assert np.allclose(found, value, rtol=1e-5, atol=1e-6)


def drive(*shape: int, seed: int = 0, high: float = 1.0, steps: int = 200) -> Any:
    return (np.random.default_rng(seed).random((steps, *shape)) * high).astype(np.float32)


def model(neuron: str, body: str, step: str = "1 ms") -> str:
    return f"model M {{\n  step {step}\n{neuron}\n{body}\n}}\n"


def test_a_network_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    written = Written(MLP, tmp_path)
    written.check(x=drive(6))
    nodes = written.nodes
    assert nodes["hidden"]["type"] == "LIF"
    assert nodes["hidden"]["tau"].tolist() == [0.01, 0.02, 0.007]
    assert nodes["out"]["r"].tolist() == [2.0] * 4
    assert nodes["out"]["v_reset"].tolist() == [-0.5] * 4
    # The projection from the population to itself is a cycle, and NIR delays its last edge.
    (back,) = [source for source, target in written.edges if target == "out" and ("out", source) in written.edges]
    assert nodes[back]["weight"].shape == (4, 4)
    assert not np.any(np.diag(nodes[back]["weight"]))


def test_the_package_nir_reads_the_file(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    graph = nir.read(Written(MLP, tmp_path).file)
    assert type(graph.nodes["hidden"]).__name__ == "LIF"
    # What it writes again is the same file, up to how arrays are stored.
    nir.write(tmp_path / "again.nir", graph)
    with h5py.File(tmp_path / "model.nir") as ours, h5py.File(tmp_path / "again.nir") as theirs:
        for name, node in ours["node/nodes"].items():
            assert set(node) == set(theirs["node/nodes"][name])
            for key, field in node.items():
                assert np.array_equal(field[()], theirs["node/nodes"][name][key][()]), (name, key)
        assert {tuple(e) for e in ours["node/edges"][()]} == {tuple(e) for e in theirs["node/edges"][()]}


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    assert Written(MLP, tmp_path).file.read_bytes() == Written(MLP, tmp_path).file.read_bytes()


NEURONS = {
    "LIF": """
  neuron N(tau = 9.0) {
    in  I
    var V = 0
    V := (1 - dt / tau) * V + 0.3 * I + 0.01
    spike when V > 0.7 { V := -0.25 }
  }""",
    "IF": """
  neuron N(r = 0.3) {
    in  I
    var V = 0
    V += I * r
    spike when V > 1 { V := 0.1 }
  }""",
    "LI": """
  neuron N(tau = 4.0) {
    in  I
    var V = 0
    V := V * exp(-1 / tau) + I
    out V
  }""",
    "I": """
  neuron N {
    in  I
    var V = 0
    V += 0.5 * I
    out V
  }""",
    "CubaLI": """
  neuron N {
    in  I
    var V = 0, C = 0
    C := 0.75 * C + 2 * I
    V := V + (0.5 * C - V) / 6
    out V
  }""",
    "CubaLIF": """
  neuron N {
    in  I
    var V = 0, C = 0
    C := C + (3 * I - C) / 4
    V := V + (0.5 * C - V - 0.1) / 6
    spike when V > 0.4 { V := 0 }
  }""",
}


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("real", [32, 64])
def test_each_neuron_is_recognised(name: str, real: int, tmp_path: Path) -> None:
    text = model(NEURONS[name], "  input x : real[5]\n  output y = N[5](x)", "1 steps")
    written = Written(text, tmp_path, real)
    assert written.of_type(name)
    written.check(x=drive(5, high=1.5))


def test_exactly_integrated_equations_are_a_filtered_neuron(tmp_path: Path) -> None:
    neuron = """
  neuron N {
    in  I
    var V = 0
    V' = (I - V) / 20 ms
    I' = -I / 5 ms
    spike when V > 0.8 { V := 0 }
  }"""
    written = Written(model(neuron, "  input x : spikes[4]\n  output y = N[4](2.0 * x)", "0.5 ms"), tmp_path)
    assert written.of_type("CubaLIF")
    written.check(x=drive(4) > 0.5)


def test_a_threshold_that_is_reached_becomes_the_number_before_it(tmp_path: Path) -> None:
    neuron = """
  neuron N {
    in  I
    var V = 0
    V += I
    spike when V >= 1 { V := 0 }
  }"""
    written = Written(model(neuron, "  input x : real[1]\n  output y = N[1](x)"), tmp_path)
    assert written.of_type("IF")["v_threshold"].astype(np.float32) == np.nextafter(np.float32(1), np.float32(0))
    assert [d.code for d in written.diagnostics.items] == ["W1101", "N1101"]
    written.check(x=np.full((20, 1), 0.25, np.float32), steps=20)  # reaches 1 exactly


def test_potentials_that_start_elsewhere_are_an_option_of_the_reader(tmp_path: Path) -> None:
    neuron = """
  neuron N {
    in  I
    var V = 0.5
    V := V + (0.5 + I - V) / 8
    spike when V > 1 { V := 0 }
  }"""
    written = Written(model(neuron, "  input x : real[3]\n  output y = N[3](x)"), tmp_path)
    assert "--semantics nir-euler,v0=v_leak " in written.diagnostics.items[-1].message
    written.check(x=drive(3, high=2.0))


STREAMS = {
    "scale, threshold and sum": "  output y = (x * 0.5 + x) > 0.7",
    "a difference": "  output y = x - 0.25 * prev(x)",
    "a trace": "  t = 0.9 * prev(t) + x\n  output y = t",
    "a delay": "  output y = delay(x, 3 ms)",
    "the same value twice": "  output y = x + x",
    "parts": "  output y = concat(2.0 * x[1:3], x)",
    "a bias without projection": "  output y = x + 0.5",
    "a flattened value": "  output y = 2.0 * flatten(reshape(x, 2, 3))",
    "one matrix with and without bias": "  w = W @ x\n  output y = w + 1\n  output z = w",
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str, tmp_path: Path) -> None:
    body = "  input x : real[6]\n  param W : real[2, 6] = [[1, 0, 2, 0, 0, 1], [0, 2, 0, 1, 1, 0]]\n"
    written = Written(model("", body + STREAMS[name]), tmp_path)
    written.check(x=drive(6))


def test_shapes_in_which_elements_lie_in_a_row(tmp_path: Path) -> None:
    body = """
  input x : real[2, 3]
  pop a : LIF[3, 2]
  pop b : LIF[6]
  proj x -> a.I { connect all; weight 0.4 }
  proj a -> b.I { connect one_to_one; weight 2.5 }
  output y = b"""
    written = Written(model(LIF, body), tmp_path)
    assert written.nodes["a"]["tau"].shape == (6,)
    written.check(x=drive(2, 3))


def test_two_populations_in_a_cycle(tmp_path: Path) -> None:
    body = """
  input x : real[3]
  pop a : LIF[3]
  pop b : LIF[2]
  proj x -> a.I { connect one_to_one; weight 1 }
  proj a -> b.I { connect all; weight 3 }
  proj b -> a.I { connect all; weight -0.4; delay 3 ms }
  output y = b"""
    written = Written(model(LIF, body), tmp_path)
    # The cycle is entered at a: the way back has one step by itself, and two in a Delay.
    assert np.allclose(written.of_type("Delay")["delay"], 0.002)
    written.check(x=drive(3, high=1.5))


def test_convolutions_and_pooling(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    random = np.random.default_rng(3)
    kernel = {"weight": random.normal(size=(4, 2, 3, 2)).astype(np.float32), "bias": np.full(4, 0.1, np.float32)}
    shape = {"input_shape": (6, 7), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
    pool = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 1]), "padding": np.array([1, 1])}
    nodes = {
        "x": nir.Input({"input": np.array([2, 6, 7])}),
        "conv": nir.Conv2d(**shape, **kernel),
        "sum": nir.SumPool2d(**pool),
        "mean": nir.AvgPool2d(**pool),
        "flat": nir.Flatten({"input": np.array([4, 2, 7])}, 0, -1),
        "y": nir.Output({"output": np.array([56])}),
    }
    source = tmp_path / "conv.nir"
    nir.write(source, nir.NIRGraph(nodes, list(zip(nodes, list(nodes)[1:], strict=False)), type_check=False))
    compilation = driver.Compilation(source, driver.Options())
    again = tmp_path / "again.nir"
    again.write_bytes(driver.emit(compilation, ["nir"]).files["nir"])
    with h5py.File(again) as file:
        types = [node["type"].asstr()[()] for node in file["node/nodes"].values()]
    assert sorted(types) == ["AvgPool2d", "Conv2d", "Flatten", "Input", "Output", "SumPool2d"]
    runs = [
        driver.executable(driver.Compilation(p, driver.Options())).run({"x": drive(2, 6, 7)}) for p in (source, again)
    ]
    assert np.array_equal(runs[0].outputs["y"], runs[1].outputs["y"])


def random_network(random: Random) -> str:
    """Populations in a row with projections forward, skipping, back and delayed, and streams between them."""
    names = ["a", "b", "c", "d"][: random.randint(2, 4)]
    sizes = {name: random.randint(2, 5) for name in names}
    lines = ["  input x : real[3]"]
    lines += [f"  pop {name} : {random.choice(('LIF', 'Cuba', 'LI'))}[{sizes[name]}]" for name in names]
    sizes["x"] = 3
    links = [("x", names[0]), *itertools.pairwise(names)]
    links += [tuple(random.sample([*names, "x"], 2)) for _ in range(random.randint(0, 3))]
    links += [(random.choice(names), random.choice(names)) for _ in range(random.randint(0, 2))]
    for source, target in links:
        if target == "x":
            continue
        forward = source == "x" or names.index(source) < names.index(target)
        delay = random.choice((0, 0, 1, 3)) if forward else random.randint(1, 3)
        connect = random.choice(("all", "prob(0.6) seed 1", "all if pre != post"))
        late = f"; delay {delay} ms" if delay else ""
        weight = round(random.uniform(0.4, 1.5), 2) * (1 if forward else -0.5)
        if random.random() < 0.3 and not delay:
            value = f"prev({source})" if not forward else f"({source} * 0.5 + 0.25 * delay({source}, 2 ms))"
            lines.append(f"  proj_{len(lines)} = {value}")
            source = f"proj_{len(lines) - 1}"
        lines.append(f"  proj {source} -> {target}.I {{ connect {connect}; weight {weight}{late} }}")
    lines += [f"  output {name}_out = {name}" for name in names if random.random() < 0.7 or name == names[-1]]
    return model(LIF + CUBA + LEAKY, "\n".join(lines))


CUBA = NEURONS["CubaLIF"].replace("neuron N", "neuron Cuba")
LEAKY = NEURONS["LI"].replace("neuron N(tau = 4.0)", "neuron LI").replace("exp(-1 / tau)", "0.8")


def test_random_networks_are_the_same_or_refused(tmp_path: Path) -> None:
    written = 0
    for seed in range(16):
        text = random_network(Random(seed))
        try:
            file = Written(text, tmp_path, real=64)
        except CompileError as error:
            assert {d.code for d in error.diagnostics if d.severity == "error"} == {"E1103"}, text
            continue
        first, second = file.both(60, x=drive(3, seed=seed, high=2.0, steps=60))
        for name, value in first.outputs.items():
            # Potentials may grow without bound, and sums are taken in another order.
            off = np.abs(np.asarray(second.outputs[name], np.float64) - value)
            assert np.max(off) <= 1e-9 * max(1.0, float(np.max(np.abs(value)))), text
        written += 1
    assert written >= 8


SPIKING = "  neuron N {{\n    in I\n    var V = 0\n    V := 0.9 * V + I\n    spike when V > 1 {{ {} }}\n  }}"
OUTPUT = "  input x : real[2]\n  output y = N[2](x)"
REFUSED = {
    "soft reset": ("E1101", "soft reset", model(SPIKING.format("V -= 1"), OUTPUT)),
    "no reset": (
        "E1101",
        "not reset",
        model(SPIKING.format(""), OUTPUT),
    ),
    "a reset to a share": ("E1101", "fixed value", model(SPIKING.format("V := 0.5 * V"), OUTPUT)),
    "refractory time": ("E1101", "arith.cmpi", model(SPIKING.format("V := 0; hold V for 2 ms"), OUTPUT)),
    "signed spikes": (
        "E1101",
        "one spike",
        model(SPIKING.format("V := 0").replace("> 1", "> 1 emit 2"), OUTPUT),
    ),
    "the old potential": (
        "E1101",
        "potential that this step computed",
        model(
            "  neuron N {\n    in I\n    var V = 0\n    old = V\n    V := 0.9 * V + I\n    spike when old > 1 { V := 0 }\n  }",
            OUTPUT,
        ),
    ),
    "growth": ("E1101", "does not decay", model(SPIKING.format("V := 0").replace("0.9", "1.1"), OUTPUT)),
    "a nonlinear neuron": ("E1101", "arith.mulf", model(SPIKING.format("V := 0").replace("0.9 * V", "V * V"), OUTPUT)),
    "drawn first values": (
        "E1101",
        "drawn",
        model(
            SPIKING.format("V := 0"),
            "  input x : real[2]\n  pop a : N[2] { V = uniform(0, 1) seed 1 }\n  a.I = x\n  output y = a",
        ),
    ),
    "the potential of a neuron that spikes": (
        "E1102",
        "'a.V' is read",
        model(SPIKING.format("V := 0"), "  input x : real[2]\n  pop a : N[2]\n  a.I = x\n  output y = a.V"),
    ),
    "a product of streams": ("E1102", "arith.mulf", model("", "  input x : real[2]\n  output y = x * x")),
    "chance": ("E1102", "snn.draw", model("", "  input x : real[2]\n  output y = bernoulli(x)")),
    "delays that differ": (
        "E1102",
        "differ in their delays",
        model(
            SPIKING.format("V := 0"),
            "  input x : spikes[2]\n  pop a : N[2]\n  proj x -> a.I { delay (1 + pre) * dt }\n  output y = a",
        ),
    ),
    "a function": ("E1102", "math.tanh", model("", "  input x : real[2]\n  output y = tanh(x)")),
    "one value for the run": ("E1102", "whole run", model("", "  input x : real[2]\n  output y = over_time(sum, x)")),
    "no input": (
        "E1103",
        "no input",
        model(
            SPIKING.format("V := 0"),
            "  pop a : N[2]\n  proj a -> a.I { connect all; weight 1; delay 1 ms }\n  output y = a",
        ),
    ),
    "a cycle with two entries": (
        "E1103",
        "more than one place",
        model(
            SPIKING.format("V := 0"),
            "  input x : real[2]\n  pop a : N[2]\n  pop b : N[2]\n  a.I = x\n  b.I = x\n"
            "  proj a -> b.I { connect all; weight 1; delay 1 ms }\n"
            "  proj b -> a.I { connect all; weight 1; delay 1 ms }\n  output y = a",
        ),
    ),
    "a single number": ("E1104", "single number", model("", "  input x : real[2]\n  output y = sum(x)")),
    "one name for two": ("E1104", "are called 'x'", model("", "  input x : real[2]\n  output x = 2 * x")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nir_cannot_express_is_named(name: str, tmp_path: Path) -> None:
    code, words, text = REFUSED[name]
    with pytest.raises(CompileError) as caught:
        Written(text, tmp_path)
    errors = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert [d.code for d in errors if words in d.message] == [code], errors


def test_all_that_is_wrong_is_reported_with_its_place(tmp_path: Path) -> None:
    body = "  input x : real[2]\n  a = N[2](x)\n  output y = tanh(x) + a"
    with pytest.raises(CompileError) as caught:
        Written(model(SPIKING.format("V -= 1"), body), tmp_path)
    found = [(d.code, d.span.line) for d in caught.value.diagnostics if d.span is not None]
    assert found == [("E1101", 10), ("E1102", 11)]


def test_the_command_line_writes_a_file_and_not_to_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, made = tmp_path / "mlp.snn", tmp_path / "mlp.nir"
    source.write_text(MLP)
    assert cli.main(["compile", str(source), "--emit", "nir"]) == 2
    assert "--emit nir needs -o FILE" in capsys.readouterr().err
    assert cli.main(["compile", str(source), "--emit", "nir", "-o", str(made)]) == 0
    assert "read it with --dt 0.001" in capsys.readouterr().err
    assert made.read_bytes()[:4] == b"\x89HDF"
    folder = tmp_path / "both"
    folder.mkdir()
    assert cli.main(["compile", str(source), "--emit", "nir,snn", "--target", "reference", "-o", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["mlp.nir", "mlp.snn.mlir", "mlp.snn.safetensors"]


def test_fixed_point_is_refused() -> None:
    """Integer sums wrap, and NIR has no scales."""
    text = """module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  "snn.synapses"() {sym_name = "w", pre = 3, post = 4, connect = {kind = "all"}, weight = 3 : i8} : () -> ()
  func.func @step(%x: tensor<3xi8> {snn.name = "x", snn.scale = 0.5 : f64}) -> (tensor<4xi16> {snn.name = "y"}) {
    %z = arith.constant dense<0> : tensor<4xi16>
    %i = "snn.propagate"(%x, %z) {synapses = @w} : (tensor<3xi8>, tensor<4xi16>) -> tensor<4xi16>
    return %i : tensor<4xi16>
  }
}"""
    diagnostics = Diagnostics()
    with pytest.raises(CompileError):
        snn_to_nir.lower(Program.parse(text, Constants()), 0, diagnostics)
    messages = [(d.code, d.message) for d in diagnostics.items]
    assert messages == [
        ("E1102", "the input 'x' is in fixed point"),
        ("E1102", "the projection 'w' has integer weights"),
    ]
