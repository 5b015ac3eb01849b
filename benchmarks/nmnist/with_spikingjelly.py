"""The N-MNIST net in SpikingJelly's single-step mode at batch 1, one thread: `run FOLDER` times it.

The neuron is `IFNode` with a hard reset to zero; it spikes at the threshold, ours and snnTorch's above it.
SpikingJelly's own importer reads this file too; the graph that it makes is no faster than the `Sequential` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protocol import Result, serve
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.neuron import IFNode
from torch_net import network, timed


def neuron(threshold: float) -> IFNode:
    return IFNode(v_threshold=threshold, v_reset=0.0, step_mode="s")


def prepare(folder: Path, options: Sequence[str]) -> None:
    """Nothing: the network is made in each run, outside the time that counts."""


def run(folder: Path) -> Result:
    net = network(neuron)
    return timed(net, IFNode, lambda: functional.reset_net(net), folder)


if __name__ == "__main__":
    serve(__doc__, prepare, run)
