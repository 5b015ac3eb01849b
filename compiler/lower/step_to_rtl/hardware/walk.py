"""Walks the list of a token: reads where it is, then goes through its entries, one a cycle.

    cycle 0       the table of the sources is read, or the first one of two
    cycle 1       the second one is read, if there is one
    cycle L - 1   place, length and first group come into registers
    cycle L, ...  an entry each: its place, and the group that its weights are for

A group that is read has to be written before it is read again, `distance` cycles later, and lists come in any order of
groups: a list begins when the groups of the one before are written.  The L cycles before its entries count for that.
"""

from __future__ import annotations

from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Module, Signal
from spikec.lower.step_to_rtl.rows.lists import Lists

SMALL = 4096
"""The bits of a table that is not worth a block of memory."""


class Walk:
    """The registers; `issue` is 1 for an entry, the one at `place`, with weights for `group`; `done` ends a list."""

    def __init__(self, module: Module, lists: Lists, groups: int, distance: int) -> None:
        self._module, self._lists, self._sources = module, lists, lists.sources
        self.index_width = max(1, (len(lists.count) - 1).bit_length())
        # Whether a group was read so many cycles ago.
        self._recent = [module.reg(f"issued_{k}", 1, init=0) for k in range(1, distance - 1)]
        self._looked = [module.reg(f"looked_{k}", 1, init=0) for k in range(self._sources.steps)]
        self._left = module.reg("entries_left", self._sources.widths[1], init=0)
        self.place = module.reg("entry", max(1, (len(lists.words) - 1).bit_length()))
        self.group = module.reg("entry_group", max(1, (groups - 1).bit_length()))
        self.issue = self._left.any().named("walking")
        self.done: Signal = module.constant(0, 1)

    def walk(self, index: Signal, event: Signal) -> None:
        """Takes the source `index` where `event` is 1, until `done`."""
        module, found = self._module, self._looked[-1]
        busy = module.concat(self.issue, *self._looked).any()
        begin = event & ~busy & self._settled(len(self._recent) - self._sources.steps)
        for register, before in zip(self._looked, [begin, *self._looked[:-1]], strict=True):
            register.next(before)
        first, count, group = self._row(index)
        place = module.mux(found, first, self.place + 1)
        active = found | self.issue
        self.place.next(place, enable=active)
        self._left.next(module.mux(found, count, self._left - 1), enable=active)
        self.group.next(module.mux(found, group, self.group + self._gap(place)), enable=active)
        self.done = ((found & ~count.any()) | (self.issue & self._left.eq(1))).named("list_done")

    def ended(self, last: Signal) -> Signal:
        """Whether all that was read is written, where `last` says that no list follows."""
        return last & self._settled(len(self._recent))

    def track(self, issue: Signal) -> None:
        """What the core reads, in whatever pass."""
        for register, before in zip(self._recent, [issue, *self._recent[:-1]], strict=True):
            register.next(before)

    def _settled(self, cycles: int) -> Signal:
        """Whether nothing was read in the last cycles."""
        if cycles <= 0:
            return self._module.constant(1, 1)
        return ~self._module.concat(*self._recent[:cycles]).any()

    def _row(self, index: Signal) -> tuple[Signal, Signal, Signal]:
        """First entry, number of entries and first group of a source, in the cycle in which it is found."""
        sources, (first, count, ahead) = self._sources, self._sources.widths
        base, number = None, index
        if sources.base is not None:
            bits, kinds = sources.far_widths
            block = self._read("blocks", sources.far, bits + kinds, index[sources.low :])
            base = self._module.reg("block_group", self.group.width)
            base.next(block[:bits].zext(base.width))
            number = self._module.concat(block[bits:], index[: sources.low]) if sources.low else block[bits:]
        word = self._read("rows", sources.near, first + count + ahead, number)
        group = word[first + count :].zext(self.group.width)
        return word[:first].zext(self.place.width), word[first : first + count], group if base is None else group + base

    def _gap(self, place: Signal) -> Signal | int:
        """How far it is to the group of the next entry, in the cycle after."""
        width = self._lists.gap_bits
        return self._read("gaps", self._lists.gap, width, place).zext(self.group.width) if width else 0

    def _read(self, name: str, content: Array, width: int, address: Signal) -> Signal:
        """The word of a table, in the cycle after."""
        style = "block" if len(content) * width > SMALL else "auto"
        memory = self._module.mem(name, len(content), width, content, style=style)
        wide = memory.address_width
        return memory.read(address[:wide] if address.width > wide else address.zext(wide), f"{name}_word")
