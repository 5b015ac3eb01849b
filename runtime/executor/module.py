"""The declarations of a PTX module: entries, their parameters and registers, and arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spikec.runtime.executor.errors import ExecutionError
from spikec.runtime.executor.text import Instruction, Reader

LARGEST_ARRAY = 1 << 30
"""Bytes of all `.global` and `.const` arrays of a text."""
LARGEST_SHARED = 1 << 20
"""Bytes of shared memory of a block; no device has as much."""
MOST_INSTRUCTIONS = 200_000

_TYPE = re.compile(r"\.([busf])(8|16|32|64)\Z")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a kernel: its type (`u64`, `f32`, `b8` for bytes), offset and size in bytes."""

    name: str
    kind: str
    offset: int
    size: int
    pointer: bool


@dataclass(frozen=True, slots=True)
class Array:
    """An array of a state space (`shared`, `global`, `const`); `data` is its initialiser."""

    name: str
    space: str
    size: int
    align: int
    dynamic: bool = False
    data: bytes = b""


@dataclass
class Entry:
    """A kernel: instructions with the labels that stand before them by position."""

    name: str
    parameters: dict[str, Parameter]
    max_threads: int | None = None
    registers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Type and count by prefix (`%r<5>`), count 0 for a single register."""
    arrays: dict[str, Array] = field(default_factory=dict)
    body: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)

    def register(self, name: str) -> str | None:
        """The type of a register, or None."""
        if name in self.registers:
            return self.registers[name][0] if not self.registers[name][1] else None
        prefix = name.rstrip("0123456789")
        digits = name[len(prefix) :]
        declared = self.registers.get(prefix)
        if declared is None or not digits or len(digits) > 9 or (digits[0] == "0" and len(digits) > 1):
            return None
        return declared[0] if int(digits) < declared[1] else None


@dataclass
class Text:
    """A parsed module: entries and module-wide arrays by name, the lines of the source, names of `.func`."""

    entries: dict[str, Entry]
    arrays: dict[str, Array]
    lines: list[str]
    target: str
    functions: set[str]


def parse(text: str) -> Text:
    """The declarations and instructions of a PTX text; raises `ExecutionError` with the line."""
    return _Parser(text).module()


class _Parser(Reader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = Text({}, {}, text.split("\n"), "", set())
        self._count = 0
        self._bytes = 0

    def module(self) -> Text:
        while self.next:
            self._declaration()
        if not self._text.target:
            raise self.fail("the text has no .target")
        return self._text

    def _declaration(self) -> None:
        directive = self.next
        match directive:
            case ".file":
                self.skip_line()
            case ".version":
                self.take()
                self.take()  # what is not known is found where it stands
            case ".target":
                self.take()
                self._text.target = self.word()
                while self.accept(","):
                    self.word()
            case ".address_size":
                self.take()
                if self.integer() != 64:
                    raise self.fail("only 64-bit addresses are supported")
            case ".section":
                while self.next and self.next != "{":
                    self.take()
                self.skip_braces()
            case ".visible" | ".weak" | ".extern" | ".common":
                extern = self.take() == ".extern"
                if self.next in (".global", ".const", ".shared"):
                    self._array(self._text.arrays, extern)
                elif self.next not in (".entry", ".func"):
                    raise self.fail(f"{self.next!r} cannot follow a linkage directive")
            case ".global" | ".const" | ".shared":
                self._array(self._text.arrays, extern=False)
            case ".entry":
                self._entry()
            case ".func":
                self._function()
            case _:
                raise self.fail(f"the directive {directive!r} is not known")

    def _function(self) -> None:
        """A device function is passed over: a kernel that calls it fails by name."""
        self.take()
        if self.accept("("):
            self.skip_to(")")
        self._text.functions.add(self.word())
        while self.next not in ("{", ";"):
            self.take()
        if not self.accept(";"):
            self.skip_braces()

    # Arrays

    def _array(self, arrays: dict[str, Array], extern: bool) -> None:
        space = self.take()[1:]
        align = 1
        while self.next.startswith(".") and not _TYPE.match(self.next):
            if not self.accept(".align"):
                raise self.fail(f"{self.next!r} is not supported for an array")
            align = self._power()
        kind = self._type()
        width = int(kind[1:]) // 8
        name = self.word()
        count, dynamic = self._extent()
        data = b""
        if self.accept("="):
            data = self._initialiser(kind, width)
        self.expect(";")
        size = count * width
        if dynamic != (extern and space == "shared") or (extern and not dynamic):
            raise self.fail(f"{name}: only dynamic shared memory is .extern, and only that has no extent")
        self._bytes += size
        if self._bytes > LARGEST_ARRAY or (size > LARGEST_SHARED and space == "shared"):
            raise self.fail(f"{name}: an array of {size} bytes is too large")
        if len(data) > size or (data and space == "shared"):
            raise self.fail(f"{name}: the initialiser does not fit")
        if name in arrays or name in self._text.arrays:
            raise self.fail(f"{name} is declared twice")
        arrays[name] = Array(name, space, size, max(align, width), dynamic, data)

    def _extent(self) -> tuple[int, bool]:
        """The number of elements, and whether it is left open."""
        count = 1
        while self.accept("["):
            if self.accept("]"):
                return 0, True
            extent = self.integer()
            count *= extent
            if extent < 0 or count > LARGEST_ARRAY:
                raise self.fail("the extent of an array is out of bounds")
            self.expect("]")
        return count, False

    def _initialiser(self, kind: str, width: int) -> bytes:
        values = []
        if self.accept("{"):
            while not self.accept("}"):
                values.append(self._constant(kind))
                if self.next != "}":
                    self.expect(",")
        else:
            values.append(self._constant(kind))
        mask = (1 << 8 * width) - 1
        return b"".join((v & mask).to_bytes(width, "little") for v in values)

    def _constant(self, kind: str) -> int:
        if self.next != "-" and not self.next[:1].isdigit():
            raise self.fail(f"{self.next!r} in an initialiser is not supported")
        number = self.number()
        if number.kind not in ("integer", kind):
            raise self.fail(f"a number of {number.kind} initialises an array of {kind}")
        return number.bits

    def _type(self) -> str:
        text = self.take()
        if not _TYPE.match(text):
            raise self.fail(f"a type is expected, not {text!r}")
        return text[1:]

    def _power(self) -> int:
        value = self.integer()
        if value < 1 or value > 1 << 16 or value & (value - 1):
            raise self.fail(f"{value} is not an alignment")
        return value

    # Kernels

    def _entry(self) -> None:
        self.take()
        name = self.word()
        if name in self._text.entries:
            raise self.fail(f"the kernel {name} is defined twice")
        entry = Entry(name, self._parameters() if self.next == "(" else {})
        while self.next != "{":
            self._tuning(entry)
        self.take()
        self._body(entry)
        self._text.entries[name] = entry

    def _tuning(self, entry: Entry) -> None:
        directive = self.take()
        if directive == ".pragma":
            self.skip_to(";")
            return
        if directive not in (".maxntid", ".minnctapersm", ".maxnreg", ".reqntid"):
            raise self.fail(f"the directive {directive!r} of a kernel is not known")
        product = self.integer()
        while self.accept(","):
            product *= self.integer()
        if directive in (".maxntid", ".reqntid"):
            entry.max_threads = product

    def _parameters(self) -> dict[str, Parameter]:
        parameters: dict[str, Parameter] = {}
        offset = 0
        self.expect("(")
        while not self.accept(")"):
            self.expect(".param")
            align, pointer = 1, False
            if self.accept(".align"):
                align = self._power()
            kind = self._type()
            while self.next.startswith("."):
                match self.take():
                    case ".ptr":
                        pointer = True
                    case ".global" | ".const" | ".shared" | ".local":
                        pass
                    case ".align":
                        self._power()  # of what is pointed to
                    case other:
                        raise self.fail(f"{other!r} is not supported for a parameter")
            name = self.word()
            count, dynamic = self._extent()
            size = count * int(kind[1:]) // 8
            align = max(align, int(kind[1:]) // 8)
            offset = -(-offset // align) * align
            if dynamic or name in parameters or offset + size > 32764:
                raise self.fail(f"the parameter {name} is declared twice or too large")
            parameters[name] = Parameter(name, kind, offset, size, pointer)
            offset += size
            if self.next != ")":
                self.expect(",")
        return parameters

    def _body(self, entry: Entry, nested: bool = False) -> None:
        while not self.accept("}"):
            match self.next:
                case ".reg":
                    self._registers(entry, nested)
                case ".shared":
                    self._array(entry.arrays, extern=False)
                case ".loc" | ".file":
                    self.skip_line()
                case ".pragma":
                    self.skip_to(";")
                case "{":
                    if nested:
                        raise self.fail("a block within a nested block is not supported")
                    self.take()
                    self._body(entry, nested=True)
                case text if text.startswith("."):
                    raise self.fail(f"the directive {text!r} in a kernel is not supported")
                case _ if self.after == ":":
                    self._label(entry)
                case _:
                    entry.body.append(self.instruction())
                    self._count += 1
        if self._count > MOST_INSTRUCTIONS:
            raise self.fail(f"the text has more than {MOST_INSTRUCTIONS} instructions")

    def _label(self, entry: Entry) -> None:
        name = self.word()
        self.expect(":")
        if name in entry.labels or name in entry.tables:
            raise self.fail(f"the label {name} stands twice")
        if self.accept(".branchtargets"):
            targets = [self.word()]
            while self.accept(","):
                targets.append(self.word())
            self.expect(";")
            entry.tables[name] = targets
        else:
            entry.labels[name] = len(entry.body)

    def _registers(self, entry: Entry, again: bool) -> None:
        """Those of a nested block may stand `again` in another one: what they held is not read there."""
        self.take()
        kind = "pred" if self.accept(".pred") else self._type()
        while True:
            name, count = self.word(), 0
            if self.accept("<"):
                count = self.integer()
                self.expect(">")
                if not 1 <= count < 1 << 30:
                    raise self.fail(f"{count} registers are not possible")
            if name in entry.registers and not (again and entry.registers[name] == (kind, count)):
                raise self.fail(f"the registers {name} are declared twice")
            entry.registers[name] = (kind, count)
            if self.accept(";"):
                return
            self.expect(",")


def error_at(text: Text, line: int, message: str) -> ExecutionError:
    """An error at a line of the text, which is shown."""
    shown = text.lines[line - 1].strip() if 1 <= line <= len(text.lines) else ""
    return ExecutionError(f"line {line}: {message}\n  {shown}")
