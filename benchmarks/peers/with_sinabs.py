"""Layered networks in sinabs, one thread; with `--multi-step` layer by layer, each over all steps.

The neuron is `LIF` without a normalised input, with at most one spike a step and a reset to zero.  `LIFRecurrent`
starts without spikes in each call, so that step by step a layer of weights stands beside `LIF`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch_layers
from protocol import Case, Result, Task, serve
from sinabs.activation import MembraneReset, SingleSpike
from sinabs.layers import LIF, LIFRecurrent, LIFSqueeze, StatefulLayer
from torch import nn
from torch_layers import MULTI_STEP


def reset(net: nn.Module) -> None:
    """Not `sinabs.reset_states`, which passes over `LIFRecurrent`."""
    for layer in net.modules():
        if isinstance(layer, StatefulLayer):
            layer.reset_states()


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    multi_step = MULTI_STEP in case["options"]
    numbers = {
        "tau_mem": -1 / math.log(case["parameters"]["decay"]),
        "spike_threshold": case["parameters"]["threshold"],
        "spike_fn": SingleSpike,
        "reset_fn": MembraneReset(),
        "norm_input": False,
    }

    def neuron() -> nn.Module:
        return LIF(**numbers) if multi_step else LIFSqueeze(num_timesteps=1, **numbers)

    def recurrent(back: nn.Module) -> nn.Module:
        return LIFRecurrent(rec_connect=back, **numbers) if multi_step else torch_layers.Feedback(neuron(), back)

    net = torch_layers.network(case, neuron, recurrent)
    return torch_layers.ready(case, net, reset, batch_first=multi_step)


if __name__ == "__main__":
    serve(__doc__, dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready)))
