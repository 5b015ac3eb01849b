"""Activations in units of their own: the network whose activations a spiking one can reach exactly.

    relu(v)   becomes   s * clamp(floor(v / s + 0.5), 0, levels)        `levels` whole steps of size s
    relu(v)   becomes   s * clamp(v / s, 0, 1)                          a rate, for which s is the greatest

Factors go to the weights on both sides: 1 / s to the projections before (by `fuse`), s to those behind, through
whatever only moves elements, takes the largest of some, or adds them up with one weight for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import identities
from spikec.passes.convert_ann import linearity
from spikec.passes.convert_ann.activations import Activation
from spikec.passes.gains import Gains


class Normalizer:
    """Rewrites one program in place."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.gains = Gains(program)
        self.states = {view.sym_name: view for view in program.ops(snn.State)}
        self.probed = {view.of for view in program.ops(snn.Probe)}
        self.block = self.gains.symbols["step"].regions[0].blocks[0]
        self.signed = False  # whether what is spread may be negative

    def activation(self, activation: Activation, size: float | None, levels: int | None) -> None:
        """Puts an activation into units of `size`: whole ones up to `levels`, or (None) a part of one.

        Without a size the base has its unit already.
        """
        self.signed = False
        op = structure.defining(activation.value)
        with ir.InsertionPoint(op), op.location:
            base = activation.base if size is None else self._times(activation.base, 1.0 / size)
            if levels is None:
                value = _limited(base, 1.0)
            else:
                if activation.rounding != "math.floor":
                    base = arith.addf(base, structured.splat(0.5, base.type))
                value = _limited(math.floor(base), float(levels))
        if size is None:
            activation.value.replace_all_uses_with(value)
        else:
            self.spread(activation.value, value, size)

    def input(self, place: int, size: float, levels: int, signed: bool) -> None:
        """Rounds an input to whole steps of `size`, at most `levels` to either side of zero."""
        given = self.block.arguments[place]
        uses = [(use.owner.operation, use.operand_number) for use in given.uses]
        if not uses:
            return
        self.signed = signed
        with ir.InsertionPoint.at_block_begin(self.block), ir.Location.unknown():
            steps = math.roundeven(self._times(given, 1.0 / size) if size != 1.0 else given)
            low = structured.splat(-float(levels) if signed else 0.0, given.type)
            value = arith.minimumf(arith.maximumf(steps, low), structured.splat(float(levels), given.type))
        self._spread(uses, value, size)

    # ------------------------------------------------------------ factors

    def spread(self, old: Any, value: Any, factor: float) -> None:
        """Everything that used `old` uses `value` times `factor`."""
        self._spread([(use.owner.operation, use.operand_number) for use in old.uses], value, factor)

    def _spread(self, uses: list[tuple[Any, int]], value: Any, factor: float) -> None:
        multiplied = None
        for op, place in uses:
            if op.name == snn.Propagate.name() and place == 0 and self._into_weights(op, value, factor):
                continue
            if op.name == snn.Write.name() and self._through_state(op, value, factor):
                continue
            if linearity.is_homogeneous(op, place, self.gains.fixed):
                with ir.InsertionPoint(op), op.location:
                    clone = op.clone()
                clone.operation.operands[place] = value
                if op.name == "tensor.concat" and not self.signed:
                    self._margins_of_zero(clone.operation)
                self.spread(op.results[0], clone.operation.results[0], factor)
                continue
            if factor == 1.0:
                multiplied = value
            if multiplied is None:
                with self._after(value):
                    multiplied = self._times(value, factor)
            op.operands[place] = multiplied

    def _margins_of_zero(self, op: Any) -> None:
        """Where nothing is negative a margin of zeros will do for the largest, and zeros have a range."""
        for place, operand in enumerate(list(op.operands)):
            number = identities.number(operand)
            if number is not None and np.all(number == -np.inf):
                with ir.InsertionPoint(op), op.location:
                    op.operands[place] = structured.splat(0.0, operand.type)

    def _into_weights(self, op: Any, value: Any, factor: float) -> bool:
        """Whether a projection took the factor, or passed it on since all its weights are one number."""
        view = snn.Synapses(self.gains.symbols[snn.Propagate(op).synapses])
        gain = np.asarray(factor)
        if isinstance(view.weight, ir.FloatAttr) and view.weight.value > 0 and linearity.is_zero(op.operands[1]):
            passed_on = factor * view.weight.value
            self.gains.reweigh(op, np.asarray(1.0 / view.weight.value), "source")
            view = snn.Synapses(self.gains.symbols[snn.Propagate(op).synapses])
            view.operation.attributes["weight"] = ir.FloatAttr.get(view.weight.type, 1.0)
            op.operands[0] = value
            self.spread(op.results[0], op.results[0], passed_on)
            return True
        if self.gains.weights(view, gain, "source") is None:
            return False
        self.gains.reweigh(op, gain, "source")
        op.operands[0] = value
        return True

    def _through_state(self, op: Any, value: Any, factor: float) -> bool:
        """Whether a state that only `@step` reads, and that begins with zeros, now keeps the value without factor."""
        name = snn.Write(op).to
        reads = [
            (block, found)
            for block in structure.entry_blocks(self.gains.symbols)
            for operation in block.operations
            if (found := operation.operation).name == snn.Read.name() and snn.Read(found).of == name
        ]
        init = self.states[name].init
        starts_empty = isinstance(init, ir.FloatAttr) and init.value == 0
        if name in self.probed or not starts_empty or any(block != self.block for block, _ in reads):
            return False
        op.operands[0] = value
        for _, read in reads:
            self.spread(read.results[0], read.results[0], factor)
        return True

    def _after(self, value: Any) -> Any:
        """The insertion point behind the op that gives a value; at the begin of `@step` for its arguments."""
        op = structure.defining(value)
        return ir.InsertionPoint.at_block_begin(self.block) if op is None else ir.InsertionPoint.after(op)

    @staticmethod
    def _times(value: Any, factor: float) -> Any:
        return arith.mulf(value, structured.splat(factor, value.type))


def _limited(value: Any, high: float) -> Any:
    return arith.minimumf(arith.maximumf(value, structured.splat(0.0, value.type)), structured.splat(high, value.type))
