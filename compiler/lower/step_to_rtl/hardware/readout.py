"""What the host reads at the end of a sample: states that `@finish` needs, and labels that are found on the chip."""

from __future__ import annotations

from spikec.dialects.rtl_builder import Design, Signal, Wire
from spikec.lower.step_to_rtl.hardware.core import CoreModule
from spikec.lower.step_to_rtl.hardware.names import plain
from spikec.lower.step_to_rtl.hardware.scan import scan
from spikec.lower.step_to_rtl.plans import Planned
from spikec.lower.step_to_rtl.programs.expressions import bits
from spikec.runtime.rtl.circuit import Circuit, Label, Read


class Readout:
    """Adds the ports to the module at the top of `circuit`, for one core after the other."""

    def __init__(self, design: Design, circuit: Circuit, labels: list[Label]) -> None:
        self._design, self._circuit, self._module = design, circuit, circuit.top
        self._labels = labels

    def add(self, number: int, one: Planned, unit: CoreModule) -> tuple[dict[str, Signal], list[Read]]:
        """The addresses for the instance of core `number`, and what it will tell."""
        fields = {field.name: field for field in one.plan.fields}
        reads: list[Read] = []
        ports: dict[str, Signal] = {}
        for k, name in enumerate(unit.reads):
            field = fields[name]
            port, width, signed = plain(name.removeprefix("output.")), bits(field.range), field.range.low < 0
            read = Read(name, port, width, signed, field.shift, one.shape, number, unit.settled)
            if one.shape.groups > 1:
                ports[f"read{k}_address"] = self._module.wire(f"{port}_place", unit.module.inputs[f"read{k}_address"])
            reads.append(read)
        self._circuit.reads.extend(reads)
        return ports, reads

    def connect(self, reads: list[Read], ports: dict[str, Signal], found: dict[str, Signal]) -> None:
        """The ports of the host, and the units that share them."""
        for k, read in enumerate(reads):
            data = found[f"read{k}_data"]
            self._module.output(f"{read.port}_data", data)
            wanted = [one for one in self._labels if one.state == read.state and read.shape.order is None]
            units = [self._label(one, read, data) for one in wanted]
            place = ports.get(f"read{k}_address")
            if isinstance(place, Wire):
                address = self._module.input(f"{read.port}_address", place.width)
                for unit in units:
                    address = self._module.mux(unit["busy"], unit["address"], address)
                place.drive(address)

    def _label(self, label: Label, read: Read, data: Signal) -> dict[str, Signal]:
        """A unit that finds a label."""
        name = plain(label.output)
        unit = scan(self._design, f"{name}_scan", read, label.lowest)
        start = self._module.input(f"{name}_start", 1)
        found = self._module.instance(unit, f"{name}_unit", {"start": start, "word": data})
        self._module.output(f"{name}_valid", found["valid"])
        self._module.output(f"{name}_index", found["index"])
        self._circuit.labels.append(label)
        return found
