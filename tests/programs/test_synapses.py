"""Synapse programs against numpy, where their states live, and the same bits on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects.notes import Table
from spikec.runtime.run import Run

from .engines import Array, differences, run_everywhere

STEPS = 60
SOURCES, TARGETS = 20, 12
# Shows what reaches its port in this step.
SHOWS = "neuron Shows { in I; var V = 0; V := I }"


def run(folder: Path, body: str, inputs: Mapping[str, Array], real: int = 64) -> Run:
    """The run of a model on the CPU, after all engines have agreed on it."""
    path = folder / "m.snn"
    path.write_text(f"model M {{\n  step 1 ms\n{body}\n}}\n")
    runs = run_everywhere(path, inputs, len(next(iter(inputs.values()))), seed=3, real=real)
    assert differences(runs) == []
    return runs["cpu"]


def spikes(density: float = 0.2, sources: int = SOURCES) -> Array:
    return np.random.default_rng(1).random((STEPS, sources)) < density


def matrix(folder: Path, connect: str) -> Array:
    """The weights [source, target] of the projection `p`: each source spikes alone, in a step of its own."""
    text = f"""{SHOWS}
        input x : spikes[{SOURCES}]
        pop b : Shows[{TARGETS}]
        proj p : x -> b.I {{ {connect} }}
        probe b.V"""
    probes: Mapping[str, Array] = run(folder, text, {"x": np.eye(SOURCES, dtype=bool)}).probes
    return probes["b.V"]


def projected(program: str, options: str, name: str = "s") -> str:
    return f"""{SHOWS}
        {program}
        input x : spikes[{SOURCES}]
        pop b : Shows[{TARGETS}]
        proj p : x -> b.I {{ {options}; synapse {name} }}
        probe b.V"""


# ---------------------------------------------------------------- against numpy


def test_short_term_plasticity_over_drawn_connections(tmp_path: Path) -> None:
    """Tsodyks and Markram: u and x change with the spikes of the source alone, and g is a sum over synapses."""
    program = """synapse s(U = 0.3, tau_f: time = 40 ms, tau_d: time = 90 ms, tau: time = 4 ms) {
          var u per synapse = 0
          var x per synapse = 1
          var g per synapse = 0
          u' = -u / tau_f
          x' = (1 - x) / tau_d
          g' = -g / tau
          on pre { u += U * (1 - u); g += w * u * x; x -= u * x }
          out g
        }"""
    connect = "connect prob(0.1) seed 4; weight uniform(0, 1) seed 5"
    given = spikes()
    text = projected(program, connect, "s()") + ", p.u, p.g"
    found = run(tmp_path, text, {"x": given}).probes
    weights = matrix(tmp_path, connect)
    assert 0.05 < np.count_nonzero(weights) / weights.size < 0.2
    u, x = np.zeros_like(weights), np.ones_like(weights)
    g = np.zeros_like(weights)
    arrived = []
    for step in given:
        u, x, g = u * np.exp(-1 / 40), 1 + (x - 1) * np.exp(-1 / 90), g * np.exp(-1 / 4)
        now = step[:, np.newaxis]
        u = np.where(now, u + 0.3 * (1 - u), u)
        g = np.where(now, g + weights * u * x, g)
        x = np.where(now, x - u * x, x)
        arrived.append(g.sum(axis=0))
    assert np.abs(found["b.V"] - arrived).max() < 1e-12
    assert found["p.u"].shape == (STEPS, SOURCES) and found["p.g"].shape == (STEPS, TARGETS)


def test_an_exponential_current_is_one_state_per_target(tmp_path: Path) -> None:
    program = "synapse s(tau: time) { var g per synapse = 0; g' = -g / tau; on pre { g += w }; out 2 * g }"
    connect = "connect fixed_in(5) seed 1; weight uniform(-1, 1) seed 5"
    given = spikes()
    found = run(tmp_path, projected(program, connect, "s(3 ms)") + ", p.g", {"x": given}).probes
    weights, g = matrix(tmp_path, connect), np.zeros(TARGETS)
    for step, arrived in zip(given, found["b.V"], strict=True):
        g = g * np.exp(-1 / 3) + step @ weights
        assert np.abs(arrived - 2 * g).max() < 1e-12
    assert found["p.g"].shape == (STEPS, TARGETS)


def test_what_a_spike_sets_is_one_state_per_source(tmp_path: Path) -> None:
    program = "synapse s(tau: time) { var g per synapse = 0; g' = -g / tau; on pre { g := 1 ms / tau }; out w * g }"
    connect = "connect prob(0.3) seed 1; weight choice(-3, 3) seed 5"
    given = spikes()
    found = run(tmp_path, projected(program, f"{connect}; delay 2 ms", "s(2 ms)") + ", p.g", {"x": given}).probes
    weights, g = matrix(tmp_path, connect), np.zeros(SOURCES)
    late = np.vstack([np.zeros((2, SOURCES), bool), given[:-2]])
    for step, arrived in zip(late, found["b.V"], strict=True):
        g = np.where(step, 0.5, g * np.exp(-1 / 2))
        assert np.abs(arrived - g @ weights).max() < 1e-12
    assert found["p.g"].shape == (STEPS, SOURCES)


def test_a_state_of_each_synapse_with_parameters_of_its_own(tmp_path: Path) -> None:
    """Saturating conductances of a graded source, with delay: nothing of it can be shared."""
    pairs = [(0, 1), (0, 3), (2, 1), (3, 0), (3, 0), (1, 2)]
    rows = [(*pair, 0.1 * (n + 1), 0.5 * n) for n, pair in enumerate(pairs)]
    (tmp_path / "t.csv").write_text("pre,post,weight,E\n" + "".join(f"{a},{b},{w},{e}\n" for a, b, w, e in rows))
    text = """neuron Graded { in I; var V = 0; V := 0.5 * V + I; out sigmoid(V) }
        synapse s(E = 1.0, tau: time = 5 ms) {
          var s per synapse = 0.25
          s' = (pre.out * (1 - s) - s) / tau
          out w * s * (E - post.V)
        }
        input x : real[4]
        pop n : Graded[4]
        n.I += x
        proj p : n -> n.I { connect from("t.csv"); weight from("t.csv"); delay 2 ms; synapse s(E = from("t.csv", "E")) }
        probe n.V, p.s"""
    given = np.random.default_rng(2).normal(size=(STEPS, 4))
    found = run(tmp_path, text, {"x": given}).probes
    order = sorted(range(len(pairs)), key=lambda n: pairs[n])
    pre, post = (np.array([pairs[n][end] for n in order]) for end in (0, 1))
    weight, reversal = (np.array([rows[n][column] for n in order]) for column in (2, 3))
    v, s, outs = np.zeros(4), np.full(len(pairs), 0.25), [np.zeros(4)] * 2
    out = np.zeros(4)
    for step, seen, states in zip(given, found["n.V"], found["p.s"], strict=True):
        outs.append(out)
        p = outs[-3][pre]
        level = p / (p + 1)
        s = level + (s - level) * np.exp(-(p + 1) / 5)
        arrived = step.copy()
        np.add.at(arrived, post, weight * s * (reversal - v[post]))
        v = 0.5 * v + arrived
        out = 1 / (1 + np.exp(-v))
        assert np.abs(seen - v).max() < 1e-12 and np.abs(states - s).max() < 1e-12


def test_gap_junctions(tmp_path: Path) -> None:
    """Two populations and their slices; the sum of what the junctions move is zero."""
    text = """neuron Cell { in I; var V = uniform(-1, 1); V := V + 0.1 * I }
        synapse junction { out w * (pre.V - post.V) }
        input x : real[3]
        pop a : Cell[6]
        pop b : Cell[3]
        b.I += x
        proj a -> a.I { connect all if pre != post; weight 0.2; synapse junction() }
        proj a[2:5] -> b.I { connect one_to_one; synapse junction() }
        proj b -> a[2:5].I { connect one_to_one; synapse junction }
        probe a.V, b.V"""
    found = run(tmp_path, text, {"x": np.zeros((STEPS, 3))}).probes
    a, b = found["a.V"][0], found["b.V"][0]
    for seen_a, seen_b in zip(found["a.V"][1:], found["b.V"][1:], strict=True):
        flow = 0.2 * (a.sum() - 6 * a)
        flow[2:5] += b - a[2:5]
        a, b = a + 0.1 * flow, b + 0.1 * (a[2:5] - b)
        assert np.abs(seen_a - a).max() < 1e-12 and np.abs(seen_b - b).max() < 1e-12
    total = found["a.V"].sum(axis=1) + found["b.V"].sum(axis=1)
    assert np.abs(total - total[0]).max() < 1e-12


def test_a_handler_acts_where_a_graded_event_is_not_zero(tmp_path: Path) -> None:
    text = f"""{SHOWS}
        neuron Graded {{ in I; var V = 0; V := I; spike when V > 1 emit 2 * V {{ }} }}
        synapse s {{ var n per synapse = 0, last per synapse = 0; on pre {{ n += 1; last := pre }}; out w * (n + last) }}
        input x : real[2]
        pop a : Graded[2]
        pop b : Shows[1]
        a.I = x
        proj p : a -> b.I {{ connect all; weight 0.5; synapse s() }}
        probe p.n, p.last, b.V"""
    given = np.array([[2.0, 0.0], [0.5, 3.0], [1.5, 0.0]])
    found = run(tmp_path, text, {"x": given}).probes
    assert found["p.n"].tolist() == [[1, 0], [1, 1], [2, 1]]
    assert found["p.last"].tolist() == [[4, 0], [4, 6], [3, 6]]
    assert found["b.V"].tolist() == [[2.5], [6], [6]]


# ---------------------------------------------------------------- where states live

PER_SOURCE, PER_TARGET, PER_SYNAPSE = (STEPS, SOURCES), (STEPS, TARGETS), (STEPS, 3 * TARGETS)


@pytest.mark.parametrize(
    ("statements", "shape"),
    [
        ("on pre { g := w }; out g", PER_SYNAPSE),
        ("on pre { g := 1 }; out w * g", PER_SOURCE),
        ("on pre { g := 1 }; out w * g * (1 - post.V)", PER_SOURCE),
        ("on pre { g := 1 }; out w * (g - post.V)", PER_SYNAPSE),
        ("on pre { g += w }; out g", PER_TARGET),
        ("on pre { g -= 2 * w / 3 }; g *= 0.5; out -g * (1 - post.V)", PER_TARGET),
        ("g' = -g / 5 ms; on pre { g += w }; out g * g", PER_SYNAPSE),
        ("g' = (1 - g) / 5 ms; on pre { g += w }; out g", PER_SYNAPSE),
        ("g' = (post.V - g) / 5 ms; on pre { g += w }; out g", PER_SYNAPSE),
        ("g' = (w - g) / 5 ms; out g", PER_SYNAPSE),
        ("k = 1 - g; on pre { g += k * w }; out g", PER_SYNAPSE),
        ("on pre { half = w / 2; g += half }; out g", PER_SYNAPSE),
    ],
)
def test_where_a_state_lives(statements: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Whichever place it is, a sum over all synapses of the same equations, written out, gives the same."""
    program = f"synapse s {{ var g per synapse = 0; {statements} }}"
    apart = f"synapse s {{ var g per synapse = 0; {statements.replace('out ', 'out 1 * (0 * w + 1) * ')} }}"
    options = "connect fixed_in(3) seed 2; weight uniform(0.1, 0.3) seed 1"
    given = {"x": spikes()}
    found = run(tmp_path, projected(program, options) + ", p.g", given).probes
    slow = run(tmp_path, projected(apart, options) + ", p.g", given).probes
    assert found["p.g"].shape == shape and slow["p.g"].shape == PER_SYNAPSE
    assert np.abs(found["b.V"] - slow["b.V"]).max() < 1e-9
    assert np.abs(found["b.V"]).max() > 0


def test_the_places_are_told_and_hidden_populations_are_not(tmp_path: Path) -> None:
    program = "synapse s { var u per pre = 0; var g per synapse = 0; on pre { u += 1; g += w * u }; out g }"
    path = tmp_path / "m.snn"
    body = projected(program, "connect prob(0.5); weight uniform(0, 1)")
    path.write_text(f"model M {{\n  step 1 ms\n{body}\n}}\n")
    loaded = spikec.load(path)
    (table,) = (note for note in loaded.notes if isinstance(note, Table))
    assert table.rows == (("p", "s", "one state per source and target"),)
    assert list(spikec.compile(loaded).run({"x": spikes()}, STEPS).counts) == ["b"]


def test_a_state_is_a_value_of_the_network(tmp_path: Path) -> None:
    program = "synapse s { var g per synapse = 0; g' = -g / 5 ms; on pre { g += w }; out g }"
    text = projected(program, "connect fixed_in(3) seed 2; weight 0.5") + ", p.g\n output total = sum(p.g)"
    found = run(tmp_path, text, {"x": spikes()})
    before = np.concatenate([[0], found.probes["p.g"].sum(axis=1)[:-1]])
    assert np.abs(found.outputs["total"] - before).max() < 1e-12


def test_a_convolution_whose_program_collapses(tmp_path: Path) -> None:
    text = f"""{SHOWS}
        synapse s {{ var g per synapse = 0; g' = -g / 5 ms; on pre {{ g += w }}; out g }}
        input x : spikes[1, 5, 5]
        pop b : Shows[2, 3, 3]
        proj p : x -> b.I {{ connect conv(3); weight 0.5; synapse s }}
        probe b.V"""
    given = np.random.default_rng(3).random((STEPS, 1, 5, 5)) < 0.3
    found = run(tmp_path, text, {"x": given})
    g = np.zeros((3, 3))
    for step, seen in zip(given[:, 0], found.probes["b.V"], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(step, (3, 3))
        g = g * np.exp(-1 / 5) + 0.5 * windows.sum(axis=(2, 3))
        assert np.abs(seen - g).max() < 1e-12
