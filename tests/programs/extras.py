"""Random parts of the wider language: the library's neurons, events, places, tables, drawn arrays."""

from __future__ import annotations

from .writer import Neuron, Shape, Stream, Writer

LIBRARY = {"LIF": ("V",), "PLIF": ("V",), "ALIF": ("b", "V")}


def write_imports(w: Writer) -> list[str]:
    """Imports neurons of the library into a program without units."""
    if w.volts or w.clock.unit == "steps" or not w.functions or not w.chance(20):
        return []
    names = w.random.sample(sorted(LIBRARY), w.whole(1, 2))
    w.neurons += [Neuron(name, ("I",), LIBRARY[name], ("V",), "bool", True) for name in names]
    return [f"import std.neurons ({', '.join(names)})"]


def write_events(w: Writer) -> None:
    """An input of counted events."""
    if w.chance(15):
        name, size = w.fresh("x"), w.whole(1, 8)
        w.lines.append(f"input {name} : events[{size}]")
        w.inputs[name] = w.rng().integers(0, 3, (w.steps, size)).astype("int32")
        w.streams.append(Stream(name, (size,), "int"))


def drawn(w: Writer, scale: float) -> str | None:
    """What draws an array, or None to load it."""
    if not w.wide or not w.functions or not w.chance(12):
        return None
    width = f"{scale:g}"
    return f"{w.pick(('kaiming()', f'normal(0, {width})', f'uniform(-{width}, {width})'))}{w.seed()}"


def place(w: Writer, stream: Stream) -> str:
    """Puts the cells of some populations on a line."""
    if not w.wide or len(stream.shape) != 1 or not w.chance(30):
        return ""
    w.placed.add(stream.name)
    return f" at grid({stream.size})"


def connected_by(w: Writer, source: Stream, shape: Shape, target: Stream, pair: bool) -> list[str] | None:
    """`connect` and `weight` by distance or from a table, where both ends allow it; else None."""
    if not w.wide or not pair or shape != source.shape or not w.chance(25):
        return None
    weight = f"weight {w.level(0.05, 1.0)}"
    if source.name in w.placed and target.name in w.placed:
        near = f"distance(pre, post) <= {w.whole(1, 6)}"
        forms = (
            [f"connect all if {near}", weight],
            [f"connect prob({w.decimal(0.3, 1)} / (1 + distance(pre, post))){w.seed()}", weight],
        )
        return list(w.pick(forms)) if w.functions else list(forms[0])
    name, rng, rows = w.fresh("t"), w.rng(), w.whole(1, 20)
    w.tables[name] = {
        "pre": rng.integers(0, source.size, rows),
        "post": rng.integers(0, target.size, rows),
        "weight": rng.normal(0, 0.6, rows),
    }
    table = f'from("{name}.npz")'
    return [f"connect {table}", f"weight {w.scaled(table)}" if w.volts or w.chance(50) else weight]
