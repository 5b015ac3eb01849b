"""The least and the largest delay that the synapses of a projection can have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spikec.analysis.intervals import Interval
from spikec.analysis.refinement import Body
from spikec.dialects.connectors import Drawn, Element, extra_arguments
from spikec.dialects.constants import Array

_MOST = 2**31 - 1  # synapses of a projection
_ANYTHING = Interval(-math.inf, math.inf, True)


def bounds(
    function: Any, pre: int, post: int, constants: Mapping[str, Array], functions: Mapping[str, Any]
) -> Interval:
    """What a function of each synapse (`dialects.connectors`) between `pre` and `post` neurons can give, whatever is
    drawn; `functions` are those of arrays that are drawn (`dialects.drawn`), by the name of the array."""
    return _bounds(function, [Interval(0, pre - 1), Interval(0, post - 1)], constants, functions)


def _bounds(
    function: Any, given: list[Interval], constants: Mapping[str, Array], functions: Mapping[str, Any]
) -> Interval:
    def argument(what: Any) -> Interval:
        match what:
            case Drawn():
                return Interval(0.0, 1.0 - 2.0**-24)
            case Element(array=name) if name in functions:
                return _bounds(functions[name], [Interval(0, _MOST)], constants, {})
            case Element(array=name):
                array = constants.get(name)
                if array is None or not array.size:
                    return _ANYTHING
                kind = float if array.dtype.kind == "f" else int
                return Interval(kind(array.min()), kind(array.max()))
            case _:
                return Interval(0, _MOST)

    body = Body(function.regions[0].blocks[0])
    arguments = [*given, *map(argument, extra_arguments(function, len(given)))]
    found: Interval = body.run(arguments).slots[body.returned[0]]
    return found
