"""The examples do what their READMEs say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.examples.scripts import said, script

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_lif_fires_above_its_rheobase_only(tmp_path: Path) -> None:
    import spikec

    example = script("examples/01_lif/run.py")
    run = spikec.compile(spikec.load(EXAMPLES / "01_lif" / "model.snn")).run({"I": example.current_steps()})
    steps = run.spikes["cell"][:, 0]
    assert not np.any(steps < 1500), "140 pA are below the threshold of 150 pA"
    weak, strong = np.sum((steps >= 1500) & (steps < 2500)), np.sum((steps >= 2500) & (steps < 3500))
    # Interval: 2 ms of hold and tau ln(I / (I - 150 pA)) of charging, with tau = 20 ms.
    assert 1 <= weak <= 2
    assert strong in (4, 5)
    assert run.probes["cell.V"].max() < -50e-3


def test_lif_charges_exactly() -> None:
    import spikec

    run = spikec.compile(spikec.load(EXAMPLES / "01_lif" / "model.snn")).run({"I": np.full(1, 100e-12)}, steps=500)
    time_s = 1e-4 * np.arange(1, 501)
    exact = -65e-3 + 10e-3 * (1 - np.exp(-time_s / 20e-3))
    assert np.abs(run.probes["cell.V"][:, 0] - exact).max() < 1e-6


def test_lif_draws_its_plot(tmp_path: Path) -> None:
    assert said("examples/01_lif/run.py", "-o", tmp_path)[-1].endswith("lif.png")
    assert is_png(tmp_path / "lif.png")


def test_vogels_abbott_fires_irregularly() -> None:
    example = script("examples/02_vogels_abbott/run.py")
    run = example.simulate(1000, 0)
    for name, size in example.SIZES.items():
        rows = run.spikes[name]
        assert 4.5 < example.mean_rate(rows, size, 1000) < 7
        assert 0.4 < example.mean_cv(rows, size) < 0.65


def test_vogels_abbott_draws_its_plot(tmp_path: Path) -> None:
    said("examples/02_vogels_abbott/run.py", "--ms", "50", "-o", tmp_path)
    assert is_png(tmp_path / "cuba.png")


def test_cv_is_that_of_the_intervals() -> None:
    example = script("examples/02_vogels_abbott/run.py")
    clock = np.array([[step, 0] for step in range(0, 100, 10)], np.int32)
    assert example.mean_cv(clock, 2) == 0
    uneven = np.array([[0, 1], [10, 1], [40, 1]], np.int32)
    assert example.mean_cv(uneven, 2) == pytest.approx(0.5)
    assert np.isnan(example.mean_cv(clock[:2], 2))


def test_digits_are_recognised(tmp_path: Path) -> None:
    last = said("examples/03_digits/demo.py", "-o", tmp_path)[-1]
    word, percent, sign, plot, path = last.split()
    assert (word, sign, plot) == ("accuracy", "%,", "plot")
    assert float(percent) >= 95
    assert is_png(Path(path))


def test_digits_training_sees_its_own_images_only() -> None:
    train, demo = script("examples/03_digits/train.py"), script("examples/03_digits/demo.py")
    images, digits = train.training_images()
    assert images.shape == (898, 8, 8) and digits.shape == (898,)
    unseen, _ = demo.test_images()
    assert len(unseen) == 899
    assert not {image.tobytes() for image in images.reshape(-1, 64)} & {image.tobytes() for image in unseen}


def test_digits_training_learns_and_converts() -> None:
    train = script("examples/03_digits/train.py")
    images, digits = train.training_images()
    network = train.train(images, digits, hidden=64, epochs=25)
    _, logits = network.forward(images.reshape(898, 64))
    assert (logits.argmax(axis=1) == digits).mean() > 0.8
    spiking = train.to_spikes(network, images)
    rates = np.maximum(images.reshape(898, 64) @ spiking["w1"].T + spiking["b1"], 0)
    assert np.percentile(rates, 99) == pytest.approx(1, rel=1e-4)
    drive = rates @ spiking["w2"].T + spiking["b2"]
    assert np.percentile(drive, 99) == pytest.approx(1, rel=1e-4)
    assert np.array_equal(drive.argmax(axis=1), logits.argmax(axis=1))


def test_gradients_are_those_of_the_loss() -> None:
    train = script("examples/03_digits/train.py")
    rng = np.random.default_rng(0)
    network = train.new_network(5, rng)
    network.arrays = {name: array.astype(np.float64) for name, array in network.arrays.items()}
    x, digits = rng.random((7, 64)), rng.integers(0, 10, 7)

    def loss() -> float:
        logits = network.forward(x)[1]
        logs = logits - logits.max(axis=1, keepdims=True)
        logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
        wanted = np.eye(10)[digits] * 0.95 + 0.005
        return float(-(wanted * logs).sum(axis=1).mean())

    found = train.gradients(network, x, digits, 0.0, rng)
    for name, position in (("w1", (2, 30)), ("w2", (4, 1)), ("b1", (3,)), ("b2", (6,))):
        array = network.arrays[name]
        before = array[position]
        array[position] = before + 1e-5
        above = loss()
        array[position] = before - 1e-5
        below = loss()
        array[position] = before
        assert found[name][position] == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-6)
