"""What people see on stderr: diagnostics with excerpts and colours, notes, and a progress bar."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spikec.dialects.diagnostics import Diagnostic

COLORS = {"error": "31", "warning": "33", "note": "36", "help": "32"}


def colored() -> bool:
    """Whether stderr gets colours: on a terminal or with FORCE_COLOR, never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@dataclass
class Terminal:
    """Writes to stderr; `quiet` leaves errors alone, `verbose` adds what else there is to say."""

    quiet: bool = False
    verbose: bool = False
    _sources: dict[str, str | None] = field(default_factory=dict)

    def show(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Prints diagnostics in the order of their places."""
        shown = [d for d in diagnostics if d.severity == "error" or not self.quiet]
        for diagnostic in sorted(shown, key=_place):
            text = diagnostic.render(self._source(diagnostic))
            self.write(_paint(text, diagnostic.severity) if colored() else text)

    def say(self, text: str) -> None:
        """One line that --quiet leaves out."""
        if not self.quiet:
            self.write(text)

    def detail(self, text: str) -> None:
        """One line that only --verbose shows."""
        if self.verbose:
            self.write(text)

    def error(self, text: str, help: str | None = None) -> None:
        """An error without a code: wrong use, a missing tool, our own mistake."""
        lines = f"spikec: error: {text}" + (f"\n  help: {help}" if help else "")
        self.write(_paint(lines, "error") if colored() else lines)

    def write(self, text: str) -> None:
        print(text, file=sys.stderr)

    def remember(self, file: str, text: str) -> None:
        """Excerpts of `file` are taken from `text`."""
        self._sources[file] = text

    def _source(self, diagnostic: Diagnostic) -> str | None:
        if diagnostic.span is None:
            return None
        file = diagnostic.span.file
        if file not in self._sources:
            try:
                with Path(file).open(encoding="utf-8-sig", newline="") as stream:
                    self._sources[file] = stream.read()
            except (OSError, ValueError):
                self._sources[file] = None
        return self._sources[file]

    @contextmanager
    def progress(self, title: str, steps: int) -> Iterator[Callable[[int], None] | None]:
        """A bar for `steps` steps of work on a terminal; None anywhere else."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(title), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=steps)
            yield lambda done: bar.advance(task, done)

    @contextmanager
    def activity(self) -> Iterator[None]:
        """On a terminal, shows which outside tool is at work, and for how long; nothing anywhere else."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        from spikec.outside_tools import shown

        with shown():
            yield


def _place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    if diagnostic.span is None:
        return (diagnostic.file or "", 0, 0)
    return (diagnostic.span.file, diagnostic.span.line, diagnostic.span.column)


def _paint(text: str, severity: str) -> str:
    """The severity in its colour, the message bold, carets and the word help in colour."""
    head, *rest = text.split("\n")
    color = COLORS[severity]
    head = re.sub(
        rf"({severity}(?:\[\w+\])?): (.*)$",
        lambda m: f"\x1b[1;{color}m{m[1]}\x1b[0m: \x1b[1m{m[2]}\x1b[0m",
        head,
        count=1,
    )
    painted = [re.sub(r"^(\s*\|\s*)(\^+)$", lambda m: f"{m[1]}\x1b[1;{color}m{m[2]}\x1b[0m", line) for line in rest]
    painted = [re.sub(r"^  help:", f"  \x1b[{COLORS['help']}mhelp\x1b[0m:", line) for line in painted]
    return "\n".join([head, *painted])
