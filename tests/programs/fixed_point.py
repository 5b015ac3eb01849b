"""Small integer networks as programs at level `snn`: an input, synapses, leaky neurons that spike, a recurrence.

into(I): %x through the synapses, and the neurons' own events of the step before through @back
V' = V - (V >> 3) + I;  an event where V' >= threshold or, for signed events, V' <= -threshold
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects.constants import Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import verify

from .engines import Array

SCALE = 0.125


@dataclass
class Network:
    """`connect` and `weight` are those of the synapses; types are those of inputs, sums, states and events.

    `weight` is an array or the text of a number, such as "-3 : i8".
    """

    weight: Array | str
    pre: int = 20
    post: int = 37
    connect: str = 'kind = "all"'
    code: str | None = None
    input: str = "i1"
    sum: str = "i32"
    state: str = "i32"
    event: str = "i1"
    bits: int | None = None
    threshold: int = 60
    back: str = "-7 : i8"
    constants: Constants = field(default_factory=Constants)

    def program(self) -> Program:
        text = self.text()
        program = Program.parse(text, self.constants)
        verify(program, "the test")
        return program

    def text(self) -> str:
        pre, post = self.pre, self.post
        weight, declared = self._weight()
        code = f', code = "{self.code}"' if self.code else ""
        bits = f", bits = {self.bits} : i64" if self.bits else ""
        scales = np.linspace(0.5, 2.0, post)
        digest = self.constants.add("scales", scales)
        return f"""module attributes {{snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"}} {{
  {self._neuron()}
  {declared}
  "snn.constant"() {{sym_name = "scales", type = tensor<{post}xf64>, digest = "{digest}"}} : () -> ()
  "snn.synapses"() {{sym_name = "w", pre = {pre}, post = {post}, connect = {{{self.connect}}}, weight = {weight}{code}, scale = 0.5 : f64}} : () -> ()
  "snn.synapses"() {{sym_name = "back", pre = {post}, post = {post}, connect = {{kind = "one_to_one"}}, weight = {self.back}, scale = @scales}} : () -> ()
  "snn.state"() {{sym_name = "n.V", type = tensor<{post}x{self.state}>, init = 3 : {self.state}, depth = 1, scale = @scales{bits}}} : () -> ()
  "snn.state"() {{sym_name = "n.spike", type = tensor<{post}x{self.event}>, depth = 1}} : () -> ()
  "snn.population"() {{sym_name = "n", neuron = @N, shape = [{post}], states = [@n.V], params = [], event = @n.spike}} : () -> ()
  "snn.probe"() {{sym_name = "probe.n.V", of = @n.V, kind = "value", every = 2, low = 1, high = {post}, shape = [{post - 1}]}} : () -> ()
  "snn.probe"() {{sym_name = "probe.n.spike", of = @n.spike, kind = "event", every = 1, low = 0, high = {post}, shape = [{post}]}} : () -> ()
  func.func @step(%x: tensor<{pre}x{self.input}> {{snn.name = "x"}}) -> (tensor<{post}x{self.event}> {{snn.name = "y"}}, tensor<{post}x{self.sum}> {{snn.name = "I"{self._scaled()}}}) {{
    %z = arith.constant dense<5> : tensor<{post}x{self.sum}>
    %h = "snn.read"() {{of = @n.spike, delay = 1}} : () -> tensor<{post}x{self.event}>
    %0 = "snn.propagate"(%x, %z) {{synapses = @w}} : (tensor<{pre}x{self.input}>, tensor<{post}x{self.sum}>) -> tensor<{post}x{self.sum}>
    %1 = "snn.propagate"(%h, %0) {{synapses = @back}} : (tensor<{post}x{self.event}>, tensor<{post}x{self.sum}>) -> tensor<{post}x{self.sum}>
    %y = "snn.update"(%1) {{population = @n}} : (tensor<{post}x{self.sum}>) -> tensor<{post}x{self.event}>
    return %y, %1 : tensor<{post}x{self.event}>, tensor<{post}x{self.sum}>
  }}
}}
"""

    def inputs(self, steps: int = 30, seed: int = 0) -> dict[str, Array]:
        """A sparse random stream of the whole range of the input's type."""
        rng = np.random.default_rng(seed)
        active = rng.random((steps, self.pre)) < 0.3
        if self.input == "i1":
            return {"x": active}
        bits = int(self.input[1:])
        values = rng.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1, active.shape, endpoint=True)
        return {"x": np.where(active, values, 0).astype(f"int{max(bits, 8)}")}

    def _scaled(self) -> str:
        return f", snn.scale = {SCALE} : f64" if self.sum != "i2" else ""

    def _weight(self) -> tuple[str, str]:
        if isinstance(self.weight, str):
            return self.weight, ""
        digest = self.constants.add("W", self.weight)
        shape = "x".join(str(n) for n in self.weight.shape)
        type = f"tensor<{shape}xi{8 * self.weight.itemsize}>"
        return "@W", f'"snn.constant"() {{sym_name = "W", type = {type}, digest = "{digest}"}} : () -> ()'

    def _neuron(self) -> str:
        state, event = self.state, self.event
        return f"""func.func private @N(%I: {self.sum} {{snn.port = "I"}}, %V: {state} {{snn.state = "V"}})
      -> ({state} {{snn.state = "V"}}, {event} {{snn.event}}) {{
    {_converted("%i", "%I", self.sum, state)}
    %three = arith.constant 3 : {state}
    %leak = arith.shrsi %V, %three : {state}
    %0 = arith.subi %V, %leak : {state}
    %1 = arith.addi %0, %i : {state}
    %th = arith.constant {self.threshold} : {state}
    %low = arith.constant {-self.threshold} : {state}
    %zero = arith.constant 0 : {state}
    %up = arith.cmpi sge, %1, %th : {state}
    %down = arith.cmpi sle, %1, %low : {state}
    %2 = arith.subi %1, %th : {state}
    %v = arith.select %up, %2, %1 : {state}
    {_event(event, state)}
    return %v, %e : {state}, {event}
  }}"""


def _converted(result: str, value: str, of: str, to: str) -> str:
    if of == to:
        return f"{result} = arith.addi {value}, %none : {to}".replace("%none", value).replace("addi", "maxsi")
    op = "extsi" if int(of[1:]) < int(to[1:]) else "trunci"
    return f"{result} = arith.{op} {value} : {of} to {to}"


def _event(event: str, state: str) -> str:
    if event == "i1":
        return "%e = arith.ori %up, %up : i1"
    if event == "i2":
        return """%one = arith.constant 1 : i2
    %minus = arith.constant -1 : i2
    %none = arith.constant 0 : i2
    %d = arith.select %down, %minus, %none : i2
    %e = arith.select %up, %one, %d : i2"""
    wide = f"%g = arith.select %up, %1, %zero : {state}"
    return f"{wide}\n    {_converted('%e', '%g', state, event)}"


def powers(rng: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """Random powers of two of either sign, zeros, and the largest ones of the type."""
    top = np.iinfo(dtype).bits - 1
    size = np.where(rng.random(shape) < 0.2, 0, np.left_shift(np.int64(1), rng.integers(0, top, shape)))
    weights = (size * rng.choice([-1, 1], shape)).astype(dtype)
    weights.reshape(-1)[:3] = [np.iinfo(dtype).min, 1 << (top - 1), -1]
    return weights
