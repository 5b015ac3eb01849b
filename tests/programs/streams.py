"""Random streams, and what of a program is recorded."""

from __future__ import annotations

from collections.abc import Sequence

from .networks import array
from .tensors import blocks, declare, indexed, multiplied, normalized
from .writer import Stream, Writer


def write_streams(w: Writer) -> None:
    for _ in range(w.whole(1, 5)):
        vectors = [s for s in w.streams if len(s.shape) == 1]
        if vectors:
            w.pick(FORMS)(w, w.pick(vectors), w.fresh("v"))


def product(w: Writer, x: Stream, name: str) -> None:
    rows = w.whole(1, 6)
    declare(w, name, f"{array(w, 'W', (rows, x.size), 0.7)} @ {x.name}", (rows,))


def arithmetic(w: Writer, x: Stream, name: str) -> None:
    same = [s.name for s in w.streams if s.shape == x.shape]
    # The last term gives the shape, whatever leaves the expression has.
    declare(w, name, f"{w.real(same)} + 0 * {x.name}", x.shape)


def last(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"prev({x.name}) * {w.decimal(0.2, 0.9)}", x.shape)


def recurrence(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"{w.decimal(0.2, 0.9)} * prev({name}) + {x.name}", x.shape)


def delayed(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"delay({x.name}, {w.clock.time(w.whole(1, 5))})", x.shape, x.kind)


def joined(w: Writer, x: Stream, name: str) -> None:
    y = w.pick([s for s in w.streams if len(s.shape) == 1])
    declare(w, name, f"concat({x.name} * 1.0, {y.name} * 0.5)", (x.size + y.size,))


def sliced(w: Writer, x: Stream, name: str) -> None:
    low = w.whole(0, x.size - 1)
    high = w.whole(low + 1, x.size)
    declare(w, name, f"{x.name}[{low}:{high}] + {w.decimal(0.1, 1)}", (high - low,))


def folded(w: Writer, x: Stream, name: str) -> None:
    rows = 2 if x.size % 2 == 0 else 1
    columns = x.size // rows
    declare(w, name, f"reshape({x.name} * 1.0, {rows}, {columns})", (rows, columns))
    if w.chance(60):
        text = w.pick(("{0} |> flatten()", "flatten({0})")).format(name)
        declare(w, w.fresh("v"), text, x.shape)


def convolved(w: Writer, x: Stream, name: str) -> None:
    """One axis or two, with windows of at most three elements."""
    outputs, kernel, pad, stride = w.whole(1, 3), w.whole(1, 3), w.whole(1, 2), w.whole(1, 2)
    options = f", stride = {stride}, pad = {pad}"
    if w.chance(40):
        dilation = w.whole(1, 2)
        length = (x.size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        if length < 1:
            return
        weights = array(w, "K", (outputs, 1, kernel), 0.7)
        source = f"reshape({x.name}, 1, {x.size})"
        declare(w, name, f"conv1d({source}, {weights}{options}, dilation = {dilation})", (outputs, length))
        return
    rows = 2 if x.size % 2 == 0 else 1
    extents = (rows, x.size // rows)
    kernel = min(kernel, *(n + 2 * pad for n in extents))
    made = tuple((n + 2 * pad - kernel) // stride + 1 for n in extents)
    if w.chance(50):
        op = w.pick(("sum", "avg", "max", "max") if pad < kernel else ("sum", "avg"))
        text = f"{op}_pool2d(reshape({x.name}, 1, {extents[0]}, {extents[1]}), {kernel}{options})"
        declare(w, name, text, (1, *made), x.kind if op == "max" else "real")
    else:
        weights = array(w, "K", (outputs, 1, kernel, kernel), 0.7)
        text = f"reshape({x.name}, 1, {extents[0]}, {extents[1]}) |> conv2d({weights}{options})"
        declare(w, name, text, (outputs, *made))
    if w.chance(60):
        last = w.streams[-1]
        declare(w, w.fresh("v"), f"flatten({name})", (last.size,), last.kind)


def read(w: Writer, x: Stream, name: str) -> None:
    if x.neuron is None:
        arithmetic(w, x, name)
    else:
        declare(w, name, w.plain(f"{x.name}.{x.neuron.states[0]}"), x.shape)


def leaky(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"leak({x.name} * 1.0, tau = {w.clock.time(w.whole(2, 9))})", x.shape)


def first(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"once({x.name} * 1.0) + {w.decimal(0.1, 1)} * {x.name}", x.shape)


def scaled(w: Writer, x: Stream, name: str) -> None:
    y = w.pick([s for s in w.streams if len(s.shape) == 1])
    declare(w, name, f"{x.name} * ({reduction(w, y)}) + 0.0", x.shape)


def flagged(w: Writer, x: Stream, name: str) -> None:
    declare(w, name, f"{x.name} > {w.decimal(0.1, 0.9)}", x.shape, "flag")


FORMS = (
    *(product, arithmetic, arithmetic, last, recurrence, delayed, joined, sliced, folded),
    *(read, leaky, first, scaled, flagged, convolved, convolved),
    *(normalized, indexed, indexed, multiplied, blocks),
)


def reduction(w: Writer, x: Stream) -> str:
    """A scalar of a vector."""
    form = w.pick(REDUCTIONS)
    real = x.name if x.kind == "real" else f"({x.name} * 1.0)"
    return str(form).format(real)


REDUCTIONS = (
    "sum({0})",
    "mean({0})",
    "max({0})",
    "min({0})",
    "any({0} > 0.5)",
    "all({0} < 0.9)",
    "argmax({0})",
)


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
    return f"over_time({w.pick(OVER_TIME[x.kind])}, {x.name})"


OVER_TIME = {
    "flag": ("count", "any", "sum"),
    "bool": ("count", "any", "sum", "mean"),
    "int": ("count", "sum", "mean"),
    "real": ("sum", "mean", "count", "max"),
}


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
