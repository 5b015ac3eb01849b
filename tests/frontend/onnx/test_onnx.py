"""ONNX files: what operators compute, against ONNX's own evaluator; what is refused, and what damaged files do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import spikec
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from spikec.runtime.interface import Interface

from tests.examples.scripts import ROOT

Array = npt.NDArray[Any]
CNN = Path(__file__).with_name("cnn.onnx")
SAMPLES = 3
RANDOM = np.random.default_rng(0)


def real(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def model(
    nodes: list[Any],
    arrays: dict[str, Array],
    inputs: dict[str, tuple[Any, ...]],
    outputs: tuple[str, ...] = ("y",),
    opset: int = 20,
) -> Any:
    """A graph; the shapes of inputs begin with the batch axis."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def one(operator: str, shape: tuple[int, ...], *arrays: Array, opset: int = 20, **attributes: Any) -> Any:
    """A graph of one node on samples of a shape, with constants behind its first input."""
    names = [f"c{n}" for n in range(len(arrays))]
    node = helper.make_node(operator, ["x", *names], ["y"], name="the_node", **attributes)
    return model([node], dict(zip(names, arrays, strict=True)), {"x": ("batch", *shape)}, opset=opset)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    def run(made: Any) -> Path:
        path = tmp_path / "net.onnx"
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        return path

    return run


def agree(path: Path, real_bits: int = 32) -> dict[str, Array]:
    """Our outputs, which are those of ONNX's evaluator."""
    program = spikec.load(path, real=real_bits)
    made = onnx.load(path)
    inputs = {
        given.name: np.random.default_rng(1).normal(size=(SAMPLES, *given.shape)).astype(np.float32)
        for given in Interface.of(program).inputs
    }
    wanted = ReferenceEvaluator(made).run(None, inputs)
    found: dict[str, Array] = spikec.compile(program).run(inputs).outputs
    assert list(found) == [value.name for value in made.graph.output]
    for name, array in zip(found, wanted, strict=True):
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)
    return found


K = real(4, 2, 3, 2)
OPERATORS = {
    "gemm": one("Gemm", (5,), real(5, 3)),
    "gemm, all": one("Gemm", (5,), real(3, 5), real(3), transB=1, alpha=0.5, beta=2.0),
    "gemm, scalar": one("Gemm", (5,), real(5, 3), real(1, 3)),
    "matmul": one("MatMul", (5,), real(5, 3)),
    "conv": one("Conv", (2, 6, 5), K),
    "conv, bias": one("Conv", (2, 6, 5), K, real(4), pads=[1, 0, 2, 1], strides=[2, 1]),
    "conv, dilated": one("Conv", (2, 7, 5), K, dilations=[2, 3], kernel_shape=[3, 2]),
    "conv, groups": one("Conv", (4, 6, 5), real(6, 2, 3, 3), group=2, pads=[1, 1, 1, 1]),
    "conv, depthwise": one("Conv", (4, 6, 5), real(4, 1, 3, 3), group=4),
    "conv, same upper": one("Conv", (2, 6, 5), real(4, 2, 2, 4), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, same lower": one("Conv", (2, 6, 5), real(4, 2, 2, 4), auto_pad="SAME_LOWER"),
    "conv, valid": one("Conv", (2, 6, 5), K, auto_pad="VALID"),
    "conv, one axis": one("Conv", (2, 9), real(4, 2, 3), pads=[0, 2], strides=[2]),
    "max": one("MaxPool", (2, 6, 5), kernel_shape=[2, 3]),
    "max, margins": one("MaxPool", (2, 6, 5), kernel_shape=[3, 3], pads=[1, 0, 2, 1], strides=[2, 1]),
    "max, ceil": one("MaxPool", (2, 6, 5), kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    "max, dilated": one("MaxPool", (2, 6, 5), kernel_shape=[2, 2], dilations=[2, 3]),
    "max, one axis": one("MaxPool", (2, 9), kernel_shape=[4], strides=[3], pads=[1, 1]),
    "mean": one("AveragePool", (2, 6, 5), kernel_shape=[2, 3]),
    "mean, margins": one("AveragePool", (2, 6, 5), kernel_shape=[3, 3], pads=[1, 0, 2, 1], strides=[2, 1]),
    "mean, margins count": one("AveragePool", (2, 6, 5), kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "mean, ceil": one("AveragePool", (2, 6, 5), kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    "mean, one axis": one("AveragePool", (2, 9), kernel_shape=[4], strides=[3]),
    "mean of all": one("GlobalAveragePool", (2, 6, 5)),
    "max of all": one("GlobalMaxPool", (2, 6, 5)),
    "batch norm": one("BatchNormalization", (4, 3, 3), real(4), real(4), real(4), real(4) ** 2, epsilon=0.01),
    "batch norm of a row": one("BatchNormalization", (4,), real(4), real(4), real(4), real(4) ** 2),
    "relu": one("Relu", (2, 3)),
    "clip": one("Clip", (2, 3), np.float32(-0.5), np.float32(0.4)),
    "clip below": one("Clip", (2, 3), np.float32(0.0)),
    "clip of old": one("Clip", (2, 3), opset=10, min=0.0, max=0.5),
    "add": one("Add", (2, 3), real(3)),
    "add, batch axis": one("Add", (2, 3), real(1, 2, 3)),
    "sub": one("Sub", (2, 3), real(2, 1)),
    "mul": one("Mul", (2, 3), np.float32(0.25)),
    "div": one("Div", (2, 3), np.float32(3.0)),
    "flatten": one("Flatten", (2, 3, 2)),
    "flatten, negative": one("Flatten", (2, 3), axis=-2),
    "reshape": one("Reshape", (2, 3, 2), whole(-1, 4, 3)),
    "reshape, rest": one("Reshape", (2, 3, 2), whole(0, 3, -1)),
    "reshape, zeros": one("Reshape", (2, 3, 2), whole(-1, 0, 6)),
    "identity": one("Identity", (2, 3)),
    "dropout": one("Dropout", (2, 3), np.float32(0.5)),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_an_operator_is_that_of_onnx(case: str, save: Callable[[Any], Path]) -> None:
    found = agree(save(OPERATORS[case]))
    assert np.any(found["y"])


def test_a_residual_network_of_two_inputs(save: Callable[[Any], Path]) -> None:
    nodes = [
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Conv", ["x", "k"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["half", "a"], ["b"]),
        helper.make_node("Sub", ["one", "b"], ["c"]),
        helper.make_node("Div", ["c", "z"], ["d"]),
        helper.make_node("Add", ["d", "x"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["y"]),
    ]
    arrays = {"k": real(2, 2, 3, 3), "one": np.float32(1.0)}
    shape = (SAMPLES, 2, 4, 4)
    found = agree(save(model(nodes, arrays, {"x": shape, "z": shape}, ("y", "a"))))
    assert found["a"].shape == shape


def test_what_pytorch_exports(save: Callable[[Any], Path]) -> None:
    found = agree(CNN)
    assert found["logits"].shape == (SAMPLES, 10)
    exact = agree(CNN, 64)["logits"]
    assert exact.dtype == np.float64
    # A file without names for its nodes, as older exporters write it.
    made = onnx.load(CNN)
    for node in made.graph.node:
        node.name = ""
    assert np.array_equal(agree(save(made))["logits"], found["logits"])


def test_the_network_recognises_digits() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    test = np.arange(len(digits.data)) % 5 == 4
    x = (digits.images[test, None] / 16).astype(np.float32)[:120]
    run = spikec.compile(spikec.load(CNN)).run({"image": x}).outputs["logits"]
    assert np.mean(run.argmax(1) == digits.target[test][:120]) >= 0.95


def test_commands_take_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 1, 8, 8), np.float32))

    def spikec_says(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spikec", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    checked = spikec_says("check", CNN)
    assert (checked.returncode, checked.stderr) == (0, f"{CNN}: no errors\n")
    done = spikec_says("run", CNN, "--input", "x.npy", "-o", "y.npz")
    assert done.returncode == 0, done.stderr
    assert spikec_says("run", CNN, "--input", "x.npy", "-o", "again.npz").returncode == 0
    with np.load(tmp_path / "y.npz") as first, np.load(tmp_path / "again.npz") as second:
        assert first["logits"].shape == (2, 10)
        assert np.array_equal(first["logits"], second["logits"])
    assert spikec_says("compile", CNN, "-o", "build").returncode == 0
    refused = spikec_says("run", CNN, "-P", "n=1")
    assert refused.returncode == 2
    assert "-P is for .snn models" in refused.stderr


def test_without_the_package_the_extra_is_named() -> None:
    code = "import sys; sys.modules['onnx'] = None; from spikec.cli import main; sys.exit(main(['check', sys.argv[1]]))"
    done = subprocess.run([sys.executable, "-c", code, CNN], capture_output=True, text=True)
    assert done.returncode == 3
    assert "spikec[onnx]" in done.stderr


# ---------------------------------------------------------------- mistakes


def mistakes(path: Path) -> list[str]:
    """`code: message` of each error of a file."""
    with pytest.raises(spikec.CompileError) as refused:
        spikec.load(path)
    assert all(diagnostic.file == str(path) for diagnostic in refused.value.diagnostics)
    return [f"{diagnostic.code}: {diagnostic.message}" for diagnostic in refused.value.diagnostics]


def test_every_unsupported_operator_is_named(save: Callable[[Any], Path]) -> None:
    nodes = [
        helper.make_node("Softsign", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="fine", secret=1),
        helper.make_node("Fancy", ["b"], ["c"], name="second", domain="my.own"),
        helper.make_node("Gemm", ["c", "w"], ["y"], name="third", transA=1),
        helper.make_node("Gemm", ["x", "w"], ["z"], name="fourth", transA=1),
    ]
    found = mistakes(save(model(nodes, {"w": real(4, 4)}, {"x": (1, 4)}, ("y", "z"))))
    assert found == [
        "E1302: node 'first' (Softsign): the operator 'Softsign' is not supported",
        "E1302: node 'fine' (Relu): its attribute 'secret' is not supported",
        "E1302: node 'second' (Fancy): the operator 'Fancy' of 'my.own' is not supported",
    ]


WRONG = {
    "transA": (one("Gemm", (4,), real(4, 4), transA=1), "E1302", "'transA'"),
    "matrix": (one("Gemm", (4,), real(5, 4)), "E1305", "(5, 4)"),
    "bias": (one("Gemm", (4,), real(4, 3), real(4)), "E1305", "(4,)"),
    "rows": (one("MatMul", (2, 4), real(4, 4)), "E1305", "axes beside the batch"),
    "channels": (one("Conv", (3, 5, 5), real(4, 2, 3, 3)), "E1305", "3 channels"),
    "groups": (one("Conv", (3, 5, 5), real(4, 1, 3, 3), group=3), "E1305", "groups"),
    "kernel": (one("Conv", (2, 5, 5), real(4, 2, 3, 3), kernel_shape=[2, 2]), "E1305", "kernel"),
    "window": (one("MaxPool", (2, 3, 3), kernel_shape=[4, 4]), "E1305", "spans 4"),
    "margin": (one("MaxPool", (2, 3, 3), kernel_shape=[1, 1], pads=[1, 1, 1, 1]), "E1305", "margin alone"),
    "no kernel": (one("MaxPool", (2, 3, 3)), "E1304", "at least 1"),
    "stride": (one("MaxPool", (2, 3, 3), kernel_shape=[1, 1], strides=[0, 1]), "E1304", "at least 1"),
    "too many strides": (one("MaxPool", (2, 3, 3), kernel_shape=[1, 1], strides=[1]), "E1305", "'strides'"),
    "huge stride": (one("MaxPool", (2, 3, 3), kernel_shape=[1, 1], dilations=[2**40, 1]), "E1303", "at most"),
    "huge window": (
        one("MaxPool", (1, 3, 3), kernel_shape=[2**30, 1], pads=[2**30, 0, 2**30, 0]),
        "E1303",
        "elements",
    ),
    "negative pads": (one("Conv", (2, 5, 5), K, pads=[-1, 0, 0, 0]), "E1302", "negative"),
    "huge pads": (one("Conv", (2, 5, 5), K, pads=[0, 0, 2**30, 2**30]), "E1303", "elements"),
    "auto_pad": (one("Conv", (2, 5, 5), K, auto_pad="WIDE"), "E1304", "'WIDE'"),
    "type": (one("Conv", (2, 5, 5), K, strides="two"), "E1304", "'strides'"),
    "axes": (one("Conv", (2, 4, 4, 4), real(2, 2, 1, 1, 1)), "E1305", "axes"),
    "order": (one("MaxPool", (2, 3, 3), kernel_shape=[2, 2], storage_order=1), "E1302", "'storage_order'"),
    "training": (one("BatchNormalization", (2,), *[real(2) ** 2] * 4, training_mode=1), "E1302", "'training_mode'"),
    "norm": (one("BatchNormalization", (2,), *[real(3) ** 2] * 4), "E1305", "channels"),
    "variance": (one("BatchNormalization", (2,), *[-np.ones(2, np.float32)] * 4), "E1304", "variance"),
    "limit": (one("Clip", (2,), real(2)), "E1305", "'min'"),
    "constant": (one("Add", (2, 3), real(2)), "E1305", "(2,)"),
    "zero": (one("Div", (2,), np.float32(0)), "E1304", "zero"),
    "flatten": (one("Flatten", (2, 3), axis=2), "E1302", "'axis'"),
    "batch": (one("Reshape", (2, 3), whole(2, 3)), "E1305", "batch axis"),
    "reshape": (one("Reshape", (2, 3), whole(-1, 7)), "E1305", "batch axis"),
    "computed": (one("Reshape", (2, 3)), "E1304", "missing"),
    "integers": (one("Gemm", (4,), np.ones((4, 4), np.uint8)), "E1302", "UINT8"),
    "infinite": (one("Gemm", (4,), np.full((4, 4), np.inf, np.float32)), "E1304", "finite"),
    "opset": (one("Relu", (4,), opset=5), "E1302", "version 5"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_told(case: str, save: Callable[[Any], Path]) -> None:
    made, code, words = WRONG[case]
    (found,) = mistakes(save(made))
    assert found.startswith(code)
    assert words in found


def test_inputs_need_a_batch_axis_and_known_extents(save: Callable[[Any], Path]) -> None:
    relu = helper.make_node("Relu", ["x"], ["y"], name="r")
    assert "no batch axis" in mistakes(save(model([relu], {}, {"x": (4,)})))[0]
    assert "axis 2" in mistakes(save(model([relu], {}, {"x": ("n", 4, "width")})))[0]
    assert mistakes(save(model([relu], {}, {"x": ("n", 2**31, 2**31)})))[0].startswith("E1303")


def test_names_belong_to_one_value(save: Callable[[Any], Path]) -> None:
    nodes = [
        helper.make_node("Relu", ["later"], ["a"], name="early"),
        helper.make_node("Relu", ["x"], ["later"], name="late"),
        helper.make_node("Relu", ["nothing"], ["x"], name="again"),
    ]
    found = mistakes(save(model(nodes, {}, {"x": (1, 4)}, ("a", "missing"))))
    assert [line.partition(":")[0] for line in found] == ["E1306"] * 4
    for words in ("stands after it", "'nothing' is given by nothing", "given already", "output 'missing'"):
        assert any(words in line for line in found)


def test_a_second_output_is_refused(save: Callable[[Any], Path]) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y", "where"], name="p", kernel_shape=[2, 2])
    (found,) = mistakes(save(model([node], {}, {"x": (1, 2, 4, 4)}, ("where",))))
    assert "only its first output" in found


# ---------------------------------------------------------------- files


def outside(location: str, **entries: int) -> Any:
    """A matrix product whose matrix lies in another file."""
    made = one("Gemm", (4,), real(4, 4))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return made


def test_data_beside_the_model_is_read(save: Callable[[Any], Path], tmp_path: Path) -> None:
    matrix = real(4, 4)
    (tmp_path / "w.bin").write_bytes(b"12345678" + matrix.tobytes())
    path = save(outside("w.bin", offset=8, length=64))
    x = real(2, 4)
    assert np.allclose(spikec.compile(spikec.load(path)).run({"x": x}).outputs["y"], x @ matrix, atol=1e-5)


@pytest.mark.parametrize(
    ("location", "entries"),
    [
        ("../w.bin", {}),
        ("/etc/hostname", {}),
        ("", {}),
        ("missing.bin", {}),
        (".", {}),
        ("w.bin", {"offset": 60}),
        ("w.bin", {"offset": -8}),
        ("w.bin", {"length": 10**15}),
        ("link.bin", {}),
        ("w\0.bin", {}),
    ],
)
def test_data_elsewhere_is_not(location: str, entries: dict[str, int], save: Any, tmp_path: Path) -> None:
    (tmp_path.parent / "w.bin").write_bytes(bytes(64))
    (tmp_path / "w.bin").write_bytes(bytes(64))
    (tmp_path / "link.bin").symlink_to(tmp_path.parent / "w.bin")
    (found,) = mistakes(save(outside(location, **entries)))
    assert found.startswith("E1304")


def test_declared_sizes_are_not_believed(save: Callable[[Any], Path]) -> None:
    made = one("Gemm", (4,), real(4, 4))
    made.graph.initializer[0].dims[:] = [2**40, 2**40]
    assert mistakes(save(made))[0].startswith("E1303")
    made.graph.initializer[0].dims[:] = [4, 2**20]
    assert "declared" in mistakes(save(made))[0]
    made.graph.initializer[0].dims[:] = [-4, 4]
    assert mistakes(save(made))[0].startswith("E1304")


def test_what_is_no_file_of_onnx_is_told(save: Callable[[Any], Path], tmp_path: Path) -> None:
    for data in (b"", b"\x89PNG\r\n", b"hello", bytes(1000)):
        assert mistakes(save(data))[0].startswith("E1301")
    assert mistakes(tmp_path / "none.onnx")[0].startswith("E0701")
    (tmp_path / "folder.onnx").mkdir()
    assert mistakes(tmp_path / "folder.onnx")[0].startswith("E0704")


def test_damaged_files_are_diagnosed(save: Callable[[Any], Path]) -> None:
    """Bytes changed, cut off or repeated: a program or a diagnostic, never anything else."""
    data = CNN.read_bytes()
    start = len(data) - 3000  # the graph's weights take most of the file; its end and begin are structure
    random = np.random.default_rng(3)
    outcomes = set()
    for count in range(150):
        spoiled = bytearray(data)
        for _ in range(int(random.integers(1, 4))):
            place = int(random.integers(0, 2500)) if count % 2 else int(random.integers(start, len(data)))
            spoiled[place] = int(random.integers(256))
        if count % 10 == 0:
            spoiled = spoiled[: int(random.integers(len(spoiled)))]
        try:
            spikec.load(save(bytes(spoiled)))
            outcomes.add("fine")
        except spikec.CompileError as error:
            outcomes |= {diagnostic.code[:3] for diagnostic in error.diagnostics}
    assert "E13" in outcomes
    assert outcomes <= {"fine", "E13"}


def test_the_script_that_made_the_network_is_there() -> None:
    text = (ROOT / "tests/frontend/onnx/export_cnn.py").read_text()
    assert 'with_name("cnn.onnx")' in text
    assert CNN.stat().st_size < 50_000
