"""The example 13_conversion: spikes add up to the activations of a network and of a recurrent one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.examples import scripts

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "13_conversion"


def script(name: str) -> ModuleType:
    """A script of the example as a module."""
    return scripts.script(f"examples/13_conversion/{name}.py")


def test_the_demonstration(tmp_path: Path) -> None:
    """Spikes are the activations of all images."""
    rows = [line.split() for line in scripts.said("examples/13_conversion/demo.py", "-o", tmp_path)[1:]]
    for row, name, accuracy in zip(rows, ("mlp", "rnn"), (97, 95), strict=True):
        assert row[0] == name and row[-3:] == ["15", "0", "bit-equal"]
        real, levels, spiking = map(float, row[1:7:2])
        assert real >= levels == spiking >= accuracy


def test_a_late_spike_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = script("demo")
    plain = demo.pipeline
    monkeypatch.setattr(demo, "pipeline", lambda neuron, file: plain(neuron, file).replace("levels", "steps=9,levels"))
    found = demo.compare("mlp", tmp_path, 40)
    assert found.counts >= 1
    assert not found.logits


def test_gradients_are_those_of_the_loss() -> None:
    train = script("train")
    rng = np.random.default_rng(0)
    arrays = train.new_weights("rnn", rng)
    x, labels = 10 * rng.random((4, 8, 8)), rng.integers(0, 10, 4)

    def loss() -> float:
        logits = train.forward(arrays, x)[1]
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(4), labels]))

    found = train.gradients(arrays, x, labels)
    for name, place in (("W", (3, 2)), ("U", (5, 7)), ("V", (1, 4)), ("b", (6,)), ("c", (2,))):
        arrays[name][place] += 1e-6
        above = loss()
        arrays[name][place] -= 2e-6
        slope = (above - loss()) / 2e-6
        arrays[name][place] += 1e-6
        assert found[name][place] == pytest.approx(slope, rel=1e-3, abs=1e-7)


def test_training_learns_and_keeps_to_its_images() -> None:
    train = script("train")
    assert train.accuracy(train.train("mlp", epochs=4), "mlp") > 85
    seen, unseen = (train.digits(test)[0] for test in (False, True))
    assert len(seen) + len(unseen) == 1797
    assert len(unseen) == 359


def test_the_stored_weights_are_small() -> None:
    assert sum((EXAMPLE / f"{name}.npz").stat().st_size for name in ("mlp", "rnn")) < 100_000
