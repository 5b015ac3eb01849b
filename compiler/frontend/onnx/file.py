"""Reading `.onnx` files that nobody vouches for.

Of a file only what is needed is taken over, and each declared size is compared with what the file holds before
memory is asked for.  Data beside the file is read from its folder alone.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Diagnostics, MissingTool
from spikec.frontend.onnx.graph import OPERATORS, Attribute, Graph, Mistake, Node, report, shown

BYTES = 2**31 - 1  # what a protocol buffer can hold
NUMBERS = 2**27  # of all arrays together; as float64 one GiB
NODES = 100_000
RANK = 8
OPSETS = (7, 26)
OURS = ("", "ai.onnx")  # the domain of ONNX's own operators


def read(path: Path, diagnostics: Diagnostics) -> Graph:
    """The graph of a file.  Raises CompileError with all that is wrong, MissingTool without the package onnx."""
    try:
        import onnx
    except ImportError:
        raise MissingTool("to read .onnx files takes the package onnx: pip install 'spikec[onnx]'") from None
    try:
        model = _parsed(onnx, path)
        graph = _Reader(onnx, path, diagnostics).graph(model)
    except Mistake as mistake:
        report(diagnostics, str(path), mistake)
    diagnostics.raise_if_errors()
    return graph


def _parsed(onnx: Any, path: Path) -> Any:
    """The file as the library reads it, without any data that lies beside it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Mistake("E0704", f"{path} is not a regular file")
        if path.stat().st_size > BYTES:
            raise Mistake("E1303", f"the file is larger than {BYTES} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        raise Mistake("E0701", f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise Mistake("E0704", f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # the library has several kinds of them, which differ between its versions
        raise Mistake("E1301", "this is no ONNX file, or it is damaged") from error
    if not model.HasField("graph"):
        raise Mistake("E1301", "this is no ONNX file: it has no graph")
    return model


class _Reader:
    """One file on its way."""

    def __init__(self, onnx: Any, path: Path, diagnostics: Diagnostics) -> None:
        self.onnx = onnx
        self.path = path
        self.diagnostics = diagnostics
        self.left = NUMBERS
        self.made = Graph()

    def graph(self, model: Any) -> Graph:
        """The graph with its arrays; what is wrong with single parts of it goes to the diagnostics."""
        self._versions(model)
        source = model.graph
        if len(source.node) > NODES:
            raise Mistake("E1303", f"the graph has {len(source.node)} nodes; at most {NODES} are read")
        if len(source.sparse_initializer):
            raise Mistake("E1302", "the graph has sparse arrays")
        for tensor in source.initializer:
            with self._reported():
                self._initializer(tensor)
        for place, node in enumerate(source.node):
            self.made.nodes.append(self._node(place, node))
        for value in source.input:
            if _name(value.name) not in self.made.arrays:
                with self._reported():
                    self._input(value)
        self.made.outputs = [_name(value.name) for value in source.output]
        self._names()
        return self.made

    @contextmanager
    def _reported(self, node: Node | None = None) -> Iterator[None]:
        """Reports what is wrong with one part and goes on with the next."""
        try:
            yield
        except Mistake as mistake:
            report(self.diagnostics, str(self.path), mistake, node)

    def _versions(self, model: Any) -> None:
        versions = [entry.version for entry in model.opset_import if _name(entry.domain) in OURS]
        if not versions:
            raise Mistake("E1301", "the file does not say which version of the operators it uses")
        low, high = OPSETS
        if not low <= versions[0] <= high:
            help = f"export it with an opset version of {low} to {high}"
            raise Mistake("E1302", f"version {versions[0]} of the operators", help)

    def _names(self) -> None:
        """Every value is given once, before it is used."""
        known = {*self.made.inputs, *self.made.arrays}
        given = {name for node in self.made.nodes for name in node.outputs if name}
        for node in self.made.nodes:
            for name in node.inputs:
                if name and name not in known:
                    late = "is given by a node that stands after it" if name in given else "is given by nothing"
                    self._wrong_name(f"its input '{shown(name)}' {late}", node)
            for name in filter(None, node.outputs):
                if name in known:
                    self._wrong_name(f"it gives '{shown(name)}', which is given already", node)
                known.add(name)
        for name in self.made.outputs:
            if name not in known:
                self._wrong_name(f"the output '{shown(name)}' is given by nothing")
        for what, found in (("inputs", self.made.inputs), ("outputs", self.made.outputs)):
            if not found and not self.diagnostics.has_errors:
                raise Mistake("E1306", f"the graph has no {what}")

    def _wrong_name(self, text: str, node: Node | None = None) -> None:
        report(self.diagnostics, str(self.path), Mistake("E1306", text), node)

    # ------------------------------------------------------------ parts

    def _input(self, value: Any) -> None:
        name = shown(_name(value.name))
        tensor = value.type.tensor_type
        types = self.onnx.TensorProto
        if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
            raise Mistake("E1305", f"the input '{name}' has no shape")
        if tensor.elem_type not in (types.FLOAT, types.DOUBLE, types.FLOAT16):
            raise Mistake("E1302", f"the input '{name}' holds {self._type(tensor.elem_type)}, not real numbers")
        extents = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        if len(extents) < 2:
            raise Mistake("E1305", f"the input '{name}' has no batch axis: its shape is that of one number a sample")
        if len(extents) > RANK:
            raise Mistake("E1303", f"the input '{name}' has {len(extents)} axes; at most {RANK} are possible")
        sample = []
        for axis, extent in enumerate(extents[1:], 1):
            if extent is None or extent < 1:
                help = "export the network for inputs of one size; only the first axis, of samples, may be open"
                raise Mistake("E1305", f"the extent of axis {axis} of the input '{name}' is not known", help)
            sample.append(int(extent))
        if math.prod(sample) > NUMBERS:
            raise Mistake("E1303", f"the input '{name}' has more than {NUMBERS} elements")
        self.made.inputs[_name(value.name)] = tuple(sample)
        self.made.batches[_name(value.name)] = int(extents[0] or 0)

    def _node(self, place: int, node: Any) -> Node:
        type, domain = _name(node.op_type), _name(node.domain)
        inputs, outputs = tuple(map(_name, node.input)), tuple(map(_name, node.output))
        made = Node(_name(node.name) or f"{type}_{place}", type, inputs, outputs, {})
        for attribute in node.attribute:
            made.attributes[_name(attribute.name)] = None  # known by name, whatever its value is
            with self._reported(made):
                made.attributes[_name(attribute.name)] = self._attribute(attribute)
        if domain not in OURS or type not in OPERATORS:
            whose = f" of '{shown(domain)}'" if domain not in OURS else ""
            help = f"operators that are supported: {', '.join(OPERATORS)}"
            mistake = Mistake("E1302", f"the operator '{shown(type)}'{whose} is not supported", help)
            report(self.diagnostics, str(self.path), mistake, made)
            return made
        for attribute in made.attributes:
            if attribute not in OPERATORS[type]:
                mistake = Mistake("E1302", f"its attribute '{shown(attribute)}' is not supported")
                report(self.diagnostics, str(self.path), mistake, made)
        return made

    def _attribute(self, attribute: Any) -> Attribute:
        """The value of an attribute; None for one of a type that no operator here has."""
        types = self.onnx.AttributeProto
        match attribute.type:
            case types.INT:
                return int(attribute.i)
            case types.FLOAT:
                return float(attribute.f)
            case types.STRING:
                return str(attribute.s.decode("utf-8", "replace"))
            case types.INTS:
                return [int(number) for number in attribute.ints]
            case types.FLOATS:
                return [float(number) for number in attribute.floats]
            case types.TENSOR:
                return self._array(attribute.t)
            case _:
                return None

    def _initializer(self, tensor: Any) -> None:
        name = _name(tensor.name)
        if name in self.made.arrays:
            raise Mistake("E1306", f"there are two arrays '{shown(name)}'")
        self.made.arrays[name] = np.zeros(0)  # known by name, whatever its data is
        self.made.arrays[name] = self._array(tensor)

    # ------------------------------------------------------------ arrays

    def _array(self, tensor: Any) -> Array:
        """The numbers of a tensor: float64, or int64 for whole numbers."""
        name, types = shown(_name(tensor.name)), self.onnx.TensorProto
        known = {types.FLOAT: "<f4", types.DOUBLE: "<f8", types.FLOAT16: "<f2", types.INT64: "<i8", types.INT32: "<i4"}
        if tensor.data_type not in known:
            raise Mistake("E1302", f"the array '{name}' holds {self._type(tensor.data_type)}")
        shape = tuple(int(extent) for extent in tensor.dims)
        if any(extent < 0 for extent in shape) or len(shape) > RANK:
            raise Mistake("E1304", f"the array '{name}' has the shape {shape}")
        count, element = math.prod(shape), np.dtype(known[tensor.data_type])
        if count > self.left:
            raise Mistake("E1303", f"the arrays have more than {NUMBERS} numbers, with '{name}' of shape {shape}")
        self.left -= count
        if tensor.data_location == types.EXTERNAL:
            flat = np.frombuffer(self._outside(tensor, count * element.itemsize), element)
        elif tensor.HasField("raw_data"):
            flat = self._counted(np.frombuffer(tensor.raw_data, np.uint8), count * element.itemsize, name).view(element)
        else:
            flat = self._typed(tensor, element, count, name)
        wide = np.float64 if element.kind == "f" else np.int64
        values = flat.astype(wide).reshape(shape)
        if not np.isfinite(values).all():
            raise Mistake("E1304", f"the array '{name}' has numbers that are not finite")
        return values

    def _typed(self, tensor: Any, element: Any, count: int, name: str) -> Array:
        """Numbers that stand in a field of their type; halves as the bits of whole numbers."""
        fields = {
            "<f4": "float_data",
            "<f8": "double_data",
            "<f2": "int32_data",
            "<i8": "int64_data",
            "<i4": "int32_data",
        }
        values = getattr(tensor, fields[element.str])
        self._counted(values, count, name)
        if element.str == "<f2":
            return np.asarray(values, np.int64).astype(np.uint16).view(element)
        return np.asarray(values, element)

    @staticmethod
    def _counted(data: Any, count: int, name: str) -> Any:
        if len(data) != count:
            raise Mistake("E1304", f"the array '{name}' has {len(data)} elements or bytes where {count} are declared")
        return data

    def _outside(self, tensor: Any, count: int) -> bytes:
        """Data in a file beside the model."""
        entries = {_name(entry.key): _name(entry.value) for entry in tensor.external_data}
        location, name = entries.get("location", ""), shown(_name(tensor.name))
        folder = self.path.parent.resolve()
        try:
            file = (folder / location).resolve()
            offset, length = (
                int(entries.get(key, default)) for key, default in (("offset", "0"), ("length", str(count)))
            )
            if not location or not file.is_relative_to(folder) or Path(location).is_absolute():
                raise Mistake("E1304", f"the array '{name}' lies outside of the model's folder: '{shown(location)}'")
            if (
                length != count
                or offset < 0
                or not stat.S_ISREG(file.stat().st_mode)
                or offset + count > file.stat().st_size
            ):
                raise Mistake("E1304", f"the file '{shown(location)}' does not hold the {count} bytes of '{name}'")
            with file.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(count)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise Mistake("E1304", f"cannot read '{shown(location)}', the data of '{name}': {reason}") from None
        if file not in self.made.files:
            self.made.files.append(file)
        return data

    def _type(self, number: int) -> str:
        """The name of an element type."""
        names = {value: name for name, value in self.onnx.TensorProto.DataType.items()}
        return str(names.get(number, f"elements of type {number}"))


def _name(value: str | bytes) -> str:
    """A text of the file; what is no UTF-8 comes as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
