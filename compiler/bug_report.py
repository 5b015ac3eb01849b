"""What is kept when spikec itself or a pass fails: where, the traceback, and the program at hand, as a `.mlir` file.

Where a pass failed, its program's arrays are kept beside it, and the file begins with the command that shows the
failure again.
"""

from __future__ import annotations

import hashlib
import shlex
import tempfile
import traceback
from pathlib import Path


def save(error: Exception, where: str) -> Path | None:
    """Writes `spikec-bug-HASH.mlir` to the working folder, or to that of temporary files; None if neither takes it."""
    trace = "".join(traceback.format_exception(error)).splitlines()
    comments = [f"// {getattr(error, 'culprit', 'spikec')} failed in: {where}", *(f"// {line}" for line in trace)]
    text = "\n".join([*comments, getattr(error, "ir", ""), ""])
    name = f"spikec-bug-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]}.mlir"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        file = folder / name
        try:
            first = f"// {command(file, error.pipeline)}\n" if hasattr(error, "pipeline") else ""
            file.write_text(first + text, encoding="utf-8", errors="replace")
            _save_arrays(getattr(error, "program", None), file)
        except OSError:
            continue
        return file
    return None


def command(file: Path, pipeline: str) -> str:
    """The command line that runs the passes that failed on what they failed on."""
    return f"spikec opt {shlex.quote(file.name)} --verify-each --pipeline {shlex.quote(pipeline)}"


def _save_arrays(program: object, file: Path) -> None:
    constants = getattr(program, "constants", None)
    if constants:
        from safetensors.numpy import save

        arrays = {name: constants[name] for name in sorted(constants)}
        file.with_suffix(".safetensors").write_bytes(save(arrays))
