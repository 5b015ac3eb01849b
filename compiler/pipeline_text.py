"""The text of a pipeline, such as `quantize{weights=8,calibrate="a,b.npz"},schedule`, taken apart.

pipeline = [pass ("," pass)*]
pass     = NAME ["{" [option ("," option)*] "}"]
option   = NAME "=" value
value    = characters other than , { } "  |  '"' any characters, \\" and \\\\ for " and \\ '"'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spikec.dialects.diagnostics import UsageError


@dataclass(frozen=True)
class Value:
    """The text of an option; `quoted` where it stood in quotes, so that it is never read as `none`."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Call:
    """A pass by name, and its options in order; None for one without a value."""

    name: str
    options: tuple[tuple[str, Value | None], ...] = ()


def parse(text: str) -> list[Call]:
    """The passes that a text names.  Raises UsageError that points at the first wrong place."""
    reader = _Reader(text)
    calls: list[Call] = []
    if reader.at_end():
        return calls
    while True:
        calls.append(_call(reader))
        if reader.at_end():
            return calls
        if not reader.take(","):
            raise reader.error("a comma must stand between passes")
        if reader.at_end():
            raise reader.error("a pass is missing after the last comma")


def quoted(text: str) -> str:
    """A value as it must be written: in quotes where it would be read as something else."""
    if text and text != "none" and text == text.strip() and not set(text) & set(',{}"\n'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _call(reader: _Reader) -> Call:
    name = reader.take(r"[A-Za-z_][\w.-]*")
    if name is None:
        raise reader.error("the name of a pass must stand here")
    start = reader.at
    if not reader.take(r"\{"):
        return Call(name)
    options: list[tuple[str, Value | None]] = []
    while not reader.take(r"\}"):
        if reader.at_end():
            raise reader.error("this brace is not closed", start)
        if options and not reader.take(","):
            raise reader.error("a comma must stand between options")
        options.append(_option(reader))
    return Call(name, tuple(options))


def _option(reader: _Reader) -> tuple[str, Value | None]:
    name = reader.take(r"[A-Za-z_][\w.-]*")
    if name is None:
        raise reader.error("the name of an option must stand here")
    if not reader.take("="):
        return name, None
    return name, _value(reader)


def _value(reader: _Reader) -> Value | None:
    text = reader.take(r'"(?:[^"\\]|\\[\s\S])*"')
    if text is not None:
        return Value(re.sub(r"\\([\s\S])", r"\1", text[1:-1]), quoted=True)
    start = reader.at
    if reader.take('"'):
        raise reader.error("these quotes are not closed", start)
    text = (reader.take(r'[^,{}"]*') or "").strip()
    if reader.take(r'(?=[{"])') is not None:
        raise reader.error("braces do not nest, and quotes stand around the whole value; put the value in quotes")
    return Value(text) if text else None


class _Reader:
    """A place in a text; spaces before what is taken are passed over."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def at_end(self) -> bool:
        return not self.text[self.at :].strip()

    def take(self, pattern: str) -> str | None:
        match = re.compile(rf"\s*({pattern})").match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[1]

    def error(self, message: str, at: int | None = None) -> UsageError:
        place = self.at if at is None else at
        place += len(self.text[place:]) - len(self.text[place:].lstrip())
        shown = re.sub(r"\s", " ", self.text)
        return UsageError(f"pipeline: {message}\n  {shown}\n  {' ' * place}^")
