"""The PTX target: `ptx[:CHIP][{sums=..., memory=..., launch=...}]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from spikec.backends import options
from spikec.backends.ptx.chips import CHIPS, OLDEST
from spikec.backends.ptx.module import GpuModule
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import did_you_mean
from spikec.dialects.notes import Table
from spikec.runtime.cache import Cache
from spikec.runtime.devices import Device, open_device
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.interface import Interface
from spikec.runtime.launches import Launches
from spikec.runtime.memory import bytes_of

DEFAULT_CHIP = "sm_80"
Sums = Literal["auto", "atomic", "ordered"]
Launch = Literal["auto", "graph", "persistent"]


@dataclass(frozen=True, slots=True)
class PtxTarget:
    """The name of a chip and the choices that the lowering reads.

    `sums` says how weights are added where several events meet: "atomic", in any order, "ordered", as the CPU does
    (sums of integers are the same in any order), or "auto", ordered where that saves a kernel of a small network, else
    atomic.  `memory` is how many bytes the device has, None where its driver will tell.  `launch` is the shape of a
    run: a "graph" of kernels, one "persistent" kernel, or the better of both.  `device` is where it runs.
    """

    name: str
    chip: str
    sums: Sums = "auto"
    memory: int | None = None
    launch: Launch = "auto"
    device: Device | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def parse(text: str = "ptx") -> PtxTarget:
        """`ptx`, or `ptx:sm_90{sums=ordered,memory=8GB,launch=graph}`; raises `UsageError` with all mistakes."""
        chip, given, wrong = options.parse(text, "ptx", _READ)
        options.refuse(text, [*([] if chip is None else _wrong_chip(chip)), *wrong])
        return PtxTarget(text, chip or DEFAULT_CHIP, **given)

    @property
    def level(self) -> str:
        """What `emit` takes: the code that `lower.step_to_gpu` made."""
        return "gpu"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What `emit` can make."""
        return ("mlir", "llvm", "ptx", "cubin")

    @property
    def native(self) -> bool:
        """The text is for every device of the chip's age or younger: whether one is here is asked when it is run."""
        return True

    @property
    def machine(self) -> Mapping[str, str]:
        """What the code is made for, as LLVM names it."""
        return {"triple": "nvptx64-nvidia-cuda", "cpu": self.chip, "features": ""}

    def on(self, device: str) -> PtxTarget:
        """The target with a device, "cuda" or "emulated", for one engine.  Raises `MissingTool` where it is absent."""
        return replace(self, device=open_device(device, self.memory))

    def identity(self) -> str:
        """A text that differs wherever generated code may differ."""
        from spikec.backends import llvm

        return f"{self.name},{llvm.version()}"

    def emit(
        self, module: GpuModule, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
    ) -> dict[str, bytes]:
        """The wanted `kinds` as bytes.  Raises `UsageError` for an unknown kind, `MissingTool` without ptxas."""
        from spikec.backends.ptx import files

        return files.emit(self, module, kinds)

    def artifact(self, module: GpuModule, constants: Mapping[str, Array], interface: Interface) -> dict[str, bytes]:
        """The files of an artifact by name, without its manifest: the text, and constants as the device keeps them."""
        from spikec.backends.ptx import files

        return files.artifact(self, module)

    def report(self, module: GpuModule) -> tuple[Table, ...]:
        """What `compile --report` tells about the kernels."""
        from spikec.backends.ptx import report

        return report.tables(self, module)

    def load(
        self,
        module: GpuModule,
        constants: Mapping[str, Array],
        interface: Interface,
        cache: Cache | None = None,
        key: str = "",
    ) -> GpuEngine:
        """Puts the code on the device; with a cache, keeps it under `key` for `load_cached`."""
        from safetensors.numpy import save

        text = self.emit(module, ("ptx",), constants, interface)["ptx"]
        if cache is not None and key:
            head = {"launches": module.launches.to_json(), "interface": interface.to_json()}
            cache.store(key, head, {"code.ptx": text, "constants.safetensors": save(dict(module.constants))})
        return self._engine(text, module.launches, module.constants, interface)

    def load_cached(self, cache: Cache, key: str) -> GpuEngine | None:
        """What `load` kept under `key`, or None.  Imports no MLIR."""
        from safetensors.numpy import load

        entry = cache.find(key)
        if entry is None:
            return None
        try:
            launches = Launches.from_json(entry.head["launches"])
            interface = Interface.from_json(entry.head["interface"])
            text, constants = entry.read("code.ptx"), load(entry.read("constants.safetensors"))
        except (KeyError, TypeError, ValueError, OSError):
            return None
        return self._engine(text, launches, constants, interface)

    def _engine(
        self, text: bytes, launches: Launches, constants: Mapping[str, Array], interface: Interface
    ) -> GpuEngine:
        device = self.device or open_device(memory=self.memory)
        return GpuEngine(device, text.decode(), launches, constants, interface, self.launch)


def _wrong_chip(name: str) -> list[str]:
    """What is wrong with the name of a chip."""
    if name in CHIPS:
        return []
    number = name.removeprefix("sm_")
    if name.startswith("sm_") and number.isdigit() and int(number) < OLDEST:
        return [f"{name} is too old: sm_{OLDEST} is the first that is supported"]
    near = did_you_mean(name, CHIPS)
    return [f"unknown chip '{name}'; {near or 'there is ' + ', '.join(CHIPS)}"]


_READ = {"sums": options.one_of(get_args(Sums)), "memory": bytes_of, "launch": options.one_of(get_args(Launch))}
