"""Pruning: which weights stay, and that what is gone is neither stored nor added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.dialects import snn, step
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step
from spikec.passes.sparsify import Sparsify

from tests.passes.tables import table

Array = npt.NDArray[Any]

TWO = """model Two(file: path = "weights.npz") {
  step 1 steps
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1 { V -= 1 } }
  input x : spikes[12]
  param A : real[8, 12] = load(file, "A")
  param B : real[5, 8] = load(file, "B")
  param c : real[5] = load(file, "c")
  a = IF[8](A @ x)
  b = IF[5](c + B @ a)
  output y = b
  probe a.V, b.V
}
"""
LOOP = """pop a : IF[8](A @ x)
  proj a -> a {
    connect all if pre != post
    delay 1 steps
    weight R
  }"""
CONV = """model Conv(file: path = "weights.npz") {
  step 1 steps
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1 { V -= 1 } }
  input x : spikes[4, 6, 6]
  param K : real[3, 4, 3, 3] = load(file, "K")
  a = IF[3, 6, 6](conv2d(x, K, pad = 1))
  output y = a
}
"""


def network(folder: Path, text: str = TWO, **arrays: Any) -> Program:
    rng = np.random.default_rng(1)
    made = {
        "A": rng.normal(0, 1, (8, 12)),
        "B": rng.normal(0, 0.3, (5, 8)),
        "c": rng.normal(0, 0.1, 5),
        "K": rng.normal(0, 0.5, (3, 4, 3, 3)),
    }
    np.savez(folder / "weights.npz", **{**made, **arrays})
    (folder / "net.snn").write_text(text)
    return spikec.load(folder / "net.snn")


def pruned(program: Program, **options: Any) -> Program:
    before = program.text()
    result = Sparsify(**options).run(program)
    assert problems(result) == [] and program.text() == before
    return result


def weights(program: Program) -> list[Array]:
    """The arrays of the projections, in order, as they are stored."""
    return [program.constants[view.weight.value] for view in program.ops(snn.Synapses)]


def stay(program: Program, **options: Any) -> list[Array]:
    """Which weights of each projection stay."""
    return [array != 0 for array in weights(pruned(program, **options))]


def numbers(program: Program, **options: Any) -> list[int]:
    """How many weights of each projection stay."""
    return [int(mask.sum()) for mask in stay(program, **options)]


def refused(program: Program, **options: Any) -> tuple[str, str]:
    with pytest.raises(CompileError) as caught:
        Sparsify(**options).run(program)
    first = caught.value.diagnostics[0]
    return first.code, first.message


def saved(folder: Path, **named: Any) -> str:
    np.savez(folder / "data.npz", **named)
    return str(folder / "data.npz")


# ---------------------------------------------------------------- by size


@pytest.mark.parametrize("density", [0.0, 0.1, 0.33, 0.5, 0.999, 1.0])
def test_the_largest_of_all_layers_stay(tmp_path: Path, density: float) -> None:
    program = network(tmp_path)
    sizes = np.concatenate([np.abs(array).reshape(-1) for array in weights(program)])
    kept = np.concatenate([mask.reshape(-1) for mask in stay(program, density=density)])
    assert set(np.flatnonzero(kept)) == set(np.argsort(-sizes, kind="stable")[: round(density * sizes.size)])


def test_what_stays_is_as_it_was_and_biases_too(tmp_path: Path) -> None:
    program = network(tmp_path)
    after = pruned(program, density=0.4)
    for old, new in zip(weights(program), weights(after), strict=True):
        assert np.array_equal(new[new != 0], old[new != 0])
    assert np.array_equal(program.constants["c"], after.constants["c"])
    kept = [int(np.count_nonzero(array)) for array in weights(after)]
    rows = [row[1:] for row in table(after, "sparsify: weights").rows]
    assert rows == [(96, 96, kept[0], kept[0] / 96), (40, 40, kept[1], kept[1] / 40)]


def test_of_equal_weights_the_first_stay(tmp_path: Path) -> None:
    program = network(tmp_path, A=np.ones((8, 12)), B=-np.ones((5, 8)))
    first, second = (mask.reshape(-1) for mask in stay(program, density=100 / 136))
    assert first.all() and second[:4].all() and not second[4:].any()


def test_within_each_layer(tmp_path: Path) -> None:
    assert numbers(network(tmp_path), density=0.25, scope="layer") == [24, 10]


def test_a_floor_in_weights_and_as_a_share(tmp_path: Path) -> None:
    program = network(tmp_path, B=np.full((5, 8), 1e-3))
    assert numbers(program, density=0.1) == [14, 0]
    assert numbers(program, density=0.1, floor=3) == [11, 3]
    assert numbers(program, density=0.1, floor=0.05) == [12, 2]
    assert refused(program, density=0.1, floor=0.2)[0] == "E1222"


def test_a_layer_without_weights_is_told(tmp_path: Path) -> None:
    after = pruned(network(tmp_path, B=np.full((5, 8), 1e-3)), density=0.1)
    (warning,) = [note for note in after.notes if not isinstance(note, Table)]
    assert warning.code == "W1221" and "'b/matmul#0'" in warning.message


def test_integers_are_compared_as_the_reals_that_they_stand_for(tmp_path: Path) -> None:
    small = network(tmp_path, A=np.full((8, 12), 0.5), B=np.full((5, 8), 0.001))
    integers = spikec.pipeline("canonicalize,quantize{weights=8}")(small)
    assert all((np.abs(array) > 0).all() for array in weights(integers))
    assert numbers(integers, density=96 / 136) == [96, 0]


def test_a_shared_array_is_pruned_once(tmp_path: Path) -> None:
    text = TWO.replace("  output y = b", "  d = IF[8](A @ x)\n  output y = b\n  output z = d")
    after = pruned(network(tmp_path, text), density=0.5)
    first, _, third = (view.weight.value for view in after.ops(snn.Synapses))
    rows = table(after, "sparsify: weights").rows
    assert first == third and [row[1] for row in rows] == [96, 40]
    assert rows[0][0] == "a/matmul#0, d/matmul#0"


# ---------------------------------------------------------------- by structure


def test_a_pattern_counts_the_sources_of_each_target(tmp_path: Path) -> None:
    program = network(tmp_path)
    for array, mask in zip(weights(program), stay(program, pattern="2:4"), strict=True):
        for target in range(array.shape[1]):
            for first in range(0, array.shape[0], 4):
                four = np.abs(array[first : first + 4, target])
                assert set(np.flatnonzero(mask[first : first + 4, target])) == set(np.argsort(-four)[:2])


def test_a_pattern_of_a_convolution_counts_input_channels(tmp_path: Path) -> None:
    (mask,) = stay(network(tmp_path, CONV), pattern="1:4")
    assert (mask.sum(axis=1) == 1).all()


def test_blocks_stay_or_go_together(tmp_path: Path) -> None:
    program = network(tmp_path)
    mask = stay(program, density=0.5, block="4x2")[0]
    blocks = mask.reshape(3, 4, 4, 2).transpose(0, 2, 1, 3).reshape(12, 8)
    assert set(blocks.sum(axis=1)) <= {0, 8}
    total = sum(numbers(program, density=0.5, block="4x2"))
    assert 68 - 8 < total <= 68
    means = np.abs(weights(program)[0]).reshape(3, 4, 4, 2).transpose(0, 2, 1, 3).reshape(12, 8).mean(axis=1)
    stays = blocks.all(axis=1)
    assert means[stays].min() > means[~stays].max()


# ---------------------------------------------------------------- by masks


def test_masks_have_the_shapes_of_the_parameters(tmp_path: Path) -> None:
    program = network(tmp_path)
    mask = np.random.default_rng(2).random((8, 12)) < 0.5
    first, second = stay(program, mask=saved(tmp_path, A=mask))
    assert np.array_equal(first, mask.T) and second.all()
    assert np.array_equal(stay(program, mask=saved(tmp_path, A=mask, B=np.zeros(3)) + ":A")[0], mask.T)
    kernel = np.random.default_rng(2).random((3, 4, 3, 3)) < 0.5
    (kept,) = stay(network(tmp_path, CONV), mask=saved(tmp_path, K=kernel))
    assert np.array_equal(kept, kernel)


def test_masks_that_fit_nothing(tmp_path: Path) -> None:
    program = network(tmp_path)
    assert refused(program, mask=saved(tmp_path, a=np.ones((8, 12)))) == (
        "E1221",
        "the mask 'a' belongs to no array of weights",
    )
    code, text = refused(program, mask=saved(tmp_path, A=np.ones((12, 8))))
    assert code == "E1221" and "shape (12, 8), the weights have (8, 12)" in text
    assert refused(program, mask=str(tmp_path / "none.npz"))[0] == "E0701"
    assert refused(program, mask=str(tmp_path / "net.snn"))[0] == "E1221"


# ---------------------------------------------------------------- by activity


def test_silent_and_loud_neurons_go(tmp_path: Path) -> None:
    rows = np.full((8, 12), 0.1)
    rows[2] = -1.0  # never fires
    rows[5] = 1.0  # fires nearly always
    program = network(tmp_path, A=rows, B=np.full((5, 8), 0.2))
    data = saved(tmp_path, x=np.random.default_rng(4).random((6, 20, 12)) < 0.4)
    after = pruned(program, calibrate=data, most=0.9)
    assert table(after, "sparsify: neurons").rows == (("a", 8, 1, 1), ("b", 5, 0, 0))
    first, second = (array != 0 for array in weights(after))
    assert not first[:, [2, 5]].any() and not second[[2, 5]].any()
    assert first.sum() == 6 * 12 and second.sum() == 6 * 5
    quiet = pruned(program, calibrate=data)
    inputs = {"x": np.load(data)["x"]}
    runs = [spikec.compile(one, "reference").run(inputs, 20, 6) for one in (program, quiet)]
    assert np.array_equal(runs[0].outputs["y"], runs[1].outputs["y"])
    assert runs[1].synaptic_events < runs[0].synaptic_events


def test_neurons_that_nothing_listens_to_stay(tmp_path: Path) -> None:
    program = network(tmp_path, B=np.full((5, 8), -1.0), c=np.full(5, -1.0))
    data = saved(tmp_path, x=np.ones((1, 5, 12)))
    rows = table(pruned(program, calibrate=data), "sparsify: neurons").rows
    assert rows[1] == ("b", 5, 0, 0)
    assert numbers(program, calibrate=data, silent="stay") == [96, 40]


def test_what_a_synapse_carries_decides(tmp_path: Path) -> None:
    program = network(tmp_path, A=np.ones((8, 12)))
    rates = np.linspace(0.1, 0.9, 12)
    data = saved(tmp_path, x=np.random.default_rng(5).random((1, 400, 12)) < rates)
    first, _ = stay(program, density=0.25, scope="layer", by="flow", calibrate=data, silent="stay")
    assert first[9:].all() and not first[:9].any()


# ---------------------------------------------------------------- scaling


def test_rescaling_keeps_what_a_target_can_get(tmp_path: Path) -> None:
    for text in (TWO, CONV):
        program = network(tmp_path, text)
        after = pruned(program, density=0.6, scope="layer", rescale=True)
        for old, new in zip(weights(program), weights(after), strict=True):
            axes = (1, 2, 3) if text is CONV else 0
            assert np.allclose(np.abs(new).sum(axis=axes), np.abs(old).sum(axis=axes), rtol=1e-6)
    integers = spikec.pipeline("canonicalize,quantize")(network(tmp_path))
    assert refused(integers, rescale=True)[0] == "E1223"


# ---------------------------------------------------------------- no work for zeros


def test_zeros_are_neither_stored_nor_added(tmp_path: Path) -> None:
    x = np.random.default_rng(3).random((30, 12)) < 0.3
    program = network(tmp_path)
    for text in ("sparsify{density=0.3}", "sparsify{density=0.3},quantize{weights=4}"):
        after = spikec.pipeline(f"canonicalize,{text}")(program)
        lowered = snn_to_step.lower(after)
        kept = [int(np.count_nonzero(array)) for array in weights(after)]
        for one, count in zip(lowered.ops(step.Table), kept, strict=True):
            stored = lowered.constants[one.arrays["w"].value]
            assert stored.size == count and (stored != 0).all()
        rows = [np.count_nonzero(array, axis=1) for array in weights(after)]
        run = spikec.compile(after, "cpu").run({"x": x}, 30)
        hidden = spikec.compile(spikec.pipeline("canonicalize")(after), "reference").run({"x": x}, 30)
        assert run.synaptic_events == hidden.synaptic_events
        assert run.synaptic_events >= int((x * rows[0]).sum()) > 0
        assert run.synaptic_events <= int((x * rows[0]).sum()) + run.counts["a"] * int(rows[1].max())


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    once = pruned(network(tmp_path), density=0.3)
    assert pruned(once).text() == once.text() == pruned(once, density=0.3).text()


def test_a_connection_with_a_condition_has_its_pairs_alone(tmp_path: Path) -> None:
    text = TWO.replace("a = IF[8](A @ x)", LOOP).replace(
        "  param B", '  param R : real[8, 8] = load(file, "R")\n  param B'
    )
    recurrent = np.random.default_rng(6).normal(0, 1, (8, 8)) + 100 * np.eye(8)
    program = network(tmp_path, text, R=recurrent)
    masks = stay(program, density=0.5, scope="layer")
    (own,) = [mask for mask in masks if mask.shape == (8, 8)]
    assert own[~np.eye(8, dtype=bool)].sum() == 28


# ---------------------------------------------------------------- wrong use


@pytest.mark.parametrize(
    "text",
    [
        "density=1.5",
        "density=0.5,floor=1.5",
        "floor=2",
        "pattern=4:2",
        "pattern=2",
        "block=4,density=0.1",
        "block=2x2",
        "most=0.5",
        "by=flow",
        "steps=0",
        "scope=all",
    ],
)
def test_wrong_options(text: str) -> None:
    with pytest.raises(UsageError):
        spikec.pipeline(f"sparsify{{{text}}}")
