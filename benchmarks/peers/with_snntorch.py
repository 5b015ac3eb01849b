"""Networks in snnTorch, step by step, one thread.

The neuron is `Leaky` with the reset to zero in the step of the spike, in nmnist without a leak.  snnTorch's own
importer is of no use for the file of nmnist: it makes of an IF a leaky neuron with beta 0.9 that resets by subtraction.
`RLeaky` would compute what comes back twice where it resets to zero; a layer of weights beside `Leaky` does it once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nmnist_in_torch
import snntorch
import torch_layers
from protocol import Case, Result, Task, serve
from torch import nn


def leaky(decay: float, threshold: float) -> snntorch.Leaky:
    return snntorch.Leaky(
        beta=decay,
        threshold=threshold,
        surrogate_disable=True,
        init_hidden=True,
        reset_mechanism="zero",
        reset_delay=False,
    )


def reset(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, snntorch.Leaky):
            layer.reset_mem()


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    def neuron() -> nn.Module:
        return leaky(**case["parameters"])

    def recurrent(back: nn.Module) -> nn.Module:
        return torch_layers.Feedback(neuron(), back)

    return torch_layers.ready(case, torch_layers.network(case, neuron, recurrent), reset)


if __name__ == "__main__":
    nmnist = nmnist_in_torch.task(lambda threshold: leaky(1.0, threshold), snntorch.Leaky, reset)
    serve(__doc__, {"nmnist": nmnist, **dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready))})
