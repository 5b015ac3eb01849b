"""Index notation: `y[i, j] = sum[k](a[i, k] * b[k, j]) + c[j]`, and reductions over indices anywhere.

A statement is walked twice.  First every element that it reads is found, with its subscripts, and with them how far
each loop runs; what no index occurs in is computed outside.  Then each reduction becomes one `linalg.generic` whose
body is the expression over scalars, in ascending order of its indices from left to right, and so does what surrounds
the reductions.  A sum of products with a constant matrix is a projection, as `@` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import structured
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, ir
from spikec.frontend import axes, gather, products, syntax
from spikec.frontend.emitter import FUNCTIONS, Emitter, show_shape
from spikec.frontend.expressions import Expressions, piped
from spikec.frontend.loops import Access, Divided, Loop, Subscript, find_extents
from spikec.frontend.ode import names_in
from spikec.frontend.reductions import REDUCTIONS, Reduction
from spikec.frontend.shapes import reshaped
from spikec.frontend.values import Mistake, Value, integral, not_supported, number, places

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

Scope = dict[str, Loop]
ELEMENTWISE = frozenset([*FUNCTIONS, "min", "max", "relu", "clamp"])


def tensor(
    expressions: DataflowExpressions, indices: Sequence[syntax.Name], node: syntax.Expr, shape: Sequence[int] = ()
) -> Value:
    """The value of `name[i, j] = e`: one element for each point of its indices, of this `shape` if it is known."""
    extents = shape or [0] * len(indices)
    loops = [Loop(name.id, name.span, extent) for name, extent in zip(indices, extents, strict=True)]
    notation = _Notation(expressions)
    scope = notation.within({}, loops)
    notation.find(node, scope)
    notation.settle()
    with file_location(node.span):
        return notation.parallel(node, loops, node.span)


def scalar(expressions: DataflowExpressions, node: syntax.Call) -> Value:
    """The value of `sum[k](e)` that stands alone."""
    notation = _Notation(expressions)
    notation.find(node, {})
    notation.settle()
    with file_location(node.span):
        return notation.reduced(notation.reductions[id(node)], [])


def is_reduction(node: syntax.Expr) -> bool:
    """Is this `sum[k](e)`, or another reduction over named indices?"""
    if not isinstance(node, syntax.Call) or not isinstance(node.function, syntax.Index):
        return False
    base = node.function.base
    return isinstance(base, syntax.Name) and base.id in REDUCTIONS


@dataclass(eq=False)
class _Reduced:
    """One `op[loops](body)`; `accesses` are those of the body, `inner` the reductions right inside of it."""

    op: str
    loops: list[Loop]
    body: syntax.Expr
    span: Span
    accesses: list[Access] = field(default_factory=list)
    inner: list[syntax.Call] = field(default_factory=list)


class _Notation:
    """One expression in index notation: what its nodes are (by identity), and the ops that it becomes."""

    def __init__(self, expressions: DataflowExpressions) -> None:
        self.expressions = expressions
        self.emitter = expressions.emitter
        self.loops: list[Loop] = []
        self.accesses: dict[int, Access] = {}
        self.constants: dict[int, Value] = {}
        self.calls: dict[int, syntax.Call] = {}
        self.reductions: dict[int, _Reduced] = {}
        self.counted: list[tuple[int, Loop, Span, list[_Reduced]]] = []
        self.surrounding: list[_Reduced] = []
        self.outside: list[syntax.Call] = []  # the reductions that are inside of no other

    # ------------------------------------------------------------ the first walk

    def within(self, scope: Scope, loops: Sequence[Loop]) -> Scope:
        """The scope with more loops in it."""
        inner = dict(scope)
        for loop in loops:
            if loop.name in inner:
                raise Mistake("E0205", loop.span, f"the index '{loop.name}' is used twice")
            inner[loop.name] = loop
        self.loops += loops
        return inner

    def find(self, node: syntax.Expr, scope: Scope) -> None:
        """Finds the elements that an expression reads, and its reductions."""
        if is_reduction(node):
            self._find_reduction(node, scope)
            return
        if not names_in(node) & scope.keys():
            self._find_invariant(node)
            return
        match node:
            case syntax.Index() if (place := gather.place(node)) is not None:
                self.calls[id(node)] = gather.chosen(self.expressions, node, place, f"({len(self.loops)})")
                self.find(self.calls[id(node)], scope)
            case syntax.Index():
                self._find_element(node, scope)
            case syntax.Name():
                self.counted.append((id(node), scope[node.id], node.span, list(self.surrounding)))
            case syntax.Unary():
                self.find(node.operand, scope)
            case syntax.Binary(op="@"):
                raise Mistake("E0301", node.span, "'@' takes whole values", "write the sum: 'sum[k](a[i, k] * b[k])'")
            case syntax.Binary():
                self.find(node.left, scope)
                self.find(node.right, scope)
            case syntax.IfExpr():
                for part in (node.condition, node.then, node.otherwise):
                    self.find(part, scope)
            case syntax.Pipe():
                self.calls[id(node)] = piped(node)
                self.find(self.calls[id(node)], scope)
            case syntax.Call(function=syntax.Name(id=name)) if name in ELEMENTWISE and not node.keywords:
                for argument in node.args:
                    self.find(argument, scope)
            case syntax.Call(function=syntax.Name(id=name)) if name in REDUCTIONS:
                raise Mistake("E0301", node.span, f"'{name}' of single elements needs its index: '{name}[k](...)'")
            case syntax.Call(function=function):
                what = f"'{function.id}'" if isinstance(function, syntax.Name) else "this"
                raise Mistake(
                    "E0301", node.span, f"{what} takes whole values", "put the indices behind it, as in 'prev(x)[i]'"
                )
            case _:
                raise Mistake("E0301", node.span, "this has no elements", "put the indices last, as in 'h.V[i]'")

    def _find_reduction(self, node: Any, scope: Scope) -> None:
        names = node.function.items
        op = node.function.base.id
        if not all(isinstance(name, syntax.Name) for name in names) or not names:
            raise Mistake("E0301", node.function.span, f"'{op}[...]' names its indices, as in '{op}[k](...)'")
        if len(node.args) != 1 or node.keywords:
            raise Mistake("E0306", node.span, f"'{op}[...]' takes one argument")
        loops = [Loop(name.id, name.span) for name in names]
        reduced = _Reduced(op, loops, node.args[0], node.span)
        (self.surrounding[-1].inner if self.surrounding else self.outside).append(node)
        self.reductions[id(node)] = reduced
        self.surrounding.append(reduced)
        self.find(reduced.body, self.within(scope, loops))
        self.surrounding.pop()

    def _find_invariant(self, node: syntax.Expr) -> None:
        """What no index occurs in is one number for all points."""
        value = self.expressions.eval(node)
        self.emitter.need_number(value, node.span, "index notation")
        if value.shape and self.emitter.checked:
            places = ", ".join("ijklmnop"[: len(value.shape)])
            message = f"a value of shape {show_shape(value.shape)} among single elements"
            raise Mistake("E0303", node.span, message, f"give it its indices, as in 'x[{places}]'")
        if value.is_const:
            self.constants[id(node)] = value
        else:
            self._access(id(node), Access(value, (), node.span))

    def _find_element(self, node: syntax.Index, scope: Scope) -> None:
        if names_in(node.base) & scope.keys():
            raise Mistake(
                "E0301", node.base.span, "an index stands behind a whole value", "write all indices in one '[...]'"
            )
        value = self.expressions.eval(node.base)
        self.emitter.need_number(value, node.base.span, "index notation")
        subscripts = tuple(self._subscript(item, scope) for item in node.items)
        if len(subscripts) != len(value.shape):
            if not self.emitter.checked:
                self._access(id(node), Access(self._zero(value), (), node.span))
                return
            message = f"{len(subscripts)} indices for a value of shape {show_shape(value.shape)}"
            raise Mistake("E0303", node.span, message)
        self._access(id(node), Access(value, subscripts, node.span))

    def _zero(self, like: Value) -> Value:
        """A scalar of the kind of a value whose shape is not known yet."""
        return Value(like.kind, ssa=self.emitter.constant(0, self.emitter.element(like.kind), ()), dim=like.dim)

    def _access(self, key: int, access: Access) -> None:
        self.accesses[key] = access
        for reduced in self.surrounding:
            reduced.accesses.append(access)

    def _subscript(self, node: syntax.Expr | syntax.Slice, scope: Scope) -> Subscript:
        if isinstance(node, syntax.Slice):
            raise Mistake("E0301", node.span, "an element has single indices, not slices")
        if not names_in(node) & scope.keys():
            value = self.expressions.constant(node, "an index")
            whole = None if value.is_array else integral(value)
            if whole is None:
                raise Mistake("E0301", node.span, "an index is a whole number")
            return Subscript((), whole)
        match node:
            case syntax.Name():
                return Subscript(((scope[node.id], 1),))
            case syntax.Unary(op="-"):
                return self._subscript(node.operand, scope).times(-1)
            case syntax.Binary(op="+" | "-" as op):
                right = self._subscript(node.right, scope)
                return self._subscript(node.left, scope).plus(right, 1 if op == "+" else -1)
            case syntax.Binary(op="*"):
                left, right = self._subscript(node.left, scope), self._subscript(node.right, scope)
                if not left.factors or not right.factors:
                    return right.times(left.constant) if not left.factors else left.times(right.constant)
            case syntax.Binary(op="//" | "%" as op):
                by = self._subscript(node.right, scope)
                if not by.factors and by.constant > 0:
                    return Subscript(((Divided(self._subscript(node.left, scope), by.constant, op == "%"), 1),))
                raise Mistake("E0301", node.right.span, "a subscript is divided by a constant whole number from 1 on")
        raise Mistake("E0301", node.span, "a subscript is a sum of indices times whole numbers, as in 'x[2 * i + k]'")

    def settle(self) -> None:
        """Finds the extents of the loops, and with them the numbers that stand for an index as a value."""
        find_extents(self.loops, list(self.accesses.values()), self.emitter.checked)
        for key, loop, span, surrounding in self.counted:
            numbers = number(np.arange(loop.extent, dtype=np.int64))
            access = Access(numbers, (Subscript(((loop, 1),)),), span)
            self.accesses[key] = access
            for reduced in surrounding:
                reduced.accesses.append(access)

    def written(self, node: Any) -> Any:
        """The node, or what stands for it: the call of a pipe, the reduction that picks an element."""
        return self.calls.get(id(node), node)

    # ------------------------------------------------------------ the ops

    def parallel(self, node: syntax.Expr, loops: list[Loop], span: Span) -> Value:
        """The expression at all points of `loops`."""
        node = self.written(node)
        for call in self.outside:
            self._reduce_inside(call, loops)
        shape = tuple(loop.extent for loop in loops)
        access = self.accesses.get(id(node))
        if access is not None and not access.value.is_const and access.plain() == loops:
            return access.value
        accesses = self._used(node)
        guess = self._body(node, self._stand_ins(accesses))
        kind, dim = guess.kind, guess.dim
        if guess.is_const:
            ssa = self.emitter.ssa(guess, shape, kind, span)
            return Value(kind, ssa=ssa, shape=shape, dim=dim)
        # What is only moved keeps its width, such as that of a signed spike.
        element = self.emitter.element(kind) if access is None else self._element(access.value)
        start = structured.splat(0, ir.RankedTensorType.get(list(shape), element))

        def body(*scalars: Any) -> list[Any]:
            value = self._body(node, dict(zip(map(id, accesses), scalars, strict=False)))
            return [value.ssa if access is not None else self._scalars().ssa(value, (), kind, span)]

        (result,) = self._generic(accesses, loops, [], [start], body)
        event = access is not None and access.value.event
        return Value(kind, ssa=result, shape=shape, dim=dim, event=event)

    def _reduce_inside(self, call: syntax.Call, enclosing: list[Loop]) -> None:
        """Makes a reduction a value with an element for each point of the enclosing loops that it depends on."""
        reduced = self.reductions[id(call)]
        used = {loop for access in reduced.accesses for loop in access.loops}
        free = [loop for loop in enclosing if loop in used]
        value = self.reduced(reduced, free)
        self.accesses[id(call)] = Access(value, tuple(Subscript(((loop, 1),)) for loop in free), call.span)

    def reduced(self, reduced: _Reduced, free: list[Loop]) -> Value:
        """The reduction for each point of the `free` loops."""
        found = self._product(reduced, free)
        if found is not None:
            return found
        for call in reduced.inner:
            self._reduce_inside(call, [*free, *reduced.loops])
        accesses = self._used(reduced.body)
        guess = self._body(reduced.body, self._stand_ins(accesses))
        plan = Reduction.of(reduced.op, guess, self.emitter, reduced.span)
        shape = tuple(loop.extent for loop in free)
        starts = [structured.splat(v, ir.RankedTensorType.get(list(shape), e)) for v, e in plan.starts]
        inputs = len(accesses)

        def body(*scalars: Any) -> list[Any]:
            value = self._body(reduced.body, dict(zip(map(id, accesses), scalars[:inputs], strict=True)))
            return plan.step(self._scalars().ssa(value, (), plan.kind, reduced.span), *scalars[-len(starts) :])

        results = self._generic(accesses, free, reduced.loops, starts, body)
        value = Value(plan.result_kind, ssa=results[plan.result], shape=shape, dim=plan.dim)
        if reduced.op != "mean":
            return value
        count = int(np.prod([loop.extent for loop in reduced.loops]))
        return self.emitter.binary("/", value, number(count), reduced.span)

    def _generic(
        self, accesses: list[Access], parallel: list[Loop], reduced: list[Loop], starts: list[Any], body: Any
    ) -> list[Any]:
        loops = [*parallel, *reduced]
        inputs = [
            self.emitter.ssa(a.value, a.value.shape, a.value.kind, a.span) if a.value.is_const else a.value.ssa
            for a in accesses
        ]
        maps = [access.map(loops) for access in accesses]
        alone = {
            s.alone
            for a in accesses
            for s, n in zip(a.subscripts, a.value.shape, strict=True)
            if s.alone and s.alone.extent == n
        }
        hidden = [loop for loop in reduced if loop not in alone]
        if hidden:
            # No operand has an axis of just this loop: one is added that tells how far it runs.
            flag = ir.IntegerType.get_signless(1)
            inputs.append(structured.splat(0, ir.RankedTensorType.get([loop.extent for loop in hidden], flag)))
            maps.append(ir.AffineMap.get(len(loops), 0, [ir.AffineExpr.get_dim(loops.index(loop)) for loop in hidden]))
        out = ir.AffineMap.get(len(loops), 0, [ir.AffineExpr.get_dim(d) for d in range(len(parallel))])
        kinds = ["parallel"] * len(parallel) + ["reduction"] * len(reduced)
        used = len(accesses)

        def without(*scalars: Any) -> list[Any]:
            return list(body(*scalars[:used], *scalars[len(inputs) :]))

        return structured.generic(inputs, maps, kinds, starts, [out] * len(starts), without)

    # ------------------------------------------------------------ bodies

    def _used(self, node: syntax.Expr) -> list[Access]:
        """The elements that an expression reads at one point; reductions inside of it are elements by now."""
        found: dict[Access, None] = {}
        pending: list[object] = [node]
        while pending:
            part = pending.pop()
            if isinstance(part, tuple):
                pending.extend(reversed(part))
            elif isinstance(part, syntax.Node):
                inner = self.written(part)
                if id(inner) in self.accesses:
                    found[self.accesses[id(inner)]] = None
                elif id(inner) not in self.constants:
                    names = [f.name for f in fields(inner) if f.name != "span"]
                    pending.extend(getattr(inner, name) for name in reversed(names))
        return list(found)

    def _stand_ins(self, accesses: list[Access]) -> dict[int, Any]:
        """Scalars that are thrown away, to find out the kind of a body before its op is made."""
        with ir.InsertionPoint(self.expressions.network.module.scratch.entry_block):
            return {id(a): self._scalars().constant(0, self._element(a.value), ()) for a in accesses}

    def _element(self, value: Value) -> Any:
        return self.emitter.element(value.kind) if value.is_const else self.emitter.element_of(value.ssa)

    def _body(self, node: syntax.Expr, scalars: dict[int, Any]) -> Value:
        guessing = not any(isinstance(scalar, ir.BlockArgument) for scalar in scalars.values())
        evaluator = _Body(self, scalars)
        if not guessing:
            return evaluator.eval(node)
        with ir.InsertionPoint(self.expressions.network.module.scratch.entry_block):
            return evaluator.eval(node)

    def _scalars(self) -> Emitter:
        emitter = Emitter(self.emitter.real, _no_array, scalar=True)
        emitter.checked = self.emitter.checked
        return emitter

    # ------------------------------------------------------------ products with constants

    def _product(self, reduced: _Reduced, free: list[Loop]) -> Value | None:
        """sum[k](W[o, k] * x[n, k]) with a constant real W and a stream x, if the reduction is just that."""
        body = reduced.body
        if reduced.op != "sum" or not isinstance(body, syntax.Binary) or body.op != "*":
            return None
        pair = [self.accesses.get(id(self.written(side))) for side in (body.left, body.right)]
        if None in pair or not all(access.subscripts for access in pair if access):
            return None
        weights, stream = sorted((a for a in pair if a), key=lambda access: not access.value.is_still)
        if not weights.value.is_still or weights.value.kind != "real" or stream.value.is_const:
            return None
        w, x = weights.plain(), stream.plain()
        if w is None or x is None:
            return None
        kept, outputs = [loop for loop in x if loop in free], [loop for loop in w if loop in free]
        inner = [loop for loop in x if loop not in free]
        if inner != reduced.loops or {*w} != {*outputs, *inner} or {*kept} & {*outputs} or {*kept, *outputs} != {*free}:
            return None
        return self._weighted(weights.value, w, stream.value, x, kept, outputs, inner, free, reduced.span)

    def _weighted(
        self,
        matrix: Value,
        w: list[Loop],
        x: Value,
        axes_of_x: list[Loop],
        kept: list[Loop],
        outputs: list[Loop],
        inner: list[Loop],
        free: list[Loop],
        span: Span,
    ) -> Value:
        def size(loops: list[Loop]) -> int:
            return int(np.prod([loop.extent for loop in loops], dtype=np.int64))

        rows = places(matrix).transpose([w.index(loop) for loop in [*outputs, *inner]])
        ssa = x.ssa
        if axes_of_x != [*kept, *inner]:
            ssa = axes.transposed(ssa, [axes_of_x.index(loop) for loop in [*kept, *inner]])
        flat = (size(kept), size(inner)) if kept else (size(inner),)
        vector = Value(x.kind, ssa=reshaped(ssa, flat), shape=flat, dim=x.dim, event=x.event)
        result = products.weighted(self.expressions, rows.reshape(size(outputs), size(inner)), matrix, vector, span)
        found = [*kept, *outputs]
        made = reshaped(result.ssa, tuple(loop.extent for loop in found))
        if found != free:
            made = axes.transposed(made, [found.index(loop) for loop in free])
        return Value("real", ssa=made, shape=tuple(loop.extent for loop in free), dim=result.dim)


class _Body(Expressions):
    """The expression at one point, over scalars."""

    def __init__(self, notation: _Notation, scalars: dict[int, Any]) -> None:
        outer = notation.expressions
        super().__init__(notation._scalars(), outer.clock, outer.arrays)
        self.notation = notation
        self.scalars = scalars

    def eval(self, node: syntax.Expr) -> Value:
        notation = self.notation
        node = notation.written(node)
        if id(node) in notation.constants:
            return notation.constants[id(node)]
        access = notation.accesses.get(id(node))
        if access is not None:
            return Value(access.value.kind, ssa=self.scalars[id(access)], dim=access.value.dim)
        return super().eval(node)

    def _binary(self, node: syntax.Binary) -> Value:
        spine = [node]
        while isinstance(spine[-1].left, syntax.Binary) and not self._is_known(spine[-1].left):
            spine.append(spine[-1].left)
        value = self.eval(spine[-1].left)
        for part in reversed(spine):
            value = self.emitter.binary(part.op, value, self.eval(part.right), part.span)
        return value

    def _is_known(self, node: syntax.Expr) -> bool:
        node = self.notation.written(node)
        return id(node) in self.notation.constants or id(node) in self.notation.accesses


def _no_array(value: Value, span: Span) -> Any:
    raise not_supported(span, "a whole array among single elements")
