"""The microcircuit's numbers at its scale, as `networks/microcircuit.snn` computes them, for peers without a language.

Connections are drawn like there: a number of synapses for each pair of populations, each between any two cells.
Matrices have a row for each target and a column for each source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SYNAPTIC_S = 0.5e-3
DELAYS_MS = (1.5, 0.8)  # means of excitatory and inhibitory synapses

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Microcircuit:
    """Excitatory and inhibitory populations alternate, as in the case's `neurons`.

    `synapses` and mean `weights_pA` are of pairs of populations; by target are the number of `afferents` from outside,
    with weight `outside_pA`, and the constant current.
    """

    sizes: npt.NDArray[np.int64]
    synapses: npt.NDArray[np.int64]
    weights_pA: Real
    afferents: npt.NDArray[np.int64]
    outside_pA: float
    constant_pA: Real

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """The number of each population's first cell, where all cells are counted."""
        return np.cumsum(self.sizes) - self.sizes


def numbers(case: Mapping[str, Any]) -> Microcircuit:
    scale, unit = case["parameters"]["scale"], case["weight_pA"]
    sizes = np.array(list(case["neurons"].values()))
    outdegrees = -np.log1p(-np.array(case["probability"])) * sizes[:, None]
    indegrees = outdegrees / sizes[:, None] * sizes
    relative = np.where(np.arange(8) % 2, case["inhibition"], 1.0) * np.ones((8, 1))
    relative[0, 2] = case["from_4E_to_23E"]
    afferents = np.array(case["afferents"])
    full_Hz = (indegrees / scale * relative) @ np.array(case["rates_Hz"]) + afferents * case["afferent_rate_Hz"]
    return Microcircuit(
        sizes=sizes,
        synapses=np.rint(outdegrees * sizes).astype(int),
        weights_pA=relative * unit / np.sqrt(scale),
        afferents=np.rint(afferents * scale).astype(int),
        outside_pA=unit / np.sqrt(scale),
        constant_pA=(1 - np.sqrt(scale)) * full_Hz * unit * SYNAPTIC_S,
    )


@dataclass(frozen=True)
class Synapses:
    """All synapses of a circuit, an element for each, by ascending source; cells are counted over all populations."""

    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights_pA: Real
    delays_ms: Real


def draw(circuit: Microcircuit, random: np.random.Generator) -> Synapses:
    parts = []
    for (target, source), count in np.ndenumerate(circuit.synapses):
        mean_pA, mean_ms = circuit.weights_pA[target, source], DELAYS_MS[source % 2]
        parts.append(
            (
                circuit.first[source] + random.integers(circuit.sizes[source], size=count),
                circuit.first[target] + random.integers(circuit.sizes[target], size=count),
                random.normal(mean_pA, 0.1 * abs(mean_pA), count),
                random.normal(mean_ms, 0.5 * mean_ms, count).clip(0.1),
            )
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Synapses(*(column[order] for column in columns))
