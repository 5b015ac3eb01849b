"""Random valid `.snn` programs over the language's core, with the arrays and inputs that they need.

`cases()` is a hypothesis strategy of `Case`.  The text is built top down: a clock and a scale (plain numbers or
millivolts), inputs, arrays, neurons, populations with what drives them, projections, streams, outputs and
probes.  Numbers are chosen so that neurons fire and stay finite most of the time.  `constructs.py` counts what
the texts contain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A program: its text, the arrays of `arrays.npz` beside it, its inputs and how long to run it."""

    text: str
    arrays: dict[str, Array]
    inputs: dict[str, Array]
    steps: int

    def write(self, folder: Path) -> Path:
        """Writes model and arrays, and returns the model's path."""
        if self.arrays:
            np.savez(folder / "arrays.npz", **self.arrays)  # type: ignore[arg-type]
        path = folder / "model.snn"
        path.write_text(self.text)
        return path

    def __repr__(self) -> str:
        inputs = {name: (array.shape, str(array.dtype)) for name, array in self.inputs.items()}
        return f"Case({self.steps} steps, inputs {inputs}):\n{self.text}"


@dataclass(frozen=True)
class Clock:
    """How durations are written: in a unit, or in steps."""

    step: str
    unit: str
    per_step: float

    def time(self, steps: float) -> str:
        return f"{steps * self.per_step:g} {self.unit}"

    def rate(self, spikes_per_step: float) -> str:
        return f"{spikes_per_step:g}" if self.unit == "steps" else f"{1000 * spikes_per_step / self.per_step:g} Hz"


CLOCKS = (Clock("1 ms", "ms", 1.0), Clock("0.1 ms", "ms", 0.1), Clock("0.5 ms", "ms", 0.5), Clock("1 steps", "steps", 1.0))


@dataclass(frozen=True)
class Neuron:
    """What the network must know of a neuron declaration.  `emits` is "bool", "int" or "real"; `array` names a
    parameter that may be an array; `random` are the states that may start at random."""

    name: str
    ports: tuple[str, ...]
    states: tuple[str, ...]
    random: tuple[str, ...]
    emits: str
    spikes: bool
    array: str | None


@dataclass(frozen=True)
class Stream:
    """A named value of the network: its shape and kind; `population` where it is one."""

    name: str
    shape: Shape
    kind: str
    neuron: Neuron | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Writer:
    """Draws one program, statement by statement."""

    random: Random
    clock: Clock
    volts: bool
    lines: list[str] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    inputs: dict[str, Array] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)
    neurons: list[Neuron] = field(default_factory=list)
    probed: set[str] = field(default_factory=set)
    steps: int = 20
    counter: int = 0

    # ------------------------------------------------------------ draws

    def pick(self, options: Sequence[Any]) -> Any:
        return self.random.choice(options)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def whole(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def decimal(self, low: float, high: float) -> str:
        """A number with at most three digits after the point, never zero."""
        value = self.random.randint(round(low * 1000), round(high * 1000)) / 1000
        return f"{value or 0.001:g}"

    def seed(self) -> str:
        return f" seed {self.whole(0, 99)}" if self.chance(70) else ""

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.whole(0, 2**31))

    # ------------------------------------------------------------ scales

    @property
    def unit(self) -> str:
        """The suffix of a membrane quantity."""
        return " mV" if self.volts else ""

    @property
    def dimension(self) -> str:
        return "voltage" if self.volts else "real"

    @property
    def typed(self) -> str:
        """The type mark of ports and states in a program with units."""
        return " : voltage" if self.volts else ""

    def level(self, low: float, high: float) -> str:
        return self.decimal(low, high) + self.unit

    def plain(self, text: str) -> str:
        """A membrane quantity as a plain number."""
        return f"({text}) / 1 mV" if self.volts else text

    def scaled(self, text: str) -> str:
        """A plain number as a membrane quantity."""
        return f"({text}) * 1 mV" if self.volts else text

    # ------------------------------------------------------------ expressions

    def real(self, leaves: Sequence[str], depth: int = 2) -> str:
        """A dimensionless real expression of the given real leaves."""
        if depth == 0 or self.chance(15):
            return str(self.pick(leaves)) if leaves and self.chance(80) else self.decimal(0.1, 2)
        a = self.real(leaves, depth - 1)
        form = self.whole(0, 21)
        if form < len(UNARY):
            return str(UNARY[form]).format(a)
        b = self.real(leaves, depth - 1)
        return str(self.pick(BINARY)).format(a, b, self.condition(leaves, depth - 1))

    def condition(self, leaves: Sequence[str], depth: int = 1) -> str:
        comparison = self.pick(("<", "<=", ">", ">=", "==", "!="))
        first = f"{self.real(leaves, min(depth, 1))} {comparison} {self.decimal(0.1, 2)}"
        form = self.whole(0, 5)
        if form > 2 or depth == 0:
            return first
        second = f"{self.pick(leaves)} > {self.decimal(0.1, 1)}" if leaves else "true"
        return (f"{first} and {second}", f"({first}) or not ({second})", f"not ({first})")[form]


UNARY = (
    "exp(-abs({0}))",
    "tanh({0})",
    "sigmoid({0})",
    "relu({0})",
    "abs({0})",
    "sqrt(abs({0}))",
    "log(1 + abs({0}))",
    "expm1(min({0}, 1))",
    "sin({0})",
    "cos({0})",
    "floor({0})",
    "ceil({0})",
    "trunc({0})",
    "round({0})",
    "(-({0}))",
    "clamp({0}, -2, 2)",
    "min({0}, 3) ^ 2",
)
BINARY = (
    "({0} + {1})",
    "({0} - {1})",
    "({0} * {1})",
    "{0} / (1 + abs({1}))",
    "min({0}, {1})",
    "max({0}, {1})",
    "(if {2} then {0} else {1})",
    "(if {2} then {0} else {1})",
)


# ---------------------------------------------------------------- neurons


@dataclass
class Body:
    """A neuron's text while it is written; `leaves` are dimensionless names and expressions in scope."""

    lines: list[str] = field(default_factory=list)
    formals: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    emits: str = "bool"
    spikes: bool = False


def write_neuron(w: Writer, name: str) -> Neuron:
    """Declares one neuron: ports, states, dynamics of one of four styles, handlers and `out`."""
    body = Body(formals=[f"tau{w_time(w)} = {w.clock.time(w.whole(3, 30))}", f"theta{w.typed} = {w.level(0.4, 2)}"])
    body.ports = ["I", "g"] if w.chance(60) else ["I"]
    body.lines.append("in " + ", ".join(port + w.typed for port in body.ports))
    style = w.pick(("discrete", "discrete", "linear", "coupled", "solver"))
    {"discrete": discrete, "linear": linear, "coupled": coupled, "solver": solver}[style](w, body)
    extra_states(w, body)
    handlers(w, body, coupled_states=style in ("coupled", "solver"))
    if not body.spikes or w.chance(20):
        body.lines.append(f"out {w.real(body.leaves)}")
    head = f"  neuron {name}({', '.join(body.formals)}) {{"
    separator = "; " if w.chance(10) else "\n    "
    w.declarations += [head, "    " + separator.join(body.lines), "  }"]
    emits = body.emits if body.spikes else "real"
    neuron = Neuron(name, tuple(body.ports), tuple(body.states), tuple(body.random), emits, body.spikes, "theta")
    w.neurons.append(neuron)
    return neuron


def w_time(w: Writer) -> str:
    return ": time" if w.clock.unit != "steps" or w.chance(50) else ""


def state(w: Writer, body: Body, name: str, value: str) -> None:
    body.states.append(name)
    body.random.append(name)
    body.leaves.append(w.plain(name))
    body.lines.append(f"var {name}{w.typed} = {value}")


def drive(w: Writer, body: Body) -> str:
    """What the ports contribute to the membrane."""
    parts = list(body.ports)
    if len(parts) == 2 and w.chance(50):
        return f"{parts[0]} {w.pick(('+', '-'))} {w.decimal(0.1, 1)} * {parts[1]}"
    return " + ".join(parts)


def local(w: Writer, body: Body) -> None:
    """Maybe a local name, which is a leaf from there on."""
    if w.chance(40):
        name = w.fresh("z")
        body.lines.append(f"{name} = {w.real(body.leaves)}")
        body.leaves.append(name)


def discrete(w: Writer, body: Body) -> None:
    """V := ... in the forms that papers use, with a second state half of the time."""
    state(w, body, "V", w.level(0, 0.8) if w.chance(60) else "theta / 2")
    body.leaves += [w.plain(port) for port in body.ports]
    local(w, body)
    forms = (
        "V := exp(-dt / tau) * V + {0}",
        "V := V + ({0} - V) * dt / tau",
        "V := {1} * V + {0}",
        "V += {0}",
        "V := if {2} then {1} * V + {0} else V - {1} * V",
        "V := V + {0} + {3}",
    )
    form = w.pick(forms)
    noise = w.scaled(f"{w.decimal(0.01, 0.3)} * ({w.real(body.leaves)})")
    text = str(form).format(drive(w, body), w.decimal(0.5, 0.98), w.condition(body.leaves), noise)
    body.lines.append(text)
    if w.chance(45):
        state(w, body, "u", w.level(0, 0.5))
        updates = ("u := {0} * u + {1} * V", "u += {1} * (V - u)", "u *= {0}", "u -= {1} * u", "u := max(u, V)")
        body.lines.append(str(w.pick(updates)).format(w.decimal(0.4, 0.95), w.decimal(0.05, 0.3)))
    local(w, body)


def linear(w: Writer, body: Body) -> None:
    """One equation that the compiler integrates exactly."""
    state(w, body, "V", w.level(0, 0.8))
    forms = (
        "V' = ({0} * {2} - V) / tau",
        "V' = (({1} - V) + {0}) / tau",
        "V' = -V / tau + ({0}) / {3}",
        "V' = ({1} - {2} * (V - {0})) / tau",
    )
    text = str(w.pick(forms)).format(drive(w, body), w.level(0, 1.2), w.decimal(0.5, 3), w.clock.time(w.whole(1, 8)))
    body.leaves += [w.plain(port) for port in body.ports]
    if w.chance(20):
        body.lines.append(f"drift = {drive(w, body)}")
        text = f"V' = (drift - V) / {w.clock.time(w.whole(2, 20))}"
    body.lines.append(text)
    local(w, body)


def coupled(w: Writer, body: Body) -> None:
    """Ports or a second state with equations of their own, integrated together with V."""
    state(w, body, "V", w.level(0, 0.8))
    resting = w.level(0, 0.8)
    if len(body.ports) == 2 or w.chance(50):
        gathered = " + ".join(body.ports)
        body.lines.append(f"V' = ({gathered} + ({resting} - V)) / tau")
        for port in body.ports:
            body.lines.append(f"{port}' = -{port} / {w.clock.time(w.whole(1, 12))}")
            body.states.append(port)
        body.leaves += [w.plain(port) for port in body.ports]
    else:
        state(w, body, "u", w.level(0, 0.3))
        body.lines.append(f"V' = ({drive(w, body)} * {w.decimal(1, 4)} - V - u) / tau")
        body.lines.append(f"u' = ({w.decimal(0.1, 0.9)} * V - u) / {w.clock.time(w.whole(4, 40))}")
    local(w, body)


def solver(w: Writer, body: Body) -> None:
    """Equations that are not linear, with a named solver."""
    name = w.pick(("euler", "exponential_euler", "heun", "rk4"))
    state(w, body, "V", w.level(0, 0.8))
    state(w, body, "u", w.level(0, 0.3))
    body.lines.append(f"V' = ({drive(w, body)} * {w.decimal(1, 4)} - V * (1 + abs({w.plain('u')}))) / tau")
    bend = w.scaled(f"{w.pick(('tanh', 'sigmoid', 'sin', 'relu'))}({w.plain('V')})")
    body.lines.append(f"u' = ({bend} - u) / {w.clock.time(w.whole(4, 20))}")
    body.lines.insert(w.pick((-1, len(body.lines))), f"solver {name}")
    local(w, body)


def extra_states(w: Writer, body: Body) -> None:
    """Counters and flags."""
    if w.chance(20):
        body.lines += ["var n : int = 0", f"n := {w.pick(INTEGERS)}"]
        body.states.append("n")
        body.leaves.append("n")
    if w.chance(15):
        body.lines += ["var flag : bool = false", f"flag := {w.condition(body.leaves)}"]
        body.states.append("flag")
        body.leaves.append("(if flag then 1 else 0.25)")
    if w.chance(10):
        body.leaves.append("index")


INTEGERS = ("(n + 1) % 7", "(3 * n + index) % 11", "n // 2 + 1", "(n + 5) >> 1", "max(n, index) - 1", "abs(2 - n)")


def handlers(w: Writer, body: Body, coupled_states: bool) -> None:
    """One to three `spike when`, or none."""
    if w.chance(12):
        return
    body.spikes = True
    comparison = w.pick((">=", ">="))
    guard = w.pick(("", "", "", f" and {w.condition(body.leaves, 0)}"))
    first, kind = emission(w, body)
    body.emits = kind
    body.lines.append(f"spike when V {comparison} theta{guard}{first} {{ {reset(w, body, coupled_states)} }}")
    if w.chance(30):
        body.emits = "real" if kind == "real" else "int"
        body.lines.append(f"spike when V < -theta emit {w.pick(('-1', '-1', '-2'))} {{ V += theta }}")
    if w.chance(10):
        body.emits = "real" if kind == "real" else "int"
        body.lines.append(f"spike when {w.condition(body.leaves)}")


def emission(w: Writer, body: Body) -> tuple[str, str]:
    """The `emit` and `grad` of the first handler, and the kind of the events."""
    grad = f" grad {w.pick(('atan(2.0)', 'sigmoid(4.0)', 'triangle(0.3, 1.0)'))}" if w.chance(8) else ""
    form = w.whole(0, 9)
    if form < 6:
        return grad, "bool"
    if form < 8:
        return f" emit {w.whole(2, 3)}{grad}", "int"
    return f" emit {w.pick((w.plain('V'), w.real(body.leaves, 1)))}{grad}", "real"


def reset(w: Writer, body: Body, coupled_states: bool) -> str:
    parts = [w.pick(("V -= theta", "V -= theta", f"V := {w.level(0, 0.2)}", "V *= 0.25"))]
    if "u" in body.states and w.chance(50):
        parts.append(w.pick((f"u += {w.level(0.05, 0.3)}", "u := V")))
    if "n" in body.states and w.chance(50):
        parts.append("n += 1")
    if w.chance(35):
        both = "u" in body.states and not coupled_states and w.chance(50)
        parts.append(f"hold {'V, u' if both else 'V'} for {w.clock.time(w.pick((1, 2, 3, 5, 2.5, 140)))}")
    return "; ".join(parts)


# ---------------------------------------------------------------- networks


def write_inputs(w: Writer) -> None:
    for _ in range(w.whole(1, 2)):
        name, kind = w.fresh("x"), w.pick(("spikes", "real", "real", "dimension"))
        kind = "real" if kind == "dimension" and not w.volts else kind
        shape: Shape = (w.whole(1, 12),) if w.chance(85) else (w.whole(1, 4), w.whole(1, 4))
        bounds = " in [0, 1]" if kind == "real" and w.chance(50) else ""
        written = "voltage" if kind == "dimension" else kind
        w.lines.append(f"input {name} : {written}[{extents(shape)}]{bounds}")
        full = shape if kind != "spikes" and w.chance(35) else (w.steps, *shape)
        rng = w.rng()
        values = rng.random(full) if kind != "spikes" else rng.random(full) < 0.3
        if kind == "dimension":
            w.inputs[name] = (2e-3 * values).astype(np.float32)
            w.lines.append(f"{name}n = {name} / 1 mV")
            w.streams.append(Stream(f"{name}n", shape, "real"))
            continue
        w.inputs[name] = np.asarray(values if kind == "spikes" else values.astype(np.float32))
        w.streams.append(Stream(name, shape, "bool" if kind == "spikes" else "real"))


def extents(shape: Shape) -> str:
    return ", ".join(map(str, shape))


def array(w: Writer, stem: str, shape: Shape, scale: float, volts: bool = False) -> str:
    """Declares a parameter with an array of `arrays.npz`, and returns its name."""
    name = w.fresh(stem)
    values = w.rng().normal(0, scale, shape)
    values[np.abs(values) < 0.2 * scale] = 0
    if volts:
        values = 1e-3 * values
    w.arrays[name] = values.astype(w.pick((np.float32, np.float64)))
    dimension = "voltage" if volts else "real"
    mark = w.pick(("", "", "", " learn", " in [-9, 9]" if not volts else ""))
    key = f'load("arrays.npz", "{name}")' if w.chance(70) else f'load(arrays, "{name}")'
    w.lines.append(f"param {name} : {dimension}[{extents(shape)}] = {key}{mark}")
    return name


def encode(w: Writer) -> None:
    """Turns a real stream into random spikes, as a function or as a population."""
    sources = [s for s in w.streams if s.kind == "real" and len(s.shape) == 1]
    if not sources:
        return
    x, name = w.pick(sources), w.fresh("s")
    probability = f"clamp({x.name}, 0, 1) * {w.decimal(0.2, 0.9)}"
    rate = f"relu({x.name}) * {w.clock.rate(w.pick((0.1, 0.3, 0.6)))}"
    form = w.whole(0, 4)
    if form < 4:
        text = (
            f"{name} = bernoulli({probability}){w.seed()}",
            f"{name} = poisson({rate}){w.seed()}",
            f"pop {name} : Bernoulli[{x.size}](p = {probability})",
            f"pop {name} : Poisson[{x.size}](rate = {rate})",
        )[form]
    else:
        text = f"{name} = {x.name} |> clamp(0, 1) |> bernoulli(){w.seed()}"
    w.lines.append(text)
    w.streams.append(Stream(name, x.shape, "bool"))


def drive_of(w: Writer, size: int) -> str:
    """A dimensionless real expression of shape (size,) over the streams that exist."""
    form = w.whole(0, 6)
    vectors = [s for s in w.streams if len(s.shape) == 1]
    same = [s for s in vectors if s.size == size]
    if vectors and (form < 3 or not same):
        x = w.pick(vectors)
        weights = array(w, "W", (size, x.size), 0.8)
        bias = f" + {array(w, 'b', (size,), 0.3)}" if w.chance(40) else ""
        return f"{weights} @ {x.name}{bias}"
    if same and form < 5:
        return w.real([s.name for s in same])
    return f"{array(w, 'b', (size,), 0.8)} + {w.decimal(0.1, 0.6)}"


def write_populations(w: Writer) -> list[Stream]:
    """Two to four populations; each is driven by an expression, by projections, or by both."""
    made = []
    for _ in range(w.whole(1, 4)):
        neuron, name = w.pick(w.neurons), w.fresh("a")
        shape: Shape = (w.pick((1, 2, 3, 5, 8, 13, 24, 40)),) if w.chance(90) else (w.whole(2, 4), w.whole(2, 4))
        stream = Stream(name, shape, neuron.emits, neuron)
        w.lines.append(population_text(w, stream, neuron))
        if w.lines[-1].startswith("pop") and len(shape) == 1 and w.chance(40):
            operator = w.pick(("=", "+="))
            w.lines.append(f"{name}.{w.pick(neuron.ports)} {operator} {w.scaled(drive_of(w, stream.size))}")
        w.streams.append(stream)
        made.append(stream)
    return made


def population_text(w: Writer, stream: Stream, neuron: Neuron) -> str:
    arguments = []
    if w.chance(25):
        arguments.append(f"tau = {w.clock.time(w.whole(2, 25))}")
    if w.chance(20):
        arguments.append(f"theta = abs({array(w, 'h', stream.shape, 1.5, w.volts)}) + {w.level(0.3, 0.6)}")
    elif w.chance(20):
        arguments.append(f"theta = {w.level(0.3, 1.5)}")
    kind = f"{neuron.name}[{extents(stream.shape)}]"
    if len(stream.shape) == 1 and w.chance(45):
        ports = [w.scaled(drive_of(w, stream.size)) for _ in neuron.ports]
        if w.chance(25) and neuron.emits != "int":
            weights = array(w, "U", (stream.size, stream.size), 0.4)
            ports[0] = w.scaled(f"{weights} @ prev({stream.name})")
        keep = ports[: w.whole(1, len(ports))]
        written = keep if w.chance(60) else [f"{p} = {e}" for p, e in zip(neuron.ports, keep, strict=False)]
        return f"{stream.name} = {kind}({', '.join(written + arguments)})"
    init = initial_values(w, neuron)
    parentheses = f"({', '.join(arguments)})" if arguments else ""
    return f"pop {stream.name} : {kind}{parentheses}{init}"


def initial_values(w: Writer, neuron: Neuron) -> str:
    if not neuron.random or w.chance(40):
        return ""
    name = w.pick(neuron.random)
    forms = (
        f"uniform({w.level(0, 0.3)}, {w.level(0.4, 1)}){w.seed()}",
        f"normal({w.level(0.1, 0.5)}, {w.level(0.05, 0.3)}){w.seed()}",
        w.level(0, 0.6),
    )
    return f" {{ {name} = {w.pick(forms)} }}"


def write_projections(w: Writer, populations: Sequence[Stream]) -> None:
    for _ in range(w.whole(1, 4)):
        events = [s for s in w.streams if s.neuron is not None or s.kind == "bool"]
        write_projection(w, w.pick(events or list(populations)), w.pick(populations), populations)


def write_projection(w: Writer, source: Stream, target: Stream, populations: Sequence[Stream]) -> None:
    """One projection; without delay only towards a population that was declared later."""
    assert target.neuron is not None
    port = w.pick(target.neuron.ports)
    order = [s.name for s in w.streams]
    ends, starts, start_text = [target], [source], source.name
    siblings = [p for p in populations if p.neuron == target.neuron and p != target]
    if siblings and w.chance(50):
        ends.append(w.pick(siblings))
    end_text = f"{{{', '.join(e.name for e in ends)}}}.{port}" if len(ends) > 1 else f"{target.name}.{port}"
    others = [s for s in w.streams if s.neuron is not None and s != source and s.kind == source.kind]
    shape = source.shape
    if source.neuron is not None and others and w.chance(20):
        starts.append(w.pick(others))
        start_text = f"{{{', '.join(s.name for s in starts)}}}"
        shape = (sum(s.size for s in starts),)
    elif len(source.shape) == 1 and source.size > 1 and w.chance(25):
        low = w.whole(0, source.size - 1)
        high = w.whole(low + 1, source.size)
        start_text, shape = f"{source.name}[{low}:{high}]", (high - low,)
    late = max(order.index(s.name) for s in starts) < min(order.index(e.name) for e in ends)
    options = connection(w, shape, ends, len(starts) + len(ends) == 2)
    if not late or w.chance(45):
        options.append(f"delay {w.clock.time(w.pick((1, 1, 2, 3, 6)))}")
    name = f"{w.fresh('p')} : " if w.chance(25) else ""
    separator = "; " if w.chance(70) else "\n    "
    w.lines.append(f"proj {name}{start_text} -> {end_text} {{ {separator.join(options)} }}")


def connection(w: Writer, shape: Shape, ends: Sequence[Stream], pair: bool) -> list[str]:
    """`connect` and `weight`; an array of weights where source and target are one thing each."""
    condition = f" if {w.pick(CONDITIONS)}" if w.chance(30) else ""
    target = ends[0].shape
    kinds = ["all", "prob", "prob"] + (["one_to_one"] * 3 if pair and shape == target else [])
    kind = w.pick(kinds)
    text = {"all": "all", "one_to_one": "one_to_one"}.get(kind, f"prob({w.pick((0.05, 0.2, 0.5, 0.9))}){w.seed()}")
    if pair and kind != "one_to_one" and w.chance(35):
        weight = array(w, "w", shape + target, 0.6, w.volts)
    else:
        weight = w.pick(("", "", "-")) + w.level(0.05, 1.2)
    return [f"connect {text}{condition}", f"weight {weight}"]


CONDITIONS = (
    "pre != post",
    "pre < post",
    "pre >= post",
    "(pre + post) % 2 == 0",
    "abs(pre - post) <= 2",
    "pre // 2 == post // 2",
    "not (pre == post) and pre > 1",
    "pre % 3 != 1 or post == 0",
)


# ---------------------------------------------------------------- streams and what is recorded


def write_streams(w: Writer) -> None:
    for _ in range(w.whole(1, 5)):
        write_stream(w)


def write_stream(w: Writer) -> None:
    vectors = [s for s in w.streams if len(s.shape) == 1]
    if not vectors:
        return
    x, name, shape, kind = w.pick(vectors), w.fresh("v"), (0,), "real"
    same = [s.name for s in vectors if s.size == x.size]
    form = w.whole(0, 12)
    if form < 2:
        text, shape = f"{name} = {array(w, 'W', (w.whole(1, 6), x.size), 0.7)} @ {x.name}", (0,)
        shape = w.arrays[f"W{w.counter}"].shape[:1]
    elif form < 4:
        text, shape = f"{name} = {w.real(same)} + 0 * {x.name}", x.shape
    elif form == 4:
        text, shape = f"{name} = prev({x.name}) * {w.decimal(0.2, 0.9)}", x.shape
    elif form == 5:
        text, shape = f"{name} = {w.decimal(0.2, 0.9)} * prev({name}) + {x.name}", x.shape
    elif form == 6:
        text, shape, kind = f"{name} = delay({x.name}, {w.clock.time(w.whole(1, 5))})", x.shape, x.kind
    elif form == 7:
        y = w.pick(vectors)
        text, shape = f"{name} = concat({x.name} * 1.0, {y.name} * 0.5)", (x.size + y.size,)
    elif form == 8 and x.size > 1:
        low = w.whole(0, x.size - 1)
        high = w.whole(low + 1, x.size)
        text, shape = f"{name} = {x.name}[{low}:{high}] + {w.decimal(0.1, 1)}", (high - low,)
    elif form == 9 and x.size % 2 == 0:
        text, shape = f"{name} = reshape({x.name} * 1.0, 2, {x.size // 2})", (2, x.size // 2)
    elif form == 10 and x.neuron is not None:
        text, shape = f"{name} = {w.plain(f'{x.name}.{x.neuron.states[0]}')}", x.shape
    elif form == 11:
        text, shape = f"{name} = {x.name} * ({reduction(w, w.pick(vectors))}) + 0.0", x.shape
    else:
        text, shape, kind = f"{name} = {x.name} > {w.decimal(0.1, 0.9)}", x.shape, "flag"
    w.lines.append(text)
    w.streams.append(Stream(name, shape, kind))
    if len(shape) == 2 and w.chance(60):
        flat = w.fresh("v")
        w.lines.append(f"{flat} = {name} |> flatten()" if w.chance(50) else f"{flat} = flatten({name})")
        w.streams.append(Stream(flat, (int(np.prod(shape)),), "real"))


def reduction(w: Writer, x: Stream) -> str:
    """A scalar of a vector."""
    form = w.pick(("sum({0})", "mean({0})", "max({0})", "min({0})", "any({0} > 0.5)", "all({0} < 0.9)", "argmax({0})"))
    real = x.name if x.kind == "real" else f"({x.name} * 1.0)"
    return str(form).format(real)


def write_outputs(w: Writer) -> None:
    """Two to four outputs, at least one of them over the whole run."""
    for position in range(w.whole(2, 4)):
        vectors = [s for s in w.streams if len(s.shape) == 1]
        x, name = w.pick(w.streams), w.fresh("y")
        form = 0 if position == 0 else w.whole(0, 7)
        if form < 3:
            value = x.name
        elif form < 5:
            value = over_time(w, x)
        elif form == 5 and vectors:
            value = f"argmax({over_time(w, w.pick(vectors))})"
        elif form == 6:
            value = f"{over_time(w, x)} * {w.decimal(0.1, 3)} + {w.decimal(0.1, 3)}"
        else:
            value = reduction(w, w.pick(vectors)) if vectors else x.name
        w.lines.append(f"output {name} = {value}")


def over_time(w: Writer, x: Stream) -> str:
    operations = {"flag": ("count", "any", "sum"), "bool": ("count", "any", "sum", "mean"), "int": ("count", "sum", "mean")}
    return f"over_time({w.pick(operations.get(x.kind, ('sum', 'mean', 'count', 'max')))}, {x.name})"


def write_probes(w: Writer, populations: Sequence[Stream]) -> None:
    """Every state and every event of every population, some of them not in each step or not of each neuron."""
    targets: dict[str, list[str]] = {"": []}
    for population in populations:
        assert population.neuron is not None
        names = [*population.neuron.states, *(["spike"] if population.neuron.spikes else [])]
        for name in names:
            every = f" every {w.clock.time(w.pick((2, 3, 7)))}" if w.chance(15) else ""
            low = w.whole(0, population.size - 1)
            part = f"[{low}:{w.whole(low + 1, population.size)}]" if len(population.shape) == 1 and w.chance(10) else ""
            targets.setdefault(every, []).append(f"{population.name}.{name}{part}")
    for every, names in targets.items():
        if names:
            w.lines.append(f"probe {', '.join(names)}{every}")


def cases() -> st.SearchStrategy[Case]:
    """Programs with their arrays and inputs.

    Every choice comes from one random source that hypothesis seeds: its own draws favour the first option of a
    choice so much that rare constructs would never meet.
    """
    return st.randoms(use_true_random=True).map(write_case)


def write_case(random: Random) -> Case:
    """One program, all of whose choices are taken from `random`."""
    w = Writer(random, CLOCKS[0], False)
    w.clock, w.volts = w.pick(CLOCKS), w.chance(30)
    w.steps = w.whole(8, 40)
    write_inputs(w)
    for _ in range(w.whole(0, 2)):
        encode(w)
    for number in range(w.whole(1, 2)):
        write_neuron(w, f"N{number}")
    if w.chance(15):
        base = w.pick(w.neurons)
        w.declarations.append(f"  neuron Variant = {base.name}(tau = {w.clock.time(w.whole(2, 20))})")
        w.neurons.append(Neuron("Variant", *[getattr(base, f) for f in FIELDS]))
    populations = write_populations(w)
    write_projections(w, populations)
    write_streams(w)
    write_outputs(w)
    write_probes(w, populations)
    formals = ["scale = 0.5", 'arrays: path = "arrays.npz"']
    head = [f"model Random({', '.join(formals)}) {{", f"  step {w.clock.step}"]
    text = "\n".join([*head, *w.declarations, *("  " + line for line in w.lines), "}"]) + "\n"
    return Case(text, w.arrays, w.inputs, w.steps)


FIELDS = ("ports", "states", "random", "emits", "spikes", "array")
