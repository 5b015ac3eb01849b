"""Propagations by the threads of the targets: each adds up what arrives, in the order of the CPU."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import ir
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.code import Type, Value, choose, converted
from spikec.lower.step_to_gpu import dense, gather, windows
from spikec.lower.step_to_gpu.code import WORD, i32, less
from spikec.lower.step_to_gpu.forms import form
from spikec.lower.step_to_gpu.layout import BLOCK
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.thread import Thread


def lower(thread: Thread, network: Network, op: step.Propagate | step.Sweep) -> None:
    """Adds what arrives at the thread's own element of `op.into`, and counts the additions."""
    held, all = thread.held(op.into), propagations(op)
    total = converted(thread.read(op.into), _sum_type(held.element))
    warps = -(-held.size // WORD)
    if warps * WORD < held.blocks * BLOCK:
        total = choose(less(thread.warp, warps), lambda: _arrived(thread, network, all, total), total)
    else:
        total = _arrived(thread, network, all, total)
    thread.write(op.into, converted(total, held.element))


def _arrived(thread: Thread, network: Network, ops: tuple[Propagation, ...], total: Value) -> Value:
    match form(network, ops[0]):
        case "dense":
            return dense.lower(thread, network, ops[0], total)
        case "window":
            return windows.lower(thread, network, ops[0], total)
        case "one":
            return dense.one_to_one(thread, network, ops[0], total)
        case _:
            return gather.lower(thread, network, ops, total)


def _sum_type(element: Type) -> Type:
    """Sums of small integers wrap at the end alone."""
    return i32() if isinstance(element, ir.IntegerType) and element.width < WORD else element
