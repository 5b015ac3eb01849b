"""Spikes by chance from a shift register for each element, which a circuit makes of a few gates.

The bits of a register are the last 32 of a sequence a[n] = a[n - 32] xor a[n - 30] xor a[n - 26] xor a[n - 25], whose
polynomial x^32 + x^7 + x^6 + x^2 + 1 is primitive: it repeats after 2^32 - 1 bits.  Each step makes 24 of them, all of
bits that are older, so that the numbers of two steps have none in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import random, snn, structured
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import arith, ir
from spikec.frontend.units import NUMBER
from spikec.frontend.values import Value, number

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

FRESH = 24
"""The bits of a step."""
TAPS = (8, 6, 2, 1)
"""How far the old bits stand from the new ones that are made of them; bit 0 is the newest."""


def shift_register_spikes(expressions: DataflowExpressions, rate: Value, span: Span) -> Value:
    """Spikes where the fresh bits of a step, as a number in [0, 1), are less than a probability or a rate times dt."""
    emitter, clock = expressions.emitter, expressions.clock
    emitter.need_number(rate, span, "the rate of 'lfsr'")
    if rate.dim == NUMBER / clock.time:
        rate = emitter.binary("*", rate, number(clock.dt, clock.time), span).with_dim(NUMBER)
    emitter.need_dimensionless(rate, span, "the rate of 'lfsr'")
    fresh = _fresh_bits(expressions, rate.shape, span)
    real = ir.RankedTensorType.get(list(rate.shape), emitter.element("real"))
    drawn = arith.mulf(arith.sitofp(real, fresh), structured.splat(2.0**-FRESH, real))
    spikes = emitter.binary("<", Value("real", ssa=drawn, shape=rate.shape), rate, span)
    return Value("bool", ssa=spikes.ssa, shape=rate.shape, event=True)


def _fresh_bits(expressions: DataflowExpressions, shape: tuple[int, ...], span: Span) -> Any:
    """The bits of this step as integers (i32); the registers move on."""
    network = expressions.network
    type = ir.RankedTensorType.get(list(shape), ir.IntegerType.get_signless(32))
    symbol = network.unnamed("lfsr")
    if not network.dry:
        starts = random.shift_registers(random.key(0, network.seed, symbol), np.arange(int(np.prod(shape))))
        init = network.module.constant(f"{symbol}.start", starts.view(np.int32).reshape(shape), span)
        network.module.state(symbol, type, ir.FlatSymbolRefAttr.get(init), span)
    register = snn.Read.build(results=[type], of=symbol, delay=1).result
    mixed, *others = [arith.shrsi(register, structured.splat(tap, type)) for tap in TAPS]
    for other in others:
        mixed = arith.xori(mixed, other)
    fresh = arith.andi(mixed, structured.splat((1 << FRESH) - 1, type))
    if not network.dry:
        moved = arith.ori(arith.shli(register, structured.splat(FRESH, type)), fresh)
        snn.Write.build(moved, to=symbol)
    return fresh
