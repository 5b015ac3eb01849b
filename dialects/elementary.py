"""exp, expm1, log, tanh, sin and cos: the coefficients and the order of operations, for f32 and f64.

`TABLE[name, bits]` is a straight-line list of instructions that computes `name(x)`.  The reference
interpreter, the backends and constant folding each run the same list by their own means, so they give
the same bits.  The argument is "x", the value of the last instruction is the result.  An operand is the
name of an earlier result (str), a real constant (float, exact in the format) or an integer constant (int).
Reals have `bits` bits, and so have integers, which are two's complement and wrap.

Real operations are IEEE, rounded to nearest even, never contracted; subnormal operands and results
count as zero of the same sign.  There are no branches: the lists run to their end for every x, and a
`select` drops what a special argument made of them.  The bits of a NaN have no meaning.

How accurate, in units in the last place, for f32 and f64 alike (where the true result is subnormal it is zero):

- exp 1.0, expm1 1.2, log 1.0, tanh 1.5, sin 1.0, cos 1.0, measured over dense samples.
- sin and cos hold this for |x| <= 1e5 (f32) or 1e6 (f64); beyond, x counts as zero: the result is
  finite, but has no more meaning.
- exp(inf) = inf, exp(-inf) = 0, expm1(-inf) = -1, log(0) = -inf, log(x < 0) = NaN, log(inf) = inf,
  tanh(inf) = 1, sin(inf) = cos(inf) = NaN; NaN gives NaN; expm1, tanh and sin keep the sign of zero.

The polynomials interpolate at Chebyshev nodes: (exp(r) - 1 - r) / r^2 on |r| < 0.348;
(tanh(x) / x - 1) / x^2 in x^2 < 0.391; (2 atanh(s) / s - 2) / s^2 in s^2 < 0.0296;
(sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 < 0.65.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

Operand = str | int | float

OPS: dict[str, str] = {
    "addf": "RR:R",
    "subf": "RR:R",
    "mulf": "RR:R",
    "divf": "RR:R",
    "absf": "R:R",
    "lt": "RR:B",  # ordered: false for NaN
    "eq": "II:B",
    "select": "BRR:R",  # the second operand where the first is true, else the third
    "bits": "R:I",  # the same bits as an integer
    "real": "I:R",  # the same bits as a real
    "addi": "II:I",
    "subi": "II:I",
    "andi": "II:I",
    "xori": "II:I",
    "shli": "II:I",
    "shrsi": "II:I",  # keeps the sign
}
"""The closed set of operations: kinds of operands and result (R real, I integer, B truth value)."""

FUNCTIONS = ("exp", "expm1", "log", "tanh", "sin", "cos")


class Instruction(NamedTuple):
    result: str
    op: str
    operands: tuple[Operand, ...]


_COEFFICIENTS: dict[tuple[str, int], str] = {
    ("EXP", 32): "0x1p-1 0x1.555556p-3 0x1.5554e8p-5 0x1.1110ep-7 0x1.6d459p-10 0x1.a12718p-13",
    ("EXP", 64): (
        "0x1p-1 0x1.5555555555555p-3 0x1.5555555555557p-5 0x1.1111111111111p-7 0x1.6c16c16c159d5p-10 "
        "0x1.a01a01a01965ep-13 0x1.a01a01aa26b7ap-16 0x1.71de3a5ac8566p-19 0x1.27e4d376740f5p-22 "
        "0x1.ae642bd51d25dp-26 0x1.1f8053ac32dc8p-29 0x1.61c0ea49544a9p-33"
    ),
    ("TANH", 32): "-0x1.555556p-2 0x1.1110e8p-3 -0x1.ba08b4p-5 0x1.64a868p-6 -0x1.116328p-7 0x1.2c645ep-9",
    ("TANH", 64): (
        "-0x1.5555555555555p-2 0x1.111111111110cp-3 -0x1.ba1ba1ba1afd7p-5 0x1.664f488278841p-6 "
        "-0x1.226e354dbee3ep-7 0x1.d6d3cc4e2a2fcp-9 -0x1.7da2fcdbac82fp-10 0x1.3551fd17b9e2dp-11 "
        "-0x1.f4fc47c17714bp-13 0x1.92d07376467d1p-14 -0x1.3704bfd3e3e36p-15 0x1.9988c24c1f8e3p-17 "
        "-0x1.470b8f91b769ap-19"
    ),
    ("LOG", 32): "0x1.55555cp-1 0x1.997bdcp-2 0x1.2ef516p-2",
    ("LOG", 64): (
        "0x1.5555555555558p-1 0x1.9999999995077p-2 0x1.2492492e35998p-2 0x1.c71c628e9e0c9p-3 "
        "0x1.7462cd53e5318p-3 0x1.39fb2efe206abp-3 0x1.2b7fa64da1a6ap-3"
    ),
    ("SIN", 32): "-0x1.555552p-3 0x1.110b9ep-7 -0x1.9a8112p-13",
    ("SIN", 64): (
        "-0x1.5555555555554p-3 0x1.1111111110a18p-7 -0x1.a01a019e2533ap-13 0x1.71de371f4c3dep-19 "
        "-0x1.ae5f9207dcc28p-26 0x1.5de0a94383df7p-33"
    ),
    ("COS", 32): "0x1.555554p-5 -0x1.6c1264p-10 0x1.9b9e64p-16",
    ("COS", 64): (
        "0x1.5555555555555p-5 -0x1.6c16c16c16899p-10 0x1.a01a019f1f69p-16 -0x1.27e4f9dc2c8abp-22 "
        "0x1.1eeb2c5cdf471p-29 -0x1.905328247905bp-37"
    ),
    # pi/2 in parts: all but the last are so short that their product with the quadrant number is exact.
    ("HALF_PI", 32): "0x1.92p+0 0x1.fap-12 0x1.54p-20 0x1.1p-30 0x1.68p-39 0x1.84698ap-48",
    ("HALF_PI", 64): "0x1.921fb544p+0 0x1.0b4611a6p-34 0x1.3198a2ep-69 0x1.b839a252049c1p-104",
}

_CONSTANTS: dict[int, dict[str, Operand]] = {
    32: {
        "TINY": 2.0**-126,
        "LOG2E": float.fromhex("0x1.715476p+0"),
        "LN2_HIGH": float.fromhex("0x1.62e4p-1"),
        "LN2_LOW": float.fromhex("0x1.7f7d1cp-20"),
        "TWO_BY_PI": float.fromhex("0x1.45f306p-1"),
        "EXP_FROM": -88.0,  # exp of less is subnormal, of more than EXP_TO infinite
        "EXP_TO": 89.0,
        "EXPM1_FROM": -20.0,  # expm1 of less rounds to -1
        "EXPM1_SMALL": 2.0**-25,  # expm1(x) rounds to x
        "TANH_TO": 20.0,  # tanh of half of it rounds to 1
        "TRIG_TO": 1e5,
        "SIN_SMALL": 2.0**-13,  # sin(x) rounds to x
        "MAGIC": 1.5 * 2.0**23,  # added and subtracted, it rounds to an integer, which stands in the low bits
        "MAGIC_BITS": 0x4B400000,
        "SQRT_HALF_BITS": 0x3F3504F3,
        "MANTISSA": 23,
        "BIAS": 127,
        "BIAS_HALF": 126,
        "SIGN": -(2**31),
        "TO_SIGN": 30,
    },
    64: {
        "TINY": 2.0**-1022,
        "LOG2E": float.fromhex("0x1.71547652b82fep+0"),
        "LN2_HIGH": float.fromhex("0x1.62e42fefa2p-1"),
        "LN2_LOW": float.fromhex("0x1.9ef35793c7673p-41"),
        "TWO_BY_PI": float.fromhex("0x1.45f306dc9c883p-1"),
        "EXP_FROM": -709.0,
        "EXP_TO": 710.0,
        "EXPM1_FROM": -40.0,
        "EXPM1_SMALL": 2.0**-54,
        "TANH_TO": 40.0,
        "TRIG_TO": 1e6,
        "SIN_SMALL": 2.0**-27,
        "MAGIC": 1.5 * 2.0**52,
        "MAGIC_BITS": 0x4338000000000000,
        "SQRT_HALF_BITS": 0x3FE6A09E667F3BCD,
        "MANTISSA": 52,
        "BIAS": 1023,
        "BIAS_HALF": 1022,
        "SIGN": -(2**63),
        "TO_SIGN": 62,
    },
}

# r = v - k ln 2 with k = round(v / ln 2); q = exp(r) - 1 - r.
_EXP_CORE = """
    t mulf v LOG2E          s addf t MAGIC          kf subf s MAGIC         sb bits s           k subi sb MAGIC_BITS
    kh mulf kf LN2_HIGH     r0 subf v kh            kl mulf kf LN2_LOW      r subf r0 kl
    z mulf r r              p poly r EXP            q mulf z p
"""

_LISTS = {
    # 2^k (1 + (r + q)), with 2^k in two factors, since k may leave the range of exponents.
    "exp": f"""
    b0 lt x EXP_FROM        v0 select b0 EXP_FROM x     b1 lt EXP_TO v0     v select b1 EXP_TO v0
    {_EXP_CORE}
    e0 addf r q             e addf 1.0 e0
    k1 shrsi k 1            n1 addi k1 BIAS         m1 shli n1 MANTISSA     s1 real m1
    k2 subi k k1            n2 addi k2 BIAS         m2 shli n2 MANTISSA     s2 real m2
    y0 mulf e s1            y mulf y0 s2
    """,
    # 2 ((h - 1/2) + h r + h q) with h = 2^(k-1), the rounding errors of r and of the first sum (c and d) added back.
    "expm1": f"""
    b0 lt x EXPM1_FROM      v0 select b0 EXPM1_FROM x   b1 lt EXP_TO v0     v select b1 EXP_TO v0
    {_EXP_CORE}
    c0 subf r0 r            c subf c0 kl
    n addi k BIAS_HALF      m shli n MANTISSA       h real m
    a subf h 0.5            b mulf h r              u addf a b              d0 subf u a         d subf b d0
    g0 addf q c             g mulf h g0             l addf d g              w addf u l          y0 addf w w
    ax absf x               small lt ax EXPM1_SMALL                         y select small x y0
    """,
    # x = m 2^k with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f): log m = f - (h - s (h + q)), h = f^2 / 2.
    "log": """
    xb bits x               o subi xb SQRT_HALF_BITS    k shrsi o MANTISSA  ks shli k MANTISSA
    mb subi xb ks           m real mb               f subf m 1.0
    kb addi k MAGIC_BITS    kr real kb              kf subf kr MAGIC
    f2 addf f 2.0           s divf f f2             z mulf s s              p poly z LOG        q mulf z p
    fh mulf 0.5 f           h mulf fh f             a addf h q              b mulf s a
    kl mulf kf LN2_LOW      c addf b kl             d subf h c              e subf d f
    kh mulf kf LN2_HIGH     y0 subf kh e
    b0 lt x TINY            y1 select b0 -inf y0
    b1 lt x 0.0             y2 select b1 nan y1     b2 lt x inf             y select b2 y2 x
    """,
    # From 0.625 on, 1 - 2 / (exp(2 |x|) + 1), below |x| + |x|^3 poly(x^2); then the sign of x.
    "tanh": f"""
    ax absf x               x2 addf ax ax           b0 lt TANH_TO x2        v select b0 TANH_TO x2
    {_EXP_CORE}
    e0 addf r q             e addf 1.0 e0           n addi k BIAS           m shli n MANTISSA   s1 real m
    e1 mulf e s1            e2 addf e1 1.0          i divf 2.0 e2           large subf 1.0 i
    xx mulf ax ax           pt poly xx TANH         c0 mulf xx pt           c mulf ax c0        small addf ax c
    b1 lt ax 0.625          w select b1 small large
    xb bits x               sign andi xb SIGN       wb bits w               yb xori wb sign     y real yb
    """,
}

# r + c = v - k pi/2 with k = round(v 2/pi) in the low bits of kb; sine and cosine of r + c are sr and cr.
_TRIG = """
    ax absf x               b0 lt TRIG_TO ax        v0 mulf x 0.0           v select b0 v0 x
    t mulf v TWO_BY_PI      s addf t MAGIC          kf subf s MAGIC         kb bits s
    h l reduce v kf HALF_PI
    r addf h l              c0 subf h r             c addf c0 l             z mulf r r
    ps poly z SIN           a0 mulf z ps            a1 mulf a0 r            a addf a1 c         sr addf r a
    pc poly z COS           zz mulf z z             b1 mulf zz pc           rc mulf r c         b subf b1 rc
    hz mulf 0.5 z           w subf 1.0 hz           w0 subf 1.0 w           w1 subf w0 hz
    w2 addf w1 b            cr addf w w2
"""

# Odd quadrants take the cosine, the third and fourth change the sign.
_QUADRANT = """
    odd andi n 1            even eq odd 0           y0 select even sr cr
    two andi n 2            sign shli two TO_SIGN   yb bits y0              y1 xori yb sign     y2 real y1
"""

_LISTS["sin"] = f"{_TRIG} n addi kb 0 {_QUADRANT} small lt ax SIN_SMALL   y select small x y2"
_LISTS["cos"] = f"{_TRIG} n addi kb 1 {_QUADRANT}"


def coefficients(name: str, bits: int) -> list[float]:
    """The coefficients of a polynomial, lowest first, or the parts of pi/2, largest first."""
    return [float.fromhex(text) for text in _COEFFICIENTS[name, bits].split()]


def _polynomial(result: str, x: str, terms: list[float]) -> Iterator[Instruction]:
    """Horner's scheme: ((c[n] x + c[n-1]) x + ...) x + c[0]."""
    value: Operand = terms[-1]
    for degree in range(len(terms) - 2, -1, -1):
        yield Instruction(f"{result}.m{degree}", "mulf", (value, x))
        value = result if degree == 0 else f"{result}.a{degree}"
        yield Instruction(value, "addf", (f"{result}.m{degree}", terms[degree]))


def _reduction(high: str, low: str, v: str, k: str, parts: list[float]) -> Iterator[Instruction]:
    """high + low = v - k (sum of parts): part by part, the errors of the differences from the second on kept in low."""
    last = len(parts) - 1
    for i, part in enumerate(parts):
        before = v if i == 0 else f"{high}.{i - 1}"
        after = high if i == last - 1 else f"{high}.{i}"
        yield Instruction(f"{high}.p{i}", "mulf", (k, part))
        if i == last:
            yield Instruction(low, "subf", (f"{low}.{last - 1}", f"{high}.p{i}"))
            return
        yield Instruction(after, "subf", (before, f"{high}.p{i}"))
        if i > 0:
            error = f"{low}.1" if i == 1 else f"{high}.e{i}"
            yield Instruction(f"{high}.d{i}", "subf", (before, after))
            yield Instruction(error, "subf", (f"{high}.d{i}", f"{high}.p{i}"))
        if i > 1:
            yield Instruction(f"{low}.{i}", "addf", (f"{low}.{i - 1}", f"{high}.e{i}"))


def _operand(word: str, kind: str, bits: int) -> Operand:
    if word in _CONSTANTS[bits]:
        return _CONSTANTS[bits][word]
    try:
        return int(word) if kind == "I" else float(word)
    except ValueError:
        return word


def _instructions(text: str, bits: int) -> Iterator[Instruction]:
    words = iter(text.split())
    for result in words:
        op = next(words)
        if op == "poly":
            yield from _polynomial(result, next(words), coefficients(next(words), bits))
        elif op in OPS:
            kinds = OPS[op].split(":")[0]
            yield Instruction(result, op, tuple(_operand(next(words), kind, bits) for kind in kinds))
        else:
            # "high low reduce v k parts": the only line with two results.
            assert next(words) == "reduce"
            yield from _reduction(result, op, next(words), next(words), coefficients(next(words), bits))


TABLE: dict[tuple[str, int], tuple[Instruction, ...]] = {
    (name, bits): tuple(_instructions(_LISTS[name], bits)) for name in FUNCTIONS for bits in (32, 64)
}
"""The instruction list of each function for f32 (32) and f64 (64)."""
