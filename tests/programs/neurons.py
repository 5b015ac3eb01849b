"""Random neuron declarations."""

from __future__ import annotations

from dataclasses import dataclass, field

from .writer import Neuron, Writer


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
    body = Body(formals=[f"tau{w_time(w)} = {w.clock.time(w.whole(3, 30))}", f"theta{w.typed} = {w.level(0.3, 1.2)}"])
    body.ports = ["I", "g"] if w.chance(60) else ["I"]
    body.lines.append("in " + ", ".join(port + w.typed for port in body.ports))
    style = w.pick(("discrete", "discrete", "linear", "coupled", "solver"))
    {"discrete": discrete, "linear": linear, "coupled": coupled, "solver": solver}[style](w, body)
    extra_states(w, body)
    line(w, body)
    handlers(w, body, coupled_states=style in ("coupled", "solver"))
    if not body.spikes or w.chance(20):
        body.lines.append(f"out {w.real(body.leaves)}")
    head = f"  neuron {name}({', '.join(body.formals)}) {{"
    separator = "; " if w.chance(10) else "\n    "
    w.declarations += [head, "    " + separator.join(body.lines), "  }"]
    emits = body.emits if body.spikes else "real"
    neuron = Neuron(name, tuple(body.ports), tuple(body.states), tuple(body.random), emits, body.spikes)
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


def line(w: Writer, body: Body) -> None:
    """Maybe a line over the whole population: both neighbours of a cell, or a reduction."""
    if not w.wide or not w.chance(20):
        return
    share = w.decimal(0.05, 0.3)
    name = w.fresh("m")
    form = w.whole(0, 2)
    if form == 0:
        body.lines.append(f"V[i] := {w.decimal(0.3, 0.7)} * V[i] + {share} * (V[i - 1] + V[i + 1])")
    elif form == 1:
        body.lines.append(f"{name} = {w.pick(('mean(V)', 'max(V) - V', 'V - min(V)'))}")
        body.leaves.append(w.plain(name))
    else:
        body.lines.append(f"{name}[i] = sum[k](V[k]) * {share} - V[i]")
        body.leaves.append(w.plain(name))


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
    bends = ("tanh", "sigmoid", "sin", "relu") if w.functions else ("floor", "abs", "round", "relu")
    bend = w.scaled(f"{w.pick(bends)}({w.plain('V')})")
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


INTEGERS = (
    "(n + 1) % 7",
    "(3 * n + index) % 11",
    "n // 2 + 1",
    "(n + 5) >> 1",
    "(n << 1) % 9",
    "max(n, index) - 1",
    "abs(2 - n)",
)


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
        both = "u" in body.states and not coupled_states and w.chance(80)
        parts.append(f"hold {'V, u' if both else 'V'} for {w.clock.time(w.pick((1, 2, 3, 5, 2.5, 140)))}")
    return "; ".join(parts)
