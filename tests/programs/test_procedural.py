"""Synapses that are drawn again at each event: on every engine the same bits and counts as those that are stored.

5 random programs by default, 60 with SPIKEC_FULL=1, with all projections drawn at each event that can be.
"""

from __future__ import annotations

import os
import re
import tempfile
from itertools import count, islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.dialects import procedural, snn, step
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.lower import snn_to_step

from .engines import Array, cpu, differences, on_every_engine, reference_of_steps
from .generator import Case, write_case

MODEL = """
model Drawn {{
  step 1 ms
  input x : spikes[{sources}]
  input r : real[{sources}]
  neuron Cell {{ in I; var V = 0; V := 0.9 * V + I; spike when V > 1 {{ V := 0 }} }}
  pop a : Cell[{targets}]
  proj x -> a.I {{ connect prob({p}) seed 1; weight 0.3 }}
  proj r -> a.I {{ connect prob({p}) seed 2 if (pre + post) % 3 != 0; weight 0.1 }}
  proj a -> a.I {{ connect prob({p}) seed 3 if pre != post; weight -0.2; delay 2 ms }}
  proj a[{low}:] -> a.I {{ connect prob({p}) seed 4; weight -0.1; delay 3 ms }}
  probe a.V, a.spike
}}
"""
LARGE = """
model Large {
  step 1 ms
  input x : spikes[1000000]
  neuron Sum { in I; var V = 0; V := V + I }
  pop a : Sum[400000]
  proj x -> a.I { connect prob(0.01) seed 1; weight 0.5 }
  probe a.V
}
"""
PROGRAMS = 60 if os.environ.get("SPIKEC_FULL") == "1" else 5
USUAL = 0.3  # of the random programs at least have something to draw again


def forced(program: Program) -> Program:
    """The program with all projections drawn at each event that can be."""
    able = [view.sym_name for view in program.ops(snn.Synapses) if procedural.obstacle(view) is None]
    return spikec.pipeline(f'formats{{procedural="{",".join(able)}"}}')(program)


def formats(program: Program, seed: int = 0) -> set[str]:
    return {table.format for table in snn_to_step.lower(program, seed).ops(step.Table)}


def spikes(sources: int, targets: int) -> dict[str, Array]:
    rng = np.random.default_rng(targets)
    values = rng.standard_normal((12, sources)) * (rng.random((12, sources)) < 0.4)
    return {"x": rng.random((12, sources)) < 0.3, "r": values.astype(np.float32)}


@pytest.mark.parametrize(
    ("p", "sources", "targets", "seed"),
    [
        (0.001, 7, 5000, 0),
        (0.001, 40, 3, 1),
        (0.02, 90, 700, 2**40 + 1),
        (0.3, 33, 257, 2),
        (0.5, 1, 1, 3),
        (0.9, 50, 40, 4),
    ],
)
def test_the_same_as_stored(tmp_path: Path, p: float, sources: int, targets: int, seed: int) -> None:
    path = tmp_path / "model.snn"
    path.write_text(MODEL.format(p=p, sources=sources, targets=targets, low=targets // 3))
    drawn, inputs = forced(spikec.load(path)), spikes(sources, targets)
    assert formats(drawn, seed) == {"procedural"}
    # The interpreter of level snn knows no formats: it makes all synapses beforehand.
    runs = on_every_engine(drawn, inputs, 12, seed)
    assert not differences(runs)


def test_samples_in_threads(tmp_path: Path) -> None:
    path = tmp_path / "model.snn"
    path.write_text(MODEL.format(p=0.1, sources=60, targets=300, low=7))
    rng = np.random.default_rng(0)
    inputs = {"x": rng.random((8, 12, 60)) < 0.3, "r": rng.standard_normal((8, 12, 60)).astype(np.float32)}
    net = cpu(forced(spikec.load(path)), 5)
    runs = {str(threads): net.run(inputs, steps=12, batch=8, threads=threads) for threads in (1, 2)}
    assert not differences(runs)


def test_random_programs() -> None:
    cases = (write_case(Random(number)) for number in count())
    able = (case for case in cases if re.search(r"connect prob\(0\.", case.text))
    drawn = [formats_of(case) for case in islice(able, PROGRAMS)]
    assert sum("procedural" in formats for formats in drawn) >= USUAL * PROGRAMS


def formats_of(case: Case) -> set[str]:
    """The formats of a random program that is the same on all engines."""
    with tempfile.TemporaryDirectory() as folder:
        program = forced(spikec.load(case.write(Path(folder))))
    runs = on_every_engine(program, case.inputs, case.steps)
    assert not differences(runs), f"{case.text}\n{program.text()}"
    return formats(program)


def test_what_would_fill_the_memory_is_drawn(tmp_path: Path) -> None:
    """Four billion synapses, of which those of three sources act."""
    path = tmp_path / "model.snn"
    path.write_text(LARGE)
    program = spikec.load(path)
    x = np.zeros((2, 1_000_000), bool)
    x[0, [3, 999_999]] = x[1, 70_000] = True
    runs = {"steps": reference_of_steps(program, 9).run({"x": x}), "cpu": cpu(program, 9).run({"x": x})}
    assert not differences(runs)
    assert abs(runs["cpu"].synaptic_events - 12_000) < 500


def test_what_cannot_be_drawn_again(tmp_path: Path) -> None:
    path = tmp_path / "model.snn"
    path.write_text(
        """
model Stored {
  step 1 ms
  input x : spikes[5]
  neuron Sum { in I; var V = 0; V := V + I }
  pop a : Sum[6]
  proj p : x -> a.I { connect prob(0.5) seed 1; weight uniform(0, 1) seed 2 }
  proj q : x -> a.I { connect prob(1.0) seed 1; weight 1 }
  proj r : x -> a.I { connect fixed_in(2) seed 1; weight 1 }
  proj s : x -> a.I { connect prob(0.1 * pre) seed 1; weight 1 }
  proj t : x -> a.I { connect prob(0.1) seed 1; weight 1; delay uniform(0 ms, 3 ms) seed 1 }
  probe a.V
}
"""
    )
    program = spikec.load(path)
    assert {procedural.obstacle(view) for view in program.ops(snn.Synapses)} == {
        "the synapses have weights of their own",
        "the probability 1.0 leaves nothing to draw",
        "only the synapses of 'prob' can be drawn again at each event",
        "each pair has a probability of its own",
        "the synapses have delays of their own",
    }
    with pytest.raises(CompileError, match=r"E1241.*'q' cannot be stored.*leaves nothing to draw"):
        snn_to_step.lower(spikec.pipeline("formats{procedural=q}")(program))
