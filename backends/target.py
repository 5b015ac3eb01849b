"""What a compiled program can be made for: `Target` and the table of targets.

A target is its limits as fields, which passes and lowerings read, plus one `emit`.  Other packages add targets by
the entry point group `spikec.targets`: a function from the text after `--target` to a Target.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from spikec.dialects.constants import Array
    from spikec.dialects.notes import Table
    from spikec.runtime.cache import Cache
    from spikec.runtime.interface import Engine, Interface
    from spikec.runtime.workers import WorkersCode


@runtime_checkable
class Target(Protocol):
    """`name` is what the user wrote (`cpu`, `cpu:aarch64-linux-gnu`); `kinds` are what `emit` can make.

    `level` is what `emit` takes as its module: "snn" or "step" the Program at that level, "cpu", "gpu" or "rtl" the
    CpuModule, GpuModule or FpgaModule that the lowering to processors, GPUs or circuits made of it.
    """

    @property
    def name(self) -> str: ...

    @property
    def level(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def emit(
        self, module: Any, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
    ) -> dict[str, bytes]:
        """The wanted files by kind; raises `MissingTool` where an outside tool is needed and absent."""


@runtime_checkable
class Machine(Target, Protocol):
    """A target whose code runs in this process too, if it is `native`, and goes into artifacts."""

    @property
    def native(self) -> bool: ...

    @property
    def machine(self) -> Mapping[str, str]:
        """What code is made for, as LLVM names it: triple, cpu, features."""

    def identity(self) -> str:
        """A text that differs wherever generated code may differ."""

    def artifact(self, module: Any, constants: Mapping[str, Array], interface: Interface) -> dict[str, bytes]:
        """The files of an artifact by name, without its manifest."""

    def report(self, module: Any) -> tuple[Table, ...]:
        """What `compile --report` tells about the code."""

    def load(
        self,
        module: Any,
        constants: Mapping[str, Array],
        interface: Interface,
        cache: Cache | None = None,
        key: str = "",
    ) -> Engine:
        """Makes the code ready to run; with a cache, keeps it under `key`."""

    def load_cached(self, cache: Cache, key: str) -> Engine | None:
        """What `load` kept under `key`, or None."""


@runtime_checkable
class Threaded(Machine, Protocol):
    """A machine on which several threads can run one network together (`runtime.workers`)."""

    def load_workers(self, module: Any, cache: Cache | None = None, key: str = "") -> WorkersCode:
        """Makes the code for them ready to run; with a cache, keeps it with the network of `key`."""

    def load_cached_workers(self, cache: Cache, key: str) -> WorkersCode | None:
        """What `load_workers` kept under `key`, or None."""


@runtime_checkable
class OnDevice(Machine, Protocol):
    """A target whose code runs on one of several devices."""

    def on(self, device: str) -> Machine:
        """The target with its device; raises `MissingTool` where that is not there."""


def _cpu(text: str) -> Target:
    from spikec.backends.cpu.target import CpuTarget

    return CpuTarget.parse(text)


def _fpga(text: str) -> Target:
    from spikec.backends.fpga.target import FpgaTarget

    return FpgaTarget.parse(text)


def _ptx(text: str) -> Target:
    from spikec.backends.ptx.target import PtxTarget

    return PtxTarget.parse(text)


TARGETS: Mapping[str, Callable[[str], Target]] = {"cpu": _cpu, "fpga": _fpga, "ptx": _ptx}
"""By the word before the colon: a function from the whole text to the target; it raises `UsageError`."""
WITH_OPTIONS = ("fpga", "ptx")
"""Those that read options in braces."""
