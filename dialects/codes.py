"""Every diagnostic code, with its title and the page that `spikec explain CODE` shows.

E01xx text and syntax; E02xx names; E03xx values, types and shapes; E04xx units; E05xx neurons and
their equations; E06xx projections and causality; E07xx files, inputs and outputs; E08xx IR and
pipelines; E09xx what is not supported yet; W.... warnings; N.... notes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    title: str
    explanation: str


CODES: dict[str, Code] = {}
