"""The N-MNIST net in PyTorch around a framework's own neuron, and the loop that is timed.

The layers stand in the order of the file's edges, which form a chain.  They are made from the file's arrays by hand,
so that all frameworks run the same `Sequential`; no other way of stepping was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nir
import numpy as np
import torch
from protocol import Case, Result, Stopwatch, Task
from torch import nn

NeuronMaker = Callable[[float], nn.Module]


def task(neuron: NeuronMaker, kind: type[nn.Module], reset: Callable[[nn.Sequential], None]) -> Task:
    """`neuron` makes an integrate-and-fire module of a `kind` that resets to zero, given its threshold."""

    def ready(case: Case, folder: Path) -> Callable[[], Result]:
        torch.set_num_threads(1)
        net = _network(case["model"], neuron)
        with np.load(Path(case["shared"]) / "inputs.npz") as data:
            steps = torch.from_numpy(data["input"]).unsqueeze(1).unbind()
        with torch.no_grad():
            spikes = _counted(net, kind, steps)

        @torch.no_grad()
        def run() -> Result:
            reset(net)
            with Stopwatch() as taken:
                outputs = [net(step) for step in steps]
            summed = torch.cat(outputs).sum(0).int().tolist()
            return Result(taken.cpu_seconds, taken.wall_seconds, spikes, tuple(summed))

        return run

    return Task(ready)


def _network(file: str, neuron: NeuronMaker) -> nn.Sequential:
    graph = nir.read(file)
    layers = nn.Sequential()
    for name in _chain(dict(graph.edges)):
        layers.add_module(name, _layer(graph.nodes[name], neuron))
    return layers.eval()


def _chain(after: dict[str, str]) -> Iterator[str]:
    """The nodes between the input and the output."""
    name = after["input"]
    while name != "output":
        yield name
        name = after[name]


def _layer(node: nir.NIRNode, neuron: NeuronMaker) -> nn.Module:
    match node:
        case nir.Conv2d():
            channels, per_group, *kernel = node.weight.shape
            sizes = {name: _pair(getattr(node, name)) for name in ("stride", "padding", "dilation")}
            groups = int(node.groups)
            return _filled(nn.Conv2d(per_group * groups, channels, tuple(kernel), groups=groups, **sizes), node)
        case nir.Affine():
            return _filled(nn.Linear(node.weight.shape[1], node.weight.shape[0]), node)
        case nir.SumPool2d():
            sizes = {name: _pair(getattr(node, name)) for name in ("kernel_size", "stride", "padding")}
            return nn.AvgPool2d(**sizes, divisor_override=1)
        case nir.Flatten():
            return nn.Flatten()
        case nir.IF() if np.all(node.r == 1) and np.all(node.v_reset == 0) and np.ptp(node.v_threshold) == 0:
            return neuron(float(node.v_threshold.flat[0]))
    raise ValueError(f"this net has no {type(node).__name__}")


def _filled(layer: nn.Module, node: nir.Affine | nir.Conv2d) -> nn.Module:
    layer.weight.data = torch.from_numpy(node.weight)
    layer.bias.data = torch.from_numpy(node.bias)
    return layer


def _pair(value: np.ndarray) -> tuple[int, int]:
    vertical, horizontal = np.broadcast_to(value, 2)
    return int(vertical), int(horizontal)


def _counted(net: nn.Sequential, kind: type[nn.Module], steps: tuple[torch.Tensor, ...]) -> dict[str, int]:
    """Runs all steps and returns the number of spikes of each layer of neurons."""
    counts = {name: 0 for name, layer in net.named_children() if isinstance(layer, kind)}
    for step in steps:
        value = step
        for name, layer in net.named_children():
            value = layer(value)
            if name in counts:
                counts[name] += int(value.sum())
    return counts
