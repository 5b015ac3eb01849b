"""f16 and bf16 conversions and the neighbours of a float, on bits, in the compiled subset of Python."""

from __future__ import annotations


def half_to_float(h: int) -> int:
    """f16 to f32, exact."""
    sign = (h & 32768) << 16
    exponent = h >> 10 & 31
    mantissa = h & 1023
    if exponent == 31:
        return 0x7FFFFFFF if mantissa else sign | 0x7F800000
    if exponent:
        return sign | (exponent + 112) << 23 | mantissa << 13
    if mantissa == 0:
        return sign
    exponent = 113
    while not mantissa & 1024:
        mantissa = mantissa << 1
        exponent -= 1
    return sign | exponent << 23 | (mantissa & 1023) << 13


def float_to_half(x: int) -> int:
    """f32 to f16, to nearest even."""
    sign = x >> 16 & 32768
    size = x & 0x7FFFFFFF
    if size > 0x7F800000:
        return 0x7FFF
    if size >= 0x477FF000:
        return sign | 0x7C00
    if size <= 0x33000000:
        return sign
    shift = 13
    mantissa = size - 0x38000000
    if size < 0x38800000:
        shift = 126 - (size >> 23)
        mantissa = size & 0x7FFFFF | 0x800000
    result = mantissa >> shift
    rest = mantissa & (1 << shift) - 1
    tie = 1 << shift - 1
    if rest > tie or (rest == tie and result & 1):
        result += 1
    return sign | result


def bfloat_to_float(h: int) -> int:
    """bf16 to f32, exact."""
    return 0x7FFFFFFF if (h & 0x7FFF) > 0x7F80 else h << 16


def float_to_bfloat(x: int) -> int:
    """f32 to bf16, to nearest even."""
    if (x & 0x7FFFFFFF) > 0x7F800000:
        return 0x7FFF
    return (x + 0x7FFF + (x >> 16 & 1)) >> 16


def next_down(x: int) -> int:
    """The f32 below one that is finite or infinite."""
    if x == 0:
        return 0x80000001
    return x + 1 if x >> 31 else x - 1


def next_up(x: int) -> int:
    """The f32 above one that is finite or infinite."""
    if x == 0x80000000:
        return 1
    return x - 1 if x >> 31 else x + 1


FUNCTIONS = (half_to_float, float_to_half, bfloat_to_float, float_to_bfloat, next_down, next_up)
