"""Random numbers that depend on nothing but their name: Philox 4x32-10 over (element, step, sample).

The generator is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a
number is a function of a key and a counter, so draws can be made in any order and on any device.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint32]]
Counter = tuple[Words, Words, Words, Words]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key after each round
_MASK = 0xFFFFFFFF


def philox(counter: Counter, key: tuple[int, int]) -> Counter:
    """Philox 4x32-10 of four uint32 arrays of one shape under a key of two 32-bit words; four uint32 arrays."""
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    k0, k1 = key
    shift, mask = np.uint64(32), np.uint64(_MASK)
    for _ in range(ROUNDS):
        left, right = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (right >> shift) ^ c1 ^ np.uint64(k0),
            right & mask,
            (left >> shift) ^ c3 ^ np.uint64(k1),
            left & mask,
        )
        k0, k1 = (k0 + WEYL[0]) & _MASK, (k1 + WEYL[1]) & _MASK
    w0, w1, w2, w3 = (word.astype(np.uint32) for word in (c0, c1, c2, c3))
    return w0, w1, w2, w3


def key(run_seed: int, seed: int, path: str) -> tuple[int, int]:
    """The key of a source of randomness: the first two little-endian words of SHA-256 over "run_seed/seed/path"."""
    content = hashlib.sha256(f"{run_seed}/{seed}/{path}".encode()).digest()
    return int.from_bytes(content[:4], "little"), int.from_bytes(content[4:8], "little")


def uniform(
    key: tuple[int, int], elements: np.ndarray[Any, Any], step: int | np.ndarray[Any, Any], sample: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Multiples of 2^-24 in [0, 1), one per element: the numbers of `integers` times 2^-24."""
    return integers(key, elements, step, sample).astype(np.float64) * 2.0**-24


def words(
    key: tuple[int, int], elements: np.ndarray[Any, Any], step: int | np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Words 0 and 1 of the counters of `integers` in sample 0 as one number, word 1 the higher: uint64."""
    low, high = _philox(key, elements, step, 0)[:2]
    return low | (high.astype(np.uint64) << np.uint64(32))


def integers(
    key: tuple[int, int], elements: np.ndarray[Any, Any], step: int | np.ndarray[Any, Any], sample: int
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Integers in [0, 2^24), one per element: the high 24 bits of word 0 of the counter
    (element, low word of step, sample, high word of step).

    `elements` and `step` are integers below 2^32 and 2^64, and are broadcast against each other.
    """
    return (_philox(key, elements, step, sample)[0] >> np.uint32(8)).astype(np.int32)


def shift_registers(key: tuple[int, int], elements: np.ndarray[Any, Any]) -> Words:
    """What shift registers of 32 bits hold at first (uint32): word 0 of the counters of step 0, 1 in place of 0."""
    found = _philox(key, elements, 0, 0)[0]
    return np.where(found == 0, np.uint32(1), found)


def _philox(
    key: tuple[int, int], elements: np.ndarray[Any, Any], step: int | np.ndarray[Any, Any], sample: int
) -> Counter:
    element, steps = np.broadcast_arrays(np.asarray(elements).astype(np.uint64), np.asarray(step).astype(np.uint64))
    low = (steps & np.uint64(_MASK)).astype(np.uint32)
    high = (steps >> np.uint64(32)).astype(np.uint32)
    return philox((element.astype(np.uint32), low, np.full(low.shape, sample, np.uint32), high), key)
