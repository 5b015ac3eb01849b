"""An ONNX graph as data, free of the library that read it, and how mistakes in one are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Diagnostic, Diagnostics

Shape = tuple[int, ...]
Attribute = int | float | str | list[int] | list[float] | Array | None

OPERATORS: Mapping[str, tuple[str, ...]] = {
    "Add": (),
    "AveragePool": ("auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"),
    "BatchNormalization": ("epsilon", "momentum", "spatial", "training_mode"),
    "Clip": ("max", "min"),
    "Constant": ("value", "value_float", "value_floats", "value_int", "value_ints"),
    "Conv": ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    "Div": (),
    "Dropout": ("ratio", "seed"),
    "Flatten": ("axis",),
    "Gemm": ("alpha", "beta", "transA", "transB"),
    "GlobalAveragePool": (),
    "GlobalMaxPool": (),
    "Identity": (),
    "MatMul": (),
    "MaxPool": ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"),
    "Mul": (),
    "Relu": (),
    "Reshape": ("allowzero",),
    "Sub": (),
}
"""The operators that have a form here, and their attributes."""


class Mistake(Exception):
    """What is wrong with a node or a file."""

    def __init__(self, code: str, text: str, help: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.help = help


@dataclass(frozen=True)
class Node:
    """One operator.  Inputs that are left out are empty texts; an attribute of another type than ours is None."""

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    def given(self, place: int) -> str:
        """The name of an input, or an empty text."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise Mistake("E1304", f"its attribute '{name}' is no whole number")
        return value

    def real(self, name: str, default: float) -> float:
        """An attribute that is a finite real number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float) or not np.isfinite(value):
            raise Mistake("E1304", f"its attribute '{name}' is no finite number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise Mistake("E1304", f"its attribute '{name}' is no text")
        return value

    def wholes(self, name: str, default: list[int]) -> list[int]:
        """An attribute that is a list of as many whole numbers as `default`."""
        value = self.attributes.get(name, default)
        if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
            raise Mistake("E1304", f"its attribute '{name}' is no list of whole numbers")
        if len(value) != len(default):
            raise Mistake("E1305", f"its attribute '{name}' has {len(value)} numbers, and {len(default)} are needed")
        return [int(number) for number in value]


@dataclass
class Graph:
    """A graph.  `inputs` have the shape of one sample, without the batch axis, whose extent `batches` has (0: any)."""

    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def shown(name: str) -> str:
    """A name of the file as it may be printed: on one line, and not longer than a line."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"


def report(diagnostics: Diagnostics, file: str, mistake: Mistake, node: Node | None = None) -> None:
    """Adds an error about the file or one of its nodes."""
    where = f"node '{shown(node.name)}' ({shown(node.type)}): " if node is not None else ""
    diagnostics.items.append(Diagnostic(mistake.code, "error", f"{where}{mistake}", file=file, help=mistake.help))


def text(shape: Shape) -> str:
    """A shape as it is printed."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
