"""What a netlist takes of a device, from the number of its cells of each type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spikec.backends.fpga.devices import Device

Weights = tuple[tuple[str, float], ...]

_COUNTED: dict[str, dict[str, Weights]] = {
    "xilinx": {
        "luts": (("LUT[1-6]|INV", 1),),
        "memory_luts": (("RAM(32M|64M|128X1D|256X1S)", 4), ("RAM(32|64)X1D|RAM128X1S", 2), ("RAM(32|64)X1S|SRL.*", 1)),
        "ffs": (("FD.E", 1),),
        "blocks": (("RAMB36E1", 1), ("RAMB18E1", 0.5)),
        "dsps": (("DSP48E1", 1),),
    },
    "ecp5": {
        "luts": (("LUT4", 1), ("CCU2C", 2)),
        # Two slices of fields, and one for the port that writes.
        "memory_luts": (("TRELLIS_DPR16X4", 6),),
        "ffs": (("TRELLIS_FF", 1),),
        "blocks": (("DP16KD|PDPW16KD", 1),),
        "dsps": (("MULT18X18D", 1),),
    },
    "ice40": {
        "luts": (("SB_LUT4", 1),),
        "memory_luts": (),
        "ffs": (("SB_DFF.*", 1),),
        "blocks": (("SB_RAM40_4K.*", 1),),
        "dsps": (("SB_MAC16", 1),),
    },
    "gowin": {
        "luts": (("LUT[1-4]|ALU", 1),),
        "memory_luts": (("RAM16S.*1", 1), ("RAM16S.*2", 2), ("RAM16S.*4", 4)),
        "ffs": (("DFF.*", 1),),
        "blocks": (("(SP|SDP|SDPX9|SPX9|DP|DPX9|pROM|pROMX9)B?", 1),),
        "dsps": (("MULT.*", 1),),
    },
}
"""For each family and resource: patterns of types of cells, and how many of the resource such a cell takes."""


@dataclass(frozen=True)
class Resources:
    """Tables of logic (LUT), those of them that are memory, registers, blocks of memory and multipliers.

    `luts` are without `memory_luts`; a half block is one of 18 kbit where a block has 36.
    """

    luts: int
    memory_luts: int
    ffs: int
    blocks: float
    dsps: int

    @staticmethod
    def of(family: str, cells: Mapping[str, int]) -> Resources:
        """What cells of a family take, by their type."""
        sums = {name: _sum(cells, weights) for name, weights in _COUNTED[family].items()}
        blocks = sums.pop("blocks")
        whole = {name: int(value) for name, value in sums.items()}
        return Resources(**whole, blocks=blocks if blocks % 1 else int(blocks))

    def short(self, device: Device) -> list[str]:
        """What of a device does not suffice, and by how much."""
        needs = {
            "LUT": (self.luts + self.memory_luts, device.luts),
            "LUT as memory": (self.memory_luts, device.memory_luts),
            "registers": (self.ffs, device.ffs),
            "blocks of memory": (self.blocks, device.blocks),
            "DSP": (self.dsps, device.dsps),
        }
        return [f"{name}: {used:g} needed, {there:g} there" for name, (used, there) in needs.items() if used > there]


def _sum(cells: Mapping[str, int], weights: Weights) -> float:
    return sum(n * weight for kind, n in cells.items() for pattern, weight in weights if re.fullmatch(pattern, kind))
