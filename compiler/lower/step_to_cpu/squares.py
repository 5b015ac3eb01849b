"""Squares of vectors: as many as each has lanes."""

from __future__ import annotations

from spikec.dialects.mlir import vector
from spikec.lower.code import Value


def transposed(rows: list[Value]) -> list[Value]:
    """Rows and lanes have changed places.

    To put two halves of the rows together lane by lane moves the first bit of a row's number behind those of the
    lane's; done for all bits, rows and lanes have changed places.
    """
    lanes = len(rows)
    half = lanes // 2
    low, high = ([n // 2 + start + lanes * (n % 2) for n in range(lanes)] for start in (0, half))
    for _ in range(lanes.bit_length() - 1):
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [vector.shuffle(a, b, order) for a, b in pairs for order in (low, high)]
    return rows
