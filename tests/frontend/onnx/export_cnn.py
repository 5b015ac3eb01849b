"""Trains a small convolutional network on the digits of scikit-learn with PyTorch, and exports it as `cnn.onnx`.

It never sees every fifth digit.  Needs torch and onnxscript, which the tests do not.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import nn


def network() -> nn.Sequential:
    """[1, 8, 8] to 10 classes."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU6(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(64, 10),
    )


def main() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    digits = load_digits()
    seen = np.arange(len(digits.data)) % 5 != 4
    x = torch.tensor(digits.images[seen, None] / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target[seen])
    net = network().train()
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(25):
        for some in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[some]), labels[some]).backward()
            optimizer.step()
    file = Path(__file__).with_name("cnn.onnx")
    torch.onnx.export(
        net.eval(),
        (x[:2],),
        file,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=[{0: torch.export.Dim("batch")}],
        external_data=False,
    )
    onnx.save(without_remarks(onnx.load(file)), file)


def without_remarks(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the stack traces of its nodes, which name files of this machine."""
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
    ):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


if __name__ == "__main__":
    main()
