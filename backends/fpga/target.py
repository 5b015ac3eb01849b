"""The FPGA target: `fpga[:FAMILY][{device=..., latency=..., lanes=..., ...}]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikec.backends import options
from spikec.backends.fpga.devices import DEVICES, FAMILIES, Device, default
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import did_you_mean
from spikec.dialects.notes import Table
from spikec.runtime.cache import Cache
from spikec.runtime.interface import Interface

if TYPE_CHECKING:
    from spikec.backends.fpga.module import FpgaModule
    from spikec.runtime.circuits import CircuitEngine

DEFAULT_FAMILY = "xilinx"
KINDS = ("mlir", "verilog", "rtlil", "json", "edif", "blif", "bitstream")

Lanes = int | Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FpgaTarget:
    """A device, what is wanted of the circuit, and the limits that it must keep.

    `latency` are the seconds that a sample of `steps` steps may take at `clock` (Hz), None where it does not matter;
    `activity` is the share of the sources that are assumed to have an event in a step.  `lanes` are those of all cores
    or of some by name, None where they are chosen.  `luts` and `blocks` are how much of the device may be used, all of
    it where they are None.  `writable`: the host can write the weights.
    """

    name: str
    device: Device
    clock: float
    latency: float | None = None
    steps: int = 100
    activity: float = 0.1
    lanes: Lanes | None = None
    luts: int | None = None
    blocks: int | None = None
    writable: bool = False

    @staticmethod
    def parse(text: str = "fpga") -> FpgaTarget:
        """`fpga`, or `fpga:ecp5{device=45k,latency=300us}`; raises `UsageError` with all mistakes."""
        choice, given, wrong = options.parse(text, "fpga", _READ)
        family = DEFAULT_FAMILY if choice is None else choice.strip()
        if family not in FAMILIES:
            near = did_you_mean(family, FAMILIES)
            wrong.insert(0, f"unknown family '{family}'; {near or 'there is ' + ', '.join(FAMILIES)}")
        elif given.get("device") is not None and given["device"] not in DEVICES[family]:
            device, known = given["device"], DEVICES[family]
            near = did_you_mean(device, known)
            wrong.append(f"device: {family} has no '{device}'; {near or 'there is ' + ', '.join(known)}")
        options.refuse(text, wrong)
        device = DEVICES[family][given.pop("device")] if "device" in given else default(family)
        fields = {_FIELDS.get(name, name): value for name, value in given.items()}
        return FpgaTarget(text, device, **{"clock": device.clock, **fields})

    @property
    def family(self) -> str:
        """xilinx, ecp5, ice40 or gowin."""
        return self.device.family

    @property
    def level(self) -> str:
        """What `emit` takes: the circuit that `lower.step_to_rtl` made."""
        return "rtl"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What `emit` can make."""
        return KINDS

    @property
    def native(self) -> bool:
        """The circuit is simulated here, whatever its device."""
        return True

    @property
    def machine(self) -> Mapping[str, str]:
        """What the circuit is made for."""
        return {"family": self.family, "device": self.device.name}

    def identity(self) -> str:
        """A text that differs wherever generated code may differ."""
        from spikec.backends import llvm

        return f"{self.name},{llvm.version()}"

    def emit(
        self, module: FpgaModule, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
    ) -> dict[str, bytes]:
        """The wanted `kinds` as bytes.  Raises `UsageError` for an unknown kind, `MissingTool` without its tool."""
        from spikec.backends.fpga import files

        return files.emit(self, module, kinds)

    def artifact(self, module: FpgaModule, constants: Mapping[str, Array], interface: Interface) -> dict[str, bytes]:
        """The files of an artifact by name, without its manifest: Verilog, and what the simulator runs."""
        from spikec.backends.fpga import files
        from spikec.runtime import circuits

        return {**files.artifact(self, module, interface), **circuits.stored(module.circuit, module.result)}

    def report(self, module: FpgaModule) -> tuple[Table, ...]:
        """What `compile --report` tells about the circuit."""
        return (*module.tables, *module.measured)

    def load(
        self,
        module: FpgaModule,
        constants: Mapping[str, Array],
        interface: Interface,
        cache: Cache | None = None,
        key: str = "",
    ) -> CircuitEngine:
        """Makes the simulator of the circuit; with a cache, keeps the circuit under `key` for `load_cached`."""
        from spikec.runtime import circuits

        if cache is not None and key:
            head = {"interface": interface.to_json()}
            cache.store(key, head, circuits.stored(module.circuit, module.result))
        program = module.circuit.design.program()
        return circuits.CircuitEngine(program, module.circuit, module.result, interface, self.clock)

    def load_cached(self, cache: Cache, key: str) -> CircuitEngine | None:
        """What `load` kept under `key`, or None."""
        from spikec.runtime import circuits

        entry = cache.find(key)
        if entry is None:
            return None
        try:
            interface = Interface.from_json(entry.head["interface"])
            return circuits.loaded(entry.read, interface, self.clock)
        except (KeyError, TypeError, ValueError, OSError):
            return None


def _lanes(text: str) -> Lanes:
    """A number for all cores, or some cores with theirs, `CORE:N+CORE:N`."""
    if ":" not in text:
        return options.count(text)
    found: dict[str, int] = {}
    for one in text.split("+"):
        core, colon, number = (part.strip() for part in one.partition(":"))
        if not core or not colon:
            raise ValueError(f"'{one}' is not CORE:N")
        if core in found:
            raise ValueError(f"'{core}' is given twice")
        found[core] = options.count(number)
    return found


_TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_FREQUENCIES = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_READ: Mapping[str, options.Reader] = {
    "device": str,
    "latency": options.quantity(_TIMES, "a time"),
    "steps": options.count,
    "clock": options.quantity(_FREQUENCIES, "a frequency"),
    "activity": options.fraction,
    "lanes": _lanes,
    "lut": options.count,
    "bram": options.count,
    "weights": lambda text: options.one_of(("fixed", "writable"))(text) == "writable",
}
_FIELDS = {"lut": "luts", "bram": "blocks", "weights": "writable"}
"""Options whose fields have other names."""
