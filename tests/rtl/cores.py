"""Circuits built by hand: a time-multiplexed layer of leaky neurons and what it must compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design, Module, Signal

SPIKE, TICK = 0, 1


@dataclass(frozen=True)
class Layer:
    """Weights [inputs, outputs] of 8 bits, `lanes` neurons at a time; states of `bits` lose their 2^-`leak`th part."""

    weights: Array
    lanes: int
    bits: int = 16
    threshold: int = 100
    leak: int = 3
    style: str = "distributed"

    @property
    def groups(self) -> int:
        return self.weights.shape[1] // self.lanes

    def step(self, state: Array, sources: list[int]) -> Array:
        """One step of all neurons in numpy: `state` is changed, the spikes are returned."""
        top = 1 << (self.bits - 1)
        for source in sources:
            state[:] = np.clip(state + self.weights[source], -top, top - 1)
        spikes = state >= self.threshold
        state -= spikes * self.threshold
        state -= state >> self.leak
        return spikes


def layer(shape: Layer) -> Program:
    """The circuit: a token (valid, kind, source) takes one cycle for each group of neurons.

    A `SPIKE` adds the weights of its source; a `TICK` compares, resets and leaks, and shows the spikes of each group.
    """
    design = Design("layer")
    with design:
        core = design.module("layer")
        inputs = shape.weights.shape[0]
        valid, kind = core.input("valid", 1), core.input("kind", 1)
        source = core.input("source", max(1, (inputs - 1).bit_length()))
        group_bits = (shape.groups - 1).bit_length()
        group = core.reg("group", group_bits, init=0)
        last = group.eq(shape.groups - 1).named("last")
        group.next(core.mux(last, 0, (group + 1).named("following")), enable=valid)
        rows = np.zeros((inputs, 1 << group_bits, shape.lanes), np.int8)
        rows[:, : shape.groups] = shape.weights.reshape(inputs, shape.groups, shape.lanes)
        weights = core.mem("weights", inputs << group_bits, 8 * shape.lanes, rows.reshape(-1, shape.lanes), "block")
        row = weights.read(core.concat(source, group).named("row_address"), "row", enable=valid)
        # One cycle later: the state of the group is read, changed and written.
        busy, ticking = core.reg("busy", 1, init=0), core.reg("ticking", 1)
        here = core.reg("here", group_bits)
        busy.next(valid)
        ticking.next(kind)
        here.next(group)
        states = core.mem("states", 1 << group_bits, shape.bits * shape.lanes, style=shape.style)
        old = states.look(here, "old")
        lanes = [_lane(core, shape, k, row, old, ticking) for k in range(shape.lanes)]
        states.write(here, core.concat(*(v for v, _ in reversed(lanes))).named("new"), busy)
        showing = (busy & ticking).named("showing")
        core.output("ready", last)
        core.output("showing", showing)
        core.output("where", here)
        core.output("spikes", core.concat(*(fired for _, fired in reversed(lanes))).named("mask"))
    return design.program()


def _lane(core: Module, shape: Layer, k: int, row: Signal, old: Signal, ticking: Signal) -> tuple[Signal, Signal]:
    """The next state of a neuron, and whether it fires."""
    bits, wide = shape.bits, shape.bits + 1
    v = old[bits * k : bits * (k + 1)].named(f"v{k}")
    w = row[8 * k : 8 * (k + 1)].named(f"w{k}")
    sum = (v.sext(wide) + w.sext(wide)).named(f"sum{k}")
    most = (1 << (bits - 1)) - 1
    over, under = sum.sgt(most).named(f"over{k}"), sum.slt(-most - 1).named(f"under{k}")
    added = core.mux(over, most, core.mux(under, core.constant(most + 1, bits), sum[:bits])).named(f"added{k}")
    fired = v.sge(shape.threshold).named(f"fired{k}")
    left = core.mux(fired, v - shape.threshold, v).named(f"left{k}")
    leaked = (left - left.shrs(shape.leak)).named(f"leaked{k}")
    return core.mux(ticking, leaked, added).named(f"next{k}"), fired
