"""What a memory of a circuit takes of a device: blocks of memory, or tables of logic, and the choice among them.

A memory deeper than a block is cut into parts that are read side by side, as one memory of longer words, of which the
upper bits of the address choose one; so parts can share a block, where they are not written.  yosys (`memory_libmap`)
takes the form that costs least: blocks, plus half a unit for each bit that is chosen from one part more.  Here is the
same choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikec.backends.fpga.devices import FAMILIES


@dataclass(frozen=True)
class _Form:
    """A cell with room for `rows` words of `width` bits, with an enable to write for each `byte` bits.

    `size` is how many units of its family it takes (half a block, a table of logic).
    """

    rows: int
    width: int
    cost: int
    size: int
    byte: int


@dataclass(frozen=True)
class Stored:
    """A memory takes `blocks` (of the maker's size) or `tables` of logic; each bit is chosen from `parts`."""

    blocks: float
    tables: int
    parts: int


def _forms(bits: int, widths: tuple[int, ...], cost: int, size: int = 1) -> list[_Form]:
    """The forms of a block of `bits`; every ninth bit is beside these."""
    return [_Form(bits // (width - width // 9), width, cost, size, min(9, width)) for width in widths]


_NARROW, _WIDE = (1, 2, 4, 9, 18), (36,)
_BLOCKS: dict[str, list[_Form]] = {
    "xilinx": [
        *_forms(1 << 14, _NARROW, 129),
        *_forms(1 << 15, (*_NARROW, 36), 257, 2),
        _Form(1 << 16, 1, 513, 4, 1),
        *_forms(1 << 14, _WIDE, 129),
        *_forms(1 << 15, (72,), 257, 2),
    ],
    "ecp5": _forms(1 << 14, (*_NARROW, *_WIDE), 128),
    "ice40": [_Form(4096 // width, width, 64, 1, 1 if width == 16 else width) for width in (2, 4, 8, 16)],
    "gowin": _forms(1 << 14, (*_NARROW, *_WIDE), 128),
}
_TABLES: dict[str, list[_Form]] = {
    # RAM32M and RAM64M: four tables each, one of which is only written.
    "xilinx": [_Form(32, 6, 8, 4, 6), _Form(64, 3, 8, 4, 3)],
    # Two slices of fields, and one for the port that writes.
    "ecp5": [_Form(16, 4, 4, 6, 4)],
    "gowin": [_Form(16, 4, 4, 4, 4)],
}


_ROM = {"xilinx": 1 / 64, "ecp5": 1 / 16, "ice40": 1 / 16, "gowin": 1 / 16}
"""What a bit costs that tables of logic give, of a memory that is never written."""


def stored(family: str, depth: int, width: int, block: bool, written: bool) -> Stored:
    """What `depth` words of `width` bits take, in blocks, or in tables of logic where the family has such."""
    form, cells, _ = _best(_BLOCKS[family] if block else _TABLES[family], depth, width, written)
    parts, taken = -(-depth // form.rows), cells * form.size
    return Stored(taken / FAMILIES[family].unit, 0, parts) if block else Stored(0, taken, parts)


def is_logic(family: str, depth: int, width: int, written: bool) -> bool:
    """Whether a memory that may be anything becomes plain logic rather than blocks."""
    bit = 1 if written else _ROM[family]
    return depth * width * bit < _best(_BLOCKS[family], depth, width, written)[2]


def _best(forms: list[_Form], depth: int, width: int, written: bool) -> tuple[_Form, int, float]:
    """The form that costs least, how many cells of it, and what they cost."""
    found = []
    for form in forms:
        parts = -(-depth // form.rows)
        cells = _cells(form, parts, width, written)
        found.append((form, cells, cells * form.cost + (parts - 1) * width / 2))
    return min(found, key=lambda one: one[2])


def _cells(form: _Form, parts: int, width: int, written: bool) -> int:
    """How many cells hold `parts`; each has an enable of its own where the memory is written."""
    wide = -(-width // form.byte) * form.byte if written and parts > 1 else width
    return -(-parts * wide // form.width)
