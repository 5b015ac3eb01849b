"""The windows of ONNX convolutions and poolings: how many there are, and what margins they need."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikec.dialects.convolution import LARGEST
from spikec.frontend.onnx.graph import Mistake, Node, Shape


@dataclass(frozen=True)
class Windows:
    """One entry per axis; `before` and `after` are the elements of the margins that the file asks for."""

    extents: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape
    counts: Shape

    @property
    def reach(self) -> list[int]:
        """How far the windows reach behind the last element."""
        return [
            max(0, (count - 1) * s - b + d * (k - 1) + 1 - n)
            for n, k, s, d, b, count in zip(
                self.extents, self.kernel, self.stride, self.dilation, self.before, self.counts, strict=True
            )
        ]


def of_node(node: Node, extents: Shape, kernel: Shape | None = None) -> Windows:
    """The windows of a node over elements of these extents; `kernel` is that of the weights, where there are some."""
    axes = len(extents)
    if kernel is None or "kernel_shape" in node.attributes:
        found = tuple(node.wholes("kernel_shape", [0] * axes))
        if kernel is not None and found != kernel:
            raise Mistake("E1305", f"its kernel is {list(found)}, and its weights are for {list(kernel)}")
        kernel = found
    stride = tuple(node.wholes("strides", [1] * axes))
    dilation = tuple(node.wholes("dilations", [1] * axes))
    if min(*kernel, *stride, *dilation) < 1:
        raise Mistake("E1304", "its kernel, strides and dilations are at least 1")
    if max(*kernel, *stride, *dilation) > LARGEST:
        raise Mistake("E1303", f"its kernel, strides and dilations are at most {LARGEST}")
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    before, after = _margins(node, extents, stride, spans)
    ceil = node.whole("ceil_mode", 0) != 0
    counts = []
    for n, span, s, b, a in zip(extents, spans, stride, before, after, strict=True):
        room = n + b + a - span
        if room < 0:
            raise Mistake("E1305", f"its kernel spans {span} elements, and {n + b + a} are there")
        count = (-(-room // s) if ceil else room // s) + 1
        # No window begins behind the last element.
        counts.append(count - 1 if ceil and (count - 1) * s >= n + b else count)
    if math.prod(counts) > LARGEST:
        raise Mistake("E1303", f"its result has more than {LARGEST} elements")
    return Windows(extents, kernel, stride, dilation, before, after, tuple(counts))


def _margins(node: Node, extents: Shape, stride: Shape, spans: list[int]) -> tuple[Shape, Shape]:
    """The margins before and after each axis, given or such that there is a window for each stride."""
    axes = len(extents)
    kind = node.text("auto_pad", "NOTSET")
    if kind == "NOTSET":
        pads = node.wholes("pads", [0] * (2 * axes))
        if min(pads) < 0:
            raise Mistake("E1302", "negative 'pads' are not supported")
        if max(pads) > LARGEST:
            raise Mistake("E1303", f"its margins are at most {LARGEST}")
        return tuple(pads[:axes]), tuple(pads[axes:])
    if kind == "VALID":
        return (0,) * axes, (0,) * axes
    if kind not in ("SAME_UPPER", "SAME_LOWER"):
        raise Mistake("E1304", f"its attribute 'auto_pad' is '{kind}'")
    totals = [max(0, (-(-n // s) - 1) * s + span - n) for n, s, span in zip(extents, stride, spans, strict=True)]
    less = tuple(total // 2 for total in totals)
    more = tuple(total - total // 2 for total in totals)
    return (less, more) if kind == "SAME_UPPER" else (more, less)
