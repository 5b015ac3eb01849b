"""The arrays that a model names with `load(path, "key")`: values that know which file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Span
from spikec.frontend.values import Mistake, Value, number
from spikec.runtime import arrays, names, tables


class Arrays:
    """Reads arrays once and remembers which files the model read.

    A path is relative to the folder of the file that it was written in: `folder` for the model, `folders` for
    imported files.
    """

    def __init__(self, folder: Path, folders: Mapping[str, Path] | None = None) -> None:
        self.folder = folder
        self.folders = folders or {}
        self.files: list[Path] = []
        self._read: dict[tuple[Path, str | None], Value] = {}
        self._tables: dict[Path, Mapping[str, Array]] = {}

    def load(self, path: Value, key: str | None, span: Span) -> Value:
        """`load(path, key)`: an array; `load(path)`: the array of an npy or csv file, a table of an npz file's."""
        file = self._file(path)
        if key is None and file.suffix.lower() == ".npz":
            try:
                arrays.keys(file)
            except CompileError as error:
                raise _mistake(error, span) from None
            self._remember(file)
            return Value("table", table=file, name=file.stem, text=path.text)
        return self._array(file, key, key or file.stem, span)

    def entry(self, table: Value, key: str, span: Span) -> Value:
        """One array of a table."""
        return self._array(table.table, key, f"{table.name}.{key}", span)

    def table(self, path: Value, span: Span) -> Mapping[str, Array]:
        """The columns of a table of synapses in a file."""
        file = path.table if path.kind == "table" else self._file(path)
        if file not in self._tables:
            try:
                self._tables[file] = tables.read(file)
            except CompileError as error:
                raise _mistake(error, span) from None
            self._remember(file)
        return self._tables[file]

    def names(self, path: Value, span: Span) -> list[str]:
        """The names of neurons in a file."""
        file = self._file(path)
        try:
            found = names.read(file)
        except CompileError as error:
            raise _mistake(error, span) from None
        self._remember(file)
        return found

    @staticmethod
    def table_columns(array: Array, span: Span) -> Mapping[str, Array]:
        """The columns of a table of synapses in an array."""
        try:
            return tables.columns(array)
        except CompileError as error:
            raise _mistake(error, span) from None

    def _array(self, path: Path, key: str | None, name: str, span: Span) -> Value:
        if (path, key) not in self._read:
            try:
                array = arrays.read(path, key)
            except CompileError as error:
                raise _mistake(error, span) from None
            if array.dtype.kind not in "biuf":
                raise Mistake("E0703", span, f"the array in {path} holds {array.dtype}, not numbers")
            self._remember(path)
            self._read[path, key] = replace(number(array if array.ndim else array.item(), name=name), file=str(path))
        return self._read[path, key]

    def _file(self, path: Value) -> Path:
        return self.folders.get(path.file, self.folder) / path.text

    def _remember(self, path: Path) -> None:
        if path not in self.files:
            self.files.append(path)


def _mistake(error: CompileError, span: Span) -> Mistake:
    """A message about a file, at the place in the model that names it."""
    diagnostic = error.diagnostics[0]
    return Mistake(diagnostic.code, span, diagnostic.message, diagnostic.help)
