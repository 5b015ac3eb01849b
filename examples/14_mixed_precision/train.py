"""Trains the network of 03_digits with 128 hidden units on digits 0 to 897 and stores its weights as 16-bit floats.

python train.py             # about ten seconds; writes weights.npz beside this file
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

HERE = Path(__file__).resolve().parent
UNITS = 128


def digits_training() -> ModuleType:
    """The training script of 03_digits."""
    spec = importlib.util.spec_from_file_location("digits_train", HERE.parent / "03_digits" / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=HERE / "weights.npz")
    out: Path = parser.parse_args().out
    base = digits_training()
    images, digits = base.training_images()
    arrays = base.to_spikes(base.train(images, digits, hidden=UNITS), images)
    np.savez(out, **{name: array.astype(np.float16) for name, array in arrays.items()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
