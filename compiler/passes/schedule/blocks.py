"""How far each stage runs before the next: groups of stages, sub-blocks of loops, the automatic block.

Within a block of T steps, stages that depend on each other in a loop of edges shorter than T form a group; a group
runs the whole block before the next one.  In a group of several stages, each runs m steps before the next, where m is
the largest number for which the edges shorter than m leave an order of the stages: the least delay of the loop,
as a rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from spikec.analysis.dependence import Dependences, Edges
from spikec.dialects import step
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.propagations import propagations
from spikec.passes.schedule.graphs import components, ordered
from spikec.passes.schedule.plan import Group, Plan, Stage

WEIGHTS = 32 << 10  # bytes of tables that stay in the first cache whatever else a step does
RINGS = 256 << 10  # bytes that rings may take of the second cache
BLOCKS = (64, 32, 16, 8)  # shorter ones cost more in rings than they give
ACTIVITY = 0.25  # the share of a list that is in use


def plan(dependences: Dependences, stages: Sequence[Stage], block: int) -> Plan:
    """The stages in blocks of `block` steps; 0 chooses."""
    return blocked(dependences, stages, block) if block else automatic(dependences, stages)


def automatic(dependences: Dependences, stages: Sequence[Stage]) -> Plan:
    """The longest of `BLOCKS` whose rings stay below `RINGS`, where blocks pay; else one step at a time.

    They pay where a step reads more tables than the first cache holds (`WEIGHTS`) and a group that runs on its own
    reads at least so much, so that its tables stay nearer for a block.  Groups of smaller tables run together.
    """
    single = blocked(dependences, stages, 1)
    if sum(_weights(dependences, stage) for stage in stages) <= WEIGHTS:
        return single
    for block in BLOCKS:
        made = merged(dependences, blocked(dependences, stages, block))
        alone = sum(_group_weights(dependences, group) > WEIGHTS for group in made.groups if _runs_on(made, group))
        if alone and len(made.groups) > 1 and ring_bytes(dependences, made.slots(dependences)) <= RINGS:
            return made
    return single


def blocked(dependences: Dependences, stages: Sequence[Stage], block: int) -> Plan:
    """Groups and their sub-blocks for blocks of `block` steps."""
    part = parts(dependences, stages)
    near = dependences.quotient(part, below=block)
    groups = [_group(dependences, stages, part, members, block) for members in components(range(len(stages)), near)]
    return Plan(tuple(groups), block)


def parts(dependences: Dependences, stages: Sequence[Stage]) -> list[int]:
    """The number of the stage of each op."""
    part = [0] * len(dependences.ops)
    for number, stage in enumerate(stages):
        for op in stage.ops:
            part[op] = number
    return part


def _group(dependences: Dependences, stages: Sequence[Stage], part: list[int], members: list[int], block: int) -> Group:
    inside = {pair: far for pair, far in dependences.quotient(part).items() if set(pair) <= set(members)}
    for steps in batches(inside, block):
        order = ordered(members, [pair for pair, far in inside.items() if far < steps])
        if order is not None:
            return Group(tuple(stages[number] for number in order), steps)
    raise AssertionError("the ops of one step have no order")


def batches(inside: Edges, block: int) -> list[int]:
    """The sub-blocks worth trying, the longest first: an order changes only where they pass a distance."""
    return sorted({block, 1, *(far for far in inside.values() if 0 < far < block)}, reverse=True)


def merged(dependences: Dependences, plan: Plan) -> Plan:
    """Neighbouring groups as one where all their tables stay in the first cache together."""
    groups: list[Group] = []
    for group in plan.groups:
        both = Group((*groups[-1].stages, *group.stages)) if groups else group
        if groups and _group_weights(dependences, both) <= WEIGHTS:
            groups[-1] = both
        else:
            groups.append(group)
    return Plan(tuple(groups), plan.block)


def _runs_on(plan: Plan, group: Group) -> bool:
    """Whether a stage of the group runs more than one step before another one."""
    return group.block > 1 or len(group.stages) == 1


def _group_weights(dependences: Dependences, group: Group) -> int:
    return sum(_weights(dependences, stage) for stage in group.stages)


def _weights(dependences: Dependences, stage: Stage) -> int:
    """Bytes of the tables of a stage."""
    ops = [dependences.ops[op] for op in stage.ops]
    tables = {one.table for op in ops for one in propagations(op)}
    arrays = {
        symbol_of(array)
        for table in tables
        for name, array in dependences.tables[table].arrays.items()
        if name != "row"
    }
    return sum(_bytes(dependences.buffers[name]) for name in arrays if name is not None)


def ring_bytes(dependences: Dependences, slots: dict[str, int], activity: float = ACTIVITY) -> int:
    """Bytes in use of the buffers with so many slots: a list counts as far as it is filled."""
    total = 0.0
    for name, count in slots.items():
        buffer = dependences.buffers[name]
        listed = "list" in (buffer.forms or [])
        kept = 0 if buffer.kind == "input" or (listed and "mask" not in (buffer.forms or [])) else _bytes(buffer)
        total += count * (kept + (4 * size(buffer.type) * activity if listed else 0))
    return int(total)


def _bytes(buffer: step.Buffer) -> int:
    element = buffer.type.element_type
    return size(buffer.type) * max(8, int(element.width)) // 8
