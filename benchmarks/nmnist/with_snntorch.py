"""The N-MNIST net in snnTorch, step by step at batch 1, one thread: `run FOLDER` times it.

The neuron is `Leaky` without a leak, with the reset to zero in the step of the spike.  snnTorch's own importer is of
no use for this file: it makes of an IF a leaky neuron with beta 0.9 that resets by subtraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import snntorch
from protocol import Result, serve
from torch_net import network, timed


def neuron(threshold: float) -> snntorch.Leaky:
    return snntorch.Leaky(beta=1.0, threshold=threshold, reset_mechanism="zero", reset_delay=False, init_hidden=True)


def prepare(folder: Path, options: Sequence[str]) -> None:
    """Nothing: the network is made in each run, outside the time that counts."""


def run(folder: Path) -> Result:
    net = network(neuron)

    def reset() -> None:
        for layer in net:
            if isinstance(layer, snntorch.Leaky):
                layer.reset_mem()

    return timed(net, snntorch.Leaky, reset, folder)


if __name__ == "__main__":
    serve(__doc__, prepare, run)
