"""Propagates of one delay each that go on from each other, as sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from spikec.dialects import snn
from spikec.lower.snn_to_step.dataflow import Dataflow, defining, source
from spikec.lower.snn_to_step.nodes import Propagate, Sweep


def goes_on(flow: Dataflow, op: snn.Propagate) -> bool:
    """Whether another delayed propagate, and nothing else, goes on from what a delayed one makes."""
    uses = flow.uses[op.operation.results[0]]
    if op.delay is None or len(uses) != 1:
        return False
    user, number = uses[0]
    return number == 1 and user.name == snn.Propagate.name() and snn.Propagate(user).delay is not None


def row(flow: Dataflow, last: snn.Propagate) -> list[snn.Propagate]:
    """A propagate after all those of which each goes on to the next one."""
    ops = [last]
    while (before := defining(source(ops[-1].operation.operands[1]))) is not None:
        if before.name != snn.Propagate.name() or not goes_on(flow, snn.Propagate(before)):
            break
        ops.append(snn.Propagate(before))
    return ops[::-1]


def sweeps(made: Sequence[tuple[int, Propagate, int | None]]) -> list[tuple[Sweep, set[int | None]]]:
    """Sweeps that do what a row of propagates does; in and out, with the nodes that make their events.

    Each propagate comes with the delay of its synapses.
    """
    found: list[tuple[Sweep, set[int | None]]] = []
    for _, group in groupby(made, key=lambda one: one[0]):
        members = list(group)
        together = [payload for _, payload, _ in members]
        if found and found[-1][0].takes(together):
            found[-1][0].rounds += 1
        else:
            found.append((Sweep(together[0].into, together), set()))
        found[-1][1].update(node for _, _, node in members)
    return found
