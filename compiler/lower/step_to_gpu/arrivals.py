"""Propagations by the threads of the targets: each adds up what arrives, in the order of the CPU."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import ir
from spikec.dialects.propagations import propagations
from spikec.lower.code import Type, converted
from spikec.lower.step_to_gpu import dense, gather, windows
from spikec.lower.step_to_gpu.code import WORD, i32
from spikec.lower.step_to_gpu.forms import form
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.thread import Thread


def lower(thread: Thread, network: Network, op: step.Propagate | step.Sweep) -> None:
    """Adds what arrives at the thread's own element of `op.into`, and counts the additions."""
    element = thread.held(op.into).element
    total = converted(thread.read(op.into), _sum_type(element))
    all = propagations(op)
    match form(network, all[0]):
        case "dense":
            total = dense.lower(thread, network, all[0], total)
        case "window":
            total = windows.lower(thread, network, all[0], total)
        case "one":
            total = dense.one_to_one(thread, network, all[0], total)
        case _:
            total = gather.lower(thread, network, all, total)
    thread.write(op.into, converted(total, element))


def _sum_type(element: Type) -> Type:
    """Sums of small integers wrap at the end alone."""
    return i32() if isinstance(element, ir.IntegerType) and element.width < WORD else element
