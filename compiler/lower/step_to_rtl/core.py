"""The hardware of a core: fields and weights in memories, and the passes over groups of lanes.

A group that was read is written `depth` + 2 cycles later, so a pass over G groups takes G' = max(G, depth + 2) cycles
(blocks of memory are read a cycle earlier, but G is larger then).
With E events a step takes G' (E + 1) cycles, G' more where there is a first pass, and one for each channel.

The field of a single group is a register.  Where all that arrives is one addition, it is made in one cycle, and a step
takes E + 2 (depth + 2) cycles.

    stage -1          the control chooses a group; the address of the weights (stage -2 for weights in several banks)
    stage 0           weights come from their memory; fields are read
    stage 1           the datapath begins
    stage 1 + depth   fields are written, events are sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from spikec.analysis.intervals import Interval
from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Design, Memory, Module, Register, Signal
from spikec.lower.step_to_rtl.channel import Channel
from spikec.lower.step_to_rtl.control import LAST, Control, any_of, phase
from spikec.lower.step_to_rtl.datapath import Datapath, Lane
from spikec.lower.step_to_rtl.expressions import bits
from spikec.lower.step_to_rtl.fold import EVENT, WEIGHT, Field, Plan
from spikec.lower.step_to_rtl.names import plain
from spikec.lower.step_to_rtl.philox import philox
from spikec.runtime.rtl.circuit import Shape, Stream

DISTRIBUTED = 64
"""The most groups whose fields are not worth a block of memory."""


@dataclass(frozen=True)
class Parts:
    """What a core is made of: arrays of `constants` by name, widths of `values` that the host writes, names of `draws`,
    and how what it `sends` is told.  Weights lie in banks of so many rows, a power of two, if `bank` is given."""

    shape: Shape
    plan: Plan
    channels: list[Channel]
    constants: Mapping[str, Array]
    values: Mapping[str, int]
    draws: list[str]
    sends: list[Stream]
    waits: bool
    bank: int | None


class CoreModule:
    """Builds the module of a core.  Its ports:

    - for each channel k `token{k}_valid`, `_last`, `_index`, `_value` and `_ready`; `go` and `ready` where it waits
    - for value k of the host `value{k}_write`, `_address` and `_data`, the values of one group; for draw k `key{k}`,
      and `sample` for all
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
        # With several banks of weights, the choice among what they gave takes one stage more.
        self._banks = -(-self._rows // (parts.bank or self._rows)) if parts.channels else 1
        self._start = -1 if self._banks == 1 else -2
        taken = self.module.wire("taken", 1) if generators else None
        drawn = self._draw(generators, taken) if taken is not None else None
        self.quick = self._shape.groups == 1 and self._datapath.sums_at_once(parts.plan.arrive.values())
        self._control = Control(
            self.module,
            first=parts.plan.first is not None,
            channels=parts.channels,
            groups=self._shape.groups,
            span=max(self._shape.groups, self._datapath.depth + 2),
            quick=self.quick,
            waits=parts.waits,
            drawn=drawn,
        )
        if taken is not None:
            taken.drive(self._control.issue & self._control.state[LAST])
        self._begin()
        self._memories()
        self._lanes()

    # ------------------------------------------------------------ stages

    def _begin(self) -> None:
        """The signals of the first stage that go through the pipeline."""
        control, channels = self._control, self._parts.channels
        self._stages["valid", self._start] = control.issue
        self._stages["group", self._start] = control.group
        for one in self._plan.passes:
            ports = {port for port, other in self._plan.arrive.items() if other.name == one.name}
            phases = [phase(k) for k, channel in enumerate(channels) if channel.port in ports]
            self._stages[one.name, self._start] = any_of(
                self.module, [control.state[name] for name in phases or [one.name]]
            )
        if channels:
            width, signed = self._event_bits()
            values = [token.value.sext(width) if signed else token.value.zext(width) for token in control.tokens]
            self._stages[EVENT, self._start] = self._of_channel(values)

    def _at(self, name: str, stage: int) -> Signal:
        """A signal of the first stage in a later one; with a reset, since shift registers would be made of memory."""
        if (name, stage) not in self._stages:
            before = self._at(name, stage - 1)
            register = self.module.reg(f"{plain(name)}_{stage - self._start}", before.width, init=0)
            register.next(before)
            self._stages[name, stage] = register
        return self._stages[name, stage]

    def _active(self, names: Iterable[str], stage: int) -> Signal:
        return any_of(self.module, [self._at(name, stage) for name in names])

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
            memory = self._memory(name, field.start, field.range)
            self._fields[field.name] = memory
            self._read(f"field {field.name}", memory, f"held{number}", field.range.low < 0)
        for number, (name, array) in enumerate(parts.constants.items()):
            around = Interval(int(array.min()), int(array.max()))
            memory = self._memory(f"constant{number}", array.reshape(-1), around)
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

    def _read(self, name: str, memory: Memory, register: str, signed: bool) -> None:
        """A block is read a stage before, so that its word is there at the same time."""
        word = memory.look(self._at("group", 0)) if self._style == "distributed" else memory.read(self._at("group", -1))
        self._words[name] = self._registered(word, register), signed

    def _registered(self, signal: Signal, name: str) -> Signal:
        register = self.module.reg(name, signal.width)
        register.next(signal)
        return register

    def _memory(self, name: str, array: Array, around: Interval) -> Memory:
        """Numbers of each element, in words of all lanes; what is 0 at first needs no content."""
        shape = self._shape
        rows = np.zeros(shape.groups * shape.lanes, np.int64)
        rows[: shape.size] = array
        content = two_complement(rows.reshape(shape.groups, shape.lanes), bits(around)) if rows.any() else None
        return self.module.mem(name, shape.groups, shape.lanes * bits(around), content, self._style)

    def _weights(self) -> Signal:
        """The weights of the token at hand to a group of targets, in stage 1."""
        shape, module = self._shape, self.module
        rows = np.concatenate([channel.weights for channel in self._parts.channels])
        padded = np.zeros((len(rows), shape.groups * shape.lanes), np.int64)
        padded[:, : shape.size] = rows
        width = bits(Interval(min(-1, int(padded.min())), int(padded.max())))
        content = two_complement(padded.reshape(-1, shape.lanes), width)
        address = self._address(max(1, (self._rows - 1).bit_length()))
        depth = self._parts.bank if self._banks > 1 and self._parts.bank else self._rows
        words = []
        for k in range(self._banks):
            part = content[k * depth : (k + 1) * depth]
            # A bank of a power of two of rows needs no choice inside.
            held = len(part) if self._banks == 1 else 1 << (len(part) - 1).bit_length()
            memory = module.mem(f"weights{k}", held, shape.lanes * width, part, style="block")
            read = memory.read(address[: memory.address_width], f"weights{k}_read")
            words.append(self._registered(read, f"weights{k}_word"))
        if self._banks == 1:
            return words[0]
        number = address[(depth - 1).bit_length() :]
        for stage in range(self._start + 1, 1):
            number = self._registered(number, f"bank_{stage - self._start}")
        found = words[0]
        for k, word in enumerate(words[1:], 1):
            found = module.mux(number.eq(k), word, found)
        return self._registered(found, "weights_word")

    @property
    def _rows(self) -> int:
        """The words of all weights."""
        return sum(len(channel.weights) for channel in self._parts.channels) * self._shape.groups

    def _address(self, width: int) -> Signal:
        """token * G + group; the rows of the channels follow each other."""
        numbers, before = [], 0
        for offer, channel in zip(self._control.tokens, self._parts.channels, strict=True):
            number = fitted(offer.index, width)
            numbers.append(number + before if before else number)
            before += len(channel.weights)
        token, groups = self._of_channel(numbers), self._shape.groups
        group = fitted(self._control.group, width)
        if groups == 1 or before == 1:
            return token if groups == 1 else group
        if groups & (groups - 1) == 0:
            low = groups.bit_length() - 1
            return self.module.concat(token[: width - low], self._control.group)
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
            self._stages[f"draw {draw}", self._start] = module.concat(*words[::-1])
        return ~any_of(module, missing)

    # ------------------------------------------------------------ lanes

    def _lanes(self) -> None:
        """The datapath of each lane, and what becomes of its results."""
        last, module = self._datapath.depth + 1, self.module
        lanes = [
            Lane(module, f"lane{k}", self._datapath, self._source(k), self._active) for k in range(self._shape.lanes)
        ]
        for field in self._plan.fields:
            self._write(field, lanes, last)
        for number in range(len(self._parts.sends)):
            self._send(number, lanes, last)
        push = module.reg("push", 1, init=0)
        push.next(self._during(["last"], last))
        module.output("push", push)

    def _write(self, field: Field, lanes: list[Lane], last: int) -> None:
        """What becomes of a field; in a single group that is quick, what arrives is added at once."""
        held, width, passes = self._fields[field.name], bits(field.range), self._datapath.passes
        nodes = {name: one.results[field.name] for name, one in passes.items() if field.name in one.results}
        arriving = {one.name for one in self._plan.arrive.values() if self.quick}
        early = {name: node for name, node in nodes.items() if name in arriving}
        late = {name: node for name, node in nodes.items() if name not in arriving}
        if isinstance(held, Memory):
            if late:
                data = self._word([lane.result(late, width) for lane in lanes])
                held.write(self._at("group", last), data, self._during(late, last))
            return
        data, enable = held, self._during(nodes, last)
        if late:
            data = self._word([lane.result(late, width) for lane in lanes])
        if early:
            now = self._during(early, 1)
            data = self.module.mux(now, self._word([lane.at_once(early, width) for lane in lanes]), data)
            enable = now | self._during(late, last) if late else now
        held.next(data, enable)

    def _word(self, lanes: list[Signal]) -> Signal:
        return self.module.concat(*lanes[::-1])

    def _during(self, passes: Iterable[str], stage: int) -> Signal:
        """Whether a group of one of some passes is in a stage."""
        names = list(passes)
        valid = self._at("valid", stage)
        return valid & self._active(names, stage) if len(names) < len(self._datapath.passes) else valid

    def _send(self, number: int, lanes: list[Lane], last: int) -> None:
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
            if name == "index":
                slices[name] = slices.get(name) or self._index(lane)
                return slices[name], False
            word, signed = self._words[name]
            width = word.width // self._shape.lanes
            slices[name] = slices.get(name) or word[lane * width : (lane + 1) * width]
            return slices[name], signed

        return found

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
