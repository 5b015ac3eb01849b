"""The wiring of a circuit as JSON."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from spikec.runtime.rtl.circuit import Wiring


def to_json(wiring: Wiring) -> dict[str, Any]:
    """What `from_json` reads; of a circuit its wiring alone."""
    return {one.name: _plain(getattr(wiring, one.name)) for one in fields(Wiring)}


def from_json(data: Any) -> Wiring:
    """Raises KeyError, TypeError or ValueError where `data` is not what `to_json` gives."""
    made = _made(Wiring, data)
    assert isinstance(made, Wiring)
    return made


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case np.ndarray():
            return value.tolist()
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value


def _made(kind: Any, data: Any) -> Any:
    """A value of a type of the wiring."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is dict:
        return {str(name): _made(args[1], one) for name, one in data.items()}
    if origin is list:
        return [_made(args[0], one) for one in data]
    if origin is tuple:
        return tuple(_made(each, one) for each, one in zip(args, data, strict=True))
    if origin is np.ndarray:
        return np.array(data, np.int64)
    if NoneType in args:
        return None if data is None else _made(args[0], data)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{one.name: _made(hints[one.name], data[one.name]) for one in fields(kind)})
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} where {kind.__name__} is needed")
    return data
