"""An engine whose every number can be told beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.runtime.interface import Input, Interface, Output, Probe, Trace
from spikec.runtime.run import Executable

INTERFACE = Interface(
    model="Counter",
    dt=1e-3,
    dt_unit="s",
    inputs=(Input("x", (2,), "real", "float32", "", None, None),),
    outputs=(Output("y", (2,), "float32", "V", True), Output("label", (), "int64", "", False)),
    probes=(
        Probe("a.V", (2,), "value", "float32", "V", 2),
        Probe("a.spike", (2,), "event", "int8", "", 1),
    ),
    populations=("a",),
)


class CountingEngine:
    """Adds its input to a state; neuron 0 emits the value 1 in every third step."""

    interface = INTERFACE

    def __init__(self) -> None:
        self.seeds: list[tuple[int, int]] = []
        self.calls: list[int] = []
        self.reset()
        self.seeds.clear()

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        self.seeds.append((seed, sample))
        self.state: Array = np.zeros(2, np.float32)
        self.time = 0

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        self.calls.append(steps)
        outputs, samples, rows = [], [], []
        for k in range(steps):
            self.state = self.state + (inputs["x"][k] if "x" in streamed else inputs["x"])
            outputs.append(self.state)
            if self.time % 2 == 0:
                samples.append(self.state)
            if self.time % 3 == 0:
                rows.append((self.time, 0))
            self.time += 1
        events = np.array(rows, np.int32).reshape(-1, 2)
        return Trace(
            {"y": np.array(outputs)},
            {"a.V": np.array(samples, np.float32).reshape(-1, 2), "a.spike": events},
            {"a.spike": np.ones(len(events), np.int8)},
            {"a": len(events)},
            {"aa": 10 * len(events)},
        )

    def finish(self) -> dict[str, Array]:
        return {"label": np.array(int(self.state.argmax()))}


@pytest.fixture
def make_net() -> Callable[..., Executable]:
    """Makes networks of a `CountingEngine`."""
    return lambda **settings: Executable(CountingEngine(), "fake", **settings)


@pytest.fixture
def net(make_net: Callable[..., Executable]) -> Executable:
    return make_net()
