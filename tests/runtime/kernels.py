"""A network of GPU kernels written by hand, with its plan: what engines and devices are tried on.

Forty neurons add their input spikes to v, which starts as 1; one that reaches 4 spikes and starts from 0.  A second section,
one round behind, shows v as the output.  `finish` gives the last v.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from spikec.runtime.interface import Input, Interface, Output, Probe
from spikec.runtime.launches import BARRIER, BEGIN, END, HEAD, KEYS, ROUND, HostArray, Kernel, Launches, Memory

Array = npt.NDArray[np.generic]
SIZE = 40
# Words of the head that hold the strides of x, y, last, the spikes of a and its v.
X, Y, LAST, SPIKE, V = (8 * (KEYS + 2 * n) for n in range(5))

HEADER = """
.version 7.0
.target sm_80
.address_size 64
"""


def _entry(name: str, arguments: tuple[str, ...], body: str) -> str:
    parameters = [".param .u32 number", *(f".param .u64 p{n}" for n in range(len(arguments)))]
    loads = "".join(f"  ld.param.u64 %{argument}, [p{n}];\n" for n, argument in enumerate(arguments))
    return f"""
.visible .entry {name}({", ".join(parameters)}) .maxntid 128, 1, 1
{{
  .reg .b32 %r<40>;
  .reg .b64 %d<40>;
  .reg .b64 %head, %x, %v, %y, %last, %spike, %trace, %emitted, %barrier;
  .reg .pred %p<20>;
{loads}  mov.u32 %r0, %tid.x;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ctaid.y;
  ld.global.u32 %r3, [%head+{8 * BEGIN}];
  ld.global.u32 %r4, [%head+{8 * END}];
  setp.ge.u32 %p0, %r0, {SIZE};
{body}
  ret;
}}
"""


def _address(out: str, base: str, word: int, row: str) -> str:
    """The address of the four bytes of this thread in a row of a host array of this sample."""
    return f"""
  ld.global.u64 %d1, [%head+{word}];
  ld.global.u64 %d2, [%head+{word + 8}];
  cvt.u64.u32 %d3, {row};
  cvt.u64.u32 %d4, %r2;
  mul.lo.u64 %d5, %d1, %d3;
  mad.lo.u64 %d5, %d2, %d4, %d5;
  cvt.u64.u32 %d6, %r0;
  add.u64 %d7, %d5, %d6;
  shl.b64 %d7, %d7, 2;
  add.u64 {out}, {base}, %d7;
"""


def _slot(out: str, step: str) -> str:
    """The address of this thread's v in the slot of a step: two slots of 128, and a stretch of 256 for each sample."""
    return f"""
  and.b32 %r30, {step}, 1;
  shl.b32 %r31, %r30, 7;
  mad.lo.u32 %r31, %r2, 256, %r31;
  add.u32 %r31, %r31, %r0;
  mul.wide.u32 %d8, %r31, 4;
  add.u64 {out}, %v, %d8;
"""


def _round(step: str, label: str) -> str:
    """Both sections: %r10 is the round's step."""
    return f"""
  mov.u32 %r10, {step};
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra SECOND{label};
  setp.ge.s32 %p2, %r10, %r4;
  or.pred %p2, %p2, %p0;
  @%p2 bra DONE{label};
  sub.u32 %r11, %r10, %r3;
  sub.u32 %r12, %r10, 1;
{_slot("%d20", "%r12")}
  ld.global.u32 %r13, [%d20];
  ld.global.u64 %d1, [%head+{X}];
  ld.global.u64 %d2, [%head+{X + 8}];
  cvt.u64.u32 %d3, %r11;
  cvt.u64.u32 %d4, %r2;
  mul.lo.u64 %d5, %d1, %d3;
  mad.lo.u64 %d5, %d2, %d4, %d5;
  shr.u32 %r14, %r0, 5;
  cvt.u64.u32 %d6, %r14;
  add.u64 %d5, %d5, %d6;
  shl.b64 %d5, %d5, 2;
  add.u64 %d9, %x, %d5;
  ld.global.u32 %r15, [%d9];
  and.b32 %r16, %r0, 31;
  shr.u32 %r17, %r15, %r16;
  and.b32 %r17, %r17, 1;
  add.u32 %r18, %r13, %r17;
  setp.ge.s32 %p3, %r18, 4;
  selp.b32 %r19, 1, 0, %p3;
  selp.b32 %r18, 0, %r18, %p3;
{_slot("%d21", "%r10")}
  st.global.u32 [%d21], %r18;
{_address("%d22", "%spike", SPIKE, "%r11")}
  st.global.u32 [%d22], %r19;
  mul.wide.u32 %d23, %r2, 8;
  add.u64 %d24, %emitted, %d23;
  cvt.u64.u32 %d25, %r19;
  atom.global.add.u64 %d26, [%d24], %d25;
  rem.u32 %r20, %r10, 3;
  setp.ne.u32 %p4, %r20, 0;
  @%p4 bra DONE{label};
  div.u32 %r21, %r11, 3;
{_address("%d27", "%trace", V, "%r21")}
  st.global.u32 [%d27], %r18;
  bra DONE{label};
SECOND{label}:
  sub.u32 %r10, %r10, 1;
  setp.lt.s32 %p5, %r10, %r3;
  setp.ge.s32 %p6, %r10, %r4;
  or.pred %p5, %p5, %p6;
  or.pred %p5, %p5, %p0;
  @%p5 bra DONE{label};
{_slot("%d21", "%r10")}
  ld.global.u32 %r18, [%d21];
  sub.u32 %r11, %r10, %r3;
{_address("%d22", "%y", Y, "%r11")}
  st.global.u32 [%d22], %r18;
DONE{label}:
"""


STEP = ("head", "x", "v", "y", "spike", "trace", "emitted")
_step = _entry(
    "step",
    STEP,
    f"""
  ld.param.u32 %r5, [number];
  ld.global.u32 %r6, [%head+{8 * ROUND}];
  add.u32 %r7, %r3, %r5;
  add.u32 %r7, %r7, %r6;
{_round("%r7", "")}""",
)
_persistent = _entry(
    "persistent",
    (*STEP, "barrier"),
    f"""
  mov.u32 %r7, %r3;
  mov.u32 %r8, 0;
  mul.wide.u32 %d30, %r2, 4;
  add.u64 %d31, %barrier, %d30;
NEXT:
{_round("%r7", "")}
  add.u32 %r8, %r8, 2;
  bar.sync 0;
  setp.ne.u32 %p10, %r0, 0;
  @%p10 bra TOGETHER;
  fence.acq_rel.gpu;
  atom.global.add.u32 %r35, [%d31], 1;
WAIT:
  ld.relaxed.gpu.global.u32 %r36, [%d31];
  setp.lt.u32 %p11, %r36, %r8;
  @%p11 bra WAIT;
  fence.acq_rel.gpu;
TOGETHER:
  bar.sync 0;
  add.u32 %r7, %r7, 1;
  setp.le.s32 %p12, %r7, %r4;
  @%p12 bra NEXT;
""",
)
_finish = _entry(
    "finish",
    ("head", "v", "last"),
    f"""
  @%p0 bra OUT;
  sub.u32 %r12, %r4, 1;
{_slot("%d20", "%r12")}
  ld.global.u32 %r13, [%d20];
{_address("%d22", "%last", LAST, "%r2")}
  st.global.u32 [%d22], %r13;
OUT:
""".replace("mul.lo.u64 %d5, %d1, %d3;", "mov.u64 %d5, 0;"),
)
TEXT = HEADER + _step + _persistent + _finish

NAMES = {"head": HEAD, "x": "input.x", "y": "output.y", "last": "output.last", "barrier": BARRIER}
NAMES |= {"spike": "probe.a.spike", "trace": "probe.a.v", "v": "v", "emitted": "a.emitted"}


def _kernel(name: str, grid: int, arguments: tuple[str, ...]) -> Kernel:
    return Kernel(name, grid, 128, tuple(NAMES[argument] for argument in arguments))


INTERFACE = Interface(
    "hand",
    1.0,
    "",
    (Input("x", (SIZE,), "spikes", "bool", "", None, None),),
    (Output("y", (8, 5), "int32", "", True), Output("last", (SIZE,), "int32", "", False)),
    (Probe("a.spike", (SIZE,), "event", "bool", "", 1), Probe("a.v", (SIZE,), "value", "int32", "", 3)),
    ("a",),
)


def launches(persistent: bool = True) -> Launches:
    """The plan; without `persistent`, it has no such kernel."""
    words = KEYS + 10
    return Launches(
        memories=(
            Memory("input.x", "input", "uint32", 2, size=SIZE, bits=True),
            Memory("output.y", "output", "int32", SIZE, size=SIZE),
            Memory("output.last", "result", "int32", SIZE, size=SIZE),
            Memory("probe.a.spike", "probe", "int32", SIZE, size=SIZE),
            Memory("probe.a.v", "probe", "int32", SIZE, size=SIZE),
            Memory("v", "state", "int32", 256, 2, 128, SIZE, init="ones"),
            Memory("a.emitted", "counter", "int64", 1, size=1, stride=1),
            Memory(HEAD, "head", "int64", words, stride=words, size=words),
            Memory(BARRIER, "barrier", "int32", 1, stride=1, size=1),
        ),
        hosts=(
            HostArray("x", "input", "bool", (SIZE,), SIZE, bits="input.x"),
            HostArray("y", "output", "int32", (8, 5), SIZE, "output.y"),
            HostArray("last", "result", "int32", (SIZE,), SIZE, "output.last"),
            HostArray("a.spike", "probe", "bool", (SIZE,), SIZE, "probe.a.spike", record="event"),
            HostArray("a.v", "probe", "int32", (SIZE,), SIZE, "probe.a.v", record="value", every=3),
        ),
        init=(),
        step=(_kernel("step", 2, STEP),),
        finish=(_kernel("finish", 1, ("head", "v", "last")),),
        persistent=_kernel("persistent", 2, (*STEP, "barrier")) if persistent else None,
        skew=1,
        draws=(),
        counters=(("a.emitted", "a.emitted"),),
    )


CONSTANTS = {"ones": np.ones(SIZE, np.int32)}


def expected(x: Array, steps: int) -> tuple[Array, Array]:
    """v after each step and the spikes, by numpy."""
    v = np.ones(SIZE, np.int32)
    voltages, spikes = [], []
    for t in range(steps):
        v = v + x[t]
        spikes.append(v >= 4)
        v = np.where(v >= 4, 0, v)
        voltages.append(v)
    return np.array(voltages), np.array(spikes)
