"""The hardware of a core: fields and weights in memories, and the passes over groups of lanes.

A group that was read is written `depth` + 2 cycles later, so a pass over G groups takes G' = max(G, depth + 2) cycles
(blocks of memory are read a cycle earlier, but G is larger then).
With E events a step takes G' (E + 1) cycles, G' more where there is a first pass, and one for each channel.
Events of sources whose rows are lists take the cycles of these (`lists`).

The field of a single group is a register, and a pass takes depth + 1 cycles, or one where it is `registers.is_prompt`.

    stage -1          the control chooses a group; the address of the weights (stage -2 for weights in several banks)
    stage 0           weights come from their memory; fields are read
    stage 1           the datapath begins
    stage 1 + depth   fields are written, events are sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from spikec.analysis.intervals import Interval
from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Design, Memory, Module, Register, Signal
from spikec.lower.step_to_rtl.hardware.control import LAST, START, Control, any_of, phase
from spikec.lower.step_to_rtl.hardware.datapath import Datapath, Lane
from spikec.lower.step_to_rtl.hardware.names import plain
from spikec.lower.step_to_rtl.hardware.philox import philox
from spikec.lower.step_to_rtl.hardware.registers import RegisterLane, is_prompt
from spikec.lower.step_to_rtl.programs.behaviour import CLOCK
from spikec.lower.step_to_rtl.programs.expressions import Node, bits
from spikec.lower.step_to_rtl.programs.fold import EVENT, WEIGHT, Field, Plan
from spikec.lower.step_to_rtl.rows.channel import Channel
from spikec.lower.step_to_rtl.rows.store import Store
from spikec.runtime.rtl.circuit import Shape, Stream, placed

DISTRIBUTED = 64
"""The most groups whose fields are not worth a block of memory."""


@dataclass(frozen=True)
class Parts:
    """What a core is made of: arrays of `constants` by name, widths of `values` that the host writes, names of `draws`,
    and how what it `sends` is told.  Weights lie in banks of so many rows, a power of two, if `bank` is given.  Where
    they are `writable`, that is the number of bits of each.  `reads` are fields that the host reads."""

    shape: Shape
    plan: Plan
    channels: list[Channel]
    constants: Mapping[str, Array]
    values: Mapping[str, int]
    draws: list[str]
    sends: list[Stream]
    waits: bool
    bank: int | None
    writable: int | None
    reads: list[str]


class CoreModule:
    """Builds the module of a core.  Its ports:

    - for each channel k `token{k}_valid`, `_last`, `_index`, `_value` and `_ready`; `go` and `ready` where it waits
    - for value k of the host `value{k}_write`, `_address` and `_data`, the values of one group; for draw k `key{k}`,
      and `sample` for all
    - `weights_write`, `_address` and `_data` where weights are writable
    - for field k that is read `read{k}_data`, the word of the group `read{k}_address` in the cycle before, or of all
    - for buffer k that is sent `send{k}`, the events of a group, with `push`; a step is reserved by `begin` where there
      is `room`
    """

    def __init__(self, design: Design, name: str, parts: Parts) -> None:
        self._parts, self._shape, self._plan = parts, parts.shape, parts.plan
        lanes = range(parts.shape.lanes if parts.draws else 0)
        generators = [philox(design, f"{name}_philox{k}", parts.shape, k) for k in lanes]
        self.module: Module = design.module(name)
        self._datapath = Datapath.of(parts.plan)
        self._stages: dict[tuple[str, int], Signal] = {}
        self._words: dict[str, tuple[Signal, bool]] = {}
        self._fields: dict[str, Memory | Register] = {}
        self._store = Store.of(parts.channels, parts.shape)
        # With several banks of weights, the choice among what they gave takes one stage more.
        self._banks = -(-self._rows // (parts.bank or self._rows)) if parts.channels else 1
        self._start = -1 if self._banks == 1 else -2
        taken = self.module.wire("taken", 1) if generators else None
        drawn = self._draw(generators, taken) if taken is not None else None
        single, passes = self._shape.groups == 1, self._datapath.passes
        self._prompt = frozenset(name for name, one in passes.items() if single and is_prompt(self._datapath, one))
        self.quick = single and all(one.name in self._prompt for one in parts.plan.arrive.values())
        self._span = self._datapath.depth + 1 if single else max(self._shape.groups, self._datapath.depth + 2)
        self._control = Control(
            self.module,
            once=parts.plan.start is not None,
            first=parts.plan.first is not None,
            after=[one.name for one in parts.plan.after],
            channels=parts.channels,
            groups=self._shape.groups,
            span=self._span,
            store=self._store,
            distance=self._datapath.depth + 2 + (self._style == "block"),
            quick=frozenset(name for one in self._prompt for name in self._phases(one)),
            waits=parts.waits,
            drawn=drawn,
        )
        if taken is not None:
            taken.drive(self._control.issue & self._control.state[LAST])
        self._begin()
        self._memories()
        self._lanes()
        self._readable()

    @property
    def reads(self) -> list[str]:
        """The fields that the host reads."""
        return self._parts.reads

    @property
    def settled(self) -> int:
        """After so many cycles what `begin` began is written."""
        return self._span * (1 + len(self._plan.after)) + self._datapath.depth + 4

    @property
    def before(self) -> list[int]:
        """The number of rows before those of each channel, in a memory of weights that has no lists."""
        return self._store.before

    # ------------------------------------------------------------ stages

    def _begin(self) -> None:
        """The signals of the first stage that go through the pipeline."""
        control, channels = self._control, self._parts.channels
        self._stages["valid", self._start] = control.issue
        self._stages["group", self._start] = control.group
        for one in self._plan.passes:
            self._stages[one.name, self._start] = any_of(
                self.module, [control.state[name] for name in self._phases(one.name)]
            )
        if channels:
            width, _ = self._event_bits()
            values = [
                token.value.sext(width) if channel.stream.signed else token.value.zext(width)
                for token, channel in zip(control.tokens, channels, strict=True)
            ]
            self._stages[EVENT, self._start] = self._of_channel(values)

    def _phases(self, name: str) -> list[str]:
        """The phases of a pass."""
        ports = {port for port, one in self._plan.arrive.items() if one.name == name}
        return [phase(k) for k, one in enumerate(self._parts.channels) if one.port in ports] or [name]

    def _at(self, name: str, stage: int) -> Signal:
        """A signal of the first stage in a later one; with a reset, since shift registers would be made of memory."""
        if name == "group" and self._shape.groups == 1:
            return self.module.constant(0, 1)
        if (name, stage) not in self._stages:
            before = self._at(name, stage - 1)
            register = self.module.reg(f"{plain(name)}_{stage - self._start}", before.width, init=0)
            register.next(before)
            self._stages[name, stage] = register
        return self._stages[name, stage]

    def _active(self, names: Iterable[str], stage: int) -> Signal:
        return any_of(self.module, [self._at(name, stage) for name in names])

    def _at_work(self, names: Iterable[str]) -> Signal:
        """Whether one of some passes is in stage 1, as a register."""
        key = " or ".join(names)
        if (key, self._start) not in self._stages:
            self._stages[key, self._start] = self._active(names, self._start)
        return self._at(key, 1)

    def _writes(self, names: Iterable[str]) -> Signal:
        """Whether one of some passes over a single group writes its results, as a register for each stage of that."""
        prompt = [name for name in names if name in self._prompt]
        late = [name for name in names if name not in self._prompt]
        found = []
        for some, stage in ((prompt, 1), (late, self._datapath.depth + 1)):
            key = f"write {' or '.join(some)}"
            if some and (key, self._start) not in self._stages:
                self._stages[key, self._start] = self._control.issue & self._active(some, self._start)
            found += [self._at(key, stage)] if some else []
        return any_of(self.module, found)

    def _of_channel(self, signals: list[Signal]) -> Signal:
        """The signal of the channel whose phase it is."""
        found = signals[0]
        for k, signal in enumerate(signals[1:], 1):
            found = self.module.mux(self._control.state[phase(k)], signal, found)
        return found

    def _event_bits(self) -> tuple[int, bool]:
        """The bits of values of events, and whether they have a sign."""
        streams = [channel.stream for channel in self._parts.channels]
        signed = any(stream.signed for stream in streams)
        return max(stream.bits + (signed and not stream.signed) for stream in streams), signed

    # ------------------------------------------------------------ memories

    def _memories(self) -> None:
        """What the lanes read, in words of all lanes in stage 1."""
        parts, module = self._parts, self.module
        for number, field in enumerate(self._plan.fields):
            name = field_memory(number, field.name)
            if self._shape.groups == 1:
                self._words[f"field {field.name}"] = self._register(name, field), field.range.low < 0
                continue
            self._fields[field.name] = memory = self._memory(name, field.range)
            held = self._registered(self._started(self._word_of(memory), number, field), f"held{number}")
            self._words[f"field {field.name}"] = held, field.range.low < 0
        for number, (name, array) in enumerate(parts.constants.items()):
            around = Interval(int(array.min()), int(array.max()))
            memory = self._table(f"constant{number}", array.reshape(-1), around)
            self._read(f"constant {name}", memory, f"parameter{number}", around.low < 0)
        for number, (name, width) in enumerate(parts.values.items()):
            memory = module.mem(f"value{number}", self._shape.groups, self._shape.lanes * width, style=self._style)
            address = module.input(f"value{number}_address", memory.address_width)
            data = module.input(f"value{number}_data", memory.width)
            memory.write(address, data, module.input(f"value{number}_write", 1))
            self._read(f"value {name}", memory, f"given{number}", width > 1)
        for name in parts.draws:
            self._words[f"draw {name}"] = self._at(f"draw {name}", 1), False
        if parts.channels:
            self._words[WEIGHT] = self._weights(), True

    def _readable(self) -> None:
        """The ports by which the host reads fields."""
        for k, name in enumerate(self._parts.reads):
            held = self._fields[name]
            word = held if isinstance(held, Register) else self._looked(held, f"read{k}")
            self.module.output(f"read{k}_data", word)

    def _looked(self, memory: Memory, name: str) -> Signal:
        """The word that the host named in the cycle before."""
        address = self.module.input(f"{name}_address", memory.address_width)
        if self._style == "distributed":
            return self._registered(memory.look(address), name)
        return memory.read(address, name)

    def _register(self, name: str, field: Field) -> Register:
        """The field of a single group."""
        width, start = bits(field.range), np.broadcast_to(field.start, self._shape.size)
        init = sum((int(value) & ((1 << width) - 1)) << (width * k) for k, value in enumerate(start))
        register = self.module.reg(name, self._shape.lanes * width, init=init)
        self._fields[field.name] = register
        return register

    @property
    def _style(self) -> str:
        """A few groups lie in the tables of the logic, more of them in blocks of memory."""
        return "distributed" if self._shape.groups <= DISTRIBUTED else "block"

    def _started(self, word: Signal, number: int, field: Field) -> Signal:
        """A word of a field, or the start of its elements; a register takes a constant without logic before it."""
        if field.is_uniform:
            start = self._constant_word(int(field.start.flat[0]), bits(field.range))
        else:
            start = self._word_of(self._table(f"start{number}", field.start, field.range))
        return self.module.mux(self._at(START, 0), start, word)

    def _constant_word(self, value: int, width: int) -> Signal:
        """The same number in all lanes."""
        lanes = range(self._shape.lanes)
        return self.module.constant(sum((value & ((1 << width) - 1)) << (width * k) for k in lanes), width * len(lanes))

    def _read(self, name: str, memory: Memory, register: str, signed: bool) -> None:
        self._words[name] = self._registered(self._word_of(memory), register), signed

    def _word_of(self, memory: Memory) -> Signal:
        """The word of the group in stage 0; a block is read a stage before, so that it is there at the same time."""
        return memory.look(self._at("group", 0)) if self._style == "distributed" else memory.read(self._at("group", -1))

    def _registered(self, signal: Signal, name: str) -> Signal:
        register = self.module.reg(name, signal.width)
        register.next(signal)
        return register

    def _memory(self, name: str, around: Interval) -> Memory:
        """A memory for a number of each element, in words of all lanes."""
        return self.module.mem(name, self._shape.groups, self._shape.lanes * bits(around), style=self._style)

    def _table(self, name: str, array: Array, around: Interval) -> Memory:
        """Numbers of each element that stay; of a few groups they are logic, since LUT memory holds no constants."""
        shape = self._shape
        rows = np.zeros(shape.groups * shape.lanes, np.int64)
        rows[: shape.size] = placed(np.broadcast_to(array, shape.size), shape.order)
        width, style = bits(around), "auto" if self._style == "distributed" else self._style
        content = two_complement(rows.reshape(shape.groups, shape.lanes), width)
        return self.module.mem(name, shape.groups, shape.lanes * width, content, style)

    def _weights(self) -> Signal:
        """The weights of the token at hand to a group of targets, in stage 1."""
        shape, module = self._shape, self.module
        width = self._parts.writable or self._store.weight_bits
        content = two_complement(self._store.words, width)
        address = self._address(max(1, (self._rows - 1).bit_length()))
        depth = self._parts.bank if self._banks > 1 and self._parts.bank else self._rows
        words, memories = [], []
        for k in range(self._banks):
            part = content[k * depth : (k + 1) * depth]
            # A bank of a power of two of rows needs no choice inside.
            held = len(part) if self._banks == 1 else 1 << (len(part) - 1).bit_length()
            writable = self._parts.writable is not None
            memory = module.mem(f"weights{k}", held, shape.lanes * width, part, style="block", exclusive=writable)
            read = memory.read(address[: memory.address_width], f"weights{k}_read")
            words.append(self._registered(read, f"weights{k}_word"))
            memories.append(memory)
        if self._parts.writable is not None:
            self._written(memories, address.width, depth)
        if self._banks == 1:
            return words[0]
        number = address[(depth - 1).bit_length() :]
        for stage in range(self._start + 1, 1):
            number = self._registered(number, f"bank_{stage - self._start}")
        found = words[0]
        for k, word in enumerate(words[1:], 1):
            found = module.mux(number.eq(k), word, found)
        return self._registered(found, "weights_word")

    def _written(self, banks: list[Memory], width: int, depth: int) -> None:
        """The port of the host, which writes while nothing is read, for banks of `depth` words."""
        module = self.module
        write, address = module.input("weights_write", 1), module.input("weights_address", width)
        data = module.input("weights_data", banks[0].width)
        for k, bank in enumerate(banks):
            here = write & address[(depth - 1).bit_length() :].eq(k) if len(banks) > 1 else write
            bank.write(address[: bank.address_width], data, here)

    @property
    def _rows(self) -> int:
        """The words of all weights."""
        return len(self._store.words)

    def _address(self, width: int) -> Signal:
        """An entry of a list, or the word of a source for the group."""
        control = self._control
        walk = None if control.walk is None else fitted(control.walk.place, width)
        if walk is not None and all(channel.listed for channel in self._parts.channels):
            return walk
        full = self._full_address(width)
        return full if walk is None or control.walk is None else self.module.mux(control.walk.issue, walk, full)

    def _full_address(self, width: int) -> Signal:
        """token * G + group."""
        groups, numbers = self._shape.groups, []
        for offer, channel, before in zip(self._control.tokens, self._parts.channels, self._store.before, strict=True):
            number = fitted(offer.index, width)
            numbers.append(number + before if before and not channel.listed else number)
        token = self._of_channel(numbers)
        group = fitted(self._control.counter, width)
        if groups == 1 or self._rows == groups:
            return token if groups == 1 else group
        if groups & (groups - 1) == 0:
            low = groups.bit_length() - 1
            return self.module.concat(token[: width - low], self._control.counter)
        for k in range(groups.bit_length()):
            if groups >> k & 1:
                group = group + (token << k if k else token)
        return group

    # ------------------------------------------------------------ random numbers

    def _draw(self, generators: list[Module], taken: Signal) -> Signal:
        """Random numbers for the elements of the group at hand, in stage -1; whether all are there."""
        module = self.module
        sample, missing = module.input("sample", 32), []
        for number, draw in enumerate(self._parts.draws):
            key, words = module.input(f"key{number}", 64), []
            for lane, generator in enumerate(generators):
                inputs = {"key": key, "sample": sample, "ready": taken}
                ports = module.instance(generator, f"draw{number}_{lane}", inputs)
                missing.append(~ports["valid"])
                words.append(ports["drawn"])
            self._stages[f"draw {draw}", self._start] = drawn = module.concat(*words[::-1])
            if self._shape.groups == 1:  # what a single group reads stays
                kept = module.reg(f"drawn{number}", drawn.width)
                kept.next(drawn, enable=taken)
                self._stages[f"draw {draw}", self._start + 1] = kept
        return ~any_of(module, missing)

    # ------------------------------------------------------------ lanes

    def _lanes(self) -> None:
        """The datapath of each lane, and what becomes of its results."""
        last, module = self._datapath.depth + 1, self.module
        numbers = range(self._shape.lanes)
        if self._shape.groups == 1:
            single = [self._register_lane(k) for k in numbers]
            for field in self._plan.fields:
                self._hold(field, single)
            lanes: Sequence[Lane] = single
        else:
            lanes = [Lane(module, f"lane{k}", self._datapath, self._source(k), self._active) for k in numbers]
            for field in self._plan.fields:
                self._write(field, lanes, last)
        for number in range(len(self._parts.sends)):
            self._send(number, lanes, last)
        push = module.reg("push", 1, init=0)
        push.next(self._during(["last"], last))
        module.output("push", push)

    def _register_lane(self, k: int) -> RegisterLane:
        sources = self._source(k)
        return RegisterLane(self.module, f"lane{k}", self._datapath, sources, self._at_work, self._prompt)

    def _results(self, field: Field) -> dict[str, Node]:
        """What the passes that change a field make of it."""
        passes = self._datapath.passes
        return {name: one.results[field.name] for name, one in passes.items() if field.name in one.results}

    def _hold(self, field: Field, lanes: list[RegisterLane]) -> None:
        """What becomes of a field in a register."""
        register, width, nodes = self._fields[field.name], bits(field.range), self._results(field)
        assert isinstance(register, Register)
        now = [register[k * width : (k + 1) * width] for k in range(len(lanes))]
        written = [lane.written(field.name, one, nodes, self._writes) for lane, one in zip(lanes, now, strict=True)]
        register.next(self._word(written))

    def _write(self, field: Field, lanes: list[Lane], last: int) -> None:
        """What becomes of a field in a memory."""
        memory, nodes, width = self._fields[field.name], self._results(field), bits(field.range)
        assert isinstance(memory, Memory)
        if nodes:
            data = self._word([lane.result(nodes, width) for lane in lanes])
            memory.write(self._at("group", last), data, self._during(nodes, last))

    def _word(self, lanes: list[Signal]) -> Signal:
        return self.module.concat(*lanes[::-1])

    def _during(self, passes: Iterable[str], stage: int) -> Signal:
        """Whether a group of one of some passes is in a stage."""
        names = list(passes)
        valid = self._at("valid", stage)
        return valid & self._active(names, stage) if len(names) < len(self._datapath.passes) else valid

    def _send(self, number: int, lanes: Sequence[Lane], last: int) -> None:
        """The events of a group; the lanes of the last group that have no element send none."""
        shape, module, width = self._shape, self.module, self._parts.sends[number].bits
        node = list(self._plan.last.events.values())[number]
        found = [lane.result({"last": node}, width) for lane in lanes]
        beyond = shape.groups * shape.lanes - shape.size
        if beyond:
            final = self._at("group", last).eq(shape.groups - 1)
            found[-beyond:] = [module.mux(final, 0, one) for one in found[-beyond:]]
        module.output(f"send{number}", self._registered(self._word(found), f"events{number}"))

    def _source(self, lane: int) -> Callable[[str], tuple[Signal, bool]]:
        """What a lane sees in stage 1, by name, and whether it has a sign."""
        slices: dict[str, Signal] = {}

        def found(name: str) -> tuple[Signal, bool]:
            if name == EVENT:
                return self._at(EVENT, 1), self._event_bits()[1]
            if name == CLOCK:
                self._words[CLOCK] = self._words.get(CLOCK) or (self._clock(), False)
                return self._words[CLOCK]
            if name == "index" and self._shape.order is None:
                slices[name] = slices.get(name) or self._index(lane)
                return slices[name], False
            if name == "index" and name not in self._words:
                around = Interval(0, self._shape.size - 1)
                self._read(name, self._table("numbers", np.arange(self._shape.size), around), "number", False)
            word, signed = self._words[name]
            width = word.width // self._shape.lanes
            slices[name] = slices.get(name) or word[lane * width : (lane + 1) * width]
            return slices[name], signed

        return found

    def _clock(self) -> Signal:
        """The number of the step in stage 1, up to the last one that is told apart."""
        most = next(int(node.range.high) for node in self._datapath.level if node.value == CLOCK)
        count = self.module.reg("clock", most.bit_length(), init=0)
        count.next(count + 1, enable=self._control.step_done & count.ne(most))
        self._stages[CLOCK, self._start] = count
        return self._at(CLOCK, 1)

    def _index(self, lane: int) -> Signal:
        """The number of the element: group * P + lane."""
        shape = self._shape
        width = max(1, (shape.groups * shape.lanes - 1).bit_length())
        if shape.groups == 1:
            return self.module.constant(lane, width)
        return fitted(self._at("group", 1), width) * shape.lanes + lane


def field_memory(number: int, name: str) -> str:
    """What the memory of a field is called."""
    return f"field{number}_{plain(name)}"


def fitted(signal: Signal, width: int) -> Signal:
    """The lowest bits of an unsigned number, or the number in more bits."""
    return signal[:width] if width <= signal.width else signal.zext(width)


def two_complement(rows: Array, width: int) -> Array:
    """The lowest bits of numbers, as numbers with a sign in the smallest type that has them."""
    size = next(size for size in (8, 16, 32, 64) if width <= size)
    shift = np.int64(64 - width)
    return ((rows << shift) >> shift).astype(f"i{size // 8}")
