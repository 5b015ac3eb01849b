"""The queue of a channel: words of whole steps between a core and a consumer.

A producer reserves a step before it starts on its words (`begin`, where there is `room`), so that it never has to wait
in the middle of one.
"""

from __future__ import annotations

from spikec.dialects.rtl_builder import Design, Module, Register, Signal


def fifo(design: Design, name: str, width: int, words: int, steps: int) -> Module:
    """The module: room for `steps` steps (a power of two) of `words` words.

    Ports: `begin`, `push`, `data`, `room` of the producer, `out_valid`, `out_data`, `out_ready` of the consumer.
    """
    module = design.module(name)
    begin, push, data = module.input("begin", 1), module.input("push", 1), module.input("data", width)
    ready = module.input("out_ready", 1)
    slots = steps.bit_length()  # one bit more than the numbers of the slots, to tell a full queue from an empty one
    written, _ = _place(module, "write", words, slots, push)
    valid = module.wire("valid", 1)
    pop = (valid & ready).named("pop")
    read, read_last = _place(module, "read", words, slots, pop)
    valid.drive(written.ne(read))
    held = module.reg("held", slots, init=0)
    held.next(module.mux(begin, held + 1, held - 1), enable=begin ^ (pop & read_last))
    address = (words - 1).bit_length() + slots - 1
    memory = module.mem("queue", 1 << address, width, style="distributed")
    memory.write(written[:address], data, push)
    module.output("room", ~held[slots - 1])
    module.output("out_valid", valid)
    module.output("out_data", memory.look(read[:address]))
    return module


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
