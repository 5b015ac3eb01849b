"""Which compiled network belongs to a model: so that a second start reads no model and loads no MLIR.

A record, found by the model's text and options, names the files that the model and the passes read (imports,
weights, calibration data) with their hashes; the compiled network itself is kept under a key made of the record and
those hashes, and of the run seed where connections are drawn from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import Diagnostic, Span
from spikec.dialects.notes import Table
from spikec.runtime import cache

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Record:
    """What is known of a model that was compiled before."""

    key: str
    files: dict[str, str]
    random_structure: bool
    warnings: tuple[Diagnostic, ...]
    tables: tuple[Table, ...] = ()

    def network_key(self, seed: int) -> str:
        """The key of the compiled network for a run seed."""
        drawn = str(seed) if self.random_structure else ""
        return cache.key("network", self.key, json.dumps(self.files, sort_keys=True), drawn)

    def is_current(self) -> bool:
        """Whether the files still hold what was compiled."""
        return all(_digest(Path(file)) == known for file, known in self.files.items())


def record_key(model: Path, options: str, machine: str) -> str | None:
    """The name of a model's record; None where the model cannot be read, which the compiler reports."""
    try:
        text = model.read_bytes()
    except OSError:
        return None
    digest = hashlib.sha256(text).hexdigest()
    return cache.key("record", str(model.absolute()), str(Path.cwd()), digest, options, machine, _compiler())


def find(key: str, store: cache.Cache) -> Record | None:
    """The record of a model whose files have not changed since, or None."""
    entry = store.find(key)
    if entry is None:
        return None
    try:
        head = entry.head
        warnings = tuple(_diagnostic(w) for w in head["warnings"])
        tables = tuple(_table(t) for t in head["tables"])
        record = Record(key, dict(head["files"]), bool(head["random_structure"]), warnings, tables)
    except (KeyError, TypeError, ValueError):
        return None
    return record if record.is_current() else None


def keep(
    key: str,
    files: Iterable[Path],
    random_structure: bool,
    warnings: Iterable[Diagnostic],
    tables: Iterable[Table],
    store: cache.Cache,
) -> Record | None:
    """Stores a record; None where a file has gone since or the cache cannot be written."""
    digests = {str(file.absolute()): _digest(file) for file in files}
    known = {file: digest for file, digest in digests.items() if digest is not None}
    if len(known) != len(digests):
        return None
    record = Record(key, known, random_structure, tuple(warnings), tuple(tables))
    head = {
        "files": record.files,
        "random_structure": random_structure,
        "warnings": [asdict(w) for w in record.warnings],
        "tables": [asdict(t) for t in record.tables],
    }
    return record if store.store(key, head, {}) else None


def _diagnostic(data: dict[str, Any]) -> Diagnostic:
    span = data.pop("span")
    return Diagnostic(**data, span=Span(**span) if span else None)


def _table(data: dict[str, Any]) -> Table:
    return Table(data["title"], tuple(data["columns"]), tuple(tuple(row) for row in data["rows"]))


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _compiler() -> str:
    """The compiler itself: its files by size and date, so that a change to it compiles anew."""
    import spikec.backends
    import spikec.dialects
    import spikec.runtime

    folders = [PACKAGE, *(Path(p.__file__ or "").parent for p in (spikec.backends, spikec.dialects, spikec.runtime))]
    found = [text for folder in folders for text in _dated(str(folder))]
    return f"{sys.version_info[:2]};" + hashlib.sha256("\n".join(found).encode()).hexdigest()


def _dated(folder: str) -> Iterator[str]:
    """The sources below a folder: name, size and date of each, in order."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".lark", ".snn")):
                stat = entry.stat()
                yield f"{entry.name}:{stat.st_size}:{stat.st_mtime_ns}"
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _dated(entry.path)
