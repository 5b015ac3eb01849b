"""Where the fields of a launch, a block, a warp and a thread stand in memory.

Kernels, scheduler and race check share these records; every field is 8 bytes.  Offsets are in
bytes.
"""

from __future__ import annotations

WORD = 8
LANES = 32

# A launch.
TABLE = 0  # rows of buffers: base, size, constant, shadow
COUNT = 8  # of buffers
SHARED_TABLE = 16  # rows of shared arrays: offset, size
SHARED_COUNT = 24
SHARED_BYTES = 32  # of a block
PARAMETERS = 40
SYMBOLS = 48  # addresses of module-wide arrays
NTID = 56  # 3 fields
NCTAID = 80  # 3 fields
THREADS = 104  # of a block
WARPS = 112  # of a block
FRAME = 120  # bytes of a thread's record with its frame
BLOCKS = 128  # of the grid
RESIDENT = 136
SLOTS = 144  # records of resident blocks
SLOT = 152  # bytes of one
BLOCK_ORDER = 160  # numbers of blocks, as they are started
SLOT_ORDER = 168
STEP = 176  # the kernel's function
RANDOM = 184
LIMIT = 192  # resumes that are left
PROGRESS = 200  # set by whatever changes memory
RESUMES = 208
STARTED = 216  # blocks so far
# What went wrong.
FAULT = 224
FAULT_LINE = 232
FAULT_ADDRESS = 240
FAULT_BLOCK = 248
FAULT_THREAD = 256
FAULT_OTHER = 264  # of a race: the other access
FAULT_SIZE = 272
# Race check.
RACE_ACCESS = 280  # functions
RACE_FENCE = 288
RACE_SYNC = 296
RACE_WARP = 304
RACE_BARRIER = 312
BASE_CLOCK = 320
POOL = 328  # vectors: memory, bytes, used, and the list of free ones
POOL_SIZE = 336
POOL_USED = 344
POOL_FREE = 352
VECTOR = 360  # bytes of a vector: the cell it belongs to, the launch's base clock, a clock for each thread
SHADOW_BYTES = 368  # of a block's shared memory
POISON = 376  # what shared memory starts with, 8 bytes
HIGH_CLOCK = 384  # the highest clock so far
RACE_RETIRE = 392
LAUNCH_BYTES = 400

# A block that is resident.
BLOCK_NUMBER = 0
CTAID = 8  # 3 fields
ALIVE = 32  # threads that have not exited
SHARED = 40  # memory
SHARED_SHADOW = 48
FIRST = 56  # the first thread's record
FLOOR = 64  # race check: all accesses of the block up to this clock are known to all of its threads
KNOWN = 72  # race check: the vector all threads know, or 0
RUNNABLE = 80  # threads that may be resumed
BARRIERS = 88  # 16 times: threads that wait, threads expected (0: all)
WARP_RECORDS = BARRIERS + 16 * 16
# A warp: masks of lanes.
READY = 0
COLLECTING = 8
WAITING = 16  # at a barrier
EXITED = 24
MEMBERS = 32
WARP_BYTES = 40

# A thread; its saved registers follow.
PC = 0
LINE = 8  # of the instruction it stopped at
MASK = 16
VALUE = 24
ARGUMENT = 32
CLAMP = 40
KIND = 48
RESULT = 56
FOUND = 64  # the second result
TID = 72  # 3 fields
LANE = 96
WARP = 104
NUMBER = 112  # in the grid
CLOCK = 120
PRIVATE = 128  # race check: the vector of this thread, or 0
RELEASED = 136  # its vector at its last fence, or 0
PENDING = 144  # what its relaxed reads may acquire, or 0
MATES = 152  # clocks of the warp's lanes that are known, 32 times 4 bytes
THREAD_BYTES = MATES + 4 * LANES

# How a resumed thread comes back.
EXIT = 0
BARRIER = 1
COLLECTIVE = 2
YIELD = 3
FAILED = 4

# What goes wrong.
ACCESS = 1
DIVISION = 2
TRAP = 3
ENDLESS = 4
DIVERGENT = 5
DEADLOCK = 6
LIVELOCK = 7
MASK_LACKS_LANE = 8
ABSENT_LANE = 9
BARRIER_COUNT = 10
TOO_LONG = 11
RACE = 12
NOT_CONSTANT = 13
NO_POOL = 14
BRANCH_INDEX = 15
CLOCKS = 16

# Kinds of collectives.
BALLOT = 0
ANY = 1
ALL = 2
UNIFORM = 3
SHUFFLE_IDX = 4
SHUFFLE_UP = 5
SHUFFLE_DOWN = 6
SHUFFLE_XOR = 7
MATCH_ANY = 8
MATCH_ALL = 9
SUM = 10
MIN = 11
MAX = 12
AND = 13
OR = 14
XOR = 15
WARP_BARRIER = 16

# Kinds of barriers, of their reductions.
PLAIN = 0
COUNT_TRUE = 1
ALL_TRUE = 2
ANY_TRUE = 3

# Addresses: the buffer's number stands above the offset.
OFFSET_BITS = 40
SHARED_BIT = 63  # a generic address of shared memory
SHARED_OFFSET_BITS = 24

FUEL = 1 << 24
"""Turns of loops a thread may take without suspending."""

ACCESS_WRITE = 17  # a fault like ACCESS, of a write

# Kinds of accesses, for the race check.
READ = 0
WRITE = 1
ATOMIC = 2
CONSTANT_READ = 3

# Synchronisation by an access.
ACQUIRES = 1
RELEASES = 2
READS = 4
WRITES = 8
BLOCK_SCOPE = 16
ATOMIC_READ = 4

# The race check's record of a byte: the last plain write, two atomics, two reads, the vector of a
# synchronising variable.
CELL = 48
