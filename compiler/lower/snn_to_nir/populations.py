"""The populations of a program, each as the neuron of NIR that it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_roles, result_roles, symbol_of
from spikec.dialects.program import Program
from spikec.lower.snn_to_nir import affine, neurons, weights
from spikec.lower.snn_to_nir.graph import Graph
from spikec.lower.snn_to_nir.refusal import NEURON, Refusal


class Populations:
    """`kept` names the population whose output a state keeps; `nodes` are filled as populations are recognised."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._symbols = program.symbols()
        self._states = {state.sym_name: state for state in program.ops(snn.State)}
        self.views = {view.sym_name: view for view in program.ops(snn.Population)}
        self._owners = {state: view.sym_name for view in self.views.values() for state in view.states}
        self.kept: dict[str, str] = {}
        self.nodes: dict[str, str] = {}
        self._starts: dict[str, Array] = {}
        for view in self.views.values():
            kept = view.event or view.out
            if kept is not None:
                self.kept[kept] = view.sym_name
            if view.event is not None and view.out is not None:
                self._owners[view.out] = view.sym_name
        double = any(str(state.type.element_type) == "f64" for state in self._states.values())
        self.real: Any = np.float64 if double else np.float32

    def owner(self, state: str) -> str | None:
        """The population that a state belongs to."""
        return self._owners.get(state)

    def recognise(self, view: snn.Population, arriving: list[Array | None]) -> tuple[neurons.Neuron, int | None]:
        """The neuron of a population, and which of its ports takes the input (None: no port has one).

        `arriving` has the constant that arrives at each port, None where something varies.  Raises Refusal.
        """
        try:
            return self._recognise(view, arriving)
        except Refusal as refusal:
            message = f"population '{view.sym_name}': {refusal}"
            raise Refusal(refusal.code, message, view.operation, refusal.help) from None

    def _recognise(self, view: snn.Population, arriving: list[Array | None]) -> tuple[neurons.Neuron, int | None]:
        varying = [place for place, value in enumerate(arriving) if value is None]
        if len(varying) > 1:
            raise Refusal(NEURON, f"it has {len(varying)} inputs", help="a neuron of NIR has one input")
        program = self._symbols[view.neuron]
        results = affine.evaluate(program, self._arguments(view, program, arriving))
        roles = result_roles(program)
        states = {name: value for (role, name), value in zip(roles, results, strict=True) if role == "state"}
        sent = {role: value for (role, _), value in zip(roles, results, strict=True) if role in ("event", "out")}
        dt = float(self._program.attribute("dt"))
        found = neurons.recognise(neurons.Program(states, sent.get("event"), sent.get("out"), dt, self.real))
        names = [name for role, name in argument_roles(program) if "state" in role]
        membrane = view.states[names.index(found.membrane)]
        self._starts[view.sym_name] = self._first(membrane)
        for state in view.states:
            if state != membrane and np.any(self._first(state)):
                raise Refusal(NEURON, f"'{state}' does not start at zero", help="the currents of NIR start at zero")
        if "event" not in sent:
            self.kept[membrane] = view.sym_name
        size = math.prod(view.shape)
        fields = {name: np.broadcast_to(np.reshape(value, -1), (size,)) for name, value in found.fields.items()}
        return neurons.Neuron(found.type, fields, found.membrane, found.lowered), next(iter(varying), None)

    def _first(self, state: str) -> Array:
        init = self._states[state].init
        return np.zeros(()) if init is None else weights.values(self._program, init).reshape(-1)

    def start(self, graph: Graph) -> str:
        """Where all potentials start: "zero", "v_leak" or "v_reset", which a NIR file leaves open.  Raises Refusal."""
        odd = ""
        for start in ("zero", "v_leak", "v_reset"):
            odd = next((name for name, node in self.nodes.items() if not self._starts_at(name, graph, node, start)), "")
            if not odd:
                return start
        first = next(name for name, node in self.nodes.items() if not self._starts_at(name, graph, node, "zero"))
        message = f"population '{first}' starts at other potentials than zero, v_leak or v_reset"
        if len(self.nodes) > 1:
            message = f"{message} for all populations alike"
        raise Refusal(NEURON, message, self.views[first].operation, "NIR says nothing of first values")

    def _starts_at(self, name: str, graph: Graph, node: str, start: str) -> bool:
        wanted = np.asarray(graph.nodes[node].fields.get(start, 0.0), dtype=np.float64)
        return bool(np.all(wanted.astype(self.real) == self._starts[name].astype(self.real)))

    def _arguments(self, view: snn.Population, program: Any, arriving: list[Array | None]) -> list[affine.Value]:
        ports, params = iter(arriving), iter(view.params)
        found: list[affine.Value] = []
        for role, name in argument_roles(program):
            if role == "param":
                found.append(affine.constant(self._parameter(next(params))))
            elif role == "index":
                found.append(affine.constant(np.arange(math.prod(view.shape))))
            elif role == "state":
                found.append(affine.symbol(name))
            else:
                arrived = self._arrival(next(ports))
                found.append(arrived if role == "port" else affine.added(affine.symbol(name), arrived))
        return found

    def _arrival(self, value: Array | None) -> affine.Form:
        if value is None:
            return affine.symbol(neurons.INPUT)
        flat = value.astype(self.real).reshape(-1)
        return affine.constant(flat[0] if np.unique(flat).size == 1 else flat)

    def _parameter(self, name: str) -> Array:
        attribute = snn.Param(self._symbols[name]).value
        constant = symbol_of(attribute)
        if constant is None:
            number = scalars.number(attribute)
            assert number is not None
            return number
        stored = weights.values(self._program, attribute)
        return stored.astype(self._program.constants[constant].dtype).reshape(-1)
