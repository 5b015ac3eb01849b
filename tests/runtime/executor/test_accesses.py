"""Every access is checked against its buffer, and what is wrong is named."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import kernel


def fails(body: str, message: str, size: int = 64, outside: str = "", free: bool = False) -> None:
    """`body` with a buffer of `size` bytes at `%rd1` and one at `%rd2` is an error."""
    machine = Machine()
    loaded = machine.load(kernel(body, outside=outside)).kernels["k"]
    a, b = machine.allocate(size), machine.allocate(64)
    if free:
        machine.free(a)
    with pytest.raises(ExecutionError, match=message) as caught:
        machine.launch(loaded, (2, 1, 1), (32, 1, 1), arguments=[a, b])
    assert "kernel k, line" in str(caught.value)


def test_out_of_bounds() -> None:
    place = r"block \(\d, 0, 0\) thread \(\d+, 0, 0\): it "
    end = r"of buffer 1 \(64 bytes\): out of bounds\n  "
    fails(
        "add.s64 %rd3, %rd1, %rd30; \nst.global.b32 [%rd3+4], %r1;",
        place + rf"writes 4 bytes at offset \d+ {end}st.global.b32",
    )
    fails("ld.global.v4.b32 {%r5,%r6,%r7,%r8}, [%rd1+64];", place + "reads 16 bytes at offset 64 " + end)
    fails("ld.global.b64 %rd5, [%rd1-8];", place + "reads 8 bytes at offset -8 " + end)
    fails("red.global.add.u32 [%rd1+64], 1;", place + "writes 4 bytes at offset 64 " + end)
    fails(
        "add.s64 %rd1, %rd1, 549755813888; ld.global.b32 %r5, [%rd1];",
        "offset -549755813888 of buffer 2|out of bounds|no such",
    )


def test_no_buffer() -> None:
    fails("ld.global.b32 %r5, [0];", "which belongs to no buffer: there is no such memory")
    fails("mov.b64 %rd3, -8; st.global.b64 [%rd3], %rd1;", "there is no such memory")
    fails("shl.b64 %rd3, %rd1, 9; ld.global.b8 %r5, [%rd3];", "there is no such memory")


def test_freed_memory() -> None:
    fails("ld.global.b32 %r5, [%rd1];", r"offset 0 of buffer 1, which was freed: there is no such memory", free=True)


def test_misaligned() -> None:
    fails("ld.global.b32 %r5, [%rd1+2];", "reads 4 bytes at offset 2 of buffer 1 .*: misaligned")
    fails("st.global.v2.b32 [%rd1+4], {%r5, %r6};", "writes 8 bytes at offset 4 of buffer 1 .*: misaligned")


def test_constant_memory_is_not_written() -> None:
    body = "mov.b64 %rd3, table; st.global.b32 [%rd3], %r5;"
    fails(body, "the buffer is constant", outside=".const .align 4 .b8 table[16];")


def test_shared_memory() -> None:
    arrays = ".shared .align 4 .b8 first[16];\n.shared .align 4 .b8 second[16];\n"
    fails("st.shared.b32 [first+16], %r5;", r"offset 16 of shared memory \(first\): out of bounds", outside=arrays)
    fails("ld.shared.b32 %r5, [second-4];", r"offset -4 of shared memory \(second\): out of bounds", outside=arrays)
    fails("ld.shared.b32 %r5, [second+2];", r"\(second\): misaligned", outside=arrays)
    fails("cvta.to.shared.u64 %rd3, %rd1; ld.shared.b32 %r5, [%rd3];", "no such memory|out of bounds", outside=arrays)
    fails("mov.b64 %rd3, first; ld.global.b32 %r5, [%rd3];", "no such memory", outside=arrays)
    fails("mov.b64 %rd3, first; cvta.shared.u64 %rd3, %rd3; ld.b32 %r5, [%rd3+16];", "out of bounds", outside=arrays)


def test_division_by_zero_and_traps() -> None:
    fails("mov.b32 %r5, 0; div.u32 %r6, %r1, %r5;", "an integer is divided by zero\n  .*div")
    fails("setp.eq.u32 %p1, %r4, 7; @%p1 trap;", r"thread \(7, 0, 0\): the kernel traps")


def test_memory_of_the_host_side() -> None:
    machine = Machine(memory=1000)
    a = machine.allocate(600)
    assert not machine.read(a, np.uint8, 600).any()
    with pytest.raises(MemoryError, match="500 bytes are asked for, 400 of 1000 are free"):
        machine.allocate(500)
    machine.write(a, np.arange(3, dtype=np.int32), offset=8)
    assert machine.read(a, np.int32, 5).tolist() == [0, 0, 0, 1, 2]
    assert machine.read(a + 12, np.int32, 1).tolist() == [1]
    for call in (
        lambda: machine.read(a, np.int32, 151),
        lambda: machine.write(a, np.zeros(2, np.int64), offset=592),
        lambda: machine.read(a, np.int32, 1, offset=-4),
        lambda: machine.free(a + 4),
    ):
        with pytest.raises(ExecutionError, match="buffer"):
            call()
    machine.free(a)
    with pytest.raises(ExecutionError, match="freed"):
        machine.read(a, np.int32, 1)
    assert machine.allocate(1000) != a
    with pytest.raises(ExecutionError):
        machine.allocate(-1)


def test_poison_depends_on_the_seed() -> None:
    patterns = [bytes(m.read(m.allocate(64), np.uint8, 64)) for m in (Machine(s, poison=True) for s in (1, 1, 2))]
    assert patterns[0] == patterns[1] != patterns[2]


def test_a_launch_after_an_error_is_as_any_other() -> None:
    machine = Machine()
    loaded = machine.load(kernel("add.s64 %rd3, %rd1, %rd30; st.global.b32 [%rd3], %r1;", 1)).kernels["k"]
    a = machine.allocate(128)
    with pytest.raises(ExecutionError):
        machine.launch(loaded, (2, 1, 1), (32, 1, 1), arguments=[a])
    machine.write(a, np.zeros(32, np.uint32))
    machine.launch(loaded, (1, 1, 1), (32, 1, 1), arguments=[a])
    np.testing.assert_array_equal(machine.read(a, np.uint32, 32), np.arange(32))
