"""The constants of `spikec.analysis.estimate`, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping

from spikec.dialects.convolution import Convolution

ASSUMED = 0.05
"""Events per element and step where nothing else is known."""

# Energy at 45 nm: M. Horowitz, "Computing's energy problem", ISSCC 2014.  f64 and the integers that he does not list
# are scaled, additions with the width and products with its square.  Caches are half of his figures for 64 bits;
# 640 pJ for 32 bits of DRAM are what S. Han et al. ("EIE", ISCA 2016) take for the same process.

ENERGY: Mapping[str, tuple[float, float]] = {
    "i8": (0.03, 0.2),
    "i16": (0.05, 0.8),
    "i32": (0.1, 3.1),
    "i64": (0.2, 12.4),
    "f32": (0.9, 3.7),
    "f64": (1.8, 14.8),
}
"""pJ of an addition and of a multiplication; comparisons, selections and shifts count as additions."""

NEAR: tuple[tuple[float, float], ...] = ((8e3, 5 / 4), (32e3, 10 / 4), (1e6, 50 / 4))
"""pJ per byte of an SRAM of up to so many bytes; what is larger but still on chip takes the last one."""
DRAM = 640 / 4
"""pJ per byte of memory off the chip."""

ON_CHIP: Mapping[str, float] = {"cpu": 32e6, "ptx": 40e6, "fpga": 4e6}
"""Bytes: the last cache of a server core's share; L2 of an A100; block RAM of a large Artix-7 or small UltraScale."""

# cpu, in cycles of 1/3 ns.
VECTOR = 64  # bytes of a register
OP = 6.0  # to begin any op: loop bounds, list lengths
SIMPLE = 0.5  # an arithmetic op on a register
SLOW = 8.0  # a division or root on a register
MOVED = 0.5  # a register loaded or stored
LISTED = 4.0  # a register of neurons tested for events
EVENT = 3.0  # an event put into a list and taken out
ROW = 12.0  # a row of a csr table begun
SCATTERED = 1.3  # an addition through an index
STREAMED = 1.2  # a register of weights added
TILED = 1.8  # such a register where the weights come from the second cache
ABREAST = 0.8  # a register of sums of one target in many steps: a weight added where there is a spike
ACROSS = 2.5  # a register of sums read, added to and written
HELD, HELD_VALUE = 0.85, 1.15  # a register of sums that stays while all inputs go by, for each of them: spikes, values
UNMASKED = 2.0  # times as much on machines that cannot add in some lanes only
SPREAD_OUT = 10.0  # an event written into an array of all inputs
REORDERED = 7.0  # a register of sums brought into another order
WINDOW = 1.7  # a register of targets that follow each other, of a convolution's row
SPREAD = 2.1  # a register of a bitmap: the weights spread over its lanes and added
MARKED_ROW = 2.0  # a row of a bitmap whose synapses have one weight begun, together with others
MARKED = 1.0  # a register of it: added where there is a bit
KEPT = 16  # registers of sums that stay while rows of a bitmap go by, where a row has no more
KEPT_ROW = 4.0  # such a row begun: no loop in it ends where nobody expects it
KEPT_SPREAD = 1.8  # a register of it
DRAWN = 55.0  # a register of random numbers
REDRAWN = 13.0  # a synapse drawn again
FAR = 0.12  # more for each byte of weights that comes from beyond the second cache
SECOND_CACHE = 1e6
MOST_STORED = 2e9
"""Bytes of the targets of one projection; beyond, they are drawn again at each event where that is possible."""

# ptx: NVIDIA A100 (data sheet: 1555 GB/s, 1.41 GHz); the launch is what a kernel of a graph takes, about 2 us.
GPU_CLOCK = 1.41
GPU_BYTES = 1555 / GPU_CLOCK  # per cycle
LAUNCH = 2000 * GPU_CLOCK  # cycles

# fpga
FPGA_CLOCK = 0.1  # GHz: what a small circuit reaches on most boards without care
LANES = 16
HAZARD = 4

CLOCK: Mapping[str, float] = {"cpu": 3.0, "ptx": GPU_CLOCK, "fpga": FPGA_CLOCK}
"""GHz, of the cycles of each target."""


def kernel_cycles(shape: Convolution, width: int) -> float:
    """cpu: cycles of an event that is led through the kernels of a convolution, with sums of `width` bytes."""
    columns = shape.axes[-1]
    together = columns.pairs / columns.input if columns.apart == 1 else 1.0
    together = min(max(1.0, together), VECTOR / width)
    return ROW + shape.synapses / shape.pre * (WINDOW / together if columns.most > 1 else SCATTERED)


def across_cycles(shape: Convolution, width: int) -> float:
    """cpu: cycles of such an event where its channels are in the lanes of vectors."""
    positions = shape.synapses / shape.pre / shape.output[0]
    return ROW + positions * -(-shape.output[0] * width // VECTOR) * ACROSS


def held_cycles(shape: Convolution, width: int, spikes: bool) -> float:
    """cpu: cycles of a step in which all inputs of each target go by, spikes or values, however many are active."""
    registers = shape.post / shape.output[0] * -(-shape.output[0] * width // VECTOR)
    return registers * math.prod(shape.weights[1:]) * (HELD if spikes else HELD_VALUE)


def row_bytes(format: str, synapses: float, post: int, index: int, weight: int) -> float:
    """Bytes that are read of a row of so many synapses, of `post` targets; indices and weights are of so many bytes."""
    match format:
        case "dense":
            return post * weight
        case "bitmap":
            return post / 8 + synapses * weight
        case "block":
            return synapses * weight
        case _:
            return synapses * (index + weight)


def row_cycles(format: str, synapses: float, post: int, width: int, alike: bool = False) -> float:
    """cpu: cycles of an event whose row has so many synapses, of `post` targets with sums of `width` bytes.

    `alike` says that all synapses have one weight.
    """
    per_register = VECTOR // width
    match format:
        case "dense":
            return 1 + -(-post // per_register) * STREAMED
        case "bitmap":
            registers = -(-post // per_register)
            if alike:
                return MARKED_ROW + registers * MARKED
            return KEPT_ROW + registers * KEPT_SPREAD if registers <= KEPT else ROW + registers * SPREAD
        case "block":
            return ROW + -(-synapses // per_register) * 2 * STREAMED
        case "procedural":
            return ROW + (synapses + per_register) * REDRAWN
        case _:
            return ROW + synapses * SCATTERED
