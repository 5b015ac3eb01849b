"""Affine forms as integer code: multiplications, shifts, additions, and one rounding at the end.

`Code` writes ops on i64 scalars (in a neuron's program) or i64 tensors of one shape (in an entry point), at the
current insertion point.  To bring a form to a scale, every coefficient is divided by the scale; ratios that are
no integers become m / 2^F with one F for the whole sum, which is shifted right by F once:

    q = (m1 * v1 + m2 * v2 + c) >> F

F is chosen so that the rounding of an m changes the result by at most half a unit when its v is greatest, or by
two units where that lets the sum fit into 32 bits; 16 significant bits of m are always enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir
from spikec.passes.quantize.affine import Affine, Atom, Number

WORD, LONG = 31, 62  # bits of magnitude in i32, and in i64 with one to spare
SIGNIFICANT = 16  # bits of a factor that are enough however great its variable is
LOST = 2.0**-8  # of a unit: what never reaches more is nothing
EXTRA = 4  # bits after the point of terms that are rounded one by one
DIGITS = 4  # signed digits of a factor that is done by shifts
SNAP = 1e-9  # what counts as the rounding of a quotient
SATURATES = "snn.saturates"  # on a clamp: the state that it keeps within its bits


class TooWide(Exception):
    """A sum that 62 bits cannot hold."""


@dataclass(frozen=True)
class Code:
    """Integer code on values of one shape (None: scalars); `array` gives an i64 value for an array of constants."""

    shape: tuple[int, ...] | None
    array: Callable[[Array], Any]

    def type(self, bits: int = 64) -> Any:
        element = ir.IntegerType.get_signless(bits)
        return element if self.shape is None else ir.RankedTensorType.get(self.shape, element)

    def number(self, value: Number, bits: int = 64) -> Any:
        """A constant: whole numbers, one or an array."""
        if np.ndim(value):
            flat = np.asarray(value)
            if not np.all(flat == flat.reshape(-1)[0]):
                return self.array(flat.astype(np.int64))
            value = float(flat.reshape(-1)[0])
        type = self.type(bits)
        element = ir.IntegerType.get_signless(bits)
        attribute = ir.IntegerAttr.get(element, int(value))
        if self.shape is not None:
            attribute = ir.DenseElementsAttr.get_splat(type, attribute)
        return arith.ConstantOp(type, attribute).result

    def wide(self, value: Any) -> Any:
        """An integer as i64: i1 is 0 or 1, others are signed."""
        return self.cast(value, 64)

    def cast(self, value: Any, bits: int) -> Any:
        """An integer in another width; what does not fit must have been cut off before."""
        have = width(value.type)
        if have == bits:
            return value
        if have > bits:
            return arith.trunci(self.type(bits), value)
        return (arith.extui if have == 1 else arith.extsi)(self.type(bits), value)

    def shift_right(self, value: Any, bits: int, rounding: str) -> Any:
        """value / 2^bits, rounded."""
        if bits == 0:
            return value
        by = self.number(bits)
        if rounding == "nearest":
            value = arith.addi(value, self.number(1 << (bits - 1)))
        elif rounding == "zero":
            negative = arith.cmpi(arith.CmpIPredicate.slt, value, self.number(0))
            mask = arith.select(negative, self.number((1 << bits) - 1), self.number(0))
            value = arith.addi(value, mask)
        elif rounding == "even":
            odd = arith.andi(arith.shrsi(value, by), self.number(1))
            value = arith.addi(value, arith.addi(odd, self.number((1 << (bits - 1)) - 1)))
        return arith.shrsi(value, by)

    def clamped(self, value: Any, low: int, high: int, state: str | None = None) -> Any:
        """value within [low, high]; `state` names what saturates there, for the report."""
        for op, limit in ((arith.maxsi, low), (arith.minsi, high)):
            value = op(value, self.number(limit))
            if state is not None:
                value.owner.attributes[SATURATES] = ir.StringAttr.get(state)
        return value

    def times(self, value: Any, factor: Number) -> Any:
        """value * factor, a whole number or an array of them; shifts where the factor is a power of two."""
        one = float(np.asarray(factor).reshape(-1)[0])
        if np.ndim(factor) and not np.all(np.asarray(factor) == one):
            return arith.muli(value, self.number(factor))
        size = abs(int(one))
        if size & (size - 1) == 0 and size > 0:
            shift = size.bit_length() - 1
            value = arith.shli(value, self.number(shift)) if shift else value
            return arith.subi(self.number(0), value) if one < 0 else value
        return arith.muli(value, self.number(int(one)))


@dataclass(frozen=True)
class Arithmetic:
    """How reals become integers: the rounding of shifts, and decays by multiplication or by shift."""

    rounding: str = "nearest"
    decay: str = "multiply"
    shifts: list[tuple[float, float]] = field(default_factory=list)  # factors as wanted, and as shifts give them

    def at(self, code: Code, form: Affine, scale: Number, rounding: str | None = None) -> Atom:
        """The form as an integer in units of `scale`.  Raises TooWide."""
        ratios = [(atom, snapped(coefficient / scale)) for atom, coefficient in form.terms]
        ratios = [(atom, ratio) for atom, ratio in ratios if float(np.max(np.abs(ratio))) * atom.limit > LOST]
        constant = snapped(form.constant / scale)
        if not ratios:
            whole = np.rint(np.clip(constant, -(2.0**LONG) + 1, 2.0**LONG - 1))
            return Atom(code.number(whole), int(np.max(np.abs(whole))))
        if not np.all(np.abs(constant) < 2.0**LONG):
            raise TooWide
        if len(ratios) == 1 and np.all(ratios[0][1] == 1.0) and not np.any(constant):
            return ratios[0][0]
        if self.decay == "shift":
            ratios = [self._shifted(code, atom, ratio) for atom, ratio in ratios]
        try:
            bits = _fraction_bits(ratios, constant)
        except TooWide:
            return self._separately(code, ratios, constant, rounding or self.rounding)
        factors = [(atom, np.rint(ratio * 2.0**bits)) for atom, ratio in ratios]
        rounding = rounding or self.rounding
        offset = np.rint(constant * 2.0**bits)
        if rounding == "nearest" and bits:
            # Half a unit joins the constant: no operation more, and no drift downwards.
            offset, rounding = offset + 2.0 ** (bits - 1), "floor"
        total: Any = None
        for atom, factor in factors:
            if not np.any(factor):
                continue
            term = self._product(code, code.wide(atom.value), factor)
            total = term if total is None else arith.addi(total, term)
        if total is None:
            total = code.number(offset)
        elif np.any(offset):
            total = arith.addi(total, code.number(offset))
        value = code.shift_right(total, bits, rounding)
        return Atom(value, (_limit(factors, offset) >> bits) + 1)

    def _separately(self, code: Code, ratios: list[tuple[Atom, Number]], constant: Number, rounding: str) -> Atom:
        """The sum of terms that are too far apart for one F: each is rounded by itself, to `EXTRA` bits more."""
        if not np.all(np.abs(constant) < 2.0 ** (LONG - EXTRA)):
            raise TooWide
        total = code.number(np.rint(constant * 2.0**EXTRA))
        limit = int(np.max(np.abs(constant))) << EXTRA
        for atom, ratio in ratios:
            if atom.limit * float(np.max(np.abs(ratio))) >= 2.0 ** (LONG - EXTRA):
                raise TooWide
            excess = max(0, atom.limit.bit_length() + SIGNIFICANT - LONG)
            bits = max(SIGNIFICANT - math.floor(math.log2(float(np.max(np.abs(ratio))))), 0)
            value = code.shift_right(code.wide(atom.value), excess, "floor")
            value = self._product(code, value, np.rint(ratio * 2.0**bits))
            shift = bits - excess - EXTRA
            value = code.shift_right(value, shift, "floor") if shift > 0 else code.times(value, 2.0**-shift)
            total = arith.addi(total, value)
            limit += math.ceil(atom.limit * float(np.max(np.abs(ratio))) * 2.0**EXTRA) + 1
        if limit.bit_length() > LONG:
            raise TooWide
        return Atom(code.shift_right(total, EXTRA, rounding), (limit >> EXTRA) + 1)

    def _product(self, code: Code, value: Any, factor: Number) -> Any:
        if self.decay != "shift" or np.ndim(factor):
            return code.times(value, factor)
        digits = signed_digits(int(factor))
        terms = [code.times(value, float(sign << power)) for power, sign in digits]
        total = terms[0]
        for term in terms[1:]:
            total = arith.addi(total, term)
        return total

    def _shifted(self, code: Code, atom: Atom, ratio: Number) -> tuple[Atom, Number]:
        """A factor as a shift: a decay d as v - (v >> k) with the nearest k, another as few signed powers of two."""
        if np.ndim(ratio):
            first = float(np.asarray(ratio).reshape(-1)[0])
            if not np.all(ratio == first):
                return atom, np.vectorize(few_digits)(ratio)
            ratio = first
        ratio = float(ratio)
        if 0.5 <= ratio < 1.0:
            k = leak_shift(ratio)
            self.shifts.append((ratio, 1.0 - 2.0**-k))
            value = code.wide(atom.value)
            return Atom(arith.subi(value, arith.shrsi(value, code.number(k))), atom.limit + 1), 1.0
        used = few_digits(ratio)
        if used != ratio:
            self.shifts.append((ratio, used))
        return atom, used


def width(type: Any) -> int:
    """The bits of an integer or of the elements of a tensor of integers."""
    return int(getattr(type, "element_type", type).width)


def snapped(number: Number) -> Number:
    """Numbers within the rounding of a quotient from a whole number, as that number."""
    whole = np.rint(number)
    with np.errstate(invalid="ignore"):
        near = np.abs(number - whole) <= SNAP * np.maximum(np.abs(whole), SNAP)
    result = np.where(near, whole, number)
    return result if np.ndim(number) else float(result)


def leak_shift(decay: float) -> int:
    """The k of 1 - 2^-k that is nearest to a decay in [0.5, 1), in the ratio of the time constants."""
    return min(max(round(-math.log2(1.0 - decay)), 1), 30)


def few_digits(ratio: float) -> float:
    """The nearest sum of at most `DIGITS` signed powers of two, each the nearest to what is left."""
    total, left = 0.0, float(ratio)
    for _ in range(DIGITS):
        if left == 0.0:
            break
        digit = math.copysign(2.0 ** round(math.log2(abs(left))), left)
        total, left = total + digit, left - digit
    return total


def signed_digits(factor: int) -> list[tuple[int, int]]:
    """A whole number as (power, +1 or -1), no two powers adjacent."""
    digits, power, left = [], 0, factor
    while left:
        if left & 1:
            digit = 2 - (left & 3)
            digits.append((power, digit))
            left -= digit
        left >>= 1
        power += 1
    return digits or [(0, 0)]


def _fraction_bits(ratios: list[tuple[Atom, Number]], constant: Number) -> int:
    """F, see above."""
    wanted = least = 0
    for atom, ratio in ratios:
        magnitude = max(atom.limit, 1).bit_length()
        exact = _exact_bits(ratio, magnitude)
        wanted = max(wanted, exact)
        if exact == magnitude:
            significant = SIGNIFICANT - math.floor(math.log2(float(np.max(np.abs(ratio)))))
            exact = max(min(magnitude - 2, significant), 0)
        least = max(least, exact)
    if wanted:
        wanted += _exact_bits(np.asarray(constant) * 2.0**wanted, 4)
    for width in (WORD, LONG):
        bits = wanted
        while bits > least and _bits(ratios, constant, bits) > width:
            bits -= 1
        if _bits(ratios, constant, bits) <= width:
            return bits
    raise TooWide


def _exact_bits(number: Number, most: int) -> int:
    """The fewest bits after the point that give a number exactly, at most `most`."""
    for bits in range(most):
        scaled = np.asarray(number) * 2.0**bits
        if np.all(scaled == np.rint(scaled)):
            return bits
    return most


def _bits(ratios: list[tuple[Atom, Number]], constant: Number, bits: int) -> int:
    factors = [(atom, np.rint(ratio * 2.0**bits)) for atom, ratio in ratios]
    return _limit(factors, np.rint(constant * 2.0**bits)).bit_length()


def _limit(factors: list[tuple[Atom, Any]], offset: Any) -> int:
    """The greatest magnitude that a sum and any part of it can have."""
    total = int(np.max(np.abs(offset)))
    for atom, factor in factors:
        total += int(np.max(np.abs(factor))) * atom.limit
    return total
