"""Arithmetic on language values: folds constants in exact or f64 arithmetic, emits upstream MLIR ops for the rest.

One emitter serves one function under construction.  `shape` of an operation's result is the common
shape of its operands; inside a neuron's program everything is a scalar and constant arrays become
parameters of the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects import structured
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import arith, file_location, ir, tensor
from spikec.dialects.mlir import math as mlir_math
from spikec.frontend import axes
from spikec.frontend.units import NUMBER, Dimension, describe
from spikec.frontend.values import Mistake, Value, a_kind, as_array, fits, number, to_float
from spikec.runtime.interface import flush_subnormals

INT64 = (-(2**63), 2**63 - 1)
COMPARISONS = {
    "<": ("olt", "slt"),
    "<=": ("ole", "sle"),
    ">": ("ogt", "sgt"),
    ">=": ("oge", "sge"),
    "==": ("oeq", "eq"),
    "!=": ("une", "ne"),
}
CMPF = {"oeq": 1, "ogt": 2, "oge": 3, "olt": 4, "ole": 5, "une": 13}
CMPI = {"eq": 0, "ne": 1, "slt": 2, "sle": 3, "sgt": 4, "sge": 5, "ult": 6, "ule": 7, "ugt": 8, "uge": 9}


class Emitter:
    """`real` is 32 or 64.  `array_value(value)` gives the SSA value of a constant array in this function."""

    def __init__(self, real: int, array_value: Callable[[Value, Span], Any], scalar: bool) -> None:
        self.real = real
        self.scalar = scalar
        self._array_value = array_value
        # Off while the type of a recurrent stream is being found: its own shape and dimension are not known yet.
        self.checked = True

    # ------------------------------------------------------------ types

    def element(self, kind: str) -> Any:
        if kind == "real":
            return ir.F32Type.get() if self.real == 32 else ir.F64Type.get()
        return ir.IntegerType.get_signless(64 if kind == "int" else 1)

    def type_of(self, element: Any, shape: tuple[int, ...]) -> Any:
        return element if self.scalar else ir.RankedTensorType.get(list(shape), element)

    @staticmethod
    def element_of(ssa: Any) -> Any:
        return ssa.type.element_type if isinstance(ssa.type, ir.RankedTensorType) else ssa.type

    # ------------------------------------------------------------ materialisation

    def constant(self, value: bool | int | float, element: Any, shape: tuple[int, ...]) -> Any:
        """An `arith.constant`, splat over `shape` in a function over tensors."""
        if not self.scalar:
            return structured.splat(value, ir.RankedTensorType.get(list(shape), element))
        if isinstance(element, ir.IntegerType):
            return arith.constant(element, ir.IntegerAttr.get(element, int(value)))
        return arith.constant(element, ir.FloatAttr.get(element, float(value)))

    def real_constant(self, value: float) -> float:
        """A constant as the program's real type holds it: rounded once, subnormals flushed."""
        dtype = np.float32 if self.real == 32 else np.float64
        with np.errstate(over="ignore"):
            return float(flush_subnormals(np.asarray(value, dtype=dtype)))

    def ssa(self, value: Value, shape: tuple[int, ...], kind: str, span: Span) -> Any:
        """The SSA value of `value` converted to `kind` and broadcast to `shape`, which ends with its own."""
        if not self.scalar and value.shape not in ((), shape) and self.checked:
            return self._repeated(value, shape, kind, span)
        if value.is_const:
            if value.is_array:
                return self._convert(self._array_value(value, span), value.kind, kind)
            return self._scalar_constant(value, shape, kind, span)
        result = self._convert(value.ssa, value.kind, kind)
        if not self.scalar and value.shape == () and shape != ():
            return tensor.splat(self.type_of(self.element_of(result), shape), tensor.extract(result, []), [])
        return result

    def _repeated(self, value: Value, shape: tuple[int, ...], kind: str, span: Span) -> Any:
        """A value along the last axes of `shape`, at all places of the others."""
        if value.is_const:
            return self.ssa(
                number(np.array(np.broadcast_to(as_array(value), shape)), kind=value.kind), shape, kind, span
            )
        ssa = self._convert(value.ssa, value.kind, kind)
        places = ir.AffineMap.get(
            len(shape), 0, [ir.AffineExpr.get_dim(d) for d in range(len(shape))][-len(value.shape) :]
        )
        return axes.moved(ssa, places, self.type_of(self.element_of(ssa), shape))

    def _scalar_constant(self, value: Value, shape: tuple[int, ...], kind: str, span: Span) -> Any:
        assert value.const is not None and not isinstance(value.const, np.ndarray)
        if kind == "real":
            return self.constant(self.real_constant(to_float(value.scalar)), self.element("real"), shape)
        if kind == "int" and not INT64[0] <= int(value.scalar) <= INT64[1]:
            raise Mistake("E0305", span, f"the integer {value.const} does not fit into 64 bits")
        return self.constant(int(value.scalar), self.element(kind), shape)

    def _convert(self, ssa: Any, kind: str, wanted: str) -> Any:
        """Between element types: bools count as 0 or 1, narrow signed integers widen."""
        element = self.element_of(ssa)
        shape = tuple(ssa.type.shape) if isinstance(ssa.type, ir.RankedTensorType) else ()
        if wanted == "real":
            if not isinstance(element, ir.IntegerType):
                return ssa
            target = self.type_of(self.element("real"), shape)
            return arith.uitofp(target, ssa) if element.width == 1 else arith.sitofp(target, ssa)
        if wanted == "int":
            target = self.type_of(self.element("int"), shape)
            if not isinstance(element, ir.IntegerType):
                return arith.fptosi(target, ssa)
            if element.width == 64:
                return ssa
            return arith.extui(target, ssa) if element.width == 1 else arith.extsi(target, ssa)
        if isinstance(element, ir.IntegerType) and element.width == 1:
            return ssa
        zero = self.constant(0, element, shape)
        if isinstance(element, ir.IntegerType):
            return arith.cmpi(_predicate(CMPI["ne"]), ssa, zero)
        return arith.cmpf(_predicate(CMPF["une"]), ssa, zero)

    # ------------------------------------------------------------ shapes and dimensions

    def common_shape(self, a: Value, b: Value, span: Span) -> tuple[int, ...]:
        if a.shape == b.shape or b.shape == ():
            return a.shape
        if a.shape == b.shape[-len(a.shape) :] or a.shape == ():
            return b.shape
        if b.shape == a.shape[-len(b.shape) :]:
            return a.shape
        if not self.checked:
            return max(a.shape, b.shape, key=len)
        raise Mistake(
            "E0303",
            span,
            f"shapes {show_shape(a.shape)} and {show_shape(b.shape)} do not match",
            "the operands of an elementwise operation have one shape, or that of one is the end of the other's",
        )

    def same_dim(self, a: Value, b: Value, span: Span, what: str) -> Dimension:
        if not self.checked and NUMBER in (a.dim, b.dim):
            return b.dim if a.dim == NUMBER else a.dim
        if fits(a, b.dim):
            return b.dim
        if not fits(b, a.dim):
            raise Mistake("E0401", span, f"{what}: {describe(a.dim)} on the left, {describe(b.dim)} on the right")
        return a.dim

    def need_dimensionless(self, value: Value, span: Span, what: str) -> None:
        if self.checked and value.dim != NUMBER:
            raise Mistake(
                "E0402", span, f"{what} needs a dimensionless value, not one of dimension {describe(value.dim)}"
            )

    @staticmethod
    def need_number(value: Value, span: Span, what: str) -> None:
        if not value.is_number:
            raise Mistake("E0302", span, f"{what} needs a number, not {a_kind(value.kind)}")

    # ------------------------------------------------------------ operators

    def binary(self, op: str, a: Value, b: Value, span: Span) -> Value:
        """`+ - * / // % ^ << >>` and comparisons and `and or` on numbers."""
        self.need_number(a, span, f"'{op}'")
        self.need_number(b, span, f"'{op}'")
        with file_location(span):
            if op in COMPARISONS:
                return self._compare(op, a, b, span)
            if op in ("and", "or"):
                return self._logic(op, a, b, span)
            if op in ("+", "-", "%"):
                dim = self.same_dim(a, b, span, f"'{op}' needs one dimension")
            elif op in ("*", "/", "//"):
                dim = a.dim * b.dim if op == "*" else a.dim / b.dim
            elif op == "^":
                return self._power(a, b, span)
            else:
                return self._shift(op, a, b, span)
            shape = self.common_shape(a, b, span)
            kind = "int" if "real" not in (a.kind, b.kind) and op != "/" else "real"
            if a.is_const and b.is_const:
                return self._fold(op, a, b, kind, dim, span)
            x, y = self.ssa(a, shape, kind, span), self.ssa(b, shape, kind, span)
            return Value(kind, ssa=self._arith(op, kind, x, y), shape=shape, dim=dim)

    def _arith(self, op: str, kind: str, x: Any, y: Any) -> Any:
        if kind == "int":
            if op == "%":
                return arith.subi(x, arith.muli(arith.floordivsi(x, y), y))
            return {"+": arith.addi, "-": arith.subi, "*": arith.muli, "//": arith.floordivsi}[op](x, y)
        if op == "//":
            return mlir_math.floor(arith.divf(x, y))
        if op == "%":
            return arith.subf(x, arith.mulf(mlir_math.floor(arith.divf(x, y)), y))
        return {"+": arith.addf, "-": arith.subf, "*": arith.mulf, "/": arith.divf}[op](x, y)

    def _fold(self, op: str, a: Value, b: Value, kind: str, dim: Dimension, span: Span) -> Value:
        if a.is_array or b.is_array:
            return number(self._fold_arrays(op, as_array(a), as_array(b), kind), dim, kind)
        x, y = a.const, b.const
        assert x is not None and y is not None and not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray)
        if op in ("/", "//", "%") and y == 0:
            raise Mistake("E0304", span, "division by zero")
        if isinstance(x, float) or isinstance(y, float):
            x, y = to_float(x), to_float(y)
        elif kind == "real":
            x, y = Fraction(x), Fraction(y)
        else:
            x, y = int(x), int(y)
        result = _fold_scalar(op, x, y)
        if kind == "int" and not INT64[0] <= result <= INT64[1]:
            raise Mistake("E0305", span, f"integer overflow: {result} does not fit into 64 bits")
        return number(result, dim, kind)

    @staticmethod
    def _fold_arrays(op: str, x: Array, y: Array, kind: str) -> Array:
        if kind == "real":
            x, y = x.astype(np.float64), y.astype(np.float64)
        else:
            x, y = x.astype(np.int64), y.astype(np.int64)
        with np.errstate(all="ignore"):
            functions = {
                "+": np.add,
                "-": np.subtract,
                "*": np.multiply,
                "/": np.divide,
                "//": np.floor_divide,
                "%": np.mod,
            }
            return np.asarray(functions[op](x, y))

    def _compare(self, op: str, a: Value, b: Value, span: Span) -> Value:
        self.same_dim(a, b, span, f"'{op}' needs one dimension")
        shape = self.common_shape(a, b, span)
        if a.is_const and b.is_const:
            functions = {
                "<": np.less,
                "<=": np.less_equal,
                ">": np.greater,
                ">=": np.greater_equal,
                "==": np.equal,
                "!=": np.not_equal,
            }
            if a.is_array or b.is_array:
                return number(np.asarray(functions[op](as_array(a), as_array(b))))
            assert a.const is not None and b.const is not None
            return number(bool(_COMPARE[op](a.const, b.const)))
        kind = "real" if "real" in (a.kind, b.kind) else "int"
        x, y = self.ssa(a, shape, kind, span), self.ssa(b, shape, kind, span)
        real, integer = COMPARISONS[op]
        ssa = (
            arith.cmpf(_predicate(CMPF[real]), x, y) if kind == "real" else arith.cmpi(_predicate(CMPI[integer]), x, y)
        )
        return Value("bool", ssa=ssa, shape=shape)

    def _logic(self, op: str, a: Value, b: Value, span: Span) -> Value:
        for value in (a, b):
            if value.kind != "bool":
                raise Mistake(
                    "E0302", span, f"'{op}' needs conditions, not {a_kind(value.kind)}", "compare it, as in 'x > 0'"
                )
        shape = self.common_shape(a, b, span)
        if a.is_const and b.is_const:
            x, y = as_array(a), as_array(b)
            folded = np.asarray(x & y if op == "and" else x | y)
            return number(folded if folded.shape else bool(folded))
        x, y = self.ssa(a, shape, "bool", span), self.ssa(b, shape, "bool", span)
        return Value("bool", ssa=arith.andi(x, y) if op == "and" else arith.ori(x, y), shape=shape)

    def _shift(self, op: str, a: Value, b: Value, span: Span) -> Value:
        if "real" in (a.kind, b.kind):
            raise Mistake("E0302", span, f"'{op}' needs integers")
        shape = self.common_shape(a, b, span)
        if a.is_const and b.is_const and not a.is_array and not b.is_array:
            x, y = int(a.scalar), int(b.scalar)
            if not 0 <= y < 64:
                raise Mistake("E0305", span, f"a shift by {y} bits: 0 to 63 are possible")
            result = x << y if op == "<<" else x >> y
            if not INT64[0] <= result <= INT64[1]:
                raise Mistake("E0305", span, f"integer overflow: {x} << {y} does not fit into 64 bits")
            return number(result)
        x, y = self.ssa(a, shape, "int", span), self.ssa(b, shape, "int", span)
        return Value("int", ssa=arith.shli(x, y) if op == "<<" else arith.shrsi(x, y), shape=shape, dim=a.dim)

    def _power(self, a: Value, b: Value, span: Span) -> Value:
        self.need_dimensionless(b, span, "an exponent")
        exponent = b.const if b.is_const and not b.is_array else None
        whole = isinstance(exponent, Fraction | int) and Fraction(exponent).denominator == 1
        if a.dim != NUMBER and not isinstance(exponent, Fraction | int):
            raise Mistake("E0402", span, f"a power of a {describe(a.dim)} needs a constant exponent")
        dim = a.dim ** Fraction(exponent) if isinstance(exponent, Fraction | int) else NUMBER
        if a.is_const and b.is_const:
            return self._fold_power(a, b, dim, whole, span)
        if whole and exponent is not None and abs(int(exponent)) <= 64:
            return self._whole_power(a, int(exponent), span).with_dim(dim)
        self.need_dimensionless(a, span, "a real power")
        log = self.function("log", a, span)
        return self.function("exp", self.binary("*", b, log, span), span)

    def _whole_power(self, a: Value, exponent: int, span: Span) -> Value:
        """x^n by repeated squaring from the highest bit, x^-n as 1 / x^n."""
        one = number(1 if a.kind == "int" and exponent >= 0 else Fraction(1))
        if exponent == 0:
            shape_like = self.binary("*", a, number(0), span)
            return self.binary("+", shape_like.with_dim(NUMBER), one, span)
        result = a
        for bit in bin(abs(exponent))[3:]:
            result = self.binary("*", result, result, span)
            if bit == "1":
                result = self.binary("*", result, a, span)
        return self.binary("/", one, result, span) if exponent < 0 else result

    def _fold_power(self, a: Value, b: Value, dim: Dimension, whole: bool, span: Span) -> Value:
        if a.is_array or b.is_array:
            with np.errstate(all="ignore"):
                return number(np.power(as_array(a).astype(np.float64), as_array(b).astype(np.float64)), dim)
        x, y = a.const, b.const
        assert x is not None and y is not None and not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray)
        exact = whole and not isinstance(x, float) and abs(int(y)) <= 256
        if exact and (x != 0 or y >= 0):
            size = max(Fraction(x).numerator.bit_length(), Fraction(x).denominator.bit_length())
            if size * abs(int(y)) <= 4096:
                result = Fraction(x) ** int(y)
                return (
                    number(int(result), dim, "int")
                    if a.kind != "real" and y >= 0 and self._fits(result, span)
                    else number(result, dim)
                )
        try:
            power = math.pow(to_float(x), to_float(y))
        except (OverflowError, ValueError, ZeroDivisionError):
            raise Mistake("E0304", span, "this power has no finite value") from None
        return number(power, dim)

    @staticmethod
    def _fits(value: Fraction, span: Span) -> bool:
        if not INT64[0] <= value <= INT64[1]:
            raise Mistake("E0305", span, f"integer overflow: {value} does not fit into 64 bits")
        return True

    def negate(self, a: Value, span: Span) -> Value:
        self.need_number(a, span, "'-'")
        if a.kind == "bool" or (a.kind == "int" and not a.is_const):
            return self.binary("-", number(0, a.dim), a, span)
        if a.is_const:
            return number(-a.const, a.dim, a.kind)  # type: ignore[operator]
        with file_location(span):
            return Value("real", ssa=arith.negf(a.ssa), shape=a.shape, dim=a.dim)

    def logical_not(self, a: Value, span: Span) -> Value:
        if a.kind != "bool":
            raise Mistake("E0302", span, f"'not' needs a condition, not {a_kind(a.kind)}")
        if a.is_const:
            return number(~as_array(a) if a.is_array else not a.const)
        with file_location(span):
            return Value("bool", ssa=arith.xori(a.ssa, self.constant(1, self.element("bool"), a.shape)), shape=a.shape)

    def select(self, condition: Value, a: Value, b: Value, span: Span) -> Value:
        """`if condition then a else b`."""
        if condition.kind != "bool":
            raise Mistake("E0302", span, f"the condition of 'if' must be true or false, not {a_kind(condition.kind)}")
        self.need_number(a, span, "'then'")
        self.need_number(b, span, "'else'")
        dim = self.same_dim(a, b, span, "both branches need one dimension")
        if condition.is_const and not condition.is_array:
            return a if condition.const else b
        kind = "real" if "real" in (a.kind, b.kind) else "int" if "int" in (a.kind, b.kind) else "bool"
        shape = self.common_shape(a, b, span)
        shape = self.common_shape(Value(kind, shape=shape), condition, span)
        if condition.is_const and a.is_const and b.is_const:
            return number(np.where(as_array(condition), as_array(a), as_array(b)), dim, kind)
        with file_location(span):
            c = self.ssa(condition, shape, "bool", span)
            x, y = self.ssa(a, shape, kind, span), self.ssa(b, shape, kind, span)
            return Value(kind, ssa=arith.select(c, x, y), shape=shape, dim=dim)

    # ------------------------------------------------------------ functions

    def function(self, name: str, a: Value, span: Span) -> Value:
        """The elementwise functions of one argument."""
        self.need_number(a, span, f"'{name}'")
        if name not in ("abs", "sqrt"):
            self.need_dimensionless(a, span, f"'{name}'")
        dim = a.dim ** Fraction(1, 2) if name == "sqrt" else a.dim
        with file_location(span):
            if name == "sigmoid":
                return self._sigmoid(a, span)
            if a.kind != "real" and name in ("abs", "floor", "ceil", "trunc", "round"):
                return self._integer_function(name, a, span)
            if a.is_const:
                return self._fold_function(name, a, dim, span)
            x = self.ssa(a, a.shape, "real", span)
            return Value("real", ssa=_FUNCTIONS[name](x), shape=a.shape, dim=dim)

    def _sigmoid(self, a: Value, span: Span) -> Value:
        """1 / (1 + exp(-x)), in that order of operations."""
        one = number(Fraction(1))
        denominator = self.binary("+", one, self.function("exp", self.negate(a, span), span), span)
        return self.binary("/", one, denominator, span)

    def _integer_function(self, name: str, a: Value, span: Span) -> Value:
        if name != "abs":
            return a
        if a.is_const:
            return number(np.abs(as_array(a).astype(np.int64)) if a.is_array else abs(int(a.scalar)), a.dim, "int")
        return Value("int", ssa=mlir_math.absi(self.ssa(a, a.shape, "int", span)), shape=a.shape, dim=a.dim)

    @staticmethod
    def _fold_function(name: str, a: Value, dim: Dimension, span: Span) -> Value:
        exact = {"abs": abs, "floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "round": round}
        if not a.is_array and name in exact and not isinstance(a.const, float):
            return number(Fraction(exact[name](a.const)), dim, "real")  # type: ignore[operator]
        with np.errstate(all="ignore"):
            result = _NUMPY[name](as_array(a).astype(np.float64))
        if not a.is_array:
            if not np.isfinite(result):
                raise Mistake("E0304", span, f"'{name}' of {to_float(a.scalar):g} has no finite value")
            return number(float(result), dim)
        return number(np.asarray(result), dim)

    def extreme(self, name: str, a: Value, b: Value, span: Span) -> Value:
        """`min(a, b)` and `max(a, b)`, elementwise."""
        self.need_number(a, span, f"'{name}'")
        self.need_number(b, span, f"'{name}'")
        dim = self.same_dim(a, b, span, f"'{name}' needs one dimension")
        shape = self.common_shape(a, b, span)
        kind = "real" if "real" in (a.kind, b.kind) else "int"
        if a.is_const and b.is_const:
            if a.is_array or b.is_array:
                function = np.minimum if name == "min" else np.maximum
                return number(function(as_array(a), as_array(b)), dim, kind)
            return number((min if name == "min" else max)(a.scalar, b.scalar), dim, kind)
        with file_location(span):
            x, y = self.ssa(a, shape, kind, span), self.ssa(b, shape, kind, span)
            functions = {
                ("min", "real"): arith.minimumf,
                ("max", "real"): arith.maximumf,
                ("min", "int"): arith.minsi,
                ("max", "int"): arith.maxsi,
            }
            return Value(kind, ssa=functions[name, kind](x, y), shape=shape, dim=dim)


def _predicate(value: int) -> Any:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def _fold_scalar(op: str, x: Any, y: Any) -> Any:
    match op:
        case "+":
            return x + y
        case "-":
            return x - y
        case "*":
            return x * y
        case "/":
            return x / y
        case "//":
            return x // y if isinstance(x, int) else type(x)(math.floor(x / y))
        case _:
            return x % y


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": mlir_math.absf,
    "floor": mlir_math.floor,
    "ceil": mlir_math.ceil,
    "trunc": mlir_math.trunc,
    "round": mlir_math.roundeven,
    "exp": mlir_math.exp,
    "expm1": mlir_math.expm1,
    "log": mlir_math.log,
    "sqrt": mlir_math.sqrt,
    "tanh": mlir_math.tanh,
    "sin": mlir_math.sin,
    "cos": mlir_math.cos,
}
_NUMPY: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.round,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
}
FUNCTIONS = frozenset([*_FUNCTIONS, "sigmoid"])


def show_shape(shape: tuple[int, ...]) -> str:
    """`[3, 4]`, or `scalar`."""
    return f"[{', '.join(map(str, shape))}]" if shape else "scalar"
