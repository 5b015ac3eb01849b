"""The layered networks in PyTorch around a framework's own neuron, and the loop that is timed.

All frameworks get the same layers of weights.  Step by step, a network is called with what arrives in one step,
`(batch, ...)`; in multi-step mode with all steps of a sample at once, and a layer computes all of its steps before
the next layer begins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from protocol import Case, Result, Stopwatch
from torch import Tensor, nn

MULTI_STEP = "--multi-step"


class AllSteps(nn.Module):
    """Layers without states, for all steps of all samples at once."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x.flatten(0, 1))
        return y.unflatten(0, x.shape[:2])


class Feedback(nn.Module):
    """Neurons that hear their own spikes one step late, step by step."""

    def __init__(self, neuron: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.neuron, self.back = neuron, back
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.neuron(x if self.last is None else x + self.back(self.last))
        return self.last


class FeedbackOverSteps(Feedback):
    """The same for all steps, the first axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([Feedback.forward(self, step) for step in x])


def network(case: Case, neuron: Callable[[], nn.Module], recurrent: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """Weights, neurons, weights, neurons ...; neurons have the names of the populations of the case.

    `recurrent` makes neurons that hear themselves, given the layer of weights that leads back.
    """
    with np.load(Path(case["shared"]) / "weights.npz") as arrays:
        weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
    net, image = nn.Sequential(), False
    for name in case["neurons"]:
        layers = nn.Sequential()
        if image:
            layers.append(nn.AvgPool2d(2, divisor_override=1))
        if image and weights[name].ndim == 2:
            layers.append(nn.Flatten())
        image = weights[name].ndim == 4
        layers.append(_convolution(weights[name]) if image else _dense(weights[name]))
        net.add_module(f"to_{name}", AllSteps(layers) if MULTI_STEP in case["options"] else layers)
        net.add_module(name, recurrent(_dense(weights["back"])) if name == case.get("recurrent") else neuron())
    return net.eval().to(memory_format=torch.channels_last)


def ready(
    case: Case, net: nn.Sequential, reset: Callable[[nn.Module], None], batch_first: bool = False
) -> Callable[[], Result]:
    """What runs all samples of a case, batch by batch, and times that; `reset` sets the first state of all neurons.

    In multi-step mode the network is called with `(steps, batch, ...)`, or `(batch, steps, ...)`.
    """
    torch.set_num_threads(1)
    with np.load(Path(case["shared"]) / "inputs.npz") as arrays:
        samples = torch.from_numpy(arrays["x"]).float().split(case["batch"])
    batches = [_in_memory(batch if batch_first else batch.transpose(0, 1)) for batch in samples]

    feedbacks = [layer for layer in net if isinstance(layer, Feedback)]

    def outputs(batch: Tensor) -> list[Tensor]:
        reset(net)
        for layer in feedbacks:
            layer.last = None
        return [net(batch)] if MULTI_STEP in case["options"] else [net(step) for step in batch]

    spikes = dict.fromkeys(case["neurons"], 0)

    def counting(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def count(layer: nn.Module, given: object, result: Tensor) -> None:
            spikes[name] += int(result.sum())

        return count

    with torch.inference_mode():
        hooks = [net.get_submodule(name).register_forward_hook(counting(name)) for name in spikes]
        for batch in batches:
            outputs(batch)
        for hook in hooks:
            hook.remove()

    def run() -> Result:
        with torch.inference_mode(), Stopwatch() as taken:
            found = [outputs(batch) for batch in batches]
        counts = torch.cat([steps.flatten(0, -2) for batch in found for steps in batch]).sum(0)
        return Result(taken.cpu_seconds, taken.wall_seconds, spikes, tuple(counts.int().tolist()))

    return run


def _in_memory(x: Tensor) -> Tensor:
    """The same in one piece; of images the channels come last in memory, since convolutions are faster then."""
    return x.movedim(2, -1).contiguous().movedim(-1, 2) if x.ndim == 5 else x.contiguous()


def _convolution(weight: Tensor) -> nn.Module:
    targets, sources, window, _ = weight.shape
    return _filled(nn.Conv2d(sources, targets, window, padding=window // 2, bias=False), weight)


def _dense(weight: Tensor) -> nn.Module:
    targets, sources = weight.shape
    return _filled(nn.Linear(sources, targets, bias=False), weight)


def _filled(layer: nn.Module, weight: Tensor) -> nn.Module:
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer
