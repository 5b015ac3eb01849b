"""Texts that LLVM's NVPTX back end wrote, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import Array, emitted

SEEDS = [0, 1, 2]


def _device(machine: Machine, array: Array) -> int:
    address = machine.allocate(array.nbytes)
    machine.write(address, array)
    return address


@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_neurons_and_their_list_of_spikes(seed: int, races: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 1000
    v, current = (rng.normal(0, 1, n).astype(np.float32) for _ in range(2))
    v[:5] = 1e-40  # flushed
    machine = Machine(seed=seed, races=races, poison=True)
    kernel = machine.load(emitted("lif")).kernels["lif"]
    av, ai = _device(machine, v), _device(machine, current)
    count, spikes = _device(machine, np.zeros(1, np.uint32)), machine.allocate(4 * n)
    decay, threshold = np.float32(0.9), np.float32(0.5)
    machine.launch(kernel, (8, 1, 1), (128, 1, 1), arguments=[av, ai, count, spikes, n, float(decay), float(threshold)])

    s = np.where(np.abs(v) < np.finfo(np.float32).tiny, 0, v) * decay + current
    fires = s >= threshold
    np.testing.assert_array_equal(machine.read(av, np.float32, n), np.where(fires, s - threshold, s))
    total = int(machine.read(count, np.uint32, 1)[0])
    assert total == fires.sum()
    listed = machine.read(spikes, np.uint32, total)
    np.testing.assert_array_equal(np.sort(listed), np.flatnonzero(fires))


@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_synapses_are_added(seed: int, races: bool) -> None:
    rng = np.random.default_rng(7)
    sources, targets, spikes = 300, 200, 60
    lengths = rng.integers(0, 80, sources)
    rows = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)
    target = rng.integers(0, targets, rows[-1]).astype(np.uint32)
    weight = rng.integers(-1000, 1000, rows[-1])
    packed = (target | (weight.astype(np.uint32) << np.uint32(16))).astype(np.uint32)
    listed = rng.choice(sources, spikes, replace=False).astype(np.uint32)
    machine = Machine(seed=seed, races=races)
    kernel = machine.load(emitted("scatter")).kernels["scatter"]
    arrays = [np.array([spikes], np.uint32), listed, rows, packed, np.zeros(targets, np.int32)]
    addresses = [_device(machine, a) for a in arrays]
    machine.launch(kernel, (3, 1, 1), (128, 1, 1), arguments=addresses)
    expected = np.zeros(targets, np.int64)
    for k in listed:
        span = slice(rows[k], rows[k + 1])
        np.add.at(expected, target[span], weight[span])
    np.testing.assert_array_equal(machine.read(addresses[4], np.int32, targets), expected)


@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_persistent_kernel_with_a_barrier_of_the_grid(seed: int, races: bool) -> None:
    blocks, threads, rounds = 5, 256, 20
    x = np.arange(blocks * threads, dtype=np.uint32)
    machine = Machine(seed=seed, races=races)
    kernel = machine.load(emitted("persistent")).kernels["persistent"]
    assert kernel.static_shared == 1024
    ax, ay = _device(machine, x), machine.allocate(x.nbytes)
    barrier = machine.allocate(4)
    arguments = [ax, ay, barrier, rounds]
    machine.launch(kernel, (blocks, 1, 1), (threads, 1, 1), arguments=arguments, cooperative=True)
    for _ in range(rounds):
        shifted = np.roll(x, -1)
        x = 3 * shifted + shifted.reshape(-1, 2)[:, ::-1].reshape(-1)
    np.testing.assert_array_equal(machine.read(ax, np.uint32, len(x)), x)


def test_a_grid_larger_than_what_is_resident_never_passes_its_barrier() -> None:
    machine = Machine(resident=4)
    kernel = machine.load(emitted("persistent")).kernels["persistent"]
    arguments = [machine.allocate(5120), machine.allocate(5120), machine.allocate(4), 20]
    with pytest.raises(ExecutionError, match=r"persistent.*livelock.*4 of 5 blocks are resident"):
        machine.launch(kernel, (5, 1, 1), (256, 1, 1), arguments=arguments)
    with pytest.raises(ExecutionError, match="of 5 blocks of a cooperative launch 4 are resident"):
        machine.launch(kernel, (5, 1, 1), (256, 1, 1), arguments=arguments, cooperative=True)
