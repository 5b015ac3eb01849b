"""The MLIR module under construction, and how constants and states are declared in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np
from spikec.dialects import drawn, snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, func, ir
from spikec.frontend.values import Value, not_supported
from spikec.runtime.interface import flush_subnormals


class Module:
    """The MLIR module under construction: functions grow in place, declarations are added at the end."""

    def __init__(self, real: int, file: str) -> None:
        self.real = real
        self.constants = Constants()
        self.module = ir.Module.create(ir.Location.file(file, 1, 1))
        with ir.InsertionPoint(self.module.body):
            self.init = func.FuncOp("init", ([], []))
            self.step = func.FuncOp("step", ([], []))
            self.finish = func.FuncOp("finish", ([], []))
            # A function of the same module: its ops use values of the others, so they must die together.
            self.scratch = func.FuncOp("scratch", ([], []), visibility="private")
        self.scratch.add_entry_block()
        self.blocks = {name: getattr(self, name).add_entry_block() for name in ("init", "step", "finish")}
        self.declarations: dict[str, Callable[[], Any]] = {}
        self.depths: dict[str, int] = {}
        self._drawn: dict[Any, str] = {}  # drawn arrays by their function and layout

    def declare(self, name: str, build: Callable[[], Any]) -> None:
        """Registers a module-level op; they are built last, in the order of registration."""
        self.declarations.setdefault(name, build)

    def real_array(self, values: Array) -> Array:
        """An array as the program holds it: reals rounded to the program's type, subnormals flushed."""
        if values.dtype.kind != "f":
            return values
        with np.errstate(over="ignore"):
            return flush_subnormals(values.astype(np.float32 if self.real == 32 else np.float64))

    def constant(self, name: str, values: Array, span: Span) -> str:
        """Stores an array and declares it; returns its symbol, which differs from `name` only when that is taken."""
        stored = self.real_array(values)
        for symbol in (one for one in _spellings(name) if one not in self._drawn.values()):
            with suppress(ValueError):  # another array has this name
                digest = self.constants.add(symbol, stored)
                break
        element = element_of(stored)
        type = ir.RankedTensorType.get(list(stored.shape), element)
        location = file_location(span)

        def build() -> None:
            with location:
                snn.Constant.build(sym_name=symbol, type=type, digest=digest)

        self.declare(f"constant {symbol}", build)
        return symbol

    def weights(self, name: str, value: Value, elements: Array, span: Span) -> str:
        """Declares an array made of `places(value)` in any order, as reals; returns its symbol."""
        if value.drawn is None:
            return self.constant(name, np.ascontiguousarray(elements.astype(np.float64)), span)
        found = drawn.layout(elements)
        if found is None:
            raise not_supported(span, "this order of the elements of a drawn array")
        plain = np.array_equal(elements.reshape(-1), np.arange(elements.size))
        first, strides = (None, None) if plain else found
        element = ir.F32Type.get() if self.real == 32 else ir.F64Type.get()
        type = ir.RankedTensorType.get(list(elements.shape), element)
        key = (value.drawn.function, elements.shape, found)
        if key not in self._drawn:
            self._drawn[key] = self._free(name)
        symbol, function, location = self._drawn[key], value.drawn.function, file_location(span)

        def build() -> None:
            with location:
                snn.Constant.build(sym_name=symbol, type=type, draw=function, first=first, strides=strides)

        self.declare(f"constant {symbol}", build)
        return symbol

    def function(self, symbol: str) -> Any:
        """The function of this name, which was built; None where there is none."""
        return next((op.operation for op in self.module.body.operations if symbol_of(op) == symbol), None)

    def drawn_by(self) -> dict[str, str]:
        """The function that draws an array, for each array that is drawn."""
        return {symbol: function for (function, *_), symbol in self._drawn.items()}

    def _free(self, name: str) -> str:
        """A name that no constant has."""
        return next(symbol for symbol in _spellings(name) if f"constant {symbol}" not in self.declarations)

    def state(self, name: str, type: Any, init: Any, span: Span, unit: str = "", depth: int = 1) -> None:
        """Declares a state, or deepens one: the history that is kept is the largest that is asked for."""
        self.depths[name] = max(depth, self.depths.get(name, 1))
        location = file_location(span)

        def build() -> None:
            with location:
                snn.State.build(sym_name=name, type=type, init=init, depth=self.depths[name], unit=unit or None)

        self.declare(f"state {name}", build)

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Builds the declarations before the entry points."""
        self.scratch.operation.erase()
        with ir.InsertionPoint(self.init.operation):
            for build in self.declarations.values():
                build()
        for key, value in attributes.items():
            self.module.operation.attributes[key] = value


def _spellings(name: str) -> Iterator[str]:
    """A name, and what stands for it where it is taken."""
    yield name
    yield from (f"{name}#{n}" for n in count(1))


def element_of(array: Array) -> Any:
    if array.dtype.kind == "f":
        return ir.F32Type.get() if array.dtype == np.float32 else ir.F64Type.get()
    return ir.IntegerType.get_signless(1 if array.dtype.kind == "b" else 8 * array.itemsize)


def zero(element: Any) -> Any:
    """The attribute of a zero of this type."""
    if isinstance(element, ir.IntegerType):
        return ir.IntegerAttr.get(element, 0)
    return ir.FloatAttr.get(element, 0.0)


def symbol_of(operation: Any) -> str:
    """The symbol that an operation defines, or an empty text."""
    attributes = operation.operation.attributes
    return str(ir.StringAttr(attributes["sym_name"]).value) if "sym_name" in attributes else ""
