"""A NIR graph as data, nested as in the file and flat as the compiler needs it; the way from one to the other.

A graph inside a graph is inlined: its nodes get their path as name (`outer.inner`), and its Input and Output nodes
become identities, which pass on the sum of what arrives.  An edge that names a graph means its only port, and
`graph.port` one of several.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Diagnostic, Diagnostics, did_you_mean

# What NIR can store (nir 1.0.8); `NIRGraph` is gone after inlining.
NEURONS = ("LIF", "IF", "LI", "I", "CubaLI", "CubaLIF")
TYPES = (
    *NEURONS,
    *("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Threshold", "Delay"),
    *("Input", "Output"),
)

Edge = tuple[str, str]
Shape = tuple[int, ...]
Role = Literal["Input", "Output"]
Path = tuple[str, ...]
# Of which kind the ports are that the two ends of an edge name: it leaves an output and enters an input.
ENDS: tuple[Role, Role] = ("Output", "Input")


@dataclass(frozen=True)
class Node:
    """One primitive.  `name` is its path (`outer.inner` for a node of a subgraph); `fields` are the arrays of the
    file as float64 (int64 for shapes, strides, paddings, dilations and the like), text fields as str.

    Absent fields of old files are filled in (`v_reset` 0, `w_in` 1); a `bias` that is False is absent.
    """

    name: str
    type: str
    fields: dict[str, Array | str]


@dataclass
class Nested:
    """A NIRGraph as the file has it; `name` is its path, empty for the root, and `file` the path of the file."""

    file: str
    name: str
    nodes: dict[str, Node | Nested]
    edges: list[Edge]
    _ports: dict[Role, dict[str, None]] = field(default_factory=dict, repr=False)

    def ports(self, role: Role) -> dict[str, None]:
        """The names of its Input or Output nodes, as keys; without any, of the nodes that no edge enters or leaves."""
        if role not in self._ports:
            found = [name for name, node in self.nodes.items() if isinstance(node, Node) and node.type == role]
            self._ports[role] = dict.fromkeys(found or self._ends(role))
        return self._ports[role]

    def _ends(self, role: Role) -> list[str]:
        side = 1 if role == "Input" else 0
        used = {self._owner(edge[side]) for edge in self.edges}
        return [name for name in self.nodes if name not in used]

    def _owner(self, name: str) -> str:
        """The node that an end of an edge names, itself or by one of its ports."""
        return name if name in self.nodes else next((head for head, _ in _splits(self, name)), name)


@dataclass
class Graph:
    """A flat graph.  `inputs` and `outputs` are the names of the Input and Output nodes of the root, in order;
    all other nodes of these types are identities.  No edge enters an input or leaves an output.

    `shapes` gives each node's (input shape, output shape) once they are inferred; `recurrent` the edges that
    carry the value of the previous step, `order` the nodes in an order in which the other edges point forward.
    """

    nodes: dict[str, Node]
    edges: list[Edge]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    recurrent: frozenset[Edge] = frozenset()
    order: list[str] = field(default_factory=list)
    file: str = ""

    def sources(self) -> dict[str, list[str]]:
        """The nodes that lead into each node, sorted."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            found[target].append(source)
        return {name: sorted(names) for name, names in found.items()}


# ---------------------------------------------------------------- messages


def shown(name: str) -> str:
    """A name of the file as it may be printed: on one line, and not longer than a line."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"


def report(
    diagnostics: Diagnostics,
    file: str,
    code: str,
    text: str,
    node: str | None = None,
    edge: Edge | None = None,
    help: str | None = None,
) -> None:
    """Adds a message about the file, one of its nodes or one of its edges; `code` says whether it is an error."""
    if node is not None:
        text = f"node '{shown(node)}': {text}"
    if edge is not None:
        text = f"edge '{shown(edge[0])}' -> '{shown(edge[1])}': {text}"
    message = Diagnostic(code, "error" if code.startswith("E") else "warning", text, file=file, help=help)
    if message not in diagnostics.items:
        diagnostics.items.append(message)


# ---------------------------------------------------------------- ends of edges


def _splits(graph: Nested, name: str) -> Iterator[tuple[str, str]]:
    """`G.port` as (G, port), wherever G is a graph; both names may have dots."""
    at = name.find(".")
    while at >= 0:
        if isinstance(graph.nodes.get(name[:at]), Nested):
            yield name[:at], name[at + 1 :]
        at = name.find(".", at + 1)


@dataclass(frozen=True)
class _Wrong:
    """Why a name at the end of an edge means no node."""

    code: str
    text: str
    help: str | None = None


def _end(graph: Nested, name: str, role: Role) -> Path | _Wrong:
    """The path of the node at one end of an edge; `role` is Input where the edge enters it."""
    node = graph.nodes.get(name)
    if isinstance(node, Node):
        return (name,)
    if isinstance(node, Nested):
        ports = node.ports(role)
        if len(ports) != 1:
            kind = "inputs" if role == "Input" else "outputs"
            text = f"graph '{shown(name)}' has {len(ports)} {kind}, so its name does not say which is meant"
            first = shown(next(iter(ports), ""))
            return _Wrong("E1010", text, f"write '{shown(name)}.{first}'" if first else None)
        return _inside(name, _end(node, next(iter(ports)), role))
    for head, port in _splits(graph, name):
        inner = graph.nodes[head]
        assert isinstance(inner, Nested)
        if port in inner.ports(role):
            return _inside(head, _end(inner, port, role))
    return _Wrong("E1008", f"there is no node '{shown(name)}'", did_you_mean(shown(name), map(shown, graph.nodes)))


def _inside(name: str, rest: Path | _Wrong) -> Path | _Wrong:
    return rest if isinstance(rest, _Wrong) else (name, *rest)


def check(graph: Nested, diagnostics: Diagnostics) -> None:
    """Reports ends of edges that are no nodes, and edges that stand twice, here and in all graphs inside."""
    within = f" of graph '{shown(graph.name)}'" if graph.name else ""
    seen: set[Edge] = set()
    # Near names are searched for the first mistakes only, and not among very many.
    suggestions = 20 if len(graph.nodes) <= 1000 else 0
    for edge in graph.edges:
        if edge in seen:
            report(diagnostics, graph.file, "E1009", f"this edge{within} stands twice", edge=edge)
        seen.add(edge)
        for name, role in zip(edge, ENDS, strict=True):
            wrong = _end(graph, name, role) if suggestions else _known(graph, name)
            if isinstance(wrong, _Wrong):
                suggestions = max(0, suggestions - 1)
                text = f"{wrong.text}{within}" if wrong.code == "E1008" else wrong.text
                report(diagnostics, graph.file, wrong.code, text, edge=edge, help=wrong.help)
    for node in graph.nodes.values():
        if isinstance(node, Nested):
            check(node, diagnostics)


def _known(graph: Nested, name: str) -> _Wrong | None:
    return None if graph._owner(name) in graph.nodes else _Wrong("E1008", f"there is no node '{shown(name)}'")


# ---------------------------------------------------------------- from nested to flat


def prepare(raw: Nested, canonical_rnn: bool, diagnostics: Diagnostics | None = None) -> Graph:
    """The flat graph of a checked file.

    With `canonical_rnn`, a subgraph of an Input, an Output, a neuron and a dense node that feed each other is
    read as input -> neuron -> output with neuron -> dense -> neuron, whatever its edges say.  Nodes of the root
    that nothing enters or leaves get an Input or Output of their own, named `input_<node>` and `output_<node>`.
    """
    flat = _Flattening(raw, canonical_rnn)
    flat.add(raw, ())
    return flat.finish(diagnostics)


class _Flattening:
    """The nodes and edges collected so far, by the path of each node."""

    def __init__(self, raw: Nested, canonical_rnn: bool) -> None:
        self.raw = raw
        self.canonical_rnn = canonical_rnn
        self.names: dict[Path, str] = {}
        self.taken: set[str] = set(raw.nodes)
        self.graph = Graph({}, [], file=raw.file)
        # For an Input or Output that is the only one of its graph: the name of that graph.
        self.alias: dict[str, str] = {}

    def add(self, graph: Nested, path: Path) -> None:
        for name, node in graph.nodes.items():
            if isinstance(node, Nested):
                self.add(node, (*path, name))
            else:
                self._add_node((*path, name), node)
        edges = _canonical_edges(graph) if self.canonical_rnn and path else None
        for source, target in graph.edges if edges is None else edges:
            start, end = _end(graph, source, "Output"), _end(graph, target, "Input")
            assert not isinstance(start, _Wrong) and not isinstance(end, _Wrong)
            self.graph.edges.append((self.names[(*path, *start)], self.names[(*path, *end)]))
        if path:
            for role in ENDS:
                self._note_only_port(graph, path, role)

    def _add_node(self, path: Path, node: Node) -> None:
        name = path[0] if len(path) == 1 else self._fresh(".".join(path))
        self.names[path] = name
        self.graph.nodes[name] = Node(name, node.type, node.fields)

    def _fresh(self, wanted: str) -> str:
        """`wanted`, or with a number where another node has that name."""
        name, count = wanted, 0
        while name in self.taken:
            name, count = f"{wanted}_{count}", count + 1
        self.taken.add(name)
        return name

    def _note_only_port(self, graph: Nested, path: Path, role: Role) -> None:
        ports = graph.ports(role)
        if len(ports) == 1:
            end = _end(graph, next(iter(ports)), role)
            if not isinstance(end, _Wrong):
                self.alias[self.names[(*path, *end)]] = ".".join(path)

    def finish(self, diagnostics: Diagnostics | None) -> Graph:
        graph = self.graph
        for role, names in zip(ENDS, (graph.outputs, graph.inputs), strict=True):
            names += [n for n, node in self.raw.nodes.items() if isinstance(node, Node) and node.type == role]
            self._set_apart(role, names)
            side = 1 if role == "Input" else 0
            met = {edge[side] for edge in graph.edges}
            met.update(names)
            for name in [n for n in graph.nodes if n not in met]:
                names.append(self._attach(role, name, diagnostics))
        graph.edges.sort()
        return graph

    def _set_apart(self, role: Role, names: list[str]) -> None:
        """Gives an input that an edge enters, or an output that one leaves, an identity that takes these edges."""
        side, graph = (1, self.graph) if role == "Input" else (0, self.graph)
        met = {edge[side] for edge in graph.edges}
        inner = {name: self._fresh(f"{name}.all") for name in names if name in met}
        graph.edges = [(inner.get(a, a), inner.get(b, b)) for a, b in graph.edges]
        for name, new in inner.items():
            graph.nodes[new] = Node(new, role, {})
            graph.edges.append((name, new) if role == "Input" else (new, name))

    def _attach(self, role: Role, name: str, diagnostics: Diagnostics | None) -> str:
        """An Input before, or an Output behind, a node that has none."""
        prefix, verb = ("input", "enters") if role == "Input" else ("output", "leaves")
        new = self._fresh(f"{prefix}_{self.alias.get(name, name)}")
        self.graph.nodes[new] = Node(new, role, {})
        self.graph.edges.append((new, name) if role == "Input" else (name, new))
        if diagnostics is not None:
            text = f"no edge {verb} it; it becomes the {prefix} '{shown(new)}'"
            report(diagnostics, self.raw.file, "W1004", text, node=name)
        return new


def _canonical_edges(graph: Nested) -> list[Edge] | None:
    """The edges of the canonical recurrent network, where the graph consists of its four nodes."""
    nodes = [node for node in graph.nodes.values() if isinstance(node, Node)]
    if len(graph.nodes) != 4 or len(nodes) != 4:
        return None
    by_kind = {_kind(node): name for name, node in graph.nodes.items() if isinstance(node, Node)}
    if set(by_kind) != {"Input", "Output", "neuron", "dense"}:
        return None
    start, end, neuron, dense = (by_kind[kind] for kind in ("Input", "Output", "neuron", "dense"))
    if not {(neuron, dense), (dense, neuron)} <= set(graph.edges):
        return None
    return [(start, neuron), (neuron, dense), (dense, neuron), (neuron, end)]


def _kind(node: Node) -> str:
    if node.type in NEURONS:
        return "neuron"
    return "dense" if node.type in ("Affine", "Linear") else node.type


def rnn_subgraphs(raw: Nested) -> list[str]:
    """The paths of the subgraphs that can be read as the canonical recurrent network."""
    found = []
    waiting = [node for node in raw.nodes.values() if isinstance(node, Nested)]
    while waiting:
        graph = waiting.pop()
        if _canonical_edges(graph) is not None:
            found.append(graph.name)
        waiting += [node for node in graph.nodes.values() if isinstance(node, Nested)]
    return sorted(found)


def port_names(graph: Graph) -> dict[str, str]:
    """What the inputs and outputs of the root are called outside: by their names.

    Writers of NIR call an input or output that the network did not name after its neighbour, `input_<node>` and
    `output_<node>`; where it is the only one, it is plainly `input` or `output`.
    """
    names = {name: name for name in [*graph.inputs, *graph.outputs]}
    targets = dict(graph.edges)
    sources = {target: source for source, target in graph.edges}
    if len(graph.inputs) == 1 and graph.inputs[0] == f"input_{targets.get(graph.inputs[0], '')}":
        names[graph.inputs[0]] = "input"
    if len(graph.outputs) == 1 and graph.outputs[0] == f"output_{sources.get(graph.outputs[0], '')}":
        names[graph.outputs[0]] = "output"
    return names
