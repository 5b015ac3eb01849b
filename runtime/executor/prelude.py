"""LLVM IR that every kernel's code begins with: checked addresses and the exact float rules."""

from __future__ import annotations

from spikec.runtime.executor import layout

_MASK = (1 << layout.OFFSET_BITS) - 1
_SHARED_MASK = (1 << layout.SHARED_OFFSET_BITS) - 1


def _global() -> str:
    """The host address of `size` bytes at a device address, or null if the access is wrong."""
    return f"""
define internal ptr @global(ptr %launch, i64 %a, i64 %size, i64 %write) alwaysinline {{
  %tp = getelementptr i8, ptr %launch, i64 {layout.TABLE}
  %table = load ptr, ptr %tp
  %cp = getelementptr i8, ptr %launch, i64 {layout.COUNT}
  %count = load i64, ptr %cp
  %n = lshr i64 %a, {layout.OFFSET_BITS}
  %known = icmp ult i64 %n, %count
  %i = select i1 %known, i64 %n, i64 0
  %row = getelementptr [4 x i64], ptr %table, i64 %i
  %base = load ptr, ptr %row
  %lp = getelementptr i64, ptr %row, i64 1
  %limit = load i64, ptr %lp
  %kp = getelementptr i64, ptr %row, i64 2
  %constant = load i64, ptr %kp
  %off = and i64 %a, {_MASK}
  %end = add i64 %off, %size
  %outside = icmp ugt i64 %end, %limit
  %low = sub i64 %size, 1
  %odd = and i64 %off, %low
  %denied = and i64 %constant, %write
  %wrong = or i64 %odd, %denied
  %w = icmp ne i64 %wrong, 0
  %bad = or i1 %outside, %w
  %p = getelementptr i8, ptr %base, i64 %off
  %r = select i1 %bad, ptr null, ptr %p
  ret ptr %r
}}

define internal ptr @shared(ptr %launch, ptr %block, i64 %a, i64 %size) alwaysinline {{
  %tp = getelementptr i8, ptr %launch, i64 {layout.SHARED_TABLE}
  %table = load ptr, ptr %tp
  %cp = getelementptr i8, ptr %launch, i64 {layout.SHARED_COUNT}
  %count = load i64, ptr %cp
  %sp = getelementptr i8, ptr %block, i64 {layout.SHARED}
  %memory = load ptr, ptr %sp
  %n = lshr i64 %a, {layout.SHARED_OFFSET_BITS}
  %known = icmp ult i64 %n, %count
  %i = select i1 %known, i64 %n, i64 0
  %row = getelementptr [2 x i64], ptr %table, i64 %i
  %base = load i64, ptr %row
  %lp = getelementptr i64, ptr %row, i64 1
  %limit = load i64, ptr %lp
  %off = and i64 %a, {_SHARED_MASK}
  %end = add i64 %off, %size
  %outside = icmp ugt i64 %end, %limit
  %low = sub i64 %size, 1
  %place = add i64 %base, %off
  %odd = and i64 %place, %low
  %w = icmp ne i64 %odd, 0
  %bad = or i1 %outside, %w
  %p = getelementptr i8, ptr %memory, i64 %place
  %r = select i1 %bad, ptr null, ptr %p
  ret ptr %r
}}

define internal ptr @generic(ptr %launch, ptr %block, i64 %a, i64 %size, i64 %write) alwaysinline {{
  %local = icmp slt i64 %a, 0
  br i1 %local, label %in_shared, label %in_global
in_shared:
  %s = and i64 %a, {(1 << layout.SHARED_BIT) - 1}
  %ps = call ptr @shared(ptr %launch, ptr %block, i64 %s, i64 %size)
  ret ptr %ps
in_global:
  %pg = call ptr @global(ptr %launch, i64 %a, i64 %size, i64 %write)
  ret ptr %pg
}}
"""


def _fail() -> str:
    fields = (
        (layout.FAULT, "%kind"),
        (layout.FAULT_LINE, "%line"),
        (layout.FAULT_ADDRESS, "%address"),
        (layout.FAULT_SIZE, "%size"),
    )
    stores = "".join(
        f"  %p{offset} = getelementptr i8, ptr %launch, i64 {offset}\n  store i64 {value}, ptr %p{offset}\n"
        for offset, value in fields
    )
    return (
        "define internal void @fail(ptr %launch, i64 %kind, i64 %line, i64 %address, i64 %size) noinline cold {\n"
        f"{stores}  ret void\n}}\n"
    )


def _float(width: int, name: str, exponent: int, nan: int) -> str:
    """Flushing of subnormals, the canonical NaN, min and max of a float type."""
    sign = 1 << (width - 1)
    return f"""
define internal i{width} @flush{width}(i{width} %x) alwaysinline {{
  %e = and i{width} %x, {exponent}
  %small = icmp eq i{width} %e, 0
  %zero = and i{width} %x, {sign}
  %r = select i1 %small, i{width} %zero, i{width} %x
  ret i{width} %r
}}

define internal i{width} @canonical{width}({name} %x) alwaysinline {{
  %b = bitcast {name} %x to i{width}
  %nan = fcmp uno {name} %x, %x
  %r = select i1 %nan, i{width} {nan}, i{width} %b
  ret i{width} %r
}}

define internal i{width} @saturate{width}({name} %x) alwaysinline {{
  %above = fcmp ogt {name} %x, 0.0
  %low = select i1 %above, {name} %x, {name} 0.0
  %below = fcmp olt {name} %low, 1.0
  %r = select i1 %below, {name} %low, {name} 1.0
  %b = bitcast {name} %r to i{width}
  ret i{width} %b
}}

define internal i{width} @min{width}({name} %x, {name} %y) alwaysinline {{
  %a = bitcast {name} %x to i{width}
  %b = bitcast {name} %y to i{width}
  %same = fcmp oeq {name} %x, %y
  %zero = or i{width} %a, %b
  %less = fcmp olt {name} %x, %y
  %ynan = fcmp uno {name} %y, %y
  %first = or i1 %less, %ynan
  %r = select i1 %first, i{width} %a, i{width} %b
  %q = select i1 %same, i{width} %zero, i{width} %r
  ret i{width} %q
}}

define internal i{width} @max{width}({name} %x, {name} %y) alwaysinline {{
  %a = bitcast {name} %x to i{width}
  %b = bitcast {name} %y to i{width}
  %same = fcmp oeq {name} %x, %y
  %zero = and i{width} %a, %b
  %more = fcmp ogt {name} %x, %y
  %ynan = fcmp uno {name} %y, %y
  %first = or i1 %more, %ynan
  %r = select i1 %first, i{width} %a, i{width} %b
  %q = select i1 %same, i{width} %zero, i{width} %r
  ret i{width} %q
}}
"""


NAN = {32: 0x7FFFFFFF, 64: 0x7FF8000000000000, 16: 0x7FFF}
"""The NaN that operations give, by width."""


def _intrinsics() -> str:
    lines = []
    for n in (16, 32, 64):
        lines += [f"declare i{n} @llvm.{name}.i{n}(i{n})" for name in ("ctpop", "bitreverse")]
        lines += [f"declare i{n} @llvm.{name}.i{n}(i{n}, i1)" for name in ("ctlz", "abs")]
        lines += [f"declare i{n} @llvm.{name}.i{n}(i{n}, i{n})" for name in ("smin", "smax", "umin", "umax")]
    lines += [f"declare i32 @llvm.{name}.i32(i32, i32)" for name in ("sadd.sat", "ssub.sat")]
    lines += [f"declare i{n} @llvm.{name}.i{n}(i{n}, i{n}, i{n})" for n in (32,) for name in ("fshl", "fshr")]
    for name, suffix in (("float", "f32"), ("double", "f64")):
        lines += [
            f"declare {name} @llvm.{f}.{suffix}({name})"
            for f in ("sqrt", "roundeven", "floor", "ceil", "trunc", "fabs")
        ]
        lines.append(f"declare {name} @llvm.fma.{suffix}({name}, {name}, {name})")
        for n in (8, 16, 32, 64):
            lines += [f"declare i{n} @llvm.fpto{s}i.sat.i{n}.{suffix}({name})" for s in "su"]
    return "\n".join(lines) + "\n"


def prelude() -> str:
    """The text."""
    return "".join(
        (
            _intrinsics(),
            _global(),
            _fail(),
            _float(32, "float", 0x7F800000, NAN[32]),
            _float(64, "double", 0x7FF0000000000000, NAN[64]),
        )
    )
