"""PTX text to tokens, operands and instructions; no meaning is given to an opcode here.

The grammar is that of the PTX ISA as far as LLVM's NVPTX back end writes it.  A statement ends
at `;`, a label at `:`; the source line of each token is kept for messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from spikec.runtime.executor.errors import ExecutionError

LONGEST_TEXT = 1 << 26
"""Bytes of text that are read at most."""
LONGEST_NUMBER = 40
"""Characters of a number; 64 bits need 22 in octal."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<string>"[^"\n]*")
    |(?P<number>0[fF][0-9a-fA-F]{8}\b|0[dD][0-9a-fA-F]{16}\b|0[xX][0-9a-fA-F]+U?\b|\d+\.\d+|\d+U?\b)
    |(?P<word>[.%$_A-Za-z](?:[\w$.%]|::)*)
    |(?P<sign>[\[\]{}()<>,;:=+\-!|@*])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A word, number, string or sign, and the line it stands on (from 1)."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Name:
    """A register, special register, symbol or label; `not_` for `!%p`."""

    text: str
    not_: bool = False


@dataclass(frozen=True, slots=True)
class Immediate:
    """A number: its bits, and the kind of number they are."""

    bits: int
    kind: str  # "integer", "f32" or "f64"


@dataclass(frozen=True, slots=True)
class Address:
    """`[base + offset]`; the offset in bytes."""

    base: Name | None
    offset: int


@dataclass(frozen=True, slots=True)
class Group:
    """`{a, b}` (a vector) or `a|b` (two results, `pair`)."""

    items: tuple[Name | Immediate, ...]
    pair: bool = False


Operand = Name | Immediate | Address | Group


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, `@guard opcode operands;`, and its line."""

    line: int
    guard: Name | None
    opcode: str
    operands: tuple[Operand, ...]


def tokens(text: str) -> list[Token]:
    """The tokens of a PTX text, without space and comments."""
    if len(text) > LONGEST_TEXT:
        raise ExecutionError(f"the PTX text has {len(text)} bytes; at most {LONGEST_TEXT} are read")
    found, place, line = [], 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ExecutionError(f"line {line}: {text[place]!r} is not PTX")
        if match.lastgroup != "space":
            found.append(Token(match.group(), line))
        line += match.group().count("\n")
        place = match.end()
    return found


class Reader:
    """A cursor over tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._place = 0

    @property
    def line(self) -> int:
        """The line of the next token, or of the last."""
        if not self._tokens:
            return 1
        return self._tokens[min(self._place, len(self._tokens) - 1)].line

    @property
    def next(self) -> str:
        """The next token's text; empty at the end."""
        return self._tokens[self._place].text if self._place < len(self._tokens) else ""

    @property
    def after(self) -> str:
        """The text of the token after the next one."""
        return self._tokens[self._place + 1].text if self._place + 1 < len(self._tokens) else ""

    def fail(self, message: str) -> ExecutionError:
        """An error at the next token."""
        return ExecutionError(f"line {self.line}: {message}")

    def take(self) -> str:
        """The next token, which must be there."""
        text = self.next
        if not text:
            raise self.fail("the text ends too early")
        self._place += 1
        return text

    def accept(self, text: str) -> bool:
        """Take the next token if it is `text`."""
        if self.next != text:
            return False
        self._place += 1
        return True

    def expect(self, text: str) -> None:
        """Take `text`, which must come next."""
        if not self.accept(text):
            raise self.fail(f"{text!r} is expected, not {self.next or 'the end of the text'!r}")

    def word(self) -> str:
        """Take a name."""
        text = self.take()
        if not (text[0].isalpha() or text[0] in "_$%"):
            raise self.fail(f"a name is expected, not {text!r}")
        return text

    def skip_line(self) -> None:
        """Take what is left of the line (`.loc`, `.file`)."""
        line = self.line
        while self.next and self.line == line:
            self._place += 1

    def skip_to(self, end: str) -> None:
        """Take all up to `end` and `end` itself."""
        while self.take() != end:
            pass

    def skip_braces(self) -> None:
        """Take `{ ... }`."""
        self.expect("{")
        depth = 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)

    def number(self) -> Immediate:
        """Take a number, with its sign."""
        negative = self.accept("-")
        text = self.take()
        if len(text) > LONGEST_NUMBER or not text[0].isdigit():
            raise self.fail(f"a number is expected, not {text[:LONGEST_NUMBER]!r}")
        head = text[:2].lower()
        if head in ("0f", "0d"):
            kind = "f32" if head == "0f" else "f64"
            sign = (1 << (31 if kind == "f32" else 63)) if negative else 0
            return Immediate(int(text[2:], 16) ^ sign, kind)
        try:
            value = int(text.rstrip("U"), 0 if head == "0x" or len(text) == 1 or text[0] != "0" else 8)
        except ValueError:
            raise self.fail(f"the number {text!r} is not supported") from None
        if value >= 1 << 64:
            raise self.fail(f"the number {text} has more than 64 bits")
        return Immediate(-value if negative else value, "integer")

    def integer(self) -> int:
        """Take a whole number."""
        number = self.number()
        if number.kind != "integer":
            raise self.fail("a whole number is expected")
        return number.bits

    def operand(self) -> Operand:
        """Take one operand."""
        if self.accept("["):
            return self._address()
        if self.accept("{"):
            items = [self._item()]
            while self.accept(","):
                items.append(self._item())
            self.expect("}")
            return Group(tuple(items))
        item = self._item()
        if self.accept("|"):
            return Group((item, self._item()), pair=True)
        return item

    def _item(self) -> Name | Immediate:
        if self.next == "-" or self.next[:1].isdigit():
            return self.number()
        negated = self.accept("!")
        return Name(self.word(), negated)

    def _address(self) -> Address:
        base = None
        offset = 0
        if self.next[:1].isdigit() or self.next == "-":
            offset = self.integer()
        else:
            base = Name(self.word())
            if self.accept("+") or self.next == "-":
                offset = self.integer()
        self.expect("]")
        return Address(base, offset)

    def instruction(self) -> Instruction:
        """Take an instruction with its guard and `;`."""
        line = self.line
        guard = None
        if self.accept("@"):
            negated = self.accept("!")
            guard = Name(self.word(), negated)
        opcode = self.word()
        operands = []
        if self.next != ";":
            operands.append(self.operand())
            while self.accept(","):
                operands.append(self.operand())
        self.expect(";")
        return Instruction(line, guard, opcode, tuple(operands))
