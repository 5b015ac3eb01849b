"""The hardware of a core: fields and weights in memories, the passes over groups of lanes, and what controls them.

Element n is lane n mod P of group n div P.  A pass visits the G groups one after the other, one a cycle; a group that
was read is written `depth` + 2 cycles later, so a pass takes G' = max(G, depth + 2) cycles.  With E events a step takes
G' (E + 1) cycles, and G' more where there is a first pass, and one for each channel.

    cycle 0   the address of the weights, from the token and the group
    cycle 1   weights come from their memory; fields are read
    cycle 2   stage 1 of the datapath
    cycle 2 + depth   the last stage: fields are written, events are sent
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Design, Memory, Module, Register, Signal
from spikec.lower.step_to_rtl.datapath import Datapath, Lane
from spikec.lower.step_to_rtl.expressions import bits
from spikec.lower.step_to_rtl.fold import EVENT, Plan
from spikec.lower.step_to_rtl.philox import philox
from spikec.lower.step_to_rtl.shape import Shape, Stream


@dataclass(frozen=True)
class Channel:
    """What a core needs to know of one that comes in: its port, what its tokens stand for, their rows of weights."""

    port: str
    stream: Stream
    weights: Array

    @property
    def index_width(self) -> int:
        return max(1, (self.stream.words - 1).bit_length() + (self.stream.elements - 1).bit_length())


class CoreModule:
    """Builds the module of a core.

    Ports, for each channel k: `token{k}_valid`, `token{k}_last`, `token{k}_index`, `token{k}_value`, `token{k}_ready`.  Without channels:
    `go` and `ready`, for one step: the core with values waits for `go` before its last pass, and `ready` is the cycle in
    which that was read; others wait for the tokens alone.  For the value number k of the host: `value{k}_write`,
    `value{k}_address`, `value{k}_data`, the values of one group; for a draw: `key`, `sample`.  For each buffer that is sent, by its number: `send{k}`, the events of a group, with
    `push`; a step is reserved by `begin` where there is `room`.
    """

    def __init__(
        self,
        design: Design,
        name: str,
        shape: Shape,
        plan: Plan,
        channels: list[Channel],
        constants: dict[str, Array],
        values: dict[str, int],
        draws: list[str],
        sends: list[Stream],
    ) -> None:
        """`constants` are arrays by name, `values` the widths of what the host writes, `draws` are named alone."""
        generators = [philox(design, f"{name}_philox{k}", shape, k) for k in range(shape.lanes)] if draws else []
        self.module: Module = design.module(name)
        self._shape, self._plan, self._channels, self._constants = shape, plan, channels, constants
        self._values, self._draws, self._generators, self._sends = values, draws, generators, sends
        self._datapath = Datapath.of(plan)
        self.span = max(shape.groups, self._datapath.depth + 2)
        self._stages: dict[tuple[str, int], Signal] = {}
        self._control()
        self._memories()
        self._lanes()

    # ------------------------------------------------------------ control

    def _control(self) -> None:
        """Which pass works on which group: signals of stage -1."""
        module, plan, channels = self.module, self._plan, self._channels
        room = module.input("room", 1)
        tokens = [self._token(k) for k in range(len(channels))]
        group = module.reg("group", max(1, (self.span - 1).bit_length()), init=0)
        start, end = (group.eq(0), group.eq(self.span - 1)) if self.span > 1 else (module.constant(1, 1),) * 2
        phases = [*(["first"] if plan.first else []), *[f"arrive{k}" for k in range(len(channels))], "last"]
        state: dict[str, Signal] = {"last": module.constant(1, 1)}
        if len(phases) > 1:
            state = {name: module.reg(f"in_{name}", 1, init=int(name == phases[0])) for name in phases}
        valid = self._any(state[f"arrive{k}"] & tokens[k][0] for k in range(len(channels)))
        ended = self._any(state[f"arrive{k}"] & tokens[k][0] & tokens[k][1] for k in range(len(channels)))
        self.waits = not channels or bool(self._values)
        go = module.input("go", 1) if self.waits else module.constant(1, 1)
        may = state["last"] & room & go
        if channels:
            may = may | (valid & ~ended)
        if plan.first:
            may = may | (state["first"] & (tokens[0][0] if channels else go))
        run = ~start | may
        drawn = self._draw() if self._draws else None
        if drawn is not None:
            run = run & (~state["last"] | drawn)
        run = run.named("run")
        group.next(module.mux(end, 0, group + 1), enable=run)
        done = (run & end).named("pass_done")
        for k in range(len(phases)):
            self._phase(state, phases, k, done, start & ended)
        for k in range(len(channels)):
            module.output(f"token{k}_ready", state[f"arrive{k}"] & (done | (start & tokens[k][0] & tokens[k][1])))
        if self.waits:
            module.output("ready", state["last"] & done)
        module.output("begin", state["last"] & run & start)
        inside = run if self.span == self._shape.groups else run & group.ult(self._shape.groups)
        self._stages["valid", -1] = inside.named("issue")
        if drawn is not None:
            self._popped.drive(inside & state["last"])
        self._stages["group", -1] = group[: max(1, (self._shape.groups - 1).bit_length())]
        for one in plan.passes:
            ports = {port for port, other in plan.arrive.items() if other.name == one.name}
            names = (
                [one.name] if one.name in state else [f"arrive{k}" for k, c in enumerate(channels) if c.port in ports]
            )
            self._stages[one.name, -1] = self._any(state[name] for name in names)
        self._number = self._token_number(tokens, state) if channels else None
        values = [self._value(k) for k in range(len(channels))]
        for k, value in enumerate(values):
            before = self._stages.get(("event", -1))
            self._stages["event", -1] = value if before is None else module.mux(state[f"arrive{k}"], value, before)

    def _draw(self) -> Signal:
        """Random numbers for the elements of the group at hand, in stage 1; whether all are there."""
        module, self._popped = self.module, self.module.wire("popped", 1)
        there, sample = [], module.input("sample", 32)
        for number, draw in enumerate(self._draws):
            key, words = module.input(f"key{number}", 64), []
            for lane, generator in enumerate(self._generators):
                ports = module.instance(
                    generator, f"draw{number}_{lane}", {"key": key, "sample": sample, "ready": self._popped}
                )
                there.append(ports["valid"])
                words.append(ports["drawn"])
            self._stages[f"draw {draw}", -1] = module.concat(*words[::-1])
        found = there[0]
        for other in there[1:]:
            found = found & other
        return found

    def _token(self, k: int) -> tuple[Signal, Signal, Signal]:
        module = self.module
        valid, last = module.input(f"token{k}_valid", 1), module.input(f"token{k}_last", 1)
        return valid, last, module.input(f"token{k}_index", self._channels[k].index_width)

    def _value(self, k: int) -> Signal:
        """The value of a token, as wide as the widest of all channels, with a sign where one has."""
        stream, width = self._channels[k].stream, self._event_bits()[0]
        value = self.module.input(f"token{k}_value", stream.bits)
        return value.sext(width) if stream.signed else value.zext(width)

    def _event_bits(self) -> tuple[int, bool]:
        """The bits of values of events, and whether they have a sign."""
        streams = [channel.stream for channel in self._channels]
        signed = any(stream.signed for stream in streams)
        return max(stream.bits + (signed and not stream.signed) for stream in streams), signed

    def _phase(self, state: dict[str, Signal], phases: list[str], k: int, done: Signal, ended: Signal) -> None:
        """A phase is left when its pass is over, one of a channel after the channel's last token."""

        def leaves(name: str) -> Signal:
            return state[name] & (ended if name.startswith("arrive") else done)

        register = state[phases[k]]
        if isinstance(register, Register):
            register.next(leaves(phases[k - 1]) | (register & ~leaves(phases[k])))

    def _token_number(self, tokens: list[tuple[Signal, Signal, Signal]], state: dict[str, Signal]) -> Signal:
        """The row of weights of the token at hand: those of the channels follow each other."""
        rows = sum(len(channel.weights) for channel in self._channels)
        width = max(1, (rows - 1).bit_length())
        found, before = None, 0
        for k, channel in enumerate(self._channels):
            number = tokens[k][2]
            number = number[:width] if number.width >= width else number.zext(width)
            number = number + before if before else number
            found = number if found is None else self.module.mux(state[f"arrive{k}"], number, found)
            before += len(channel.weights)
        assert found is not None
        return found

    # ------------------------------------------------------------ memories

    def _memories(self) -> None:
        """Fields and constants as they stand in stage 1, a word of all lanes each; weights too."""
        shape = self._shape
        self._words: dict[str, tuple[Signal, bool]] = {}
        self._fields: dict[str, tuple[Memory, int]] = {}
        group = self._at("group", 0)
        for number, field in enumerate(self._plan.fields):
            width = bits(field.range)
            start = np.resize(field.start, shape.size) if field.start.size == 1 else field.start
            memory = self._memory(f"field{number}_{_plain(field.name)}", start, width)
            self._fields[field.name] = memory, width
            self._words[f"field {field.name}"] = (
                self._registered(memory.look(group), f"held{number}"),
                field.range.low < 0,
            )
        for number, (name, array) in enumerate(self._constants.items()):
            least, most = int(array.min()), int(array.max())
            width = (
                max(1, most.bit_length()) if least >= 0 else max((~least).bit_length(), max(most, 0).bit_length()) + 1
            )
            memory = self._memory(f"constant_{_plain(name)}", array.reshape(-1), width)
            self._words[f"constant {name}"] = self._registered(memory.look(group), f"parameter{number}"), least < 0
        for number, (name, width) in enumerate(self._values.items()):
            memory = self.module.mem(f"value{number}", shape.groups, shape.lanes * width, style="distributed")
            address = self.module.input(f"value{number}_address", memory.address_width)
            data = self.module.input(f"value{number}_data", memory.width)
            memory.write(address, data, self.module.input(f"value{number}_write", 1))
            self._words[f"value {name}"] = self._registered(memory.look(group), f"given{number}"), width > 1
        for name in self._draws:
            self._words[f"draw {name}"] = self._at(f"draw {name}", 1), False
        if self._channels:
            self._words["weight"] = self._weights(), True

    def _memory(self, name: str, array: Array, width: int) -> Memory:
        shape = self._shape
        rows = np.zeros(shape.groups * shape.lanes, np.int64)
        rows[: shape.size] = array
        # The constants store takes what memory_content reads: lanes in two's complement.
        content = _as_lanes(rows.reshape(shape.groups, shape.lanes), width) if rows.any() else None
        return self.module.mem(name, shape.groups, shape.lanes * width, content, style="distributed")

    def _weights(self) -> Signal:
        """The weights of the token at hand to a group of targets, in stage 1."""
        shape, module = self._shape, self.module
        rows = np.concatenate([channel.weights for channel in self._channels])
        padded = np.zeros((len(rows), shape.groups * shape.lanes), np.int64)
        padded[:, : shape.size] = rows
        width = max(2, int(max(padded.max(initial=0), ~padded.min(initial=0))).bit_length() + 1)
        content = _as_lanes(padded.reshape(len(rows) * shape.groups, shape.lanes), width)
        memory = module.mem("weights", len(rows) * shape.groups, shape.lanes * width, content, style="block")
        read = memory.read(self._address(memory.address_width), "weights_read")
        return self._registered(read, "weights_word")

    def _address(self, width: int) -> Signal:
        """token * G + group."""
        module, groups = self.module, self._shape.groups
        assert self._number is not None
        number, group = self._number, self._stages["group", -1]
        if groups == 1:
            return number[:width] if number.width >= width else number.zext(width)
        if groups & (groups - 1) == 0:
            whole = module.concat(number, group)
            return whole[:width] if whole.width >= width else whole.zext(width)
        wide = number.zext(width) if number.width < width else number[:width]
        terms = [wide << k if k else wide for k in range(groups.bit_length()) if groups >> k & 1]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total + (group.zext(width) if group.width < width else group[:width])

    def _registered(self, signal: Signal, name: str) -> Signal:
        register = self.module.reg(name, signal.width)
        register.next(signal)
        return register

    # ------------------------------------------------------------ lanes

    def _lanes(self) -> None:
        plan, shape, module = self._plan, self._shape, self.module
        last = self._datapath.depth + 1
        lanes = [Lane(module, f"lane{k}", self._datapath, self._source(k), self._active) for k in range(shape.lanes)]
        group = self._at("group", last)
        for field in plan.fields:
            memory, width = self._fields[field.name]
            nodes = {
                name: one.results[field.name]
                for name, one in self._datapath.passes.items()
                if field.name in one.results
            }
            if nodes:
                words = [lane.result(nodes, width) for lane in reversed(lanes)]
                enable = self._at("valid", last)
                if len(nodes) < len(plan.passes):
                    enable = enable & self._active(nodes, last)
                memory.write(group, module.concat(*words), enable)
        valid = self._at("valid", last) & self._active(["last"], last)
        beyond = shape.groups * shape.lanes - shape.size
        final = group.eq(shape.groups - 1) if beyond and shape.groups > 1 else None
        for number, node in enumerate(plan.last.events.values()):
            width = self._sends[number].bits
            found = [lane.result({"last": node}, width) for lane in lanes]
            for k in range(shape.lanes - beyond, shape.lanes):
                found[k] = module.mux(final, 0, found[k]) if final is not None else module.constant(0, width)
            events = module.reg(f"events{number}", shape.lanes * self._sends[number].bits)
            events.next(module.concat(*found[::-1]))
            module.output(f"send{number}", events)
        push = module.reg("push", 1, init=0)
        push.next(valid)
        module.output("push", push)

    def _source(self, lane: int) -> "object":
        def found(name: str) -> tuple[Signal, bool]:
            key = f"{name} of lane {lane}"
            if name == "index":
                return self._index(lane), False
            if name == EVENT:
                return self._at("event", 1), self._event_bits()[1]
            word, signed = self._words[name]
            if (key, 1) not in self._stages:
                width = word.width // self._shape.lanes
                self._stages[key, 1] = word[lane * width : (lane + 1) * width]
            return self._stages[key, 1], signed

        return found

    def _index(self, lane: int) -> Signal:
        """The number of the element: group * P + lane."""
        key = f"index of lane {lane}"
        if (key, 1) not in self._stages:
            shape = self._shape
            width = max(1, (shape.groups * shape.lanes - 1).bit_length())
            group = self._at("group", 1)
            wide = group.zext(width) if group.width < width else group[:width]
            self._stages[key, 1] = wide * shape.lanes + lane if shape.groups > 1 else self.module.constant(lane, width)
        return self._stages[key, 1]

    def _active(self, names: Iterable[str], stage: int) -> Signal:
        return self._any(self._at(name, stage) for name in names)

    def _at(self, name: str, stage: int) -> Signal:
        """A signal of the control, in a stage; `valid` falls with the reset."""
        if (name, stage) not in self._stages:
            before = self._at(name, stage - 1)
            register = self.module.reg(f"{_plain(name)}_{stage}", before.width, init=0 if name == "valid" else None)
            register.next(before)
            self._stages[name, stage] = register
        return self._stages[name, stage]

    def _any(self, signals: Iterable[Signal]) -> Signal:
        found = None
        for signal in signals:
            found = signal if found is None else found | signal
        return found if found is not None else self.module.constant(0, 1)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _as_lanes(rows: Array, width: int) -> Array:
    """Rows of lanes in two's complement of `width` bits, in the smallest type that has them."""
    size = next(size for size in (8, 16, 32, 64) if width <= size)
    half = 1 << (width - 1)
    return (((rows + half) & ((1 << width) - 1)) - half).astype(f"i{size // 8}") if width < 64 else rows.astype("i8")
