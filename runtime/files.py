"""Writing files whole or not at all, and never over something without leave.

Every output of the project goes through here: it is written under a temporary name beside its
place and then renamed, so that a failure leaves nothing half done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from spikec.dialects.diagnostics import CompileError, Diagnostic

FORCE_HELP = "choose another name, or give --force to replace it"


def refuse_existing(path: Path, force: bool) -> None:
    """Raises CompileError where `path` exists and may not be replaced; devices and pipes may be written to."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_write(path, error) from None
    if not force and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise CompileError([Diagnostic("E0707", "error", f"{path} exists", file=str(path), help=FORCE_HELP)])


def write(path: Path, data: bytes, force: bool = False) -> None:
    """Writes one file.  Raises CompileError where it exists (without `force`) or cannot be written."""
    refuse_existing(path, force)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise _cannot_write(path, error) from None


def write_folder(path: Path, files: Mapping[str, bytes | Path], force: bool = False) -> None:
    """Writes a folder of files, each given by its bytes or by a file to copy; names may have folders of their own.

    A new folder appears complete or not at all.  In a folder that exists (with `force`) the files are
    replaced one by one, the last of `files` last, and nothing else is touched.
    """
    import shutil  # here, since a run that writes no file needs neither
    import tempfile

    refuse_existing(path, force)
    try:
        if path.exists():
            for name, content in files.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                _replace(path / name, content)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            for name, content in files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                _fill(partial / name, content)
            partial.chmod(0o777 & ~_umask())
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise _cannot_write(path, error) from None


def _replace(path: Path, content: bytes | Path) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        _fill(partial, content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _fill(path: Path, content: bytes | Path) -> None:
    mode = 0o666
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        import shutil

        shutil.copyfile(content, path)
        mode |= content.stat().st_mode & 0o111
    path.chmod(mode & ~_umask())


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> CompileError:
    message = f"cannot write {path}: {error.strerror or error}"
    return CompileError([Diagnostic("E0708", "error", message, file=str(path))])
