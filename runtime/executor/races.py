"""The race check, in the compiled subset of Python (`subset.py`).

Every byte of memory has a record of its last accesses: the plain write, two atomics, two reads.  An access
conflicts with a recorded one of another thread if one of them writes and not both are atomic; it is a race unless
the recorded one happened before it.

Happens-before follows vector clocks.  A thread has a clock, which moves on when it releases and at barriers.  What it
knows of others is: all of its block up to the block's floor (the last barrier), lanes of its warp by
`bar.warp.sync`, and the threads of other blocks by a vector of clocks, its own since it acquired
something after the last barrier, else its block's.  A variable that is written by a release (or by a relaxed
access after a fence) holds the vector of the releasing threads; who reads it and acquires (or has a fence
after a relaxed read) takes it over.  `.cta` scope takes part of the vector over, that of the block.
"""

from __future__ import annotations

from spikec.runtime.executor.layout import (
    ACQUIRES,
    ALIVE,
    ARGUMENT,
    ATOMIC,
    ATOMIC_READ,
    BARRIERS,
    BASE_CLOCK,
    BLOCK_NUMBER,
    BLOCK_SCOPE,
    BLOCKS,
    CELL,
    CLOCK,
    CLOCKS,
    CONSTANT_READ,
    FAULT,
    FAULT_ADDRESS,
    FAULT_LINE,
    FAULT_OTHER,
    FAULT_SIZE,
    FIRST,
    FLOOR,
    FRAME,
    HIGH_CLOCK,
    KNOWN,
    LANE,
    LANES,
    MATES,
    NO_POOL,
    NOT_CONSTANT,
    NUMBER,
    OFFSET_BITS,
    PENDING,
    POOL,
    POOL_FREE,
    POOL_SIZE,
    POOL_USED,
    PRIVATE,
    RACE,
    READS,
    RELEASED,
    RELEASES,
    SHARED_BIT,
    SHARED_OFFSET_BITS,
    SHARED_SHADOW,
    SHARED_TABLE,
    TABLE,
    THREADS,
    VECTOR,
    WAITING,
    WARP,
    WARP_BYTES,
    WARP_RECORDS,
    WORD,
    WRITE,
    WRITES,
)
from spikec.runtime.executor.subset import i32, i64, trailing_zeros

# A record: thread, clock, line and kind of the access.
THREAD_SHIFT = 42
CLOCK_SHIFT = 22
LINE_SHIFT = 3
CLOCK_MASK = (1 << (THREAD_SHIFT - CLOCK_SHIFT)) - 1
LINE_MASK = (1 << (CLOCK_SHIFT - LINE_SHIFT)) - 1
MOST_THREADS = 1 << 64 - THREAD_SHIFT
LAST_CLOCK = CLOCK_MASK - 1

# A cell.
WRITTEN = 0
ATOMICS = 8  # 2 records
READERS = 24  # 2 records
VARIABLE = 40

HEADER = 16


# Vectors


def vector(launch: int) -> int:
    """A new vector of zeros, or 0 if there is no room."""
    size = i64[launch + VECTOR]
    place = i64[launch + POOL_FREE]
    if place:
        i64[launch + POOL_FREE] = i64[place]
    else:
        if i64[launch + POOL_USED] + size > i64[launch + POOL_SIZE]:
            i64[launch + FAULT] = NO_POOL
            return 0
        place = i64[launch + POOL] + i64[launch + POOL_USED]
        i64[launch + POOL_USED] += size
    for k in range(size // WORD):
        i64[place + WORD * k] = 0
    return place


def release_vector(launch: int, place: int) -> int:
    """Give a vector back."""
    if place:
        i64[place] = i64[launch + POOL_FREE]
        i64[place + 8] = 0
        i64[launch + POOL_FREE] = place
    return 0


def join(target: int, source: int, first: int, last: int) -> int:
    """The later clock of each thread of a range."""
    for k in range(first, last):
        place = HEADER + 4 * k
        if i32[source + place] > i32[target + place]:
            i32[target + place] = i32[source + place]
    return 0


def join_scope(launch: int, block: int, target: int, source: int, effect: int) -> int:
    """`join` over all threads, or over the block's under `.cta` scope."""
    threads = i64[launch + THREADS]
    first = i64[block + BLOCK_NUMBER] * threads
    if effect & BLOCK_SCOPE:
        return join(target, source, first, first + threads)
    return join(target, source, 0, i64[launch + BLOCKS] * threads)


def private(launch: int, block: int, thread: int) -> int:
    """The vector of a thread, which begins as its block's; 0 if there is no room."""
    if i64[thread + PRIVATE] == 0:
        made = vector(launch)
        if made and i64[block + KNOWN]:
            join_scope(launch, block, made, i64[block + KNOWN], 0)
        i64[thread + PRIVATE] = made
    return i64[thread + PRIVATE]


def publish(launch: int, block: int, thread: int, target: int, effect: int) -> int:
    """Put all that a thread knows, and its own clock, into a vector."""
    known = i64[thread + PRIVATE]
    if known == 0:
        known = i64[block + KNOWN]
    if known:
        join_scope(launch, block, target, known, effect)
    threads = i64[launch + THREADS]
    own = i64[thread + NUMBER]
    mates = target + HEADER + 4 * i64[block + BLOCK_NUMBER] * threads
    for k in range(threads):
        raise_to(mates + 4 * k, i64[block + FLOOR])
    first = i64[thread + WARP] * LANES
    for lane in range(LANES):
        if first + lane < threads:
            raise_to(mates + 4 * (first + lane), i32[thread + MATES + 4 * lane])
    return raise_to(target + HEADER + 4 * own, i64[thread + CLOCK])


def raise_to(place: int, clock: int) -> int:
    """The later of a clock and another."""
    if clock > i32[place]:
        i32[place] = clock
    return 0


def tick(launch: int, thread: int, clock: int) -> int:
    """Move a thread's clock on; 1 if clocks run out."""
    i64[thread + CLOCK] = clock
    if clock > i64[launch + HIGH_CLOCK]:
        i64[launch + HIGH_CLOCK] = clock
        if clock >= LAST_CLOCK:
            i64[launch + FAULT] = CLOCKS
            return 1
    return 0


# Accesses


def before(launch: int, block: int, thread: int, record: int) -> int:
    """Whether a recorded access happened before what the thread does now."""
    other = record >> THREAD_SHIFT
    clock = record >> CLOCK_SHIFT & CLOCK_MASK
    if clock <= i64[launch + BASE_CLOCK] or other == i64[thread + NUMBER]:
        return 1
    threads = i64[launch + THREADS]
    if other // threads == i64[block + BLOCK_NUMBER]:
        if clock <= i64[block + FLOOR]:
            return 1
        place = other % threads
        if place // LANES == i64[thread + WARP] and clock <= i32[thread + MATES + 4 * (place % LANES)]:
            return 1
    known = i64[thread + PRIVATE]
    if known == 0:
        known = i64[block + KNOWN]
    return known != 0 and clock <= i32[known + HEADER + 4 * other]


def conflict(launch: int, block: int, thread: int, record: int, mine: int) -> int:
    """Whether a recorded access and the new one are a race, or break the promise of `.nc`."""
    if record == 0:
        return 0
    kind = mine & 7
    other = record & 7
    if kind != WRITE and kind != ATOMIC and other != WRITE and other != ATOMIC:
        return 0
    if kind == CONSTANT_READ or other == CONSTANT_READ:
        if (record >> CLOCK_SHIFT & CLOCK_MASK) > i64[launch + BASE_CLOCK]:
            i64[launch + FAULT] = NOT_CONSTANT
            return record
        return 0
    if (kind in (ATOMIC, ATOMIC_READ)) and (other in (ATOMIC, ATOMIC_READ)):
        return 0
    if before(launch, block, thread, record):
        return 0
    i64[launch + FAULT] = RACE
    return record


def remember(launch: int, block: int, thread: int, slots: int, mine: int) -> int:
    """Put a record into one of two slots: over one that it makes needless, else over the older."""
    first = i64[slots]
    if first == 0 or (before(launch, block, thread, first) and first & 7 == mine & 7):
        i64[slots] = mine
        return 0
    second = i64[slots + 8]
    if second and not before(launch, block, thread, second):
        i64[slots] = second
    i64[slots + 8] = mine
    return 0


def access(launch: int, block: int, thread: int, address: int, size: int, kind: int, line: int) -> int:
    """Check and record an access of `size` bytes that is within bounds; 1 if it is a race."""
    mine = i64[thread + NUMBER] << THREAD_SHIFT | i64[thread + CLOCK] << CLOCK_SHIFT
    mine |= (line & LINE_MASK) << LINE_SHIFT | kind
    place = cell(launch, block, address)
    for _k in range(size):
        found = conflict(launch, block, thread, i64[place + WRITTEN], mine)
        if found == 0 and kind != ATOMIC and kind != ATOMIC_READ:
            found = either(launch, block, thread, place + ATOMICS, mine)
        if found == 0 and (kind in (WRITE, ATOMIC)):
            found = either(launch, block, thread, place + READERS, mine)
        if found:
            i64[launch + FAULT_LINE] = line
            i64[launch + FAULT_ADDRESS] = address
            i64[launch + FAULT_SIZE] = kind | (found & 7) << 3
            i64[launch + FAULT_OTHER] = (found >> THREAD_SHIFT) << 32 | found >> LINE_SHIFT & LINE_MASK
            return 1
        if kind == WRITE:
            # All that came before is ordered before this write, so later accesses need only be compared with it.
            i64[place + WRITTEN] = mine
            for s in range(4):
                i64[place + ATOMICS + WORD * s] = 0
        elif kind == ATOMIC:
            remember(launch, block, thread, place + ATOMICS, mine)
        else:
            remember(launch, block, thread, place + READERS, mine)
        place += CELL
    return 0


def either(launch: int, block: int, thread: int, slots: int, mine: int) -> int:
    """A conflict with one of two records."""
    found = conflict(launch, block, thread, i64[slots], mine)
    if found == 0:
        found = conflict(launch, block, thread, i64[slots + 8], mine)
    return found


def cell(launch: int, block: int, address: int) -> int:
    """The record of the byte at an address that is within bounds."""
    if address < 0:
        row = i64[launch + SHARED_TABLE] + 16 * ((address & ~(1 << SHARED_BIT)) >> SHARED_OFFSET_BITS)
        offset = i64[row] + (address & (1 << SHARED_OFFSET_BITS) - 1)
        return i64[block + SHARED_SHADOW] + CELL * offset
    shadow = i64[i64[launch + TABLE] + 32 * (address >> OFFSET_BITS) + 24]
    return shadow + CELL * (address & (1 << OFFSET_BITS) - 1)


# Synchronisation


def variable(launch: int, place: int, make: int) -> int:
    """The vector of a synchronising variable; 0 if it has none in this launch (and is not to get one)."""
    found = i64[place + VARIABLE]
    if found and i64[found] == place and i64[found + 8] == i64[launch + BASE_CLOCK] + 1:
        return found
    if make == 0:
        return 0
    found = vector(launch)
    i64[place + VARIABLE] = found
    if found:
        i64[found] = place
        i64[found + 8] = i64[launch + BASE_CLOCK] + 1
    return found


def sync(launch: int, block: int, thread: int, address: int, effect: int, line: int) -> int:
    """What an atomic, a strong read or a strong write orders; 1 if it cannot be kept."""
    place = cell(launch, block, address)
    i64[launch + FAULT_LINE] = line
    if effect & READS:
        found = variable(launch, place, 0)
        if found:
            if effect & ACQUIRES:
                target = private(launch, block, thread)
            else:
                if i64[thread + PENDING] == 0:
                    i64[thread + PENDING] = vector(launch)
                target = i64[thread + PENDING]
            if target == 0:
                return 1
            join_scope(launch, block, target, found, effect)
    if effect & WRITES:
        if effect & READS == 0:
            found = variable(launch, place, 0)
            if found:
                i64[place + VARIABLE] = 0
                release_vector(launch, found)
        if effect & RELEASES or i64[thread + RELEASED]:
            found = variable(launch, place, 1)
            if found == 0:
                return 1
            if i64[thread + RELEASED]:
                join_scope(launch, block, found, i64[thread + RELEASED], effect)
            if effect & RELEASES:
                publish(launch, block, thread, found, effect)
                return tick(launch, thread, i64[thread + CLOCK] + 1)
    return 0


def fence(launch: int, block: int, thread: int, effect: int) -> int:
    """A fence: earlier relaxed reads acquire, later relaxed writes release; 1 if it cannot be kept."""
    if effect & ACQUIRES and i64[thread + PENDING]:
        target = private(launch, block, thread)
        if target == 0:
            return 1
        join_scope(launch, block, target, i64[thread + PENDING], effect)
    if effect & RELEASES:
        if i64[thread + RELEASED] == 0:
            i64[thread + RELEASED] = vector(launch)
            if i64[thread + RELEASED] == 0:
                return 1
        publish(launch, block, thread, i64[thread + RELEASED], effect)
        return tick(launch, thread, i64[thread + CLOCK] + 1)
    return 0


def member(launch: int, block: int, t: int, number: int) -> int:
    """The record of the block's thread `t` if it waits at a barrier, else 0."""
    thread = i64[block + FIRST] + t * i64[launch + FRAME]
    warp = block + WARP_RECORDS + WARP_BYTES * (t // LANES)
    waits = i64[warp + WAITING] >> (t % LANES) & 1
    return thread if waits and i64[thread + ARGUMENT] == number else 0


def barrier(launch: int, block: int, number: int) -> int:
    """A barrier of the block: its threads know of each other; 1 if it cannot be kept."""
    arrived = i64[block + BARRIERS + 16 * number]
    if arrived < i64[block + ALIVE]:
        return partial_barrier(launch, block, number)
    floor = 0
    for t in range(i64[launch + THREADS]):
        thread = i64[block + FIRST] + t * i64[launch + FRAME]
        if i64[thread + CLOCK] > floor:
            floor = i64[thread + CLOCK]
        own = i64[thread + PRIVATE]
        if own:
            if i64[block + KNOWN] == 0:
                i64[block + KNOWN] = own
            else:
                join_scope(launch, block, i64[block + KNOWN], own, 0)
                release_vector(launch, own)
            i64[thread + PRIVATE] = 0
    i64[block + FLOOR] = floor
    for t in range(i64[launch + THREADS]):
        if tick(launch, i64[block + FIRST] + t * i64[launch + FRAME], floor + 1):
            return 1
    return 0


def partial_barrier(launch: int, block: int, number: int) -> int:
    """A barrier of some threads: each gets what all of them know."""
    all_of_it = vector(launch)
    if all_of_it == 0:
        return 1
    for t in range(i64[launch + THREADS]):
        thread = member(launch, block, t, number)
        if thread:
            publish(launch, block, thread, all_of_it, 0)
    for t in range(i64[launch + THREADS]):
        thread = member(launch, block, t, number)
        if thread:
            target = private(launch, block, thread)
            if target == 0:
                return 1
            join_scope(launch, block, target, all_of_it, 0)
            if tick(launch, thread, i64[thread + CLOCK] + 1):
                return 1
    return release_vector(launch, all_of_it)


def warp_barrier(launch: int, block: int, first: int, mask: int) -> int:
    """bar.warp.sync: its lanes know what each of them knows; 1 if it cannot be kept."""
    frame = i64[launch + FRAME]
    all_of_it = 0
    rest = mask
    while rest:
        thread = first + trailing_zeros(rest) * frame
        rest &= rest - 1
        if i64[thread + PRIVATE] and all_of_it == 0:
            all_of_it = vector(launch)
            if all_of_it == 0:
                return 1
        if i64[thread + PRIVATE]:
            join_scope(launch, block, all_of_it, i64[thread + PRIVATE], 0)
        others = mask
        while others:
            other = first + trailing_zeros(others) * frame
            others &= others - 1
            learn(other, thread)
    rest = mask
    while rest:
        thread = first + trailing_zeros(rest) * frame
        rest &= rest - 1
        if all_of_it:
            if private(launch, block, thread) == 0:
                return 1
            join_scope(launch, block, i64[thread + PRIVATE], all_of_it, 0)
        if tick(launch, thread, i64[thread + CLOCK] + 1):
            return 1
    return release_vector(launch, all_of_it)


def learn(thread: int, mate: int) -> int:
    """A thread takes over what a lane of its warp knows of the warp."""
    for lane in range(LANES):
        raise_to(thread + MATES + 4 * lane, i32[mate + MATES + 4 * lane])
    return raise_to(thread + MATES + 4 * i64[mate + LANE], i64[mate + CLOCK])


def retire(launch: int, block: int) -> int:
    """A block has ended: give its vectors back."""
    release_vector(launch, i64[block + KNOWN])
    for t in range(i64[launch + THREADS]):
        thread = i64[block + FIRST] + t * i64[launch + FRAME]
        release_vector(launch, i64[thread + PRIVATE])
        release_vector(launch, i64[thread + RELEASED])
        release_vector(launch, i64[thread + PENDING])
    return 0


FUNCTIONS = (
    vector, release_vector, join, join_scope, private, publish, raise_to, tick, before, conflict, remember, access,
    either, cell, variable, sync, fence, member, barrier, partial_barrier, warp_barrier, learn, retire,
)  # fmt: skip
"""All of them, to be compiled together."""

ENTRIES = (access, sync, fence, barrier, warp_barrier, retire)
"""What kernels and scheduler call, by address."""
