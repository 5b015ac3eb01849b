"""What a launch reports when it goes wrong, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spikec.runtime.executor import layout

_TEXTS = {
    layout.DIVISION: "an integer is divided by zero",
    layout.TRAP: "the kernel traps",
    layout.ENDLESS: f"a loop takes more than {layout.FUEL} turns and waits for nothing: it does not end",
    layout.DIVERGENT: "the barrier diverges: threads of one warp wait at different instructions",
    layout.DEADLOCK: "deadlock: no thread can go on, and this one waits here for ever",
    layout.LIVELOCK: "livelock: all threads wait for a change of memory that none of them makes",
    layout.MASK_LACKS_LANE: "the mask does not name the lane that executes this",
    layout.ABSENT_LANE: "the mask or the source names a lane that has exited, does not exist or does not take part",
    layout.BARRIER_COUNT: "the barrier's number or count of threads is wrong",
    layout.TOO_LONG: "the launch takes more steps than its limit",
    layout.NO_POOL: "the race check of this kernel needs too much memory",
    layout.BRANCH_INDEX: "the index of the branch is not in its table",
    layout.CLOCKS: "the kernel synchronises too often for the race check",
}
_ACCESSES = {
    layout.READ: "a read",
    layout.WRITE: "a write",
    layout.ATOMIC: "an atomic",
    layout.CONSTANT_READ: "a read through the constant cache (.nc)",
    layout.ATOMIC_READ: "a relaxed or volatile read",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """The fields of the launch that tell what went wrong."""

    kind: int
    line: int
    address: int
    size: int
    other: int


@dataclass(frozen=True, slots=True)
class Place:
    """How addresses, lines and threads are shown."""

    address: Callable[[int], str]
    line: Callable[[int], str]
    thread: Callable[[int], str]
    limits: Callable[[int], tuple[int, bool] | None]
    """Size of the memory an address is in and whether it is constant, None if there is none."""


def describe(fault: Fault, place: Place, resident: int, blocks: int) -> str:
    """One sentence."""
    match fault.kind:
        case layout.ACCESS | layout.ACCESS_WRITE:
            return _access(fault, place)
        case layout.RACE | layout.NOT_CONSTANT:
            return _race(fault, place)
        case layout.LIVELOCK | layout.DEADLOCK if resident < blocks:
            hint = f"; {resident} of {blocks} blocks are resident at a time"
            return _TEXTS[fault.kind] + hint
    return _TEXTS.get(fault.kind, f"fault {fault.kind}")


def _access(fault: Fault, place: Place) -> str:
    address = fault.address
    where = place.address(address)
    verb = "writes" if fault.kind == layout.ACCESS_WRITE else "reads"
    limits = place.limits(address)
    what = f"it {verb} {fault.size} bytes at {where}"
    if limits is None:
        return f"{what}: there is no such memory"
    offset = address & ((1 << (layout.SHARED_OFFSET_BITS if address < 0 else layout.OFFSET_BITS)) - 1)
    if offset + fault.size > limits[0]:
        return f"{what}: out of bounds"
    if offset % fault.size:
        return f"{what}: misaligned"
    return f"{what}: the buffer is constant" if limits[1] else f"{what}: not possible"


def _race(fault: Fault, place: Place) -> str:
    own, other = fault.size & 7, fault.size >> 3
    number, line = fault.other >> 32, fault.other & 0xFFFFFFFF
    first = f"{_ACCESSES[own]} of {place.address(fault.address)}"
    second = f"{_ACCESSES[other]} by {place.thread(number)} at line {line} ({place.line(line)})"
    if fault.kind == layout.NOT_CONSTANT:
        return f"{first} meets {second}: memory read through .nc is written in the same launch"
    return f"race: {first} is not ordered with {second}"
