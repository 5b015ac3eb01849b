"""What went wrong, where, why, and what to do about it.

A `Diagnostic` is data; `render` is its only text form.  Passes and front ends collect
diagnostics in a `Diagnostics` sink and stop with `raise_if_errors()`, so that one run reports
every mistake of a file.  A user's mistake is a `CompileError` (exit status 1), wrong use of the
command line a `UsageError` (2), an absent tool or device a `MissingTool` (3); anything else is
our bug, an `InternalError` (70).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
LONGEST = 1000
"""The most characters of a message or of a line of source that are shown."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of source text; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """The stretch from the start of this span to the end of `other`."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message: a code of `codes.CODES`, its place, what is wrong, and a remedy."""

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    file: str | None = None
    help: str | None = None

    def render(self, source: str | None = None) -> str:
        """`file:line:col: error[E0123]: text`, then the line, a caret and the help line."""
        place = self.file or ""
        if self.span is not None:
            place = f"{self.span.file}:{self.span.line}:{self.span.column}"
        message = self.message if len(self.message) <= LONGEST else f"{self.message[:LONGEST]}..."
        head = f"{self.severity}[{self.code}]: {message}"
        lines = [f"{place}: {head}" if place else head]
        if self.span is not None and source is not None:
            lines += _excerpt(self.span, source)
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def _excerpt(span: Span, source: str) -> list[str]:
    text = source.split("\n")
    if not 1 <= span.line <= len(text):
        return []
    line = text[span.line - 1].rstrip("\r")
    last = span.end_column if span.end_line == span.line else len(line) + 1
    begin = span.column - 1
    if len(line) > LONGEST:  # what stands around the place is enough
        cut = max(0, begin - 60)
        line, begin, last = line[cut : cut + 120], begin - cut, min(last - cut, 121)
    # Tabs are kept in the margin so that the caret stands under its character.
    margin = "".join("\t" if c == "\t" else " " for c in line[:begin])
    number = str(span.line)
    return [
        f"{number} | {line}",
        f"{' ' * len(number)} | {margin}{'^' * max(1, last - 1 - begin)}",
    ]


class CompileError(Exception):
    """The user's input is wrong; `diagnostics` says how.  Exit status 1."""

    exit_status = 1

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        super().__init__("\n".join(d.render() for d in self.diagnostics))


class UsageError(Exception):
    """Wrong use of the command line or of an option.  Exit status 2."""

    exit_status = 2


class MissingTool(Exception):
    """A tool, library or device that is needed is absent; says which and how to get it.  Exit status 3."""

    exit_status = 3


class InternalError(Exception):
    """A bug of the compiler: `where` names the pass, `ir` is the program it failed on.  Exit status 70.

    `culprit` is the package whose bug it is.
    """

    exit_status = 70

    def __init__(self, message: str, where: str = "", ir: str = "", culprit: str = "spikec") -> None:
        super().__init__(message)
        self.where = where
        self.ir = ir
        self.culprit = culprit


@dataclass
class Diagnostics:
    """A sink of diagnostics for one compilation."""

    items: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, span: Span | None, message: str, help: str | None = None) -> None:
        self._add(Diagnostic(code, "error", message, span, None, help))

    def warning(self, code: str, span: Span | None, message: str, help: str | None = None) -> None:
        self._add(Diagnostic(code, "warning", message, span, None, help))

    def note(self, code: str, span: Span | None, message: str, help: str | None = None) -> None:
        self._add(Diagnostic(code, "note", message, span, None, help))

    def _add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.items:
            self.items.append(diagnostic)

    def sort(self) -> None:
        """Orders the messages by their place in the text; those without one come first."""
        self.items.sort(key=lambda d: (d.span.file, d.span.line, d.span.column) if d.span else ("", 0, 0))

    @property
    def has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.items)

    def raise_if_errors(self) -> None:
        if self.has_errors:
            raise CompileError(self.items)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A help line that suggests the nearest known name, or None when none is near."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not near:  # the case may be what is wrong
        folded = {candidate.lower(): candidate for candidate in names}
        near = [folded[match] for match in difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)]
    return f"did you mean '{near[0]}'?" if near else None
