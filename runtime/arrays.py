"""Reading arrays from `.npz`, `.npy` and `.csv` files that nobody vouches for.

What a file declares is compared with what it holds before memory is taken for it, pickles are never
opened, and whatever is wrong is a CompileError.
"""

from __future__ import annotations

import csv
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, did_you_mean
from spikec.runtime import memory

SUFFIXES = (".npz", ".npy", ".csv")


def fail(code: str, path: Path | None, message: str, help: str | None = None) -> CompileError:
    """A CompileError of one diagnostic about a whole file."""
    return CompileError([Diagnostic(code, "error", message, file=str(path) if path else None, help=help)])


def split(spec: str) -> tuple[Path, str | None] | None:
    """The file and the key of FILE[:KEY], where only an `.npz` has keys; None for an empty text."""
    match = re.fullmatch(r"(.+?)(?:(?<=\.npz):(.+))?", spec, re.DOTALL | re.IGNORECASE)
    return None if match is None else (Path(match[1]), match[2])


def read(path: Path, key: str | None = None, prefer: str | None = None) -> Array:
    """The array in a file; `key` names one of an `.npz`, where `prefer` is tried if none is given.

    A `.csv` has two axes, rows and columns, as float64.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise fail("E0703", path, f"'{suffix or path.name}' is not a kind of array file", "use .npz, .npy or .csv")
    if key is not None and suffix != ".npz":
        raise fail("E0702", path, f"a {suffix} file has no keys, but '{key}' is asked for")
    with readable(path, suffix):
        if suffix == ".npz":
            return _read_npz(path, key, prefer)
        return _read_npy(path) if suffix == ".npy" else _read_csv(path)


def csv_rows(stream: Iterable[str]) -> Iterator[list[str]]:
    """The cells of the lines of a `.csv` that have any, without comments."""
    lines = (line.split("#")[0] for line in stream)
    return (row for row in csv.reader(lines, skipinitialspace=True) if any(row))


def keys(path: Path) -> list[str]:
    """The names of the arrays in an `.npz` file."""
    with readable(path, ".npz"), zipfile.ZipFile(path) as archive:
        return _members(archive)


@contextmanager
def readable(path: Path, suffix: str) -> Iterator[None]:
    """Whatever the libraries raise over a bad file, as a CompileError."""
    try:
        yield
    except FileNotFoundError:
        raise fail("E0701", path, f"no such file: {path}") from None
    except IsADirectoryError:
        raise fail("E0704", path, f"{path} is a folder, not a file") from None
    except zipfile.BadZipFile as error:
        raise fail("E0703", path, f"not an .npz file: {error}") from None
    except UnicodeDecodeError:
        raise fail("E0703", path, f"not a {suffix} file: it is not UTF-8 text") from None
    except OSError as error:
        raise fail("E0704", path, f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zlib.error, SyntaxError) as error:
        raise fail("E0703", path, f"not a {suffix} file: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# ---------------------------------------------------------------- npz and npy


def _members(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _read_npz(path: Path, key: str | None, prefer: str | None) -> Array:
    with zipfile.ZipFile(path) as archive:
        names = _members(archive)
        if key is None:
            key = prefer if prefer in names else names[0] if len(names) == 1 else None
        if key is None:
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise fail("E0702", path, f"which array? the file has {shown or 'none'}", f"write {path}:KEY")
        if key not in names:
            raise fail("E0702", path, f"there is no array '{key}' in {path}", did_you_mean(key, names))
        info = archive.infolist()[names.index(key)]
        with archive.open(info) as stream:
            return _read_stream(stream, info.file_size, path)


def _read_npy(path: Path) -> Array:
    with path.open("rb") as stream:
        return _read_stream(stream, path.stat().st_size, path)


def _read_stream(stream: IO[bytes], size: int, path: Path) -> Array:
    """Reads one array of a stream of `size` bytes; believes its header only where it agrees with that size."""
    shape, fortran, dtype, header = _header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    count = math.prod(shape)
    need = count * dtype.itemsize
    if any(n < 0 for n in shape) or need != size - header:
        raise ValueError(f"its header declares {memory.shown(need)} of data, the file has {size - header} bytes")
    if need > memory.limit():
        raise fail("E0706", path, f"the array takes {memory.shown(need)}, more than half of this machine's memory")
    data = stream.read(need)
    if len(data) != need:
        raise EOFError("the file ends too early")
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order, element type, and the number of bytes before the data."""
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"version {version} of the format is not read")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            shape, fortran, dtype = reader(stream)
        except Warning as warning:
            raise ValueError(_first_line(warning)) from None
    return shape, fortran, dtype, stream.tell()


# ---------------------------------------------------------------- csv


def _read_csv(path: Path) -> Array:
    if path.stat().st_size * 8 > memory.limit():
        raise fail("E0706", path, f"{memory.shown(path.stat().st_size)} of text; use .npy for arrays of this size")
    with warnings.catch_warnings():
        # An empty file is reported below.
        warnings.simplefilter("ignore", UserWarning)
        array = np.loadtxt(path, delimiter=",", comments="#", ndmin=2, dtype=np.float64, encoding="utf-8-sig")
    if array.size == 0:
        raise ValueError("there are no numbers in it")
    return array
