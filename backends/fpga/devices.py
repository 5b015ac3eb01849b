"""The devices that circuits are made for, and what one of them holds.

Numbers are those of the makers' tables: Lattice FPGA-DS-02012 (ECP5), FPGA-DS-02029 (iCE40 LP and HX), FPGA-DS-02008
(iCE40 UltraPlus), AMD DS180 and DS190 (7 series, Zynq 7000), Gowin DS100 and DS102.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """What the devices of a family have in common.

    A table of logic (LUT) has `inputs` inputs.  A block of memory has one of `shapes`, (rows, bits of a row); `unit` of
    them are counted as one `block`, as the maker does, in bits.  `distributed` are the bits of a LUT that is used as
    memory, 0 where none can be.
    """

    name: str
    inputs: int
    shapes: tuple[tuple[int, int], ...]
    unit: int
    block: int
    distributed: int


@dataclass(frozen=True, slots=True)
class Device:
    """`luts` tables, of which `memory_luts` can be memory, `ffs` registers, `blocks` of memory, `dsps` multipliers.

    `package` and `flags` are what nextpnr is told, `clock` is a frequency in Hz that circuits of this package reach.
    """

    family: str
    name: str
    luts: int
    memory_luts: int
    ffs: int
    blocks: int
    dsps: int
    clock: float
    package: str = ""
    flags: tuple[str, ...] = ()


FAMILIES = {
    family.name: family
    for family in (
        Family("xilinx", 6, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), 2, 36864, 64),
        Family("ecp5", 4, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), 1, 18432, 16),
        Family("ice40", 4, ((256, 16), (512, 8), (1024, 4), (2048, 2)), 1, 4096, 0),
        Family("gowin", 4, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), 1, 18432, 16),
    )
}

MHZ = 1e6


def _ecp5(name: str, luts: int, blocks: int, dsps: int, package: str) -> Device:
    # One slice in four holds the write port of memory that the two beside it make.
    return Device("ecp5", name, luts, luts // 2, luts, blocks, dsps, 110 * MHZ, package, (f"--{name}", "--speed", "6"))


def _ice40(name: str, cells: int, blocks: int, dsps: int, clock: float, package: str) -> Device:
    return Device("ice40", name, cells, 0, cells, blocks, dsps, clock * MHZ, package, (f"--{name}",))


def _xilinx(name: str, luts: int, memory_luts: int, blocks: int, dsps: int) -> Device:
    return Device("xilinx", name, luts, memory_luts, 2 * luts, blocks, dsps, 100 * MHZ)


def _gowin(name: str, luts: int, ffs: int, memory_bits: int, blocks: int, dsps: int) -> Device:
    return Device("gowin", name, luts, memory_bits // 16, ffs, blocks, dsps, 50 * MHZ)


_ALL = (
    _ecp5("25k", 24288, 56, 28, "CABGA381"),
    _ecp5("12k", 12144, 32, 28, "CABGA381"),
    _ecp5("45k", 43848, 108, 72, "CABGA381"),
    _ecp5("85k", 83640, 208, 156, "CABGA381"),
    _ice40("hx8k", 7680, 32, 0, 48, "ct256"),
    _ice40("hx1k", 1280, 16, 0, 48, "tq144"),
    _ice40("hx4k", 3520, 20, 0, 48, "tq144"),
    _ice40("lp1k", 1280, 16, 0, 24, "cm121"),
    _ice40("lp4k", 3520, 20, 0, 24, "cm225"),
    _ice40("lp8k", 7680, 32, 0, 24, "cm225"),
    _ice40("u4k", 3520, 20, 4, 12, "sg48"),
    _ice40("up5k", 5280, 30, 8, 12, "sg48"),
    _xilinx("xc7a35t", 20800, 9600, 50, 90),
    _xilinx("xc7a15t", 10400, 3200, 25, 45),
    _xilinx("xc7a50t", 32600, 9600, 75, 120),
    _xilinx("xc7a75t", 47200, 14272, 105, 180),
    _xilinx("xc7a100t", 63400, 19000, 135, 240),
    _xilinx("xc7a200t", 134600, 46200, 365, 740),
    _xilinx("xc7s25", 14600, 5000, 45, 80),
    _xilinx("xc7s50", 32600, 9600, 75, 120),
    _xilinx("xc7k70t", 41000, 13400, 135, 240),
    _xilinx("xc7k160t", 101400, 35000, 325, 600),
    _xilinx("xc7k325t", 203800, 64000, 445, 840),
    _xilinx("xc7z010", 17600, 6000, 60, 80),
    _xilinx("xc7z020", 53200, 17400, 140, 220),
    _xilinx("xc7z030", 78600, 26600, 265, 400),
    _xilinx("xc7z045", 218600, 70400, 545, 900),
    _gowin("gw1n-9", 8640, 6480, 17280, 26, 20),
    _gowin("gw1n-1", 1152, 864, 0, 4, 0),
    _gowin("gw1n-4", 4608, 3456, 0, 10, 16),
    _gowin("gw2a-18", 20736, 15552, 41472, 46, 48),
    _gowin("gw2a-55", 54720, 41040, 109440, 140, 40),
)

DEVICES: dict[str, dict[str, Device]] = {
    family: {device.name: device for device in _ALL if device.family == family} for family in FAMILIES
}
"""The devices of each family by name; the first one is taken where none is named."""


def default(family: str) -> Device:
    """The device of a family that is meant where none is named."""
    return next(iter(DEVICES[family].values()))
