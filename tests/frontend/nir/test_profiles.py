"""Every profile's neurons against equations of their own, and against what the frameworks computed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy import exp, expm1, floor, log, trunc, where
from spikec.dialects.diagnostics import Diagnostics, UsageError
from spikec.frontend import build as front_end
from spikec.frontend.expressions import Clock
from spikec.frontend.nir.graph import Graph, Node
from spikec.frontend.nir.profiles import (
    PROFILES,
    SPIKING,
    Semantics,
    bindings,
    check,
    declarations,
    faults,
    needs_dt,
    neuron_for,
    open_questions,
)

Array = np.ndarray[Any, Any]
Layer = Callable[..., Array]
FIELDS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "I": ("r",),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}


@pytest.fixture
def layer(simulate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layer:
    """`layer(node, semantics, x, real=32, recurrent=False)`: what a population of the node's neuron sends in each step."""

    def run(node: Node, semantics: Semantics, x: Array, real: int = 32, recurrent: bool = False) -> Array:
        clock = Clock(semantics.dt or Fraction(1), in_steps=True)
        monkeypatch.setattr(front_end._Builder, "_clock", lambda self, model: clock)
        chosen = neuron_for(node.type, semantics)
        shape = x.shape[1:]
        bound = bindings(node, semantics, shape, recurrent)
        np.savez(tmp_path / "p.npz", **{k: v for k, v in bound.items() if isinstance(v, np.ndarray)})
        arguments = [f"{name} = {_written(name, value)}" for name, value in bound.items()]
        extent = ", ".join(map(str, shape))
        model = f"""
            model One {{
              step 1 steps
              input x : real[{extent}]
              y = {chosen.name}[{extent}]({", ".join(["x", *arguments])})
              output y = y
            }}"""
        source = Path(PROFILES[chosen.profile].file + ".snn")
        text = (Path(front_end.__file__).parent.parent / "std" / "nir" / source).read_text("utf-8") + model
        sent = np.asarray(simulate(text, len(x), {"x": x}, real=real).outputs["y"], dtype=np.float64)
        return np.concatenate([np.zeros_like(sent[:1]), sent[:-1]]) if semantics.delayed_outputs(node.type) else sent

    return run


def _written(name: str, value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f'load("p.npz", "{name}")'
    if isinstance(value, bool):
        return str(value).lower()
    return f"({value!r})"


# ---------------------------------------------------------------- the profiles once more, in numpy


def _after_reset(v: Array, z: Array, p: dict[str, Array], reset: str) -> Array:
    kinds = {"value": p.get("v_reset", 0.0), "zero": 0.0, "subtract": v - p["v_threshold"], "none": v}
    return where(z, kinds[reset], v)


def nir_like(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float, euler: bool) -> Iterator[Array]:
    def rate(tau: Array) -> Array:
        return dt / tau if euler else 1 - exp(-dt / tau)

    v, current = _start(p, o), np.zeros(1)
    x = yield np.zeros(0)
    while True:
        if kind.startswith("Cuba"):
            before = current
            current = current + rate(p["tau_syn"]) * (p["w_in"] * x - current)
            seen = before if o["cuba_order"] == "old" else current
            v = v + rate(p["tau_mem"]) * (p["v_leak"] - v + p["r"] * seen)
        elif kind in ("IF", "I"):
            v = v + dt * p["r"] * x
        else:
            v = v + rate(p["tau"]) * (p["v_leak"] - v + p["r"] * x)
        z = v > p["v_threshold"] if kind in SPIKING else None
        if z is not None:
            v = _after_reset(v, z, p, o["reset"])
        x = yield (v if z is None else z)


def _start(p: dict[str, Array], o: dict[str, Any]) -> Array:
    return np.asarray(p.get(o["v0"], 0.0))


def snntorch(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    thr, v, current = p["v_threshold"], _start(p, o), 0.0
    x = yield np.zeros(0)
    while True:
        rst = v > thr
        if kind == "CubaLIF":
            current = np.clip(1 - dt / p["tau_syn"], 0, 1) * current + x
            new = np.clip(1 - dt / p["tau_mem"], 0, 1) * v + current
        else:
            new = np.clip(1 - dt / p["tau"], 0, 1) * v + x
        if o["reset"] == "subtract":
            new = new - rst * thr
        elif o["reset"] == "zero" and kind == "LIF" and not o["recurrent"]:
            new = np.clip(1 - dt / p["tau"], 0, 1) * (1 - rst) * v + x
        elif o["reset"] == "zero":
            new = new - rst * new
        v = new
        z = v > thr
        if not o["reset_delay"] and o["reset"] != "none":
            extra = z.astype(float) - rst
            v = v - extra * (thr if o["reset"] == "subtract" else v)
        x = yield z


def norse(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    v = _start(p, o)
    current = v if o["cuba"] == "import" else 0.0
    x = yield np.zeros(0)
    while True:
        if kind == "IF":
            v = v + x
        elif kind != "CubaLIF":
            v = v + dt / p["tau"] * (p["v_leak"] - v + x)
        elif o["cuba"] == "import":
            current = current + dt / p["tau_syn"] * (p["v_leak"] - current + p["w_in"] * x)
            v = v + dt / p["tau_mem"] * (p["v_leak"] - v + p["r"] * current)
        else:
            j = current + x
            v = v + dt / p["tau_mem"] * (p["v_leak"] - v + j)
            current = j - dt / p["tau_syn"] * j
        z = v > p["v_threshold"] if kind in SPIKING else None
        if z is not None:
            v = _after_reset(v, z, p, o["reset"])
        x = yield (v if z is None else z)


def sinabs(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    a = 1.0 if kind == "IF" else exp(-dt / p["tau"])
    gain = 1 - a if o["norm_input"] and kind != "IF" else 1
    v = _start(p, o)
    x = yield np.zeros(0)
    while True:
        v = a * v + gain * x
        if kind == "LI":
            x = yield v
            continue
        thr = p["v_threshold"]
        z = (v >= thr) * 1.0 if o["single_spike"] else where(v > 0, trunc(v / thr), 0)
        v = v - z * thr if o["reset"] == "subtract" else where(z > 0, 0, v)
        if o["min_v_mem"] != "":
            v = np.maximum(v, -thr if o["min_v_mem"] == "-thr" else o["min_v_mem"])
        x = yield z


def spyx(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    v, current = np.zeros(1), 0.0
    x = yield np.zeros(0)
    while True:
        if kind == "LI":
            v = (1 - dt / p["tau"]) * v + x
            x = yield v
            continue
        thr = p["v_threshold"]
        z = v > thr
        if kind == "IF":
            v = v + x - z * thr
        elif kind == "LIF":
            v = (1 - dt / p["tau"]) * v + x - z * thr
        else:
            current = (1 - dt / p["tau_syn"]) * current + x
            v = (1 - dt / p["tau_mem"]) * (v - z * thr) + current
        x = yield np.broadcast_to(z, thr.shape)


def rockpool(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    v, current = _start(p, o), 0.0
    x = yield np.zeros(0)
    while True:
        if kind == "LI":
            v = (v + x) * exp(-dt / p["tau"])
            x = yield v
            continue
        if kind == "LIF":
            v = v * exp(-dt / p["tau"]) + x
        else:
            current = (current + x) * exp(-dt / p["tau_syn"])
            v = v * exp(-dt / p["tau_mem"]) + current + p["v_leak"]
        z = where(v >= p["v_threshold"], floor(v / p["v_threshold"]), 0)
        v = v - z * p["v_threshold"]
        x = yield z


def spikingjelly(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    v, current = _start(p, o), 0.0
    x = yield np.zeros(0)
    while True:
        if kind == "IF":
            v = v + x
        elif kind == "LIF":
            n = p["tau"] / dt
            v = v + (p["v_reset"] - v) / n + where(p["r"] == 1, x / n, x)
        else:
            current = (1 - dt / p["tau_syn"]) * current + x
            v = (1 - dt / p["tau_mem"]) * v + current
        z = v >= p["v_threshold"]
        v = where(z, p["v_reset"], v)
        x = yield z


def nengo(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    v, shown, last = np.zeros(1), 0.0, 0.0
    x = yield np.zeros(0)
    while True:
        if kind in ("LI", "CubaLIF"):
            tau = p["tau"] if kind == "LI" else -dt / log(1 - dt / p["tau_syn"])
            shown = exp(-dt / tau) * shown + (1 - exp(-dt / tau)) * last
            last = x
            if kind == "LI":
                x = yield np.broadcast_to(shown, x.shape)
                continue
        if kind == "IF":
            v = v + x / p["v_threshold"]
            z = v > 1
        else:
            drive = x / p["v_threshold"] if kind == "LIF" else shown * p["w_in"] * p["r"] / p["v_threshold"]
            v = v - (drive - v) * expm1(-dt / p["tau" if kind == "LIF" else "tau_mem"])
            z = v > 1
            v = np.maximum(v, 0)
        v = where(z, 0, v)
        x = yield z * (o["spike_scale"] if kind == "LIF" else 1.0)


def lava(kind: str, p: dict[str, Array], o: dict[str, Any], dt: float) -> Iterator[Array]:
    def decayed(state: Array, tau: Array) -> Array:
        product = state * (4096 - np.rint(4096 * dt / tau).astype(np.int64))
        return np.sign(product) * (np.abs(product) >> 12)

    current = v = np.zeros(p["tau_syn"].shape, np.int64)
    x = yield np.zeros(0)
    while True:
        current = decayed(current, p["tau_syn"]) + trunc(4096 * x).astype(np.int64)
        v = decayed(v, p["tau_mem"]) + current
        z = v > floor(64 * p["v_threshold"]).astype(np.int64) * 64
        v = where(z, 0, v)
        x = yield z


MODELS: dict[str, Callable[..., Any]] = {
    "nir-euler": lambda *a: nir_like(*a, euler=True),
    "exponential": lambda *a: nir_like(*a, euler=False),
    **{f.__name__: f for f in (snntorch, norse, sinabs, spyx, rockpool, spikingjelly, nengo, lava)},
}
# The options to go through, beside the defaults.
VARIANTS = {
    "nir-euler": ["reset=zero", "reset=subtract,cuba_order=old", "reset=none", "v0=v_leak", "v0=v_reset"],
    "exponential": ["reset=zero", "reset=subtract,cuba_order=old", "reset=none", "v0=v_leak"],
    "snntorch": [
        "reset=zero",
        "reset=none",
        "reset=none,reset_delay=false",
        "reset_delay=false",
        "reset=zero,reset_delay=false",
    ],
    "norse": ["reset=subtract", "cuba=import", "v0=zero", "reset=none,cuba=import"],
    "sinabs": ["reset=zero", "norm_input=true", "single_spike=true", "min_v_mem=-thr", "min_v_mem=-0.25,reset=value"],
    "spyx": [],
    "rockpool": ["v0=v_leak"],
    "spikingjelly": ["v0=zero"],
    "nengo": ["spike_scale=1000"],
    "lava": [],
}
DEFINED = [
    (profile, kind, variant)
    for profile in PROFILES
    for kind in FIELDS
    if kind in declarations(profile)
    for variant in ["", *VARIANTS[profile]]
    if (profile, kind, "min_v_mem" in variant) != ("sinabs", "LI", True)
]


def random_node(kind: str, dt: float, shape: tuple[int, ...], seed: int) -> Node:
    """Parameters that differ between cells; the gains are such that the cells spike now and then."""
    random = np.random.default_rng(seed)
    ranges = {
        "tau": (3 * dt, 12 * dt),
        "tau_syn": (2 * dt, 8 * dt),
        "tau_mem": (3 * dt, 12 * dt),
        "v_leak": (-0.2, 0.2),
        "v_reset": (-0.3, 0.1),
        "v_threshold": (0.6, 1.4),
        "w_in": (1.0, 3.0),
        "r": (0.5 / dt, 1.5 / dt) if kind in ("I", "IF") else (1.0, 3.0),
    }
    fields = {name: random.uniform(*ranges[name], shape).astype(np.float32).astype(float) for name in FIELDS[kind]}
    if kind == "LIF":
        fields["r"].flat[0] = 1.0
    return Node("n", kind, dict(fields))


@pytest.mark.parametrize("real", [32, 64])
@pytest.mark.parametrize(("profile", "kind", "variant"), DEFINED)
def test_equations(profile: str, kind: str, variant: str, real: int, layer: Layer) -> None:
    text = ",".join([profile, *filter(None, [variant])])
    semantics = Semantics.parse(text, None if PROFILES[profile].dt else "0.001")
    assert semantics.dt is not None
    dt, shape = float(semantics.dt), (3, 4)
    for recurrent in (False, True) if (profile, kind) == ("snntorch", "LIF") else (False,):
        node = random_node(kind, dt, shape, seed=len(variant))
        assert faults(node, semantics) == []
        x = np.random.default_rng(7).normal(0.8, 1.5, (50, *shape))
        x = np.round(x * 64) / 64
        got = layer(node, semantics, x, real, recurrent)
        options = {"cuba_order": "new", **semantics.options, "recurrent": recurrent}
        model = MODELS[profile](kind, node.fields, options, dt)
        next(model)
        want = np.stack([np.broadcast_to(model.send(slice), shape) for slice in x]).astype(float)
        assert np.count_nonzero(want) > 0
        if kind in SPIKING:
            np.testing.assert_array_equal(got, want)
        else:
            np.testing.assert_allclose(got, want, rtol=0, atol=(1e-5 if real == 32 else 1e-12) * np.abs(want).max())


def test_lava_states_of_24_bits_are_exact(layer: Layer) -> None:
    semantics = Semantics.parse("lava")
    node = random_node("CubaLIF", 1e-4, (8,), seed=3)
    node.fields["v_threshold"] = np.full(8, 600.0) + np.arange(8) / 64
    x = np.round(np.random.default_rng(5).normal(30, 90, (80, 8)) * 64) / 64
    model = lava("CubaLIF", node.fields, {}, 1e-4)
    next(model)
    want = np.stack([model.send(slice) for slice in x])
    assert 0 < want.sum() < want.size
    np.testing.assert_array_equal(layer(node, semantics, x), want)


def test_one_value_for_all_cells_is_a_number() -> None:
    fields = {name: np.full((2, 3), 2.0) for name in FIELDS["LIF"]} | {"r": np.arange(3.0) + np.zeros((2, 1))}
    bound = bindings(Node("n", "LIF", dict(fields)), Semantics.parse("nir-euler,reset=zero"), (2, 3))
    assert bound["tau"] == 2.0 and bound["v_reset"] == 0.0 and bound["v0"] == 0.0
    assert isinstance(bound["r"], np.ndarray) and bound["r"].shape == (2, 3)


# ---------------------------------------------------------------- what the frameworks computed


def _folder() -> Path | None:
    root = os.environ.get("SPIKEC_CONFORMANCE")
    return Path(root) / "nir" / "cases" if root else None


def _read(path: Path) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    with h5py.File(path) as file:
        nodes = {
            name: Node(
                name, group["type"][()].decode(), {k: np.asarray(v[()], float) for k, v in group.items() if k in _USED}
            )
            for name, group in file["node/nodes"].items()
        }
        return nodes, [(a.decode(), b.decode()) for a, b in file["node/edges"][()]]


_USED = {"weight", "bias", "threshold", "scale", *(f for fields in FIELDS.values() for f in fields)}
# Nodes with one way through them that numpy computes in a line.
_CHAIN = {"Input", "Output", "Affine", "Linear", "Scale", "Threshold", *FIELDS}


def _chain(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> list[Node] | None:
    """The nodes from Input to Output where they stand in one line and are of types that this test can execute."""
    follow = dict(edges)
    name = next(n for n in nodes if nodes[n].type == "Input")
    if len(follow) != len(edges) or len(edges) != len(nodes) - 1 or any(n.type not in _CHAIN for n in nodes.values()):
        return None
    line = []
    while name in follow:
        name = follow[name]
        line.append(nodes[name])
    return line


def test_chains_of_the_conformance_cases(layer: Layer, record_property: Any) -> None:
    folder = _folder()
    if folder is None:
        pytest.skip("SPIKEC_CONFORMANCE is not set")
    done: dict[str, int] = {}
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        line = (
            _chain(*_read(folder / f"{case['case']}.nir"))
            if "input" in np.load(folder / f"{case['case']}.npz")
            else None
        )
        if line is None:
            continue
        words = [case["semantics"], *(f"{k}={str(v).lower()}" for k, v in case["options"].items())]
        semantics = Semantics.parse(",".join(words), repr(case["dt"]))
        stored = np.load(folder / f"{case['case']}.npz")
        (want,) = [stored[key] for key in stored.files if key.startswith("out_")]
        got = _execute(line, semantics, stored["input"].astype(float), layer)
        (output,) = case["outputs"].values()
        limit = 0.0 if output["tolerance"] == "exact" else float(output["tolerance"].split("<=")[1])
        assert np.abs(got - want).max() <= limit, case["case"]
        done[case["semantics"]] = done.get(case["semantics"], 0) + 1
    record_property("report", "NIR chains by profile\n" + ", ".join(f"{k} {v}" for k, v in sorted(done.items())))
    assert set(done) >= {
        "nir-euler",
        "snntorch",
        "norse",
        "sinabs",
        "spyx",
        "rockpool",
        "spikingjelly",
        "nengo",
        "lava",
    }


def _execute(line: list[Node], semantics: Semantics, x: Array, layer: Layer) -> Array:
    for node in line:
        match node.type:
            case "Affine" | "Linear":
                x = x @ node.fields["weight"].T + node.fields.get("bias", 0.0)  # type: ignore[union-attr]
            case "Scale":
                x = x * node.fields["scale"]
            case "Threshold":
                x = (x > node.fields["threshold"]).astype(float)
            case "Output":
                pass
            case _:
                x = layer(node, semantics, x)
    return x


# ---------------------------------------------------------------- the options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("snntorhc", "did you mean 'snntorch'?"),
        ("snntorch,rset=zero", "did you mean 'reset'?"),
        ("snntorch,reset=value", "subtract or zero or none"),
        ("rockpool,reset=zero", "takes subtract for 'reset'"),
        ("snntorch,reset_delay=True", "true or false"),
        ("sinabs,min_v_mem=nan", "-thr or a number"),
        ("nengo,cuba=import", "it belongs to norse"),
        ("nengo,spike_scale=1e999", "a number"),
        ("norse,v0", "'v0' is not KEY=VALUE"),
        ("norse,", "'' is not KEY=VALUE"),
        ("norse,v0=zero,v0=zero", "'v0' twice"),
        (",v0=zero", "unknown profile ''"),
    ],
)
def test_wrong_semantics(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Semantics.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e-999999999", "1e999999999", "1 ms", "1/2", ""])
def test_wrong_dt(text: str) -> None:
    with pytest.raises(UsageError, match="positive number"):
        Semantics.parse("norse", text)


def test_defaults() -> None:
    assert Semantics.parse().profile == "nir-euler"
    assert Semantics.parse("norse", "1e-06").dt == Fraction(1, 10**6)
    steps = {name: Semantics.parse(name).dt for name in PROFILES}
    assert steps == {
        **dict.fromkeys(["snntorch", "spikingjelly", "lava"], Fraction(1, 10_000)),
        **dict.fromkeys(["spyx", "sinabs"], Fraction(1)),
        "rockpool": Fraction(1, 1000),
        "nir-euler": None,
        "exponential": None,
        "norse": None,
        "nengo": None,
    }
    assert Semantics.parse("norse").options["v0"] == "v_leak"
    assert Semantics.parse("spikingjelly").options["v0"] == "v_reset"
    assert Semantics.parse("lava,delay_shift=true").axonal_delay
    spyx = Semantics.parse("spyx,drop_rec_bias=true,rnn_subgraph=canonical")
    assert spyx.drop_rec_bias and spyx.canonical_rnn and not spyx.zero_current


def test_where_time_matters() -> None:
    euler, norse, sinabs = (Semantics.parse(p) for p in ("nir-euler", "norse", "sinabs"))
    assert needs_dt("IF", euler) and needs_dt("LIF", norse) and needs_dt("Delay", norse)
    assert not needs_dt("IF", norse) and not needs_dt("IF", sinabs) and not needs_dt("Affine", euler)
    assert needs_dt("I", norse)  # which Norse does not have


def test_a_primitive_that_a_profile_does_not_define() -> None:
    node = random_node("IF", 1e-4, (3,), seed=1)
    asked, default = Semantics.parse("snntorch,reset=zero"), Semantics.parse("snntorch")
    chosen = neuron_for("IF", default)
    assert chosen == ("nir-euler", "IF", True)
    # Its reset is that of nir-euler, unless the command line says another.
    assert not bindings(node, default)["subtract"] and np.array_equal(
        bindings(node, default)["v_reset"], node.fields["v_reset"]
    )
    assert bindings(node, asked)["v_reset"] == 0.0


def test_faults() -> None:
    node = random_node("LIF", 1.0, (3,), seed=1)
    node.fields["tau"] = np.array([1.0, 0.0, 2.0])
    node.fields["v_threshold"] = np.array([0.0, 1.0, 1.0])
    del node.fields["v_reset"], node.fields["r"]
    assert faults(node, Semantics.parse("nir-euler")) == ["its 'tau' must be positive", "it has no 'r'"]
    assert faults(node, Semantics.parse("rockpool")) == [
        "its 'tau' must be positive",
        "its 'v_threshold' must be positive under the profile rockpool",
    ]


def test_open_questions() -> None:
    lif, cuba = random_node("LIF", 1.0, (3,), seed=1), random_node("CubaLIF", 1.0, (3,), seed=1)
    weights = np.ones((3, 3))
    nodes = {
        "in": Node("in", "Input", {}),
        "a": Node("a", "LIF", lif.fields | {"v_leak": np.zeros(3), "v_reset": np.zeros(3)}),
        "w": Node("w", "Affine", {"weight": weights, "bias": np.ones(3)}),
        "b": Node("b", "CubaLIF", cuba.fields),
        "out": Node("out", "Output", {}),
    }
    edges = [("in", "a"), ("a", "w"), ("w", "a"), ("a", "b"), ("b", "out")]
    graph = Graph(nodes, edges, ["in"], ["out"], recurrent=frozenset([("w", "a")]))

    def asked(semantics: Semantics) -> dict[str, tuple[str | None, tuple[str, ...]]]:
        return {q.name: (q.default, q.nodes) for q in open_questions(graph, semantics)}

    assert asked(Semantics.parse()) == {
        "profile": ("nir-euler", ("a", "b")),
        "dt": (None, ("a", "b")),
        "rec_init": ("zero-spike", ("w",)),
        "v0": ("zero", ("b",)),
        "reset": ("value", ("a", "b")),
        "cuba_order": ("new", ("b",)),
    }
    given = Semantics.parse("snntorch,reset=zero,rec_init=zero-spike,v0=zero", "1e-4")
    assert asked(given) == {"reset_delay": ("true", ("a", "b"))}
    (first,) = open_questions(graph, given)
    assert first.option == "--semantics snntorch,reset_delay=VALUE" and first.values == ("true", "false")
    assert "rnn_subgraph" in {q.name for q in open_questions(graph, given, rnn_subgraphs=["r"])}


def test_check() -> None:
    nodes = {"a": random_node("IF", 1.0, (3,), seed=1), "b": random_node("LIF", 1.0, (3,), seed=1)}
    nodes = {name: Node(name, node.type, node.fields) for name, node in nodes.items()}
    graph = Graph(nodes, [("a", "b")], file="net.nir")
    found = Diagnostics()
    check(graph, Semantics.parse("snntorch"), found)
    assert [(d.code, d.message) for d in found.items] == [
        ("W1006", "node 'a': the profile snntorch has no IF: it takes that of nir-euler")
    ]
    with pytest.raises(UsageError, match=r"node 'b' needs a time step"):
        check(graph, Semantics.parse("norse"), Diagnostics())
    nodes["b"].fields["tau"] = np.zeros(3)
    found = Diagnostics()
    check(graph, Semantics.parse("norse"), found)
    assert [(d.code, d.message) for d in found.items] == [("E1006", "node 'b': its 'tau' must be positive")]
