"""Weights that matter least become zero, and zeros are no synapses any more.

    "snn.constant"() {sym_name = "W", ...}                  "snn.constant"() {sym_name = "W.sparse", ...}
    "snn.synapses"() {sym_name = "p", weight = @W,   -->    "snn.synapses"() {sym_name = "p", weight = @W.sparse,
        connect = {kind = "all"}, ...}                          connect = {kind = "all", nonzero}, ...}

    layers     the arrays of weights, and what their elements connect
    masks      what a file says of them
    activity   the neurons that go, by what they do on calibration data
    choice     the largest weights under a budget, and patterns

An array that several projections share is pruned once.  docs/sparsify.md says what each option does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Note, Table
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.passes import calibration
from spikec.passes.calibration import Calibration
from spikec.passes.canonicalize.states import Store
from spikec.passes.sparsify import choice, masks
from spikec.passes.sparsify.activity import Removal, carried
from spikec.passes.sparsify.layers import Layer, found


@dataclass(frozen=True)
class Sparsify:
    """Prunes weights, by size, pattern, mask or activity; a weight of zero is no synapse any more and costs nothing."""

    name: ClassVar[str] = "sparsify"
    level: ClassVar[str] = "snn"

    density: float | None = field(default=None, metadata={"help": "the share of all weights that stays: the largest"})
    scope: Literal["global", "layer"] = field(
        default="global", metadata={"help": "compare weights over all layers, or within each"}
    )
    by: Literal["size", "flow"] = field(
        default="size",
        metadata={
            "help": "what counts as large: the size, or that times what the source sends on the calibration data"
        },
    )
    floor: float = field(
        default=0.0, metadata={"help": "what stays of every layer at least: a number of weights, below 1 a share"}
    )
    pattern: str | None = field(
        default=None, metadata={"help": "n:m: of m consecutive sources of a target at most n stay"}
    )
    block: str | None = field(default=None, metadata={"help": "RxC: R sources by C targets stay or go together"})
    mask: str | None = field(default=None, metadata={"help": "FILE[:KEY]: arrays by parameter name; zero: goes"})
    calibrate: str | None = field(default=None, metadata={"help": "FILE[:KEY]: inputs on which activity is measured"})
    silent: Literal["go", "stay"] = field(
        default="go", metadata={"help": "what becomes of neurons that never emit on the calibration data"}
    )
    most: float = field(default=1.0, metadata={"help": "neurons that emit in more than this share of all steps go"})
    steps: int | None = field(default=None, metadata={"help": "steps of a calibration run, for which a sample is held"})
    seed: int = field(default=0, metadata={"help": "seed of the calibration runs"})
    rescale: bool = field(
        default=False, metadata={"help": "scale what stays so that each target's weights are as large in sum as before"}
    )

    def __post_init__(self) -> None:
        for name in ("density", "most"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"'{name}' is {value}; it must be between 0 and 1")
        if not (0 <= self.floor < 1 or (self.floor >= 1 and float(self.floor).is_integer())):
            raise ValueError(f"'floor' is {self.floor}; it must be a share below 1 or a whole number of weights")
        if self.floor and self.density is None:
            raise ValueError("'floor' needs 'density'")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"'steps' is {self.steps}; it must be positive")
        if self.calibrate is None and self.steps is None and (self.most < 1 or self.by == "flow"):
            raise ValueError(f"'{'most' if self.most < 1 else 'by'}' needs 'calibrate'")
        pair = self._pattern
        if pair is not None and pair[0] > pair[1]:
            raise ValueError(f"'pattern' is {self.pattern}: n is greater than m")
        if self._block is not None and self.density is None:
            raise ValueError("'block' needs 'density'")

    @property
    def _pattern(self) -> tuple[int, int] | None:
        return _pair("pattern", self.pattern, ":")

    @property
    def _block(self) -> tuple[int, int] | None:
        return _pair("block", self.block, "x")

    def files(self) -> Sequence[Path]:
        """The files that decide the result."""
        read = [masks.place(self.mask)[0]] if self.mask is not None else []
        return read + ([calibration.place(self.calibrate)[0]] if self.calibrate is not None else [])

    def run(self, program: Program) -> Program:
        """The pruned program.  Raises CompileError for files and options that do not fit it."""
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            try:
                layers, left = found(result)
                if self.rescale:
                    _refuse_integers(layers)
                notes: list[Note] = []
                data = Calibration.given(result, self.calibrate, self.steps)
                allowed = self._allowed(result, layers, data, notes)
                if data is not None and self.by == "flow":
                    flow = calibration.flow(result, data, self.seed)
                    layers = [replace(layer, size=carried(layer, flow)) for layer in layers]
                stays = self._chosen(layers, self._structured(layers, allowed))
            except Refusal as refusal:
                raise CompileError([refusal.diagnostic("sparsify")]) from None
            store = Store(result)
            rows = [self._pruned(layer, kept, store) for layer, kept in zip(layers, stays, strict=True)]
        columns = ("projection", "weights", "before", "after", "density")
        notes.insert(0, Table("sparsify: weights", columns, tuple(rows)))
        if left:
            notes.append(Table("sparsify: left as they are", ("projection", "because"), tuple(left)))
        empty = [layer for layer, row in zip(layers, rows, strict=True) if row[3] == 0]
        notes += [_warning(f"sparsify: no weight of '{layer.shown}' is left") for layer in empty]
        return result.noted(*notes)

    # ------------------------------------------------------------ what stays

    def _allowed(
        self, program: Program, layers: Sequence[Layer], data: Calibration | None, notes: list[Note]
    ) -> list[Array]:
        """Which weights may stay, by mask and activity."""
        allowed = {layer.name: layer.exists for layer in layers}
        if self.mask is not None:
            for name, mask in masks.read(self.mask, layers).items():
                allowed[name] = allowed[name] & mask
        if data is not None and (self.silent == "go" or self.most < 1):
            removal = Removal(program, data, self.seed, self.silent == "go", self.most)
            notes.append(removal.table())
            for layer in layers:
                allowed[layer.name] = allowed[layer.name] & removal.stays(layer)
        return list(allowed.values())

    def _structured(self, layers: Sequence[Layer], allowed: list[Array]) -> list[Array]:
        """Which weights may stay, by the pattern."""
        if self._pattern is None:
            return allowed
        return [choice.pattern(layer, may, *self._pattern) for layer, may in zip(layers, allowed, strict=True)]

    def _chosen(self, layers: Sequence[Layer], allowed: list[Array]) -> list[Array]:
        """Which weights stay."""
        if self.density is None or not layers:
            return allowed
        units = [self._units(layer, may) for layer, may in zip(layers, allowed, strict=True)]
        floors = [self._floor(layer) for layer in layers]
        parts = [range(len(layers))] if self.scope == "global" else [range(n, n + 1) for n in range(len(layers))]
        stays = []
        for part in parts:
            count = round(self.density * sum(layers[n].count for n in part))
            kept = choice.largest([units[n] for n in part], [floors[n] for n in part], count)
            if kept is None:
                named = ", ".join(layers[n].shown for n in part)
                text = f"{count} weights stay of {named}, fewer than 'floor' asks for"
                raise Refusal("E1222", text, help="a lower 'floor', or a higher 'density'")
            stays += kept
        return [chosen & may for chosen, may in zip(stays, allowed, strict=True)]

    def _units(self, layer: Layer, allowed: Array) -> choice.Units:
        if self._block is None:
            return choice.singles(layer, allowed)
        return choice.blocks(layer, allowed, *self._block)

    def _floor(self, layer: Layer) -> int:
        least = int(np.ceil(self.floor * layer.count)) if self.floor < 1 else int(self.floor)
        return min(least, layer.count)

    # ------------------------------------------------------------ doing it

    def _pruned(self, layer: Layer, stays: Array, store: Store) -> tuple[Any, ...]:
        """Gives the projections of a layer their weights; a row of the report."""
        flat = layer.values.reshape(-1)
        weights = choice.rescaled(layer, stays) if self.rescale else flat
        pruned = np.where(stays, weights, np.where(layer.exists, 0, flat)).astype(flat.dtype)
        before, after = (int(np.count_nonzero(array[layer.exists])) for array in (flat, pruned))
        if not np.array_equal(pruned, flat):
            self._replace(layer, pruned, store)
        if after < layer.count:
            for view in layer.projections:
                connect = {**view.connect, connectors.NONZERO: ir.UnitAttr.get()}
                view.operation.attributes["connect"] = snn.Synapses.fields["connect"].encode(connect)
        return layer.shown, layer.count, before, after, after / max(1, layer.count)

    def _replace(self, layer: Layer, pruned: Array, store: Store) -> None:
        first = layer.projections[0].operation
        name = store.array(f"{layer.name}.sparse", pruned, layer.type, first.location, first)
        for view in layer.projections:
            view.operation.attributes["weight"] = ir.FlatSymbolRefAttr.get(name)


def _pair(name: str, text: str | None, between: str) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(rf"([1-9][0-9]*){between}([1-9][0-9]*)", text)
    if match is None:
        raise ValueError(f"'{name}' is '{text}'; it must be two positive numbers, such as 2{between}4")
    return int(match[1]), int(match[2])


def _refuse_integers(layers: Sequence[Layer]) -> None:
    for layer in layers:
        if layer.values.dtype.kind != "f":
            text = f"the weights of '{layer.shown}' are integers, which cannot be rescaled"
            raise Refusal("E1223", text, layer.projections[0].operation, help="put sparsify before quantize")


def _warning(text: str) -> Diagnostic:
    return Diagnostic("W1221", "warning", text)


__all__ = ["Sparsify"]
