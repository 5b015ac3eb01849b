"""Writes small NIR files, and reads them as the compiler does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.nir import file, graph, order, shapes
from spikec.frontend.nir.graph import Graph, Nested

Spec = Mapping[str, Any]


def put(group: h5py.Group, spec: Spec) -> None:
    """One node: `type` and its fields; a NIRGraph has `nodes` (name to spec) and `edges`."""
    for key, value in spec.items():
        if key == "nodes":
            nodes = group.create_group("nodes")
            for name, node in value.items():
                put(nodes.create_group(name), node)
        elif key == "edges":
            group.create_dataset(
                "edges", data=np.array(list(value), dtype=object).reshape(-1, 2), dtype=h5py.string_dtype()
            )
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        else:
            group.create_dataset(key, data=value)


class Specs:
    """Specs of nodes."""

    @staticmethod
    def net(nodes: Mapping[str, Spec], edges: Iterable[tuple[str, str]]) -> Spec:
        return {"type": "NIRGraph", "nodes": nodes, "edges": list(edges)}

    @staticmethod
    def chain(**nodes: Spec) -> Spec:
        """One node after the other."""
        return Specs.net(nodes, itertools.pairwise(nodes))

    @staticmethod
    def input(*shape: int) -> Spec:
        return {"type": "Input", "shape": np.array(shape, np.int64)}

    @staticmethod
    def output(*shape: int) -> Spec:
        return {"type": "Output", "shape": np.array(shape, np.int64)}

    @staticmethod
    def lif(*shape: int) -> Spec:
        values = {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
        return {"type": "LIF", **{name: np.full(shape, value) for name, value in values.items()}}

    @staticmethod
    def linear(out: int, into: int) -> Spec:
        return {"type": "Linear", "weight": np.arange(out * into, dtype=np.float32).reshape(out, into)}

    @staticmethod
    def scale(*shape: int) -> Spec:
        return {"type": "Scale", "scale": np.full(shape, 0.5)}

    @staticmethod
    def conv(*weight: int, **fields: Any) -> Spec:
        axes = len(weight) - 2
        ones = np.ones(axes, np.int64)
        base = {"stride": ones, "padding": 0 * ones, "dilation": ones, "groups": 1, "bias": np.zeros(weight[0])}
        return {"type": f"Conv{axes}d", "weight": np.ones(weight, np.float32), **base, **fields}


@pytest.fixture
def specs() -> type[Specs]:
    return Specs


@dataclass
class Read:
    """What the front end makes of a file, and its messages; `flat` is None after mistakes in the file itself."""

    raw: Nested | None
    flat: Graph | None
    messages: list[str] = field(default_factory=list)

    @property
    def graph(self) -> Graph:
        assert self.flat is not None, self.messages
        return self.flat

    @property
    def codes(self) -> list[str]:
        return [message[message.index("[") + 1 :][:5] for message in self.messages]


def read_file(path: Path, canonical_rnn: bool = False) -> Read:
    diagnostics = Diagnostics()
    raw = file.read(path, diagnostics)
    flat = None
    if raw is not None:
        flat = graph.prepare(raw, canonical_rnn, diagnostics)
        shapes.infer(flat, diagnostics)
        order.order(flat, diagnostics)
    place = f"{path}: "
    return Read(raw, flat, [d.render().removeprefix(place) for d in diagnostics.items])


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """`written(spec)`: a file with this graph; `change(h5py file)` may spoil it."""

    def write(spec: Spec, change: Callable[[h5py.File], Any] | None = None) -> Path:
        path = tmp_path / "net.nir"
        with h5py.File(path, "w") as h5:
            h5.create_dataset("version", data="1.0.8", dtype=h5py.string_dtype())
            put(h5.create_group("node"), spec)
            if change is not None:
                change(h5)
        return path

    return write


@pytest.fixture
def read(written: Callable[..., Path]) -> Callable[..., Read]:
    """`read(spec, change=None, canonical_rnn=False)`: writes and reads."""

    def run(spec: Spec, change: Callable[[h5py.File], Any] | None = None, canonical_rnn: bool = False) -> Read:
        return read_file(written(spec, change), canonical_rnn)

    return run


@pytest.fixture
def reads() -> Callable[..., Read]:
    """Reads a file that is there."""
    return read_file


@pytest.fixture
def conformance() -> Path:
    root = os.environ.get("SPIKEC_CONFORMANCE")
    if not root:
        pytest.skip("SPIKEC_CONFORMANCE is not set")
    return Path(root) / "nir"
