"""What is kept when spikec itself fails: where, the traceback, and the program at hand, as one `.mlir` file."""

from __future__ import annotations

import hashlib
import tempfile
import traceback
from pathlib import Path


def save(error: Exception, where: str) -> Path | None:
    """Writes `spikec-bug-HASH.mlir` to the working folder, or to that of temporary files; None if neither takes it."""
    trace = "".join(traceback.format_exception(error)).splitlines()
    comments = [f"// spikec failed in: {where}", *(f"// {line}" for line in trace)]
    text = "\n".join([*comments, getattr(error, "ir", ""), ""])
    name = f"spikec-bug-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]}.mlir"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(text, encoding="utf-8", errors="replace")
        except OSError:
            continue
        return folder / name
    return None
