"""From level `step` to a circuit: a network of processes that exchange the events of each step.

links        turns the step into elements that synapses connect: loops, what comes late (retiming), groups of ops
rewriting    makes new buffers, tables and ops of a step
cores        cuts the step into cores, one for what is done element by element, and channels between them
programs     programs of updates as exact integers (`expressions`); behaviour: those of a whole core
fold         the passes of a core over its elements, and the fields that it keeps
datapath     the adders that the passes share, stage by stage; the code of a lane
core         memories and lanes, control: which pass works on which group
weights      the synapses of tables; lists, sources: rows with few weights or alike; store: the memory of them all
walk         goes through lists
encoder      words of events become tokens; fifo: words wait between cores; philox: random numbers
plans, top   the cores of a program with their shapes; the module around them
observation  what a run counts and records; result: what is computed before its start and after its end
lowering     all of it for a target
"""

from __future__ import annotations

from spikec.lower.step_to_rtl.build import build
from spikec.lower.step_to_rtl.lowering import lower
from spikec.lower.step_to_rtl.result import are_drawn

__all__ = ["are_drawn", "build", "lower"]
