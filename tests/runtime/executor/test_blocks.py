"""Barriers, shared memory, atomics and the order in which threads run."""

from __future__ import annotations

import time

import numpy as np
import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import HEAD, kernel

SEEDS = [0, 1, 2, 3]

REVERSE = kernel(
    """
    shl.b32 %r5, %r4, 2;
    mov.b32 %r6, tile;
    add.s32 %r7, %r6, %r5;
    add.s64 %rd3, %rd1, %rd30;
    ld.global.b32 %r8, [%rd3];
    st.shared.b32 [%r7], %r8;
    bar.sync 0;
    sub.s32 %r9, %r6, %r5;
    ld.shared.b32 %r8, [%r9+508];
    add.s64 %rd4, %rd2, %rd30;
    st.global.b32 [%rd4], %r8;
    """,
    outside=".shared .align 4 .b8 tile[512];",
)
"""Every block of 128 threads reverses its words."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_barrier_orders_shared_memory(seed: int) -> None:
    machine = Machine(seed=seed, races=True, poison=True)
    loaded = machine.load(REVERSE).kernels["k"]
    words = np.arange(512, dtype=np.uint32)
    a, b = machine.allocate(2048), machine.allocate(2048)
    machine.write(a, words)
    machine.launch(loaded, (4, 1, 1), (128, 1, 1), arguments=[a, b])
    np.testing.assert_array_equal(machine.read(b, np.uint32, 512), words.reshape(4, 128)[:, ::-1].reshape(-1))


def test_dynamic_shared_memory_has_the_size_of_the_launch() -> None:
    text = kernel(
        "cvt.u64.u32 %rd5, %r4; shl.b64 %rd5, %rd5, 2; mov.b64 %rd6, heap; add.s64 %rd6, %rd6, %rd5;"
        "st.shared.b32 [%rd6], %r4; bar.sync 0; ld.shared.b32 %r8, [heap+4]; cvta.shared.u64 %rd7, %rd6;"
        "ld.b32 %r9, [%rd7]; add.s32 %r8, %r8, %r9; add.s64 %rd4, %rd1, %rd30; st.global.b32 [%rd4], %r8;",
        parameters=1,
        outside=".extern .shared .align 16 .b8 heap[];",
    )
    machine = Machine()
    loaded = machine.load(text).kernels["k"]
    a = machine.allocate(256)
    machine.launch(loaded, (1, 1, 1), (64, 1, 1), shared=256, arguments=[a])
    np.testing.assert_array_equal(machine.read(a, np.uint32, 64), np.arange(64) + 1)
    message = r"it writes 4 bytes at offset \d+ of shared memory \(heap\): out of bounds"
    with pytest.raises(ExecutionError, match=message):
        machine.launch(loaded, (1, 1, 1), (64, 1, 1), shared=128, arguments=[a])
    with pytest.raises(ExecutionError, match="of shared memory are not possible"):
        machine.launch(loaded, (1, 1, 1), (64, 1, 1), shared=1 << 20, arguments=[a])


def run(body: str, threads: int = 64, blocks: int = 1, seed: int = 0, **options: bool) -> np.ndarray:
    """`%r10` of every thread after `body`, and the 16 words at `%rd2` after them."""
    text = kernel(f"{body}\nadd.s64 %rd4, %rd1, %rd30; st.global.b32 [%rd4], %r10;")
    machine = Machine(seed=seed, **options)
    loaded = machine.load(text).kernels["k"]
    count = threads * blocks
    a, b = machine.allocate(4 * count), machine.allocate(64)
    machine.launch(loaded, (blocks, 1, 1), (threads, 1, 1), arguments=[a, b])
    return np.concatenate([machine.read(a, np.uint32, count), machine.read(b, np.uint32, 16)])


def test_barriers_that_reduce() -> None:
    odd = "and.b32 %r5, %r4, 1; setp.ne.u32 %p1, %r5, 0;"
    assert (run(f"{odd} bar.red.popc.u32 %r10, 0, %p1;")[:64] == 32).all()
    for op, value in (("and", 0), ("or", 1)):
        result = run(f"{odd} barrier.cta.red.{op}.aligned.pred %p2, 1, %p1; selp.b32 %r10, 1, 0, %p2;")
        assert (result[:64] == value).all()


def test_a_barrier_of_some_warps() -> None:
    body = "setp.ge.u32 %p1, %r4, 64; @%p1 bra END; barrier.sync 3, 64; mov.b32 %r10, 5; END:"
    assert run(body, 128)[:128].tolist() == [5] * 64 + [0] * 64


def test_threads_that_have_exited_are_not_waited_for() -> None:
    body = "mov.b32 %r10, 1; setp.ge.u32 %p1, %r4, 32; @%p1 ret; bar.sync 0; mov.b32 %r10, 2;"
    assert run(body)[:64].tolist() == [2] * 32 + [0] * 32


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("setp.eq.u32 %p1, %r4, 5; @%p1 bra A; bar.sync 0; bra B; A: bar.sync 0; B:", "the barrier diverges"),
        ("setp.eq.u32 %p1, %r4, 5; @%p1 bra A; bar.sync 0; bra B; A: bar.sync 1; B:", "deadlock"),
        ("bar.sync 16;", "barrier's number"),
        ("bar.sync 0, 33;", "count of threads"),
        ("bar.sync 0, 96;", "count of threads"),
        ("setp.lt.u32 %p1, %r4, 32; @%p1 bar.sync 1, 64;", "deadlock"),
    ],
)
def test_wrong_barriers_are_errors(body: str, message: str) -> None:
    with pytest.raises(ExecutionError, match=message):
        run(body)


ATOMICS = [
    ("add.u32", 7, lambda old, v, _: old + v),
    ("min.s32", 7, lambda old, v, _: min(old, v)),
    ("max.u32", 7, lambda old, v, _: max(old, v)),
    ("and.b32", 0xF0F0, lambda old, v, _: old & v),
    ("or.b32", 7, lambda old, v, _: old | v),
    ("xor.b32", 7, lambda old, v, _: old ^ v),
    ("exch.b32", 0, lambda old, v, _: v),
    ("inc.u32", 7, lambda old, v, _: 0 if old >= v else old + 1),
    ("dec.u32", 7, lambda old, v, _: v if old == 0 or old > v else old - 1),
    ("cas.b32", 7, lambda old, v, new: new if old == v else old),
]


@pytest.mark.parametrize("space", ["global", "shared"])
@pytest.mark.parametrize(("op", "start", "function"), ATOMICS, ids=lambda v: v if isinstance(v, str) else "")
def test_one_atomic(op: str, start: int, function: object, space: str) -> None:
    for old in (0, start, start + 1, 100):
        compared = ", 55" if op.startswith("cas") else ""
        value = 55 if op.startswith("exch") else start
        place = "[%rd2]" if space == "global" else "[cell]"
        body = (
            f"st.{space}.b32 {place}, {old}; atom.{space}.{op} %r10, {place}, {value}{compared};"
            f"ld.{space}.b32 %r11, {place}; st.global.b32 [%rd2+4], %r11;"
        )
        if space == "shared":
            body = f".shared .align 4 .b8 cell[4];\n{body}"
        result = run(body, threads=1)
        assert callable(function)
        assert (result[0], result[2]) == (old, function(old, value, 55))


@pytest.mark.parametrize("seed", SEEDS)
def test_atomics_of_all_threads_add_up(seed: int) -> None:
    body = "atom.global.add.u32 %r10, [%rd2], 1; red.global.add.u32 [%rd2+4], 3; red.relaxed.gpu.global.max.s32 [%rd2+8], %r1;"
    result = run(body, 64, 8, seed)
    np.testing.assert_array_equal(np.sort(result[:512]), np.arange(512))  # each has a number of its own
    assert result[512:515].tolist() == [512, 1536, 511]


def test_float_atomics_flush_in_global_memory_only() -> None:
    tiny = "0f00000001"
    body = f".shared .align 4 .b8 cell[4];\nmov.b32 %r6, {tiny}; st.shared.b32 [cell], 0; "
    body += "red.shared.add.f32 [cell], %r6; red.global.add.f32 [%rd2], %r6; red.global.add.f32 [%rd2+4], 0f3FC00000;"
    body += "ld.shared.b32 %r10, [cell]; red.global.add.f64 [%rd2+8], 0d3FF8000000000000;"
    result = run(body, 1)
    assert result[0] == 1
    assert result[1] == 0
    assert result[2:3].view(np.float32)[0] == 1.5
    assert result[3:5].view(np.float64)[0] == 1.5


def test_seeds_permute_the_order() -> None:
    """Threads take numbers; the order is another for each seed and the same for one."""
    body = "atom.global.add.u32 %r10, [%rd2], 1;"
    orders = [tuple(run(body, 64, 4, seed)[:256]) for seed in (0, 0, 1, 2)]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    lanes, warps, blocks = (np.array(orders[0]).reshape(4, 2, 32).argsort(axis=k).tolist() for k in (2, 1, 0))
    assert lanes != np.array(orders[2]).reshape(4, 2, 32).argsort(axis=2).tolist()
    assert blocks != np.array(orders[2]).reshape(4, 2, 32).argsort(axis=0).tolist()
    assert warps


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lock_of_spinning_threads(seed: int) -> None:
    body = """
    SPIN:
    atom.acquire.gpu.global.cas.b32 %r5, [%rd2], 0, 1;
    setp.ne.u32 %p1, %r5, 0;
    @%p1 bra SPIN;
    ld.global.b32 %r10, [%rd2+4];
    add.s32 %r6, %r10, 1;
    st.global.b32 [%rd2+4], %r6;
    atom.release.gpu.global.exch.b32 %r7, [%rd2], 0;
    """
    result = run(body, 64, 2, seed, races=True)
    np.testing.assert_array_equal(np.sort(result[:128]), np.arange(128))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("SPIN: ld.acquire.gpu.global.b32 %r5, [%rd2]; setp.eq.u32 %p1, %r5, 0; @%p1 bra SPIN;", "livelock"),
        ("SPIN: ld.volatile.global.b32 %r5, [%rd2]; ld.relaxed.gpu.global.b32 %r6, [%rd2+4]; fence.sc.gpu; or.b32 %r5, %r5, %r6;"
         "setp.eq.u32 %p1, %r5, 0; @%p1 bra SPIN;", "livelock"),
        ("SPIN: atom.global.cas.b32 %r5, [%rd2], 1, 2; setp.eq.u32 %p1, %r5, 0; @%p1 bra SPIN;", "livelock"),
        ("SPIN: ld.global.b32 %r5, [%rd2]; setp.eq.u32 %p1, %r5, 0; @%p1 bra SPIN;", "does not end"),
        ("SPIN: bra SPIN;", "does not end"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("races", [False, True])
def test_waiting_for_nothing_is_found_within_seconds(body: str, message: str, races: bool) -> None:
    if races and "does not end" in message and "ld.global" in body:
        return  # the check of every turn takes its time
    start = time.monotonic()
    with pytest.raises(ExecutionError, match=message):
        run(body, races=races)
    assert time.monotonic() - start < 10


def test_polling_a_long_time_is_no_livelock() -> None:
    body = "mov.b32 %r10, 0; POLL: ld.volatile.global.b32 %r5, [%rd2]; add.s32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, 5000; @%p1 bra POLL;"
    assert (run(body)[:64] == 5000).all()


def test_a_launch_has_a_limit() -> None:
    machine = Machine(limit=10_000)
    text = kernel("LOOP: atom.global.add.u32 %r5, [%rd1], 1; setp.ne.u32 %p1, %r5, -1; @%p1 bra LOOP;", 1)
    with pytest.raises(ExecutionError, match="more steps than its limit"):
        machine.launch(machine.load(text).kernels["k"], (1, 1, 1), (32, 1, 1), arguments=[machine.allocate(4)])


def test_three_dimensions() -> None:
    text = kernel(
        """
        mov.u32 %r5, %ctaid.z; mov.u32 %r6, %nctaid.y; mov.u32 %r7, %ctaid.y; mad.lo.s32 %r5, %r5, %r6, %r7;
        mov.u32 %r6, %nctaid.x; mov.u32 %r7, %ctaid.x; mad.lo.s32 %r5, %r5, %r6, %r7;
        mov.u32 %r6, %ntid.z; mov.u32 %r7, %tid.z; mad.lo.s32 %r5, %r5, %r6, %r7;
        mov.u32 %r6, %ntid.y; mov.u32 %r7, %tid.y; mad.lo.s32 %r5, %r5, %r6, %r7;
        mov.u32 %r6, %ntid.x; mov.u32 %r7, %tid.x; mad.lo.s32 %r5, %r5, %r6, %r7;
        mul.wide.u32 %rd5, %r5, 4; add.s64 %rd5, %rd1, %rd5; atom.global.add.u32 %r6, [%rd5], 1;
        """,
        1,
    )
    machine = Machine()
    a = machine.allocate(4 * 2 * 3 * 4 * 5 * 6 * 7)
    machine.launch(machine.load(text).kernels["k"], (2, 3, 4), (5, 6, 7), arguments=[a])
    assert (machine.read(a, np.uint32, 2 * 3 * 4 * 5 * 6 * 7) == 1).all()


def test_a_table_of_branches() -> None:
    body = """
    T: .branchtargets A, B, C;
    and.b32 %r5, %r4, 3;
    brx.idx %r5, T;
    A: mov.b32 %r10, 10; bra END;
    B: mov.b32 %r10, 20; bra END;
    C: mov.b32 %r10, 30;
    END:
    """
    assert run(body, 3)[:3].tolist() == [10, 20, 30]
    with pytest.raises(ExecutionError, match="index of the branch"):
        run(body, 4)


def test_module_wide_arrays() -> None:
    text = kernel(
        "ld.const.b32 %r5, [table+4]; mov.b64 %rd5, count; atom.global.add.u32 %r6, [%rd5], %r5;"
        "ld.global.b32 %r7, [count]; add.s64 %rd4, %rd1, %rd30; st.global.b32 [%rd4], %r7;",
        1,
        outside=".const .align 4 .u32 table[3] = {5, 6, 7};\n.visible .global .align 4 .u32 count = 100;",
    )
    machine = Machine(poison=True)
    a = machine.allocate(4)
    loaded = machine.load(text)
    for expected in (106, 112):  # the array stays between launches
        machine.launch(loaded.kernels["k"], (1, 1, 1), (1, 1, 1), arguments=[a])
        assert machine.read(a, np.uint32, 1)[0] == expected


def test_parameters_of_all_types() -> None:
    text = f"""{HEAD}
.visible .entry k(.param .u8 a, .param .s16 b, .param .f32 c, .param .f64 d, .param .align 8 .b8 e[16], .param .u64 .ptr .global .align 8 f)
.maxntid 4, 2, 1
.minnctapersm 2
{{
.reg .b16 %rs<4>; .reg .b32 %r<8>; .reg .b64 %rd<8>;
ld.param.b64 %rd1, [f]; cvta.to.global.u64 %rd1, %rd1;
ld.param.u8 %rs1, [a]; ld.param.s16 %r2, [b]; ld.param.b32 %r3, [c]; ld.param.b64 %rd2, [d];
ld.param.v2.b64 {{%rd3, %rd4}}, [e];
st.global.b16 [%rd1], %rs1; st.global.b32 [%rd1+4], %r2; st.global.b32 [%rd1+8], %r3; st.global.v2.b64 [%rd1+16], {{%rd2, %rd3}};
st.global.b64 [%rd1+32], %rd4;
ret;
}}
"""
    machine = Machine()
    loaded = machine.load(text).kernels["k"]
    assert loaded.max_threads == 8
    assert [(p.kind, p.size) for p in loaded.parameters] == [
        ("u8", 1), ("s16", 2), ("f32", 4), ("f64", 8), ("b8", 16), ("u64", 8),
    ]  # fmt: skip
    f = machine.allocate(64)
    block = np.array([3, 4], np.int64).tobytes()
    machine.launch(loaded, (1, 1, 1), (1, 1, 1), arguments=[200, -5, 1.5, 2.5, block, f])
    assert machine.read(f, np.uint16, 1)[0] == 200
    assert machine.read(f, np.int32, 1, 4)[0] == -5
    assert machine.read(f, np.float32, 1, 8)[0] == 1.5
    assert machine.read(f, np.float64, 1, 16)[0] == 2.5
    assert machine.read(f, np.int64, 2, 24).tolist() == [3, 4]
    for arguments, message in (
        ([256, 0, 0, 0, block, f], "256 is not possible for a"),
        ([1, 0, 0, 0, b"", f], "e has 16 bytes, not 0"),
        ([1], "k takes 6 arguments, not 1"),
    ):
        with pytest.raises(ExecutionError, match=message):
            machine.launch(loaded, (1, 1, 1), (1, 1, 1), arguments=arguments)
    with pytest.raises(ExecutionError, match="a block of"):
        machine.launch(loaded, (1, 1, 1), (9, 1, 1), arguments=[1, 0, 0, 0, block, f])
    with pytest.raises(ExecutionError, match="a grid of"):
        machine.launch(loaded, (0, 1, 1), (8, 1, 1), arguments=[1, 0, 0, 0, block, f])
