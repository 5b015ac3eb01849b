"""Random streams made with index notation, normalizations, products and blocks."""

from __future__ import annotations

from .networks import array
from .writer import Shape, Stream, Writer


def declare(w: Writer, name: str, text: str, shape: Shape, kind: str = "real") -> None:
    w.lines.append(f"{name} = {text}")
    w.streams.append(Stream(name, shape, kind))


def normalized(w: Writer, x: Stream, name: str) -> None:
    form = w.whole(0, 3) if w.functions else 3
    gain = f", {w.decimal(0.2, 2)}" if w.chance(50) else ""
    scale = ", ".join(f"{key} = {w.decimal(0.2, 2)}" for key in ("mean", "var", "gamma", "beta") if w.chance(50))
    text = (
        f"softmax({x.name} * 1.0)",
        f"layer_norm({x.name} * 1.0{gain})",
        f"layer_norm({x.name} * 1.0, beta = {w.decimal(0.2, 2)}, eps = 0.01)",
        f"batch_norm({x.name} * 1.0{', ' * bool(scale)}{scale})",
    )[form]
    declare(w, name, text, x.shape)


def indexed(w: Writer, x: Stream, name: str) -> None:
    """One statement in index notation."""
    form = w.pick((*range(8), *(8, 9) * 2)) if w.wide else w.whole(0, 7)
    if form == 8:
        index(w, name, "i", f"{x.name}[i // 2] * 1.0 + {x.name}[(i + 3) % {x.size}]", (2 * x.size,))
    elif form == 9:
        places = [s.name for s in w.streams if s.kind == "int" and len(s.shape) == 1]
        size = next((s.size for s in w.streams if [s.name] == places[:1]), 0)
        if places:
            index(w, name, "i", f"{x.name}[{places[0]}[i] + 1] * 1.0 + {places[0]}[i]", (size,))
    elif form == 0:
        rows = w.whole(1, 6)
        weights = array(w, "W", (rows, x.size), 0.7)
        bias = f" + {w.decimal(0.1, 1)} * i" if w.chance(50) else ""
        index(w, name, "i", f"sum[j]({weights}[i, j] * {x.name}[j]){bias}", (rows,))
    elif form == 1:
        index(w, name, "i", f"{x.name}[i - 1] + {w.decimal(0.1, 1)} * {x.name}[i] - {x.name}[i + 2]", x.shape)
    elif form == 2:
        y = w.pick([s for s in w.streams if len(s.shape) == 1])
        index(w, name, "i, j", f"{x.name}[i] * {y.name}[j] * 1.0", (x.size, y.size))
    elif form == 3:
        weights = array(w, "K", (min(x.size, w.whole(1, 3)),), 0.7)
        extent = x.size - w.arrays[weights].size + 1
        index(w, name, "i", f"sum[k]({weights}[k] * {x.name}[i + k] * 1.0)", (extent,))
    elif form == 4:
        weights = array(w, "W", (w.whole(1, 4), x.size), 0.7)
        op = w.pick(("max", "min", "mean"))
        rows = w.arrays[weights].shape[0]
        condition = f"if {x.name}[j] > {w.decimal(0.1, 0.9)} then {x.name}[j] * 1.0 else {weights}[i, j]"
        index(w, name, "i", f"{op}[j]({condition})", (rows,))
    elif form == 5:
        weights = array(w, "U", (2, 2, x.size), 0.7)
        index(w, name, "a", f"sum[b, k]({weights}[a, b, k] * {x.name}[k])", (2,))
    elif form == 6:
        index(w, name, "i", f"{w.decimal(0.2, 0.8)} * prev({name})[i] + {x.name}[i]", x.shape)
    else:
        text = f"sum[k]({x.name}[k] * {x.name}[k]) + argmax[k]({x.name}[k] * 1.0) * {w.decimal(0.1, 1)}"
        declare(w, name, f"({text}) * {x.name}", x.shape)


def index(w: Writer, name: str, indices: str, text: str, shape: Shape) -> None:
    w.lines.append(f"{name}[{indices}] = {text}")
    w.streams.append(Stream(name, shape, "real"))


def multiplied(w: Writer, x: Stream, name: str) -> None:
    """Products of matrices: of two streams, and of a constant matrix and a stream of rank 2."""
    rows = 2 if x.size % 2 == 0 else 1
    folded = f"reshape({x.name} * 1.0, {rows}, {x.size // rows})"
    form = w.whole(0, 3)
    if form == 0:
        declare(w, name, f"{x.name} @ {x.name} * {x.name}", x.shape)
    elif form == 1:
        declare(w, name, f"{folded} @ reshape({x.name} * 0.5, {x.size // rows}, {rows})", (rows, rows))
    elif form == 2:
        outputs = w.whole(1, 4)
        weights = array(w, "W", (x.size // rows, outputs), 0.7)
        bias = array(w, "b", (outputs,), 0.5)
        declare(w, name, f"{folded} @ {weights} + {bias}", (rows, outputs))
    else:
        outputs = w.whole(1, 4)
        declare(w, name, f"{array(w, 'W', (outputs, rows), 0.7)} @ {folded}", (outputs, x.size // rows))


def blocks(w: Writer, x: Stream, name: str) -> None:
    """A block that keeps a state, with an array or cells of its own, and two calls of it."""
    block, rows = w.fresh("part"), w.whole(1, 4)
    neuron = next((n for n in w.neurons if len(n.ports) == 1 and n.emits != "real"), None)
    lines = [f"block {block}(x, gain = {w.decimal(0.2, 1)}, rows: int = {rows}) {{"]
    lines.append("  trace = gain * prev(trace) + x")
    result, shape = "trace", x.shape
    if w.chance(50):
        lines.append(f"  param W : real[rows, size(x)] = {w.decimal(0.1, 0.6)}")
        lines.append("  mixed[i] = sum[j](W[i, j] * trace[j])")
        result, shape = "mixed", (rows,)
    if neuron is not None and w.chance(50):
        lines.append(f"  cells = {neuron.name}[size({result})]({w.scaled(result)})")
        result = f"{result} + {w.decimal(0.1, 1)} * cells"
    lines += [f"  return {result}", "}"]
    w.declarations += ["  " + line for line in lines]
    declare(w, name, f"{block}({x.name} * 1.0)", shape)
    if w.chance(50):
        text = f"{x.name} * {w.decimal(0.1, 1)} |> {block}({w.decimal(0.2, 1)}, rows = {rows})"
        declare(w, w.fresh("v"), text, shape)
