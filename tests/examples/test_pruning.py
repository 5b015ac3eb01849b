"""The example 12_pruning: accuracy and work after pruning, with and without training on what is left."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from spikec.analysis.cost_model import row_cycles
from spikec.dialects import snn, step
from spikec.lower import snn_to_step

from tests.examples.scripts import said, script
from tests.passes.tables import table

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STEPS = 100


@cache
def digits(weights: str, pipeline: str) -> tuple[float, int]:
    """Percent right of 03_digits on all test images, and synaptic events."""
    images, answers = script("examples/12_pruning/demo.py").test_images()
    program = spikec.load(EXAMPLES / "03_digits" / "digits.snn", params={"weights": str(EXAMPLES / weights)})
    program = spikec.pipeline(f"canonicalize,{pipeline}" if pipeline else "canonicalize")(program)
    run = spikec.compile(program, "cpu").run({"x": images}, STEPS, len(images))
    return 100 * float((run.outputs["label"] == answers).mean()), int(run.synaptic_events)


def test_half_of_the_digits_network_goes_without_training(tmp_path: Path) -> None:
    images, _ = script("examples/03_digits/train.py").training_images()
    np.save(tmp_path / "some.npy", images[:50].reshape(50, -1))
    pipeline = f"sparsify{{density=0.5,scope=layer,by=flow,calibrate={tmp_path / 'some.npy'},steps=50}}"
    whole, half = digits("03_digits/weights.npz", ""), digits("03_digits/weights.npz", pipeline)
    assert whole[0] >= 97 and half[0] >= whole[0] - 1
    assert half[1] < 0.8 * whole[1]


def test_a_tenth_of_the_digits_network_after_training() -> None:
    whole, tenth = digits("03_digits/weights.npz", ""), digits("12_pruning/digits.npz", "sparsify")
    with np.load(EXAMPLES / "12_pruning" / "digits.npz") as file:
        left = sum(np.count_nonzero(file[name]) for name in ("w1", "w2"))
        assert 0.099 < left / (256 * 64 + 10 * 256) <= 0.1
    assert tenth[0] >= whole[0] - 2
    assert tenth[1] < 0.1 * whole[1]


def test_a_tenth_of_the_digits_network_costs_less_time_by_the_model() -> None:
    """The hidden neurons that are left come first, so the bitmap of a pixel's row has few words."""
    weights = {"weights": str(EXAMPLES / "12_pruning" / "digits.npz")}
    program = spikec.load(EXAMPLES / "03_digits" / "digits.snn", params=weights)
    lowered = snn_to_step.lower(spikec.pipeline("canonicalize,sparsify")(program))
    first, second = lowered.ops(step.Table)
    assert first.format == second.format == "bitmap"
    bits = lowered.constants[first.arrays["bits"].value]
    assert len(bits) == 64 * 4
    assert row_cycles("bitmap", 0, 4 * step.BITMAP_WORD, 4) < row_cycles("dense", 256, 256, 4)


def test_the_demonstration(tmp_path: Path) -> None:
    *lines, last = said("examples/12_pruning/demo.py", "-o", tmp_path)
    percent = [float(line.split(" % right")[0].split()[-1]) for line in lines]
    events = [int(line.split(" synaptic events")[0].split()[-1]) for line in lines]
    assert percent[0] >= 97 and percent[3] >= percent[0] - 2 and percent[4] >= percent[0] - 2
    assert events[1] < 0.55 * events[0] and events[3] < 0.12 * events[0]
    assert Path(last.split()[-1]).read_bytes().startswith(b"\x89PNG")


def test_a_tenth_is_exact_and_no_layer_is_empty() -> None:
    demo = script("examples/12_pruning/demo.py")
    program = demo.network("dense.npz", "sparsify{density=0.1,floor=512}")
    kept = [np.count_nonzero(program.constants[view.weight.value]) for view in program.ops(snn.Synapses)]
    assert sum(kept) == round(0.1 * (64 * 256 + 256 * 256 + 256 * 10)) and min(kept) == 512


def test_zeros_cost_no_work() -> None:
    """The tables hold no zero, and the compiled code adds what the spikes and the rows say, and no more."""
    demo = script("examples/12_pruning/demo.py")
    program = demo.network("sparse.npz", "sparsify")
    lowered = snn_to_step.lower(program)
    for one in lowered.ops(step.Table):
        assert (lowered.constants[one.arrays["w"].value] != 0).all()
    first, second, last = (program.constants[view.weight.value] for view in program.ops(snn.Synapses))
    image = demo.test_images()[0][0]
    recorded: dict[str, Any] = {}
    for target in ("reference", "cpu"):
        run = spikec.compile(program, target).run({"x": image}, demo.STEPS)
        recorded[target] = (run.synaptic_events, run.counts, run.outputs["label"])
    assert recorded["reference"] == recorded["cpu"]
    events, counts, _ = recorded["cpu"]
    in_first = demo.STEPS * int(np.count_nonzero(first[image != 0]))
    most = [int(np.count_nonzero(array, axis=1).max()) for array in (second, last)]
    assert in_first < events <= in_first + counts["first"] * most[0] + counts["second"] * most[1]
    stored = [row[2] for row in table(lowered, "storage of synapses").rows]
    assert stored == [int(np.count_nonzero(array)) for array in (first, second, last)]


def test_training_keeps_masks() -> None:
    """A stage of either script: what `sparsify` prunes stays zero."""
    train, own = script("examples/12_pruning/train.py"), EXAMPLES / "12_pruning"
    with np.load(own / "dense.npz") as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    kept = train.masks(own / "model.snn", arrays, "sparsify{density=0.2,floor=512}")
    assert sum(int(mask.sum()) for mask in kept.values()) == round(0.2 * 84480)
    trained = train.train(arrays, 1, 1e-3, kept)
    assert all(not trained[name][mask == 0].any() for name, mask in kept.items())
    assert any((trained[name] != arrays[name] * mask).any() for name, mask in kept.items())
