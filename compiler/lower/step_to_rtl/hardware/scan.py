"""Finds the element whose value is highest or lowest, one element a cycle; of equals the first."""

from __future__ import annotations

from spikec.dialects.rtl_builder import Design, Module, Signal
from spikec.runtime.rtl.circuit import Read


def scan(design: Design, name: str, read: Read, lowest: bool) -> Module:
    """The module.

    A cycle of `start` makes it go from one `address` to the next; `word` is what was there in the cycle before.  While
    it is `busy` it needs the address.  `index` is right from when `valid` is 1 until the next start.
    """
    module, shape = design.module(name), read.shape
    start, word = module.input("start", 1), module.input("word", shape.lanes * read.width)
    width = max(1, (shape.size - 1).bit_length())
    busy, looked = module.reg("busy", 1, init=0), module.reg("looked", 1, init=0)
    place, number = module.reg("place", width, init=0), module.reg("number", width)
    end = place.eq(shape.size - 1)
    busy.next((busy & ~end) | start)
    place.next(module.mux(busy & ~end & ~start, place + 1, 0))
    looked.next(busy & ~start)
    number.next(place)
    value = _lane(module, word, number, read)
    best, index = module.reg("best", read.width), module.reg("index", width)
    one, other = (value, best) if lowest else (best, value)
    better = looked & (number.eq(0) | (one.slt(other) if read.signed else one.ult(other)))
    best.next(value, enable=better)
    index.next(number, enable=better)
    valid = module.reg("valid", 1, init=0)
    valid.next(~start & (valid | (looked & ~busy)))
    low = (shape.lanes - 1).bit_length()
    module.output("address", place[low:] if shape.groups > 1 else module.constant(0, 1))
    module.output("busy", busy)
    module.output("valid", valid)
    module.output("index", index)
    return module


def _lane(module: Module, word: Signal, number: Signal, read: Read) -> Signal:
    """The value of the element `number` in the word of its group."""
    found = [word[k * read.width : (k + 1) * read.width] for k in range(read.shape.lanes)]
    for k in range((read.shape.lanes - 1).bit_length()):
        pairs = [found[j : j + 2] for j in range(0, len(found), 2)]
        found = [module.mux(number[k], pair[1], pair[0]) if len(pair) > 1 else pair[0] for pair in pairs]
    return found[0]
