"""Reading NIR files: all types, old files, malformed and hostile ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.nir import file
from spikec.frontend.nir.graph import TYPES, Node

ONES = np.ones(4)
PAIR = np.ones(2, np.int64)
EVERY: dict[str, dict[str, Any]] = {
    "LIF": dict.fromkeys(("tau", "r", "v_leak", "v_threshold", "v_reset"), ONES),
    "IF": dict.fromkeys(("r", "v_threshold", "v_reset"), ONES),
    "LI": dict.fromkeys(("tau", "r", "v_leak"), ONES),
    "I": {"r": ONES},
    "CubaLI": dict.fromkeys(("tau_syn", "tau_mem", "r", "v_leak", "w_in"), ONES),
    "CubaLIF": dict.fromkeys(("tau_syn", "tau_mem", "r", "v_leak", "w_in", "v_threshold", "v_reset"), ONES),
    "Affine": {"weight": np.ones((4, 4)), "bias": ONES},
    "Linear": {"weight": np.ones((4, 4))},
    "Scale": {"scale": ONES},
    "Threshold": {"threshold": ONES},
    "Delay": {"delay": ONES},
    "Conv1d": {
        "weight": np.ones((1, 1, 1)),
        "stride": 1,
        "padding": "valid",
        "dilation": 1,
        "groups": 1,
        "bias": False,
    },
    "Conv2d": {
        "weight": np.ones((1, 1, 1, 1)),
        "stride": PAIR,
        "padding": 0,
        "dilation": PAIR,
        "groups": 1,
        "bias": ONES[:1],
    },
    "SumPool2d": {"kernel_size": PAIR, "stride": 1, "padding": 0 * PAIR},
    "AvgPool2d": {"kernel_size": 1, "stride": PAIR, "padding": 0},
    "Flatten": {"start_dim": 0, "end_dim": -1, "input_type": np.array([4])},
    "Input": {"shape": np.array([4])},
    "Output": {"shape": np.array([4])},
}


@pytest.fixture
def one(specs: Any, read: Callable[..., Any]) -> Callable[..., Any]:
    """`one(kind, **fields)`: what becomes of a file with such a node; a field of None is left out."""

    def run(kind: str, **fields: Any) -> Any:
        spec = {"type": kind, **EVERY.get(kind, {}), **fields}
        return read(specs.net({"x": {key: value for key, value in spec.items() if value is not None}}, []))

    return run


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read(one: Callable[..., Any], kind: str) -> None:
    found = one(kind)
    assert found.raw is not None, found.messages
    node = found.raw.nodes["x"]
    assert isinstance(node, Node)
    assert node.type == kind
    expected = {key for key, value in EVERY[kind].items() if value is not False}
    assert set(node.fields) == expected
    for value in node.fields.values():
        assert isinstance(value, str) or value.dtype in (np.float64, np.int64)


@pytest.mark.parametrize("kind", TYPES)
def test_every_field_of_every_type_is_needed_or_has_a_default(one: Callable[..., Any], kind: str) -> None:
    for field in EVERY[kind]:
        found = one(kind, **{field: None})
        if field in ("v_reset", "w_in", "bias", "input_type"):
            assert found.raw is not None, found.messages
        else:
            assert found.messages == [f"error[E1005]: node 'x': it has no '{field}'"]


def test_absent_fields_of_old_files_are_filled_in(one: Callable[..., Any]) -> None:
    fields = one("CubaLIF", v_reset=None, w_in=None).raw.nodes["x"].fields
    assert np.array_equal(fields["v_reset"], np.zeros(4))
    assert fields["w_in"] == 1


def test_whole_parameters_become_real(one: Callable[..., Any]) -> None:
    fields = one("IF", v_threshold=np.array([1, 2, 3, 4])).raw.nodes["x"].fields
    assert fields["v_threshold"].dtype == np.float64
    assert fields["v_threshold"].tolist() == [1, 2, 3, 4]


def test_types_of_text(one: Callable[..., Any]) -> None:
    assert one(np.bytes_("IF"), **EVERY["IF"]).raw is not None
    assert one("Iff", **EVERY["IF"]).messages == [
        "error[E1004]: node 'x': there is no type 'Iff' in NIR\n  help: did you mean 'IF'?"
    ]
    assert one(3).messages == ["error[E1006]: node 'x': its 'type' is int64, where text is needed"]


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("IF", {"r": "much"}, "E1006"),
        ("IF", {"r": np.ones(4, complex)}, "E1006"),
        ("IF", {"r": np.ones(4, bool)}, "E1006"),
        ("IF", {"r": np.zeros(4, [("a", "f4"), ("b", "i4")])}, "E1006"),
        ("IF", {"r": np.array([1, np.nan, 1, 1])}, "E1006"),
        ("IF", {"r": np.ones(0)}, "E1006"),
        ("IF", {"r": np.ones((1,) * 9)}, "E1006"),
        ("Linear", {"weight": ONES}, "E1006"),
        ("Affine", {"bias": True}, "E1006"),
        ("Delay", {"delay": -ONES}, "E1006"),
        ("Conv1d", {"weight": np.ones((2, 2))}, "E1006"),
        ("Conv1d", {"padding": "sane"}, "E1006"),
        ("Conv1d", {"padding": "same", "stride": 2}, "E1006"),
        ("Conv1d", {"padding": -1}, "E1006"),
        ("Conv1d", {"dilation": 0}, "E1006"),
        ("Conv1d", {"groups": 2}, "E1006"),
        ("Conv1d", {"groups": PAIR}, "E1006"),
        ("Conv1d", {"stride": 1.5}, "E1006"),
        ("Conv1d", {"stride": PAIR}, "E1006"),
        ("Conv2d", {"stride": 2**40}, "E1006"),
        ("Conv2d", {"bias": np.ones(2)}, "E1011"),
        ("Conv2d", {"input_shape": np.ones(3, int)}, "E1006"),
        ("SumPool2d", {"kernel_size": 0}, "E1006"),
        ("Flatten", {"start_dim": PAIR}, "E1006"),
        ("Input", {"shape": np.array([4, 0])}, "E1006"),
        ("Input", {"shape": np.ones((2, 2))}, "E1006"),
    ],
)
def test_wrong_fields(one: Callable[..., Any], kind: str, fields: dict[str, Any], code: str) -> None:
    found = one(kind, **fields)
    assert found.raw is None
    assert found.codes == [code]
    assert "node 'x': " in found.messages[0]


def test_all_mistakes_of_a_file_are_reported(specs: Any, read: Callable[..., Any]) -> None:
    inner = specs.chain(input=specs.input(4), b={"type": "LIFF"}, output=specs.output(4))
    a = {"type": "LI", "tau": "slow", "v_leak": np.array([np.nan])}
    nodes = {"input": specs.input(4), "a": a, "g": inner}
    found = read(specs.net(nodes, [("input", "a"), ("a", "gg"), ("input", "a")]))
    assert sorted(found.codes) == ["E1004", "E1005", "E1006", "E1006", "E1008", "E1009"]
    assert "error[E1004]: node 'g.b': there is no type 'LIFF' in NIR\n  help: did you mean 'LIF'?" in found.messages


def test_strange_fields_are_told_and_metadata_is_not(specs: Any, read: Callable[..., Any]) -> None:
    def change(h5: h5py.File) -> None:
        h5["node/nodes/l/metadata/deep"] = np.ones(3)
        h5["node/nodes/l/refractory"] = 3.0

    found = read(specs.chain(input=specs.input(4), l=specs.lif(4), output=specs.output(4)), change)
    assert found.messages == ["warning[W1005]: node 'l': the field 'refractory' has no meaning for LIF"]


def test_a_single_node_is_a_graph(specs: Any, read: Callable[..., Any]) -> None:
    found = read(specs.lif(4))
    assert found.graph.inputs == ["input_node"]
    assert found.graph.outputs == ["output_node"]
    assert found.graph.shapes["node"] == ((4,), (4,))


def test_a_graph_without_edges(specs: Any, read: Callable[..., Any]) -> None:
    found = read(specs.net({"l": specs.lif(4)}, []), lambda h5: h5["node"].pop("edges", None))
    assert found.codes == ["W1005", "W1004", "W1004"]
    assert found.graph.edges == [("input_l", "l"), ("l", "output_l")]


def test_edges_of_another_kind(specs: Any, read: Callable[..., Any]) -> None:
    net = specs.net({"l": specs.lif(4)}, [("l", "l")])
    for wrong in (np.ones((2, 2)), np.array([b"l", b"l"]), np.array([[b"l", b"l", b"l"]]), np.float32(3)):

        def change(h5: h5py.File, wrong: Any = wrong) -> None:
            del h5["node/edges"]
            h5["node/edges"] = wrong

        assert read(net, change).codes == ["E1007"]


def test_edges_of_fixed_length_text(specs: Any, read: Callable[..., Any]) -> None:
    def change(h5: h5py.File) -> None:
        del h5["node/edges"]
        h5["node/edges"] = np.array([[b"input", b"l"], [b"l", b"output"]])

    found = read(specs.net({"input": specs.input(4), "l": specs.lif(4), "output": specs.output(4)}, []), change)
    assert found.messages == []
    assert found.graph.edges == [("input", "l"), ("l", "output")]


# ---------------------------------------------------------------- files that are no NIR files


def problems(path: Path) -> list[str]:
    diagnostics = Diagnostics()
    assert file.read(path, diagnostics) is None
    assert all(d.file == str(path) for d in diagnostics.items)
    return [f"{d.code} {d.message}" for d in diagnostics.items]


def test_absent_files_and_folders(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.nir") == [f"E0701 no such file: {tmp_path / 'none.nir'}"]
    assert problems(tmp_path) == [f"E0704 {tmp_path} is not a regular file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "pipe.nir"
    os.mkfifo(path)
    assert problems(path) == [f"E0704 {path} is not a regular file"]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04 and so on", bytes(4096)])
def test_other_contents(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.nir"
    path.write_bytes(content)
    assert [line[:5] for line in problems(path)] == ["E1001"]


def test_cut_files(specs: Any, written: Callable[..., Path]) -> None:
    path = written(specs.chain(input=specs.input(4), fc=specs.linear(4, 4), output=specs.output(4)))
    content = path.read_bytes()
    for size in range(8, len(content) - 8, 499):
        path.write_bytes(content[:size])
        assert all(line.startswith("E1") for line in problems(path))


def test_hdf5_without_a_graph(tmp_path: Path) -> None:
    path = tmp_path / "x.nir"
    h5py.File(path, "w").close()
    assert problems(path) == ["E1001 this is no NIR file: it has no group 'node'"]
    with h5py.File(path, "w") as h5:
        h5["node"] = 3
    assert problems(path) == ["E1006 it is not an HDF5 group"]
    with h5py.File(path, "w") as h5:
        h5["node/type"] = "NIRGraph"
        h5.create_group("node/nodes")
    assert problems(path)[-1] == "E1005 the graph has no nodes"


# ---------------------------------------------------------------- hostile files


def replaced(name: str, put: Callable[[h5py.Group, str], Any]) -> Callable[[h5py.File], None]:
    """A change that puts something else in the place of `name`."""

    def change(h5: h5py.File) -> None:
        group, _, key = name.rpartition("/")
        del h5[name]
        put(h5[group], key)

    return change


def _external(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, (4,), "f4", external=[("/etc/hostname", 0, 16)])


def _virtual(group: h5py.Group, key: str) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    group.create_virtual_dataset(key, layout)


def _unwritten(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def _zipped(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, (1 << 20, 1 << 20), "f4", chunks=(1024, 1024), compression="gzip")[0, 0] = 1


def _references(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, (4,), h5py.ref_dtype)


def _lists(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, (4,), h5py.vlen_dtype(np.float32))


def _empty(group: h5py.Group, key: str) -> None:
    group[key] = h5py.Empty("f4")


def _packed(group: h5py.Group, key: str) -> None:
    group.create_dataset(key, data=np.ones(4, int), scaleoffset=0)


@pytest.mark.parametrize(
    ("put", "code"),
    [
        (lambda group, key: group.__setitem__(key, h5py.SoftLink("/node/nodes/l/tau")), "E1002"),
        (lambda group, key: group.__setitem__(key, h5py.ExternalLink("/etc/hostname", "/x")), "E1002"),
        (_external, "E1002"),
        (_virtual, "E1002"),
        (_packed, "E1002"),
        (_unwritten, "E1003"),
        (_zipped, "E1003"),
        (_references, "E1006"),
        (_lists, "E1006"),
        (_empty, "E1006"),
        (lambda group, key: group.create_group(key), "E1006"),
    ],
)
def test_hostile_arrays(specs: Any, read: Callable[..., Any], put: Callable[..., Any], code: str) -> None:
    net = specs.chain(input=specs.input(4), l=specs.lif(4), output=specs.output(4))
    found = read(net, replaced("node/nodes/l/r", put))
    assert found.codes == [code]
    assert "node 'l'" in found.messages[0]


def test_a_graph_inside_itself(specs: Any, read: Callable[..., Any]) -> None:
    net = specs.chain(input=specs.input(4), g=specs.chain(input=specs.input(4), output=specs.output(4)))
    found = read(net, lambda h5: h5["node/nodes/g/nodes"].__setitem__("again", h5["node"]))
    assert found.codes == ["E1002"]
    assert "node 'g.again'" in found.messages[0]


def test_deep_nesting(specs: Any, read: Callable[..., Any]) -> None:
    net = specs.chain(input=specs.input(4), output=specs.output(4))
    for _ in range(file.DEPTH):
        net = specs.chain(input=specs.input(4), g=net, output=specs.output(4))
    assert read(net).graph.shapes["output"] == ((4,), (4,))
    assert read(specs.chain(input=specs.input(4), g=net, output=specs.output(4))).codes == ["E1003"]


def test_many_nodes_and_edges(specs: Any, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    net = specs.chain(**{f"s{n}": specs.scale(1) for n in range(20)})
    monkeypatch.setattr(file, "NODES", 19)
    assert read(net).codes == ["E1003"]
    monkeypatch.setattr(file, "NODES", 22)
    edges = [(f"s{a}", f"s{b}") for a in range(5) for b in range(10, 15)]
    assert read(specs.net(net["nodes"], edges)).codes == ["E1003"]


def test_one_long_text_in_many_places(specs: Any, read: Callable[..., Any]) -> None:
    def change(h5: h5py.File) -> None:
        del h5["node/edges"]
        h5["node"].create_dataset("edges", data=np.array([["x" * 100_000] * 2] * 8, object), dtype=h5py.string_dtype())

    assert read(specs.net({"l": specs.lif(4)}, []), change).codes == ["E1003"]


def test_names_that_are_no_text(specs: Any, read: Callable[..., Any]) -> None:
    def change(h5: h5py.File) -> None:
        h5py.h5g.create(h5["node/nodes"].id, b"a\xff")

    assert read(specs.net({"l": specs.lif(4)}, []), change).messages == [
        "error[E1006]: a name is not text in UTF-8: 'a\\xff'"
    ]


def test_a_broken_heap_of_text_is_not_walked(specs: Any, written: Callable[..., Path]) -> None:
    path = written(specs.chain(input=specs.input(4), l=specs.lif(4), output=specs.output(4)))
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 24 : heap + 32] = b"\xff" * 8
    path.write_bytes(content)
    assert problems(path) == ["E1001 the file is damaged: it holds a broken heap of text"]


# ---------------------------------------------------------------- files as they are found


def test_conformance_cases(conformance: Path, reads: Callable[..., Any]) -> None:
    cases = json.loads((conformance / "cases" / "manifest.json").read_text())["cases"]
    for case in cases:
        canonical = case["options"].get("rnn_subgraph") == "canonical"
        found = reads(conformance / "cases" / f"{case['case']}.nir", canonical)
        assert not [m for m in found.messages if m.startswith("error")], case["case"]
        net = found.graph
        shapes = sorted(list(net.shapes[name][1]) for name in net.outputs)
        assert shapes == sorted(output["shape"] for output in case["outputs"].values()), case["case"]
        assert len(net.recurrent) == case["recurrent_edges"], case["case"]
        assert sorted(net.order) == sorted(net.nodes)


def test_field_files(conformance: Path, reads: Callable[..., Any]) -> None:
    found = {path.stem: reads(path) for path in sorted((conformance / "field").glob("*.nir"))}
    assert {name: sorted(set(f.codes)) for name, f in found.items() if f.codes} == {
        "braille_dangling_edges": ["E1008"],
        "braille_scalar_params": ["W1001", "W1002"],
        "lif_batch_axis": ["W1002"],
    }
    assert found["braille_dangling_edges"].messages[0] == (
        "error[E1008]: edge 'input' -> 'lif': there is no node 'lif' of graph 'lif1'\n  help: did you mean 'lif1'?"
    )
