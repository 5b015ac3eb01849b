"""Chooses the lanes of each core for a device, and says what the circuit will take.

A core with fewer lanes is smaller and slower.  Each gets the fewest with which a step is fast enough alone; then, as
long as all together are too slow, the slowest gets more.  Where blocks of memory are short, cores get more lanes whose
weights take fewer blocks then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
from spikec.backends.fpga.area import Area, areas
from spikec.backends.fpga.devices import DEVICES, Device
from spikec.backends.fpga.memories import stored
from spikec.backends.fpga.prediction import REST, PredictedCore, Prediction
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.step_to_rtl.build import circuit
from spikec.lower.step_to_rtl.cycles import Cycles, Timing, expected
from spikec.lower.step_to_rtl.plans import Plans
from spikec.lower.step_to_rtl.rows.store import Store
from spikec.runtime.rtl.circuit import Circuit, Stream

BANKS = {"ecp5": 2048}
"""The rows of a bank of weights of the families whose memories are slow."""

_TOKENS = 20_000  # events that are followed to tell the cycles of a sample
_LEAST, _STEPS = 6, 24
_NARROW = 4  # bits of weights that are advised where memory is short


def choose(
    program: Program, target: FpgaTarget, starts: Mapping[str, Array], lanes: Mapping[str, int]
) -> tuple[Circuit, Prediction]:
    """The circuit of a program for a target; `lanes` are those of cores that are not chosen.

    Without a latency it is the smallest one that keeps up with the model's own time, or the fastest if none does.
    Raises `Refusal` for what has no circuit, CompileError where the latency cannot be had (E1322) or the circuit does
    not fit the device or what may be used of it (E1321).
    """
    with program.module.context, ir.Location.unknown():
        search = _Search(program, target, starts, lanes)
        search.be_fast()
        found, prediction = search.made()
        if any("blocks" in text for text in prediction.total.short(search.budget)) and search.save_blocks():
            found, prediction = search.made()
        if short := prediction.total.short(search.budget):
            raise CompileError([_too_large(target, short, search, prediction)])
        return found, prediction


class _Search:
    """`powers` says of each core that it has 2^power lanes, or one for each element where these are fewer."""

    def __init__(
        self, program: Program, target: FpgaTarget, starts: Mapping[str, Array], lanes: Mapping[str, int]
    ) -> None:
        self._program, self._target, self._fixed = program, target, lanes
        self._first = Plans.of(program, lanes, starts, {}, BANKS.get(target.family), target.writable)
        self._timings: dict[tuple[int, ...], Timing] = {}
        self._names = [one.core.name for one in self._first.cores]
        self._most = [(one.core.size - 1).bit_length() for one in self._first.cores]
        self.powers = [0] * len(self._names)

    @cached_property
    def budget(self) -> Device:
        """The device, or the part of it that may be used."""
        device, target = self._target.device, self._target
        return replace(device, luts=target.luts or device.luts, blocks=target.blocks or device.blocks)

    # ------------------------------------------------------------ choices

    def be_fast(self) -> None:
        """The fewest lanes with which a sample takes no longer than it may."""
        target, wanted = self._target, self._wanted()
        limit = wanted * target.clock / target.steps
        for core, name in enumerate(self._names):
            if name not in self._fixed:
                options = range(self._most[core] + 1)
                fast = next((power for power in options if self._alone(core, power) <= limit), None)
                if fast is None:
                    fast = min(options, key=lambda power: self._alone(core, power))
                self.powers[core] = fast
        while (latency := self._sample(self._plans()) / target.clock) > wanted:
            if not self._faster():
                if target.latency is None:
                    return
                raise CompileError([_too_slow(target, latency)])

    def save_blocks(self) -> bool:
        """Gives lanes to cores whose weights take fewer blocks then; whether there are such."""
        before = list(self.powers)
        for core, power in enumerate(before):
            if self._names[core] not in self._fixed:
                options = range(power, self._most[core] + 1)
                self.powers[core] = min(options, key=lambda other: self._blocks(self._plans_of(other), core))
        return self.powers != before

    def _faster(self) -> bool:
        """Gives more lanes to the slowest core that is faster then; whether there is one."""
        slowest = sorted(range(len(self._names)), key=lambda core: -self._alone(core, self.powers[core]))
        for core in slowest:
            now = self._alone(core, self.powers[core])
            for power in range(self.powers[core] + 1, self._most[core] + 1):
                if self._names[core] not in self._fixed and self._alone(core, power) < now:
                    self.powers[core] = power
                    return True
        return False

    def _wanted(self) -> float:
        """The seconds that a sample may take."""
        if self._target.latency is not None:
            return self._target.latency
        step = float(self._program.attribute("dt")) if self._program.attribute("dt_unit") == "s" else np.inf
        return step * self._target.steps

    # ------------------------------------------------------------ figures

    def made(self) -> tuple[Circuit, Prediction]:
        """The circuit with the lanes that were found, and what it takes."""
        target, plans = self._target, self._plans()
        made = circuit(self._program, plans)
        names = sorted(self._names, key=len, reverse=True)

        def part(path: str) -> str:
            return next((name for name in names if path.startswith(name)), REST)

        found = areas(made.design.program(), target.family, part)
        cores = []
        for number, one in enumerate(plans.cores):
            alone = self._of_step(plans, number)
            area = found.get(one.core.name, Area.none())
            cores.append(PredictedCore(one.core.name, one.shape.lanes, one.shape.groups, alone, area))
        rest, cycles = found.get(REST, Area.none()), round(self._sample(plans))
        figures = (tuple(cores), rest, cycles, target.steps, target.clock, target.activity)
        return made, Prediction(target.device, *figures)

    def narrow_blocks(self) -> float:
        """The blocks that are saved by weights of few bits."""
        plans = self._plans()
        return sum(self._blocks(plans, core) - self._blocks(plans, core, _NARROW) for core in range(len(plans.cores)))

    def _blocks(self, plans: Plans, core: int, most: int = 64) -> float:
        """The blocks of a core's weights, with weights of so many bits at most."""
        parts = plans.parts(plans.cores[core])
        if not parts.channels:
            return 0
        store = Store.of(parts.channels, parts.shape)
        width, rows = parts.shape.lanes * min(most, store.weight_bits), len(store.words)
        sizes = [rows] if parts.bank is None or rows <= parts.bank else _banks(rows, parts.bank)
        return sum(stored(self._target.family, size, width, True, self._target.writable).blocks for size in sizes)

    def _alone(self, core: int, power: int) -> float:
        """The cycles of a step of a core that waits for nothing but events."""
        return self._of_step(self._plans_of(power), core)

    def _of_step(self, plans: Plans, core: int) -> float:
        streams = [plans.stream(arrival.source) for arrival in plans.cores[core].core.arrivals]
        return self._timing(plans, core).alone(streams, self._target.activity)

    def _timing(self, plans: Plans, core: int) -> Timing:
        """That of a core, which depends on its lanes and on those of its sources."""
        one = plans.cores[core]
        key = (core, one.shape.lanes, *(plans.stream(arrival.source).elements for arrival in one.core.arrivals))
        if key not in self._timings:
            self._timings[key] = Timing.of(plans.parts(one))
        return self._timings[key]

    def _sample(self, plans: Plans) -> float:
        """The cycles of a sample, from those of its first steps with random events."""
        names = {arrival.source for one in plans.cores for arrival in one.core.arrivals}
        streams = {name: plans.stream(name) for name in sorted(names)}
        each = sum(expected(stream, self._target.activity) for stream in streams.values())
        steps = int(min(self._target.steps, max(_LEAST, min(_STEPS, _TOKENS // max(1.0, each)))))
        events = {name: _drawn(stream, self._target.activity, steps) for name, stream in streams.items()}
        ends = Cycles(plans, [self._timing(plans, core) for core in range(len(plans.cores))]).run(events, steps)
        half = steps // 2
        rate = (ends[-1] - ends[half - 1]) / (steps - half) if half else float(ends[-1])
        return float(ends[-1]) + rate * (self._target.steps - steps)

    # ------------------------------------------------------------ plans

    def _lanes(self) -> dict[str, int]:
        chosen = {name: 1 << power for name, power in zip(self._names, self.powers, strict=True)}
        return {**chosen, **self._fixed}

    def _plans(self) -> Plans:
        return self._first.with_lanes(self._lanes())

    def _plans_of(self, power: int) -> Plans:
        """All cores with as many lanes, but for those that are fixed."""
        return self._first.with_lanes({**dict.fromkeys(self._names, 1 << power), **self._fixed})


def _drawn(stream: Stream, activity: float, steps: int) -> Array:
    """Random sources of events [steps, size], in each step as many as are expected."""
    many = np.diff(np.floor(np.arange(steps + 1) * expected(stream, activity) + 0.5))
    places = np.random.default_rng(0).random((steps, stream.size)).argsort(1).argsort(1)
    return np.asarray(places < many[:, np.newaxis])


def _banks(rows: int, bank: int) -> list[int]:
    """The rows of each bank, the last one of a power of two."""
    last = rows % bank or bank
    return [*[bank] * (-(-rows // bank) - 1), 1 << (last - 1).bit_length()]


def _too_slow(target: FpgaTarget, best: float) -> Diagnostic:
    wanted = target.latency or 0.0
    text = (
        f"a sample of {target.steps} steps takes {_microseconds(best)} at best with {target.clock / 1e6:g} MHz, "
        f"not {_microseconds(wanted)}"
    )
    help = f"with latency={_microseconds(best, up=True)} there is a circuit; a higher clock is asked for by clock="
    return Diagnostic("E1322", "error", text, help=help)


def _too_large(target: FpgaTarget, short: list[str], search: _Search, prediction: Prediction) -> Diagnostic:
    device = target.device
    text = f"the smallest circuit that is fast enough does not fit {device.family} {device.name}: " + "; ".join(short)
    advice = []
    saved = search.narrow_blocks() if any("blocks" in one for one in short) else 0
    if saved:
        advice.append(f"with weights of {_NARROW} bits it takes {prediction.total.blocks - saved:g} blocks")
    fitting = [one.name for one in DEVICES[device.family].values() if not prediction.total.short(one)]
    if fitting and target.luts is None and target.blocks is None:
        smallest = min(fitting, key=lambda name: DEVICES[device.family][name].luts)
        advice.append(f"device={smallest} holds it")
    return Diagnostic("E1321", "error", text, help="; ".join(advice) or None)


def _microseconds(seconds: float, up: bool = False) -> str:
    number = 1e6 * seconds
    return f"{np.ceil(number) if up else np.round(number, 1):g}us"
