"""The codes of what NIR cannot express."""

from __future__ import annotations

from spikec.dialects.refusal import Refusal, span_of

NEURON, OPERATION, TIMING, SHAPE = "E1101", "E1102", "E1103", "E1104"

__all__ = ["NEURON", "OPERATION", "SHAPE", "TIMING", "Refusal", "span_of"]
