"""The whole program in integers: a new module with new states, synapses, programs and entry points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.passes import structure
from spikec.passes.quantize.affine import Number
from spikec.passes.quantize.arithmetic import Arithmetic, snapped
from spikec.passes.quantize.classes import Classes, extents, is_real
from spikec.passes.quantize.entry import Entry
from spikec.passes.quantize.scales import Scales, Weights
from spikec.passes.quantize.storage import limits, storage, tensor_type


class Network:
    """Makes the integer program of a real one."""

    def __init__(
        self,
        program: Program,
        classes: Classes,
        scales: Scales,
        weights: dict[str, Weights],
        arithmetic: Arithmetic,
        acc: int | None,
        powers: bool,
    ) -> None:
        self.program = program
        self.classes = classes
        self.scales = scales
        self.weights = weights
        self.arithmetic = arithmetic
        self.acc = acc
        self.powers = powers
        self.symbols = program.symbols()
        self.names = set(self.symbols)
        self.constants = Constants()
        self.module = ir.Module.create(program.module.operation.location)
        self._params: set[str] = set()
        self._arrays: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def run(self) -> Program:
        for name in self.program.module.operation.attributes:
            if name.startswith("snn."):
                self.module.operation.attributes[name] = self.program.module.operation.attributes[name]
        with ir.InsertionPoint(self.module.body):
            for op in self.program.module.body.operations:
                with op.operation.location:
                    self._declare(op.operation)
        for entry in ("init", "step", "finish"):
            if entry in self.symbols:
                with ir.InsertionPoint(self.module.body), self.symbols[entry].location:
                    Entry(self, entry).build()
        return replace(self.program, module=self.module, constants=self.constants)

    # ------------------------------------------------------------ names and constants

    def fresh(self, wanted: str) -> str:
        """A symbol that the new program has not used, nor the old one."""
        return structure.fresh(wanted, self.names)

    def constant(self, wanted: str, values: Array) -> str:
        """A constant with these values: an earlier one, or a new one before everything else."""
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self._arrays:
            name = self.fresh(wanted)
            with ir.InsertionPoint.at_block_begin(self.module.body):
                snn.Constant.build(
                    sym_name=name,
                    type=tensor_type(values),
                    digest=self.constants.add(name, np.ascontiguousarray(values)),
                )
            self._arrays[key] = name
        return self._arrays[key]

    def kept(self, name: str) -> str:
        """A constant of the old program, in the new one."""
        if name not in self.constants and name in self.program.constants:
            self.constants.add(name, self.program.constants[name])
            with ir.InsertionPoint.at_block_begin(self.module.body):
                self.symbols[name].clone()
        return name

    def kept_param(self, name: str) -> None:
        """Keeps an integer parameter of the old program, with its array."""
        if name in self._params:
            return
        self._params.add(name)
        constant = symbol_of(snn.Param(self.symbols[name]).value)
        if constant is not None:
            self.kept(constant)
        with ir.InsertionPoint.at_block_begin(self.module.body):
            self.symbols[name].clone()

    # ------------------------------------------------------------ declarations

    def _declare(self, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.State() as view:
                self._state(view)
            case snn.Synapses() as view:
                self._synapses(view)
            case snn.Probe():
                op.clone()
            case snn.Constant() | snn.Param() | snn.Population():
                return
            case _ if op.name == "func.func" and self._is_filter(op):
                op.clone()

    def _is_filter(self, op: Any) -> bool:
        views = self.program.ops(snn.Synapses)
        names = {name for view in views for name in connectors.functions_of(view, self.program.symbols())}
        return ir.StringAttr(op.attributes["sym_name"]).value in names

    def _state(self, view: snn.State) -> None:
        init = view.init
        if not is_real(view.type):
            if init is not None and symbol_of(init) is not None:
                self.kept(str(symbol_of(init)))
            view.operation.clone()
            return
        if self.classes.fixed(view.sym_name) is not None:
            if any(probe.of == view.sym_name for probe in self.program.ops(snn.Probe)):
                raise Refusal("E1211", f"'{view.sym_name}' is recorded and never changes", view.operation)
            return  # a constant of the programs now
        bits, scale = self.scales.bits(view.sym_name), self.scales.of(("state", view.sym_name))
        type = ir.RankedTensorType.get(extents(view.type), storage(bits))
        snn.State.build(
            sym_name=view.sym_name,
            type=type,
            depth=view.depth,
            scale=self.scale_attribute(view.sym_name, scale),
            bits=bits,
            init=None if init is None else self._initial(view, scale, bits),
            unit=view.unit,
        )

    def _initial(self, view: snn.State, scale: Number, bits: int) -> Any:
        form = self.classes.value(view.init, extents(view.type))
        low, high = limits(bits)
        values = np.clip(np.rint(snapped(form.constant / scale)), low, high)
        element = storage(bits)
        if not np.ndim(values):
            return ir.IntegerAttr.get(element, int(values))
        array = np.broadcast_to(values, extents(view.type)).astype(f"int{element.width}")
        return ir.FlatSymbolRefAttr.get(self.constant(f"{view.sym_name}.init", array))

    def scale_attribute(self, name: str, scale: Number) -> Any:
        if not np.ndim(scale):
            return ir.FloatAttr.get(ir.F64Type.get(), float(scale))
        return ir.FlatSymbolRefAttr.get(self.constant(f"{name}.scale", np.asarray(scale, np.float64)))

    def _synapses(self, view: snn.Synapses) -> None:
        for name in ("sources", "targets"):
            if name in view.connect:
                self.kept(str(symbol_of(view.connect[name])))
        delay = connectors.delay_function(view, self.symbols)
        for argument in connectors.extra_arguments(delay) if delay is not None else ():
            if isinstance(argument, connectors.Element):
                self.kept(argument.array)
        if view.sym_name not in self.weights:
            if symbol_of(view.weight) is not None:
                self.kept(str(symbol_of(view.weight)))
            view.operation.clone()
            return
        made = self.weights[view.sym_name].integers
        if symbol_of(view.weight) is None:
            element = storage(made.values.dtype.itemsize * 8)
            weight: Any = ir.IntegerAttr.get(element, int(made.values.reshape(-1)[0]))
        else:
            weight = ir.FlatSymbolRefAttr.get(self.constant(f"{symbol_of(view.weight)}.q", made.values))
        scale: Number = float(made.scale) if made.scale.ndim == 0 else made.scale
        snn.Synapses.build(
            sym_name=view.sym_name,
            pre=view.pre,
            post=view.post,
            connect=view.connect,
            weight=weight,
            scale=self.scale_attribute(view.sym_name, scale),
            code=snn.POW2 if self.powers else None,
            format=view.format,
            delay=view.delay,
            delay_range=view.delay_range,
        )
