"""From a NIR graph and the semantics that its user chose to a program at level `snn`.

Nodes without memory become projections and elementwise ops, nodes with memory become populations
whose programs stand in the profile's `.snn` file.  Nothing after this knows of NIR.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostics, Span
from spikec.dialects.mlir import arith, context, func, ir
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.frontend import instances
from spikec.frontend.arrays import Arrays
from spikec.frontend.entities import Arrival, Population
from spikec.frontend.expressions import Clock
from spikec.frontend.module import Module, zero
from spikec.frontend.network import Network
from spikec.frontend.neuron import Resolved
from spikec.frontend.nir import idle, order, profiles
from spikec.frontend.nir.graph import NEURONS, Edge, Graph, Node, Shape, port_names
from spikec.frontend.nir.profiles import Semantics
from spikec.frontend.shapes import reshaped
from spikec.frontend.values import Value, number


def emit(graph: Graph, semantics: Semantics, path: Path, diagnostics: Diagnostics, real: int = 32) -> Program:
    """The program of a checked graph (shapes and order known); `real` is 32 or 64."""
    with context(), ir.Location.unknown():
        emission = _Emission(graph, semantics, path, diagnostics, real)
        emission.run()
        if diagnostics.has_errors:
            raise CompileError(diagnostics.items)
        program = Program(emission.module.module, emission.module.constants)
        verify(program, "building the network")
        return program


class _Emission:
    """One graph on its way; `values` are what the nodes give in this step."""

    def __init__(self, graph: Graph, semantics: Semantics, path: Path, diagnostics: Diagnostics, real: int) -> None:
        self.graph = graph
        self.semantics = semantics
        self.dt = semantics.dt if semantics.dt is not None else Fraction(1)
        self.path = path
        self.span = Span(str(path), 1, 1, 1, 1)
        self.module = Module(real, str(path))
        # The file's times have no unit that is written down: dt and the time constants are plain numbers.
        self.network = Network(self.module, Clock(self.dt, in_steps=True), Arrays(path.parent), diagnostics)
        self.real = self.network.emitter.element("real")
        self.values: dict[str, Any] = {}
        self.sources = graph.sources()
        self.cyclic = order.on_cycles(graph)
        self.ports = port_names(graph)

    def run(self) -> None:
        self._declare_inputs()
        sequence, recurrent = self.graph.order, self.graph.recurrent
        nodes = self.graph.nodes
        early = frozenset(name for name, node in nodes.items() if self.semantics.delayed_outputs(node.type))
        if early:
            # Their value of the step before is known at once, so no edge behind them can close a cycle.
            sequence, recurrent = order.behind(self.graph, early)
        with self.network.at("step"):
            for name in sequence:
                if name in early:
                    self.values[name] = self._earlier(name)
            for name in sequence:
                self._emit_node(nodes[name], recurrent, name in early)
            for name in sorted({source for source, _ in recurrent}):
                self._remember(name)
        self._close()

    # ------------------------------------------------------------ the frame

    def _tensor(self, shape: Shape, element: Any = None) -> Any:
        return ir.RankedTensorType.get(list(shape), element or self.real)

    def _declare_inputs(self) -> None:
        self.attributes = []
        for name in self.graph.inputs:
            type = self._tensor(self.graph.shapes[name][1])
            self.values[name] = self.module.blocks["step"].add_argument(type, ir.Location.unknown())
            self.attributes.append({snn.NAME: ir.StringAttr.get(self.ports[name]), snn.KIND: ir.StringAttr.get("real")})

    def _close(self) -> None:
        block = self.module.blocks["step"]
        results = [self.values[name] for name in self.graph.outputs]
        with ir.InsertionPoint(block):
            func.ReturnOp(results)
        for name in ("init", "finish"):
            with ir.InsertionPoint(self.module.blocks[name]):
                func.ReturnOp([])
        step = self.module.step.operation
        type = ir.FunctionType.get([a.type for a in block.arguments], [r.type for r in results])
        step.attributes["function_type"] = ir.TypeAttr.get(type)
        step.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(a) for a in self.attributes])
        names = [{snn.NAME: ir.StringAttr.get(self.ports[name])} for name in self.graph.outputs]
        step.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(n) for n in names])
        self.module.close(
            {
                snn.MODEL: ir.StringAttr.get(_model_name(self.path)),
                snn.DT: ir.FloatAttr.get(ir.F64Type.get(), float(self.dt)),
                snn.DT_UNIT: ir.StringAttr.get("s"),
            }
        )

    # ------------------------------------------------------------ nodes

    def _emit_node(self, node: Node, recurrent: frozenset[Edge], early: bool) -> None:
        name = node.name
        if node.type == "Input" and name in self.values:
            return
        incoming = [self._incoming(source, name, recurrent) for source in self.sources[name]]
        shape_in, shape_out = self.graph.shapes[name]
        if node.type in NEURONS:
            emitted = self._neuron(node, self._summed(incoming, shape_in), shape_out)
            if not early:
                self.values[name] = emitted
            return
        if node.type in ("Affine", "Linear", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d") and len(incoming) == 1:
            x = incoming[0]  # events stay events: a projection skips the silent ones
        else:
            x = self._summed(incoming, shape_in)
        self.values[name] = self._stateless(node, x, shape_in, shape_out)

    def _incoming(self, source: str, target: str, recurrent: frozenset[Edge]) -> Any:
        """What an edge carries in this step."""
        late = (source, target) in recurrent
        if self.semantics.axonal_delay and self.graph.nodes[source].type in NEURONS:
            late |= (source, target) not in self.cyclic
        return self._earlier(source) if late else self.values[source]

    def _summed(self, values: list[Any], shape: Shape) -> Any:
        """The sum of what arrives, as reals, in the order of the sources' names."""
        if not values:
            return structured.splat(0.0, self._tensor(shape))
        total = None
        for value in values:
            real = self._as_real(reshaped(value, shape))
            total = real if total is None else arith.addf(total, real)
        return total

    def _as_real(self, value: Any) -> Any:
        element = value.type.element_type
        kind = "real" if not isinstance(element, ir.IntegerType) else "bool" if element.width == 1 else "int"
        wrapped = Value(kind, ssa=value, shape=tuple(value.type.shape))
        return self.network.emitter.ssa(wrapped, wrapped.shape, "real", self.span)

    def _constant(self, name: str, array: Array) -> Any:
        """An array as a tensor."""
        value = number(np.asarray(array, dtype=np.float64), name=name)
        return self.network.emitter.ssa(value, value.shape, "real", self.span)

    def _stateless(self, node: Node, x: Any, shape_in: Shape, shape_out: Shape) -> Any:
        fields = node.fields
        match node.type:
            case "Input" | "Output":
                return reshaped(x, shape_out) if tuple(x.type.shape) != shape_out else x
            case "Affine" | "Linear":
                return self._biased(node, self._linear(node, x, shape_in, shape_out), shape_out)
            case "Conv1d" | "Conv2d":
                return self._biased(node, self._convolved(node, x, shape_in, shape_out), shape_out)
            case "SumPool2d":
                return self._convolved(node, x, shape_in, shape_out)
            case "AvgPool2d":
                kernel = idle.geometry(node, shape_in, shape_out).kernel
                size = structured.splat(float(np.prod(kernel)), self._tensor(shape_out))
                return arith.divf(self._convolved(node, x, shape_in, shape_out), size)
            case "Scale":
                scale = self._constant(f"{node.name}.scale", np.broadcast_to(_array(fields["scale"]), shape_out))
                return arith.mulf(x, scale)
            case "Threshold":
                threshold = np.broadcast_to(_array(fields["threshold"]), shape_out)
                greater = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 2)
                return arith.cmpf(greater, x, self._constant(f"{node.name}.threshold", threshold))
            case "Flatten":
                return reshaped(x, shape_out)
            case "Delay":
                return self._delayed(node, x, shape_out)
            case other:
                raise AssertionError(other)

    def _biased(self, node: Node, value: Any, shape: Shape) -> Any:
        bias = node.fields.get("bias")
        feeds_back = any(source == node.name for source, _ in self.graph.recurrent)
        if bias is None or (self.semantics.drop_rec_bias and feeds_back):
            return value
        array = _array(bias)
        if node.type.startswith("Conv"):
            array = array.reshape(-1, *[1] * (len(shape) - 1))
        return arith.addf(value, self._constant(f"{node.name}.bias", np.broadcast_to(array, shape)))

    # ------------------------------------------------------------ projections

    def _propagate(self, name: str, x: Any, shape: Shape, connect: dict[str, Any], weight: Any) -> Any:
        pre = int(np.prod(tuple(x.type.shape)))
        post = int(np.prod(shape))

        def build() -> None:
            with ir.Location.unknown():
                snn.Synapses.build(sym_name=name, pre=pre, post=post, connect=connect, weight=weight)

        self.module.declare(f"synapses {name}", build)
        start = structured.splat(0.0, self._tensor(shape))
        return snn.Propagate.build(x, start, results=[start.type], synapses=name).result

    def _stored(self, name: str, array: Array) -> Any:
        return ir.FlatSymbolRefAttr.get(self.module.constant(name, array, self.span))

    def _linear(self, node: Node, x: Any, shape_in: Shape, shape_out: Shape) -> Any:
        """`weight` (..., out, in) on the last axis of x; leading axes of x have a matrix each, or one for all."""
        weight = _array(node.fields["weight"])
        if len(shape_in) == 1 and weight.ndim == 2:
            stored = self._stored(f"{node.name}.weight", np.ascontiguousarray(weight.T))
            return self._propagate(node.name, x, shape_out, {"kind": ir.StringAttr.get("all")}, stored)
        lead = shape_out[:-1]
        matrices = self._constant(f"{node.name}.weight", np.broadcast_to(weight, (*lead, *weight.shape[-2:])))
        rank = len(lead) + 2
        axes = [ir.AffineDimExpr.get(n) for n in range(rank)]
        full = ir.AffineMap.get_identity(rank)
        source = ir.AffineMap.get(rank, 0, [*axes[: len(lead)], axes[-1]] if len(shape_in) == rank - 1 else [axes[-1]])
        target = ir.AffineMap.get(rank, 0, axes[:-1])
        start = structured.splat(0.0, self._tensor(shape_out))
        iterators = ["parallel"] * (rank - 1) + ["reduction"]

        def body(w: Any, value: Any, total: Any) -> list[Any]:
            return [arith.addf(total, arith.mulf(w, value))]

        return structured.generic([matrices, self._as_real(x)], [full, source], iterators, [start], [target], body)[0]

    def _convolved(self, node: Node, x: Any, shape_in: Shape, shape_out: Shape) -> Any:
        connect = idle.geometry(node, shape_in, shape_out).recipe()
        weight = node.fields.get("weight")
        if weight is None:
            return self._propagate(node.name, x, shape_out, connect, ir.FloatAttr.get(self.real, 1.0))
        return self._propagate(node.name, x, shape_out, connect, self._stored(f"{node.name}.weight", _array(weight)))

    # ------------------------------------------------------------ memory

    def _state(self, symbol: str, type: Any, depth: int = 1, init: Any = None) -> None:
        self.module.state(symbol, type, init or zero(type.element_type), self.span, depth=depth)

    def _earlier(self, name: str) -> Any:
        """What a node gave one step ago."""
        node = self.graph.nodes[name]
        if node.type in NEURONS:
            population = self._population(node)
            assert population.program is not None
            program = population.program
            symbol = f"{name}.spike" if program.event is not None else f"{name}.out"
            type = self._tensor(population.shape, program.event or program.out)
            self._state(symbol, type)
            return snn.Read.build(results=[type], of=symbol, delay=1).result
        type = self._tensor(self.graph.shapes[name][1])
        symbol = f"{name}.past"
        self._state(symbol, type, init=self._first(name, type))
        return snn.Read.build(results=[type], of=symbol, delay=1).result

    def _first(self, name: str, type: Any) -> Any:
        """The value of a recurrent edge before step 0: zero, or what its path gives without spikes."""
        if self.semantics.zero_current:
            return None
        value = idle.value(self.graph, name)
        if not np.any(value):
            return None
        return self._stored(f"{name}.past.init", value)

    def _remember(self, name: str) -> None:
        if self.graph.nodes[name].type in NEURONS:
            return  # a population keeps what it emits
        value = self._as_real(self.values[name])
        snn.Write.build(value, to=f"{name}.past")

    def _delayed(self, node: Node, x: Any, shape: Shape) -> Any:
        """y[t] = x[t - round(delay / dt)], element by element; zero before the start."""
        delays = np.broadcast_to(_array(node.fields["delay"]), shape)
        steps = np.rint(delays / float(self.dt)).astype(np.int64)
        symbol = f"{node.name}.past"
        result = x if np.any(steps == 0) else None
        deepest = int(steps.max(initial=0))
        if deepest:
            self._state(symbol, x.type, depth=deepest)
        for count in sorted(set(steps.reshape(-1).tolist()) - {0}):
            value = snn.Read.build(results=[x.type], of=symbol, delay=count).result
            if result is None:
                result = value
                continue
            mask = self.network.emitter.ssa(
                number(steps == count, name=f"{node.name}.delay{count}"), shape, "bool", self.span
            )
            result = arith.select(mask, value, result)
        if deepest:
            snn.Write.build(x, to=symbol)
        return result

    # ------------------------------------------------------------ neurons

    def _population(self, node: Node) -> Population:
        """The population of a node, its program built from the profile."""
        known = self.network.entities.get(node.name)
        if isinstance(known, Population):
            return known
        shape = self.graph.shapes[node.name][1]
        on_cycle = any(node.name == source for source, _ in self.cyclic)
        values = profiles.bindings(node, self.semantics, shape, recurrent=on_cycle)
        population = Population(node.name, self.span, shape=shape)
        population.resolved = Resolved(profiles.neuron_for(node.type, self.semantics).declaration, ())
        population.bound = {name: (_parameter(name, value), self.span) for name, value in values.items()}
        self.network.add(population)
        instances.prepare(self.network, population)
        return population

    def _neuron(self, node: Node, x: Any, shape: Shape) -> Any:
        population = self._population(node)
        arriving = reshaped(x, shape)
        assert population.program is not None
        population.arrivals = {population.program.ports[0]: [Arrival(self.span, lambda current: arriving)]}
        self.network.resolve(population, self.span)
        assert population.value is not None
        return population.value.ssa


def _parameter(name: str, value: profiles.Binding) -> Value:
    """A parameter of a neuron; finite numbers stay exact until they are used."""
    if isinstance(value, np.ndarray):
        return number(np.ascontiguousarray(value), name=name)
    if isinstance(value, float) and np.isfinite(value):
        return number(Fraction(value))
    return number(value)


def _array(field: Array | str) -> Array:
    assert not isinstance(field, str)
    return field


def _model_name(path: Path) -> str:
    """The file's name as the name of a model."""
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in path.stem)
    return name if name and not name[0].isdigit() else f"net_{name}"
