"""The example 06_spikformer_block: equal to its equations, only additions, and right about digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError

from tests.examples.little_training import little_training
from tests.examples.planes import convolved, normed
from tests.examples.scripts import said, script
from tests.programs.engines import differences, run_everywhere

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "06_spikformer_block"
MODEL = EXAMPLE / "model.snn"
WEIGHTS = EXAMPLE / "weights.npz"
STEPS = 4
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def images() -> tuple[Array, Array]:
    found: tuple[Array, Array] = script("examples/06_spikformer_block/demo.py").test_images()
    return found


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    """The model with other lines, beside no weights."""
    text = MODEL.read_text()
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = folder / "changed.snn"
    path.write_text(text)
    return path


SHOWN = ("  output votes", "  output attended = c4.a\n  output potential = u5\n  output votes")


@pytest.fixture(scope="module")
def run(images: tuple[Array, Array], tmp_path_factory: pytest.TempPathFactory) -> spikec.Run:
    """All images, with what layers before the last hold."""
    program = spikec.load(changed(tmp_path_factory.mktemp("run"), SHOWN), {"weights": WEIGHTS})
    return spikec.compile(program).run({"x": images[0]}, STEPS, 359)


class Cells:
    """V += (I - V) / 2, a spike where V >= theta, which sets V to 0: the layers of the model, by the order of calls."""

    def __init__(self) -> None:
        self.V: list[Array] = []
        self.next = 0

    def fire(self, current: Array, theta: float = 1.0) -> Array:
        if self.next == len(self.V):
            self.V.append(np.zeros_like(current))
        V = self.V[self.next] + (current - self.V[self.next]) / 2
        spikes = (theta <= V).astype(float)
        self.V[self.next] = np.where(spikes > 0, 0, V)
        self.next += 1
        return spikes


def reference(x: Array) -> tuple[Array, Array]:
    """Votes of all steps, and the last potential of each, by the paper's equations in float64."""
    with np.load(WEIGHTS) as file:
        w = {name: file[name].astype(np.float64) for name in file.files}
    cells = Cells()
    votes, potentials = np.zeros(10), []

    def layer(stream: Array, name: str, stride: int = 1) -> Array:
        kernel = w[f"{name}_k"]
        return normed(convolved(stream, kernel, kernel.shape[-1] // 2, stride), w[f"{name}_n"])

    for _ in range(STEPS):
        cells.next = 0
        u = layer(x, "stem")
        u = u + layer(cells.fire(layer(cells.fire(u), "sep1")), "sep2")
        u = u + layer(cells.fire(layer(cells.fire(u), "mix1")), "mix2")
        u = layer(cells.fire(u), "tokens", stride=2)
        s = cells.fire(u)
        q, k, v = (cells.fire(layer(s, name)).reshape(8, 8, 16) for name in "qkv")
        attended = np.einsum("hdi,hdj,hej->hei", q, k, v).reshape(u.shape)
        u = u + layer(cells.fire(0.125 * attended, 0.5), "o")
        u = u + layer(cells.fire(layer(cells.fire(u), "up")), "down")
        potentials.append(u)
        votes += w["w"] @ cells.fire(u).sum(axis=(1, 2)) + w["b"]
    return votes, np.array(potentials)


def test_equals_the_equations(images: tuple[Array, Array], tmp_path: Path) -> None:
    x = images[0][::60].astype(np.float64)
    found = spikec.compile(spikec.load(changed(tmp_path, SHOWN), {"weights": WEIGHTS}, real=64))
    outputs = found.run({"x": x}, STEPS, len(x)).outputs
    for image, votes, potentials in zip(x, outputs["votes"], outputs["potential"], strict=True):
        expected = reference(image)
        assert np.abs(votes - expected[0]).max() < 1e-9
        assert np.abs(potentials - expected[1]).max() < 1e-9


def test_every_engine_gives_the_same_bits(images: tuple[Array, Array]) -> None:
    runs = run_everywhere(MODEL, {"x": images[0][7]}, steps=STEPS)
    assert differences(runs) == []
    assert all(runs["cpu"].counts.values())


def test_the_order_of_the_products_does_not_matter(
    images: tuple[Array, Array], run: spikec.Run, tmp_path: Path
) -> None:
    """(Q K^T) V is Q (K^T V), in whole numbers, and so is all that follows, bit for bit."""
    quadratic = changed(
        tmp_path,
        SHOWN,
        ("kv[h, d, e] = sum[j](k[h, d, j] * v[h, e, j])", "qk[h, i, j] = sum[d](q[h, d, i] * k[h, d, j])"),
        ("sum[d](q[h, d, i] * kv[h, d, e])", "sum[j](qk[h, i, j] * v[h, e, j])"),
    )
    other = spikec.compile(spikec.load(quadratic, {"weights": WEIGHTS})).run({"x": images[0]}, STEPS, 359)
    a, b = run.outputs, other.outputs
    assert a["attended"].dtype.kind == "i" and a["attended"].max() > 8
    assert all(a[name].tobytes() == b[name].tobytes() for name in ("attended", "potential", "votes", "label"))


def test_folded_batch_norm_changes_nothing_but_rounding(
    images: tuple[Array, Array], run: spikec.Run, tmp_path: Path
) -> None:
    program = spikec.load(changed(tmp_path, SHOWN), {"weights": WEIGHTS})
    folded = spikec.compile(program, pipeline="fuse").run({"x": images[0]}, STEPS, 359)
    assert np.abs(run.outputs["potential"] - folded.outputs["potential"]).max() < 1e-5
    assert not np.array_equal(run.outputs["potential"], folded.outputs["potential"])
    assert run.counts == folded.counts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("layer(a, P.sep1_k", "layer(u, P.sep1_k"),
        ("layer(b, P.mix2_k", "layer(u, P.mix2_k"),
        ("layer(s, P.v_k", "layer(u, P.v_k"),
        ("attend(by_head(q)", "attend(by_head(u)"),
        ("layer(t, P.o_k", "layer(0.125 * a, P.o_k"),
        ("layer(a, P.up_k", "layer(u, P.up_k"),
        ("layer(s2,", "layer(u2,"),
    ],
)
def test_a_product_with_anything_but_spikes_is_an_error(before: str, after: str, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="stream of spikes"):
        spikec.load(changed(tmp_path, (before, after)), {"weights": WEIGHTS})


def test_the_demonstration() -> None:
    """At least 95 % right, and eight bits lose at most one point: its exit status."""
    last = said("examples/06_spikformer_block/demo.py")[-1].split()
    assert float(last[1]) >= 95 and float(last[-2]) >= float(last[1]) - 1
    assert WEIGHTS.stat().st_size < 1_000_000


def test_what_is_trained_is_the_model(images: tuple[Array, Array], tmp_path: Path) -> None:
    """It sees its own images alone; after a little training, PyTorch and the compiled model answer alike."""
    seen = little_training(EXAMPLE, tmp_path, 15)
    known, unseen = seen["images"], images[0]
    assert len(known) + len(unseen) == 1797
    assert not {image.tobytes() for image in known} & {image.tobytes() for image in unseen}
    model = spikec.load(MODEL, {"weights": tmp_path / "weights.npz"})
    found = spikec.compile(model).run({"x": known[:40]}, STEPS, 40).outputs["votes"]
    # A spike that lies within the rounding of its threshold may fall to either side.
    assert np.median(np.abs(found - seen["votes"])) < 1e-4
