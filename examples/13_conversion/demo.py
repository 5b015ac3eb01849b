"""Converts mlp.snn and rnn.snn to spiking networks and compares the two on every test image, spike by spike.

For each network three run: with real activations, with activations of 15 steps (4 bits), and with spikes.  The exit
status is 1 where a count of spikes is not the activation that it stands for, or a logit differs in a bit.

    python demo.py [-o FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from train import GREY_LEVELS, SHAPES, digits  # noqa: E402

Array = npt.NDArray[Any]
LEVELS = 15
PERCENTILE = 99  # of the activations are not cut off; the best of some, on images that were trained on
CALIBRATED_ON = 200  # of these images


@dataclass(frozen=True)
class Result:
    """Percent right of the three networks, steps of an inference, and how far spikes are from activations."""

    real: float
    levels: float
    spiking: float
    steps: int
    counts: float
    logits: bool


def pipeline(neuron: str, calibration: Path) -> str:
    """The text of the conversion; pixels are whole numbers already."""
    path = str(calibration).replace("\\", "\\\\").replace('"', '\\"')
    options = f"neuron={neuron},levels={LEVELS},inputs={GREY_LEVELS},percentile={PERCENTILE}"
    return f'convert-ann{{{options},calibrate="{path}"}}'


def needed_steps(program: Any) -> int:
    """How many steps an inference takes, as the pass reports it."""
    titles = [note.title for note in program.notes if getattr(note, "title", "").startswith("convert-ann: ")]
    return int(next(title for title in titles if title.endswith(" steps")).split()[1])


def outputs(program: Any, x: Array, target: str = "cpu") -> dict[str, Array]:
    """Hidden activations and logits for samples x, (count, steps, inputs)."""
    found: dict[str, Array] = spikec.compile(program, target).run({"x": x}, batch=len(x)).outputs
    return found


def compare(name: str, folder: Path, limit: int | None = None) -> Result:
    """One network on the test images, or on the first `limit` of them."""
    steps, inputs, _ = SHAPES[name]
    calibration = folder / f"{name}_calibration.npy"
    np.save(calibration, digits(test=False)[0][:CALIBRATED_ON].reshape(-1, *SHAPES[name][:2]))
    images, labels = (array[:limit] for array in digits(test=True))
    x = images.reshape(-1, steps, inputs)

    network = spikec.load(HERE / f"{name}.snn")
    levels = spikec.pipeline(pipeline("none", calibration))(network)
    spiking = spikec.pipeline(pipeline("bipolar", calibration))(network)
    length = needed_steps(spiking)
    plain, wanted = outputs(network, x), outputs(levels, x)
    # Each row of the sequence rests for one inference; what counts is what the network holds in its last step.
    reached = {key: y[:, length - 1 :: length] for key, y in outputs(spiking, x.repeat(length, axis=1)).items()}

    size = np.min(wanted["hidden"][wanted["hidden"] > 0])  # of one spike
    right = [100 * float(np.mean(run["logits"][:, -1].argmax(1) == labels)) for run in (plain, wanted, reached)]
    counts = float(np.abs(wanted["hidden"] - reached["hidden"]).max() / size)
    return Result(*right, length, counts, np.array_equal(wanted["logits"], reached["logits"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/conversion"), help="folder of the data")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'':4} {'real':>8} {'4 bits':>8} {'spikes':>8} {'steps':>6} {'|count - activation|':>21} {'logits':>10}")
    exact = True
    for name in SHAPES:
        found = compare(name, folder)
        exact = exact and found.counts == 0 and found.logits
        percent = " ".join(f"{value:6.2f} %" for value in (found.real, found.levels, found.spiking))
        same = "bit-equal" if found.logits else "different"
        print(f"{name:4} {percent} {found.steps:6} {found.counts:21g} {same:>10}")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
