"""The programs of the neurons that take the place of activations, over scalars.

A neuron has the ports I, what arrives, and fresh, which is 1 where a new inference begins, else 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.mlir import arith, func, ir
from spikec.passes.canonicalize import identities

_GREATER, _GREATER_EQUAL, _LESS = 2, 3, 4  # of arith.cmpf, ordered
_SLT, _SGT = 2, 4  # of arith.cmpi


def bipolar(name: str, real: Any, most: int) -> None:
    """Declares an integrate-and-fire neuron that takes back what it sent too much, at most `most` in all.

    V += I; where V >= 1 and sent < most: send 1, V -= 1; where V < 0 and sent > 0: send -1, V += 1 (the BIF and RBIF
    neurons of "Obtaining Optimal Spiking Neural Network in Sequence Learning via CRNN-SNN Conversion").  As soon as
    its input rests, sent moves towards clamp(floor(sum of I), 0, most), by one in each step.
    """
    count, event = ir.IntegerType.get_signless(32), ir.IntegerType.get_signless(2)
    with _program(name, real, [("V", real), ("sent", count)], event) as (arriving, fresh, V, sent):
        zero, one = _number(0, real), _number(1, real)
        none, once = _number(0, count), _number(1, count)
        begins = _reals(_GREATER, fresh, zero)
        V = arith.addf(arith.select(begins, zero, V), arriving)
        sent = arith.select(begins, none, sent)
        up = arith.andi(_reals(_GREATER_EQUAL, V, one), _whole(_SLT, sent, _number(most, count)))
        down = arith.andi(_reals(_LESS, V, zero), _whole(_SGT, sent, none))
        V = arith.select(up, arith.subf(V, one), arith.select(down, arith.addf(V, one), V))
        sent = arith.select(up, arith.addi(sent, once), arith.select(down, arith.subi(sent, once), sent))
        emitted = arith.select(up, _number(1, event), arith.select(down, _number(-1, event), _number(0, event)))
        func.ReturnOp([V, sent, emitted])


def rate(name: str, real: Any) -> None:
    """Declares an integrate-and-fire neuron with a reset by subtraction, whose rate is clamp(mean of I, 0, 1).

    V += I; where V >= 1: send 1, V -= 1.  It begins at half its threshold, so that its rate is rounded and not cut off.
    """
    event = ir.IntegerType.get_signless(1)
    with _program(name, real, [("V", real)], event) as (arriving, fresh, V):
        one = _number(1, real)
        begins = _reals(_GREATER, fresh, _number(0, real))
        V = arith.addf(arith.select(begins, _number(0.5, real), V), arriving)
        spike = _reals(_GREATER_EQUAL, V, one)
        func.ReturnOp([arith.select(spike, arith.subf(V, one), V), spike])


class _program:
    """The body of a new program: the values of I, fresh and the states."""

    def __init__(self, name: str, real: Any, states: list[tuple[str, Any]], event: Any) -> None:
        types = [type for _, type in states]
        self.function = func.FuncOp(name, ([real, real, *types], [*types, event]), visibility="private")
        kept = [{snn.STATE: ir.StringAttr.get(state)} for state, _ in states]
        ports = [{snn.PORT: ir.StringAttr.get(port)} for port in ("I", "fresh")]
        attributes = self.function.operation.attributes
        attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(marks) for marks in [*ports, *kept]])
        marks = [*kept, {snn.EVENT: ir.UnitAttr.get()}]
        attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(mark) for mark in marks])
        self.point = ir.InsertionPoint(self.function.add_entry_block())

    def __enter__(self) -> list[Any]:
        self.point.__enter__()
        return list(self.function.arguments)

    def __exit__(self, *error: object) -> None:
        self.point.__exit__(*error)


def _number(number: float, type: Any) -> Any:
    return identities.constant(np.asarray(number), type)


def _reals(predicate: int, a: Any, b: Any) -> Any:
    return arith.cmpf(_predicate(predicate), a, b)


def _whole(predicate: int, a: Any, b: Any) -> Any:
    return arith.cmpi(_predicate(predicate), a, b)


def _predicate(number: int) -> Any:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), number)
