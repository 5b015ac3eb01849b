"""Text that is wrong: an `ExecutionError` with its line, never a crash."""

from __future__ import annotations

import subprocess
import sys

import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import HEAD, emitted, kernel, path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("frob.u32 %r5, %r6;", "line 21: the instruction 'frob.u32' is not known\n  frob.u32"),
        ("sqrt.approx.f32 %r5, %r6;", "'sqrt.approx.f32' is not known: .approx and .full have no defined bits"),
        ("div.full.f32 %r5, %r6, %r7;", "have no defined bits"),
        ("mul.f32 %r5, %r6, %r7;", "without .rn it may be fused"),
        ("add.rn.foo.f32 %r5, %r6, %r7;", "is not known"),
        ("{ { .reg .b32 %x; } }", "a block within a nested block"),
        ("mov.u32 %r5, %clock;", "%clock is not"),
        ("add.s32 %r5, %r6;", "takes 3 operands, not 2"),
        ("add.s32 %r5, %r6, %rd7;", "an operand of 32 bits is needed, not of 64"),
        ("add.s64 %r5, %rd6, %rd7;", "a result of 64 bits does not fit %r5"),
        ("add.s32 %r99, %r6, %r7;", "%r99 is not a register"),
        ("add.s32 %r5, %x, %r7;", "%x is not a register"),
        ("add.s32 5, %r6, %r7;", "the result must be a register"),
        ("add.s32 %r5, %r6, 0x100000000;", "more than 32 bits"),
        ("add.rn.f32 %r5, %r6, 0d3FF0000000000000;", "a number of f64"),
        ("add.s32 %r5, [%rd1], 1;", "not possible here"),
        ("ld.global.b32 %r5, %rd1;", "an address in brackets"),
        ("ld.global.b32 %r5, [nothing];", "nothing is not an array"),
        ("ld.param.b32 %r5, [k_9];", "ld.param reads a parameter"),
        ("ld.param.b64 %rd5, [k_0+4];", "8 bytes at 4 are not in k_0"),
        ("ld.global.v2.b32 {%r5}, [%rd1];", "2 operands in braces"),
        ("st.global.v4.b32 [%rd1], %r5;", "4 operands in braces"),
        ("ld.relaxed.gpu.global.nc.b32 %r5, [%rd1];", "not known|plain loads"),
        ("mov.b64 {%r5, %r6, %r7}, %rd1;", "no 3 parts"),
        ("bra NOWHERE;", "there is no label NOWHERE"),
        ("brx.idx %r5, NOWHERE;", "there is no table NOWHERE"),
        ("@%r5 bra END; END:", "the guard %r5 is not a predicate"),
        ("@%p77 bra END; END:", "the guard %p77 is not a predicate"),
        ("A: A:", "the label A stands twice"),
        ("setp.lo.s32 %p1, %r5, %r6;", "s32 has no comparison lo"),
        ("setp.equ.u32 %p1, %r5, %r6;", "u32 has no comparison equ"),
        ("lop3.b32 %r5, %r6, %r7, %r8, 256;", "8 bits"),
        ("add.s32 %r5, %r6, %r7", "is expected"),
        ("add.s32 %r5, %r6, ?;", "is not PTX"),
        (".reg .b32 %r<5>;", "declared twice"),
        (".reg .b32 %y<2000000000>;", "are not possible"),
        (".shared .b8 huge[99999999999];", "out of bounds"),
        (".shared .align 3 .b8 odd[4];", "not an alignment"),
        (".local .align 4 .b8 depot[16];", "'.local' in a kernel is not supported"),
        ("call.uni foo;", "calls of device functions are not supported"),
        ("cvt.f32.f64 %r5, %rd6;", "a rounding is needed"),
        ("cvt.rz.f32.s64 %r5, %rd6;", "is not supported"),
        ("match.any.sync.b32 %r5|%p1, %r6, -1;", "one result"),
        ("atom.add.f32 %r5, [%rd1], %r6;", "name the state space"),
    ],
)
def test_what_is_not_understood_is_named(body: str, message: str) -> None:
    with pytest.raises(ExecutionError, match=message) as caught:
        Machine().load(kernel(f"\n{body}\n"))
    assert str(caught.value).startswith("line ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no .target"),
        (".version 7.8\n.address_size 32\n", "line 2: only 64-bit"),
        (f"{HEAD}.entry k() {{ ret;", "the text ends too early"),
        (f"{HEAD}.entry k() {{ ret; }}\n.entry k() {{ ret; }}", "the kernel k is defined twice"),
        (f"{HEAD}.entry k(.param .b8 a[99999]) {{ ret; }}", "too large"),
        (f"{HEAD}.entry k() .reqnctapercluster 2 {{ ret; }}", "not known"),
        (f"{HEAD}.global .b8 a[99999999999];", "out of bounds"),
        (f"{HEAD}.global .u32 a[2] = {{1, 2, 3}};", "does not fit"),
        (f"{HEAD}.global .u64 a = b;", "'b' in an initialiser"),
        (f"{HEAD}.entry k() {{ mov.b32 %r1, {'9' * 5000}; }}", "a number is expected"),
        (f"{HEAD}.entry k() {{ mov.b32 %r1, 0{'7' * 38}; }}", "64 bits"),
        (f"{HEAD}.entry k() {{ mov.b32 %r1, 089; }}", "is not supported"),
        ("\0\x01\x02", "is not PTX"),
    ],
)
def test_malformed_modules(text: str, message: str) -> None:
    with pytest.raises(ExecutionError, match=message):
        Machine().load(text)


def test_functions_that_nothing_calls_are_passed_over() -> None:
    function = (
        ".visible .func (.param .b32 r) f(.param .b32 a) { .reg .b32 %r<2>; { .reg .b32 t; } ret; }\n.extern .func g;"
    )
    assert list(Machine().load(kernel("", outside=function)).kernels) == ["k"]


def test_the_opcodes_of_a_kernel() -> None:
    loaded = Machine().load(emitted("lif")).kernels["lif"]
    assert {"vote.sync.ballot.b32", "mul.rn.ftz.f32", "atom.global.add.u32"} <= loaded.opcodes


MUTATED = """
import random, sys
from spikec.runtime.executor import ExecutionError, Machine

def attempt(text, seed):
    machine = Machine(seed=seed, limit=200_000, races=seed % 2 == 1, memory=1 << 20)
    try:
        for kernel in machine.load(text).kernels.values():
            arguments = [machine.allocate(4096) if p.size == 8 else 3 for p in kernel.parameters]
            machine.launch(kernel, (2, 1, 1), (64, 1, 1), arguments=arguments)
    except (ExecutionError, MemoryError):
        return 1
    return 0

def mutated(text, rng):
    lines = text.split("\\n")
    k = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[k]
        case 1:
            lines.insert(rng.randrange(len(lines)), lines[k])
        case 2:
            j = rng.randrange(len(lines))
            lines[k], lines[j] = lines[j], lines[k]
        case 3:
            return text[: rng.randrange(len(text))]
        case 4:
            place = rng.randrange(len(text))
            return text[:place] + rng.choice("0123456789%[]{},;.@!rdpbusf+-") + text[place + 1 :]
        case _:
            words = lines[k].split()
            others = text.split()
            if words:
                words[rng.randrange(len(words))] = rng.choice(others)
            lines[k] = " ".join(words)
    return "\\n".join(lines)

seed = int(sys.argv[1])
rng = random.Random(seed)
errors = 0
for k in range(int(sys.argv[2])):
    text = open(sys.argv[3 + k % len(sys.argv[3:])]).read()
    for _ in range(rng.randint(1, 3)):
        text = mutated(text, rng)
    errors += attempt(text, k)
print(errors)
"""


@pytest.mark.parametrize("seed", range(3))
def test_mutated_texts_never_crash(seed: int) -> None:
    """In a process of its own, for a crash would end this one."""
    files = [str(path(name)) for name in ("lif", "scatter", "persistent")]
    command = [sys.executable, "-c", MUTATED, str(seed), "60", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 10 < int(done.stdout) <= 60
