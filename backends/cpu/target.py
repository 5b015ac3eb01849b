"""The CPU target: this machine (`cpu`) or another one (`cpu:TRIPLE[,CPU]`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from spikec.backends.cpu.host import host
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, InternalError, MissingTool, UsageError
from spikec.dialects.notes import Table
from spikec.runtime.cache import Cache
from spikec.runtime.cpu import CpuEngine, pack
from spikec.runtime.interface import Interface
from spikec.runtime.layout import Layout

if TYPE_CHECKING:
    from spikec.backends.cpu.module import CpuModule, WorkersModule
    from spikec.runtime.workers import WorkersCode

LIBRARY = "code.so"
DEFAULT_CPUS = {"x86_64": "x86-64-v3", "aarch64": "generic", "arm64": "generic"}


@dataclass(frozen=True, slots=True)
class CpuTarget:
    """A processor as LLVM names it, and the limits that the lowering reads.

    `vector_bits` is the width of its vector registers (0: scalar code), `compress` whether a register can be
    compressed by a mask, `compress_bytes` whether one of bytes can, `flush` how subnormals are made zero: by the
    control register "mxcsr" or "fpcr", or where a value is "store"d, on machines without such a mode.
    """

    name: str
    triple: str
    cpu: str
    features: str
    native: bool

    @staticmethod
    def parse(text: str = "cpu") -> CpuTarget:
        """`cpu` or `cpu:TRIPLE[,CPU]`; raises `UsageError` for a triple that LLVM does not know."""
        if text == "cpu":
            triple, cpu, features = host()
            return CpuTarget(text, triple, cpu, features, True)
        from spikec.backends.cpu import codegen

        head, _, rest = text.partition(":")
        triple, _, cpu = rest.partition(",")
        if head != "cpu" or not triple or not codegen.knows(triple):
            raise UsageError(f"unknown target '{text}' (write cpu, or cpu:TRIPLE[,CPU] with an LLVM triple)")
        return CpuTarget(text, triple, cpu or DEFAULT_CPUS.get(triple.split("-")[0], ""), "", False)

    @property
    def level(self) -> str:
        """What `emit` takes: the code that `lower.step_to_cpu` made."""
        return "cpu"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What `emit` can make."""
        return ("mlir", "llvm", "asm", "obj", "so", "exe", "header")

    @property
    def vector_bits(self) -> int:
        from spikec.backends.cpu import codegen

        if self.family == "x86":
            return next((bits for feature, bits in _X86_WIDTHS if codegen.has(self, feature)), 0)
        return 128 if self.family == "aarch64" or codegen.has(self, "simd128") else 0

    @property
    def compress(self) -> bool:
        return self.family == "x86" and self.vector_bits == 512

    @property
    def compress_bytes(self) -> bool:
        from spikec.backends.cpu import codegen

        return self.compress and codegen.has(self, "avx512vbmi2")

    @property
    def fuses(self) -> bool:
        """Whether a product is fused with a sum in one instruction, and a result made zero after it is rounded."""
        from spikec.backends.cpu import codegen

        return self.family == "x86" and codegen.has(self, "fma")

    @property
    def flush(self) -> Literal["mxcsr", "fpcr", "store"]:
        modes: dict[str, Literal["mxcsr", "fpcr"]] = {"x86": "mxcsr", "aarch64": "fpcr"}
        return modes.get(self.family, "store")

    @property
    def family(self) -> str:
        """x86, aarch64, or what the triple begins with."""
        architecture = self.triple.split("-")[0]
        if architecture in ("x86_64", "i386", "i486", "i586", "i686"):
            return "x86"
        return "aarch64" if architecture in ("aarch64", "arm64") else architecture

    @property
    def machine(self) -> Mapping[str, str]:
        """What the code is made for, as LLVM names it."""
        return {"triple": self.triple, "cpu": self.cpu, "features": self.features}

    def identity(self) -> str:
        """A text that differs wherever generated code may differ; part of every cache key."""
        from spikec.backends import llvm

        return f"{self.triple},{self.cpu},{self.features},{llvm.version()}"

    def emit(
        self, module: CpuModule, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
    ) -> dict[str, bytes]:
        """The wanted `kinds` as bytes; objects hold their constants.

        Raises `UsageError` for an unknown kind and for "so" and "exe" of another machine, `MissingTool` where
        these two find no C compiler.
        """
        from spikec.backends.cpu import files

        return files.emit(self, module, kinds, constants, interface)

    def artifact(self, module: CpuModule, constants: Mapping[str, Array], interface: Interface) -> dict[str, bytes]:
        """The files of an artifact by name, without its manifest; `CpuEngine.from_library` runs the library."""
        made = self.emit(module, ("so", "header"), constants, interface)
        return {f"{module.model}.so": made["so"], f"{module.model}.h": made["header"]}

    def report(self, module: CpuModule) -> tuple[Table, ...]:
        """Nothing beyond the estimate."""
        return ()

    def load(
        self,
        module: CpuModule,
        constants: Mapping[str, Array],
        interface: Interface,
        cache: Cache | None = None,
        key: str = "",
    ) -> CpuEngine:
        """Compiles for this process; with a cache, keeps the result under `key` for `load_cached`."""
        from spikec.backends.cpu import codegen, files

        code = codegen.object_code(self, module.llvm, codegen.ELSEWHERE)
        block = pack(module.layout, constants)
        if cache is not None and key:
            head = {"layout": module.layout.to_json(), "interface": interface.to_json()}
            kept: dict[str, Any] = {"code.o": code, "constants.bin": block.data}
            with suppress(MissingTool, InternalError):  # without the library, `load_cached` takes longer
                kept[LIBRARY] = files.library(code)
            cache.store(key, head, kept)
        return CpuEngine(codegen.link(code), block, module.layout, interface)

    def load_cached(self, cache: Cache, key: str) -> CpuEngine | None:
        """What `load` kept under `key`, or None.  Imports no MLIR, and LLVM only where no library was kept."""
        entry = cache.find(key)
        if entry is None:
            return None
        try:
            layout = Layout.from_json(entry.head["layout"])
            interface = Interface.from_json(entry.head["interface"])
            code, block = entry.path("code.o"), entry.map("constants.bin")
            library = entry.path(LIBRARY) if LIBRARY in entry.head["sizes"] else None
        except (KeyError, TypeError, ValueError, OSError):
            return None
        if library is not None:
            with suppress(CompileError):  # a folder may be mounted so that nothing in it is executed
                return CpuEngine.from_library(library, layout, interface, block)
        from spikec.backends.cpu import codegen

        return CpuEngine(codegen.link(code.read_bytes()), block, layout, interface)

    def load_workers(self, module: WorkersModule, cache: Cache | None = None, key: str = "") -> WorkersCode:
        """Compiles the time loop for several threads; with a cache, keeps it with the network of `key`."""
        from spikec.backends.cpu import workers

        return workers.load(self, module, cache, key)

    def load_cached_workers(self, cache: Cache, key: str) -> WorkersCode | None:
        """What `load_workers` kept under `key`, or None."""
        from spikec.backends.cpu import workers

        return workers.load_cached(cache, key)


_X86_WIDTHS: tuple[tuple[str, int], ...] = (("avx512vl", 512), ("avx2", 256), ("sse4.1", 128))
