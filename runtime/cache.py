"""The on-disk cache of compiled networks.

An entry is a folder named by a hash: `head.json` and files of raw bytes.  Entries appear at once, by
renaming a finished folder; where the folder cannot be written, nothing is kept and nothing fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.layout import aligned


def key(*parts: str) -> str:
    """The name of an entry: a hash of all that decides its content (model, options, versions, processor)."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def folder() -> Path:
    """SPIKEC_CACHE_DIR, or the platform's folder for caches."""
    chosen = os.environ.get("SPIKEC_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spikec"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "spikec"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spikec"


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached network."""

    folder: Path
    head: dict[str, Any]

    def read(self, name: str) -> bytes:
        """A file of the entry; raises OSError when it is gone and ValueError when it is not whole."""
        data = (self.folder / name).read_bytes()
        if len(data) != self.head["sizes"][name]:
            raise ValueError(f"{name} has {len(data)} bytes")
        return data

    def path(self, name: str) -> Path:
        """Where a file of the entry is; raises as `read` does."""
        path = self.folder / name
        if path.stat().st_size != self.head["sizes"][name]:
            raise ValueError(f"{name} is not whole")
        return path

    def map(self, name: str) -> Array:
        """A file as bytes that are read when they are used; page-aligned; raises as `read` does."""
        if self.head["sizes"][name] == 0:
            return aligned(0)
        return np.memmap(self.path(name), np.uint8, "r")


class Cache:
    """Entries in one folder (by default the user's)."""

    def __init__(self, where: Path | None = None) -> None:
        self._where = where

    def folder(self) -> Path:
        """Where the entries are; raises RuntimeError on a system without a home folder."""
        return self._where or folder()

    def find(self, name: str) -> Entry | None:
        """The entry of this name, or None."""
        try:
            found = self.folder() / name
            head = json.loads((found / "head.json").read_text())
        except (OSError, ValueError, RuntimeError):
            return None
        return Entry(found, head) if isinstance(head, dict) and isinstance(head.get("sizes"), dict) else None

    def store(self, name: str, head: Mapping[str, Any], files: Mapping[str, Any]) -> bool:
        """Keeps an entry; `files` are bytes or buffers.  False when it could not be kept."""
        import shutil  # what is in the cache already needs neither
        import tempfile

        partial = None
        try:
            where = self.folder()
            where.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=where))
            sizes = {file: memoryview(data).nbytes for file, data in files.items()}
            for file, data in files.items():
                (partial / file).write_bytes(data)
            (partial / "head.json").write_text(json.dumps({**head, "sizes": sizes}, sort_keys=True))
            if (where / name).exists():
                shutil.rmtree(where / name, ignore_errors=True)
            partial.rename(where / name)
        except (OSError, RuntimeError):
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)
            return False
        return True
