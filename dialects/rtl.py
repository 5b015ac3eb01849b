"""The `rtl` dialect: a circuit of registers, memories and the logic between them, with one clock.

A module of the circuit is a `func.func`: arguments are its input ports, results its output ports, each named by the
mark `rtl.name`.  A `func.call` with such a mark is an instance of another module.  Every module has two ports more that
the IR does not show, `clk` and `rst`.  The attribute `rtl.model` of the MLIR module names the module at the top.

All values are bits: iN of any width N, with no sign of their own; ops that read one as two's complement say so.  The
meaning is a subset of CIRCT's hw, comb and seq.  One clock cycle: all values follow from the inputs, the registers and
the memories; then, at its end, registers and memories take their new contents at once.  `docs/rtl.md` has an example
of each op.
"""

from __future__ import annotations

import re
from typing import Any

from spikec.dialects.definition import Dialect, Field, Flag, Int, Op, Text
from spikec.dialects.mlir import ir

NAME = "rtl.name"
"""The mark of a port or of an instance: its name."""

INSTANCE = "func.call"

MODEL = "rtl.model"
"""The attribute of the MLIR module: the name of the module at the top."""

CLOCK, RESET = "clk", "rst"
"""The ports that every module has beside those of the IR; the reset is synchronous and active high."""

PREDICATES = ("eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge")
REDUCTIONS = ("and", "or", "xor")
STYLES = ("auto", "block", "distributed", "huge")


def bits(width: int) -> Any:
    """The type of values of so many bits; needs a current context."""
    return ir.IntegerType.get_signless(width)


def word(value: int, width: int) -> Any:
    """The low `width` bits of a Python integer as an attribute.

    MLIR's bindings end the process where a number does not fit 64 bits; its parser takes any.
    """
    return ir.Attribute.parse(f"{value & ((1 << width) - 1):#x} : i{width}")


class Word(Field):
    """A number of any width: an attribute made by `word`, read as an unsigned Python integer."""

    what = "an integer"

    def decode(self, attribute: Any) -> int:
        text = str(attribute)
        if text in ("true", "false"):
            return int(text == "true")
        value, width = re.fullmatch(r"(-?\d+) : i(\d+)", text).groups()  # type: ignore[union-attr]
        return _whole(value) & ((1 << int(width)) - 1)

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.IntegerAttr | ir.BoolAttr)


_DIGITS = 4000  # as many as Python takes at once


def _whole(text: str) -> int:
    """The number of a decimal text of any length."""
    if len(text) <= _DIGITS:
        return int(text)
    sign, digits, value = -1 if text[0] == "-" else 1, text.removeprefix("-"), 0
    for begin in range(0, len(digits), _DIGITS):
        part = digits[begin : begin + _DIGITS]
        value = value * 10 ** len(part) + int(part)
    return sign * value


class _Logic(Op):
    """An op without state.  `name` is what its result is called in Verilog."""

    results = ("result",)
    name_ = Text(optional=True)


class _Binary(_Logic):
    operands = ("lhs", "rhs")


class Constant(_Logic):
    """The bits of a number."""

    mnemonic = "constant"
    value = Word()


class Add(_Binary):
    """lhs + rhs, modulo 2^N; operands and result have N bits."""

    mnemonic = "add"


class Sub(_Binary):
    """lhs - rhs, modulo 2^N."""

    mnemonic = "sub"


class Mul(_Binary):
    """lhs * rhs, modulo 2^N."""

    mnemonic = "mul"


class And(_Binary):
    """Bit by bit."""

    mnemonic = "and"


class Or(_Binary):
    """Bit by bit."""

    mnemonic = "or"


class Xor(_Binary):
    """Bit by bit."""

    mnemonic = "xor"


class Not(_Logic):
    """Every bit inverted."""

    mnemonic = "not"
    operands = ("value",)


class Reduce(_Logic):
    """All bits of the value combined into one, by `kind` "and", "or" or "xor"."""

    mnemonic = "reduce"
    operands = ("value",)
    kind = Text()


class _Shift(_Logic):
    """The amount is unsigned, of any width; shifts by N or more leave only what is filled in."""

    operands = ("value", "amount")


class Shl(_Shift):
    """Shifted to the left, filled with zeros.  A constant amount costs no logic."""

    mnemonic = "shl"


class Shru(_Shift):
    """Shifted to the right, filled with zeros."""

    mnemonic = "shru"


class Shrs(_Shift):
    """Shifted to the right, filled with the sign bit."""

    mnemonic = "shrs"


class Cmp(_Binary):
    """Whether the predicate holds, as i1; `u...` compare unsigned, `s...` two's complement."""

    mnemonic = "cmp"
    predicate = Text()


class Mux(_Logic):
    """`when_true` where the i1 `condition` is 1, else `when_false`."""

    mnemonic = "mux"
    operands = ("condition", "when_true", "when_false")


class Concat(_Logic):
    """Two values side by side, `high` in the more significant bits."""

    mnemonic = "concat"
    operands = ("high", "low")


class Extract(_Logic):
    """Bits `low` and up, as many as the result has."""

    mnemonic = "extract"
    operands = ("value",)
    low = Int()


class Zext(_Logic):
    """Widened with zeros."""

    mnemonic = "zext"
    operands = ("value",)


class Sext(_Logic):
    """Widened with copies of the sign bit."""

    mnemonic = "sext"
    operands = ("value",)


class Wire(Op):
    """A value that is driven later in the text, by a `connect`."""

    mnemonic = "wire"
    results = ("value",)
    name_ = Text(optional=True)


class Reg(Op):
    """A register: its value, which the one `connect` to it changes at the end of a cycle.

    With `init` it starts as that and takes it again in each cycle with `rst`; without, it starts as 0 and no reset
    changes it.
    """

    mnemonic = "reg"
    results = ("value",)
    name_ = Text(optional=True)
    init = Word(optional=True)


class Connect(Op):
    """Drives a wire, or gives a register its next value, kept where an i1 `enable` is 0."""

    mnemonic = "connect"
    operands = ("target", "value", "enable")
    variadic = ("enable",)


class Mem(Op):
    """A memory of memref<DEPTHxiWIDTH>; no reset changes it.

    `content` names an array of the constants store with the `digest`: integers of shape [rows] or [rows, lanes], lane 0
    in the least significant WIDTH / lanes bits, rows up to DEPTH (`dialects.memory_content`).  Other words start as 0.
    `style` asks for "block" RAM, "distributed" RAM (small, with asynchronous reads), or "huge" RAM, which hardware
    leaves undefined at power-on; "auto" leaves it to the synthesis.  `exclusive` promises that the circuit does not
    depend on a synchronous read of a word in the cycle in which it is written: block RAM needs logic around it to show
    the old word then.
    """

    mnemonic = "mem"
    results = ("memory",)
    name_ = Text(optional=True)
    content = Text(optional=True)
    digest = Text(optional=True)
    style = Text()
    exclusive = Flag(optional=True)


class Read(Op):
    """The word at an address of ceil(log2 DEPTH) bits, at least one.

    By default it is a register: it shows the word that was there at the end of the last cycle (with `enable` 1) before
    that cycle's writes.  `async` shows the word of this cycle at once.  Beyond the depth words are 0.  Before the first
    read the register is 0 in simulations, and undefined in hardware.
    """

    mnemonic = "read"
    operands = ("memory", "address", "enable")
    variadic = ("enable",)
    results = ("data",)
    name_ = Text(optional=True)
    async_ = Flag(optional=True)


class Write(Op):
    """Writes at the end of a cycle, the parts of the word whose bit of `enable` is 1.

    `enable` has a bit for each of a number of equal parts.  Of two writes to one place the later op in the text wins.
    Beyond the depth nothing is written.
    """

    mnemonic = "write"
    operands = ("memory", "address", "data", "enable")


DIALECT = Dialect(
    "rtl",
    (
        *(Constant, Add, Sub, Mul, And, Or, Xor, Not, Reduce, Shl, Shru, Shrs, Cmp, Mux, Concat, Extract, Zext, Sext),
        *(Wire, Reg, Connect, Mem, Read, Write),
    ),
)
