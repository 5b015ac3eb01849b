"""What a part of the compiler cannot do: the exception that carries it to where diagnostics are collected."""

from __future__ import annotations

import re
from typing import Any

from spikec.dialects.diagnostics import Diagnostic, Span


class Refusal(Exception):
    """One thing that cannot be done; `op` is where it stands."""

    def __init__(self, code: str, message: str, op: Any = None, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.op = op
        self.help = help

    def diagnostic(self, who: str) -> Diagnostic:
        """The error, in the name of `who` refuses."""
        return Diagnostic(self.code, "error", f"{who}: {self}", span_of(self.op), help=self.help)


def span_of(op: Any) -> Span | None:
    """The place in the model's text that an op comes from."""
    if op is None:
        return None
    found = re.search(r'"((?:[^"\\]|\\.)+)":(\d+):(\d+)', str(op.location))
    if found is None:
        return None
    line, column = int(found[2]), int(found[3])
    return Span(found[1], line, column, line, column + 1)
