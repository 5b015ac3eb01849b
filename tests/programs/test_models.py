"""Whole networks as papers write them, beside those of examples/: the same bits on every engine.

The folder `language` beside `SPIKEC_CONFORMANCE` may hold more programs to run; the arrays that they load are drawn here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError
from spikec.runtime.interface import Interface

from .engines import Array, differences, run_everywhere

MODELS = sorted((Path(__file__).parent / "models").glob("*.snn"))
ARRAYS: dict[str, dict[str, tuple[int, ...]]] = {
    "bipolar": {"a": (9, 12), "bias": (9,), "unit": (), "step": (), "c": (5, 9), "shift": (5,)},
    "time_mixing": {
        **dict.fromkeys(("gain", "offset", "share", "decay", "bonus"), (10,)),
        **dict.fromkeys(("wk", "wv", "wo", "wr"), (10, 10)),
        "wf": (20, 10),
        "wg": (10, 20),
    },
}


def inputs_of(path: Path, steps: int) -> dict[str, Array]:
    """Random inputs of the kinds that a model declares."""
    random = np.random.default_rng(4)
    made: dict[str, Array] = {}
    for declared in Interface.of(spikec.load(path)).inputs:
        shape, kind = (steps, *declared.shape), np.dtype(declared.dtype).kind
        made[declared.name] = {
            "b": lambda shape=shape: random.random(shape) < 0.4,
            "i": lambda shape=shape: random.integers(0, 4, shape),
            "f": lambda shape=shape: random.random(shape).astype(np.float32),
        }[kind]()
    return made


def drawn(shape: tuple[int, ...]) -> Array:
    random = np.random.default_rng(sum(shape))
    return np.asarray(random.normal(0.2, 1.0, shape) if shape else 0.25, np.float32)


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_all_engines_agree(model: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(model, tmp_path))
    if model.stem in ARRAYS:
        np.savez(tmp_path / "arrays.npz", **{name: drawn(shape) for name, shape in ARRAYS[model.stem].items()})
    inputs = inputs_of(path, 10)
    runs = run_everywhere(path, inputs, 10, seed=3)
    assert not differences(runs)
    outputs = runs["cpu"].outputs
    assert any(np.unique(np.asarray(value)).size > 1 for value in outputs.values())


def test_a_conversion_loses_nothing(tmp_path: Path) -> None:
    """What the bipolar neurons sent in all steps is the clipped and rounded ReLU of the float network."""
    path = Path(shutil.copy(next(m for m in MODELS if m.stem == "bipolar"), tmp_path))
    random = np.random.default_rng(1)
    P = {"a": random.normal(0, 0.5, (9, 12)), "bias": random.normal(0, 0.2, 9), "c": random.normal(0, 1, (5, 9))}
    P |= {"unit": np.float64(0.125), "step": np.float64(0.25), "shift": random.normal(0, 1, 5)}
    np.savez(tmp_path / "arrays.npz", **{name: np.asarray(value, np.float32) for name, value in P.items()})
    x = random.random((1, 12)).astype(np.float32).repeat(24, axis=0)
    found = spikec.compile(spikec.load(path)).run({"x": x}, steps=24).outputs["total"]
    quantised = 0.125 * np.round(np.clip(x[0] / 0.125, 0, 7))
    hidden = 0.25 * np.clip(np.floor((P["a"] @ quantised + P["bias"]) / 0.25 + 0.5), 0, 7)
    assert np.allclose(found, P["c"] @ hidden + P["shift"], atol=1e-4)


# ---------------------------------------------------------------- programs from outside

GIVEN: dict[str, dict[str, dict[str, tuple[int, ...]]]] = {
    "01": {"digits_mlp.npz": {"w1": (128, 64), "b1": (128,), "w2": (10, 128)}},
    "06": {
        "block.npz": {
            **dict.fromkeys(("wq", "wk", "wv", "wp"), (64, 64)),
            **dict.fromkeys(("bq", "bk", "bv", "bp", "b2"), (64,)),
            "w1": (64, 256),
            "b1": (256,),
            "w2": (256, 64),
        }
    },
    "09": {"qann.npz": {"w1": (128, 64), "b1": (128,), "s0": (), "s1": (), "w2": (10, 128), "b2": (10,)}},
    "11": {
        "egru.npz": {
            "embed": (64, 48),
            "w": (384, 48),
            "b": (384,),
            "u": (384, 128),
            "b_r": (384,),
            "theta": (128,),
            "proj": (48, 128),
        }
    },
    "12": {
        "spikegpt_block.npz": {
            **dict.fromkeys(("g1", "c1", "g2", "c2", "decay", "bonus", "mk", "mv", "mr", "nk", "nr"), (64,)),
            **dict.fromkeys(("wk", "wv", "wo", "wr", "fr"), (64, 64)),
            "fk": (256, 64),
            "fv": (64, 256),
        }
    },
}
OUTSIDE = ("01", "02", "03", "06", "09", "11", "12", "13", "14")


def folder() -> Path | None:
    beside = os.environ.get("SPIKEC_CONFORMANCE")
    return Path(beside).parent / "language" if beside else None


@pytest.mark.parametrize("number", OUTSIDE)
def test_programs_from_outside(number: str, tmp_path: Path) -> None:
    programs = folder()
    found: list[Any] = sorted(programs.glob(f"{number}_*.snn")) if programs is not None else []
    if not found:
        pytest.skip("no folder of programs beside SPIKEC_CONFORMANCE")
    path = Path(shutil.copy(found[0], tmp_path))
    with_arrays = GIVEN.get(number, {})
    if with_arrays:
        with pytest.raises(CompileError) as caught:
            spikec.load(path)
        assert {d.code for d in caught.value.diagnostics if d.severity == "error"} == {"E0701"}
    for name, shapes in with_arrays.items():
        np.savez(tmp_path / name, **{key: drawn(shape) for key, shape in shapes.items()})
    assert not differences(run_everywhere(path, inputs_of(path, 6), 6, seed=2))
