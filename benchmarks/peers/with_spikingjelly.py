"""Networks in SpikingJelly, one thread; layered ones with `--multi-step` layer by layer, each over all steps.

The neuron of nmnist is `IFNode` with a hard reset to zero, in single-step mode; it spikes at the threshold, ours and
snnTorch's above it.  SpikingJelly's own importer reads its file too; the graph that it makes is no faster.
`LinearRecurrentContainer` would multiply what arrives by a unit matrix; a layer of weights beside `LIFNode` does not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nmnist_in_torch
import torch_layers
from protocol import Case, Result, Task, serve
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.neuron import IFNode, LIFNode
from torch import nn
from torch_layers import MULTI_STEP, Feedback, FeedbackOverSteps


def integrate_and_fire(threshold: float) -> IFNode:
    return IFNode(v_threshold=threshold, v_reset=0.0, step_mode="s")


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    multi_step, numbers = MULTI_STEP in case["options"], case["parameters"]

    def leaky(step_mode: str) -> LIFNode:
        tau = 1 / (1 - numbers["decay"])
        return LIFNode(tau, decay_input=False, v_threshold=numbers["threshold"], v_reset=0.0, step_mode=step_mode)

    def neuron() -> nn.Module:
        return leaky("m" if multi_step else "s")

    def recurrent(back: nn.Module) -> nn.Module:
        return (FeedbackOverSteps if multi_step else Feedback)(leaky("s"), back)

    return torch_layers.ready(case, torch_layers.network(case, neuron, recurrent), functional.reset_net)


if __name__ == "__main__":
    nmnist = nmnist_in_torch.task(integrate_and_fire, IFNode, functional.reset_net)
    serve(__doc__, {"nmnist": nmnist, **dict.fromkeys(("mlp", "recurrent", "convolution"), Task(ready))})
