"""Integer arithmetic of the PTX ISA: add to dp4a, shifts, bit fields, logic."""

from __future__ import annotations

from spikec.runtime.executor import layout
from spikec.runtime.executor.code import Code
from spikec.runtime.executor.text import Immediate


def arithmetic(code: Code, op: str, width: str) -> None:
    """add, sub, mul.lo, and, or, xor: the result wraps."""
    d, a, b = code.operands(3)
    w = 1 if width == "pred" else int(width)
    name = {"mul.lo": "mul"}.get(op, op)
    code.write(d, code.emit(f"{name} i{w} {code.read(a, w)}, {code.read(b, w)}"), w)


def saturating(code: Code, op: str) -> None:
    """add.sat.s32 and sub.sat.s32."""
    d, a, b = code.operands(3)
    code.write(d, code.emit(f"call i32 @llvm.s{op}.sat.i32(i32 {code.read(a, 32)}, i32 {code.read(b, 32)})"), 32)


def _product(code: Code, part: str, sign: str, width: int) -> tuple[str, int]:
    """The product of operands 1 and 2: low or high half, or all (`wide`); and its width."""
    a, b = (code.read(o, width) for o in code.instruction.operands[1:3])
    if part == "lo":
        return code.emit(f"mul i{width} {a}, {b}"), width
    extend = "sext" if sign == "s" else "zext"
    double = 2 * width
    a, b = (code.emit(f"{extend} i{width} {v} to i{double}") for v in (a, b))
    product = code.emit(f"mul i{double} {a}, {b}")
    if part == "wide":
        return product, double
    high = code.emit(f"lshr i{double} {product}, {width}")
    return code.emit(f"trunc i{double} {high} to i{width}"), width


def multiply(code: Code, part: str, sign: str, width: str) -> None:
    """mul.lo, mul.hi and mul.wide."""
    d, _, _ = code.operands(3)
    value, w = _product(code, part, sign, int(width))
    code.write(d, value, w)


def multiply_add(code: Code, part: str, sign: str, width: str) -> None:
    """mad.lo, mad.hi and mad.wide."""
    d, _, _, c = code.operands(4)
    value, w = _product(code, part, sign, int(width))
    code.write(d, code.emit(f"add i{w} {value}, {code.read(c, w)}"), w)


def divide(code: Code, op: str, sign: str, width: str) -> None:
    """div and rem; by zero is a fault, the lowest number by -1 wraps."""
    d, a, b = code.operands(3)
    w = int(width)
    x, y = code.read(a, w), code.read(b, w)
    code.fail_if(code.emit(f"icmp eq i{w} {y}, 0"), layout.DIVISION)
    if sign == "u":
        code.write(d, code.emit(f"u{op} i{w} {x}, {y}"), w)
        return
    minus = code.emit(f"icmp eq i{w} {y}, -1")
    safe = code.emit(f"select i1 {minus}, i{w} 1, i{w} {y}")
    value = code.emit(f"s{op} i{w} {x}, {safe}")
    wrapped = code.emit(f"sub i{w} 0, {x}") if op == "div" else "0"
    code.write(d, code.emit(f"select i1 {minus}, i{w} {wrapped}, i{w} {value}"), w)


def extreme(code: Code, op: str, sign: str, width: str) -> None:
    """min and max."""
    d, a, b = code.operands(3)
    w = int(width)
    code.write(d, code.emit(f"call i{w} @llvm.{sign}{op}.i{w}(i{w} {code.read(a, w)}, i{w} {code.read(b, w)})"), w)


def absolute(code: Code, width: str) -> None:
    """abs; the lowest number stays."""
    d, a = code.operands(2)
    w = int(width)
    code.write(d, code.emit(f"call i{w} @llvm.abs.i{w}(i{w} {code.read(a, w)}, i1 false)"), w)


def negative(code: Code, width: str) -> None:
    """neg."""
    d, a = code.operands(2)
    code.write(d, code.emit(f"sub i{width} 0, {code.read(a, int(width))}"), int(width))


def complement(code: Code, width: str) -> None:
    """not."""
    d, a = code.operands(2)
    w = 1 if width == "pred" else int(width)
    code.write(d, code.emit(f"xor i{w} {code.read(a, w)}, -1"), w)


def logical_not(code: Code, width: str) -> None:
    """cnot: 1 of zero, else 0."""
    d, a = code.operands(2)
    zero = code.emit(f"icmp eq i{width} {code.read(a, int(width))}, 0")
    code.write(d, code.emit(f"zext i1 {zero} to i{width}"), int(width))


def difference(code: Code, sign: str, width: str) -> None:
    """sad: c + |a - b|."""
    d, a, b, c = code.operands(4)
    w = int(width)
    x, y = code.read(a, w), code.read(b, w)
    more = code.emit(f"icmp {sign}gt i{w} {x}, {y}")
    up, down = code.emit(f"sub i{w} {x}, {y}"), code.emit(f"sub i{w} {y}, {x}")
    distance = code.emit(f"select i1 {more}, i{w} {up}, i{w} {down}")
    code.write(d, code.emit(f"add i{w} {distance}, {code.read(c, w)}"), w)


# Shifts


def _clamped(code: Code, op: str, w: int, value: str, amount: str) -> str:
    """A shift by 32 bits of amount, which is clamped at the width."""
    most = code.emit(f"icmp ugt i32 {amount}, {w - 1}")
    if op == "ashr":
        amount = code.emit(f"select i1 {most}, i32 {w - 1}, i32 {amount}")
    safe = code.emit(f"and i32 {amount}, {w - 1}")
    wide = safe
    if w != 32:
        wide = code.emit(f"{'zext' if w > 32 else 'trunc'} i32 {safe} to i{w}")
    shifted = code.emit(f"{op} i{w} {value}, {wide}")
    return shifted if op == "ashr" else code.emit(f"select i1 {most}, i{w} 0, i{w} {shifted}")


def shift(code: Code, op: str, sign: str, width: str) -> None:
    """shl and shr."""
    d, a, b = code.operands(3)
    name = "shl" if op == "shl" else "ashr" if sign == "s" else "lshr"
    w = int(width)
    code.write(d, _clamped(code, name, w, code.read(a, w), code.read(b, 32)), w)


def funnel(code: Code, direction: str, mode: str) -> None:
    """shf: 32 bits of b:a shifted by c, which is clamped at 32 or wraps."""
    d, a, b, c = code.operands(4)
    low, high, amount = (code.read(o, 32) for o in (a, b, c))
    name = "fshl" if direction == "l" else "fshr"
    value = code.emit(f"call i32 @llvm.{name}.i32(i32 {high}, i32 {low}, i32 {amount})")
    if mode == "clamp":
        most = code.emit(f"icmp ugt i32 {amount}, 31")
        all_of_it = low if direction == "l" else high
        value = code.emit(f"select i1 {most}, i32 {all_of_it}, i32 {value}")
    code.write(d, value, 32)


# Bits


def _to_32(code: Code, value: str, w: int) -> str:
    return value if w == 32 else code.emit(f"trunc i{w} {value} to i32")


def count_bits(code: Code, op: str, width: str) -> None:
    """popc and clz."""
    d, a = code.operands(2)
    w, value = int(width), code.read(a, int(width))
    if op == "popc":
        count = code.emit(f"call i{w} @llvm.ctpop.i{w}(i{w} {value})")
    else:
        count = code.emit(f"call i{w} @llvm.ctlz.i{w}(i{w} {value}, i1 false)")
    code.write(d, _to_32(code, count, w), 32)


def reverse(code: Code, width: str) -> None:
    """brev."""
    d, a = code.operands(2)
    code.write(
        d, code.emit(f"call i{width} @llvm.bitreverse.i{width}(i{width} {code.read(a, int(width))})"), int(width)
    )


def find(code: Code, amount: str | None, sign: str, width: str) -> None:
    """bfind: the place of the highest bit that is not the sign, all ones if there is none."""
    d, a = code.operands(2)
    w, value = int(width), code.read(a, int(width))
    if sign == "s":
        value = code.emit(f"xor i{w} {value}, {code.emit(f'ashr i{w} {value}, {w - 1}')}")
    zeros = code.emit(f"call i{w} @llvm.ctlz.i{w}(i{w} {value}, i1 false)")
    none = code.emit(f"icmp eq i{w} {value}, 0")
    place = zeros if amount else code.emit(f"sub i{w} {w - 1}, {zeros}")
    code.write(d, _to_32(code, code.emit(f"select i1 {none}, i{w} -1, i{w} {place}"), w), 32)


def _low_byte(code: Code, value: str) -> str:
    return code.emit(f"and i32 {value}, 255")


def _ones(code: Code, w: int, count: str) -> str:
    """A mask of the lowest `count` bits, all from the width on."""
    return code.emit(f"xor i{w} {_clamped(code, 'shl', w, '-1', count)}, -1")


def extract(code: Code, sign: str, width: str) -> None:
    """bfe: `c` bits of `a` from bit `b` on, filled with zeros or the field's sign."""
    d, a, b, c = code.operands(4)
    w, value = int(width), code.read(a, int(width))
    place, length = _low_byte(code, code.read(b, 32)), _low_byte(code, code.read(c, 32))
    bits = code.emit(f"and i{w} {_clamped(code, 'lshr', w, value, place)}, {_ones(code, w, length)}")
    if sign == "s":
        bits = _signed_field(code, w, value, place, length, bits)
    code.write(d, bits, w)


def _signed_field(code: Code, w: int, value: str, place: str, length: str, bits: str) -> str:
    last = code.emit(f"add i32 {place}, {code.emit(f'sub i32 {length}, 1')}")
    beyond = code.emit(f"icmp ugt i32 {last}, {w - 1}")
    at = code.emit(f"select i1 {beyond}, i32 {w - 1}, i32 {last}")
    sign = code.emit(f"and i{w} {_clamped(code, 'lshr', w, value, at)}, 1")
    empty = code.emit(f"icmp eq i32 {length}, 0")
    fill = code.emit(f"sub i{w} 0, {code.emit(f'select i1 {empty}, i{w} 0, i{w} {sign}')}")
    inside = code.emit(f"select i1 {code.emit(f'icmp ugt i32 {place}, {w}')}, i32 {w}, i32 {place}")
    left = code.emit(f"sub i32 {w}, {inside}")
    fewer = code.emit(f"icmp ult i32 {length}, {left}")
    count = code.emit(f"select i1 {fewer}, i32 {length}, i32 {left}")
    above = _clamped(code, "shl", w, fill, count)
    return code.emit(f"or i{w} {bits}, {above}")


def insert(code: Code, width: str) -> None:
    """bfi: the low `d` bits of `a` put into `b` at bit `c`."""
    f, a, b, c, d = code.operands(5)
    w = int(width)
    x, y = code.read(a, w), code.read(b, w)
    place, length = _low_byte(code, code.read(c, 32)), _low_byte(code, code.read(d, 32))
    mask = _clamped(code, "shl", w, _ones(code, w, length), place)
    moved = code.emit(f"and i{w} {_clamped(code, 'shl', w, x, place)}, {mask}")
    kept = code.emit(f"and i{w} {y}, {code.emit(f'xor i{w} {mask}, -1')}")
    code.write(f, code.emit(f"or i{w} {moved}, {kept}"), w)


def permute(code: Code) -> None:
    """prmt: each byte of the result is chosen by 4 bits of `c` out of b:a; bit 3 takes the sign instead."""
    d, a, b, c = code.operands(4)
    low = code.emit(f"zext i32 {code.read(a, 32)} to i64")
    high = code.emit(f"shl i64 {code.emit(f'zext i32 {code.read(b, 32)} to i64')}, 32")
    both = code.emit(f"or i64 {low}, {high}")
    selector = code.emit(f"zext i32 {code.read(c, 32)} to i64")
    result = "0"
    for k in range(4):
        choice = code.emit(f"lshr i64 {selector}, {4 * k}")
        place = code.emit(f"shl i64 {code.emit(f'and i64 {choice}, 7')}, 3")
        byte = code.emit(f"trunc i64 {code.emit(f'lshr i64 {both}, {place}')} to i8")
        signed = code.emit(f"icmp ne i64 {code.emit(f'and i64 {choice}, 8')}, 0")
        sign = code.emit(f"ashr i8 {byte}, 7")
        byte = code.emit(f"zext i8 {code.emit(f'select i1 {signed}, i8 {sign}, i8 {byte}')} to i32")
        result = code.emit(f"or i32 {result}, {code.emit(f'shl i32 {byte}, {8 * k}')}")
    code.write(d, result, 32)


def neighbours(code: Code) -> None:
    """prmt.f4e: the four bytes of b:a from byte c modulo 4 on."""
    d, a, b, c = code.operands(4)
    low = code.emit(f"zext i32 {code.read(a, 32)} to i64")
    high = code.emit(f"shl i64 {code.emit(f'zext i32 {code.read(b, 32)} to i64')}, 32")
    both = code.emit(f"or i64 {low}, {high}")
    place = code.emit(f"shl i32 {code.emit(f'and i32 {code.read(c, 32)}, 3')}, 3")
    moved = code.emit(f"lshr i64 {both}, {code.emit(f'zext i32 {place} to i64')}")
    code.write(d, code.emit(f"trunc i64 {moved} to i32"), 32)


def lookup(code: Code) -> None:
    """lop3: each bit is looked up in a table of 8 by the bits of a, b and c."""
    d, a, b, c, table = code.operands(5)
    if not isinstance(table, Immediate) or table.kind != "integer" or not 0 <= table.bits < 256:
        raise code.error("the table of lop3 is a number of 8 bits")
    values = [code.read(o, 32) for o in (a, b, c)]
    inverse = [code.emit(f"xor i32 {v}, -1") for v in values]
    result = "0"
    for k in range(8):
        if table.bits >> k & 1:
            x, y, z = (values[j] if k >> (2 - j) & 1 else inverse[j] for j in range(3))
            term = code.emit(f"and i32 {code.emit(f'and i32 {x}, {y}')}, {z}")
            result = code.emit(f"or i32 {result}, {term}")
    code.write(d, result, 32)


def _piece(code: Code, value: str, k: int, bits: int, sign: str) -> str:
    """Piece `k` of a word, as 32 bits."""
    piece = code.emit(f"trunc i32 {code.emit(f'lshr i32 {value}, {bits * k}')} to i{bits}")
    return code.emit(f"{'sext' if sign == 's' else 'zext'} i{bits} {piece} to i32")


def dot4(code: Code, sign_a: str, sign_b: str) -> None:
    """dp4a: c + the sum of products of four bytes."""
    d, a, b, c = code.operands(4)
    x, y, total = (code.read(o, 32) for o in (a, b, c))
    for k in range(4):
        product = code.emit(f"mul i32 {_piece(code, x, k, 8, sign_a)}, {_piece(code, y, k, 8, sign_b)}")
        total = code.emit(f"add i32 {total}, {product}")
    code.write(d, total, 32)


def dot2(code: Code, half: str, sign_a: str, sign_b: str) -> None:
    """dp2a: c + the sum of products of the halves of `a` with the low or high bytes of `b`."""
    d, a, b, c = code.operands(4)
    x, y, total = (code.read(o, 32) for o in (a, b, c))
    for k in range(2):
        byte = k + (2 if half == "hi" else 0)
        product = code.emit(f"mul i32 {_piece(code, x, k, 16, sign_a)}, {_piece(code, y, byte, 8, sign_b)}")
        total = code.emit(f"add i32 {total}, {product}")
    code.write(d, total, 32)


RULES = (
    (r"(add|sub)\.[us](16|32|64)", arithmetic),
    (r"(add|sub)\.sat\.s32", saturating),
    (r"(and|or|xor)\.(?:b(?=\d))?(16|32|64|pred)", arithmetic),
    (r"mul\.(lo|hi)\.([us])(16|32|64)", multiply),
    (r"mul\.(wide)\.([us])(16|32)", multiply),
    (r"mad\.(lo|hi)\.([us])(16|32|64)", multiply_add),
    (r"mad\.(wide)\.([us])(16|32)", multiply_add),
    (r"(div|rem)\.([us])(16|32|64)", divide),
    (r"(min|max)\.([us])(16|32|64)", extreme),
    (r"abs\.s(16|32|64)", absolute),
    (r"neg\.s(16|32|64)", negative),
    (r"not\.(?:b(?=\d))?(16|32|64|pred)", complement),
    (r"cnot\.b(16|32|64)", logical_not),
    (r"sad\.([us])(16|32|64)", difference),
    (r"(shl)\.(b)(16|32|64)", shift),
    (r"(shr)\.([bus])(16|32|64)", shift),
    (r"shf\.([lr])\.(clamp|wrap)\.b32", funnel),
    (r"(popc|clz)\.b(32|64)", count_bits),
    (r"brev\.b(32|64)", reverse),
    (r"bfind(\.shiftamt)?\.([us])(32|64)", find),
    (r"bfe\.([us])(32|64)", extract),
    (r"bfi\.b(32|64)", insert),
    (r"prmt\.b32", permute),
    (r"prmt\.b32\.f4e", neighbours),
    (r"lop3\.b32", lookup),
    (r"dp4a\.([us])32\.([us])32", dot4),
    (r"dp2a\.(lo|hi)\.([us])32\.([us])32", dot2),
)
