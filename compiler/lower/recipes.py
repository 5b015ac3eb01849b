"""The recipe of a `snn.synapses` carried out under a run seed: which synapses it makes, and their weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.connectors import Drawn, Element
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.drawn import uniforms
from spikec.dialects.functions import signature, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.random import key
from spikec.dialects.refusal import span_of
from spikec.lower import connect, filters, fixed
from spikec.runtime.interface import numpy_type


class Recipes:
    """The recipes of one program.  Raises CompileError for a recipe that cannot be carried out."""

    def __init__(self, program: Program, seed: int) -> None:
        self._program = program
        self._symbols = program.symbols()
        self._seed = seed
        self._pairs: dict[str, connect.Rows] = {}  # of recipes that others are derived from

    def rows(self, view: snn.Synapses) -> connect.Rows:
        """The synapses of a connector that is no convolution."""
        try:
            return self._rows(view)
        except OverflowError as error:
            raise CompileError([_diagnostic("E0605", view, str(error))]) from None
        except fixed.Shortage as error:
            raise CompileError([_diagnostic("E0606", view, str(error))]) from None

    def _rows(self, view: snn.Synapses) -> connect.Rows:
        recipe, pre, post = view.connect, view.pre, view.post
        keep = filters.filter_of(self._symbols[recipe["filter"].value]) if "filter" in recipe else None
        match connectors.kind_of(view):
            case "all":
                return connect.every(pre, post, keep)
            case "one_to_one":
                return connect.one_to_one(pre, keep)
            case "table":
                sources, targets = (self.array(view, recipe[name].value) for name in ("sources", "targets"))
                return connect.listed(pre, post, sources, targets, keep)
            case "prob":
                return self._probable(view, keep)
            case kind if kind in connectors.DERIVED:
                return self._derived(view, kind)
            case kind:
                make = {"fixed_in": fixed.fixed_in, "fixed_out": fixed.fixed_out, "fixed_total": fixed.fixed_total}
                count = ir.IntegerAttr(recipe["count"]).value
                return make[kind](pre, post, count, "repeat" in recipe, self.key(view), keep)

    def _derived(self, view: snn.Synapses, kind: str) -> connect.Rows:
        """From the synapses of another recipe, numbered in row order, to their ends."""
        rows, wanted = self._pairs_of(view), view.pre if kind == "to_target" else view.post
        count = len(rows.col)
        if count != wanted:
            text = f"there are {count} synapses, where {wanted} are declared"
            raise CompileError([_diagnostic("E0606", view, text)])
        number = np.arange(count)
        if kind == "from_source":
            return connect.Rows(rows.row, connect.narrowed(number, count))
        if kind == "from_target":
            return connect.listed(view.pre, count, rows.col.astype(np.int64), number)
        return connect.Rows(np.arange(count + 1, dtype=np.int32), rows.col)

    def _pairs_of(self, view: snn.Synapses) -> connect.Rows:
        """The rows of the recipe that a derived one is made of."""
        pairs = connectors.pairs_of(view, self._symbols)
        if pairs.sym_name not in self._pairs:
            self._pairs[pairs.sym_name] = self.rows(pairs)
        return self._pairs[pairs.sym_name]

    def key(self, view: snn.Synapses) -> tuple[int, int]:
        """The key of the stream that a recipe draws its synapses from."""
        recipe = view.connect
        return key(self._seed, ir.IntegerAttr(recipe["seed"]).value, ir.StringAttr(recipe["path"]).value)

    def _probable(self, view: snn.Synapses, keep: connect.Filter | None) -> connect.Rows:
        p = view.connect["p"]
        name = symbol_of(p)
        if name is None:
            return connect.probable(view.pre, view.post, ir.FloatAttr(p).value, self.key(view), keep)
        chance = filters.function_of(self._symbols[name])
        return connect.probable_pairs(view.pre, view.post, chance, self.key(view), keep)

    def array(self, view: snn.Synapses, name: str) -> Array:
        """A constant that a recipe names."""
        if name not in self._program.constants:
            message = f"projection '{view.sym_name}' needs the array '{name}', which is not at hand"
            hint = "give the constants with --constants FILE"
            raise CompileError([Diagnostic("E0802", "error", message, help=hint)])
        return self._program.constants[name]

    def weights(self, view: snn.Synapses, rows: connect.Rows) -> Array | None:
        """The weight of each synapse; None where all have the same number."""
        function = connectors.weight_function(view, self._symbols)
        if function is not None and connectors.kind_of(view) in connectors.DERIVED:
            return self._computed(connectors.pairs_of(view, self._symbols), function, self._pairs_of(view))
        if function is not None:
            return self._computed(view, function, rows)
        name = symbol_of(view.weight)
        if name is None:
            return None
        weights = self.array(view, name).reshape(-1)
        match connectors.weight_layout(view):
            case "row":
                assert rows.place is not None
                return weights[rows.place]
            case "neuron":
                return np.repeat(weights, np.diff(rows.row))
            case _:
                found, matrix = np.empty(len(rows.col), weights.dtype), weights.reshape(view.pre, view.post)
                for place, source in rows.stretches():
                    found[place] = matrix[source, rows.col[place]]
                return found

    def delays(self, view: snn.Synapses, rows: connect.Rows) -> Array:
        """The delay of each synapse in steps, of a projection whose delays differ."""
        assert view.delay is not None and view.delay_range is not None
        least, most = view.delay_range
        delays = np.empty(len(rows.col), np.min_scalar_type(most))
        for place, found in self._evaluated(view, self._symbols[view.delay], rows):
            wrong = found[(found < least) | (found > most)]
            if len(wrong):
                text = connectors.wrong_delay(view, int(wrong[0]))
                raise CompileError([_diagnostic("E0608", view, text, help=connectors.CLAMP)])
            delays[place] = found
        return delays

    def _computed(self, view: snn.Synapses, function: Any, rows: connect.Rows) -> Array:
        weights = np.empty(len(rows.col), numpy_type(signature(function).results[0]))
        for place, found in self._evaluated(view, function, rows):
            weights[place] = found
        return weights

    def _evaluated(self, view: snn.Synapses, function: Any, rows: connect.Rows) -> Iterator[tuple[slice, Array]]:
        """What a function gives for the synapses, by stretches: their places and the values."""
        evaluate, element = filters.function_of(function), numpy_type(signature(function).results[0])
        extra = connectors.extra_arguments(function)
        for place, source in rows.stretches():
            index = np.arange(place.start, place.stop)
            target = rows.col[place].astype(np.int64)
            others = [self._argument(view, one, index, source, target, rows) for one in extra]
            yield place, np.broadcast_to(np.asarray(evaluate(source, target, *others), element), index.shape)

    def _argument(
        self, view: snn.Synapses, what: Any, index: Array, source: Array, target: Array, rows: connect.Rows
    ) -> Array:
        match what:
            case Drawn():
                return uniforms(what, self._seed, index)
            case Element():
                place = {"pre": source, "post": target, "pair": source * view.post + target}.get(what.by)
                if place is None:
                    assert rows.place is not None
                    place = rows.place[index]
                return self.array(view, what.array).reshape(-1)[place]
            case _:
                return index


def _diagnostic(code: str, view: snn.Synapses, text: str, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", f"{view.sym_name}: {text}", span_of(view.operation), help=help)
