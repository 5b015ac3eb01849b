"""The constants store: the arrays of a program, outside its IR.

An op holds a name, a type and a digest; the store owns the array.  On disk it is one safetensors file
(`x.safetensors` beside `x.mlir`), which is read memory-mapped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects.diagnostics import CompileError, Diagnostic

Array = np.ndarray[Any, np.dtype[Any]]


def digest(array: Array) -> str:
    """The content hash of an array: SHA-256 of its element type, shape and bytes in C order."""
    array = np.ascontiguousarray(array)
    content = hashlib.sha256(f"{array.dtype.str}{list(array.shape)}".encode())
    content.update(array.reshape(-1).view(np.uint8).data)
    return "sha256:" + content.hexdigest()


class Constants(Mapping[str, Array]):
    """Arrays by name.  Arrays are made contiguous and read-only when they are added; the store only grows."""

    def __init__(self, arrays: Mapping[str, Array] | None = None) -> None:
        self._arrays: dict[str, Array] = {}
        self._digests: dict[str, str] = {}
        for name, array in (arrays or {}).items():
            self.add(name, array)

    def add(self, name: str, array: Array) -> str:
        """Stores `array` under `name` and returns its digest; the same name must mean the same content."""
        frozen = np.ascontiguousarray(array)
        if frozen is array and frozen.flags.writeable:
            frozen = frozen.copy()
        frozen.flags.writeable = False
        value = digest(frozen)
        if self._digests.setdefault(name, value) != value:
            raise ValueError(f"two different constants named '{name}'")
        self._arrays[name] = frozen
        return value

    def adopt(self, name: str, same: Array) -> None:
        """Takes an array of the same content in the place of its own, which then need not be in memory twice."""
        same.flags.writeable = False
        self._arrays[name] = same

    def digest(self, name: str) -> str:
        return self._digests[name]

    def copy(self) -> Constants:
        """A store that can grow on its own and shares the arrays."""
        other = Constants()
        other._arrays, other._digests = dict(self._arrays), dict(self._digests)
        return other

    def only(self, names: Iterable[str]) -> Constants:
        """A store of some of the arrays, shared; names that it has not are left out."""
        other = Constants()
        other._arrays = {name: self._arrays[name] for name in names if name in self._arrays}
        other._digests = {name: self._digests[name] for name in other._arrays}
        return other

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def save(self, path: Path) -> None:
        """Writes the store as safetensors, under a temporary name first."""
        from safetensors.numpy import save_file

        partial = path.with_name(path.name + f".{os.getpid()}.partial")
        save_file({name: self._arrays[name] for name in sorted(self._arrays)}, str(partial))
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> Constants:
        """Reads a store; a file that is not one is a `CompileError`."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return Constants(load_file(str(path)))
        except FileNotFoundError:
            raise CompileError([Diagnostic("E0701", "error", f"no such file: {path}", file=str(path))]) from None
        except (OSError, SafetensorError, ValueError) as error:
            message = f"not a constants file (safetensors): {error}"
            raise CompileError([Diagnostic("E0801", "error", message, file=str(path))]) from None
