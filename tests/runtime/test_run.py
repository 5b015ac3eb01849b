"""`Executable`: runs, batches, single steps, seeds; what comes back and in which shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.runtime.run import Executable


def test_a_run_has_outputs_probes_spikes_and_counts(net: Executable) -> None:
    run = net.run({"x": [1.0, 2.0]}, steps=5)
    assert run.outputs["y"].shape == (5, 2)
    assert run.outputs["label"] == 1
    assert run.probes["a.V"].tolist() == [[1, 2], [3, 6], [5, 10]]
    assert run.spikes["a"].tolist() == [[0, 0], [3, 0]]
    assert run.probes["a.event"].tolist() == [1, 1]
    assert run.counts == {"a": 2}
    assert run.synaptic_events == 20
    assert set(run.seconds) == {"compile", "run"}


def test_every_run_starts_anew(net: Executable) -> None:
    first, second = (net.run({"x": [1.0, 2.0]}, steps=5) for _ in range(2))
    assert np.array_equal(first.outputs["y"], second.outputs["y"])


def test_a_batch_runs_sample_by_sample(net: Executable) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    run = net.run({"x": x}, batch=3, seed=7)
    assert vars(net.engine)["seeds"] == [(7, 0), (7, 1), (7, 2)]
    assert run.outputs["y"].shape == (3, 2, 2)
    assert run.outputs["label"].shape == (3,)
    assert run.probes["a.V"].shape == (3, 1, 2)
    assert run.spikes["a"].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert run.spikes["a"].dtype == np.int32
    assert run.probes["a.event"].shape == (3,)
    assert run.counts == {"a": 3}
    alone = net.run({"x": x[0]}, seed=7)
    assert np.array_equal(alone.outputs["y"], run.outputs["y"][0])


def test_a_watched_run_is_the_same_run_in_pieces(net: Executable) -> None:
    done: list[int] = []
    x = np.ones((250, 2))
    watched = net.run({"x": x}, progress=done.append)
    plain = net.run({"x": x})
    assert sum(done) == 250
    assert len(done) > 10
    assert watched.probes.keys() == plain.probes.keys()
    for key, array in plain.probes.items():
        assert np.array_equal(watched.probes[key], array)
    assert watched.counts == plain.counts


def test_steps_go_on_until_reset(net: Executable) -> None:
    assert net.step({"x": [1.0, 0.0]})["y"].tolist() == [1, 0]
    assert net.step({"x": [1.0, 0.0]})["y"].tolist() == [2, 0]
    net.reset()
    assert net.step({"x": [1.0, 0.0]})["y"].tolist() == [1, 0]


def test_drawn_connections_have_one_seed(make_net: Callable[..., Executable]) -> None:
    net = make_net(seed=4, random_structure=True)
    net.run({"x": [0.0, 0.0]}, steps=1)
    net.run({"x": [0.0, 0.0]}, steps=1, seed=4)
    with pytest.raises(CompileError, match=r"E0721.*seed 4, not 5"):
        net.run({"x": [0.0, 0.0]}, steps=1, seed=5)


def test_seeds_are_64_bits(net: Executable) -> None:
    with pytest.raises(UsageError, match="seed"):
        net.run({"x": [0.0, 0.0]}, steps=1, seed=2**64)


def test_what_cannot_be_recorded_is_refused(net: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.runtime.memory.limit", lambda: 1 << 30)
    with pytest.raises(CompileError, match="E0706"):
        net.run({"x": [0.0, 0.0]}, steps=2**31 - 1, batch=None)


def test_inputs_that_are_no_arrays(net: Executable) -> None:
    with pytest.raises(CompileError, match="E0717"):
        net.run({"x": [[1.0], [1.0, 2.0]]}, steps=1)


def test_a_target_without_files_saves_nothing(net: Executable, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes no files"):
        net.save(tmp_path / "net")


def test_saving_refuses_what_exists(make_net: Callable[..., Executable], tmp_path: Path) -> None:
    net = make_net(files=lambda: {"a.txt": b"a"})
    net.save(tmp_path / "net")
    assert (tmp_path / "net" / "a.txt").read_bytes() == b"a"
    with pytest.raises(CompileError, match="E0707"):
        net.save(tmp_path / "net")
    net.save(tmp_path / "net", force=True)
