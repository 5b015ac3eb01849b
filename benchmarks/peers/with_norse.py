"""Layered networks in Norse, step by step, one thread.

The neuron is `LIFBoxCell`, which jumps with what arrives.  Its Euler step multiplies that by 1 - decay, and so the
threshold is multiplied too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch_layers
from norse.torch import LIFBoxCell, LIFBoxParameters
from protocol import Case, Result, Task, serve
from torch import Tensor, nn


class Cells(nn.Module):
    """Neurons that keep their state."""

    def __init__(self, decay: float, threshold: float) -> None:
        super().__init__()
        share = torch.tensor(1 - decay)
        self.cell = LIFBoxCell(LIFBoxParameters(tau_mem_inv=share, v_th=share * threshold), dt=1.0)
        self.state: object = None

    def forward(self, x: Tensor) -> Tensor:
        spikes, self.state = self.cell(x, self.state)
        return spikes


def reset(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, Cells):
            layer.state = None


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    def neuron() -> nn.Module:
        return Cells(**case["parameters"])

    def recurrent(back: nn.Module) -> nn.Module:
        return torch_layers.Feedback(neuron(), back)

    return torch_layers.ready(case, torch_layers.network(case, neuron, recurrent), reset)


if __name__ == "__main__":
    serve(__doc__, dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready)))
