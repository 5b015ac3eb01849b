"""Random straight-line programs: every op of the closed set, on every type, over scalars or tensors."""

from __future__ import annotations

from random import Random

INTEGERS = ("i1", "i8", "i16", "i32", "i64")
REALS = ("f32", "f64")
_BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}
_ARITHMETIC = ("addi", "subi", "muli", "floordivsi", "remsi", "maxsi", "minsi", "andi", "ori", "xori")
_REAL = ("addf", "subf", "mulf", "divf", "maximumf", "minimumf")
_FUNCTIONS = ("exp", "expm1", "log", "sqrt", "tanh", "sin", "cos", "floor", "ceil", "trunc", "roundeven", "absf")
_SIGNED = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_ORDERED = ("oeq", "ogt", "oge", "olt", "ole", "une")


class Writer:
    """A program that grows; `values` are the names of what there is, by element type; `shape` is that of tensors."""

    def __init__(self, random: Random, reals: bool, shape: str = "") -> None:
        self.random = random
        self.shape = shape
        self.types = (*INTEGERS, *(REALS if reals else ()))
        self.values: dict[str, list[str]] = {type: [] for type in self.types}
        self.lines: list[str] = []

    def spelled(self, element: str) -> str:
        return f"tensor<{self.shape}x{element}>" if self.shape else element

    def write(self, length: int) -> None:
        for _ in range(length):
            self.line()

    def line(self) -> None:
        kind = self.random.choice(["arithmetic"] * 4 + ["compare", "compare", "select", "select", "convert", "logic"])
        type = self.random.choice(self.types)
        real = type in REALS
        match kind:
            case "arithmetic" if real and self.random.random() < 0.3:
                self.emit(type, f"math.{self.random.choice(_FUNCTIONS)} {self.pick(type)} : {self.spelled(type)}")
            case "arithmetic":
                name = self.random.choice(_REAL if real else _ARITHMETIC)
                self.emit(type, f"arith.{name} {self.pick(type)}, {self.pick(type)} : {self.spelled(type)}")
            case "compare" if real:
                self.emit(
                    "i1",
                    f"arith.cmpf {self.random.choice(_ORDERED)}, {self.pick(type)}, {self.pick(type)} : {self.spelled(type)}",
                )
            case "compare":
                self.emit(
                    "i1",
                    f"arith.cmpi {self.random.choice(_SIGNED)}, {self.pick(type)}, {self.pick(type)} : {self.spelled(type)}",
                )
            case "select":
                condition = f"{self.spelled('i1')}, " if self.shape else ""
                operands = f"{self.pick('i1')}, {self.pick(type)}, {self.pick(type)}"
                self.emit(type, f"arith.select {operands} : {condition}{self.spelled(type)}")
            case "logic":
                name = self.random.choice(("andi", "ori", "xori"))
                self.emit("i1", f"arith.{name} {self.pick('i1')}, {self.pick('i1')} : {self.spelled('i1')}")
            case _:
                self.convert(type)

    def convert(self, type: str) -> None:
        to = self.random.choice(self.types)
        value = self.pick(type)
        if type in REALS and to in REALS:
            self.emit(type, f"arith.negf {value} : {self.spelled(type)}")
        elif type in REALS:
            if to != "i1":
                self.emit(to, f"arith.fptosi {value} : {self.spelled(type)} to {self.spelled(to)}")
        elif to in REALS:
            self.emit(
                to,
                f"arith.{self.random.choice(('sitofp', 'uitofp'))} {value} : {self.spelled(type)} to {self.spelled(to)}",
            )
        elif _BITS[type] < _BITS[to]:
            self.emit(
                to,
                f"arith.{self.random.choice(('extsi', 'extui'))} {value} : {self.spelled(type)} to {self.spelled(to)}",
            )
        elif _BITS[type] > _BITS[to]:
            self.emit(to, f"arith.trunci {value} : {self.spelled(type)} to {self.spelled(to)}")
        elif type != "i1":
            by = self.constant(type, str(self.random.randint(0, _BITS[type] - 1)))
            self.emit(type, f"arith.{self.random.choice(('shli', 'shrsi'))} {value}, {by} : {self.spelled(type)}")
        else:
            self.emit("i8", f"math.absi {self.pick('i8')} : {self.spelled('i8')}")

    def pick(self, type: str) -> str:
        """A value there is, mostly a late one, or a constant."""
        known = self.values[type]
        if not known or self.random.random() < 0.2:
            return self.constant(type, self.number(type))
        return self.random.choice(known[-4:])

    def number(self, type: str) -> str:
        if type in REALS:
            return self.random.choice(("0.0", "-0.0", "1.0", "-1.5", "0.25", "3.0e+05", "1.0e-30", "2.5"))
        if type == "i1":
            return self.random.choice(("true", "false"))
        limit = 2 ** (_BITS[type] - 1)
        return str(
            self.random.choice((0, 1, -1, 2, 3, 7, -5, limit - 1, -limit, self.random.randint(-limit, limit - 1)))
        )

    def constant(self, type: str, number: str) -> str:
        if self.shape:
            return self.emit(type, f"arith.constant dense<{number}> : {self.spelled(type)}")
        suffix = "" if type == "i1" else f" : {type}"
        return self.emit(type, f"arith.constant {number}{suffix}")

    def emit(self, type: str, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        self.values[type].append(name)
        return name


def scalar_module(random: Random, reals: bool, length: int = 40) -> str:
    """A module of one function over scalars, which returns its last value."""
    writer = Writer(random, reals)
    arguments = [(f"%a{k}", random.choice(writer.types)) for k in range(random.randint(2, 5))]
    for name, type in arguments:
        writer.values[type].append(name)
    writer.write(length)
    result = random.choice([t for t in writer.types if writer.values[t]])
    signature = ", ".join(f"{name}: {type}" for name, type in arguments)
    body = "\n    ".join([*writer.lines, f"return {writer.values[result][-1]} : {result}"])
    return f"module {{\n  func.func private @f({signature}) -> {result} {{\n    {body}\n  }}\n}}\n"
