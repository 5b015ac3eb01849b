"""The connector "conv": synapses whose weights repeat over positions, in one or two dimensions.

A source (ci, y...) reaches a target (co, o...) of its group where, along every axis,
y = o * stride - padding + k * dilation for some 0 <= k < kernel.  There is one such k or none.  The extents of the
output are given, so `padding` is the one before the first element and what comes after the last follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir

LARGEST = 2**31 - 1  # keeps o * stride - padding + k * dilation inside 64 bits


@dataclass(frozen=True)
class Axis:
    """One axis: `input` source positions y, `output` target positions o, `kernel` positions k.

    With g = gcd(stride, dilation), source y reaches none unless g divides y + padding.  Then all k that it reaches
    leave the same rest by `phases` = stride / g, and as k falls by `phases`, o rises by `apart` = dilation / g.
    """

    input: int
    output: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def divisor(self) -> int:
        return math.gcd(self.stride, self.dilation)

    @property
    def phases(self) -> int:
        return self.stride // self.divisor

    @property
    def apart(self) -> int:
        """From one target of a source to the next."""
        return self.dilation // self.divisor

    @property
    def most(self) -> int:
        """The most targets that a source has."""
        return min(self.output, -(-self.kernel // self.phases))

    @property
    def order(self) -> Array:
        """The kernel positions by phase, and from the last to the first within one."""
        phases = range(min(self.phases, self.kernel))
        return np.concatenate([np.arange(p, self.kernel, self.phases)[::-1] for p in phases])

    @property
    def pairs(self) -> int:
        """How many pairs of a source and a target there are."""
        origin = np.arange(self.output, dtype=np.int64) * self.stride - self.padding
        first = np.maximum(0, -(origin // self.dilation))
        last = np.minimum(self.kernel - 1, (self.input - 1 - origin) // self.dilation)
        return int(np.maximum(0, last - first + 1).sum())


POINT = Axis(1, 1, 1, 1, 0, 1)
"""The other axis where there is one."""


@dataclass(frozen=True)
class Convolution:
    """`input` and `output` are [channels, extent...]; the lists have one entry per axis behind the channels."""

    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @staticmethod
    def of(recipe: dict[str, Any]) -> Convolution:
        """What a valid `connect` dictionary says."""
        lists = {name: tuple(ir.IntegerAttr(entry).value for entry in recipe[name]) for name in LISTS}
        return Convolution(**lists, groups=ir.IntegerAttr(recipe["groups"]).value)

    def recipe(self) -> dict[str, Any]:
        """The `connect` dictionary."""
        i64 = ir.IntegerType.get_signless(64)
        lists = {name: ir.ArrayAttr.get([ir.IntegerAttr.get(i64, n) for n in getattr(self, name)]) for name in LISTS}
        return {"kind": ir.StringAttr.get("conv"), **lists, "groups": ir.IntegerAttr.get(i64, self.groups)}

    @property
    def pre(self) -> int:
        """The number of sources."""
        return math.prod(self.input)

    @property
    def post(self) -> int:
        """The number of targets."""
        return math.prod(self.output)

    @property
    def weights(self) -> tuple[int, ...]:
        """The shape of the weights: [output channels, input channels of a group, kernel...]."""
        return (self.output[0], self.input[0] // self.groups, *self.kernel)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes behind the channels."""
        lists = (self.input[1:], self.output[1:], self.kernel, self.stride, self.padding, self.dilation)
        return tuple(Axis(*numbers) for numbers in zip(*lists, strict=True))

    @property
    def synapses(self) -> int:
        """How many synapses there are."""
        return math.prod(self.input[:1] + self.output[:1] + tuple(axis.pairs for axis in self.axes)) // self.groups

    def misfits(self, pre: int, post: int) -> Iterator[str]:
        """Where it does not fit the numbers of sources and targets."""
        for name, count, extents in (("pre", pre, self.input), ("post", post, self.output)):
            if count != math.prod(extents):
                yield f"'{name}' is {count}, where {list(extents)} has {math.prod(extents)} elements"

    def stored(self, weights: Array) -> Array:
        """The weights in the order of a `conv` table: [input channels, rows, output channels of a group, columns].

        Along each axis of the kernel they stand as `Axis.order` says.
        """
        outputs, members = self.output[0] // self.groups, self.input[0] // self.groups
        ordered = weights.reshape(self.groups, outputs, members, *self.kernel)
        for number, axis in enumerate(self.axes):
            ordered = np.take(ordered, axis.order, 3 + number)
        return np.moveaxis(ordered, 1, -2).reshape(-1)

    def plain(self, stored: Array) -> Array:
        """The weights of a `conv` table in the order of `weights`, flat."""
        found = np.empty_like(stored)
        found[self.stored(np.arange(stored.size))] = stored
        return found


LISTS = tuple(field.name for field in fields(Convolution) if field.name != "groups")
ENTRIES = frozenset({"kind", "groups", *LISTS})


def problems(recipe: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a `connect` dictionary of kind "conv"; its entries are among ENTRIES."""
    found = list(_kinds(recipe)) or list(_numbers(Convolution.of(recipe)))
    yield from found or _fit(Convolution.of(recipe))


def misfits(recipe: dict[str, Any], pre: int, post: int) -> Iterator[str]:
    """The same, and where it does not fit the numbers of sources and targets."""
    found = list(problems(recipe))
    yield from found or Convolution.of(recipe).misfits(pre, post)


def _kinds(recipe: dict[str, Any]) -> Iterator[str]:
    for name in LISTS:
        entry = recipe.get(name)
        if not isinstance(entry, ir.ArrayAttr) or not all(isinstance(n, ir.IntegerAttr) for n in entry):
            yield f"the connector 'conv' needs '{name}', a list of integers"
    if not isinstance(recipe.get("groups"), ir.IntegerAttr):
        yield "the connector 'conv' needs 'groups', an integer"


def _numbers(shape: Convolution) -> Iterator[str]:
    axes = len(shape.kernel)
    if axes not in (1, 2):
        yield f"'kernel' has {axes} axes, where 1 or 2 are possible"
    for name, values in zip(LISTS, astuple(shape), strict=False):
        wanted = axes + (name in ("input", "output"))
        if len(values) != wanted:
            yield f"'{name}' has {len(values)} entries, where the kernel needs {wanted}"
        least = 0 if name == "padding" else 1
        if not all(least <= n <= LARGEST for n in values):
            yield f"'{name}' is {list(values)}, where its entries lie between {least} and {LARGEST}"
    if not 1 <= shape.groups <= LARGEST:
        yield f"'groups' is {shape.groups}, which must be positive"


def _fit(shape: Convolution) -> Iterator[str]:
    for name, channels in (("input", shape.input[0]), ("output", shape.output[0])):
        if channels % shape.groups:
            yield f"{shape.groups} groups do not divide the {channels} channels of '{name}'"
