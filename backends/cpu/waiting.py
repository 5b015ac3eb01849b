"""How workers of one network wait for each other: `spikec_wait`, as LLVM IR.

The last one to come begins the next round; the others look at its number for a while, and then sleep until they are
woken: where a machine has other things to do, a worker that has not come yet may need the processor.  The count of
those that came, the number of the round and the count of those asleep lie in lines of the cache of their own.
"""

from __future__ import annotations

SIZE = 192
"""Bytes of what they share."""
LOOKS = 1000
"""How often a worker looks before it sleeps: some ten microseconds."""

_PAUSES = {
    "x86": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}
_FUTEX = {"x86": 202, "aarch64": 98}
"""Number of Linux's call `futex`."""
_WAIT, _WAKE = 128, 129  # its operations, for the threads of one process

_TEXT = """
define void @spikec_wait(ptr %count, i64 %workers) noinline nounwind {
entry:
  %round = getelementptr i8, ptr %count, i64 64
  %asleep = getelementptr i8, ptr %count, i64 128
  %now = load atomic i32, ptr %round monotonic, align 4
  %before = atomicrmw add ptr %count, i64 1 acq_rel, align 8
  %others = sub i64 %workers, 1
  %last = icmp eq i64 %before, %others
  br i1 %last, label %begin, label %look
begin:
  store atomic i64 0, ptr %count monotonic, align 8
  %was = atomicrmw add ptr %round, i32 1 seq_cst, align 4
  %sleeping = load atomic i32, ptr %asleep seq_cst, align 4
  %none = icmp eq i32 %sleeping, 0
  br i1 %none, label %done, label %wake
wake:
  WAKE
  br label %done
look:
  %left = phi i64 [ LOOKS, %entry ], [ %less, %pause ], [ 0, %sleep ]
  %seen = load atomic i32, ptr %round acquire, align 4
  %same = icmp eq i32 %seen, %now
  br i1 %same, label %again, label %done
again:
  %over = icmp eq i64 %left, 0
  br i1 %over, label %sleep, label %pause
pause:
  PAUSE
  %less = sub i64 %left, 1
  br label %look
sleep:
  %lying = atomicrmw add ptr %asleep, i32 1 seq_cst, align 4
  SLEEP
  %standing = atomicrmw sub ptr %asleep, i32 1 seq_cst, align 4
  br label %look
done:
  ret void
}
"""


def text(family: str, triple: str) -> str:
    """The module for a family of processors; systems other than Linux have no sleep, but let other threads go first."""
    declared, pause = _PAUSES.get(family, ("", ""))
    if "linux" in triple and family in _FUTEX:
        call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX[family]}, ptr %round, i32 "
        sleep, wake = f"{call}{_WAIT}, i32 %now, ptr null)", f"{call}{_WAKE}, i32 {2**31 - 1})"
        declared += "\ndeclare i64 @syscall(i64, ...)"
    else:
        sleep, wake = "call i32 @sched_yield()", ""
        declared += "\ndeclare i32 @sched_yield()"
    body = _TEXT.replace("LOOKS", str(LOOKS)).replace("PAUSE", pause)
    return body.replace("SLEEP", sleep).replace("WAKE", wake) + declared
