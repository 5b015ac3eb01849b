"""The encoder of a channel: takes the words of a step and gives the places of the bits that are set, one a cycle.

After those of a step it gives a token `last`, of no event.  A word without events takes one cycle, another one a cycle
for each event and one for the next word, so that while a core has G > 1 groups for each event the search is hidden.
For a core that takes an event each cycle an `eager` encoder takes the next word together with the last event of one.
"""

from __future__ import annotations

from spikec.dialects.rtl_builder import Design, Module, Signal
from spikec.runtime.rtl.circuit import Stream


def encoder(design: Design, name: str, stream: Stream, silent: int, eager: bool) -> Module:
    """The module; the first `silent` steps are not taken but without events.

    Ports: `in_valid`, `in_data`, `in_ready` of words; `valid`, `last`, `index`, `value`, `ready` of tokens.
    """
    module, width, words = design.module(name), stream.elements, stream.words
    valid, data, ready = module.input("in_valid", 1), module.input("in_data", stream.width), module.input("ready", 1)
    rest = module.reg("rest", width, init=0)
    count = module.reg("count", max(1, words.bit_length()), init=0)
    token, token_last = module.reg("token", 1, init=0), module.reg("token_last", 1)
    free = (~token | ready).named("free")
    some = rest.any().named("some")
    cleared = rest & (rest - 1)
    ended = count.eq(words)
    if silent:
        quiet = module.reg("quiet", silent.bit_length(), init=silent)
        off = quiet.any()
        quiet.next(quiet - 1, enable=free & off)
        ended = ended | off
    last = (~some & ended).named("is_last")
    empty = ~cleared.any() & (free | ~some) if eager else ~some
    take = (empty & ~ended).named("take")
    load = (take & valid).named("load")
    present = data
    if stream.bits > 1:
        values = [data[stream.bits * k : stream.bits * (k + 1)] for k in range(width)]
        present = module.concat(*(value.any() for value in values[::-1]))
    rest.next(module.mux(load, present, cleared), enable=load | (some & free))
    done = (last & free).named("done")
    count.next(module.mux(done, 0, count + 1), enable=load | done)
    token.next(some | last, enable=free)
    token_last.next(last, enable=free)
    parts = [first_set(module, rest)] if width > 1 else []
    _value(module, stream, data, load, parts[0] if parts else None, free)
    if words > 1:
        place = module.reg("place", (words - 1).bit_length())
        place.next(count[: place.width], enable=load)
        parts.insert(0, place)
    found = module.concat(*parts) if parts else module.constant(0, 1)
    index = module.reg("token_index", found.width)
    index.next(found, enable=free)
    module.output("in_ready", take)
    module.output("valid", token)
    module.output("last", token_last)
    module.output("index", index)
    return module


def _value(module: Module, stream: Stream, data: Signal, load: Signal, number: Signal | None, free: Signal) -> None:
    """The value of the event at hand; that of an event without values is 1."""
    if stream.bits == 1:
        module.output("value", module.constant(1, 1))
        return
    word = module.reg("values", stream.width)
    word.next(data, enable=load)
    found = [word[stream.bits * k : stream.bits * (k + 1)] for k in range(stream.elements)]
    for k in range(number.width if number is not None else 0):
        assert number is not None
        found = [
            module.mux(number[k], found[j + 1], found[j]) if j + 1 < len(found) else found[j]
            for j in range(0, len(found), 2)
        ]
    value = module.reg("token_value", stream.bits)
    value.next(found[0], enable=free)
    module.output("value", value)


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
