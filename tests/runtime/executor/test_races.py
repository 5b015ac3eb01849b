"""The race check: kernels with a race, and the same ones mended."""

from __future__ import annotations

import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import emitted, kernel

SEEDS = [0, 1, 2, 3, 4]


def run(text: str, seed: int, blocks: int = 2, threads: int = 64, launches: int = 1, races: bool = True) -> None:
    """Launch with two buffers of 4 kB."""
    machine = Machine(seed=seed, races=races)
    loaded = machine.load(text).kernels["k"]
    arguments = [machine.allocate(4096), machine.allocate(4096)]
    for _ in range(launches):
        machine.launch(loaded, (blocks, 1, 1), (threads, 1, 1), arguments=arguments)


def check(broken: str, mended: str, message: str = "race: ", outside: str = "", **options: int) -> None:
    """The broken body is found by every seed, the mended one by none; without the check both run."""
    for seed in SEEDS:
        with pytest.raises(ExecutionError, match=message):
            run(kernel(broken, outside=outside), seed, **options)
        run(kernel(mended, outside=outside), seed, **options)
        run(kernel(broken, outside=outside), seed, races=False, **options)


SHARED = ".shared .align 4 .b8 tile[512];"
NEIGHBOUR = """
mov.b32 %r5, tile; shl.b32 %r6, %r4, 2; add.s32 %r7, %r5, %r6;
st.shared.b32 [%r7], %r4;
{}
xor.b32 %r8, %r4, {}; shl.b32 %r8, %r8, 2; add.s32 %r8, %r5, %r8;
ld.shared.b32 %r9, [%r8];
"""


def test_a_barrier_is_missing() -> None:
    check(NEIGHBOUR.format("", 33), NEIGHBOUR.format("bar.sync 0;", 33), outside=SHARED)


def test_lanes_of_a_warp_are_not_ordered_by_themselves() -> None:
    vote = "setp.eq.u32 %p1, %r4, 0; vote.sync.any.pred %p2, %p1, -1;"
    check(NEIGHBOUR.format(vote, 1), NEIGHBOUR.format("bar.warp.sync -1;", 1), outside=SHARED)
    check(NEIGHBOUR.format("bar.warp.sync -1;", 33), NEIGHBOUR.format("bar.sync 0;", 33), outside=SHARED)


def test_reading_before_others_overwrite() -> None:
    body = NEIGHBOUR.format("bar.sync 0;", 33) + "{} st.shared.b32 [%r7], %r9;"
    check(body.format(""), body.format("bar.sync 0;"), outside=SHARED)


def test_both_accesses_are_named() -> None:
    text = kernel("\nst.shared.b32 [tile], %r4;\n", outside=SHARED)
    message = (
        r"kernel k, line (\d+), block \(\d, 0, 0\) thread \(\d+, 0, 0\): race: a write of offset 0 of shared memory "
        r"\(tile\) is not ordered with a write by block \(\d, 0, 0\) thread \(\d+, 0, 0\) at line \1 "
        r"\(st.shared.b32 \[tile\], %r4;\)"
    )
    with pytest.raises(ExecutionError, match=message):
        run(text, 0)


def test_plain_sums_in_global_memory() -> None:
    check(
        "ld.global.b32 %r5, [%rd1]; add.s32 %r5, %r5, 1; st.global.b32 [%rd1], %r5;",
        "red.global.add.u32 [%rd1], 1;",
    )


def test_a_plain_read_of_what_atomics_add() -> None:
    check(
        "red.global.add.u32 [%rd1], 1; ld.global.b32 %r5, [%rd1];",
        "red.global.add.u32 [%rd1], 1; ld.relaxed.gpu.global.b32 %r5, [%rd1];",
    )


def test_bytes_beside_each_other_are_apart() -> None:
    narrow = "cvt.u64.u32 %rd5, %r1; add.s64 %rd6, %rd1, %rd5; st.global.b8 [%rd6], %r1;"
    check(f"{narrow} and.b64 %rd7, %rd6, -4; ld.global.b32 %r5, [%rd7];", f"{narrow} ld.global.b8 %r5, [%rd6];")


def test_kernels_are_ordered() -> None:
    body = "add.s64 %rd5, %rd1, %rd30; ld.global.b32 %r5, [%rd5]; sub.s32 %r6, 127, %r1; mul.wide.u32 %rd6, %r6, 4;"
    body += "add.s64 %rd7, %rd1, %rd6; {} st.global.b32 [%rd7], %r6;"
    swap = "add.s64 %rd7, %rd2, %rd6;"
    check(body.format(""), body.format(swap), launches=3)


FLAG = """
setp.ne.u32 %p1, %r4, 0;
setp.ne.u32 %p2, %r2, 0;
@%p1 bra END;
@%p2 bra READER;
st.global.b32 [%rd1], 42;
{release}
bra END;
READER:
{acquire}
setp.eq.u32 %p3, %r5, 0;
@%p3 bra READER;
{after}
ld.global.b32 %r6, [%rd1];
setp.ne.u32 %p3, %r6, 42;
@%p3 trap;
END:
"""
"""Thread 0 of block 0 hands a word to thread 0 of block 1."""
STRONG = {
    "release": "st.release.gpu.global.b32 [%rd2], 1;",
    "acquire": "ld.acquire.gpu.global.b32 %r5, [%rd2];",
    "after": "",
}
FENCED = {
    "release": "fence.acq_rel.gpu; st.relaxed.gpu.global.b32 [%rd2], 1;",
    "acquire": "ld.relaxed.gpu.global.b32 %r5, [%rd2];",
    "after": "fence.acq_rel.gpu;",
}
ATOMIC = {
    "release": "membar.gl; atom.global.add.u32 %r9, [%rd2], 1;",
    "acquire": "atom.global.or.b32 %r5, [%rd2], 0;",
    "after": "membar.gl;",
}


@pytest.mark.parametrize("good", [STRONG, FENCED, ATOMIC], ids=["strong", "fenced", "atomic"])
def test_messages_need_release_and_acquire(good: dict[str, str]) -> None:
    mended = FLAG.format(**good)
    no_release = {**good, "release": "st.relaxed.gpu.global.b32 [%rd2], 1;"}
    check(FLAG.format(**no_release), mended)
    no_acquire = {**good, "acquire": "ld.relaxed.gpu.global.b32 %r5, [%rd2];", "after": ""}
    check(FLAG.format(**no_acquire), mended)
    narrow = {name: text.replace(".gpu", ".cta").replace(".gl;", ".cta;") for name, text in good.items()}
    check(FLAG.format(**narrow), mended)


def test_a_message_within_a_block_may_have_its_scope() -> None:
    body = FLAG.replace("%r2, 0", "%r4, 64").replace(
        "setp.ne.u32 %p1, %r4, 0;", "and.b32 %r7, %r4, 63; setp.ne.u32 %p1, %r7, 0;"
    )
    narrow = {name: text.replace(".gpu", ".cta") for name, text in STRONG.items()}
    body = body.replace("setp.ne.u32 %p2, %r4, 64;", "setp.eq.u32 %p2, %r4, 64;")
    relaxed = {**narrow, "release": "st.relaxed.cta.global.b32 [%rd2], 1;"}
    check(body.format(**relaxed), body.format(**narrow), blocks=1, threads=128)


PERSISTENT = emitted("persistent")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("\tfence.acq_rel.gpu;\n\tmad", "\tmad"),  # nothing is released
        ("\tbar.sync \t0;\n\tsetp.ne", "\tsetp.ne"),  # the others do not wait for thread 0
        ("\tbar.sync \t0;\n\tld.shared", "\tld.shared"),
        ("atom.global.add.u32 \t%r16, [%rd6], 1", "atom.global.add.u32 \t%r16, [%rd6], 2"),
    ],
)
def test_a_barrier_of_the_grid_that_lacks_a_part(line: str, instead: str) -> None:
    assert line in PERSISTENT
    text = PERSISTENT.replace(line, instead)
    found = 0
    for seed in SEEDS:
        machine = Machine(seed=seed, races=True)
        loaded = machine.load(text).kernels["persistent"]
        arguments = [machine.allocate(4096), machine.allocate(4096), machine.allocate(4), 6]
        try:
            machine.launch(loaded, (4, 1, 1), (256, 1, 1), arguments=arguments, cooperative=True)
        except ExecutionError as error:
            assert "race: " in str(error)
            found += 1
    assert found == len(SEEDS)


def test_memory_read_through_the_constant_cache_is_not_written() -> None:
    read = "ld.global{} %r5, [%rd1+64];"
    body = "setp.ne.u32 %p1, %r1, 0; @%p1 bra A; st.global.b32 [%rd1+64], 7; A: bar.sync 0; " + read
    message = r"through the constant cache \(.nc\).* in the same launch"
    check(body.format(".nc.b32"), body.format(".b32"), message, blocks=1)
    body = f"{read} bar.sync 0; setp.ne.u32 %p1, %r1, 0; @%p1 bra A; st.global.b32 [%rd1+64], 7; A:"
    check(body.format(".nc.b32"), body.format(".b32"), message, blocks=1)


def test_many_blocks_with_fences() -> None:
    """The last block to arrive reads what all others wrote."""
    body = """
    add.s64 %rd5, %rd1, %rd30;
    st.global.b32 [%rd5+256], %r1;
    bar.sync 0;
    setp.ne.u32 %p1, %r4, 0; @%p1 bra END;
    {}
    atom.global.add.u32 %r5, [%rd2], 1;
    setp.ne.u32 %p1, %r5, 9; @%p1 bra END;
    fence.acq_rel.gpu;
    ld.global.b32 %r6, [%rd1+256];
    ld.global.b32 %r6, [%rd1+600];
    ld.global.b32 %r6, [%rd1+1500];
    END:
    """
    check(body.format(""), body.format("fence.acq_rel.gpu;"), blocks=10, threads=32)
