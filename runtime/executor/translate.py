"""A kernel's instructions to the LLVM IR of `step(launch, block, thread)`.

A thread runs from one suspension to the next.  There the registers that are still needed (found by liveness
over the instructions) are saved in the thread's record, and loaded when it is resumed at that place.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from spikec.runtime.executor import instructions, layout, narrow_floats
from spikec.runtime.executor.code import Code, Suspension
from spikec.runtime.executor.module import Entry, Text
from spikec.runtime.executor.prelude import prelude
from spikec.runtime.executor.subset import compile_functions
from spikec.runtime.executor.text import Name


@dataclass(frozen=True, slots=True)
class Translation:
    """IR with the function `step`, and the words a thread's frame needs."""

    ir: str
    frame_words: int


def translate(text: Text, entry: Entry, races: bool) -> Translation:
    """Translate one kernel; raises `ExecutionError` for what is not known."""
    code = Code(text, entry, races)
    targets = set(entry.labels.values())
    for index in range(len(entry.body)):
        code.index = index
        if index in targets:
            _begin(code, index)
        _instruction(code)
    if len(entry.body) in targets:
        _begin(code, len(entry.body))
    code.do(f"ret i64 {layout.EXIT}")
    live = _live_after(code)
    code.suspensions = [s for s in code.suspensions if s.waits_for is None or s.waits_for in live[s.index]]
    saved = {s.number: sorted(live[s.index] - (code.effects[s.index].writes - s.written)) for s in code.suspensions}
    frame = max(map(len, saved.values()), default=0)
    return Translation(_function(code, saved), frame)


def _begin(code: Code, index: int) -> None:
    code.do(f"br label %at{index}")
    code.label(f"at{index}")


def _instruction(code: Code) -> None:
    guard = code.instruction.guard
    if guard is None:
        instructions.translate(code)
        return
    if code.entry.register(guard.text) != "pred":
        raise code.error(f"the guard {guard.text} is not a predicate")
    then, after = code.fresh("then"), code.fresh("after")
    code.do(f"br i1 {code.read(guard, 1)}, label %{then}, label %{after}")
    code.label(then)
    instructions.translate(code)
    code.do(f"br label %{after}")
    code.label(after)


def _function(code: Code, saved: dict[int, list[str]]) -> str:
    registers = sorted(set().union(*(e.reads | e.writes for e in code.effects))) if code.effects else []
    widths = {r: code.width(Name(r)) for r in registers}
    resumes = " ".join(f"i64 {s.number}, label %resume{s.number}" for s in code.suspensions)
    head = [
        "define i64 @step(i64 %launch.in, i64 %block.in, i64 %thread.in) {",
        "enter:",
        *(f"  %{r} = inttoptr i64 %{r}.in to ptr" for r in ("launch", "block", "thread")),
        "  %fuel = alloca i64",
        f"  store i64 {layout.FUEL}, ptr %fuel",
        *(f'  %"{r}" = alloca i{w}\n  store i{w} 0, ptr %"{r}"' for r, w in widths.items()),
        "  %pc = load i64, ptr %thread",
        f"  switch i64 %pc, label %begin [{resumes}]",
        "begin:",
    ]
    body = []
    for line in code.lines:
        if isinstance(line, str):
            body.append(line)
        elif line.number in saved:
            body += _suspension(line, saved[line.number], widths)
    return "\n".join([_common(), *head, *body, "}", ""])


@functools.cache
def _common() -> str:
    """What all kernels call."""
    return prelude() + compile_functions(narrow_floats.FUNCTIONS)


def _suspension(suspension: Suspension, registers: list[str], widths: dict[str, int]) -> list[str]:
    n = suspension.number
    save = [f"  store i64 {n}, ptr %thread"]
    load = [f"resume{n}:"]
    for k, register in enumerate(registers):
        w, name = widths[register], f"{n}.{k}"
        place = f"getelementptr i8, ptr %thread, i64 {layout.THREAD_BYTES + layout.WORD * k}"
        save += [
            f"  %s{name} = {place}",
            f'  %o{name} = load i{w}, ptr %"{register}"',
            f"  store i{w} %o{name}, ptr %s{name}",
        ]
        load += [
            f"  %r{name} = {place}",
            f"  %l{name} = load i{w}, ptr %r{name}",
            f'  store i{w} %l{name}, ptr %"{register}"',
        ]
    return [*save, f"  ret i64 {suspension.status}", *load]


# Liveness


def _successors(code: Code) -> list[list[int]]:
    """The instructions that may follow each; the number of instructions is the end."""
    entry = code.entry
    found = []
    for index, instruction in enumerate(entry.body):
        base = instruction.opcode.split(".")[0]
        follows = [] if base in ("bra", "brx", "ret", "exit") and instruction.guard is None else [index + 1]
        names = [o.text for o in instruction.operands if isinstance(o, Name)]
        if base == "bra":
            follows += [entry.labels[n] for n in names]
        elif base == "brx":
            follows += [entry.labels[t] for n in names if n in entry.tables for t in entry.tables[n]]
        found.append(follows)
    return found


def _live_after(code: Code) -> list[set[str]]:
    """The registers that may be read after each instruction before they are written."""
    names = sorted(set().union(*(e.reads | e.writes for e in code.effects))) if code.effects else []
    bit = {name: 1 << k for k, name in enumerate(names)}
    reads = [sum(bit[r] for r in e.reads) for e in code.effects]
    # A guarded instruction may leave the register as it was.
    kept = [
        ~0 if i.guard else ~sum(bit[r] for r in e.writes) for i, e in zip(code.entry.body, code.effects, strict=True)
    ]
    successors = _successors(code)
    before = [0] * (len(successors) + 1)
    after = [0] * len(successors)
    changed = True
    while changed:
        changed = False
        for index in range(len(successors) - 1, -1, -1):
            out = 0
            for follower in successors[index]:
                out |= before[follower]
            value = reads[index] | (out & kept[index])
            after[index] = out
            if value != before[index]:
                before[index] = value
                changed = True
    wanted = {s.index for s in code.suspensions}
    return [{n for n in names if after[k] & bit[n]} if k in wanted else set() for k in range(len(after))]
