"""The generator of random numbers against its published vectors, and what its names promise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from spikec.dialects.random import key, philox, uniform

# Random123's known answers for philox4x32-10: counter, key, result.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "keys", "expected"), VECTORS)
def test_known_answers(counter: str, keys: str, expected: str) -> None:
    c0, c1, c2, c3 = (np.full(3, word, np.uint32) for word in words(counter))
    k0, k1 = words(keys)
    result = philox((c0, c1, c2, c3), (k0, k1))
    assert [word.tolist() for word in result] == [[word] * 3 for word in words(expected)]


def test_key_is_the_start_of_a_hash_of_the_name() -> None:
    content = hashlib.sha256(b"7/11/a.V").digest()
    assert key(7, 11, "a.V") == tuple(np.frombuffer(content[:8], "<u4").tolist())


def test_uniform_takes_the_high_bits_of_the_first_word() -> None:
    step = (5 << 32) + 6
    c = [np.array([word], np.uint32) for word in (9, 6, 2, 5)]
    word = philox((c[0], c[1], c[2], c[3]), (1, 2))[0]
    assert uniform((1, 2), np.array([9]), step, 2) == (word >> 8) * 2.0**-24


def test_uniform_does_not_depend_on_what_else_is_drawn() -> None:
    many = uniform((1, 2), np.arange(1000)[:, np.newaxis], np.arange(4)[np.newaxis, :], 0)
    assert many.shape == (1000, 4)
    assert many[17, 3] == uniform((1, 2), np.array([17]), 3, 0)[0]
    assert many.min() >= 0.0 and many.max() < 1.0
    assert abs(many.mean() - 0.5) < 4 * np.sqrt(1 / 12 / many.size)
