"""Runs a model's text on the reference interpreter: what the tests of the language's meaning use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError, Diagnostics
from spikec.frontend.build import build
from spikec.frontend.parse import parse
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine


@dataclass
class Outcome:
    """Streams and results by output name, probes by key, spike counts by population, and all messages."""

    outputs: dict[str, Any]
    probes: dict[str, Any]
    emitted: dict[str, int]
    messages: list[str]
    interface: Interface


Simulate = Callable[..., Outcome]


@pytest.fixture
def simulate(tmp_path: Path) -> Simulate:
    """`simulate(text, steps, inputs={}, params={}, seed=0, sample=0, real=32)`; streams have one slice a step."""

    def run(
        text: str,
        steps: int,
        inputs: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        seed: int = 0,
        sample: int = 0,
        real: int = 32,
        folder: Path = tmp_path,
    ) -> Outcome:
        diagnostics = Diagnostics()
        file = parse(text, "model.snn", diagnostics)
        diagnostics.raise_if_errors()
        assert file is not None
        built = build(file, params or {}, diagnostics, folder, real)
        diagnostics.raise_if_errors()
        assert built is not None
        interface = Interface.of(built.program)
        engine = SnnEngine(built.program, interface)
        engine.reset(seed, sample)
        declared = {i.name: i for i in interface.inputs}
        arrays = {n: np.ascontiguousarray(np.asarray(a), declared[n].dtype) for n, a in (inputs or {}).items()}
        streamed = frozenset(n for n, a in arrays.items() if a.ndim > len(declared[n].shape))
        trace = engine.advance(arrays, streamed, steps)
        outputs = {**trace.outputs, **engine.finish()}
        return Outcome(outputs, trace.probes, trace.emitted, [d.message for d in diagnostics.items], interface)

    return run


@pytest.fixture
def mistakes(simulate: Simulate) -> Callable[..., list[str]]:
    """The codes of the errors of a wrong model."""

    def codes(text: str, **options: Any) -> list[str]:
        with pytest.raises(CompileError) as caught:
            simulate(text, 0, **options)
        return [d.code for d in caught.value.diagnostics if d.severity == "error"]

    return codes
