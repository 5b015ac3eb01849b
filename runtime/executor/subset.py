"""A small subset of Python to LLVM IR: what the scheduler and the race check are written in.

Every value is a 64-bit integer.  `i64[p]` and `i32[p]` (zero-extended) read and write memory at
the address `p`; `call(p, ...)` calls a function by its address.  `+ - *` wrap, `//`, `%`, `>>` take unsigned
operands, comparisons signed ones.  There are `if`, `while`, `for _ in range`, `break`, `continue`,
`return`, and calls of functions of the same program; names of module level are constants.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence

Function = Callable[..., int]


class Memory:
    """Words of memory by address, in compiled code only."""

    def __getitem__(self, address: int) -> int:
        raise NotImplementedError

    def __setitem__(self, address: int, value: int) -> None:
        raise NotImplementedError


i64 = Memory()
i32 = Memory()


def call(function: int, *arguments: int) -> int:
    """Call a function by its address, in compiled code only."""
    raise NotImplementedError


def popcount(value: int) -> int:
    """The number of bits that are set."""
    raise NotImplementedError


def trailing_zeros(value: int) -> int:
    """The position of the lowest set bit; 64 of 0."""
    raise NotImplementedError


DECLARATIONS = """declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.cttz.i64(i64, i1)
"""

_BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "udiv",
    ast.Mod: "urem",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "lshr",
}
_COMPARE = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"}


def compile_functions(functions: Sequence[Function], entries: Sequence[Function] = ()) -> str:
    """The IR of functions that may call each other, `entries` called from outside; `DECLARATIONS` belong before it."""
    names = {f.__name__ for f in functions}
    return "".join(_Compiler(f, names).text("" if f in entries else "internal") for f in functions)


class _Compiler:
    def __init__(self, function: Function, names: set[str]) -> None:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self._tree = tree
        self._names = names
        self._constants = function.__globals__
        self._lines: list[str] = []
        self._count = 0
        self._loops: list[tuple[str, str]] = []
        self._locals = [a.arg for a in tree.args.args]
        stores = (n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        self._locals += sorted(set(stores) - set(self._locals))

    def text(self, linkage: str) -> str:
        parameters = [a.arg for a in self._tree.args.args]
        self._block(self._tree.body)
        head = f"define {linkage} i64 @{self._tree.name}({', '.join(f'i64 %{p}.in' for p in parameters)}) {{"
        entry = [f"  %{name} = alloca i64" for name in self._locals]
        entry += [f"  store i64 %{p}.in, ptr %{p}" for p in parameters]
        return "\n".join([head, "entry:", *entry, *self._lines, "  ret i64 0", "}", ""])

    def _emit(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"  %v.{self._count} = {text}")
        return f"%v.{self._count}"

    def _do(self, text: str) -> None:
        self._lines.append(f"  {text}")

    def _labels(self, *names: str) -> list[str]:
        self._count += 1
        return [f"{name}.{self._count}" for name in names]

    def _start(self, label: str) -> None:
        self._lines += [f"  br label %{label}", f"{label}:"]

    def _jump(self, label: str) -> None:
        """Leave for a label; what follows in the block is never reached."""
        self._do(f"br label %{label}")
        self._lines.append(f"{self._labels('dead')[0]}:")

    # Statements

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Expr(ast.Constant()):
                pass  # the docstring
            case ast.Expr(value):
                self._value(value)
            case ast.Assign([target], value):
                self._store(target, self._value(value))
            case ast.AugAssign(target, op, value):
                self._store(target, self._emit(f"{_BINARY[type(op)]} i64 {self._load(target)}, {self._value(value)}"))
            case ast.Return(ast.expr() as value):
                self._do(f"ret i64 {self._value(value)}")
                self._lines.append(f"{self._labels('dead')[0]}:")
            case ast.If(test, body, other):
                self._if(test, body, other)
            case ast.While(test, body, []):
                self._while(lambda: self._condition(test), body, [])
            case ast.For(ast.Name(variable), ast.Call(ast.Name("range"), bounds), body, []):
                self._for(variable, bounds, body)
            case ast.Break():
                self._jump(self._loops[-1][1])
            case ast.Continue():
                self._jump(self._loops[-1][0])
            case _:
                raise SyntaxError(f"{self._tree.name}: {ast.unparse(statement)}")

    def _if(self, test: ast.expr, body: list[ast.stmt], other: list[ast.stmt]) -> None:
        yes, no, end = self._labels("yes", "no", "end")
        self._do(f"br i1 {self._condition(test)}, label %{yes}, label %{no}")
        self._lines.append(f"{yes}:")
        self._block(body)
        self._do(f"br label %{end}")
        self._lines.append(f"{no}:")
        self._block(other)
        self._start(end)

    def _while(self, condition: Callable[[], str], body: list[ast.stmt], step: list[str]) -> None:
        head, inside, turn, end = self._labels("head", "inside", "turn", "end")
        self._start(head)
        self._do(f"br i1 {condition()}, label %{inside}, label %{end}")
        self._lines.append(f"{inside}:")
        self._loops.append((turn, end))
        self._block(body)
        self._loops.pop()
        self._start(turn)
        self._lines += step
        self._do(f"br label %{head}")
        self._lines.append(f"{end}:")

    def _for(self, variable: str, bounds: list[ast.expr], body: list[ast.stmt]) -> None:
        first = self._value(bounds[0]) if len(bounds) == 2 else "0"
        last = self._value(bounds[-1])
        self._do(f"store i64 {first}, ptr %{variable}")
        old, new = self._labels("old", "new")
        step = [
            f"  %{old} = load i64, ptr %{variable}",
            f"  %{new} = add i64 %{old}, 1",
            f"  store i64 %{new}, ptr %{variable}",
        ]

        def more() -> str:
            return self._emit(f"icmp slt i64 {self._emit(f'load i64, ptr %{variable}')}, {last}")

        self._while(more, body, step)

    # Values

    def _place(self, target: ast.expr) -> tuple[str, str]:
        """Type and pointer of what can be assigned to."""
        match target:
            case ast.Name(name):
                return "i64", f"%{name}"
            case ast.Subscript(ast.Name(view), address):
                return view, self._emit(f"inttoptr i64 {self._value(address)} to ptr")
        raise SyntaxError(f"{self._tree.name}: {ast.unparse(target)}")

    def _store(self, target: ast.expr, value: str) -> None:
        kind, pointer = self._place(target)
        if kind != "i64":
            value = self._emit(f"trunc i64 {value} to {kind}")
        self._do(f"store {kind} {value}, ptr {pointer}")

    def _load(self, target: ast.expr) -> str:
        kind, pointer = self._place(target)
        value = self._emit(f"load {kind}, ptr {pointer}")
        return value if kind == "i64" else self._emit(f"zext {kind} {value} to i64")

    def _value(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(int() as value):
                return str(int(value))
            case ast.Name(name) if name in self._locals:
                return self._load(node)
            case ast.Name(name):
                return str(int(self._constants[name]))
            case ast.Subscript():
                return self._load(node)
            case ast.BinOp(left, op, right):
                return self._emit(f"{_BINARY[type(op)]} i64 {self._value(left)}, {self._value(right)}")
            case ast.UnaryOp(ast.USub(), operand):
                return self._emit(f"sub i64 0, {self._value(operand)}")
            case ast.UnaryOp(ast.Invert(), operand):
                return self._emit(f"xor i64 {self._value(operand)}, -1")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(ast.Not()):
                return self._emit(f"zext i1 {self._condition(node)} to i64")
            case ast.IfExp(test, yes, no):
                values = f"i64 {self._value(yes)}, i64 {self._value(no)}"  # both are computed
                return self._emit(f"select i1 {self._condition(test)}, {values}")
            case ast.Call(ast.Name(name), arguments):
                return self._call(name, [self._value(a) for a in arguments])
        raise SyntaxError(f"{self._tree.name}: {ast.unparse(node)}")

    def _call(self, name: str, arguments: list[str]) -> str:
        if name == "popcount":
            return self._emit(f"call i64 @llvm.ctpop.i64(i64 {arguments[0]})")
        if name == "trailing_zeros":
            return self._emit(f"call i64 @llvm.cttz.i64(i64 {arguments[0]}, i1 false)")
        if name == "call":
            callee = self._emit(f"inttoptr i64 {arguments.pop(0)} to ptr")
        elif name in self._names:
            callee = f"@{name}"
        else:
            raise SyntaxError(f"{self._tree.name}: {name} is not compiled")
        return self._emit(f"call i64 {callee}({', '.join(f'i64 {a}' for a in arguments)})")

    def _condition(self, node: ast.expr) -> str:
        match node:
            case ast.Compare(left, [ast.In()], [ast.Tuple(elements)]):
                return self._one_of(self._value(left), elements)
            case ast.Compare(left, [op], [right]):
                return self._emit(f"icmp {_COMPARE[type(op)]} i64 {self._value(left)}, {self._value(right)}")
            case ast.BoolOp(op, parts):
                return self._chain(isinstance(op, ast.And), parts)
            case ast.UnaryOp(ast.Not(), operand):
                return self._emit(f"xor i1 {self._condition(operand)}, true")
        return self._emit(f"icmp ne i64 {self._value(node)}, 0")

    def _one_of(self, value: str, elements: list[ast.expr]) -> str:
        found = "false"
        for element in elements:
            same = self._emit(f"icmp eq i64 {value}, {self._value(element)}")
            found = self._emit(f"or i1 {found}, {same}")
        return found

    def _chain(self, conjunction: bool, parts: list[ast.expr]) -> str:
        """`and`/`or`: a later part is computed only where it decides."""
        self._count += 1
        result = f"%c.{self._count}"
        self._lines.insert(0, f"  {result} = alloca i1")
        (end,) = self._labels("decided")
        for part in parts:
            (more,) = self._labels("more")
            value = self._condition(part)
            self._do(f"store i1 {value}, ptr {result}")
            yes, no = (more, end) if conjunction else (end, more)
            self._do(f"br i1 {value}, label %{yes}, label %{no}")
            self._lines.append(f"{more}:")
        self._start(end)
        return self._emit(f"load i1, ptr {result}")
