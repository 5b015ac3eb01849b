"""`spikec fmt`: `.snn` files put into the project's layout, or compared with it."""

from __future__ import annotations

import difflib
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from spikec.choices import refuse_other_models
from spikec.dialects.diagnostics import CompileError, Diagnostics
from spikec.frontend.format import format_text
from spikec.frontend.parse import MAX_BYTES, decode, read_source
from spikec.runtime import files
from spikec.terminal import Terminal

STDIN = "-"


def run(paths: Sequence[str], check: bool, stdout: bool, terminal: Terminal) -> int:
    """Formats each file in its place, or to stdout; with `check`, says what would change and changes nothing.

    Returns 1 where a file has mistakes of syntax, or, with `check`, is not in the layout; such a file does not keep
    the others from their turn.
    """
    status = changed = 0
    for path in paths:
        try:
            before = _text(path)
            terminal.remember(path, before)
            after = _formatted(before, path)
        except CompileError as error:
            terminal.show(error.diagnostics)
            status = error.exit_status
            continue
        if check:
            if after != before:
                changed += 1
                sys.stdout.writelines(_difference(before, after, path))
        elif stdout or path == STDIN:
            sys.stdout.write(after)
        elif after != before:
            changed += 1
            _rewrite(Path(path), after)
            terminal.detail(f"{path}: formatted")
    if check and changed:
        terminal.say(f"spikec fmt would change {changed} of {len(paths)} file{'s' if len(paths) > 1 else ''}")
        return 1
    return status


def _rewrite(path: Path, text: str) -> None:
    """The file anew, whole or not at all, as readable and writable as it was."""
    mode = stat.S_IMODE(path.stat().st_mode)
    files.write(path, text.encode(), force=True)
    path.chmod(mode)


def _text(path: str) -> str:
    if path == STDIN:
        return decode(sys.stdin.buffer.read(MAX_BYTES + 1), Path(path))
    refuse_other_models(Path(path))
    return read_source(Path(path))


def _formatted(text: str, file: str) -> str:
    diagnostics = Diagnostics()
    result = format_text(text, file, diagnostics)
    if result is None:
        raise CompileError(diagnostics.items)
    return result


def _difference(before: str, after: str, path: str) -> list[str]:
    """The lines that would change, as `diff -u` shows them."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    lines = difflib.unified_diff(old, new, path, f"{path} (formatted)")
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
