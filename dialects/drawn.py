"""Arrays that are drawn from the run seed: what an element of a `snn.constant` with `draw` is.

`draw` names a private function of scalars.  Its first argument is the number of the element in the array as it was
declared (i64); the others have the marks of `dialects/connectors.py`: `snn.draw` with `snn.seed` is the uniform draw
of the counter (element = that number, step = 0), `snn.array` with `snn.by = "element"` the element of a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.connectors import Drawn, Element
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_marks, signature, size
from spikec.dialects.program import Program
from spikec.dialects.random import key, uniform

ELEMENT = "element"


def arrays(program: Program) -> list[snn.Constant]:
    """The constants of a program that are still to be drawn."""
    return [constant for constant in program.ops(snn.Constant) if constant.draw is not None]


def numbers(constant: snn.Constant) -> Array:
    """The number of the element at each place, in the shape of the constant: int64."""
    shape = tuple(constant.type.shape)
    if constant.strides is None:
        return np.arange(size(constant.type), dtype=np.int64).reshape(shape)
    return _strided(shape, constant.first or 0, constant.strides)


def _strided(shape: tuple[int, ...], first: int, strides: Sequence[int]) -> Array:
    found = np.full(shape, first, np.int64)
    for axis, (extent, stride) in enumerate(zip(shape, strides, strict=True)):
        found += (np.arange(extent, dtype=np.int64) * stride).reshape(-1, *[1] * (len(shape) - axis - 1))
    return found


def layout(wanted: Array) -> tuple[int, tuple[int, ...]] | None:
    """`first` and `strides` of an array of element numbers; None where no such numbers make it."""
    first = int(wanted.flat[0])
    origin = (0,) * wanted.ndim
    steps = [(*origin[:axis], 1, *origin[axis + 1 :]) if n > 1 else origin for axis, n in enumerate(wanted.shape)]
    strides = tuple(int(wanted[step]) - first for step in steps)
    return (first, strides) if np.array_equal(_strided(wanted.shape, first, strides), wanted) else None


def uniforms(argument: Drawn, seed: int, elements: Array) -> Array:
    """What an argument with `snn.draw` is under a run seed, for each of these elements."""
    found = uniform(key(seed, argument.seed, argument.path), elements, 0, 0)
    return found.astype(np.float32 if argument.bits == 32 else np.float64)


def problems(constant: snn.Constant, symbols: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a constant that has `draw`."""
    function = symbols[constant.draw]
    type = signature(function)
    if not type.inputs or str(type.inputs[0]) != "i64" or list(type.results) != [constant.type.element_type]:
        yield f"@{constant.draw} must be (i64, ...) -> {constant.type.element_type}, not {type}"
        return
    if constant.strides is not None and len(constant.strides) != len(constant.type.shape):
        yield f"'strides' has {len(constant.strides)} numbers, and the type {len(constant.type.shape)} axes"
        return
    least, most = _limits(constant)
    if least < 0 or most >= 2**32:
        yield f"elements have numbers from 0 to 2^32 - 1, not from {least} to {most}"
    for marks, argument in list(zip(argument_marks(function), type.inputs, strict=True))[1:]:
        yield from _argument(constant, marks, argument, most, symbols)


def _limits(constant: snn.Constant) -> tuple[int, int]:
    if constant.strides is None:
        return 0, size(constant.type) - 1
    reach = [stride * (extent - 1) for stride, extent in zip(constant.strides, constant.type.shape, strict=True)]
    first = constant.first or 0
    return first + sum(r for r in reach if r < 0), first + sum(r for r in reach if r > 0)


def _argument(
    constant: snn.Constant, marks: dict[str, Any], type: Any, most: int, symbols: Mapping[str, Any]
) -> Iterator[str]:
    what = f"an argument of @{constant.draw}"
    if connectors.DRAW not in marks and connectors.ARRAY not in marks:
        yield f"{what} has no role"
        return
    try:
        role = connectors.argument(marks, type)
    except (KeyError, ValueError):
        yield f"{what} has wrong marks: {marks}"
        return
    match role:
        case Drawn() if str(type) not in ("f32", "f64"):
            yield f"{what} draws numbers of f32 or f64"
        case Element(array=name, by=by):
            if name not in symbols or symbols[name].name != snn.Constant.name() or by != ELEMENT:
                yield f"{what} is no element of a constant: {marks}"
            elif (found := snn.Constant(symbols[name]).type).element_type != type or size(found) <= most:
                yield f"{what} is an element of {found}, where {most + 1} elements of {type} are needed"
