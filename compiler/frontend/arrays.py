"""Reads the arrays that a model names with `load(path, "key")`: npz and npy, checked before they are trusted."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend.values import Mistake, Value, number

# An array beyond this size is refused before it is read: a small hostile file can declare any size.
LARGEST_BYTES = 8 * 2**30


class Arrays:
    """Opens each file once and remembers which files the model read.  Paths are relative to `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self._open: dict[Path, Any] = {}

    def load(self, text: str, key: str | None, span: Span) -> Value:
        """`load(path, key)`: an array; `load(path)` of an npz: a table of its arrays."""
        path = self.folder / text
        file = self._file(path, text, span)
        if isinstance(file, np.ndarray):
            if key is not None:
                raise Mistake("E0702", span, f"'{text}' holds one array and has no key '{key}'")
            return self._array(lambda: file, path.stem, text, span)
        table = Value("table", table=file, name=path.stem, text=text)
        return table if key is None else self.entry(table, key, span, key)

    def entry(self, table: Value, key: str, span: Span, name: str | None = None) -> Value:
        """One array of a table."""
        file = table.table
        if key not in file.files:
            raise Mistake("E0702", span, f"'{table.text}' has no array '{key}'", did_you_mean(key, file.files) or _listed(file.files))
        self._check_declared(file, key, table.text, span)
        return self._array(lambda: file[key], name or f"{table.name}.{key}", table.text, span)

    def _file(self, path: Path, text: str, span: Span) -> Any:
        if path in self._open:
            return self._open[path]
        if not path.is_file():
            raise Mistake("E0701", span, f"no such file: {path}")
        try:
            file = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise Mistake("E0703", span, f"'{text}' is not a readable npz or npy file: {_first_line(error)}") from None
        self.files.append(path)
        self._open[path] = file
        return file

    @staticmethod
    def _check_declared(file: Any, key: str, text: str, span: Span) -> None:
        member = next((i for i in file.zip.infolist() if i.filename in (key, key + ".npy")), None)
        if member is not None and member.file_size > LARGEST_BYTES:
            raise Mistake("E0703", span, f"array '{key}' of '{text}' declares {member.file_size} bytes")
        try:
            with file.zip.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(stream)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise Mistake("E0703", span, f"array '{key}' of '{text}' is not readable: {_first_line(error)}") from None
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        if size > LARGEST_BYTES or size > member.file_size:
            raise Mistake("E0703", span, f"array '{key}' of '{text}' declares {size} bytes and holds {member.file_size}")

    @staticmethod
    def _array(read: Any, name: str, text: str, span: Span) -> Value:
        try:
            array: Array = np.asarray(read())
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
            raise Mistake("E0703", span, f"'{text}' is not readable: {_first_line(error)}") from None
        if array.dtype.kind not in "biuf":
            raise Mistake("E0703", span, f"array '{name}' of '{text}' holds {array.dtype}, not numbers")
        return number(array, name=name)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _listed(names: list[str]) -> str | None:
    return f"it has {', '.join(sorted(names)[:12])}" if names else None
