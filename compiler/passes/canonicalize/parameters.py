"""Parameters that are one number become constants of the program, which is made anew for each population.

    "snn.param"() {sym_name = "a.decay", value = 0.5 : f32}             %decay = arith.constant 0.5 : f32
    func.func private @N(%V: f32 {snn.state = "V"},                -->  func.func private @N(%V: f32 {snn.state = "V"})
                         %decay: f32 {snn.param = "decay"})

An array of one repeated value is that number, as a parameter and as the initial value of a state.  A parameter
that its program does not use goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_roles, signature, symbol_of
from spikec.dialects.mlir import arith, ir
from spikec.dialects.program import Program
from spikec.passes import structure


def repeated_values(program: Program) -> None:
    """Replaces arrays of one repeated value by the number."""
    arrays = {constant.sym_name: constant.type for constant in program.ops(snn.Constant)}
    for cls, name in ((snn.Param, "value"), (snn.State, "init")):
        for view in program.ops(cls):
            attribute = getattr(view, name)
            constant = None if attribute is None else symbol_of(attribute)
            if constant is None or constant not in program.constants:
                continue
            number = repeated(program.constants[constant])
            if number is not None and str(arrays[constant].element_type) in scalars.DTYPES:
                view.operation.attributes[name] = scalars.attribute(number, arrays[constant].element_type)


def repeated(array: Array) -> Array | None:
    """The number that all elements are, or None; zeros of different sign differ, and NaN is one value."""
    if array.size == 0:
        return None
    first = array.reshape(-1)[0]
    same = (array == first) & (np.signbit(array) == np.signbit(first)) if array.dtype.kind == "f" else array == first
    return np.asarray(first) if np.all(same) else None


def into_programs(program: Program) -> None:
    """Makes parameters that are numbers constants of the programs, and drops those that are not used."""
    symbols = program.symbols()
    taken = set(symbols)
    sharing: dict[str, list[snn.Population]] = {}
    for population in program.ops(snn.Population):
        if population.params:
            sharing.setdefault(population.neuron, []).append(population)
    for neuron, populations in sharing.items():
        groups: dict[tuple[Any, ...], list[snn.Population]] = {}
        for population in populations:
            groups.setdefault(_known(population, symbols, symbols[neuron]), []).append(population)
        for known, group in groups.items():
            _specialise(symbols[neuron], known, group, taken if len(groups) > 1 else None)


def _known(population: snn.Population, symbols: dict[str, Any], neuron: Any) -> tuple[Any, ...]:
    """For each parameter its number, "unused", or None where it stays."""
    return tuple(
        _number(symbols[name]) if _is_used(argument) else "unused"
        for name, argument in zip(population.params, _arguments(neuron), strict=True)
    )


def _arguments(neuron: Any) -> Iterator[Any]:
    """The arguments of a program that are parameters."""
    for (role, _), argument in zip(argument_roles(neuron), neuron.regions[0].blocks[0].arguments, strict=True):
        if role == "param":
            yield argument


def _is_used(value: Any) -> bool:
    return next(iter(value.uses), None) is not None


def _number(param: Any) -> Any:
    """A number attribute without subnormals, or None for an array."""
    attribute = snn.Param(param).value
    number = scalars.number(attribute)
    return None if number is None else scalars.attribute(number, attribute.type)


def _specialise(neuron: Any, known: tuple[Any, ...], group: list[snn.Population], taken: set[str] | None) -> None:
    """Puts numbers into a program, or into a copy of it under a name that is not taken."""
    if not any(known):
        return
    if taken is not None:
        name = structure.fresh(f"{group[0].neuron}.{group[0].sym_name}", taken)
        neuron = neuron.clone(ip=ir.InsertionPoint(neuron)).operation
        neuron.attributes["sym_name"] = ir.StringAttr.get(name)
        for population in group:
            population.operation.attributes["neuron"] = ir.FlatSymbolRefAttr.get(name)
    _inline(neuron, known)
    for population in group:
        kept = [name for name, value in zip(population.params, known, strict=True) if value is None]
        population.operation.attributes["params"] = snn.Population.fields["params"].encode(kept)


def _inline(neuron: Any, known: tuple[Any, ...]) -> None:
    block = neuron.regions[0].blocks[0]
    values = iter(known)
    numbers = [next(values) if role == "param" else None for role, _ in argument_roles(neuron)]
    inputs, marks = list(signature(neuron).inputs), list(ir.ArrayAttr(neuron.attributes["arg_attrs"]))
    for place, number in reversed(list(enumerate(numbers))):
        if number is None:
            continue
        argument = block.arguments[place]
        if _is_used(argument):
            with ir.InsertionPoint.at_block_begin(block), neuron.location:
                argument.replace_all_uses_with(arith.ConstantOp(argument.type, number).operation.results[0])
        block.erase_argument(place)
        del inputs[place], marks[place]
    type = ir.FunctionType.get(inputs, list(signature(neuron).results))
    neuron.attributes["function_type"] = ir.TypeAttr.get(type)
    neuron.attributes["arg_attrs"] = ir.ArrayAttr.get(marks)
