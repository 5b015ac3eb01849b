"""What passes must leave as it is: random programs, what running them gives, and a network beside its own copy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import spikec
from spikec.dialects import snn
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine

from tests.lower.networks import CORPUS, Ran, assert_same, load, parse, run
from tests.lower.random_networks import network
from tests.programs.generator import write_case


def tangled(count: int) -> Iterator[Program]:
    """Random programs at level `snn`, and the corpus of the lowering."""
    yield from (load(path) for path in CORPUS)
    yield from (parse(network(seed)) for seed in range(count))


def written(count: int, first: int = 0) -> Iterator[Program]:
    """Random programs as the language makes them."""
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            yield spikec.load(write_case(Random(seed)).write(Path(folder)))


def ran(program: Program, steps: int = 12) -> Ran:
    """What a program gives on the reference interpreter."""
    interface = Interface.of(program)
    with np.errstate(all="ignore"):
        return run(SnnEngine(program, interface), interface, steps)


def valid(program: Program) -> Program:
    """The program, which breaks no rule."""
    assert problems(program) == []
    return program


def assert_same_values(before: Program, after: Program) -> None:
    """Equal bits of all outputs and probes; populations that are left emit what they did."""
    expected, found = ran(before), ran(valid(after))
    for one, other in zip(expected[0], found[0], strict=True):
        assert other.emitted.items() <= one.emitted.items()
        assert other.synaptic_events <= one.synaptic_events
    assert_same(_values(expected), _values(found))


def _values(ran: Ran) -> Ran:
    return [replace(trace, emitted={}, projections={}) for trace in ran[0]], ran[1]


def doubled(program: Program) -> Program:
    """A network beside its copy: the copies of a state `a.V` and its probe are called `copy.a.V`."""
    result = program.clone()
    with result.module.context, ir.Location.unknown():
        kinds = (snn.State.name(), snn.Population.name(), snn.Probe.name())
        symbols = result.symbols()
        copies = {name: f"copy.{name}" for name, op in symbols.items() if op.name in kinds}
        copies |= {n: n.replace("probe.", "probe.copy.") for n, op in symbols.items() if op.name == snn.Probe.name()}
        for name in copies:
            op = symbols[name]
            _renamed(op.clone(ip=ir.InsertionPoint(op)).operation, copies)
        for entry in ("init", "step"):
            if entry in symbols:
                _copy_block(symbols[entry].regions[0].blocks[0], copies)
    return valid(result)


def _copy_block(block: Any, copies: dict[str, str]) -> None:
    *ops, end = [operation.operation for operation in block.operations]
    values: dict[Any, Any] = {}
    for op in ops:
        clone = op.clone(ip=ir.InsertionPoint(end)).operation
        for place, operand in enumerate(list(clone.operands)):
            clone.operands[place] = values.get(operand, operand)
        values.update(zip(op.results, clone.results, strict=True))
        _renamed(clone, copies)


def _renamed(op: Any, copies: dict[str, str]) -> None:
    for name in list(op.attributes):
        attribute = op.attributes[name]
        if name == "sym_name":
            op.attributes[name] = ir.StringAttr.get(copies[ir.StringAttr(attribute).value])
        elif isinstance(attribute, ir.FlatSymbolRefAttr):
            op.attributes[name] = _reference(attribute, copies)
        elif name == "states":
            op.attributes[name] = ir.ArrayAttr.get([_reference(entry, copies) for entry in attribute])


def _reference(attribute: Any, copies: dict[str, str]) -> Any:
    return ir.FlatSymbolRefAttr.get(copies.get(attribute.value, attribute.value))
