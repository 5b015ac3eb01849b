"""`GpuEngine`: stretches, graphs, the persistent kernel, samples side by side, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError
from spikec.runtime import gpu
from spikec.runtime.devices.device import Launch
from spikec.runtime.devices.emulated import EmulatedDevice
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.interface import Batches
from spikec.runtime.run import Executable

from tests.runtime import kernels


class Watched(EmulatedDevice):
    """Tells what it was asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.replayed = 0
        self.launched: list[Launch] = []
        self.closed = False

    def launch(self, launch: Launch) -> None:
        self.launched.append(launch)
        super().launch(launch)

    def replay(self, graph: Sequence[Launch]) -> None:
        self.replayed += 1
        super().replay(graph)

    def close(self) -> None:
        self.closed = True


def engine(shape: gpu.Shape = "auto", persistent: bool = True, **options: Any) -> tuple[GpuEngine, Watched]:
    device = Watched(poison=True, races=True, **options)
    made = GpuEngine(
        device, kernels.TEXT, kernels.launches(persistent), kernels.CONSTANTS, kernels.INTERFACE, shape=shape
    )
    return made, device


def spikes(steps: int, batch: int = 1) -> Any:
    return np.random.default_rng(steps).random((batch, steps, kernels.SIZE)) < 0.4


def check(executable: Executable, x: Any, steps: int) -> None:
    """A run of one sample gives what numpy computes."""
    run = executable.run({"x": x}, steps=steps)
    v, events = kernels.expected(x, steps)
    assert np.array_equal(run.outputs["y"], v.reshape(steps, 8, 5))
    assert np.array_equal(run.outputs["last"], v[-1])
    assert np.array_equal(run.probes["a.v"], v[::3])
    assert np.array_equal(run.probes["a.spike"], np.argwhere(events))
    assert run.counts == {"a": events.sum()}


@pytest.mark.parametrize("shape", ["graph", "persistent"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_gives_what_numpy_computes(shape: gpu.Shape, seed: int) -> None:
    made, device = engine(shape, seed=seed)
    check(Executable(made, "ptx"), spikes(9)[0], 9)
    assert any(launch.cooperative for launch in device.launched) == (shape == "persistent")


def test_a_long_run_replays_a_graph_and_launches_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRAPH_ROUNDS", 4)
    made, device = engine("graph")
    check(Executable(made, "ptx"), spikes(10)[0], 10)
    assert device.replayed == 2  # of 11 rounds, 3 are left
    assert len(device.launched) == 12


def test_a_run_is_done_in_stretches_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sum(m.bytes for m in kernels.launches().memories if m.kind in ("input", "output", "probe"))
    monkeypatch.setattr(gpu, "ROWS_BYTES", 4 * rows)
    made, _ = engine()
    check(Executable(made, "ptx"), spikes(11)[0], 11)


def test_steps_go_on_where_the_last_ones_ended() -> None:
    made, _ = engine()
    net, x = Executable(made, "ptx"), spikes(5)[0]
    v, _ = kernels.expected(x, 5)
    assert [net.step({"x": x[t]})["y"].tolist() for t in range(5)] == v.reshape(5, 8, 5).tolist()


def test_a_held_input_stands_for_all_steps() -> None:
    made, _ = engine()
    x = spikes(1)[0, 0]
    run = Executable(made, "ptx").run({"x": x}, steps=6)
    v, _ = kernels.expected(np.broadcast_to(x, (6, kernels.SIZE)), 6)
    assert np.array_equal(run.outputs["last"], v[-1])


@pytest.mark.parametrize("shape", ["graph", "persistent"])
def test_the_samples_of_a_batch_run_side_by_side(shape: gpu.Shape) -> None:
    made, device = engine(shape)
    assert isinstance(made, Batches)
    net, x = Executable(made, "ptx"), spikes(7, 5)
    run = net.run({"x": x}, batch=5)
    assert {launch.grid[1] for launch in device.launched} == {5}
    for sample in range(5):
        v, events = kernels.expected(x[sample], 7)
        assert np.array_equal(run.outputs["last"][sample], v[-1])
        rows = run.probes["a.spike"]
        assert np.array_equal(rows[rows[:, 0] == sample][:, 1:], np.argwhere(events))
    watched: list[int] = []
    again = net.run({"x": x}, batch=5, progress=watched.append)
    assert np.array_equal(again.outputs["y"], run.outputs["y"])
    assert sum(watched) == 35


def test_a_batch_that_is_too_large_runs_in_groups() -> None:
    plan = kernels.launches()
    shared = sum(m.bytes for m in plan.memories if m.shared)
    each = sum(m.bytes for m in plan.memories if not m.shared)
    made, device = engine("graph", memory=shared + 2 * each + each // 2)
    x = spikes(6, 5)
    run = Executable(made, "ptx").run({"x": x}, batch=5)
    assert {launch.grid[1] for launch in device.launched} == {2, 1}
    assert np.array_equal(run.outputs["last"], [kernels.expected(one, 6)[0][-1] for one in x])


def test_what_does_not_fit_into_the_memory_is_told() -> None:
    with pytest.raises(CompileError, match=r"E0725.*takes 1.8 kB of the device's memory, which has 1.5 kB"):
        engine(memory=1500)


def test_the_persistent_kernel_needs_places_for_all_its_blocks() -> None:
    with pytest.raises(CompileError, match=r"E0726.*has 2 blocks, and the device holds 1 of them"):
        engine("persistent", resident=1)
    x = spikes(3, 2)
    made, device = engine("persistent", resident=3)
    Executable(made, "ptx").run({"x": x}, batch=2)
    assert {launch.grid for launch in device.launched if launch.cooperative} == {(2, 1)}


def test_the_device_is_closed_with_its_engine() -> None:
    made, device = engine()
    assert not device.closed
    del made
    assert device.closed


def test_a_race_in_a_plan_is_found() -> None:
    """Without the skew, both sections touch the same slot in one launch."""
    device = Watched(races=True)
    text = kernels.TEXT.replace("sub.u32 %r10, %r10, 1;", "sub.u32 %r10, %r10, 0;")
    plan = replace(kernels.launches(), skew=0)
    made = GpuEngine(device, text, plan, kernels.CONSTANTS, kernels.INTERFACE, "graph")
    with pytest.raises(Exception, match="race"):
        Executable(made, "ptx").run({"x": spikes(3)[0]})
