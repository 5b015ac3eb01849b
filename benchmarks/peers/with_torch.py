"""Layered networks in PyTorch without a framework, one thread: a module of leaky neurons beside PyTorch's own layers.

With `--multi-step` each layer computes all of its steps before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch_layers
from protocol import Case, Result, Task, serve
from torch import Tensor, nn
from torch_layers import MULTI_STEP, Feedback, FeedbackOverSteps


class Leaky(nn.Module):
    """Leaky integrate-and-fire neurons that reset to zero, step by step."""

    def __init__(self, decay: float, threshold: float) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold
        self.v: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.v = x if self.v is None else torch.add(x, self.v, alpha=self.decay)
        spikes = self.v >= self.threshold
        self.v = self.v.masked_fill(spikes, 0)
        return spikes.float()


class LeakyOverSteps(Leaky):
    """The same for all steps, the first axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([Leaky.forward(self, step) for step in x])


def reset(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, Leaky):
            layer.v = None


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    numbers = case["parameters"]
    multi_step = MULTI_STEP in case["options"]

    def neuron() -> nn.Module:
        return (LeakyOverSteps if multi_step else Leaky)(**numbers)

    def recurrent(back: nn.Module) -> nn.Module:
        return (FeedbackOverSteps if multi_step else Feedback)(Leaky(**numbers), back)

    net = torch_layers.network(case, neuron, recurrent)
    return torch_layers.ready(case, net, reset)


if __name__ == "__main__":
    serve(__doc__, dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready)))
