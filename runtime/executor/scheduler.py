"""The scheduler of a launch, in the compiled subset of Python (`subset.py`).

Blocks up to the number that is resident run interleaved.  A round visits the resident blocks, their warps and
lanes in an order drawn anew, and resumes every thread that can go on.  Warp collectives are resolved
when all lanes of the mask wait at one instruction, barriers when all threads that have not exited do.

A round that resumes nothing is a deadlock.  Threads that only poll change no memory: if the frames of all
of them come back to what they were while memory stayed as it is, they will for ever (a livelock).
"""

from __future__ import annotations

from spikec.runtime.executor.layout import (
    ABSENT_LANE,
    ALIVE,
    ALL,
    ALL_TRUE,
    AND,
    ANY,
    ANY_TRUE,
    ARGUMENT,
    BARRIER_COUNT,
    BARRIERS,
    BASE_CLOCK,
    BLOCK_NUMBER,
    BLOCK_ORDER,
    BLOCKS,
    CLAMP,
    CLOCK,
    COLLECTING,
    COLLECTIVE,
    CTAID,
    DEADLOCK,
    DIVERGENT,
    EXIT,
    EXITED,
    FAILED,
    FAULT,
    FAULT_BLOCK,
    FAULT_LINE,
    FAULT_THREAD,
    FIRST,
    FLOOR,
    FOUND,
    FRAME,
    KIND,
    KNOWN,
    LANE,
    LANES,
    LIMIT,
    LINE,
    LIVELOCK,
    MASK,
    MASK_LACKS_LANE,
    MATCH_ALL,
    MATCH_ANY,
    MAX,
    MEMBERS,
    MIN,
    NCTAID,
    NTID,
    NUMBER,
    OR,
    PC,
    POISON,
    PROGRESS,
    RACE_BARRIER,
    RACE_RETIRE,
    RACE_WARP,
    RANDOM,
    READY,
    RESIDENT,
    RESULT,
    RESUMES,
    RUNNABLE,
    SHADOW_BYTES,
    SHARED,
    SHARED_BYTES,
    SHARED_SHADOW,
    SHUFFLE_DOWN,
    SHUFFLE_IDX,
    SHUFFLE_UP,
    SHUFFLE_XOR,
    SLOT,
    SLOT_ORDER,
    SLOTS,
    STARTED,
    STEP,
    SUM,
    THREAD_BYTES,
    THREADS,
    TID,
    TOO_LONG,
    UNIFORM,
    VALUE,
    WAITING,
    WARP,
    WARP_BARRIER,
    WARP_BYTES,
    WARP_RECORDS,
    WARPS,
    WORD,
    YIELD,
)
from spikec.runtime.executor.subset import call, i64, popcount, trailing_zeros

PATIENCE = 4
"""Rounds without change before frames are compared."""


def random(launch: int) -> int:
    """The next random number (xorshift64*), 32 bits."""
    x = i64[launch + RANDOM]
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    i64[launch + RANDOM] = x
    return (x * 2685821657736338717) >> 32


def fault(launch: int, kind: int, block: int, thread: int) -> int:
    """Record what went wrong at the instruction a thread stopped at."""
    i64[launch + FAULT] = kind
    i64[launch + FAULT_LINE] = i64[thread + LINE]
    return blame(launch, block, thread)


def blame(launch: int, block: int, thread: int) -> int:
    """Record the thread that failed."""
    i64[launch + FAULT_BLOCK] = block
    i64[launch + FAULT_THREAD] = thread
    return 1


def shuffle(launch: int, order: int, count: int) -> int:
    """Put `count` words in a random order."""
    for k in range(1, count):
        j = random(launch) % (k + 1)
        saved = i64[order + WORD * k]
        i64[order + WORD * k] = i64[order + WORD * j]
        i64[order + WORD * j] = saved
    return 0


def start(launch: int, block: int) -> int:
    """Put the next block of the grid into a slot; 0 if there is none."""
    if i64[launch + STARTED] >= i64[launch + BLOCKS]:
        i64[block + ALIVE] = 0
        return 0
    number = i64[i64[launch + BLOCK_ORDER] + WORD * i64[launch + STARTED]]
    i64[launch + STARTED] += 1
    threads = i64[launch + THREADS]
    i64[block + BLOCK_NUMBER] = number
    i64[block + CTAID] = number % i64[launch + NCTAID]
    rest = number // i64[launch + NCTAID]
    i64[block + CTAID + 8] = rest % i64[launch + NCTAID + 8]
    i64[block + CTAID + 16] = rest // i64[launch + NCTAID + 8]
    i64[block + ALIVE] = threads
    i64[block + RUNNABLE] = threads
    i64[block + FLOOR] = 0
    i64[block + KNOWN] = 0
    for k in range(32):
        i64[block + BARRIERS + WORD * k] = 0
    fill(i64[block + SHARED], i64[launch + SHARED_BYTES], i64[launch + POISON])
    fill(i64[block + SHARED_SHADOW], i64[launch + SHADOW_BYTES], 0)
    for w in range(i64[launch + WARPS]):
        warp = block + WARP_RECORDS + WARP_BYTES * w
        lanes = threads - LANES * w
        members = (1 << lanes) - 1 if lanes < LANES else 4294967295
        i64[warp + READY] = members
        i64[warp + MEMBERS] = members
        i64[warp + COLLECTING] = 0
        i64[warp + WAITING] = 0
        i64[warp + EXITED] = 0
    for t in range(threads):
        start_thread(launch, block, i64[block + FIRST] + t * i64[launch + FRAME], t)
    return 1


def fill(place: int, size: int, value: int) -> int:
    """Set words of memory."""
    for k in range(size // WORD):
        i64[place + WORD * k] = value
    return 0


def start_thread(launch: int, block: int, thread: int, t: int) -> int:
    """The record of a thread at its first instruction."""
    fill(thread, i64[launch + FRAME], 0)
    i64[thread + TID] = t % i64[launch + NTID]
    rest = t // i64[launch + NTID]
    i64[thread + TID + 8] = rest % i64[launch + NTID + 8]
    i64[thread + TID + 16] = rest // i64[launch + NTID + 8]
    i64[thread + LANE] = t % LANES
    i64[thread + WARP] = t // LANES
    i64[thread + NUMBER] = i64[block + BLOCK_NUMBER] * i64[launch + THREADS] + t
    i64[thread + CLOCK] = i64[launch + BASE_CLOCK] + 1
    return 0


def run(launch: int) -> int:
    """Run a grid; 0, or 1 with the fault recorded."""
    resident = i64[launch + RESIDENT]
    slots = i64[launch + SLOTS]
    order = i64[launch + SLOT_ORDER]
    live = 0
    for s in range(resident):
        i64[order + WORD * s] = slots + s * i64[launch + SLOT]
        live += start(launch, i64[order + WORD * s])
    idle = 0
    seen = 0
    compared = PATIENCE
    while live:
        i64[launch + PROGRESS] = 0
        before = i64[launch + RESUMES]
        if resident > 1:
            shuffle(launch, order, resident)
        for s in range(resident):
            block = i64[order + WORD * s]
            if i64[block + RUNNABLE]:
                if run_block(launch, block):
                    return 1
                if not i64[block + ALIVE]:
                    i64[launch + PROGRESS] = 1
                    if i64[launch + RACE_RETIRE]:
                        call(i64[launch + RACE_RETIRE], launch, block)
                    live += start(launch, block) - 1
        resumed = i64[launch + RESUMES] - before
        if live and not resumed:
            return deadlock(launch)
        i64[launch + LIMIT] -= resumed
        if i64[launch + LIMIT] < 0:
            return fault_anywhere(launch, TOO_LONG)
        idle += 1
        if i64[launch + PROGRESS]:
            idle = 0
            compared = PATIENCE
        elif idle >= PATIENCE:
            state = frames(launch)
            if idle > PATIENCE and state == seen:
                return fault_anywhere(launch, LIVELOCK)
            if idle == compared:  # Brent: a cycle of any length is found
                seen = state
                compared *= 2
    return 0


def frames(launch: int) -> int:
    """A hash of the frames of all threads that run."""
    state = 0
    for s in range(i64[launch + RESIDENT]):
        block = i64[launch + SLOTS] + s * i64[launch + SLOT]
        if i64[block + ALIVE]:
            for t in range(i64[launch + THREADS]):
                thread = i64[block + FIRST] + t * i64[launch + FRAME]
                state = hashed(state, thread, thread + TID)
                state = hashed(state, thread + THREAD_BYTES, thread + i64[launch + FRAME])
    return state


def hashed(state: int, first: int, last: int) -> int:
    """Mix the words of a stretch of memory into a hash."""
    for k in range((last - first) // WORD):
        state = (state ^ i64[first + WORD * k]) * 1099511628211
        state ^= state >> 29
    return state


def run_block(launch: int, block: int) -> int:
    """Resume every thread of a block that can go on."""
    warps = i64[launch + WARPS]
    drawn = random(launch)
    # Warps from a random one on, upwards or downwards; now and then one runs twice.
    for k in range(warps):
        w = (drawn + (k if drawn & 65536 else warps - k)) % warps
        warp = block + WARP_RECORDS + WARP_BYTES * w
        if i64[warp + READY]:
            if run_warp(launch, block, warp, w):
                return 1
            if random(launch) & 7 == 0 and i64[warp + READY]:
                if run_warp(launch, block, warp, w):
                    return 1
    return 0


def run_warp(launch: int, block: int, warp: int, w: int) -> int:
    """Resume the ready lanes of a warp, in a random order."""
    ready = i64[warp + READY]
    frame = i64[launch + FRAME]
    first = i64[block + FIRST] + w * LANES * frame
    drawn = random(launch)
    flip = drawn & 31
    stride = (drawn >> 5) | 1
    for k in range(LANES):
        lane = (k * stride & 31) ^ flip
        if ready >> lane & 1:
            thread = first + lane * frame
            i64[launch + RESUMES] += 1
            status = call(i64[launch + STEP], launch, block, thread)
            if status != YIELD:
                if stopped(launch, block, warp, thread, status):
                    return 1
    return 0


def stopped(launch: int, block: int, warp: int, thread: int, status: int) -> int:
    """A thread has come back and cannot go on by itself."""
    if status == FAILED:
        return blame(launch, block, thread)
    bit = 1 << i64[thread + LANE]
    i64[warp + READY] ^= bit
    i64[block + RUNNABLE] -= 1
    if status == EXIT:
        i64[launch + PROGRESS] = 1
        i64[warp + EXITED] |= bit
        i64[block + ALIVE] -= 1
        for k in range(16):
            if i64[block + BARRIERS + 16 * k] and settle(launch, block, k):
                return 1
        return 0
    if status == COLLECTIVE:
        return collect(launch, block, warp, thread, bit)
    i64[warp + WAITING] |= bit
    number = i64[thread + ARGUMENT]
    record = block + BARRIERS + 16 * number
    if i64[record] and i64[record + 8] != i64[thread + VALUE]:
        return fault(launch, BARRIER_COUNT, block, thread)
    i64[record] += 1
    i64[record + 8] = i64[thread + VALUE]
    return settle(launch, block, number)


# Barriers


def settle(launch: int, block: int, number: int) -> int:
    """Let the threads of a barrier go if all that it expects are there."""
    record = block + BARRIERS + 16 * number
    expected = i64[record + 8]
    if i64[record] < (expected if expected else i64[block + ALIVE]):
        return 0
    count = 0
    arrived = i64[record]
    for w in range(i64[launch + WARPS]):
        warp = block + WARP_RECORDS + WARP_BYTES * w
        place = 0
        for lane in range(LANES):
            thread = i64[block + FIRST] + (w * LANES + lane) * i64[launch + FRAME]
            if i64[warp + WAITING] >> lane & 1 and i64[thread + ARGUMENT] == number:
                if place and place != i64[thread + PC] and i64[thread + CLAMP]:
                    return fault(launch, DIVERGENT, block, thread)
                place = i64[thread + PC]
                count += i64[thread + FOUND]
    if i64[launch + RACE_BARRIER]:
        if call(i64[launch + RACE_BARRIER], launch, block, number):
            return 1
    for w in range(i64[launch + WARPS]):
        warp = block + WARP_RECORDS + WARP_BYTES * w
        for lane in range(LANES):
            thread = i64[block + FIRST] + (w * LANES + lane) * i64[launch + FRAME]
            if i64[warp + WAITING] >> lane & 1 and i64[thread + ARGUMENT] == number:
                i64[warp + WAITING] ^= 1 << lane
                i64[warp + READY] |= 1 << lane
                kind = i64[thread + KIND]
                if kind == ALL_TRUE:
                    i64[thread + RESULT] = count == arrived
                elif kind == ANY_TRUE:
                    i64[thread + RESULT] = count != 0
                else:
                    i64[thread + RESULT] = count
    i64[block + RUNNABLE] += arrived
    i64[record] = 0
    i64[launch + PROGRESS] = 1
    return 0


# Warp collectives


def collect(launch: int, block: int, warp: int, thread: int, bit: int) -> int:
    """A lane has come to a collective; resolve it if all lanes of its mask are there."""
    mask = i64[thread + MASK]
    if not mask & bit:
        return fault(launch, MASK_LACKS_LANE, block, thread)
    if mask & (i64[warp + EXITED] | ~i64[warp + MEMBERS]):
        return fault(launch, ABSENT_LANE, block, thread)
    i64[warp + COLLECTING] |= bit
    if i64[warp + COLLECTING] & mask != mask:
        return 0
    frame = i64[launch + FRAME]
    first = thread - i64[thread + LANE] * frame
    rest = mask
    while rest:
        other = first + trailing_zeros(rest) * frame
        rest &= rest - 1
        if i64[other + PC] != i64[thread + PC] or i64[other + MASK] != mask:
            return 0
    i64[launch + PROGRESS] = 1
    if resolve(launch, block, thread, first, mask):
        return 1
    i64[warp + COLLECTING] ^= mask
    i64[warp + READY] |= mask
    i64[block + RUNNABLE] += popcount(mask)
    return 0


def resolve(launch: int, block: int, thread: int, first: int, mask: int) -> int:
    """Give every lane of the mask its result."""
    kind = i64[thread + KIND]
    frame = i64[launch + FRAME]
    if kind == WARP_BARRIER:
        if i64[launch + RACE_WARP]:
            return call(i64[launch + RACE_WARP], launch, block, first, mask)
        return 0
    if kind >= SHUFFLE_IDX and kind <= SHUFFLE_XOR:
        return exchange(launch, block, first, mask, kind)
    if kind == MATCH_ANY:
        return match(first, frame, mask)
    result = 0 if kind < SUM else i64[thread + VALUE]
    rest = mask
    while rest:
        lane = trailing_zeros(rest)
        rest &= rest - 1
        other = first + lane * frame
        value = i64[other + VALUE]
        if kind <= UNIFORM:
            result |= value << lane
        elif kind == MATCH_ALL:
            result |= (value == i64[thread + VALUE]) << lane
        elif other == thread:
            result = result
        elif kind == SUM:
            result += value
        elif kind == MIN:
            result = value if value < result else result
        elif kind == MAX:
            result = value if value > result else result
        elif kind == AND:
            result &= value
        elif kind == OR:
            result |= value
        else:
            result ^= value
    found = result == mask
    if kind == ANY:
        result = result != 0
    elif kind == ALL:
        result = found
    elif kind == UNIFORM:
        result = found | (result == 0)
    elif kind == MATCH_ALL:
        result = mask if found else 0
    rest = mask
    while rest:
        other = first + trailing_zeros(rest) * frame
        rest &= rest - 1
        i64[other + RESULT] = result
        i64[other + FOUND] = found
    return 0


def match(first: int, frame: int, mask: int) -> int:
    """Every lane gets the mask of the lanes that hold its value."""
    rest = mask
    while rest:
        thread = first + trailing_zeros(rest) * frame
        rest &= rest - 1
        same = 0
        others = mask
        while others:
            lane = trailing_zeros(others)
            others &= others - 1
            same |= (i64[first + lane * frame + VALUE] == i64[thread + VALUE]) << lane
        i64[thread + RESULT] = same
    return 0


def exchange(launch: int, block: int, first: int, mask: int, kind: int) -> int:
    """shfl.sync: every lane reads the value of another (PTX ISA, shfl.sync)."""
    frame = i64[launch + FRAME]
    rest = mask
    while rest:
        lane = trailing_zeros(rest)
        rest &= rest - 1
        thread = first + lane * frame
        b = i64[thread + ARGUMENT] & 31
        c = i64[thread + CLAMP] & 31
        segment = i64[thread + CLAMP] >> 8 & 31
        last = lane & segment | c & ~segment
        source = lane & segment | b & ~segment
        if kind == SHUFFLE_UP:
            source = lane - b
        elif kind == SHUFFLE_DOWN:
            source = lane + b
        elif kind == SHUFFLE_XOR:
            source = lane ^ b
        inside = source >= last if kind == SHUFFLE_UP else source <= last
        if not inside:
            source = lane
        if not mask >> source & 1:
            return fault(launch, ABSENT_LANE, block, thread)
        i64[thread + RESULT] = i64[first + source * frame + VALUE]
        i64[thread + FOUND] = inside
    return 0


# No way on


def fault_anywhere(launch: int, kind: int) -> int:
    """A fault of all threads; the one named is the first that has not exited."""
    for s in range(i64[launch + RESIDENT]):
        block = i64[launch + SLOTS] + s * i64[launch + SLOT]
        if i64[block + ALIVE]:
            for t in range(i64[launch + THREADS]):
                warp = block + WARP_RECORDS + WARP_BYTES * (t // LANES)
                if i64[warp + READY] >> (t % LANES) & 1:
                    return fault(launch, kind, block, i64[block + FIRST] + t * i64[launch + FRAME])
    i64[launch + FAULT] = kind
    i64[launch + FAULT_LINE] = 0
    return 1


def deadlock(launch: int) -> int:
    """Nothing can be resumed: a collective that lacks lanes is the cause if there is one."""
    for pass_ in range(2):
        for s in range(i64[launch + RESIDENT]):
            block = i64[launch + SLOTS] + s * i64[launch + SLOT]
            for t in range(i64[launch + THREADS] if i64[block + ALIVE] else 0):
                warp = block + WARP_RECORDS + WARP_BYTES * (t // LANES)
                waiting = i64[warp + COLLECTING] if not pass_ else i64[warp + WAITING]
                if waiting >> (t % LANES) & 1:
                    return fault(launch, DEADLOCK, block, i64[block + FIRST] + t * i64[launch + FRAME])
    return fault_anywhere(launch, DEADLOCK)


FUNCTIONS = (
    random, fault, blame, shuffle, start, fill, start_thread, run, frames, hashed, run_block, run_warp, stopped, settle,
    collect, resolve, match, exchange, fault_anywhere, deadlock,
)  # fmt: skip
"""All of them, to be compiled together; `run` is the entry."""
