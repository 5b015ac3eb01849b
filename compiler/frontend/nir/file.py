"""Reading `.nir` files (HDF5) that nobody vouches for.

The structure is checked before any array is read: links that leave the file, storage elsewhere, cycles of groups,
element types that are not numbers, and declared sizes that the file cannot hold.  All mistakes of a file are
reported, each with the node that has it.
"""

from __future__ import annotations

import itertools
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Diagnostics, did_you_mean
from spikec.frontend.nir.graph import TYPES, Edge, Nested, Node, check, report, shown
from spikec.runtime import memory

NODES = 100_000  # and as many edges
DEPTH = 100
NAME = 1024  # bytes of a name
NUMBERS = 2**27  # of all arrays together; as float64 one GiB
RATIO = 1100  # what deflate can shrink at most, rounded up
RANK = 8
# Filters of HDF5 itself (deflate, shuffle, fletcher32, szip) and h5py's lzf; others would load a plug-in.
FILTERS = frozenset({1, 2, 3, 4, 32000})
# What h5py raises over damaged files.
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, NotImplementedError, MemoryError)


class _Kind(Enum):
    TEXT = "text"
    NAMES = "pairs of names"
    REALS = "real numbers"
    WHOLES = "whole numbers"
    PADDING = "whole numbers, 'same' or 'valid'"
    BIAS = "real numbers or False"


_CUBA = ("tau_syn", "tau_mem", "r", "v_leak", "w_in")
_CONVOLUTION = {
    "weight": _Kind.REALS,
    "stride": _Kind.WHOLES,
    "padding": _Kind.PADDING,
    "dilation": _Kind.WHOLES,
    "groups": _Kind.WHOLES,
    "bias": _Kind.BIAS,
    "input_shape": _Kind.WHOLES,
}
_POOL = dict.fromkeys(("kernel_size", "stride", "padding"), _Kind.WHOLES)
FIELDS: dict[str, dict[str, _Kind]] = {
    "LIF": dict.fromkeys(("tau", "r", "v_leak", "v_threshold", "v_reset"), _Kind.REALS),
    "IF": dict.fromkeys(("r", "v_threshold", "v_reset"), _Kind.REALS),
    "LI": dict.fromkeys(("tau", "r", "v_leak"), _Kind.REALS),
    "I": {"r": _Kind.REALS},
    "CubaLI": dict.fromkeys(_CUBA, _Kind.REALS),
    "CubaLIF": dict.fromkeys((*_CUBA, "v_threshold", "v_reset"), _Kind.REALS),
    "Affine": {"weight": _Kind.REALS, "bias": _Kind.BIAS},
    "Linear": {"weight": _Kind.REALS},
    "Scale": {"scale": _Kind.REALS},
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": dict.fromkeys(("start_dim", "end_dim", "input_type"), _Kind.WHOLES),
    "Threshold": {"threshold": _Kind.REALS},
    "Delay": {"delay": _Kind.REALS},
    "Input": {"shape": _Kind.WHOLES},
    "Output": {"shape": _Kind.WHOLES},
}
# Absent in files of older versions; the shapes are inferred then.
OPTIONAL = frozenset({"v_reset", "w_in", "input_shape", "input_type", "bias"})
SCALARS = frozenset({"groups", "start_dim", "end_dim"})
IGNORED = frozenset({"type", "metadata", "name"})


class _Refused(Exception):
    """A part of the file is not read; says which mistake it is and why."""

    def __init__(self, code: str, text: str, help: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.help = help


class _Stop(Exception):
    """The file is larger than anything that is read on; this is reported already."""


def read(path: Path, diagnostics: Diagnostics) -> Nested | None:
    """The root graph of a file, its edges checked; None if there are mistakes, which are in `diagnostics`."""
    import h5py

    before = sum(d.severity == "error" for d in diagnostics.items)
    graph = None
    try:
        _look_at(path)
        with _broken("E1001", "the file is damaged"), h5py.File(path, "r") as file:
            graph = _Reader(path, diagnostics).root(file)
    except _Refused as error:
        report(diagnostics, str(path), error.code, str(error), help=error.help)
    except _Stop:
        pass
    if graph is not None:
        check(graph, diagnostics)
    return graph if before == sum(d.severity == "error" for d in diagnostics.items) else None


def _look_at(path: Path) -> None:
    """Refuses what is no HDF5 file before the library opens it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _Refused("E0704", f"{path} is not a regular file")
        with path.open("rb") as stream:
            if stream.read(8) != b"\x89HDF\r\n\x1a\n":
                raise _Refused("E1001", "this is no NIR file: it does not begin as an HDF5 file")
            _check_heaps(stream, path.stat().st_size)
    except FileNotFoundError:
        raise _Refused("E0701", f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise _Refused("E0704", f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _check_heaps(stream: BinaryIO, size: int) -> None:
    """Refuses damaged heaps of text before the library walks over them: it may never come to an end.

    A heap is `GCOL`, a version, its size, and objects of a header (index, count, size) and data, in units of
    eight bytes; object 0 is the free rest, and its size includes its header.
    """
    version, *start = stream.read(8).ljust(8, b"\0")
    widths = start[:2] if version in (2, 3) else start[4:6]
    if widths != [8, 8]:
        raise _Refused("E1001", "the file is damaged: its addresses are not 8 bytes wide")
    # Heaps do not overlap, so there are no more objects than the file has room for.
    left = size // 16
    for heap in _places(stream, b"GCOL\x01"):
        left -= _walked(stream, heap, size, left)


def _places(stream: BinaryIO, word: bytes) -> Iterator[int]:
    """Where a word stands in a file."""
    at = 0
    while True:
        stream.seek(at)
        block = stream.read(1 << 20)
        found = block.find(word)
        while found >= 0:
            yield at + found
            found = block.find(word, found + 1)
        if len(block) < 1 << 20:
            return
        at += len(block) - len(word) + 1


def _walked(stream: BinaryIO, heap: int, size: int, most: int) -> int:
    """The number of objects of a heap; _Refused where they do not fill it or are more than `most`."""
    stream.seek(heap + 8)
    end = heap + int.from_bytes(stream.read(8), "little")
    at, count = heap + 16, 0
    sound = end <= size
    while sound and at + 16 <= end:
        stream.seek(at)
        header = stream.read(16)
        length = int.from_bytes(header[8:], "little")
        used = 16 + (length + 7) // 8 * 8 if any(header[:2]) else length
        at += used
        count += 1
        sound = used >= 16 and at <= end and count <= most
    if not sound:
        raise _Refused("E1001", "the file is damaged: it holds a broken heap of text")
    return count


@contextmanager
def _broken(code: str, text: str) -> Iterator[None]:
    """Whatever the library raises over a damaged file, as a _Refused."""
    try:
        yield
    except BROKEN as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _Refused(code, f"{text}: {shown(first)}") from None


class _Reader:
    """One file on its way; counts what was read so that the whole is bounded."""

    def __init__(self, path: Path, diagnostics: Diagnostics) -> None:
        self.file = str(path)
        self.size = path.stat().st_size
        self.diagnostics = diagnostics
        self.seen: set[tuple[int, int]] = set()
        self.nodes = 0
        self.edges = 0
        self.numbers = 0

    # ------------------------------------------------------------ graphs

    def root(self, file: Any) -> Nested | None:
        found = self._member(file, "node")
        if found is None:
            raise _Refused("E1001", "this is no NIR file: it has no group 'node'")
        group = self._group(found)
        kind = self._type(group)
        if kind == "NIRGraph":
            return self._graph(group, "", 0)
        self.nodes += 1
        found = None
        with self._reported("node"):
            found = self._node(group, "node", kind)
        return Nested(self.file, "", {"node": found or Node("node", "", {})}, [])

    def _graph(self, group: Any, name: str, depth: int) -> Nested:
        """A NIRGraph.  Nodes with mistakes are reported and left as nodes without fields, so that edges find them."""
        if depth > DEPTH:
            raise _Refused("E1003", f"graphs are nested more than {DEPTH} levels deep")
        graph = Nested(self.file, name, {}, [])
        listed = self._member(group, "nodes")
        if listed is None:
            raise _Refused("E1005", "the graph has no 'nodes'")
        nodes = self._group(listed)
        for key in self._names(nodes):
            inner = f"{name}.{key}" if name else key
            node: Node | Nested | None = None
            with self._reported(inner):
                child = self._group(self._member(nodes, key))
                kind = self._type(child)
                node = self._graph(child, inner, depth + 1) if kind == "NIRGraph" else self._node(child, inner, kind)
            graph.nodes[key] = node if node is not None else Node(inner, "", {})
        with self._reported(name or None):
            graph.edges += self._edges(group)
        if not graph.nodes:
            raise _Refused("E1005", "the graph has no nodes")
        return graph

    @contextmanager
    def _reported(self, node: str | None) -> Iterator[None]:
        """Reports what is wrong with one part and goes on with the next; limits end the whole."""
        try:
            yield
        except _Refused as error:
            report(self.diagnostics, self.file, error.code, str(error), node=node, help=error.help)
            if max(self.nodes, self.edges) > NODES or self.numbers > NUMBERS:
                raise _Stop from None

    @_broken("E1001", "the list of nodes is damaged")
    def _names(self, group: Any) -> list[str]:
        """The names in a group, sorted."""
        self.nodes += len(group)
        if self.nodes > NODES:
            raise _Refused("E1003", f"the file has more than {NODES} nodes")
        names = list(itertools.islice(group, NODES))
        for name in names:
            if isinstance(name, bytes):
                raise _Refused("E1006", f"a name is not text in UTF-8: '{_readable(name)}'")
            if len(name) > NAME:
                raise _Refused("E1003", f"a name has {len(name)} characters: '{_readable(name)}'")
        return sorted(names)

    @_broken("E1001", "the file is damaged here")
    def _member(self, group: Any, name: str) -> Any:
        """What a name in a group stands for; None if there is none."""
        import h5py

        if group.get(name, getlink=True) is None:
            return None
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
            raise _Refused("E1002", f"'{shown(name)}' is a link to {kind}, which is not followed")
        return group[name]

    @_broken("E1001", "the file is damaged here")
    def _group(self, found: Any) -> Any:
        """`found` as a group that has not been met before."""
        import h5py

        if not isinstance(found, h5py.Group):
            raise _Refused("E1006", "it is not an HDF5 group")
        info = h5py.h5o.get_info(found.id)
        key = (info.fileno, info.addr)
        if key in self.seen:
            raise _Refused("E1002", "it is a group that stands at two places of the file, or inside itself")
        self.seen.add(key)
        return found

    # ------------------------------------------------------------ nodes

    def _type(self, group: Any) -> str:
        found = self._member(group, "type")
        if found is None:
            raise _Refused("E1005", "it has no 'type'")
        return self._string(self._dataset("type", found, _Kind.TEXT), "type")

    def _node(self, group: Any, name: str, kind: str) -> Node | None:
        """A primitive; None if fields of it are wrong, which is reported."""
        if kind not in TYPES:
            raise _Refused(
                "E1004", f"there is no type '{shown(kind)}' in NIR", did_you_mean(kind, [*TYPES, "NIRGraph"])
            )
        fields: dict[str, Array | str] = {}
        right = True
        for field, wanted in FIELDS[kind].items():
            value: Array | str | None = None
            good = False
            with self._reported(name):
                value = self._field(group, field, wanted)
                good = True
            right &= good
            if value is not None:
                fields[field] = value
        if not right:
            return None
        _complete(fields, kind)
        _check_values(fields, kind)
        self._warn_of_strangers(group, name, kind)
        return Node(name, kind, fields)

    def _field(self, group: Any, field: str, wanted: _Kind) -> Array | str | None:
        found = self._member(group, field)
        if found is None:
            if field in OPTIONAL:
                return None
            raise _Refused("E1005", f"it has no '{field}'")
        dataset = self._dataset(field, found, wanted)
        if wanted is _Kind.PADDING and _is_text(dataset):
            text = self._string(dataset, field)
            if text not in ("same", "valid"):
                raise _Refused("E1006", f"its '{field}' is '{shown(text)}', where 'same' or 'valid' is possible")
            return text
        if _is_text(dataset):
            raise _Refused("E1006", f"its '{field}' holds {dataset.dtype}, where {wanted.value} are needed")
        array = self._array(dataset, field)
        if wanted is _Kind.BIAS and array.dtype.kind == "b" and array.ndim == 0 and not array:
            return None
        if array.dtype.kind == "b":
            raise _Refused("E1006", f"its '{field}' holds {dataset.dtype}, where {wanted.value} are needed")
        return _reals(array, field) if wanted in (_Kind.REALS, _Kind.BIAS) else _wholes(array, field)

    def _warn_of_strangers(self, group: Any, name: str, kind: str) -> None:
        with _broken("E1001", "its list of fields is damaged"):
            found = set(itertools.islice(group, 100))
        for field in sorted(found - IGNORED - FIELDS[kind].keys(), key=_readable)[:20]:
            text = f"the field '{_readable(field)}' has no meaning for {kind}"
            report(self.diagnostics, self.file, "W1005", text, node=name)

    # ------------------------------------------------------------ edges

    def _edges(self, group: Any) -> list[Edge]:
        found = self._member(group, "edges")
        if found is None:
            report(self.diagnostics, self.file, "W1005", "the graph has no 'edges'; its nodes stand alone")
            return []
        dataset = self._dataset("edges", found, _Kind.NAMES)
        if dataset.shape is None or math.prod(dataset.shape) == 0:
            return []
        if len(dataset.shape) != 2 or dataset.shape[1] != 2 or not _is_text(dataset):
            text = f"its 'edges' are {dataset.dtype} of shape {tuple(dataset.shape)}, where pairs of names are needed"
            raise _Refused("E1007", text)
        self.edges += dataset.shape[0]
        if self.edges > NODES:
            raise _Refused("E1003", f"the file has more than {NODES} edges")
        # A few rows at a time: strings of a file may all be one long string that stands there once.
        rows = max(1, (64 << 20) // max(1, 4 * self.size))
        edges: list[Edge] = []
        for start in range(0, dataset.shape[0], rows):
            with _broken("E1001", "its 'edges' cannot be read"):
                pairs = dataset[start : start + rows]
            for pair in pairs:
                source, target = (self._text(end, "edges") for end in pair)
                edges.append((source, target))
        return edges

    # ------------------------------------------------------------ arrays and text

    @_broken("E1001", "the file is damaged here")
    def _dataset(self, field: str, found: Any, wanted: _Kind) -> Any:
        """`found` as a dataset that may be read: it is stored in this file, and as large as it says."""
        import h5py

        if not isinstance(found, h5py.Dataset):
            raise _Refused("E1006", f"its '{field}' is not an array")
        plist = found.id.get_create_plist()
        if found.is_virtual or plist.get_external_count():
            raise _Refused("E1002", f"its '{field}' is stored in another file")
        if any(plist.get_filter(n)[0] not in FILTERS for n in range(plist.get_nfilters())):
            raise _Refused("E1002", f"its '{field}' is compressed in a way that is not read")
        if found.shape is None:
            if field == "edges":
                return found
            raise _Refused("E1006", f"its '{field}' is empty")
        if not _is_text(found) and found.dtype.kind not in "fiub":
            code = "E1007" if wanted is _Kind.NAMES else "E1006"
            raise _Refused(code, f"its '{field}' holds {found.dtype}, where {wanted.value} are needed")
        self._check_size(field, found, plist.get_nfilters())
        return found

    def _check_size(self, field: str, dataset: Any, filters: int) -> None:
        if len(dataset.shape) > RANK:
            raise _Refused("E1006", f"its '{field}' has {len(dataset.shape)} axes")
        if _is_text(dataset) and dataset.dtype.itemsize > NAME:
            raise _Refused("E1003", f"its '{field}' has texts of {dataset.dtype.itemsize} bytes")
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        count = max(math.prod(dataset.shape), size // 8)
        stored = dataset.id.get_storage_size()
        chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
        if count > NUMBERS - self.numbers:
            self.numbers = NUMBERS + 1
            raise _Refused("E1003", f"with its '{field}', the file declares more than {memory.shown(NUMBERS * 8)}")
        if size and (max(size, chunk) > stored * (RATIO if filters else 1) or stored > self.size):
            text = f"its '{field}' declares {memory.shown(max(size, chunk))}, the file stores {memory.shown(stored)}"
            raise _Refused("E1003", text)
        self.numbers += count

    def _array(self, dataset: Any, field: str) -> Array:
        with _broken("E1001", f"its '{field}' cannot be read"):
            array: Array = np.asarray(dataset[()])
        return array

    def _string(self, dataset: Any, field: str) -> str:
        if not _is_text(dataset) or math.prod(dataset.shape) != 1:
            raise _Refused("E1006", f"its '{field}' is {dataset.dtype}, where text is needed")
        with _broken("E1001", f"its '{field}' cannot be read"):
            value = dataset[()]
        return self._text(value if dataset.shape == () else np.asarray(value).reshape(-1)[0], field)

    def _text(self, value: Any, field: str) -> str:
        try:
            text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError:
            raise _Refused("E1006", f"its '{field}' holds text that is not in UTF-8") from None
        if len(text) > NAME:
            raise _Refused("E1003", f"its '{field}' holds a text of {len(text)} characters")
        return text


# ---------------------------------------------------------------- values


def _readable(name: str | bytes) -> str:
    """A name of the file for a message; h5py gives bytes where it is not UTF-8."""
    return shown(name if isinstance(name, str) else name.decode("utf-8", "backslashreplace"))


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _reals(array: Array, field: str) -> Array:
    if array.size == 0:
        raise _Refused("E1006", f"its '{field}' has no elements")
    values = array.astype(np.float64)
    if np.isnan(values).any():
        raise _Refused("E1006", f"its '{field}' has values that are not numbers (NaN)")
    return values


def _wholes(array: Array, field: str) -> Array:
    values = array.astype(np.float64)
    if array.ndim > 1 or array.size > RANK:
        raise _Refused("E1006", f"its '{field}' has the shape {array.shape}, where a short list is needed")
    if not np.all((values == np.rint(values)) & (np.abs(values) < 2**31)):
        raise _Refused("E1006", f"its '{field}' is {array.tolist()}, where whole numbers below 2^31 are needed")
    return values.astype(np.int64)


def _complete(fields: dict[str, Array | str], kind: str) -> None:
    """Fills in what older versions did not write."""
    wanted = FIELDS[kind]
    if "v_reset" in wanted and "v_reset" not in fields:
        fields["v_reset"] = np.zeros_like(fields["v_threshold"])
    if "w_in" in wanted and "w_in" not in fields:
        fields["w_in"] = np.ones(())


def _check_values(fields: dict[str, Array | str], kind: str) -> None:
    """Ranks, lengths and signs, where one node alone shows that they are wrong."""
    arrays = {name: value for name, value in fields.items() if not isinstance(value, str)}
    for name in SCALARS & arrays.keys():
        if arrays[name].size != 1:
            raise _Refused("E1006", f"its '{name}' is {arrays[name].tolist()}, where one number is needed")
        fields[name] = arrays[name] = arrays[name].reshape(())
    weight = arrays.get("weight")
    if weight is not None:
        axes = {"Conv1d": 1, "Conv2d": 2}.get(kind)
        if weight.ndim < 2 or (axes is not None and weight.ndim != axes + 2):
            raise _Refused("E1006", f"its 'weight' has the shape {weight.shape}, which is not one of a {kind}")
        if axes is not None:
            _check_convolution(arrays, weight, axes)
    if kind in ("SumPool2d", "AvgPool2d"):
        _check_windows(arrays, 2)
    for name in ("shape", "input_shape", "input_type"):
        if name in arrays and np.any(arrays[name] < 1):
            raise _Refused("E1006", f"its '{name}' is {arrays[name].tolist()}, where extents are positive")
    if kind == "Delay" and not np.all((arrays["delay"] >= 0) & np.isfinite(arrays["delay"])):
        raise _Refused("E1006", "its 'delay' has values that are negative or infinite")
    padding = fields.get("padding")
    if isinstance(padding, str) and padding == "same" and np.any(arrays["stride"] != 1):
        raise _Refused(
            "E1006", f"its 'padding' is 'same' with a stride of {arrays['stride'].tolist()}, which must be 1"
        )


def _check_convolution(arrays: dict[str, Array], weight: Array, axes: int) -> None:
    _check_windows(arrays, axes)
    groups, bias = int(arrays["groups"]), arrays.get("bias")
    if groups < 1 or weight.shape[0] % groups:
        raise _Refused("E1006", f"its 'groups' is {groups}, which does not divide its {weight.shape[0]} channels")
    if bias is not None and bias.shape not in ((weight.shape[0],), (), (1,)):
        raise _Refused("E1011", f"its 'bias' has the shape {bias.shape}, and its weight {weight.shape[0]} channels")
    if "input_shape" in arrays and arrays["input_shape"].size not in (1, axes):
        raise _Refused("E1006", f"its 'input_shape' is {arrays['input_shape'].tolist()}, where {axes} are needed")


def _check_windows(arrays: dict[str, Array], axes: int) -> None:
    for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
        if name in arrays and (arrays[name].size not in (1, axes) or np.any(arrays[name] < least)):
            text = f"its '{name}' is {arrays[name].tolist()}, where {axes} numbers from {least} on are needed"
            raise _Refused("E1006", text)
