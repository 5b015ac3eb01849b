"""Random valid `.snn` programs over the language's core, with the arrays and inputs that they need.

`write_case` takes every choice from one random source, so that a number names a program.  The text is built top down:
a clock and a scale (plain numbers or millivolts), inputs, arrays, neurons, populations with what drives them,
projections, streams, outputs and probes.  Numbers are chosen so that neurons fire and stay finite most of the time.
`constructs.py` counts what the texts contain.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np

from . import extras
from .networks import encode, write_inputs, write_populations, write_projections
from .neurons import write_neuron
from .streams import write_outputs, write_probes, write_streams
from .writer import CLOCKS, Array, Writer


@dataclass(frozen=True)
class Case:
    """A program: its text, the arrays of `arrays.npz` and the tables beside it, its inputs and how long to run it."""

    text: str
    arrays: dict[str, Array]
    inputs: dict[str, Array]
    steps: int
    tables: dict[str, dict[str, Array]] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Writes model and arrays, and returns the model's path."""
        if self.arrays:
            np.savez(folder / "arrays.npz", **self.arrays)  # type: ignore[arg-type]
        for name, columns in self.tables.items():
            np.savez(folder / f"{name}.npz", **columns)  # type: ignore[arg-type]
        path = folder / "model.snn"
        path.write_text(self.text)
        return path

    def __repr__(self) -> str:
        inputs = {name: (array.shape, str(array.dtype)) for name, array in self.inputs.items()}
        return f"Case({self.steps} steps, inputs {inputs}):\n{self.text}"


def write_case(random: Random, functions: bool = True, wide: bool = False) -> Case:
    """One program, all of whose choices are taken from `random`.

    Without `functions` it has no exp and its like, and no divisions; `wide` ones have what `extras.py` writes too.
    """
    w = Writer(random, CLOCKS[0], False, functions, wide)
    w.clock, w.volts = w.pick(CLOCKS), w.chance(30)
    w.steps = w.whole(8, 40)
    imports = extras.write_imports(w) if wide else []
    write_inputs(w)
    if wide:
        extras.write_events(w)
    for _ in range(w.whole(0, 2)):
        encode(w)
    for number in range(w.whole(1, 2)):
        write_neuron(w, f"N{number}")
    if w.chance(15):
        base = w.pick([neuron for neuron in w.neurons if neuron.name not in extras.LIBRARY])
        w.declarations.append(f"  neuron Variant = {base.name}(tau = {w.clock.time(w.whole(2, 20))})")
        w.neurons.append(replace(base, name="Variant"))
    populations = write_populations(w)
    write_projections(w, populations)
    write_streams(w)
    write_outputs(w)
    write_probes(w, populations)
    formals = ["scale = 0.5", 'arrays: path = "arrays.npz"']
    head = [*imports, f"model Random({', '.join(formals)}) {{", f"  step {w.clock.step}"]
    text = "\n".join([*head, *w.declarations, *("  " + line for line in w.lines), "}"]) + "\n"
    return Case(text, w.arrays, w.inputs, w.steps, w.tables)
