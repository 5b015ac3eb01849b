"""The encoder of a channel: takes the words of a step and gives the places of the bits that are set, one a cycle.

After those of a step it gives a token `last`, of no event.  A word without events takes one cycle, another one a cycle
for each event and one for the next word, so that while a core has G > 1 groups for each event the search is hidden.
For a core that takes an event each cycle an `eager` encoder takes the next word together with the last event of one,
and looks for words that have events ahead of that.

The search in a word of many elements goes by levels with registers between them: first for a part that has events, then
in this part, so that no level looks at more than `FLAT` elements or chooses among more than `PARTS` parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.rtl_builder import Design, Module, Register, Signal, Wire
from spikec.runtime.rtl.circuit import Stream

FLAT = 32
"""The most elements among which one level finds an event."""
PARTS = 8
"""The parts of a larger word."""


@dataclass(frozen=True)
class _Pieces:
    """What a level offers: `data` of some elements, and `place`, where in the step they lie, or the `end` of a step.

    The next level takes a piece with `ready`, an end with `passed`.
    """

    valid: Signal
    end: Signal
    data: Signal
    place: list[Signal]
    ready: Wire
    passed: Wire


def encoder(design: Design, name: str, stream: Stream, silent: int, eager: bool) -> Module:
    """The module; the first `silent` steps are not taken but without events.

    Ports: `in_valid`, `in_data`, `in_ready` of words; `valid`, `last`, `index`, `value`, `ready` of tokens.
    """
    module = design.module(name)
    pieces, size = _words(module, stream, silent), stream.elements
    for part in levels(stream, eager):
        name = "token" if part == 1 else f"part{part}"
        pieces, size = _level(module, name, pieces, size, part, stream.bits, eager), part
    tokens, ready = pieces, module.input("ready", 1)
    tokens.ready.drive(ready)
    tokens.passed.drive(ready)
    module.output("valid", tokens.valid | tokens.end)
    module.output("last", tokens.end)
    module.output("index", tokens.place[0] if tokens.place else module.constant(0, 1))
    module.output("value", tokens.data)
    return module


def levels(stream: Stream, eager: bool) -> list[int]:
    """The elements of the parts that each level of an encoder gives; a whole word, where one looks ahead."""
    found, size = [stream.elements] if eager and stream.words > 1 and stream.elements > 1 else [], stream.elements
    while size > FLAT:
        size = (1 << (size - 1).bit_length()) // PARTS
        found.append(size)
    return [*found, 1]


def _words(module: Module, stream: Stream, silent: int) -> _Pieces:
    """The words that come in; their place is their number."""
    words = stream.words
    valid, data = module.input("in_valid", 1), module.input("in_data", stream.width)
    ready, passed = module.wire("word_ready", 1), module.wire("word_passed", 1)
    count = module.reg("count", max(1, words.bit_length()), init=0)
    ended = count.eq(words)
    if silent:
        quiet = module.reg("quiet", silent.bit_length(), init=silent)
        off = quiet.any()
        quiet.next(quiet - 1, enable=passed & off)
        ended = ended | off
    ended = ended.named("ended")
    more = ~ended
    module.output("in_ready", ready & more)
    count.next(module.mux(passed, 0, count + 1), enable=passed | (ready & more & valid))
    return _Pieces(valid & more, ended, data, [count[: (words - 1).bit_length()]] if words > 1 else [], ready, passed)


def _level(module: Module, name: str, given: _Pieces, size: int, part: int, bits: int, eager: bool) -> _Pieces:
    """Gives those parts, of `part` elements, of the pieces of `size` elements that have events; registered."""
    count = -(-size // part)
    full, end = module.reg(f"{name}_valid", 1, init=0), module.reg(f"{name}_end", 1, init=0)
    ready, passed = module.wire(f"{name}_ready", 1), module.wire(f"{name}_passed", 1)
    free = (~(full | end) | (full & ready) | (end & passed)).named(f"{name}_free")
    rest = module.reg(f"{name}_rest", count, init=0)
    some, cleared = rest.any().named(f"{name}_some"), rest & (rest - 1)
    room = ~cleared.any() & (free | ~some) if eager else ~some
    load, over = given.valid & room, (given.end & ~some).named(f"{name}_over")
    given.ready.drive(room)
    given.passed.drive(over & free)
    parts = _parts(module, given.data, count, part * bits)
    present = given.data if part * bits == 1 else module.concat(*(one.any() for one in parts[::-1]))
    rest.next(module.mux(load, present, cleared), enable=load | (some & free))
    full.next(some, enable=free)
    end.next(over, enable=free)
    place: list[Signal] = []
    if given.place:
        outer = module.reg(f"{name}_outer", given.place[0].width)
        outer.next(given.place[0], enable=load)
        place.append(outer)
    data: Signal = module.constant(1, 1)
    if count > 1:
        place.append(first_set(module, rest))
    if part * bits > 1:
        word = module.reg(f"{name}_word", given.data.width)
        word.next(given.data, enable=load)
        chosen = _chosen(module, _parts(module, word, count, part * bits), place[-1] if count > 1 else None)
        data = _kept(module, f"{name}_data", chosen, free)
    found: list[Signal] = [_kept(module, f"{name}_index", module.concat(*place), free)] if place else []
    return _Pieces(full, end, data, found, ready, passed)


def _parts(module: Module, data: Signal, count: int, width: int) -> list[Signal]:
    padded = data.zext(count * width)
    return [padded[k * width : (k + 1) * width] for k in range(count)]


def _kept(module: Module, name: str, signal: Signal, enable: Signal) -> Register:
    register = module.reg(name, signal.width)
    register.next(signal, enable=enable)
    return register


def _chosen(module: Module, found: list[Signal], number: Signal | None) -> Signal:
    """One of some signals, by its number."""
    for k in range(number.width if number is not None else 0):
        assert number is not None
        pairs = [found[j : j + 2] for j in range(0, len(found), 2)]
        found = [module.mux(number[k], pair[1], pair[0]) if len(pair) > 1 else pair[0] for pair in pairs]
    return found[0]


def first_set(module: Module, word: Signal) -> Signal:
    """The number of the lowest bit of a word that is 1, by a tree of halves."""
    return _lowest(module, word.zext(1 << (word.width - 1).bit_length()))[1]


def _lowest(module: Module, word: Signal) -> tuple[Signal, Signal]:
    """Whether a bit is 1, and the number of the lowest; of two bits or more."""
    if word.width == 2:
        return word.any(), ~word[0]
    half = word.width // 2
    low_any, low = _lowest(module, word[:half])
    high_any, high = _lowest(module, word[half:])
    return low_any | high_any, module.concat(~low_any, module.mux(low_any, low, high))
