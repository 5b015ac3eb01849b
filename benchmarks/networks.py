"""What is measured: every folder here with a `network.toml` is a network.

about = "what one run does"
seconds = 1.0          # of biological time, to print spikes as mean rates; without it counts are printed
tolerance = 0.05       # by which the spike counts of peers may differ, as a part of ours
needs = ["nir/a.nir"]  # files of the conformance data, the folder that $SPIKEC_CONFORMANCE names
[neurons]
exc = 3200             # the populations whose spikes are counted
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Network:
    """`neurons` by population; the rest is described in the module."""

    name: str
    about: str
    neurons: dict[str, int]
    tolerance: float
    seconds: float | None = None
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return HERE / self.name

    def script(self, name: str) -> Path:
        return self.folder / f"with_{name}.py"

    def missing(self) -> str | None:
        """What this network needs and this machine lacks."""
        root = os.environ.get("SPIKEC_CONFORMANCE")
        if self.needs and not root:
            return "SPIKEC_CONFORMANCE is not set; it names the folder of the conformance data"
        absent = [name for name in self.needs if not (Path(root or "") / name).is_file()]
        return f"{root} has no {', '.join(absent)}" if absent else None

    def shown(self, result: Mapping[str, Any]) -> str:
        """Spikes by population as mean rates, or as they are with those of each output."""
        spikes = result["spikes"]
        if self.seconds is not None:
            rates = {name: spikes[name] / count / self.seconds for name, count in self.neurons.items()}
            return ", ".join(f"{name} {rate:.2f} Hz" for name, rate in rates.items())
        populations = ", ".join(f"{name}: {spikes[name]}" for name in self.neurons)
        return f"{populations}; outputs {' '.join(map(str, result['outputs']))}"

    def differing(self, result: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
        """The populations and outputs whose counts are too far from ours, each with both counts."""
        pairs = [(name, result["spikes"][name], ours["spikes"][name]) for name in self.neurons]
        outputs = zip(result["outputs"], ours["outputs"], strict=True)
        pairs += [(f"output {index}", theirs, own) for index, (theirs, own) in enumerate(outputs)]
        return [
            f"{name}: {theirs} spikes, ours {own}"
            for name, theirs, own in pairs
            if abs(theirs - own) > max(1, self.tolerance * own)
        ]


def networks() -> dict[str, Network]:
    """All networks by name, in alphabetical order."""
    found = {}
    for path in sorted(HERE.glob("*/network.toml")):
        entries = tomllib.loads(path.read_text())
        entries["needs"] = tuple(entries.get("needs", ()))
        found[path.parent.name] = Network(name=path.parent.name, **entries)
    return found
