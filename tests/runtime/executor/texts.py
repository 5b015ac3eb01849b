"""PTX texts for the tests, and operands that reach the edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from spikec.runtime.executor import Machine

Array = np.ndarray[Any, np.dtype[Any]]

HEAD = ".version 7.8\n.target sm_80\n.address_size 64\n"
WIDTHS = {"f32": 32, "f64": 64}


def path(name: str) -> Path:
    """The file of a text that LLVM's NVPTX back end wrote."""
    return Path(__file__).parent / f"{name}.ptx"


def emitted(name: str) -> str:
    """The text of such a file."""
    return path(name).read_text()


def kernel(body: str, parameters: int = 2, registers: str = "", outside: str = "", tuning: str = "") -> str:
    """A kernel `k` with pointers `%rd1`, `%rd2`, ... and the thread's number in the grid in `%r1`."""
    names = ", ".join(f".param .u64 k_{i}" for i in range(parameters))
    loads = "\n".join(f"ld.param.b64 %rd{i + 1}, [k_{i}];" for i in range(parameters))
    return f"""{HEAD}
{outside}
.visible .entry k({names}) {tuning}
{{
.reg .pred %p<10>;
.reg .b16 %rs<10>;
.reg .b32 %r<40>;
.reg .b64 %rd<40>;
{registers}
{loads}
mov.u32 %r2, %ctaid.x;
mov.u32 %r3, %ntid.x;
mov.u32 %r4, %tid.x;
mad.lo.s32 %r1, %r2, %r3, %r4;
mul.wide.u32 %rd30, %r1, 4;
{body}
ret;
}}
"""


def width(kind: str) -> int:
    """Bits of a PTX type; a predicate is stored as 32."""
    return 32 if kind == "pred" else int(kind.lstrip("busfx").replace("f", "") or 16)


def elementwise(body: str, inputs: list[str], output: str) -> str:
    """A kernel that loads `%a`, `%b`, ... (types as in `inputs`), runs `body` and stores `%z`."""
    lines = [".reg .pred %q;", f".reg .{'pred' if output == 'pred' else f'b{width(output)}'} %z;"]
    moves = []
    for i, kind in enumerate(inputs):
        name, w = f"%{'abcdefgh'[i]}", width(kind)
        lines.append(f".reg .b{w} {name};")
        moves += [f"mul.wide.u32 %rd20, %r1, {w // 8};", f"add.s64 %rd21, %rd{i + 1}, %rd20;"]
        moves.append(f"ld.global.b{w} {name}, [%rd21];")
    w = width(output)
    end = [f"mul.wide.u32 %rd20, %r1, {w // 8};", f"add.s64 %rd21, %rd{len(inputs) + 1}, %rd20;"]
    if output == "pred":
        end += ["selp.b32 %r20, 1, 0, %z;", "st.global.b32 [%rd21], %r20;"]
    else:
        end.append(f"st.global.b{w} [%rd21], %z;")
    return kernel("\n".join([*moves, body, *end]), len(inputs) + 1, "\n".join(lines))


def apply(body: str, operands: list[Array], kinds: list[str], output: str) -> Array:
    """The results of `body` over arrays of operands."""
    machine = Machine(seed=1)
    loaded = machine.load(elementwise(body, kinds, output)).kernels["k"]
    count = len(operands[0])
    addresses = []
    for array in operands:
        addresses.append(machine.allocate(array.nbytes))
        machine.write(addresses[-1], array)
    size = width(output) // 8
    addresses.append(machine.allocate(size * count))
    machine.launch(loaded, (count // 32, 1, 1), (32, 1, 1), arguments=addresses)
    kind = {"f32": np.float32, "f64": np.float64}.get(output) or np.dtype(f"u{size}")
    return machine.read(addresses[-1], kind, count)


def integers(bits: int, count: int, seed: int) -> Array:
    """Random words, a third of them at the edges."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << bits, count, dtype=f"u{bits // 8}")
    top = 1 << (bits - 1)
    edges = np.array([0, 1, 2, top - 1, top, top + 1, 2 * top - 1, 31, 32, 33, 63, 64, 65, 255], f"u{bits // 8}")
    return np.where(rng.random(count) < 1 / 3, rng.choice(edges, count), words)


def floats(bits: int, count: int, seed: int) -> Array:
    """Random floats of all magnitudes, among them subnormals, infinities and NaNs."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(f"f{bits // 8}")
    tiny = np.finfo(kind).smallest_subnormal
    edges = np.array(
        [0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, 2**31, -(2**31), 2**32, 2**63, 255.5, np.inf, -np.inf, np.nan],
        kind,
    )
    edges = np.concatenate([edges, [tiny, -tiny, np.finfo(kind).tiny, np.finfo(kind).max]]).astype(kind)
    words = rng.integers(0, 1 << bits, count, dtype=f"u{bits // 8}").view(kind)
    plain = rng.normal(size=count).astype(kind) * kind.type(10) ** rng.integers(-3, 6, count).astype(kind)
    kinds = rng.random(count)
    return np.where(kinds < 0.3, rng.choice(edges, count), np.where(kinds < 0.6, words, plain)).astype(kind)
