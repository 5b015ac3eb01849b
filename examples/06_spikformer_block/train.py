"""Trains the network of model.snn on four of five of scikit-learn's digits, with PyTorch.

The images whose number leaves 4 when divided by 5 belong to the demonstration and are never read here.  Of the others
every tenth is held out to show how training goes; nothing is chosen by it.

While it is trained, the convolution of q, k, v and of what follows attention is three in a row, 1x1, depthwise 3x3 and
1x1, and the second half of the separable convolution is two, depthwise 7x7 and 1x1.  Nothing stands between them, so
that each row is stored as one kernel, as 16-bit reals.

    pip install torch
    python train.py             # some minutes; writes weights.npz beside this file
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
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
CHANNELS, DIM, HEADS = 16, 64, 8
SHARPNESS = 4.0  # of the sigmoid whose derivative stands for that of a spike
EVERY = 10  # of the training images is held out

Array = npt.NDArray[Any]


def training_images() -> tuple[Array, Array]:
    """Images (1438, 1, 8, 8) with values from 0 to 1, and their digits: those whose number is not 4 modulo 5."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = np.arange(len(digits.target)) % 5 != 4
    return (digits.images[chosen, None] / 16).astype(np.float32), digits.target[chosen].astype(np.int64)


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


def fire(current: torch.Tensor, theta: float = 1.0) -> torch.Tensor:
    """Spikes of cells that get a current (steps, images, ...): V += (I - V) / 2; where V >= theta, V becomes 0."""
    V = torch.zeros_like(current[0])
    spikes = []
    for step in current:
        V = V + (step - V) / 2
        spikes.append(Spike.apply(V - theta))
        V = V * (1 - spikes[-1].detach())
    return torch.stack(spikes)


class Layer(nn.Module):
    """Convolutions in a row that keep the size of an image, then batch norm, of every `stride`-th row and column."""

    def __init__(self, *kernels: tuple[int, int, int, int], stride: int = 1) -> None:
        """Each kernel is (channels in, channels out, width, groups)."""
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv2d(a, b, width, padding=width // 2, groups=groups, bias=False) for a, b, width, groups in kernels)
        )
        self.norm = nn.BatchNorm2d(kernels[-1][1])
        self.stride = stride

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        """For a stream (steps, images, channels, height, width)."""
        out = self.convs(stream.flatten(0, 1))[:, :, :: self.stride, :: self.stride]
        return self.norm(out).unflatten(0, stream.shape[:2])

    def kernel(self) -> torch.Tensor:
        """The kernel (out, in, width, width) of the whole row: what becomes of an impulse, from back to front."""
        channels, width = self.convs[0].in_channels, max(conv.kernel_size[0] for conv in self.convs)
        impulses = torch.zeros(channels, channels, width, width)
        impulses[:, :, width // 2, width // 2] = torch.eye(channels)
        return self.convs(impulses).flip(2, 3).transpose(0, 1)

    def norms(self) -> torch.Tensor:
        norm = self.norm
        return torch.stack([norm.running_mean, norm.running_var, norm.weight, norm.bias])


def separable(a: int, b: int) -> Layer:
    """1x1, depthwise 3x3, 1x1."""
    return Layer((a, a, 1, 1), (a, a, 3, a), (a, b, 1, 1))


class Network(nn.Module):
    """The layers of model.snn by their names there."""

    def __init__(self) -> None:
        super().__init__()
        c, d = CHANNELS, DIM
        self.layers = nn.ModuleDict(
            {
                "stem": Layer((1, c, 3, 1)),
                "sep1": Layer((c, 2 * c, 1, 1)),
                "sep2": Layer((2 * c, 2 * c, 7, 2 * c), (2 * c, c, 1, 1)),
                "mix1": Layer((c, 4 * c, 3, 1)),
                "mix2": Layer((4 * c, c, 3, 1)),
                "tokens": Layer((c, d, 3, 1), stride=2),
                **{name: separable(d, d) for name in "qkvo"},
                "up": Layer((d, 4 * d, 1, 1)),
                "down": Layer((4 * d, d, 1, 1)),
            }
        )
        for name in "qkv":  # enough spikes for their products to reach the threshold behind them
            nn.init.constant_(self.layers[name].norm.bias, 0.5)
        self.readout = nn.Linear(d, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Votes (images, 10) for x (images, 1, 8, 8)."""
        layers = self.layers
        u = layers["stem"](x[None].expand(STEPS, *x.shape))
        u = u + layers["sep2"](fire(layers["sep1"](fire(u))))
        u = u + layers["mix2"](fire(layers["mix1"](fire(u))))
        u = layers["tokens"](fire(u))
        u = u + self.attention(u)
        u = u + layers["down"](fire(layers["up"](fire(u))))
        return self.readout(functional.dropout(fire(u).sum((3, 4)), 0.1, self.training)).sum(0)

    def attention(self, u: torch.Tensor) -> torch.Tensor:
        s = fire(u)
        shape = (*u.shape[:2], HEADS, DIM // HEADS, -1)
        q, k, v = (fire(self.layers[name](s)).reshape(shape) for name in "qkv")
        a = torch.einsum("...di,...de->...ei", q, torch.einsum("...dj,...ej->...de", k, v))
        return self.layers["o"](fire(0.125 * a.reshape(u.shape), 0.5))

    def arrays(self) -> dict[str, Array]:
        """What model.snn loads: the kernel of each layer, and its norm as rows mean, variance, gamma, beta."""
        found: dict[str, Any] = {"w": self.readout.weight, "b": self.readout.bias}
        for name, layer in self.layers.items():
            found |= {f"{name}_k": layer.kernel(), f"{name}_n": layer.norms()}
        return {name: value.detach().numpy() for name, value in found.items()}


def distorted(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Each image turned by up to 10 degrees, stretched by up to 10 % and moved by up to 0.6 pixels."""
    most = torch.tensor([math.radians(10), 0.1, 0.15, 0.15])
    angle, stretch, right, down = ((2 * torch.rand(len(images), 4, generator=draw) - 1) * most).T
    cos, sin = (1 + stretch) * angle.cos(), (1 + stretch) * angle.sin()
    maps = torch.stack([cos, -sin, right, sin, cos, down], 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def accuracy(network: Network, images: torch.Tensor, digits: torch.Tensor) -> float:
    """Percent right."""
    network.eval()
    with torch.no_grad():
        return 100 * float((network(images).argmax(1) == digits).float().mean())


def train(images: Array, digits: Array, epochs: int, batch: int = 32, seed: int = 0) -> Iterator[Network]:
    """The network after each epoch; Adam with a rate that falls from 0.003 to 0 along half a cosine."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(images), torch.from_numpy(digits)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.01)
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
    parser.add_argument("--epochs", type=int, default=40)
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
