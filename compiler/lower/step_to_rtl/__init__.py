"""From level `step` to a circuit: a network of processes that exchange the events of each step.

cores        cuts the step into cores, one for what is done element by element, and channels between them
programs     programs of updates as exact integers (`expressions`); behaviour: those of a whole core
fold         the passes of a core over its elements, and the fields that it keeps
datapath     the adders that the passes share, stage by stage; the code of a lane
core         memories and lanes, control: which pass works on which group
encoder      words of events become tokens; fifo: words wait between cores; philox: random numbers
plans, top   the cores of a program with their shapes; the module around them
"""

from __future__ import annotations

from spikec.lower.step_to_rtl.build import build as lower

__all__ = ["lower"]
