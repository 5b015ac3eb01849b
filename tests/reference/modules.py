"""Small modules for the tests of the interpreters, and how to run them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from spikec.dialects.constants import Array, Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine, StepEngine

# Adds what arrives, spikes from 1 on and is set back to 0.
INTEGRATE = """
  func.func private @IF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"})
      -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %one = arith.constant 1.0 : f32
    %zero = arith.constant 0.0 : f32
    %0 = arith.addf %V, %I : f32
    %s = arith.cmpf oge, %0, %one : f32
    %v = arith.select %s, %zero, %0 : f32
    return %v, %s : f32, i1
  }
"""


def snn_program(body: str, constants: Mapping[str, Any] | None = None) -> Program:
    """A valid program at level `snn`; `CONSTANT:name` stands for the digest of a constant."""
    return _program("snn", body, constants)


def step_program(body: str, constants: Mapping[str, Any] | None = None) -> Program:
    return _program("step", body, constants)


def snn_engine(body: str, constants: Mapping[str, Any] | None = None) -> SnnEngine:
    program = snn_program(body, constants)
    return SnnEngine(program, Interface.of(program))


def step_engine(body: str, interface: Interface, constants: Mapping[str, Any] | None = None, **how: bool) -> StepEngine:
    return StepEngine(step_program(body, constants), interface, **how)


def stream(**arrays: Any) -> tuple[dict[str, Array], frozenset[str], int]:
    """Arguments of `advance` for streamed inputs."""
    steps = len(next(iter(arrays.values())))
    return {name: np.asarray(array) for name, array in arrays.items()}, frozenset(arrays), steps


def _program(level: str, body: str, constants: Mapping[str, Any] | None) -> Program:
    store = Constants({name: np.asarray(array) for name, array in (constants or {}).items()})
    for name in store:
        body = body.replace(f"CONSTANT:{name}", store.digest(name))
    head = f'module attributes {{{level}.model = "M", {level}.dt = 1.0 : f64, {level}.dt_unit = "s"}}'
    program = Program.parse(f"{head} {{{body}}}", store)
    assert problems(program) == []
    return program
