"""What the lanes of a warp do together."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import Array, kernel

SEEDS = [0, 1, 2, 3]


def run(body: str, threads: int = 64, seed: int = 0, given: Array | None = None, blocks: int = 1) -> Array:
    """One word per thread: `%r10` after `body`; `%r9` is the thread's word of `given`."""
    text = kernel(
        f"add.s64 %rd3, %rd1, %rd30; ld.global.b32 %r9, [%rd3]; mov.u32 %r5, %laneid;\n{body}\n"
        "add.s64 %rd4, %rd2, %rd30; st.global.b32 [%rd4], %r10;"
    )
    machine = Machine(seed=seed)
    loaded = machine.load(text).kernels["k"]
    count = threads * blocks
    words = np.arange(count, dtype=np.uint32) if given is None else given
    a, b = machine.allocate(4 * count), machine.allocate(4 * count)
    machine.write(a, words)
    machine.launch(loaded, (blocks, 1, 1), (threads, 1, 1), arguments=[a, b])
    return machine.read(b, np.uint32, count)


@pytest.mark.parametrize("seed", SEEDS)
def test_votes(seed: int) -> None:
    words = np.random.default_rng(seed).integers(0, 3, 64).astype(np.uint32)
    words[32:] = np.arange(32) // 32 + 1
    odd = (words & 1).reshape(2, 32)
    masks = (odd.astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(axis=1)
    predicate = "and.b32 %r6, %r9, 1; setp.ne.u32 %p1, %r6, 0;"
    result = run(f"{predicate} vote.sync.ballot.b32 %r10, %p1, -1;", seed=seed, given=words)
    np.testing.assert_array_equal(result, np.repeat(masks, 32))
    for kind, truth in (("any", odd.any(1)), ("all", odd.all(1)), ("uni", odd.all(1) | ~odd.any(1))):
        result = run(
            f"{predicate} vote.sync.{kind}.pred %p2, %p1, -1; selp.b32 %r10, 1, 0, %p2;", seed=seed, given=words
        )
        np.testing.assert_array_equal(result, np.repeat(truth, 32))


def _source(mode: str, lane: int, b: int, c: int) -> tuple[int, bool]:
    """The lane that shfl.sync reads (PTX ISA)."""
    clamp, segment = c & 31, c >> 8 & 31
    last, first = lane & segment | clamp & ~segment, lane & segment
    match mode:
        case "up":
            source = lane - b
            inside = source >= last
        case "down":
            source = lane + b
            inside = source <= last
        case "bfly":
            source = lane ^ b
            inside = source <= last
        case _:
            source = first | b & ~segment
            inside = source <= last
    return (source if inside else lane), inside


@pytest.mark.parametrize(
    ("mode", "b", "c"),
    [("idx", 5, 31), ("idx", 9, 0x181F), ("up", 3, 0), ("up", 1, 0x1800), ("down", 4, 31), ("down", 2, 0x1C1F),
     ("bfly", 16, 31), ("bfly", 1, 31), ("bfly", 8, 0x1807)],
)  # fmt: skip
def test_shuffles(mode: str, b: int, c: int) -> None:
    words = np.random.default_rng(1).integers(0, 1 << 32, 64, dtype=np.uint32)
    body = f"shfl.sync.{mode}.b32 %r10|%p1, %r9, {b}, {c}, -1; @!%p1 add.s32 %r10, %r10, 1;"
    result = run(body, given=words)
    expected = []
    for t in range(64):
        source, inside = _source(mode, t % 32, b, c)
        expected.append((int(words[t - t % 32 + source]) + (not inside)) % (1 << 32))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_a_warp_vote_on_their_own(seed: int) -> None:
    """Even and odd lanes diverge, and each part has a mask of its own."""
    body = """
    and.b32 %r6, %r5, 1; setp.eq.u32 %p1, %r6, 0; setp.lt.u32 %p2, %r5, 16;
    @%p1 bra EVEN;
    vote.sync.ballot.b32 %r10, %p2, 0xAAAAAAAA;
    bra JOIN;
    EVEN:
    vote.sync.ballot.b32 %r10, %p2, 0x55555555;
    JOIN:
    bar.warp.sync -1;
    """
    expected = np.where(np.arange(32) % 2 == 0, 0x5555, 0xAAAA)
    np.testing.assert_array_equal(run(body, threads=32, seed=seed), expected)


def test_matches() -> None:
    words = np.random.default_rng(5).integers(0, 4, 32).astype(np.uint32)
    same = [sum(1 << k for k in range(32) if words[k] == w) for w in words]
    np.testing.assert_array_equal(run("match.any.sync.b32 %r10, %r9, -1;", 32, given=words), same)
    body = "match.all.sync.b32 %r10|%p1, %r9, -1; @!%p1 mov.b32 %r10, 7;"
    np.testing.assert_array_equal(run(body, 32, given=words), np.full(32, 7))
    np.testing.assert_array_equal(run(body, 32, given=np.full(32, 9, np.uint32)), np.full(32, 0xFFFFFFFF))


@pytest.mark.parametrize(
    ("op", "function"),
    [("add.u32", lambda w: int(w.sum()) % (1 << 32)), ("min.s32", lambda w: int(w.view(np.int32).min()) % (1 << 32)),
     ("max.u32", lambda w: int(w.max())), ("and.b32", np.bitwise_and.reduce), ("or.b32", np.bitwise_or.reduce),
     ("xor.b32", np.bitwise_xor.reduce)],
)  # fmt: skip
def test_reductions(op: str, function: object) -> None:
    words = np.random.default_rng(2).integers(0, 1 << 32, 32, dtype=np.uint32)
    assert callable(function)
    result = run(f"redux.sync.{op} %r10, %r9, -1;", 32, given=words)
    np.testing.assert_array_equal(result, np.full(32, function(words)))


def test_special_registers() -> None:
    body = "mov.u32 %r6, %lanemask_{}; mov.b32 %r10, %r6;"
    lanes = np.arange(32, dtype=np.uint64)
    one = np.uint64(1) << lanes
    full = np.uint64(0xFFFFFFFF)
    for name, expected in (
        ("eq", one),
        ("lt", one - 1),
        ("le", 2 * one - 1),
        ("gt", full ^ (2 * one - 1)),
        ("ge", full ^ (one - 1)),
    ):
        np.testing.assert_array_equal(run(body.format(name), 32), expected)
    np.testing.assert_array_equal(run("mov.u32 %r10, %warpid;", 64), np.repeat([0, 1], 32))
    np.testing.assert_array_equal(run("mov.u32 %r10, %ctaid.x;", 32, blocks=3), np.repeat([0, 1, 2], 32))
    np.testing.assert_array_equal(run("activemask.b32 %r10;", 32), one)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("vote.sync.ballot.b32 %r10, %p1, 0x7FFFFFFF;", "the mask does not name the lane"),
        ("setp.eq.u32 %p1, %r5, 3; @%p1 ret; vote.sync.ballot.b32 %r10, %p1, -1;", "names a lane that has exited"),
        ("setp.eq.u32 %p1, %r5, 3; @%p1 bra A; vote.sync.ballot.b32 %r10, %p1, -1; A:", "names a lane that has exited"),
        ("setp.eq.u32 %p1, %r5, 3; @%p1 bar.sync 0; vote.sync.ballot.b32 %r10, %p1, -1;", "deadlock"),
        ("setp.eq.u32 %p1, %r5, 3; @%p1 vote.sync.ballot.b32 %r10, %p1, -1; vote.sync.ballot.b32 %r10, %p1, -1;",
         "deadlock"),
        ("shl.b32 %r6, 1, %r5; shfl.sync.idx.b32 %r10, %r9, 5, 31, %r6;", "does not take part"),
    ],
)  # fmt: skip
def test_wrong_masks_are_errors(body: str, message: str) -> None:
    with pytest.raises(
        ExecutionError, match=rf"kernel k, line \d+, block \(0, 0, 0\) thread \(\d+, 0, 0\): [^\n]*{message}"
    ):
        run(body, 32)


def test_lanes_beyond_the_block_are_not_in_a_mask() -> None:
    with pytest.raises(ExecutionError, match="does not exist"):
        run("vote.sync.ballot.b32 %r10, %p1, -1;", 40)
    np.testing.assert_array_equal(
        run("setp.lt.u32 %p1, %r5, 9; vote.sync.ballot.b32 %r10, %p1, 0xFFFF;", 16), np.full(16, 0x1FF)
    )
