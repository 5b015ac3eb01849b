"""Random inputs, arrays, encoders, populations and projections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .extras import connected_by, drawn, place
from .synapse_programs import synapse
from .writer import Neuron, Shape, Stream, Writer


def write_inputs(w: Writer) -> None:
    for _ in range(w.whole(1, 2)):
        name, kind = w.fresh("x"), w.pick(("spikes", "spikes", "real", "real", "real", "dimension", "int"))
        kind = "real" if kind == "dimension" and not w.volts else kind
        shape: Shape = (w.whole(1, 12),) if w.chance(85) else (w.whole(1, 4), w.whole(1, 4))
        bounds = " in [0, 1]" if kind == "real" and w.chance(50) else ""
        written = "voltage" if kind == "dimension" else kind
        w.lines.append(f"input {name} : {written}[{extents(shape)}]{bounds}")
        full = shape if kind != "spikes" and w.chance(35) else (w.steps, *shape)
        rng = w.rng()
        values = rng.random(full) if kind != "spikes" else rng.random(full) < 0.3
        if kind == "int":
            w.inputs[name] = rng.integers(-3, 4, full)
            w.streams.append(Stream(name, shape, "int"))
            continue
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
    recipe = drawn(w, scale) if len(shape) > 1 and not volts else None
    if recipe is not None:
        w.lines.append(f"param {name} : real[{extents(shape)}] = {recipe}")
        return name
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
    form = w.whole(0, 8 if w.functions else 7)
    kind = "bool" if form < 6 else "int"
    if form < 4:
        text = (
            f"{name} = bernoulli({probability}){w.seed()}",
            f"{name} = poisson({rate}){w.seed()}",
            f"pop {name} : Bernoulli[{x.size}](p = {probability})",
            f"pop {name} : Poisson[{x.size}](rate = {rate})",
        )[form]
    elif form == 4:
        text = f"{name} = {x.name} |> clamp(0, 1) |> bernoulli(){w.seed()}"
    else:
        text = (
            f"{name} = latency({x.name}, {w.clock.time(w.whole(3, 12))})",
            f"{name} = delta({x.name}, {w.decimal(0.05, 0.5)})",
            f"{name} = s_analog({w.decimal(1, 9)} * {x.name}, {w.whole(1, 9)})",
            f"{name} = poisson_count({rate}){w.seed()}",
        )[form - 5]
    w.lines.append(text)
    w.streams.append(Stream(name, x.shape, kind))


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
        cell = (
            f"uniform({w.level(0.3, 0.6)}, {w.level(0.7, 1.5)})",
            f"{w.level(0.3, 0.6)} + index * {w.level(0.01, 0.1)}",
        )
        # A state that starts at theta / 2 is known before the run, and what is drawn is not.
        known = cell[1:] if "theta / 2" in "".join(w.declarations) else cell
        arguments.append(f"theta = {w.pick((w.level(0.3, 1.5), w.level(0.3, 1.5), *known))}")
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
    return f"pop {stream.name} : {kind}{parentheses}{place(w, stream)}{init}"


def initial_values(w: Writer, neuron: Neuron) -> str:
    if not neuron.random or w.chance(40):
        return ""
    name = w.pick(neuron.random)
    forms = (
        f"uniform({w.level(0, 0.3)}, {w.level(0.4, 1)}){w.seed()}",
        f"normal({w.level(0.1, 0.5)}, {w.level(0.05, 0.3)}){w.seed()}",
        w.level(0, 0.6),
        f"{w.level(0, 0.1)} * index",
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
    pair = len(starts) + len(ends) == 2
    options = connected_by(w, source, shape, target, pair) or connection(w, shape, ends, pair)
    programmed = w.functions and w.chance(25) and not options[0].startswith("connect from")
    if not late or w.chance(45):
        one = w.clock.time(w.whole(1, 4))
        options.append(f"delay {one if programmed else delay(w, shape + ends[0].shape, pair, options, late)}")
    if programmed:
        options.append(synapse(w, ends, drawn="prob(" in options[0]))
    name = f"{w.fresh('p')} : " if w.chance(25) else ""
    separator = "; " if w.chance(70) else "\n    "
    w.lines.append(f"proj {name}{start_text} -> {end_text} {{ {separator.join(options)} }}")


def delay(w: Writer, pairs: Shape, pair: bool, options: Sequence[str], late: bool) -> str:
    """One delay, or one for each synapse: drawn, computed, or an array where source and target are one thing each."""
    if not w.chance(35):
        return w.clock.time(w.pick((1, 1, 2, 3, 6)))
    least = 0 if late and w.chance(30) else 1
    if pair and "connect all" in options[0] and w.chance(30):
        name = w.fresh("d")
        w.arrays[name] = w.rng().integers(least, 5, pairs)
        w.lines.append(f'param {name} : real[{extents(pairs)}] = load(arrays, "{name}")')
        return f"{name} * {w.clock.time(1)}"
    forms = DELAYS if w.functions else DELAYS[-2:]
    few = {"least": w.clock.time(least), "most": w.clock.time(w.whole(2, 6)), "one": w.clock.time(1), "low": least}
    text = str(w.pick(forms)).format(**few)
    return text + (w.seed() if "(" in text and "%" not in text else "")


def connection(w: Writer, shape: Shape, ends: Sequence[Stream], pair: bool) -> list[str]:
    """`connect` and `weight`; an array of weights where source and target are one thing each."""
    condition = f" if {w.pick(CONDITIONS)}" if w.chance(30) else ""
    target = ends[0].shape
    kinds = ["all", "prob", "prob"] + (["one_to_one"] * 3 if pair and shape == target else [])
    kind = w.pick(kinds)
    text = {"all": "all", "one_to_one": "one_to_one"}.get(kind, f"prob({w.pick((0.05, 0.2, 0.5, 0.9))}){w.seed()}")
    if kind == "prob" and w.chance(40):
        text, condition = counted(w, shape, target, pair, condition)
    if pair and kind != "one_to_one" and w.chance(35):
        weight = array(w, "w", shape + target, 0.6, w.volts)
    elif w.functions and w.chance(20):
        weight = w.pick(WEIGHTS).format(low=w.level(-0.2, 0.2), high=w.level(0.3, 1.0), seed=w.seed())
    else:
        weight = w.pick(("", "", "-")) + w.level(0.05, 1.2)
    return [f"connect {text}{condition}", f"weight {weight}"]


def counted(w: Writer, source: Shape, target: Shape, pair: bool, condition: str) -> tuple[str, str]:
    """A connector with an exact number, or a probability of each pair; the condition that it can have."""
    pre, post = int(np.prod(source)), int(np.prod(target))
    kind = w.pick(("fixed_in", "fixed_out", "fixed_total", "prob"))
    if kind == "prob":
        return f"prob(exp(-abs(pre - post) / {w.decimal(0.5, 4)})){w.seed()}", condition
    most = {"fixed_in": pre, "fixed_out": post, "fixed_total": pre * post}[kind]
    if not pair or w.chance(30):
        return f"{kind}({w.whole(0, 2 * most)}) repeat{w.seed()}", ""
    return f"{kind}({w.whole(0, most)}){w.seed()}", ""


WEIGHTS = (
    "uniform({low}, {high}){seed}",
    "normal({low}, {high}){seed}",
    "clamp(normal({high}, {high}), {low}, {high}){seed}",
    "choice({low}, {high}){seed}",
    "{high} * lognormal(0, 0.5){seed}",
    "if pre % 2 == 0 then {high} else {low}",
    "{high} / (1 + abs(pre - post))",
    "{low} + {high} * (index % 5) / 5",
)


DELAYS = (
    "uniform({least}, {most})",
    "clamp(normal({most}, {one}), {least}, 2 * {most})",
    "choice({least}, {most})",
    "axonal({least}) + dendritic((post % 3) * {one})",
    "({low} + (pre + post) % 4) * {one}",
)

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
