"""From nested graphs to flat ones: ports, names, implicit inputs and outputs, canonical recurrent networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from spikec.frontend.nir.graph import shown

Run = Callable[..., Any]


def test_a_subgraph_is_inlined(specs: Any, read: Run) -> None:
    block = specs.chain(input=specs.input(3), fc=specs.linear(4, 3), l=specs.lif(4), output=specs.output(4))
    found = read(specs.chain(x=specs.input(3), b=block, y=specs.output(4)))
    assert found.messages == []
    net = found.graph
    assert (net.inputs, net.outputs) == (["x"], ["y"])
    assert net.edges == [
        ("b.fc", "b.l"),
        ("b.input", "b.fc"),
        ("b.l", "b.output"),
        ("b.output", "y"),
        ("x", "b.input"),
    ]
    assert net.nodes["b.fc"].name == "b.fc"
    assert net.nodes["b.input"].type == "Input"


def test_a_graph_in_a_graph_in_a_graph(specs: Any, read: Run) -> None:
    inner = specs.chain(i=specs.input(3), s=specs.scale(3), o=specs.output(3))
    middle = specs.chain(i=specs.input(3), g=inner, o=specs.output(3))
    net = read(specs.chain(x=specs.input(3), m=middle, y=specs.output(3))).graph
    assert net.order == ["x", "m.i", "m.g.i", "m.g.s", "m.g.o", "m.o", "y"]


def test_names_that_inlining_would_give_twice(specs: Any, read: Run) -> None:
    block = specs.chain(i=specs.input(3), s=specs.scale(3), o=specs.output(3))
    nodes = {"x": specs.input(3), "b": block, "b.s": specs.lif(3), "y": specs.output(3)}
    net = read(specs.net(nodes, [("x", "b"), ("b", "b.s"), ("b.s", "y")])).graph
    assert net.nodes["b.s"].type == "LIF"
    assert net.nodes["b.s_0"].type == "Scale"
    assert ("b.s_0", "b.o") in net.edges


def test_several_ports_are_named(specs: Any, read: Run) -> None:
    inner = {
        "a": specs.input(3),
        "b": specs.input(4),
        "fb": specs.linear(3, 4),
        "l": specs.lif(3),
        "o": specs.output(3),
    }
    block = specs.net(inner, [("a", "l"), ("b", "fb"), ("fb", "l"), ("l", "o")])
    nodes = {"x": specs.input(3), "z": specs.input(4), "g": block, "y": specs.output(3)}
    found = read(specs.net(nodes, [("x", "g.a"), ("z", "g.b"), ("g.o", "y")]))
    assert found.messages == []
    assert ("z", "g.b") in found.graph.edges
    assert read(specs.net(nodes, [("x", "g"), ("z", "g.b"), ("g", "y")])).messages == [
        "error[E1010]: edge 'x' -> 'g': graph 'g' has 2 inputs, so its name does not say which is meant\n"
        "  help: write 'g.a'"
    ]


def test_nodes_inside_are_not_ends_of_edges(specs: Any, read: Run) -> None:
    block = specs.chain(i=specs.input(3), s=specs.scale(3), o=specs.output(3))
    nodes = {"x": specs.input(3), "g": block, "y": specs.output(3)}
    for wrong in ("g.s", "g.o", "g.none", "g.", "."):
        found = read(specs.net(nodes, [("x", wrong), ("g", "y")]))
        assert found.codes == ["E1008"]
        assert f"there is no node '{wrong}'" in found.messages[0]


def test_edges_that_stand_twice(specs: Any, read: Run) -> None:
    found = read(specs.net({"x": specs.input(3), "y": specs.output(3)}, [("x", "y")] * 3))
    assert found.messages == ["error[E1009]: edge 'x' -> 'y': this edge stands twice"]


def test_implicit_inputs_and_outputs(specs: Any, read: Run) -> None:
    found = read(specs.chain(fc=specs.linear(4, 3), l=specs.lif(4)))
    assert found.graph.inputs == ["input_fc"]
    assert found.graph.outputs == ["output_l"]
    assert found.graph.shapes["input_fc"] == ((3,), (3,))
    assert sorted(found.messages) == [
        "warning[W1004]: node 'fc': no edge enters it; it becomes the input 'input_fc'",
        "warning[W1004]: node 'l': no edge leaves it; it becomes the output 'output_l'",
    ]


def test_implicit_ports_of_a_subgraph_have_its_name(specs: Any, read: Run) -> None:
    block = specs.chain(i=specs.input(3), s=specs.scale(3), o=specs.output(3))
    net = read(specs.net({"g": block}, [])).graph
    assert (net.inputs, net.outputs) == (["input_g"], ["output_g"])
    assert ("input_g", "g.i") in net.edges


def test_a_subgraph_without_ports(specs: Any, read: Run) -> None:
    block = specs.chain(fc=specs.linear(4, 3), l=specs.lif(4))
    net = read(specs.chain(x=specs.input(3), g=block, y=specs.output(4))).graph
    assert net.order == ["x", "g.fc", "g.l", "y"]


def test_inputs_that_are_entered_and_outputs_that_are_left(specs: Any, read: Run) -> None:
    nodes = {"x": specs.input(3), "l": specs.lif(3), "y": specs.output(3), "s": specs.scale(3)}
    net = read(specs.net(nodes, [("x", "l"), ("l", "y"), ("y", "s"), ("s", "x")])).graph
    assert (net.inputs, net.outputs) == (["x"], ["y"])
    assert not [e for e in net.edges if e[1] == "x" or e[0] == "y"]
    assert net.recurrent == {("s", "x.all")}
    assert net.order == ["x", "x.all", "l", "y.all", "s", "y"]


def test_the_canonical_recurrent_network(specs: Any, read: Run) -> None:
    nodes = {"i": specs.input(3), "l": specs.lif(3), "w": specs.linear(3, 3), "o": specs.output(3)}
    block = specs.net(nodes, [("i", "w"), ("w", "l"), ("l", "w"), ("l", "o")])
    net = specs.chain(x=specs.input(3), r=block, y=specs.output(3))
    as_written = read(net).graph
    assert as_written.recurrent == {("r.l", "r.w")}
    canonical = read(net, canonical_rnn=True).graph
    assert canonical.recurrent == {("r.w", "r.l")}
    assert ("r.i", "r.l") in canonical.edges
    assert ("r.i", "r.w") not in canonical.edges


def test_a_block_without_feedback_is_no_recurrent_network(specs: Any, read: Run) -> None:
    block = specs.chain(i=specs.input(3), w=specs.linear(3, 3), l=specs.lif(3), o=specs.output(3))
    net = specs.chain(x=specs.input(3), b=block, y=specs.output(3))
    assert read(net, canonical_rnn=True).graph.edges == read(net).graph.edges


@pytest.mark.parametrize(("name", "text"), [("a b", "a b"), ("a\nb", "a\\nb"), ("ä", "ä"), ("\x1b[0m", "\\x1b[0m")])
def test_names_as_they_are_printed(name: str, text: str) -> None:
    assert shown(name) == text


def test_long_names_are_cut() -> None:
    assert len(shown("x" * 1000)) == 80
