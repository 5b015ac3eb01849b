"""The files that the CPU target makes: text, objects with their constants, libraries, executables."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spikec.backends.cpu import codegen, header
from spikec.backends.cpu.module import CpuModule
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError, MissingTool, UsageError
from spikec.runtime.cpu import CONSTANTS, pack
from spikec.runtime.interface import Interface

if TYPE_CHECKING:
    from spikec.backends.cpu.target import CpuTarget

LINKED = ("so", "exe")
COMPILERS = ("cc", "gcc", "clang")


def emit(
    target: CpuTarget, module: CpuModule, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
) -> dict[str, bytes]:
    """See `CpuTarget.emit`."""
    for kind in kinds:
        if kind not in target.kinds:
            raise UsageError(f"the target {target.name} makes no '{kind}' (there is {', '.join(target.kinds)})")
        if kind in LINKED and not target.native:
            raise UsageError(
                f"'{kind}' is made for this machine alone; link the 'obj' with a tool chain for {target.triple}"
            )
    made: dict[str, bytes] = {}
    code = b""
    if set(kinds) & {"obj", *LINKED}:
        code = objects(target, module, constants)
    for kind in kinds:
        match kind:
            case "mlir":
                made[kind] = module.mlir.encode()
            case "llvm":
                made[kind] = module.llvm.encode()
            case "asm":
                made[kind] = codegen.assembly(target, module.llvm)
            case "obj":
                made[kind] = code
            case "header":
                made[kind] = header.header(module, interface).encode()
            case "so":
                made[kind] = library(code)
            case _:
                made[kind] = _executable(code, module, interface)
    return made


def objects(target: CpuTarget, module: CpuModule, constants: Mapping[str, Array]) -> bytes:
    """An object file that holds the code and the constants; the same bytes for the same module."""
    block = pack(module.layout, constants)
    if not target.native:
        return codegen.object_code(target, module.llvm, _constant_text(block))
    # LLVM reads text slowly: the assembler copies the file as it is.
    with tempfile.TemporaryDirectory(prefix="spikec-") as folder:
        path = Path(folder) / "constants.bin"
        path.write_bytes(block.data)
        return codegen.object_code(target, module.llvm, _included(path, target.triple))


def _included(path: Path, triple: str) -> str:
    """A module whose assembly includes a file as the block of constants."""
    apple = "apple" in triple
    name = f"_{CONSTANTS}" if apple else CONSTANTS
    section = ".section __TEXT,__const" if apple else '.section .rodata.spikec,"a",@progbits'
    lines = [section, ".globl " + name, ".p2align 6", f"{name}:", f'.incbin "{path.as_posix()}"', ".text"]
    return "\n".join('module asm "' + line.replace("\\", "\\5C").replace('"', "\\22") + '"' for line in lines)


_ESCAPES = [f"\\{byte:02X}" for byte in range(256)]


def _constant_text(block: Array) -> str:
    """A module that defines the block of constants, byte by byte."""
    text = "".join(map(_ESCAPES.__getitem__, block.tobytes()))
    return f'@{CONSTANTS} = constant [{block.size} x i8] c"{text}", align 64'


def _compiler() -> str:
    """The C compiler of this machine."""
    for name in (os.environ.get("CC", ""), *COMPILERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise MissingTool(
        "a C compiler is needed to link a library or an executable, and neither cc, gcc nor clang is there; "
        "install one (Debian and Ubuntu: apt install gcc; macOS: xcode-select --install) or set CC"
    )


def _compiled(arguments: list[str], files: Mapping[str, bytes], result: str) -> bytes:
    """Runs the C compiler on files in a folder of their own."""
    compiler = _compiler()
    with tempfile.TemporaryDirectory(prefix="spikec-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        command = [compiler, *arguments, "-o", result]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise InternalError(f"{' '.join(command)} failed:\n{done.stderr}", "link")
        return (Path(folder) / result).read_bytes()


def library(code: bytes) -> bytes:
    """A shared library of an object.  Raises MissingTool without a C compiler."""
    return _compiled(["-shared", "net.o"], {"net.o": code}, "net.so")


def _executable(code: bytes, module: CpuModule, interface: Interface) -> bytes:
    files = {
        "net.o": code,
        "net.h": header.header(module, interface).encode(),
        "main.c": header.main_program(module, interface).encode(),
    }
    return _compiled(["-std=c99", "-O1", "main.c", "net.o"], files, "net")
