"""Masks from files: which weights stay is said by arrays under the names of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, did_you_mean
from spikec.passes.sparsify.layers import Layer
from spikec.runtime import arrays


def place(spec: str) -> tuple[Path, str | None]:
    """FILE[:KEY] as a file and a key.  Raises CompileError for an empty text."""
    found = arrays.split(spec)
    if found is None:
        raise arrays.fail("E1221", None, f"the mask '{spec}' is not FILE[:KEY]")
    return found


def read(spec: str, layers: Sequence[Layer]) -> dict[str, Array]:
    """For each layer that the file has a mask for: which weights stay (flat).

    Raises CompileError for a mask that belongs to no weights or has another shape; all mistakes at once.
    """
    path, key = place(spec)
    if path.suffix.lower() != ".npz":
        raise arrays.fail("E1221", path, "masks are arrays in an .npz file, under the names of the parameters")
    names = [key] if key is not None else arrays.keys(path)
    masks: dict[str, Array] = {}
    mistakes = []
    for name in names:
        mask = arrays.read(path, name)
        matching = [layer for layer in layers if _belongs(name, layer.name)]
        if not matching:
            text = f"the mask '{name}' belongs to no array of weights"
            mistakes += arrays.fail("E1221", path, text, _known(name, layers)).diagnostics
        for layer in matching:
            fitted = _fitted(mask, name, layer)
            if fitted is None:
                text = f"the mask '{name}' has shape {mask.shape}, the weights have {_shape(name, layer)}"
                mistakes += arrays.fail("E1221", path, text).diagnostics
            else:
                masks[layer.name] = fitted.reshape(-1) != 0
    if mistakes:
        raise CompileError(mistakes)
    return masks


def _belongs(name: str, constant: str) -> bool:
    """Whether a constant is an array, or was made of it: W.T is the transposed W, W.T.q its integers."""
    return constant == name or constant.startswith(f"{name}.")


def _is_turned(name: str, layer: Layer) -> bool:
    return ".T" in layer.name[len(name) :]


def _shape(name: str, layer: Layer) -> tuple[int, ...]:
    shape: tuple[int, ...] = layer.values.shape
    return shape[::-1] if _is_turned(name, layer) else shape


def _fitted(mask: Array, name: str, layer: Layer) -> Array | None:
    """The mask in the order of the weights; a product's kernel may have axes of extent 1 more."""
    wanted = _shape(name, layer)
    if tuple(n for n in mask.shape if n != 1) != tuple(n for n in wanted if n != 1):
        return None
    return np.asarray(mask.reshape(wanted).T if _is_turned(name, layer) else mask)


def _known(name: str, layers: Sequence[Layer]) -> str:
    names = [layer.name.split(".T")[0].split(".K")[0] for layer in layers]
    return did_you_mean(name, names) or f"there are weights of {', '.join(names) or 'no parameter'}"
