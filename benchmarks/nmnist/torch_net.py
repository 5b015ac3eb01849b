"""The N-MNIST net in PyTorch around a framework's own neuron, and the loop that is timed.

The layers stand in the order of the file's edges, which form a chain.  They are made from the file's arrays by hand,
so that all frameworks run the same `Sequential`; no other way of stepping was faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nir
import numpy as np
import torch
from protocol import Result, conformance
from torch import nn

NeuronMaker = Callable[[float], nn.Module]


def network(neuron: NeuronMaker) -> nn.Sequential:
    """`neuron` makes an integrate-and-fire module that resets to zero, given its threshold."""
    graph = nir.read(conformance("nir/field/cnn_nmnist.nir"))
    layers = nn.Sequential()
    for name in _chain(dict(graph.edges)):
        layers.add_module(name, _layer(graph.nodes[name], neuron))
    return layers.eval()


def timed(net: nn.Sequential, neuron: type[nn.Module], reset: Callable[[], None], folder: Path) -> Result:
    """CPU time of all steps at batch 1, after one run that warms up and counts the spikes of each layer."""
    torch.set_num_threads(1)
    with np.load(folder.parent / "events.npz") as data:
        steps = torch.from_numpy(data["events"]).unsqueeze(1).unbind()
    with torch.no_grad():
        spikes = _counted(net, neuron, steps)
        reset()
        begin = time.process_time()
        outputs = [net(step) for step in steps]
        seconds = time.process_time() - begin
    return Result(seconds, spikes, tuple(torch.cat(outputs).sum(0).int().tolist()))


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


def _counted(net: nn.Sequential, neuron: type[nn.Module], steps: tuple[torch.Tensor, ...]) -> dict[str, int]:
    """Runs all steps and returns the number of spikes of each layer of neurons."""
    counts = {name: 0 for name, layer in net.named_children() if isinstance(layer, neuron)}
    for step in steps:
        value = step
        for name, layer in net.named_children():
            value = layer(value)
            if name in counts:
                counts[name] += int(value.sum())
    return counts
