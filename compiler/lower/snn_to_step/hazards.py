"""Keeps values of the start of a step alive until their last use.

States are updated in place, so each use of an old value must come before the state's first writer.
Where that would close a loop (two populations that read each other's state, say), the old value
outlives the update: in a second slot, for a state that starts as zero and that no program works on in
place; else in a copy that is made before the writer.
"""

from __future__ import annotations

from spikec.lower.snn_to_step.body import Body
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.nodes import Access, Copy, Node
from spikec.lower.snn_to_step.order import Order
from spikec.lower.snn_to_step.storage import Storage

Use = tuple[int, Access]


def resolve(body: Body, order: Order, storage: Storage, buffers: Buffers) -> None:
    """Orders all uses of old values, redirecting those that cannot come in time."""
    uses: dict[str, list[Use]] = {}
    for number, node in enumerate(body.nodes):
        for access in node.reads():
            if access.old in body.writers:
                uses.setdefault(str(access.old), []).append((number, access))
    # What can become a stream goes last: it gives way without a copy.
    for state in sorted(uses, key=lambda name: storage.plans[name].streamable and body.entry == "step"):
        _resolve(body, order, storage, buffers, state, uses[state])


def _resolve(body: Body, order: Order, storage: Storage, buffers: Buffers, state: str, uses: list[Use]) -> None:
    writer = body.writers[state]
    others = [(number, access) for number, access in uses if not _in_place(body.nodes, number, writer)]
    if body.entry == "step" and storage.plans[state].streamable:
        if writer in (number for number, _ in others) or not order.all_before([n for n, _ in others], writer):
            storage.to_stream(state)
            for _, access in uses:
                access.old, access.delay = None, 1
        return
    late = [(n, access) for n, access in others if n == writer or not order.before(n, writer)]
    if late:
        _copy(body, order, buffers, state, late)


def _in_place(nodes: list[Node], number: int, writer: int) -> bool:
    """Whether the use is the writer's own, element by element."""
    return number == writer and nodes[number].elementwise


def _copy(body: Body, order: Order, buffers: Buffers, state: str, late: list[Use]) -> None:
    writer = body.writers[state]
    of = late[0][1].buffer
    buffer = buffers[of]
    into = buffers.temp(f"{state}.old", buffer.type, buffer.location, buffer.listable)
    buffers[into].needs |= buffer.needs
    payload = Copy(Access(of, tuple(buffer.type.shape)), into, 0, buffer.size)
    body.nodes.append(Node(payload, body.nodes[writer].location))
    copy = len(body.nodes) - 1
    order.add(copy, None, set())
    for number, access in late:
        access.buffer, access.old = into, None
        order.before(copy, number)
    order.before(copy, writer)
