"""The example 15_mnist_core: its weights are those of its training script, in numpy and compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spikec

from tests.examples import scripts

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "15_mnist_core"


def test_the_demonstration(tmp_path: Path) -> None:
    """Eight bits lose at most a point: its exit status."""
    *rows, last = scripts.said("examples/15_mnist_core/demo.py", "-o", tmp_path)
    assert len(rows) == 3 and float(last.split()[1]) > 85
    assert Path(last.split()[-1]).read_bytes().startswith(b"\x89PNG")


def test_the_weights_classify_in_numpy_and_compiled() -> None:
    train = scripts.script("examples/15_mnist_core/train.py")
    _, _, grey, labels = train.images()
    grey, labels = grey[::10], labels[::10]
    with np.load(EXAMPLE / "weights.npz") as file:
        weights = {name: file[name].astype(np.float32) for name in file.files}
    assert all(np.array_equal(w * train.GRAIN, np.round(w * train.GRAIN)) for w in weights.values())
    assert train.accuracy(weights, grey, labels) > 0.85
    x = train.spikes(grey, train.STEPS, seed=0)
    run = spikec.compile(spikec.load(EXAMPLE / "model.snn")).run({"x": x}, batch=len(x))
    assert np.mean(run.outputs["label"] == labels) > 0.85


def test_a_step_of_training_lowers_the_loss() -> None:
    train = scripts.script("examples/15_mnist_core/train.py")
    grey, labels, _, _ = train.images()
    chosen = slice(0, None, 160)
    x = train.spikes(grey[chosen], train.STEPS, seed=1).transpose(1, 0, 2).astype(np.float32)
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 1 / 14, (128, 784)).astype(np.float32),
        "w2": rng.normal(0, 1 / 6, (10, 128)).astype(np.float32),
    }
    before = train.accuracy(weights, grey[chosen], labels[chosen])
    for _ in range(12):
        for name, gradient in train.gradients(weights, x, labels[chosen]).items():
            weights[name] -= 0.01 * np.sign(gradient)
    assert train.accuracy(weights, grey[chosen], labels[chosen]) > before + 0.2
