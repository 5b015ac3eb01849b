"""From level `step` to a circuit: a network of processes that exchange the events of each step.

elements     a step as what is done element by element and what goes through synapses
cores        cuts it into cores, and channels between them
programs     what a core computes, as exact integers, and its passes over its elements
rows         the weights of a core
plans        the cores with their passes, lanes and weights
hardware     the modules of a circuit
build        all of it for given lanes; `choose` chooses them for a device, by `cycles` and the area of what was built
observation  what a run counts and records; result: what is computed before its start and after its end
lowering     all of it for a target
"""

from __future__ import annotations

from spikec.lower.step_to_rtl.build import build
from spikec.lower.step_to_rtl.lowering import lower
from spikec.lower.step_to_rtl.result import are_drawn

__all__ = ["are_drawn", "build", "lower"]
