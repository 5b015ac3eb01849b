"""The queue of a channel: words of whole steps between a core and a consumer.

A producer reserves a step before it starts on its words (`begin`, where there is `room`), so that it never has to wait
in the middle of one.

A queue of many bits, one of a long delay, lies in a block of memory.  Its words are fetched ahead into two registers,
that of the block and another one behind it, since blocks are slow.
"""

from __future__ import annotations

from spikec.dialects.rtl_builder import Design, Memory, Module, Register, Signal, Wire

DISTRIBUTED = 4096
"""The most bits that lie in tables of the logic."""
FETCH = 2
"""The cycles by which a word of a block comes later."""


def delayed(width: int, words: int, steps: int) -> int:
    """The cycles by which words come later than from tables of the logic."""
    return FETCH if _depth(words, steps) * width > DISTRIBUTED else 0


def _depth(words: int, steps: int) -> int:
    """The places of a queue: in each step a power of two of words."""
    return steps << (words - 1).bit_length()


def fifo(design: Design, name: str, width: int, words: int, steps: int) -> Module:
    """The module: room for `steps` steps (a power of two) of `words` words.

    Ports: `begin`, `push`, `data`, `room` of the producer, `out_valid`, `out_data`, `out_ready` of the consumer.
    """
    module = design.module(name)
    begin, push, data = module.input("begin", 1), module.input("push", 1), module.input("data", width)
    ready = module.input("out_ready", 1)
    slots = steps.bit_length()  # one bit more than the numbers of the slots, to tell a full queue from an empty one
    written, _ = _place(module, "write", words, slots, push)
    some, pop = module.wire("some", 1), module.wire("pop", 1)
    read, read_last = _place(module, "read", words, slots, pop)
    some.drive(written.ne(read))
    held = module.reg("held", slots, init=0)
    held.next(module.mux(begin, held + 1, held - 1), enable=begin ^ (pop & read_last))
    depth, block = _depth(words, steps), delayed(width, words, steps) > 0
    # What is read in a cycle was written before it.
    memory = module.mem("queue", depth, width, style="block" if block else "distributed", exclusive=block)
    memory.write(written[: memory.address_width], data, push)
    place = read[: memory.address_width]
    valid, word = _fetched(module, memory, place, some, pop, ready) if block else (some, memory.look(place))
    if not block:
        pop.drive(some & ready)
    module.output("room", ~held[slots - 1])
    module.output("out_valid", valid)
    module.output("out_data", word)
    return module


def _fetched(
    module: Module, memory: Memory, place: Signal, some: Signal, fetch: Wire, ready: Signal
) -> tuple[Signal, Signal]:
    """Whether a word is there, and the word; `fetch` takes the next one from the block, a word a cycle."""
    first, second = module.reg("fetched", 1, init=0), module.reg("valid", 1, init=0)
    free = ~second | ready
    fetch.drive(some & (~first | free))
    first.next(fetch | (first & ~free))
    second.next(first | (second & ~ready))
    word = module.reg("word", memory.width)
    word.next(memory.read(place, "queue_read", fetch), enable=first & free)
    return second, word


def _place(module: Module, name: str, words: int, slots: int, go: Signal) -> tuple[Signal, Signal]:
    """The place of the next word, {step, number in the step}, and whether it is the last of a step."""
    slot: Register = module.reg(f"{name}_step", slots, init=0)
    if words == 1:
        slot.next(slot + 1, enable=go)
        return slot, module.constant(1, 1)
    number = module.reg(f"{name}_word", (words - 1).bit_length(), init=0)
    last = number.eq(words - 1)
    number.next(module.mux(last, 0, number + 1), enable=go)
    slot.next(slot + 1, enable=go & last)
    return module.concat(slot, number), last
