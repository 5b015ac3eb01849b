"""The models of docs/systems.md: each is valid, gives the same bits on both engines and what numpy gives.

A block has no data of its own.  A test draws the arrays that it loads, writes them beside it as `weights.npz`, runs
it with reals of 64 bits and compares with the equations of the paper, written as numpy loops.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text()
# By the name of the model.
BLOCKS = dict(re.findall(r"^```snn\n(?=model (\w+))(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
Array = npt.NDArray[Any]
# The reference is slow: it repeats the first steps only.
FEW = 20


def arrays_of(name: str) -> dict[str, Array]:
    """Normal numbers for each array that a block loads, with the shapes that it declares."""
    text = BLOCKS[name]
    sizes = {key: int(value) for key, value in re.findall(r"(\w+): int = (\d+)", text)}
    rng = np.random.default_rng(1)
    found = {}
    for key, shape in re.findall(r"param (\w+)\s*: real\[(.*?)\] = load", text):
        extents = [eval(extent, {}, sizes) for extent in shape.split(",")]
        found[key] = rng.normal(size=extents) / np.sqrt(extents[-1])
    return found


class Block:
    """A block of the page in a folder of its own, with arrays that are drawn unless they are given."""

    def __init__(self, folder: Path, name: str, **given: Array) -> None:
        self.path = folder / f"{name}.snn"
        self.path.write_text(BLOCKS[name])
        self.arrays = arrays_of(name) | given
        np.savez(folder / "weights.npz", **self.arrays)

    def program(self, **params: object) -> spikec.Program:
        return spikec.load(self.path, params, real=64)

    def run(self, inputs: Mapping[str, Array], steps: int, **params: object) -> spikec.Run:
        """The run on the CPU; the reference must give the same bits for its first steps."""
        found = spikec.compile(self.program(**params)).run(inputs, steps)
        few = min(steps, FEW)
        first = {name: array[:few] if len(array) == steps else array for name, array in inputs.items()}
        expected = spikec.compile(self.program(**params), "reference").run(first, few)
        for kind in ("outputs", "probes"):
            for name, array in getattr(expected, kind).items():
                ours = getattr(found, kind)[name]
                assert (ours[:few] if len(ours) == steps else ours).tobytes() == array.tobytes(), name
        return found


Make = Callable[..., Block]


@pytest.fixture
def block(tmp_path: Path) -> Make:
    return lambda name, **given: Block(tmp_path, name, **given)


def near(found: Array, expected: Array, tolerance: float = 1e-6) -> bool:
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= tolerance)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normalised(x: Array) -> Array:
    d = x - x.mean()
    return np.asarray(d / np.sqrt((d * d).mean() + 1e-5))


# ---------------------------------------------------------------- the page


def test_every_model_is_checked_and_run_here() -> None:
    """`Block.program` checks a model, so that those which no test names would pass unseen."""
    assert len(BLOCKS) == PAGE.count("```snn")
    assert set(BLOCKS) == set(re.findall(r'block\("(\w+)"', Path(__file__).read_text()))


def test_the_table_is_whole_and_counted() -> None:
    rows = re.findall(r"^\| ([SX]\d\d) \| [^|]+ \| ([a-z ]+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [row for row, *_ in rows] == [f"S{k:02}" for k in range(1, 41)] + [f"X{k:02}" for k in range(1, 16)]
    works, part, missing = (sum(state == name for _, state, _ in rows) for name in ("works", "in part", "missing"))
    assert works + part + missing == 55
    assert f"**{works} work, {part} work in part, {missing} are missing.**" in PAGE
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert headings == [row for row, _, text in rows if "[below]" in text]
    for folder in re.findall(r"(?:examples|tests)/[\w/]+(?:\.\w+)?", PAGE):
        assert (ROOT / folder).exists(), folder


# ---------------------------------------------------------------- S04: counts are quantised activations


def quantised(x: Array, theta: float) -> Array:
    return np.clip(np.floor(x / theta + 0.5), 0, 15)


def test_counts_of_bipolar_neurons_are_the_quantised_activations(block: Make) -> None:
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(2)
    model = block("Bipolar", W1=rng.normal(size=(32, 64)), W2=rng.normal(size=(16, 32)))
    images = np.minimum(load_digits().data[:200], 15)
    run = spikec.compile(model.program()).run({"x": images}, 80, 200)
    model.run({"x": images[0]}, FEW)
    first = quantised(images @ model.arrays["W1"].T + model.arrays["b1"], 8)
    second = quantised(first @ model.arrays["W2"].T, 2)
    assert np.array_equal(run.outputs["first"], first)
    assert np.array_equal(run.outputs["second"], second)
    assert first.max() == 15 and first.min() == 0 and len(np.unique(second)) > 10


def test_a_recurrent_conversion_is_lossless_too(block: Make) -> None:
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(3)
    model = block("BipolarRows", W=rng.normal(size=(16, 8)), U=rng.normal(size=(16, 16)) / 2)
    fresh = np.zeros((8 * 64, 1))
    fresh[::64] = 1
    images = np.minimum(load_digits().images[:20], 15)
    inputs = {"row": images.repeat(64, axis=1), "fresh": np.stack([fresh] * 20)}
    run = spikec.compile(model.program()).run(inputs, 512, 20)
    model.run({"row": inputs["row"][0], "fresh": fresh}, 512)
    for rows, state in zip(images, run.outputs["state"][:, 63::64], strict=True):
        h = np.zeros(16)
        for row, found in zip(rows, state, strict=True):
            h = quantised(model.arrays["W"] @ row + model.arrays["U"] @ h, 4)
            assert np.array_equal(found, h)


# ---------------------------------------------------------------- S11, S16: crossbars, shunting


def test_a_crossbar_without_noise_is_its_matrix(block: Make) -> None:
    model = block("Crossbar")
    v = np.random.default_rng(0).random((4, 8))
    ideal = v @ (model.arrays["plus"] - model.arrays["minus"])
    assert near(model.run({"v": v}, 4).outputs["current"], ideal)
    noisy = model.run({"v": v}, 4, noise=0.1).outputs["current"]
    assert 0.01 < np.abs(noisy - ideal).mean() < 1


def test_the_divisive_current(block: Make) -> None:
    model = block("ExcitationInhibition", **{k: np.abs(a) for k, a in arrays_of("ExcitationInhibition").items()})
    w = model.arrays
    x = np.random.default_rng(0).random((20, 16))
    x[3] = 0
    run = model.run({"x": x}, 20)
    inhibitory = x @ w["Wie"].T
    shunt = (inhibitory * w["gi"]) @ w["Wei"].T
    current = w["ge"] * (x @ w["Wee"].T - inhibitory @ w["Wei"].T) / np.where(shunt > 0, shunt, 1)
    assert near(run.outputs["current"], current, 1e-5)
    assert not run.outputs["current"][3].any()


# ---------------------------------------------------------------- S14: recurrent and parallel form


def test_the_recurrent_form_of_wkv_equals_the_parallel_form(block: Make) -> None:
    rng = np.random.default_rng(4)
    drawn = {"mu": rng.random(16), "decay": np.exp(rng.normal(size=16) - 1)}
    model = block("SpikeGpt", **drawn)
    p = model.arrays
    tokens = rng.normal(size=(64, 16))
    run = model.run({"x": tokens}, 64)

    k, v, mixed, out = [], [], [], []
    last = other = np.zeros(16)
    s_state, t_state = np.zeros(16), np.zeros(16)
    for t, x in enumerate(tokens):
        n = normalised(x)
        token, last = n * p["mu"] + last * (1 - p["mu"]), n
        k.append(p["Wk"] @ token)
        v.append(p["Wv"] @ token)
        weights = [np.exp(k[i] - (t - 1 - i) * p["decay"]) for i in range(t)] + [np.exp(p["bonus"] + k[t])]
        mixed.append(sum(w * value for w, value in zip(weights, v, strict=True)) / sum(weights))
        s_state += (sigmoid(p["Wr"] @ token) * mixed[-1] - s_state) / 2
        s = s_state >= 1
        s_state[s] = 0
        n = normalised(x + s)
        token, other = n * p["mu"] + other * (1 - p["mu"]), n
        t_state += (sigmoid(p["Wr"] @ token) * (p["Wv"] @ np.maximum(p["Wk"] @ token, 0) ** 2) - t_state) / 2
        fired = t_state >= 1
        t_state[fired] = 0
        out.append(x + s + fired)
    assert near(run.outputs["mixed"], np.array(mixed))
    assert near(run.outputs["next"], np.array(out))


# ---------------------------------------------------------------- S18: soft maxima


@pytest.mark.parametrize("eps", [1.0, 1e-3])
def test_soft_maxima(eps: float, block: Make) -> None:
    x = np.random.default_rng(5).normal(0.8, 0.6, (50, 8))
    V, ring, hard = np.zeros(8), np.zeros(8), np.zeros(8)
    found = block("UltraLif").run({"x": x}, 50, softness=eps).outputs
    for t, arrived in enumerate(x):
        maximum = np.maximum(V + np.log(0.9), arrived)
        V = eps * np.logaddexp((V + np.log(0.9)) / eps, arrived / eps)
        assert ((maximum <= V + 1e-12) & (maximum + eps * np.log(2) + 1e-12 >= V)).all()
        z = sigmoid(np.clip((V - 1) / eps, -700, 700))
        V = V * (1 - z)
        assert near(found["z"][t], z)
        hard = np.maximum(hard + np.log(0.9), arrived)
        spikes = hard >= 1
        hard[spikes] = 0
        if eps == 1e-3:
            assert np.array_equal(found["z"][t] > 0.5, spikes), "the tropical net spikes alike"
        U = 0.9 * ring + arrived
        top = np.maximum(U, np.maximum(np.roll(U, 1), np.roll(U, -1)))
        W = eps * np.logaddexp(U / eps, np.logaddexp(np.roll(U, 1) / eps, np.roll(U, -1) / eps))
        assert ((top <= W + 1e-12) & (top + eps * np.log(3) + 1e-12 >= W)).all()
        z = sigmoid(np.clip((W - 1) / eps, -700, 700))
        ring = W * (1 - z)
        assert near(found["ring"][t], z)


# ---------------------------------------------------------------- S26: Legendre memory


def legendre(order: int, theta: float) -> tuple[Array, Array]:
    """A and B of the delay line in continuous time, held over a step of 1."""
    from scipy.linalg import expm

    i, j = np.mgrid[:order, :order]
    A = (2 * i + 1) / theta * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    B = ((2 * i[:, :1] + 1) * (-1.0) ** i[:, :1]) / theta
    both = expm(np.block([[A, B], [np.zeros((1, order + 1))]]))
    return both[:order, :order], both[:order, order:]


def test_the_memory_is_that_of_scipy() -> None:
    from scipy.signal import cont2discrete

    order, theta = 12, 40.0
    i, j = np.mgrid[:order, :order]
    A = (2 * i + 1) / theta * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    B = ((2 * i[:, :1] + 1) * (-1.0) ** i[:, :1]) / theta
    Ad, Bd, *_ = cont2discrete((A, B, np.eye(order), np.zeros((order, 1))), 1.0, "zoh")
    assert near(legendre(order, theta)[0], Ad, 1e-9) and near(legendre(order, theta)[1], Bd, 1e-9)


def test_the_memory_recalls_and_all_of_it_may_spike(block: Make) -> None:
    rng = np.random.default_rng(6)
    smooth = np.convolve(rng.normal(size=600), np.hanning(31) / 15, "same")
    x = np.column_stack([smooth, *rng.normal(size=(5, 600))])
    A, B = legendre(12, 40.0)
    model = block("L2mu", A=A, B=B)
    run = model.run({"x": x}, 600)
    assert near(run.outputs["memory"], linear_memory(smooth, 12))
    assert np.array_equal(run.outputs["spikes"], spiking_memory(model.arrays, x, 12))

    def error(memory: Array) -> float:
        """The shifted Legendre polynomials are 1 at the far end of the window."""
        recalled, wanted = memory.sum(axis=1)[100:], smooth[60:-40]
        return float(np.sqrt(((recalled - wanted) ** 2).mean()) / np.ptp(wanted))

    errors = [error(linear_memory(smooth, order)) for order in (4, 8)] + [error(run.outputs["memory"])]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.06


def linear_memory(values: Array, order: int) -> Array:
    A, B = legendre(order, 40.0)
    rows = [np.zeros(order)]
    for value in values:
        rows.append(A @ rows[-1] + B[:, 0] * value)
    return np.array(rows[1:])


def spiking_memory(p: dict[str, Array], x: Array, order: int) -> Array:
    states = {name: (np.zeros(n), np.zeros(n)) for name, n in (("u", 1), ("m", order), ("h", 16))}
    rows = []

    def fire(name: str, arrived: Array) -> Array:
        V = 0.9 * states[name][0] + arrived
        s = (V >= 0.5).astype(float)
        states[name] = (V - 0.5 * s, s)
        return s

    for value in x:
        m, h = states["m"][1], states["h"][1]
        u = fire("u", p["ex"] @ value + p["eh"] @ h + p["em"] @ m)
        new = fire("m", p["A"] @ m + p["B"] @ u)
        rows.append(np.concatenate([u, new, fire("h", p["Wx"] @ value + p["Wh"] @ h + p["Wm"] @ new)]))
    return np.array(rows)


# ---------------------------------------------------------------- S28: sparse codes


def test_the_sparse_code_descends_to_the_optimum(block: Make) -> None:
    rng = np.random.default_rng(7)
    D = rng.normal(size=(16, 32))
    D /= np.linalg.norm(D, axis=0)
    x = rng.normal(size=16)
    codes = block("Lca", D=D).run({"x": x}, 800).outputs["code"]

    def energy(s: Array) -> float:
        return float(0.5 * ((x - D @ s) ** 2).sum() + 0.1 * np.abs(s).sum())

    found = np.array([energy(s) for s in codes])
    s, rate = np.zeros(32), 1 / np.linalg.norm(D, 2) ** 2
    for _ in range(5000):
        step = s + rate * D.T @ (x - D @ s)
        s = np.sign(step) * np.maximum(np.abs(step) - 0.1 * rate, 0)
    assert (np.diff(found) <= 1e-9).all()
    assert energy(s) * 0.999999 <= found[-1] <= energy(s) * 1.01


# ---------------------------------------------------------------- S29: leaky memories


def test_the_expressive_cell(block: Make) -> None:
    tau = np.logspace(0, 3, 5)
    drawn = {"km": np.exp(-1 / tau), "kl": np.exp(-5 / tau)}
    model = block("Elm", **drawn)
    p = model.arrays
    s = (np.random.default_rng(8).random((1000, 12)) < 0.1).astype(float)
    b, m, y = np.zeros(4), np.zeros(5), []
    for row in s:
        b = np.exp(-1 / 5) * b + (p["ws"] * row).reshape(4, 3).sum(axis=1)
        d = np.tanh(p["L"] @ np.maximum(p["K"] @ np.concatenate([b, p["km"] * m]), 0))
        m = p["km"] * m + (1 - p["kl"]) * d
        y.append(p["Wy"] @ m)
    assert near(model.run({"s": s}, 1000).outputs["y"], np.array(y))


def test_the_expressive_cell_holds_a_bit(block: Make) -> None:
    """One memory that excites itself through the inner network: +1 or -1 until another pulse comes."""
    K, L, Wy = np.zeros((6, 9)), np.zeros((5, 6)), np.zeros((2, 5))
    km, kl = np.full(5, np.exp(-1 / 150)), np.full(5, np.exp(-5 / 150))
    for unit, sign in ((0, 1), (1, -1)):
        K[unit, [0, 1, 4]] = sign * 20, -sign * 20, sign  # branches 0 and 1 set and clear; 4 is the first memory
        L[0, unit] = sign * 3
    Wy[0, 0] = (1 - km[0]) / (1 - kl[0])
    s = np.zeros((2000, 12))
    s[0:150, 0:3] = 1
    s[1000:1150, 3:6] = 1
    model = block("Elm", ws=np.ones(12), K=K, L=L, Wy=Wy, km=km, kl=kl)
    y = model.run({"s": s}, 2000).outputs["y"][:, 0]
    assert np.abs(y[450:1000] - 1).max() < 0.1 and np.abs(y[1500:] + 1).max() < 0.1


# ---------------------------------------------------------------- S30, S32: attention


def test_causal_attention(block: Make) -> None:
    q, k, v = np.random.default_rng(9).normal(size=(3, 5, 6, 8))
    found = block("CausalAttention").run({"q": q, "k": k, "v": v}, 5).outputs["y"]
    for t in range(5):
        scores = np.where(np.tri(6) > 0, q[t] @ k[t].T / np.sqrt(8), -np.inf)
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        assert near(found[t], e / e.sum(axis=1, keepdims=True) @ v[t], 1e-5)


def test_attention_of_spikes_is_whole_numbers_in_either_order(block: Make) -> None:
    rng = np.random.default_rng(10)
    model = block("SpikeAttention", W=rng.normal(size=(64, 64)), b=rng.random(64))
    x = rng.normal(1.0, 1.0, (4, 16, 64))
    run = model.run({"x": x}, 4)
    one, two = run.outputs["linear"], run.outputs["quadratic"]
    assert one.dtype.kind == "i" and np.array_equal(one, two) and one.max() > 1

    def layer(current: Array, V: Array, theta: float) -> tuple[Array, Array]:
        V = V + (current - V) / 2
        fires = np.greater_equal(V, theta)
        return fires.astype(float), np.where(fires, 0, V)

    V = [np.zeros((16, 64)) for _ in range(3)]
    for t in range(4):
        s, V[0] = layer(x[t], V[0], 1.0)
        q, V[1] = layer(s @ model.arrays["W"] + model.arrays["b"], V[1], 1.0)
        h = q.reshape(16, 8, 8)
        a = np.einsum("ihd,jhd,jhe->ihe", h, h, h)
        assert np.array_equal(one[t], a)
        y, V[2] = layer(a.reshape(16, 64) * 0.125, V[2], 0.5)
        assert np.array_equal(run.outputs["attended"][t], y)


def test_only_spikes_may_be_projected(tmp_path: Path) -> None:
    model = Block(tmp_path, "SpikeAttention")
    model.path.write_text(BLOCKS["SpikeAttention"].replace("q = project(s)", "q = project(x)"))
    with pytest.raises(CompileError, match="spikes"):
        model.program()


# ---------------------------------------------------------------- S33: gated recurrent units


@pytest.mark.parametrize("theta", [0.1, 0.0])
def test_gated_units_that_emit_events(theta: float, block: Make) -> None:
    model = block("Egru")
    W, U = model.arrays["W"], model.arrays["U"]
    x = 2 * np.random.default_rng(11).normal(size=(100, 8))
    found = model.run({"x": x}, 100, level=theta).outputs["event"]
    h, y = np.zeros(12), np.zeros(12)
    for t, value in enumerate(x):
        a, b = W @ value, U @ y
        z, r = sigmoid(a[:12] + b[:12]), sigmoid(a[12:24] + b[12:24])
        h = z * h + (1 - z) * np.tanh(a[24:] + r * b[24:])
        fires = h >= theta
        y = np.where(fires, h, 0)
        h = h - theta * fires
        assert near(found[t], y)
    assert (found == 0).any() and (found > 0).any()


# ---------------------------------------------------------------- S35: heterogeneous delays


def test_a_layer_of_delays_is_a_convolution_in_space_and_time(block: Make) -> None:
    from scipy.signal import correlate

    model = block("Delays")
    K, b = model.arrays["K"].reshape(4, 3, 2, 3, 3), model.arrays["b"]
    x = (np.random.default_rng(12).random((30, 2, 9, 9)) < 0.2).astype(float)
    run = model.run({"x": x}, 30)
    volume = np.zeros((4, 6, 2, 3, 3))  # index 0 is five steps ago
    volume[:, [5, 3, 0]] = K
    padded = np.concatenate([np.zeros((5, 2, 9, 9)), x])
    B = np.stack([correlate(padded, volume[k], "valid")[:, 0] for k in range(4)], axis=1)
    assert near(run.outputs["evidence"], B, 1e-5)
    odds = np.exp(B + b[:, None, None])
    assert near(run.outputs["direction"], odds / odds.sum(axis=1, keepdims=True), 1e-5)


# ---------------------------------------------------------------- S38: pulses


def test_pulses_compute_xor_whatever_the_bias(block: Make) -> None:
    model = block("Xor")
    pairs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    for bias in (0.7, 1.3):
        assert model.run({"x": pairs}, 4, bias=bias).outputs["xor"][:, 0].tolist() == [0, 1, 1, 0], bias


# ---------------------------------------------------------------- S39: two-point cells


def test_context_modulates_and_cannot_create(block: Make) -> None:
    model = block("TwoPoint")
    rng = np.random.default_rng(13)
    a, v = rng.normal(size=(2, 200, 8))
    a[0], v[1], a[2] = 0, 0, 1e-300
    run = model.run({"a": a, "v": v}, 200)
    T = run.outputs["T"]
    assert near(T, 0.5 * a * (1 + np.exp(a * v)))
    assert not T[0].any() and np.array_equal(T[1], a[1])
    states = np.zeros((2, 8))
    last = np.zeros((2, 8))
    for t in range(200):
        context = np.stack([model.arrays["W"] @ last[1], model.arrays["W"] @ last[0]])
        R = np.stack([a[t], v[t]])
        states = np.exp(-1 / 10) * states + 0.5 * R * (1 + np.exp(R * context))
        last = (states >= 1).astype(float)
        states[states >= 1] = 0
        assert np.array_equal(run.outputs["heard"][t], last[0]) and np.array_equal(run.outputs["seen"][t], last[1])


# ---------------------------------------------------------------- X02: gap junctions


def test_gap_junctions_conserve_charge(block: Make) -> None:
    rng = np.random.default_rng(14)
    G = 0.05 * rng.random((10, 10)) * (rng.random((10, 10)) < 0.5)
    G = np.triu(G, 1) + np.triu(G, 1).T
    V0 = rng.normal(size=10)
    V = block("Junctions", G=G, V0=V0).run({}, 1000).probes["n.V"]
    assert np.abs(V.sum(axis=1) - V0.sum()).max() < 1e-9
    expected = V0.copy()
    for row in V:
        expected = expected + G @ expected - G.sum(axis=1) * expected
        assert near(row, expected, 1e-9)


# ---------------------------------------------------------------- X06, X07: associative memories


def test_one_update_recalls_a_thousand_patterns(block: Make) -> None:
    rng = np.random.default_rng(15)
    X = rng.choice([-1.0, 1.0], (1000, 64))
    cues = X.copy()
    cues[:, :16] = 0
    cues = np.concatenate([cues, X[:8]])
    recalled = block("Hopfield", X=X).run({"cue": cues}, 1008, beta=1.0).outputs["recalled"]
    assert np.array_equal(np.sign(recalled[:1000]), X)
    scores = cues @ X.T
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert near(recalled, e / e.sum(axis=1, keepdims=True) @ X)
    assert near(recalled[1000:], X[:8]), "patterns are fixed points"


def test_dense_associative_energy_never_rises(block: Make) -> None:
    rng = np.random.default_rng(16)
    X = rng.choice([-1.0, 1.0], (20, 100))
    start = X[0] * np.where(rng.random(100) < 0.2, -1, 1)
    order = np.concatenate([rng.permutation(100), rng.permutation(100)])[:, None]
    s = block("Dense", X=X, start=start).run({"k": order}, 200).probes["spins.s"]
    energies = -((s @ X.T / 100) ** 4).sum(axis=1)
    assert (np.diff(energies) <= 1e-12).all()
    assert (s[-1] @ X[0]) / 100 > 0.95


# ---------------------------------------------------------------- X13: solvers


def test_solvers_have_their_orders_and_linear_is_exact(block: Make) -> None:
    from scipy.integrate import solve_ivp
    from scipy.linalg import expm

    def spiral(_: float, u: Array) -> Array:
        return np.array([-0.1 * u[0] ** 3 + 2 * u[1] ** 3, -2 * u[0] ** 3 - 0.1 * u[1] ** 3])

    exact = solve_ivp(spiral, (0, 0.5), [2.0, 0.0], "DOP853", rtol=1e-12, atol=1e-12).y[0, -1]
    model, errors = block("Spiral"), []
    for steps in (100, 200):
        probes = model.run({}, steps, h=0.5 / steps).probes
        errors.append([abs(probes[f"{name}.x"][-1, 0] - exact) for name in "abc"])
        linear = expm(0.5 * np.array([[-0.1, 2], [-2, -0.1]])) @ [2, 0]
        assert abs(probes["e.x"][-1, 0] - linear[0]) < 1e-12
    assert np.round(np.log2(np.array(errors[0]) / errors[1])).tolist() == [1, 2, 4]


# ---------------------------------------------------------------- X15: spectrograms


def test_a_spectrogram_and_the_order_of_its_spikes(block: Make) -> None:
    window = np.hanning(64)
    phase = 2 * np.pi * np.outer(np.arange(33), np.arange(64)) / 64
    model = block("Spectrogram", re=(window * np.cos(phase))[:, None], im=(-window * np.sin(phase))[:, None])
    time = np.arange(60 * 64) / 2000
    chirp = np.sin(2 * np.pi * (60 * time + 0.5 * (880 / time[-1]) * time**2))
    frames = chirp.reshape(60, 1, 64)
    run = model.run({"frame": frames}, 60)
    assert near(run.outputs["magnitude"][:, :, 0], np.abs(np.fft.rfft(frames[:, 0] * window)), 1e-4)
    first = [int(np.argmax(run.outputs["spikes"][:, c, 0] > 0)) for c in range(4, 28)]
    assert (np.diff(first) >= 0).all() and first[-1] > first[0] + 20
