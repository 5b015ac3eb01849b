"""A NIR graph as a file: HDF5 in the layout of nir 1.0."""

from __future__ import annotations

import io

import h5py
import numpy as np
from spikec.lower.snn_to_nir.layout import Written

VERSION = "1.0.8"  # of the package `nir` whose layout this is


def encoded(graph: Written) -> bytes:
    """The bytes of the file, the same for the same graph."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        text = h5py.string_dtype()
        file.create_dataset("version", data=VERSION, dtype=text)
        root = file.create_group("node")
        root.create_dataset("type", data="NIRGraph", dtype=text)
        nodes = root.create_group("nodes")
        for name in sorted(graph.nodes):
            type, fields = graph.nodes[name]
            group = nodes.create_group(name)
            group.create_dataset("type", data=type, dtype=text)
            for key in sorted(fields):
                value = fields[key]
                if isinstance(value, str):
                    group.create_dataset(key, data=value, dtype=text)
                else:
                    group.create_dataset(key, data=value, compression="gzip" if np.size(value) > 64 else None)
        pairs = np.array(sorted(graph.edges), dtype=object).reshape(-1, 2)
        root.create_dataset("edges", data=pairs, dtype=text)
    return buffer.getvalue()
