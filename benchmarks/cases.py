"""What is measured: every `networks/NAME.toml`, with each of its variants as a case NAME/VARIANT.

about = "what one run does"
model = "cuba.snn"     # beside it, or "nir/a.nir" of the conformance data where `needs` names it
steps = 10_000
dt_ms = 0.1            # of a step, to print spikes as mean rates; without it they are printed per step
batch = 1              # samples at once; without it the arrays of inputs have no axis of samples
samples = 20           # all of them, one batch after the other; without it one batch
tolerance = 0.05       # by which the spike counts of peers may differ, as a part of ours
inputs = "mlp.py"      # a script, called with a CASE.json, that writes what all peers share into its folder `shared`
needs = ["nir/a.nir"]  # files of the conformance data, the folder that $SPIKEC_CONFORMANCE names
without = ["norse"]    # peers that are measured only where they are named
short = false          # only `--full` measures this case
check = 100            # steps that `--check` compares with the reference interpreter
[neurons]
exc = 3200             # the populations whose spikes are counted
[parameters]
p = 0.02               # of the model, as `spikec run -p` takes them
[files]
weights = "w.npz"      # parameters that are paths of files in the folder `shared`
[load]
semantics = "..."      # other arguments of `spikec.load`

Any other key is for the peers' scripts.  Tables are laid over what stands above, key by key: `[variants.NAME]`, then
`[in_short]` in the short form, `[peers.NAME]` for one peer (of another number of steps its seconds and spikes are
scaled), and `[small]` in the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "networks"
LAYERS = ("variants", "in_short", "peers", "small")


@dataclass(frozen=True)
class Case:
    """A network in one variant; `values` are those of the module, with the layers that are laid over."""

    name: str
    values: dict[str, Any] = field(repr=False)

    @property
    def network(self) -> str:
        return self.name.partition("/")[0]

    @property
    def about(self) -> str:
        return str(self.values["about"])

    @property
    def neurons(self) -> dict[str, int]:
        return dict(self.values["neurons"])

    @property
    def steps(self) -> int:
        return int(self.values["steps"])

    @property
    def without(self) -> frozenset[str]:
        return frozenset(self.values.get("without", ()))

    @property
    def short(self) -> bool:
        return bool(self.values.get("short", True))

    def over(self, *layers: str) -> Case:
        """The case with layers laid over, in this order: "in_short", "small", "peers.NAME"."""
        values = self.values
        for layer in layers:
            found = values
            for key in layer.split("."):
                found = found.get(key, {})
            values = merged(values, found)
        return Case(self.name, values)

    def given(self, shared: Path) -> dict[str, Any]:
        """What a CASE.json holds."""
        plain = {key: value for key, value in self.values.items() if key not in (*LAYERS, "without")}
        names = {"name": self.name, "network": self.network, "model": str(self.model()), "shared": str(shared)}
        return {**plain, **names}

    def write(self, folder: Path, name: str = "case.json") -> Path:
        """Writes the CASE.json of this case, whose inputs are in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(json.dumps(self.given(folder), indent=2) + "\n")
        return path

    def write_inputs(self, folder: Path) -> None:
        """Runs the script that writes what all peers share into `folder`."""
        if "inputs" in self.values:
            subprocess.run([sys.executable, FOLDER / self.values["inputs"], self.write(folder)], check=True)

    def model(self) -> Path:
        name: str = self.values["model"]
        root = Path(os.environ.get("SPIKEC_CONFORMANCE", "")) if name in self.values.get("needs", ()) else FOLDER
        return root / name

    def missing(self) -> str | None:
        """What this case needs and this machine lacks."""
        needs, root = self.values.get("needs", ()), os.environ.get("SPIKEC_CONFORMANCE")
        if needs and not root:
            return "SPIKEC_CONFORMANCE is not set; it names the folder of the conformance data"
        absent = [name for name in needs if not (Path(root or "") / name).is_file()]
        return f"{root} has no {', '.join(absent)}" if absent else None


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two dictionaries as one; where both have a dictionary, these are merged, and else `above` wins."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def cases() -> dict[str, Case]:
    """All cases by name: networks in alphabetical order, variants as they are written."""
    return {case.name: case for path in sorted(FOLDER.glob("*.toml")) for case in _of(path)}


def _of(path: Path) -> Iterator[Case]:
    values = tomllib.loads(path.read_text())
    if "variants" not in values:
        yield Case(path.stem, values)
    for name, variant in values.get("variants", {}).items():
        yield Case(f"{path.stem}/{name}", merged(values, variant))


def main() -> None:
    """`cases.py CASE FOLDER` writes CASE.json and runs the script of its inputs, to call a peer's script by hand."""
    name, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    case = cases()[name]
    case.write_inputs(folder)
    print(case.write(folder))


if __name__ == "__main__":
    main()
