"""The fixtures of the tests of ops on the CPU, with the emulated device in the CPU's place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from spikec.backends.cpu.target import CpuTarget
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.reference.engine import StepEngine

from tests.cpu.conftest import LIF, Net, equal, interface_of
from tests.ptx.emulated import SEEDS, SHAPES, Emulated

FULL = os.environ.get("SPIKEC_FULL") == "1"
SHARES = {"test_step_ops.py": 24, "test_arrivals.py": 8, "test_rows.py": 6, "test_text.py": 6, "test_examples.py": 3}
"""One of so many tests of a file runs by default."""


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    left_out: set[pytest.Item] = set()
    for name, share in SHARES.items() if not FULL else ():
        corpus = [item for item in items if item.path.name == name and item.path.parent.name == "ptx"]
        left_out |= {item for number, item in enumerate(corpus) if number % share}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@dataclass
class OnDevice:
    """A program in several schedules on the emulated device, each compared with the interpreter."""

    engines: list[GpuEngine]
    reference: StepEngine

    def advance(
        self, steps: int, streamed: Mapping[str, Any] | None = None, held: Mapping[str, Any] | None = None
    ) -> Any:
        inputs = {**(streamed or {}), **(held or {})}
        names = frozenset(streamed or {})
        wanted = self.reference.advance(inputs, names, steps)
        for engine in self.engines:
            got = engine.advance(inputs, names, steps)
            for which in ("outputs", "probes", "values"):
                same(getattr(got, which), getattr(wanted, which))
            assert got.emitted == {p: wanted.emitted.get(p, 0) for p in got.emitted}
            assert got.synaptic_events == wanted.synaptic_events
        return wanted

    def finish(self) -> dict[str, Any]:
        wanted = self.reference.finish()
        for engine in self.engines:
            same(engine.finish(), wanted)
        return wanted

    def reset(self, seed: int, sample: int = 0) -> None:
        for one in (*self.engines, self.reference):
            one.reset(seed, sample)


def same(got: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert set(got) == set(wanted)
    for name in got:
        assert equal(got[name], wanted[name]), f"{name}:\n{got[name]}\n{wanted[name]}"


@pytest.fixture
def net() -> Callable[..., Net]:
    return Net


@pytest.fixture
def lif() -> str:
    return LIF


@pytest.fixture(scope="session")
def host() -> CpuTarget:
    return CpuTarget.parse("cpu")


@pytest.fixture
def both() -> Callable[..., OnDevice]:
    """`both(net)` is a program on the reference interpreter and on the device; sums of reals are in order."""

    def make(net: Net, target: CpuTarget | None = None) -> OnDevice:
        program = net.program()
        interface = interface_of(program)
        made = Emulated.of_steps(program, interface, "ptx{sums=ordered}")
        engines = [made.engine(seed, races=seed == 0, shape=SHAPES[seed % 2]) for seed in SEEDS]
        return OnDevice(engines, StepEngine(program, interface))

    return make
