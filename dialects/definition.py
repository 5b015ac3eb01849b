"""How an op of our dialects is written down: one class per op gives all of its faces.

    class Read(Op):
        "Reads a state as it was `delay` steps ago."
        mnemonic = "read"
        results = ("value",)
        of = Ref()
        delay = Int()

From the class come its IRDL definition (so that stock `mlir-opt --irdl-file` reads our IR), the
typed accessors (`Read(op).delay`), the builder (`Read.build(...)`) and the structural half of the
verifier.  IRDL knows no optional attribute, so optional ones are checked here alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from spikec.dialects.mlir import ir


class Field:
    """An attribute of an op: how it is encoded, decoded and checked.  `optional` ones read as None when absent."""

    what = "an attribute"

    def __init__(self, optional: bool = False) -> None:
        self.optional = optional
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.rstrip("_")

    def __get__(self, instance: Op | None, owner: type) -> Any:
        if instance is None:
            return self
        attribute = instance.operation.attributes.get(self.name)
        return None if attribute is None else self.decode(attribute)

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, attribute: Any) -> Any:
        return attribute

    def accepts(self, attribute: Any) -> bool:
        return True


class Raw(Field):
    """Any attribute, kept as MLIR's own object."""


class Text(Field):
    what = "a string"

    def encode(self, value: str) -> Any:
        return ir.StringAttr.get(value)

    def decode(self, attribute: Any) -> str:
        return str(ir.StringAttr(attribute).value)

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.StringAttr)


class Int(Field):
    what = "a 64-bit integer"

    def encode(self, value: int) -> Any:
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)

    def decode(self, attribute: Any) -> int:
        return int(ir.IntegerAttr(attribute).value)

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.IntegerAttr)


class Flag(Field):
    what = "a unit attribute"

    def __get__(self, instance: Op | None, owner: type) -> Any:
        return self if instance is None else self.name in instance.operation.attributes

    def encode(self, value: bool) -> Any:
        return ir.UnitAttr.get()

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.UnitAttr)


class Ref(Field):
    """The name of a module-level symbol, as `str`."""

    what = "a symbol reference"

    def encode(self, value: str) -> Any:
        return ir.FlatSymbolRefAttr.get(value)

    def decode(self, attribute: Any) -> str:
        return str(ir.FlatSymbolRefAttr(attribute).value)

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.FlatSymbolRefAttr)


class Refs(Field):
    """A list of symbol names."""

    what = "a list of symbol references"

    def encode(self, value: Sequence[str]) -> Any:
        return ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(name) for name in value])

    def decode(self, attribute: Any) -> list[str]:
        return [str(ir.FlatSymbolRefAttr(a).value) for a in ir.ArrayAttr(attribute)]

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.ArrayAttr) and all(isinstance(a, ir.FlatSymbolRefAttr) for a in attribute)


class Ints(Field):
    what = "a list of 64-bit integers"

    def encode(self, value: Sequence[int]) -> Any:
        i64 = ir.IntegerType.get_signless(64)
        return ir.ArrayAttr.get([ir.IntegerAttr.get(i64, int(v)) for v in value])

    def decode(self, attribute: Any) -> list[int]:
        return [int(ir.IntegerAttr(a).value) for a in ir.ArrayAttr(attribute)]

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.ArrayAttr) and all(isinstance(a, ir.IntegerAttr) for a in attribute)


class Texts(Field):
    what = "a list of strings"

    def encode(self, value: Sequence[str]) -> Any:
        return ir.ArrayAttr.get([ir.StringAttr.get(v) for v in value])

    def decode(self, attribute: Any) -> list[str]:
        return [str(ir.StringAttr(a).value) for a in ir.ArrayAttr(attribute)]

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.ArrayAttr) and all(isinstance(a, ir.StringAttr) for a in attribute)


class Array(Field):
    """A list of attributes of mixed kinds, kept as MLIR's own objects."""

    what = "a list"

    def encode(self, value: Sequence[Any]) -> Any:
        return ir.ArrayAttr.get(list(value))

    def decode(self, attribute: Any) -> list[Any]:
        return list(ir.ArrayAttr(attribute))

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.ArrayAttr)


class TypeOf(Field):
    """A type, as MLIR's own object."""

    what = "a type"

    def encode(self, value: Any) -> Any:
        return ir.TypeAttr.get(value)

    def decode(self, attribute: Any) -> Any:
        return ir.TypeAttr(attribute).value

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.TypeAttr)


class Dict(Field):
    """A dictionary of attributes, as `dict[str, Attribute]`."""

    what = "a dictionary"

    def encode(self, value: dict[str, Any]) -> Any:
        return ir.DictAttr.get(value)

    def decode(self, attribute: Any) -> dict[str, Any]:
        return {named.name: named.attr for named in ir.DictAttr(attribute)}

    def accepts(self, attribute: Any) -> bool:
        return isinstance(attribute, ir.DictAttr)


class Op:
    """Base of all op classes.  `Cls(operation)` views an operation, `Cls.build(...)` makes one."""

    dialect: ClassVar[str] = ""
    mnemonic: ClassVar[str] = ""
    operands: ClassVar[tuple[str, ...]] = ()
    results: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[tuple[str, ...]] = ()
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        cls.fields = {f.name: f for base in reversed(cls.__mro__) for f in vars(base).values() if isinstance(f, Field)}

    def __init__(self, operation: Any) -> None:
        self.operation = operation

    @classmethod
    def name(cls) -> str:
        return f"{cls.dialect}.{cls.mnemonic}"

    @classmethod
    def build(cls, *operands: Any, results: Sequence[Any] = (), **attributes: Any) -> Any:
        """Makes the op at the current insertion point and location; attributes that are None are left out."""
        encoded = {}
        for key, value in attributes.items():
            field = cls.fields[key.rstrip("_")]
            if value is None or (isinstance(field, Flag) and not value):
                continue
            encoded[field.name] = field.encode(value)
        return ir.Operation.create(cls.name(), results=list(results), operands=list(operands), attributes=encoded)

    @classmethod
    def irdl(cls) -> str:
        lines = [f"  irdl.operation @{cls.mnemonic} {{"]
        for kind, slots in (("operands", cls.operands), ("results", cls.results)):
            # A variable used twice would force equal types: each slot has its own.
            lines += [f"    %{kind}_{slot} = irdl.any" for slot in slots]
            if slots:
                variadic = [("variadic " if slot in cls.variadic else "") for slot in slots]
                listed = ", ".join(f"{slot}: {v}%{kind}_{slot}" for slot, v in zip(slots, variadic, strict=True))
                lines.append(f"    irdl.{kind}({listed})")
        required = [name for name, field in cls.fields.items() if not field.optional]
        lines += [f"    %attribute_{name} = irdl.any" for name in required]
        if required:
            listed = ", ".join(f'"{name}" = %attribute_{name}' for name in required)
            lines.append(f"    irdl.attributes {{{listed}}}")
        return "\n".join([*lines, "  }"])

    def problems(self) -> Iterator[str]:
        """What is wrong with this op taken alone; subclasses add their own rules to the fields' ones."""
        attributes = self.operation.attributes
        for name, field in self.fields.items():
            if name in attributes and not field.accepts(attributes[name]):
                yield f"attribute '{name}' must be {field.what}, not {attributes[name]}"
        for name in attributes:
            if name not in self.fields:
                yield f"unknown attribute '{name}'"


@dataclass(frozen=True)
class Dialect:
    """A dialect is its name and the closed list of its ops."""

    name: str
    ops: tuple[type[Op], ...]

    def __post_init__(self) -> None:
        for op in self.ops:
            op.dialect = self.name

    def irdl(self) -> str:
        """The dialect as IRDL text, as `mlir-opt --irdl-file` reads it."""
        return "\n".join([f"irdl.dialect @{self.name} {{", *(op.irdl() for op in self.ops), "}", ""])

    def view(self, operation: Any) -> Op | None:
        """The typed view of an operation, or None for an op of another dialect."""
        cls = self._by_name.get(operation.name)
        return cls(operation) if cls else None

    @cached_property
    def _by_name(self) -> dict[str, type[Op]]:
        return {op.name(): op for op in self.ops}
