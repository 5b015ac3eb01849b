"""Random programs at level `snn`: states, populations and dataflow tangled as no language would write them.

What they are for is order: old values and new ones of the same state, used before and after its writer, in sums
and in programs, alone and shared.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SIZE = 4
REAL, SPIKE = f"tensor<{SIZE}xf32>", f"tensor<{SIZE}xi1>"

PROGRAMS = """
  func.func private @Lif(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %d = arith.constant 0.5 : f32
    %0 = arith.mulf %d, %V : f32
    %1 = arith.addf %0, %I : f32
    %s = arith.cmpf oge, %1, %d : f32
    %2 = arith.subf %1, %d : f32
    %v = arith.select %s, %2, %1 : f32
    return %v, %s : f32, i1
  }
  func.func private @Port(%g: f32 {snn.port = "g", snn.state = "g"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "g"}, f32 {snn.state = "V"}, i1 {snn.event}) {
    %d = arith.constant 0.5 : f32
    %g1 = arith.mulf %d, %g : f32
    %0 = arith.mulf %d, %V : f32
    %1 = arith.addf %0, %g1 : f32
    %v = math.tanh %1 : f32
    %s = arith.cmpf ogt, %v, %V : f32
    return %g1, %v, %s : f32, f32, i1
  }
"""


@dataclass
class Network:
    """The text of one program while it grows; `values` are the names of what has been computed, by type."""

    rng: random.Random
    depths: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    inits: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=lambda: {REAL: ["%x", "%zero"], SPIKE: ["%s"]})
    count: int = 0

    def state(self, name: str, type: str, start: bool = True) -> None:
        self.types[name] = type
        self.depths[name] = self.rng.choice([1, 1, 1, 2, 3])
        zero = {REAL: "0.0 : f32", SPIKE: "false"}[type]
        other = {REAL: "0.375 : f32", SPIKE: "true"}[type]
        self.inits[name] = self.rng.choice([zero, zero, other]) if start else zero

    def emit(self, type: str, text: str) -> str:
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"{name} = {text}")
        self.values[type].append(name)
        return name

    def pick(self, type: str) -> str:
        values = self.values[type]
        return self.rng.choice(values if self.rng.random() < 0.5 else values[-3:])

    def read(self) -> None:
        name = self.rng.choice(list(self.types))
        delay = self.rng.randint(1, self.depths[name])
        type = self.types[name]
        self.emit(type, f'"snn.read"() {{of = @{name}, delay = {delay}}} : () -> {type}')

    def elementwise(self) -> None:
        a, b = self.pick(REAL), self.pick(REAL)
        match self.rng.randint(0, 4):
            case 0:
                self.emit(SPIKE, f"arith.cmpf ogt, {a}, {b} : {REAL}")
            case 1:
                self.emit(REAL, f"arith.select {self.pick(SPIKE)}, {a}, {b} : {SPIKE}, {REAL}")
            case 2:
                self.emit(SPIKE, f"arith.xori {self.pick(SPIKE)}, {self.pick(SPIKE)} : {SPIKE}")
            case _:
                sum = self.emit(REAL, f"arith.addf {a}, {b} : {REAL}")
                self.emit(REAL, f"arith.mulf {sum}, %half : {REAL}")

    def propagate(self, init: str | None = None) -> str:
        type = self.rng.choice([REAL, SPIKE, SPIKE])
        events, start = self.pick(type), init or self.rng.choice([self.pick(REAL), "%zero"])
        return self.emit(REAL, f'"snn.propagate"({events}, {start}) {{synapses = @w}} : ({type}, {REAL}) -> {REAL}')

    def update(self, population: str, program: str) -> None:
        if program == "Port" and self.rng.random() < 0.8:
            port = self.emit(REAL, f'"snn.read"() {{of = @{population}.g, delay = 1}} : () -> {REAL}')
            for _ in range(self.rng.randint(0, 3)):
                port = self.propagate(port)
        else:
            port = self.pick(REAL)
        self.emit(SPIKE, f'"snn.update"({port}) {{population = @{population}}} : ({REAL}) -> {SPIKE}')


def network(seed: int) -> str:
    """The text of one random program."""
    n = Network(random.Random(seed))
    populations = {f"p{k}": n.rng.choice(["Lif", "Port"]) for k in range(n.rng.randint(1, 3))}
    for name, program in populations.items():
        for state in ("g", "V") if program == "Port" else ("V",):
            n.state(f"{name}.{state}", REAL)
        n.state(f"{name}.spike", SPIKE, start=False)
    written = {f"s{k}": n.rng.choice([REAL, SPIKE]) for k in range(n.rng.randint(0, 4))}
    for name, type in written.items():
        n.state(name, type)
    waiting = list(populations.items())
    for _ in range(n.rng.randint(6, 18)):
        n.rng.choice([n.read, n.read, n.elementwise, n.elementwise, n.propagate])()
        if waiting and n.rng.random() < 0.25:
            n.update(*waiting.pop(0))
    for entry in waiting:
        n.update(*entry)
    n.lines += [f'"snn.write"({n.pick(type)}) {{to = @{name}}} : ({type}) -> ()' for name, type in written.items()]
    outputs = [n.pick(type) for type in (REAL, REAL, SPIKE)]
    return _text(n, populations, outputs)


def _text(n: Network, populations: dict[str, str], outputs: list[str]) -> str:
    declared = [
        f'"snn.state"() {{sym_name = "{name}", type = {type}, init = {n.inits[name]}, depth = {n.depths[name]}}} : () -> ()'
        for name, type in n.types.items()
    ]
    for name, program in populations.items():
        states = f"@{name}.g, @{name}.V" if program == "Port" else f"@{name}.V"
        declared.append(
            f'"snn.population"() {{sym_name = "{name}", neuron = @{program}, shape = [{SIZE}], states = [{states}], '
            f"params = [], event = @{name}.spike}} : () -> ()"
        )
    for name, type in n.types.items():
        if n.rng.random() < 0.5:
            kind = "event" if type == SPIKE else "value"
            declared.append(
                f'"snn.probe"() {{sym_name = "probe.{name}", of = @{name}, kind = "{kind}", every = 1, '
                f"low = 0, high = {SIZE}, shape = [{SIZE}]}} : () -> ()"
            )
    ends = [(name, type) for name, type in n.types.items() if n.rng.random() < 0.3]
    finish = [f'%e{k} = "snn.read"() {{of = @{name}, delay = 1}} : () -> {t}' for k, (name, t) in enumerate(ends)]
    names = ", ".join(f"%e{k}" for k in range(len(ends)))
    results = ", ".join(f'{t} {{snn.name = "e.{name}"}}' for name, t in ends)
    finish.append(f"return {names} : {', '.join(t for _, t in ends)}" if ends else "return")
    body = "\n    ".join([*n.lines, f"return {', '.join(outputs)} : {REAL}, {REAL}, {SPIKE}"])
    lines = "\n  ".join(declared)
    end = "\n    ".join(finish)
    return f"""module attributes {{snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"}} {{{PROGRAMS}
  "snn.constant"() {{sym_name = "W", type = tensor<{SIZE}x{SIZE}xf32>, digest = ""}} : () -> ()
  "snn.synapses"() {{sym_name = "w", pre = {SIZE}, post = {SIZE}, connect = {{kind = "all"}}, weight = @W}} : () -> ()
  {lines}
  func.func @step(%x: {REAL} {{snn.name = "x"}}, %s: {SPIKE} {{snn.name = "s", snn.kind = "spikes"}})
      -> ({REAL} {{snn.name = "a"}}, {REAL} {{snn.name = "b"}}, {SPIKE} {{snn.name = "c"}}) {{
    %zero = arith.constant dense<0.0> : {REAL}
    %half = arith.constant dense<0.5> : {REAL}
    {body}
  }}
  func.func @finish() -> ({results}) {{
    {end}
  }}
}}
"""
