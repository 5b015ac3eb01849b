"""Inferred shapes: every primitive, what is tolerated, and what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
PAIR = np.array([1, 1])


def leaving(found: Any, name: str) -> Any:
    return found.graph.shapes[name][1]


@pytest.mark.parametrize(
    ("entering", "spec", "shape"),
    [
        ((3,), ("linear", 4, 3), (4,)),
        ((5, 3), ("linear", 4, 3), (5, 4)),
        ((2, 3, 5), ("scale", 2, 3, 5), (2, 3, 5)),
        ((2, 3, 5), ("lif", 2, 3, 5), (2, 3, 5)),
        ((2, 3, 5), ("lif", 2, 1, 1), (2, 3, 5)),
        ((2, 9), ("conv", 4, 2, 3), (4, 7)),
        ((2, 10, 13), ("conv", 3, 2, 3, 5), (3, 8, 9)),
    ],
)
def test_shapes_of_nodes(
    specs: Any, read: Run, entering: tuple[int, ...], spec: tuple[Any, ...], shape: tuple[int, ...]
) -> None:
    node = getattr(specs, spec[0])(*spec[1:])
    found = read(specs.chain(x=specs.input(*entering), n=node, y=specs.output(*shape)))
    assert not [m for m in found.messages if "error" in m]
    assert leaving(found, "n") == shape


def test_weights_with_leading_axes(specs: Any, read: Run) -> None:
    node = {"type": "Affine", "weight": np.ones((5, 4, 3)), "bias": np.ones((5, 4))}
    for entering in ((5, 3), (3,)):
        found = read(specs.chain(x=specs.input(*entering), n=node, y=specs.output(5, 4)))
        assert found.messages == []
    assert read(specs.chain(x=specs.input(2, 3), n=node, y=specs.output(5, 4))).codes == ["E1011"]


def test_convolutions_against_their_definition(specs: Any, read: Run) -> None:
    """The extent is the number of places where the whole kernel lies on the padded input."""
    for stride, pad, dilation, kernel in itertools.product([1, 2, 3], [0, 1, 4], [1, 2], [1, 2, 5]):
        node = specs.conv(4, 1, kernel, 2, stride=[stride, 1], padding=[pad, 0], dilation=[dilation, 1], groups=2)
        found = read(specs.chain(x=specs.input(2, 11, 6), n=node, y=specs.output()))
        starts = range(-pad, 11 + pad, stride)
        expected = sum(start + dilation * (kernel - 1) < 11 + pad for start in starts)
        assert leaving(found, "n") == (4, expected, 5)


def test_padding_in_words(specs: Any, read: Run) -> None:
    for word, extent in (("same", 9), ("valid", 6)):
        node = specs.conv(3, 2, 4, 4, padding=word)
        assert leaving(read(specs.chain(x=specs.input(2, 9, 9), n=node, y=specs.output())), "n") == (3, extent, extent)


@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
def test_pooling(specs: Any, read: Run, kind: str) -> None:
    node = {"type": kind, "kernel_size": 3, "stride": np.array([2, 1]), "padding": 1}
    found = read(specs.chain(x=specs.input(4, 8, 8), n=node, y=specs.output()))
    assert leaving(found, "n") == (4, 4, 8)
    assert read(specs.chain(x=specs.input(8, 8), n=node, y=specs.output())).codes == ["E1011"]
    assert read(specs.chain(x=specs.input(4, 0 + 1, 8), n={**node, "kernel_size": 9}, y=specs.output())).codes == [
        "E1011"
    ]


@pytest.mark.parametrize(
    ("start", "end", "shape"),
    [(0, -1, (120,)), (1, -1, (2, 60)), (0, 1, (6, 4, 5)), (-2, -1, (2, 3, 20)), (1, 1, (2, 3, 4, 5))],
)
def test_flatten(specs: Any, read: Run, start: int, end: int, shape: tuple[int, ...]) -> None:
    node = {"type": "Flatten", "start_dim": start, "end_dim": end, "input_type": np.array([2, 3, 4, 5])}
    found = read(specs.chain(x=specs.input(2, 3, 4, 5), n=node, y=specs.output(*shape)))
    assert found.messages == []
    assert leaving(found, "n") == shape


@pytest.mark.parametrize(("start", "end"), [(2, 1), (0, 4), (-5, 1)])
def test_flatten_of_axes_that_are_not_there(specs: Any, read: Run, start: int, end: int) -> None:
    node = {"type": "Flatten", "start_dim": start, "end_dim": end}
    assert read(specs.chain(x=specs.input(2, 3, 4, 5), n=node, y=specs.output())).codes[0] == "E1011"


def test_hints_are_checked(specs: Any, read: Run) -> None:
    conv = specs.conv(4, 2, 3, 3, input_shape=np.array([8, 9]))
    found = read(specs.chain(x=specs.input(2, 9, 9), n=conv, y=specs.output(4, 7, 7)))
    assert found.messages == ["error[E1011]: node 'n': its 'input_shape' is (8, 9), and (9, 9) arrives"]
    flat = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array([1, 2, 3])}
    assert read(specs.chain(x=specs.input(2, 3), n=flat, y=specs.output(6))).codes == ["W1002"]


# ---------------------------------------------------------------- tolerated


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_parameter_for_all(specs: Any, read: Run, shape: tuple[int, ...]) -> None:
    found = read(specs.chain(x=specs.input(3), fc=specs.linear(7, 3), l=specs.lif(*shape), y=specs.output(7)))
    assert found.messages == [
        "warning[W1001]: node 'l': its parameters are one number each, used for all of the shape (7,)"
    ]
    assert found.graph.shapes["l"] == ((7,), (7,))


def test_one_parameter_beside_full_ones(specs: Any, read: Run) -> None:
    mixed = {**specs.lif(7), "tau": 0.01, "r": np.ones(1)}
    found = read(specs.chain(x=specs.input(3), fc=specs.linear(7, 3), l=mixed, y=specs.output(7)))
    assert found.messages == []


def test_a_batch_axis(specs: Any, read: Run) -> None:
    net = specs.chain(x=specs.input(1, 3), fc=specs.linear(7, 3), l=specs.lif(7), y=specs.output(1, 1, 7))
    found = read(net)
    assert found.messages == [
        "warning[W1002]: node 'x': its shape (1, 3) is read as (3,) behind a batch axis",
        "warning[W1002]: node 'y': its shape (1, 1, 7) is read as (7,) behind a batch axis",
    ]
    assert found.graph.shapes["x"] == ((3,), (3,))


def test_an_axis_of_extent_one_that_is_meant(specs: Any, read: Run) -> None:
    for net in (
        specs.chain(x=specs.input(1, 3), fc=specs.linear(7, 3), l=specs.lif(1, 7), y=specs.output(1, 7)),
        specs.chain(x=specs.input(1, 8, 8), c=specs.conv(2, 1, 3, 3), y=specs.output(2, 6, 6)),
    ):
        found = read(net)
        assert found.messages == []
        assert found.graph.shapes["x"][1][0] == 1


def test_shapes_follow_from_what_stands_behind(specs: Any, read: Run) -> None:
    net = specs.chain(x=specs.input(), l=specs.lif(), fc=specs.linear(4, 3), y=specs.output())
    found = read(net)
    assert sorted(found.codes) == ["W1001", "W1002", "W1002"]
    assert found.graph.shapes["x"] == ((3,), (3,))


def test_shapes_around_a_cycle(specs: Any, read: Run) -> None:
    nodes = {
        "x": specs.input(3),
        "fc": specs.linear(5, 3),
        "l": specs.lif(),
        "w": specs.linear(5, 5),
        "y": specs.output(),
    }
    found = read(specs.net(nodes, [("w", "l"), ("l", "w"), ("l", "y"), ("fc", "l"), ("x", "fc")]))
    assert found.graph.shapes["l"] == found.graph.shapes["w"] == ((5,), (5,))


def test_wrong_declarations_inside_have_no_effect(specs: Any, read: Run) -> None:
    block = specs.chain(i=specs.input(9), s=specs.scale(3), o=specs.output(9))
    found = read(specs.chain(x=specs.input(3), b=block, y=specs.output(3)))
    assert found.codes == ["W1002", "W1002"]


def test_nothing_known_but_single_numbers(specs: Any, read: Run) -> None:
    found = read(specs.net({"l": specs.lif()}, []))
    assert found.graph.shapes["input_l"] == ((1,), (1,))


# ---------------------------------------------------------------- what does not fit


def test_a_mismatch_names_the_edge_or_the_node(specs: Any, read: Run) -> None:
    found = read(specs.chain(x=specs.input(3), fc=specs.linear(7, 3), l=specs.lif(8), y=specs.output(8)))
    assert found.messages == [
        "error[E1011]: edge 'fc' -> 'l': a value of shape (7,) meets a node of shape (8,)",
    ]
    found = read(specs.chain(x=specs.input(4), fc=specs.linear(7, 3), l=specs.lif(7), y=specs.output(7)))
    assert found.messages == [
        "error[E1011]: node 'fc': its weight (7, 3) takes the shape (3,), and (4,) arrives",
    ]


def test_branches_that_do_not_meet(specs: Any, read: Run) -> None:
    nodes = {"x": specs.input(3), "a": specs.linear(4, 3), "b": specs.linear(5, 3), "y": specs.output()}
    found = read(specs.net(nodes, [("x", "a"), ("x", "b"), ("a", "y"), ("b", "y")]))
    assert "error[E1011]: edge 'b' -> 'y': a value of shape (5,) meets a node of shape (4,)" in found.messages


def test_an_output_keeps_its_word(specs: Any, read: Run) -> None:
    found = read(specs.chain(x=specs.input(3), fc=specs.linear(7, 3), y=specs.output(8)))
    assert found.messages == ["error[E1011]: node 'y': it declares the shape (8,), and (7,) arrives"]


def test_parameters_of_different_shapes(specs: Any, read: Run) -> None:
    found = read(specs.chain(x=specs.input(7), l={**specs.lif(7), "tau": np.ones(6)}, y=specs.output(7)))
    assert found.codes == ["E1011"]
    assert "node 'l': its parameters have different shapes: r (7,), tau (6,)" in found.messages[0]
    # The same where nothing arrives that has a shape.
    assert "E1011" in read(specs.net({"l": {**specs.lif(7), "tau": np.ones(6)}}, [])).codes


def test_a_bias_of_another_shape(specs: Any, read: Run) -> None:
    node = {"type": "Affine", "weight": np.ones((4, 3)), "bias": np.ones(3)}
    assert read(specs.chain(x=specs.input(3), n=node, y=specs.output(4))).codes == ["E1011"]


def test_every_mismatch_is_reported(specs: Any, read: Run) -> None:
    nodes = {"x": specs.input(3), "a": specs.linear(4, 9), "b": specs.linear(4, 8), "y": specs.output(4)}
    found = read(specs.net(nodes, [("x", "a"), ("x", "b"), ("a", "y"), ("b", "y")]))
    assert found.codes == ["E1011", "E1011"]


def test_a_shape_that_follows_from_nothing(specs: Any, read: Run) -> None:
    node = {"type": "Flatten", "start_dim": 0, "end_dim": -1}
    assert read(specs.net({"n": node}, [])).codes.count("E1012") >= 1


def test_shapes_larger_than_any_memory(specs: Any, read: Run) -> None:
    found = read(specs.chain(x=specs.input(2**20, 2**20), y=specs.output(2**20, 2**20)))
    assert found.codes == ["E1003", "E1003"]
    wide = specs.conv(1, 1, 1, 1, padding=np.array([2**30, 2**30]))
    assert read(specs.chain(x=specs.input(1, 4, 4), c=wide, y=specs.output())).codes[0] == "E1003"
