"""Random networks that have a circuit, and runs of circuits beside the interpreter of level `step`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import spikec
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.rtl import bench
from spikec.runtime.rtl.bench import Ran
from spikec.runtime.rtl.circuit import Circuit

NEURONS = {
    "leaky": "in I\n var V = {v}\n V := exp(-dt / {tau}) * V + I\n spike when V >= {theta} {{ V -= {theta} }}",
    "hard": "in I\n var V = {v}\n V := exp(-dt / {tau}) * V + I\n spike when V >= {theta} {{ V := 0; hold V for {k} ms }}",
    "perfect": "in I\n var V = {v}\n V := V + I + {bias}\n spike when V >= {theta} {{ V -= {theta} }}",
    "current": "in I\n var V = 0\n I' = -I / 4 ms\n V' = (I - V) / {tau}\n spike when V >= {theta} {{ V := 0 }}",
    "undone": "in I\n var V = 0\n prior = V\n V := V + I\n spike when V >= {theta} {{ V := 0.5 * prior }}",
    "adaptive": "in I\n var V = 0, a = 0\n V := exp(-dt / {tau}) * V + I - a\n a := 0.9 * a\n"
    " spike when V >= {theta} {{ V := 0; a += 0.25 }}",
}


# What goes from element to element but through weights.
MOVES = (
    "  {name}.I += 0.1 * sum(prev({name}))",
    "  {name}.I += -0.3 * {before}[0]",
    "  output z{n} = prev({name})",
    "  output m{n} = max({name}[0:1]) + sum({before})",
    "  output j{n} = concat(prev({before}), {name})",
)


@dataclass(frozen=True)
class Case:
    """A model's text, its arrays by name, and inputs for so many steps."""

    text: str
    arrays: dict[str, Array]
    inputs: dict[str, Array]
    steps: int

    def program(self, folder: Path) -> Program:
        np.savez(folder / "arrays.npz", **self.arrays)
        (folder / "net.snn").write_text(self.text)
        return spikec.load(folder / "net.snn")


def write(random: Random) -> Case:
    """A random network of one to three layers."""
    rng = np.random.default_rng(random.randrange(1 << 30))
    steps = random.randint(5, 25)
    size = random.choice((1, 3, 16, 17, 40))
    drawn = random.random() < 0.25
    lines = [f"  input x : {'real' if drawn else 'spikes'}[{size}]{' in [0, 1]' if drawn else ''}"]
    inputs = {"x": rng.random((steps, size)) * 0.5 if drawn else rng.random((steps, size)) < random.choice((0.1, 0.4))}
    if drawn:
        lines.append(f"  s0 = {random.choice(('bernoulli', 'lfsr'))}(x) seed 3")
    neurons, arrays = [], {}
    before, width = ("s0" if drawn else "x"), size
    for layer in range(random.randint(1, 3)):
        name, kind, count = f"p{layer}", random.choice(list(NEURONS)), random.choice((1, 2, 5, 8, 12, 19))
        body = NEURONS[kind].format(
            v=random.choice((0, 0.25, 0.6)),
            tau=random.choice(("3 ms", "10 ms", "30 ms")),
            theta=random.choice((0.8, 1.0)),
            k=random.randint(1, 4),
            bias=random.choice((0, 0.05)),
        )
        neurons.append(f"  neuron N{layer} {{\n {body}\n  }}")
        arrays[f"w{layer}"] = (rng.normal(0.15, 0.5, (count, width))).astype("f4")
        lines += [
            f"  pop {name} : N{layer}[{count}]",
            f'  param w{layer} : real[{count}, {width}] = load("arrays.npz", "w{layer}")',
        ]
        lines.append(f"  {name}.I = w{layer} @ {before}")
        if random.random() < 0.4:
            arrays[f"r{layer}"] = rng.normal(0, 0.3, (count, count)).astype("f4")
            lines.append(f'  param r{layer} : real[{count}, {count}] = load("arrays.npz", "r{layer}")')
            delay = random.choice(("1 ms", "2 ms", "5 ms", "uniform(1 ms, 4 ms) seed 2"))
            connect = random.choice(("all", "prob(0.4) seed 5"))
            weight = f"r{layer}" if connect == "all" else "0.3"
            lines.append(f"  proj {name} -> {name}.I {{ connect {connect}; weight {weight}; delay {delay} }}")
        if random.random() < 0.3 and count == width:
            lines.append(f"  proj {before} -> {name}.I {{ connect one_to_one; weight 0.4; delay 1 ms }}")
        if layer and random.random() < 0.3:
            lines.append(f"  proj p0 -> {name}.I {{ connect all; weight -0.1; delay {random.randint(1, 3)} ms }}")
        lines += _sparse(Random(f"{layer} {lines}"), before, name)
        if random.random() < 0.4:
            lines.append(random.choice(MOVES).format(n=layer, name=name, before=before))
        before, width = name, count
        if random.random() < 0.5:
            lines.append(f"  output y{layer} = {name}")
    lines.append(f"  output last = {before}")
    text = "\n".join(["model Random {", "  step 1 ms", *neurons, *lines, "}"]) + "\n"
    return Case(text, arrays, inputs, steps)


def _sparse(random: Random, before: str, name: str) -> list[str]:
    """Few synapses of a layer more, in some networks."""
    if random.random() < 0.6:
        return []
    connect = random.choice(("prob(0.1) seed 1", "prob(0.3) seed 2", "fixed_in(1) seed 3", "fixed_out(1) seed 4"))
    weight, delay = random.choice((-0.3, 0.2, 0.7)), random.choice(("1 ms", "3 ms", "uniform(1 ms, 4 ms) seed 5"))
    return [f"  proj {before} -> {name}.I {{ connect {connect}; weight {weight}; delay {delay} }}"]


def integers(case: Case, random: Random, folder: Path) -> Program:
    """The integers of a network, with random options of `quantize`."""
    network = case.program(folder)
    np.savez(folder / "inputs.npz", **case.inputs)
    options = {
        "weights": random.choice((2, 4, 8, 8)),
        "state": random.choice((8, 12, 16, 18)),
        "scale": random.choice(("mse", "symmetric", "pow2")),
        "per": random.choice(("tensor", "channel")),
        "decay": random.choice(("multiply", "shift", "shift")),
        "round": random.choice(("nearest", "floor")),
    }
    if random.random() < 0.7:
        options["calibrate"] = f'"{folder / "inputs.npz"}"'
    text = ",".join(f"{key}={value}" for key, value in options.items())
    return spikec.pipeline(f"quantize{{{text}}}")(network)


def lowered(
    network: Program, lanes: dict[str, int] | int, seed: int = 0, bank: int | None = None
) -> tuple[Program, Circuit]:
    """A network's program at level `step`, and its circuit."""
    program = snn_to_step.lower(network, seed)
    return program, build(program, lanes, starts(network, program, seed), bank=bank)


def starts(network: Program, program: Program, seed: int = 0) -> dict[str, Array]:
    """What states hold after `@init`."""
    engine = StepEngine(program, Interface.of(network))
    engine.reset(seed, 0)
    states = [buffer.sym_name for buffer in program.ops(step.Buffer) if buffer.kind == "state"]
    return {name: engine.state(name) for name in states}


def integer_inputs(network: Program, inputs: dict[str, Array], steps: int) -> dict[str, Array]:
    """The integers that the host makes of inputs."""
    found = {}
    for entry in Interface.of(network).inputs:
        array = np.asarray(inputs[entry.name], np.float64) / (entry.scale or 1.0)
        low, high = (None if end is None else np.rint(end / (entry.scale or 1.0)) for end in (entry.low, entry.high))
        found[entry.name] = (
            np.clip(np.rint(array), low, high) if low is not None or high is not None else np.rint(array)
        )
        found[entry.name] = found[entry.name].astype(entry.dtype).reshape(steps, *entry.shape)
    return found


def interpreted(
    network: Program, program: Program, data: dict[str, Array], steps: int, seed: int = 0, sample: int = 0
) -> Ran:
    """The same from the interpreter of level `step`."""
    engine = StepEngine(program, Interface.of(network))
    engine.reset(seed, sample)
    trace = engine.advance(data, frozenset(data), steps)
    states = [buffer.sym_name for buffer in program.ops(step.Buffer) if buffer.kind == "state"]
    outputs = {name: np.asarray(array, np.int64).reshape(steps, -1) for name, array in trace.outputs.items()}
    return Ran(outputs, {name: engine.state(name).astype(np.int64).reshape(-1) for name in states}, 0)


def differences(found: Ran, expected: Ran) -> list[str]:
    """What differs: outputs, and the states that the circuit holds."""
    texts = []
    for kind in ("outputs", "states"):
        mine, other = getattr(found, kind), getattr(expected, kind)
        texts += [f"{kind[:-1]} {name}" for name in mine if not np.array_equal(mine[name], other[name])]
    return texts + [f"output {name} is missing" for name in expected.outputs.keys() - found.outputs.keys()]


def compare(
    network: Program,
    inputs: dict[str, Array],
    steps: int,
    lanes: dict[str, int] | int,
    seed: int = 0,
    bank: int | None = None,
) -> Ran:
    """Runs both and returns the circuit's run; raises AssertionError where they differ."""
    program, circuit = lowered(network, lanes, seed, bank)
    data = integer_inputs(network, inputs, steps)
    found = bench.run(circuit, data, steps, seed)
    texts = differences(found, interpreted(network, program, data, steps, seed))
    assert not texts, texts
    return found
