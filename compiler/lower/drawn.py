"""Arrays that are drawn, carried out under a run seed: after it they are constants like those of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import connectors, drawn, snn
from spikec.dialects.connectors import Drawn, Element
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import signature
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.filters import function_of
from spikec.runtime.interface import flush_subnormals, numpy_type

STRETCH = 1 << 18  # elements that are computed at once


def realised(program: Program, seed: int) -> Program:
    """The program with the data of its drawn arrays; the same program where it has none."""
    if not drawn.arrays(program):
        return program
    result = program.clone()
    with result.module.context, ir.Location.unknown():
        symbols = result.symbols()
        elements: dict[str, Array] = {}
        for constant in drawn.arrays(result):
            numbers = drawn.numbers(constant)
            count = int(numbers.max()) + 1
            if len(elements.get(constant.draw, ())) < count:
                elements[constant.draw] = _elements(result, symbols[constant.draw], count, seed)
            array = elements[constant.draw][numbers]
            attributes = constant.operation.attributes
            for name in ("draw", "first", "strides"):
                if name in attributes:
                    del attributes[name]
            attributes["digest"] = ir.StringAttr.get(result.constants.add(constant.sym_name, array))
        signed = seed - 2**64 if seed >= 2**63 else seed
        result.module.operation.attributes[snn.DRAWN] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), signed)
    return result


def _elements(program: Program, function: Any, count: int, seed: int) -> Array:
    """The first elements that a function gives."""
    evaluate, roles = function_of(function), connectors.extra_arguments(function, 1)
    found = np.empty(count, numpy_type(signature(function).results[0]))
    for begin in range(0, count, STRETCH):
        numbers = np.arange(begin, min(begin + STRETCH, count))
        found[begin : begin + STRETCH] = evaluate(numbers, *(_argument(program, what, numbers, seed) for what in roles))
    return flush_subnormals(found)


def _argument(program: Program, what: Any, numbers: Array, seed: int) -> Array:
    match what:
        case Drawn():
            return drawn.uniforms(what, seed, numbers)
        case Element():
            if what.array not in program.constants:
                message = f"a drawn array needs the array '{what.array}', which is not at hand"
                help = "give the constants with --constants FILE"
                raise CompileError([Diagnostic("E0802", "error", message, help=help)])
            return program.constants[what.array].reshape(-1)[numbers]
        case _:
            return numbers
