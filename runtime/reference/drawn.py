"""The constants of a network under a run seed: those of its store, and the arrays that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import drawn, snn
from spikec.dialects.connectors import Drawn, Element, extra_arguments
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.runtime.reference.blocks import program as function_of


class Constants:
    """Arrays by name; `seed` draws those that no store holds, when they are first asked for."""

    def __init__(self, program: Program, seed: int) -> None:
        self._program = program
        self._seed = seed
        self._drawn = {constant.sym_name: constant for constant in drawn.arrays(program)}
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._drawn:
            return self._program.constants[name]
        if name not in self._made:
            self._made[name] = self._draw(self._drawn[name])
        return self._made[name]

    def _draw(self, constant: snn.Constant) -> Array:
        function, numbers = self._program.symbols()[constant.draw], drawn.numbers(constant).reshape(-1)
        with self._program.module.context:
            others = [self._argument(what, numbers) for what in extra_arguments(function, 1)]
            (found,) = function_of(function)(numbers, *others)
        return np.array(np.broadcast_to(found, numbers.shape)).reshape(tuple(constant.type.shape))

    def _argument(self, what: Any, numbers: Array) -> Array:
        match what:
            case Drawn():
                return drawn.uniforms(what, self._seed, numbers)
            case Element():
                element: Array = self[what.array].reshape(-1)[numbers]
                return element
            case _:
                return numbers
