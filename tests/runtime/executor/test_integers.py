"""Integer instructions against numpy and Python integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .texts import Array, apply, integers

COUNT = 512
OPERATIONS: list[tuple[str, Callable[..., int]]] = [
    ("add.s{w}", lambda w, a, b: a + b),
    ("sub.s{w}", lambda w, a, b: a - b),
    ("mul.lo.s{w}", lambda w, a, b: a * b),
    ("mul.hi.u{w}", lambda w, a, b: a * b >> w),
    ("mul.hi.s{w}", lambda w, a, b: signed(a, w) * signed(b, w) >> w),
    ("and.b{w}", lambda w, a, b: a & b),
    ("or.b{w}", lambda w, a, b: a | b),
    ("xor.b{w}", lambda w, a, b: a ^ b),
    ("min.s{w}", lambda w, a, b: min(signed(a, w), signed(b, w))),
    ("max.s{w}", lambda w, a, b: max(signed(a, w), signed(b, w))),
    ("min.u{w}", lambda w, a, b: min(a, b)),
    ("max.u{w}", lambda w, a, b: max(a, b)),
]


def signed(value: int, bits: int) -> int:
    """The two's complement value of a word."""
    return value - (1 << bits) if value >> (bits - 1) else value


def _compare(result: Array, expected: list[int], bits: int) -> None:
    np.testing.assert_array_equal(result, np.array([e % (1 << bits) for e in expected], f"u{bits // 8}"))


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize(("opcode", "function"), OPERATIONS, ids=lambda v: v if isinstance(v, str) else "")
def test_two_operands(opcode: str, function: Callable[..., int], bits: int) -> None:
    a, b = integers(bits, COUNT, 1), integers(bits, COUNT, 2)
    result = apply(f"{opcode.format(w=bits)} %z, %a, %b;", [a, b], [f"b{bits}"] * 2, f"b{bits}")
    _compare(result, [function(bits, int(x), int(y)) for x, y in zip(a, b, strict=True)], bits)


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("sign", ["u", "s"])
def test_wide_products(sign: str, bits: int) -> None:
    a, b, c = integers(bits, COUNT, 1), integers(bits, COUNT, 2), integers(2 * bits, COUNT, 3)
    value = signed if sign == "s" else (lambda v, _: v)
    products = [value(int(x), bits) * value(int(y), bits) for x, y in zip(a, b, strict=True)]
    kinds = [f"b{bits}", f"b{bits}", f"b{2 * bits}"]
    wide = apply(f"mul.wide.{sign}{bits} %z, %a, %b;", [a, b], kinds[:2], kinds[2])
    _compare(wide, products, 2 * bits)
    sums = apply(f"mad.wide.{sign}{bits} %z, %a, %b, %c;", [a, b, c], kinds, kinds[2])
    _compare(sums, [p + int(z) for p, z in zip(products, c, strict=True)], 2 * bits)


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("sign", ["u", "s"])
def test_quotients_round_to_zero_and_the_lowest_number_wraps(sign: str, bits: int) -> None:
    a, b = integers(bits, COUNT, 1), integers(bits, COUNT, 2)
    b = np.where(b == 0, np.array(-1).astype(b.dtype), b)
    value = signed if sign == "s" else (lambda v, _: v)
    pairs = [(value(int(x), bits), value(int(y), bits)) for x, y in zip(a, b, strict=True)]
    quotients = [abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in pairs]
    kinds = [f"b{bits}"] * 2
    _compare(apply(f"div.{sign}{bits} %z, %a, %b;", [a, b], kinds, f"b{bits}"), quotients, bits)
    rests = [x - q * y for (x, y), q in zip(pairs, quotients, strict=True)]
    _compare(apply(f"rem.{sign}{bits} %z, %a, %b;", [a, b], kinds, f"b{bits}"), rests, bits)


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize(
    ("opcode", "function"),
    [
        ("shl.b", lambda a, b, w: a << b if b < w else 0),
        ("shr.u", lambda a, b, w: a >> b if b < w else 0),
        ("shr.b", lambda a, b, w: a >> b if b < w else 0),
        ("shr.s", lambda a, b, w: signed(a, w) >> min(b, w - 1)),
    ],
)
def test_shifts_clamp_at_the_width(opcode: str, function: Callable[..., int], bits: int) -> None:
    a, b = integers(bits, COUNT, 1), integers(32, COUNT, 2)
    b[::3] %= 70
    result = apply(f"{opcode}{bits} %z, %a, %b;", [a, b], [f"b{bits}", "b32"], f"b{bits}")
    _compare(result, [function(int(x), int(y), bits) for x, y in zip(a, b, strict=True)], bits)


@pytest.mark.parametrize("direction", ["l", "r"])
@pytest.mark.parametrize("mode", ["clamp", "wrap"])
def test_funnel_shifts(direction: str, mode: str) -> None:
    a, b, c = (integers(32, COUNT, k) for k in (1, 2, 3))
    c[::2] %= 40
    expected = []
    for x, y, n in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
        n = min(n, 32) if mode == "clamp" else n & 31
        both = y << 32 | x
        expected.append(both << n >> 32 if direction == "l" else both >> n)
    _compare(apply(f"shf.{direction}.{mode}.b32 %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), expected, 32)


def _highest(value: int, bits: int, sign: str) -> int:
    value = ~signed(value, bits) if sign == "s" and value >> (bits - 1) else value
    return value.bit_length() - 1


@pytest.mark.parametrize("bits", [32, 64])
def test_bits_are_counted_and_found(bits: int) -> None:
    a = integers(bits, COUNT, 1)
    words = a.tolist()
    cases = {
        f"popc.b{bits}": [w.bit_count() for w in words],
        f"clz.b{bits}": [bits - w.bit_length() for w in words],
        f"bfind.u{bits}": [_highest(w, bits, "u") for w in words],
        f"bfind.s{bits}": [_highest(w, bits, "s") for w in words],
        f"bfind.shiftamt.s{bits}": [bits - 1 - h if (h := _highest(w, bits, "s")) >= 0 else -1 for w in words],
    }
    for opcode, expected in cases.items():
        _compare(apply(f"{opcode} %z, %a;", [a], [f"b{bits}"], "b32"), expected, 32)
    mirrored = [int(f"{w:0{bits}b}"[::-1], 2) for w in words]
    _compare(apply(f"brev.b{bits} %z, %a;", [a], [f"b{bits}"], f"b{bits}"), mirrored, bits)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_signs_and_complements(bits: int) -> None:
    a, b, c = (integers(bits, COUNT, k) for k in (1, 2, 3))
    kind, words = f"b{bits}", a.tolist()
    _compare(apply(f"abs.s{bits} %z, %a;", [a], [kind], kind), [abs(signed(w, bits)) for w in words], bits)
    _compare(apply(f"neg.s{bits} %z, %a;", [a], [kind], kind), [-w for w in words], bits)
    _compare(apply(f"not.b{bits} %z, %a;", [a], [kind], kind), [~w for w in words], bits)
    _compare(apply(f"cnot.b{bits} %z, %a;", [a], [kind], kind), [w == 0 for w in words], bits)
    triples = list(zip(words, b.tolist(), c.tolist(), strict=True))
    sad = [abs(signed(x, bits) - signed(y, bits)) + z for x, y, z in triples]
    _compare(apply(f"sad.s{bits} %z, %a, %b, %c;", [a, b, c], [kind] * 3, kind), sad, bits)


def test_saturating_sums() -> None:
    a, b = integers(32, COUNT, 1), integers(32, COUNT, 2)
    pairs = [(signed(x, 32), signed(y, 32)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    for op, values in (("add", [x + y for x, y in pairs]), ("sub", [x - y for x, y in pairs])):
        clamped = [max(-(1 << 31), min((1 << 31) - 1, v)) for v in values]
        _compare(apply(f"{op}.sat.s32 %z, %a, %b;", [a, b], ["b32"] * 2, "b32"), clamped, 32)


def _extracted(a: int, pos: int, length: int, bits: int, sign: str) -> int:
    """bfe, bit by bit as the PTX ISA defines it."""
    pos, length, top = pos & 255, length & 255, bits - 1
    fill = 0 if sign == "u" or not length else a >> min(pos + length - 1, top) & 1
    inside = [i < length and pos + i <= top for i in range(bits)]
    return sum((a >> pos + i & 1 if inside[i] else fill) << i for i in range(bits))


def _inserted(a: int, b: int, pos: int, length: int, bits: int) -> int:
    pos, length = pos & 255, length & 255
    for i in range(length):
        if pos + i < bits:
            b = b & ~(1 << pos + i) | (a >> i & 1) << pos + i
    return b


@pytest.mark.parametrize("bits", [32, 64])
def test_bit_fields(bits: int) -> None:
    a, b, p, n = integers(bits, COUNT, 1), integers(bits, COUNT, 2), integers(32, COUNT, 3), integers(32, COUNT, 4)
    p[::2] %= bits + 3
    n[::2] %= bits + 3
    rows = list(zip(a.tolist(), b.tolist(), p.tolist(), n.tolist(), strict=True))
    kind = f"b{bits}"
    for sign in "us":
        result = apply(f"bfe.{sign}{bits} %z, %a, %b, %c;", [a, p, n], [kind, "b32", "b32"], kind)
        _compare(result, [_extracted(x, pos, length, bits, sign) for x, _, pos, length in rows], bits)
    result = apply(f"bfi.b{bits} %z, %a, %b, %c, %d;", [a, b, p, n], [kind, kind, "b32", "b32"], kind)
    _compare(result, [_inserted(x, y, pos, length, bits) for x, y, pos, length in rows], bits)


def test_bytes_are_permuted() -> None:
    a, b, c = (integers(32, COUNT, k) for k in (1, 2, 3))
    expected = []
    for x, y, s in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
        parts = [(y << 32 | x) >> 8 * k & 255 for k in range(8)]
        chosen = [(parts[s >> 4 * k & 7], s >> 4 * k & 8) for k in range(4)]
        expected.append(sum((255 * (v >> 7) if sign else v) << 8 * k for k, (v, sign) in enumerate(chosen)))
    _compare(apply("prmt.b32 %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), expected, 32)
    rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    expected = [(y << 32 | x) >> 8 * (s & 3) & 0xFFFFFFFF for x, y, s in rows]
    _compare(apply("prmt.b32.f4e %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), expected, 32)


@pytest.mark.parametrize("table", [0x00, 0x96, 0xE8, 0xCA, 0x1B, 0xFF])
def test_bits_are_looked_up(table: int) -> None:
    a, b, c = (integers(32, COUNT, k) for k in (1, 2, 3))
    expected = [
        sum((table >> ((x >> i & 1) << 2 | (y >> i & 1) << 1 | z >> i & 1) & 1) << i for i in range(32))
        for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    ]
    _compare(apply(f"lop3.b32 %z, %a, %b, %c, {table};", [a, b, c], ["b32"] * 3, "b32"), expected, 32)


@pytest.mark.parametrize("signs", ["uu", "us", "su", "ss"])
def test_dot_products(signs: str) -> None:
    a, b, c = (integers(32, COUNT, k) for k in (1, 2, 3))

    def piece(word: int, k: int, bits: int, sign: str) -> int:
        value = word >> bits * k & (1 << bits) - 1
        return signed(value, bits) if sign == "s" else value

    kinds = f"{signs[0]}32.{signs[1]}32"
    rows = list(zip(a.tolist(), b.tolist(), c.tolist(), strict=True))
    four = [z + sum(piece(x, k, 8, signs[0]) * piece(y, k, 8, signs[1]) for k in range(4)) for x, y, z in rows]
    _compare(apply(f"dp4a.{kinds} %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), four, 32)
    for half, first in (("lo", 0), ("hi", 2)):
        two = [
            z + sum(piece(x, k, 16, signs[0]) * piece(y, k + first, 8, signs[1]) for k in range(2)) for x, y, z in rows
        ]
        _compare(apply(f"dp2a.{half}.{kinds} %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), two, 32)


RELATIONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


@pytest.mark.parametrize("kind", ["u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("relation", RELATIONS)
def test_comparisons(relation: str, kind: str) -> None:
    bits = int(kind[1:])
    a, b = integers(bits, COUNT, 1), integers(bits, COUNT, 2)
    b[::4] = a[::4]
    value = signed if kind[0] == "s" else (lambda v, _: v)
    truth = [RELATIONS[relation](value(x, bits), value(y, bits)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    _compare(apply(f"setp.{relation}.{kind} %z, %a, %b;", [a, b], [kind, kind], "pred"), truth, 32)


@pytest.mark.parametrize("op", ["and", "or", "xor"])
def test_combined_comparisons(op: str) -> None:
    a, b = integers(32, COUNT, 1), integers(32, COUNT, 2)
    body = f"setp.lo.u32 %q, %a, 77; setp.hi.{op}.u32 %z|%q, %a, %b, %q; selp.b32 %r22, 2, 0, %q; selp.b32 %r21, 1, 0, %z; or.b32 %r21, %r21, %r22; setp.ne.u32 %z, %r21, {{}};"
    combine = {"and": lambda x, y: x and y, "or": lambda x, y: x or y, "xor": lambda x, y: x != y}[op]
    for wrong in range(4):
        expected = [
            (combine(x > y, x < 77) + 2 * combine(x <= y, x < 77)) != wrong
            for x, y in zip(a.tolist(), b.tolist(), strict=True)
        ]
        _compare(apply(body.format(wrong), [a, b], ["b32", "b32"], "pred"), expected, 32)


def test_selection_by_sign() -> None:
    a, b, c = (integers(32, COUNT, k) for k in (1, 2, 3))
    expected = np.where(c.view(np.int32) >= 0, a, b)
    _compare(apply("slct.b32.s32 %z, %a, %b, %c;", [a, b, c], ["b32"] * 3, "b32"), expected.tolist(), 32)
    ones = np.where(a.view(np.int32) < b.view(np.int32), 0xFFFFFFFF, 0)
    _compare(apply("set.lt.u32.s32 %z, %a, %b;", [a, b], ["b32"] * 2, "b32"), ones.tolist(), 32)
