"""Layered networks in jax on the CPU, one thread: one jitted function of all steps of a batch.

All layers stand in one scan over the steps; with `--multi-step` each layer computes all of its steps before the next
one begins, so that only the neurons are scanned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from protocol import Case, Result, Stopwatch, Task, serve

State = tuple[Array, Array]
Layer = Callable[[Array], Array]


class Network:
    """The populations of a case, in their order: what leads to each, and what they do with it.

    A state of a population is its potential and its last spikes.
    """

    def __init__(self, case: Case) -> None:
        with np.load(Path(case["shared"]) / "weights.npz") as arrays:
            weights = {name: jnp.asarray(array) for name, array in arrays.items()}
        self.decay, self.threshold = case["parameters"]["decay"], case["parameters"]["threshold"]
        self.sums: dict[str, Layer] = {}
        image = False
        for name in case["neurons"]:
            self.sums[name] = sums(weights[name], pooled=image)
            image = weights[name].ndim == 4
        self.back = {case["recurrent"]: sums(weights["back"], pooled=False)} if "recurrent" in case else {}

    def update(self, name: str, state: State, arrives: Array) -> State:
        v, last = state
        if name in self.back:
            arrives = arrives + self.back[name](last)
        v = self.decay * v + arrives
        spikes = v >= self.threshold
        return jnp.where(spikes, 0.0, v), spikes.astype(v.dtype)

    def step_by_step(self, x: Array) -> dict[str, Array]:
        """The spikes of all populations, `(steps, batch, ...)` as the given ones are."""

        def step(states: dict[str, State], spikes: Array) -> tuple[dict[str, State], dict[str, Array]]:
            after = {}
            for name, sums in self.sums.items():
                after[name] = self.update(name, states[name], sums(spikes))
                spikes = after[name][1]
            return after, {name: spikes for name, (_, spikes) in after.items()}

        states, arrives = {}, jax.typeof(x[0])
        for name, sums in self.sums.items():
            arrives = jax.eval_shape(sums, arrives)
            states[name] = first(arrives)
        return lax.scan(step, states, x)[1]

    def layer_by_layer(self, x: Array) -> dict[str, Array]:
        """The same."""
        spikes = {}
        for name, sums in self.sums.items():

            def step(state: State, arrives: Array, name: str = name) -> tuple[State, Array]:
                state = self.update(name, state, arrives)
                return state, state[1]

            arrives = sums(x.reshape(-1, *x.shape[2:]))
            arrives = arrives.reshape(*x.shape[:2], *arrives.shape[1:])
            spikes[name] = x = lax.scan(step, first(arrives[0]), arrives)[1]
        return spikes


def sums(weight: Array, pooled: bool) -> Layer:
    """Sums of weights of `(batch, ...)` spikes; these are added over windows of 2 x 2 before where `pooled`.

    Images are `(batch, height, width, channels)`, which is faster here than channels first.
    """

    def of(x: Array) -> Array:
        if pooled:
            x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        if weight.ndim == 4:
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        flat = jnp.moveaxis(x, -1, 1).reshape(len(x), -1)
        return flat @ weight.T

    kernel = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else None
    return of


def first(arrives: Array | jax.ShapeDtypeStruct) -> State:
    """The first state of a population that has the shape of what arrives there."""
    zeros = jnp.zeros(arrives.shape, arrives.dtype)
    return zeros, zeros


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    network = Network(case)
    spikes = network.layer_by_layer if "--multi-step" in case["options"] else network.step_by_step
    with np.load(Path(case["shared"]) / "inputs.npz") as arrays:
        x = arrays["x"].swapaxes(0, 1).astype(np.float32)
    x = np.moveaxis(x, 2, -1) if x.ndim == 5 else x
    batches = [jnp.asarray(batch) for batch in np.split(x, x.shape[1] // case["batch"], axis=1)]
    output = list(network.sums)[-1]
    outputs = jax.jit(lambda x: spikes(x)[output].sum((0, 1)))
    count = jax.jit(lambda x: {name: each.sum() for name, each in spikes(x).items()})
    counts = jax.tree.map(lambda *each: int(sum(each)), *map(count, batches))

    def run() -> Result:
        with Stopwatch() as taken:
            found = [outputs(batch).block_until_ready() for batch in batches]
        return Result(taken.cpu_seconds, taken.wall_seconds, counts, tuple(int(n) for n in sum(found)))

    return run


if __name__ == "__main__":
    serve(__doc__, dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready)))
