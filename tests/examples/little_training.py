"""A little training by the script of an example, in a process of its own: PyTorch brings libraries along."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, train
images, digits = train.training_images()
part = slice(None, None, int(sys.argv[3]))
(network,) = train.train(images[part], digits[part], epochs=1, batch=20)
network.eval()
with torch.no_grad():
    votes = network(torch.from_numpy(images[:40])).numpy()
np.savez(sys.argv[2] + "/weights.npz", **network.arrays())
np.savez(sys.argv[2] + "/seen.npz", images=images, digits=digits, votes=votes)
"""


def little_training(example: Path, folder: Path, every: int) -> dict[str, Array]:
    """One epoch on each `every`-th image; weights go to `folder`/weights.npz.

    Gives the `images` and `digits` that the script trains on in full, and its `votes` about the first 40 of them.
    """
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs PyTorch")
    subprocess.run([sys.executable, "-c", SCRIPT, example, folder, str(every)], check=True)
    with np.load(folder / "seen.npz") as file:
        return {name: file[name] for name in file.files}
