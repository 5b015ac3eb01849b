"""The `step` dialect: what one timestep does, target-independent: buffers, tables, stages, order.

A module holds buffers and tables, the neuron programs, *stages* (`func.func private @stage(%t: index)`
whose bodies are the ops below) and the entries

- `@init(%t)` (with %t = 0) and `@finish(%t)` (with %t = steps done), each a stage of its own,
- `@step(%t)`, which calls the stages of one step in order,
- `@run(%begin, %end)`, the time loop over the same stages as a schedule arranged it.

A stage is the unit of every target: a loop nest on a CPU, a kernel on a GPU, a process in RTL.  The
slot of step t in a buffer is `t mod slots`; a use with delay d reads the slot of step t - d.
`docs/ir.md` has the reference with one example of each op.
"""

from __future__ import annotations

from spikec.dialects.definition import Array, Dialect, Dict, Int, Ints, Op, Raw, Ref, Refs, Text, Texts, TypeOf

BUFFER_KINDS = ("input", "output", "result", "state", "stream", "temp", "constant", "counter", "probe")
TABLE_FORMATS = ("dense", "csr", "one_to_one", "bitmap", "block", "conv", "procedural")
BITMAP_WORD = 16  # targets of a word of a bitmap
BITMAP_LINE = 32  # words that long rows may be padded to a multiple of


class Buffer(Op):
    """Storage, by `kind`:

    - input, output: host streams of one slice a step; result: a host array that `@finish` fills
    - state: lives across steps, one slot; stream: a ring of `slots` past values
    - temp: dead after the last stage that uses it, a ring where stages run apart; counter: one i64 of statistics
    - constant: an array of the constants store under the buffer's name, with its `digest`
    - probe: what a record op fills for the host; `of`, `record` ("value" or "event"), `every`, `low` and
      `high` as in `snn.probe`; `type` has the element type and the recorded shape

    `init` is a number or a constant's name (states; streams start as zero).  `forms` tells how a
    buffer of events is kept: "mask" (one value per element), "list" (ascending indices of the nonzero
    elements with their number), or both.  `offset` is where memory planning put it (`spikec.dialects.arena`).
    """

    mnemonic = "buffer"
    sym_name = Text()
    kind = Text()
    type = TypeOf()
    slots = Int()
    init = Raw(optional=True)
    forms = Texts(optional=True)
    digest = Text(optional=True)
    of = Ref(optional=True)
    record = Text(optional=True)
    every = Int(optional=True)
    low = Int(optional=True)
    high = Int(optional=True)
    offset = Int(optional=True)


class Table(Op):
    """Synapses in a storage format; `arrays` names constant buffers.

    - dense: `w` [pre, post]; csr: `row` [pre + 1] i32, `col` [n] unsigned of width `index`, `w` [n];
      one_to_one: `w` [n].  Rows are ordered by ascending target.
    - bitmap: `row` [pre + 1] i32, perhaps `w` [n], and `bits` [pre * words] i16 with words <= ceil(post / 16): bit k
      of word b of a source says whether it has a synapse with target 16 b + k; there is none beyond the last word.
    - block: blocks of `block` targets that follow each other, all of which a source has: `row` [pre + 1] i32 counts
      blocks, `col` [blocks] unsigned of width `index` are their numbers, `w` [blocks * block]; `block` divides post.
    - conv: the kernels of a convolution alone; `connect` is its dictionary, as in `snn.synapses`.  `w` [input channels,
      kernel rows, output channels of a group, kernel columns] (one axis: without the rows) is ordered along each axis
      of the kernel as `Convolution.order` says, so that a source reaches targets that follow each other by weights
      that follow each other.
    - procedural: nothing; the targets of a source are drawn anew for each of its events, as `connect` says ("prob" with
      a number `p` and perhaps a `filter`, as in `snn.synapses`), from the stream of `key`, two words of 32 bits.
    - `parts`, of a csr table: each source has so many rows, one for each part of its synapses (those of one delay):
      row i * parts + k is part k of source i.  1 without it.  `part` [n], unsigned of 8 or 16 bits, may say for each
      synapse in which part it is.
    - `weight` is the value of all synapses when there is no array `w`.
    - `element` is the type of a weight; an integer one is sign-extended to what it is added to.
    - `code` "pow2" says that all weights are 0 or powers of two of either sign, so that a propagate shifts
      and adds.  Then `w` holds i8 codes (`dialects.powers`): 0 is 0, c > 0 is 2^(c-1), c < 0 is -2^(-c-1).
    """

    mnemonic = "table"
    sym_name = Text()
    format = Text()
    pre = Int()
    post = Int()
    arrays = Dict()
    element = TypeOf()
    index = Int(optional=True)
    weight = Raw(optional=True)
    code = Text(optional=True)
    parts = Int(optional=True)
    block = Int(optional=True)
    connect = Dict(optional=True)
    key = Ints(optional=True)


class Fill(Op):
    """into[slot of t][:] = value."""

    mnemonic = "fill"
    operands = ("t",)
    into = Ref()
    value = Raw()


class Copy(Op):
    """into[slot of t][to : to + size] = from[slot of t - delay][low : low + size] (flat)."""

    mnemonic = "copy"
    operands = ("t",)
    from_ = Ref()
    delay = Int()
    low = Int()
    into = Ref()
    to = Int()
    size = Int()


class Propagate(Op):
    """into[j] += weight[i, j] * from[t - delay][low + i], ascending i, silent sources skipped.

    `mode` "event" walks the list of active sources, "dense" walks all sources.  `tally` names the counter
    of weight additions.  The table has no parts.
    """

    mnemonic = "propagate"
    operands = ("t",)
    from_ = Ref()
    delay = Int()
    low = Int()
    table = Ref()
    into = Ref()
    mode = Text()
    tally = Ref()


class Sweep(Op):
    """into[j] += what arrives through tables in parts, in `rounds` rounds, each through one part of every table.

    In round k each n in order does as `propagate`: the elements of from[n] from lows[n] on, as they were delays[n] - k
    steps ago, through part parts[n] - k of each source of tables[n].
    """

    mnemonic = "sweep"
    operands = ("t",)
    rounds = Int()
    from_ = Refs()
    delays = Ints()
    lows = Ints()
    tables = Refs()
    parts = Ints()
    into = Ref()
    modes = Texts()
    tallies = Refs()


class Update(Op):
    """results[k][n] = program(args[..][n])[k] for n < size; elementwise, in any order of n.

    `args`, one per argument of the program: a buffer (an element count of 1 is broadcast), a number, or
    the unit attribute for the index n.  `delays` (per argument; 0 for states) reads an older slot.
    `results`, one per result: a buffer, or the unit attribute when nobody needs it.  A result that is the
    events of a neuron has the mark `snn.event` on the program; its buffer keeps the forms it asks for.
    """

    mnemonic = "update"
    operands = ("t",)
    program = Ref()
    size = Int()
    args = Array()
    delays = Ints()
    results_ = Array()


class Map(Op):
    """A structured loop nest: for each point of `extents`, results = program(args at maps, results at result_maps).

    As `linalg.generic`: `iterators` "parallel" or "reduction", affine `maps` from loop indices to buffer
    indices, reductions in ascending order.  The results were filled before and are the program's last arguments.
    """

    mnemonic = "map"
    operands = ("t",)
    program = Ref()
    extents = Ints()
    iterators = Texts()
    args = Refs()
    delays = Ints()
    maps = Array()
    results_ = Refs()
    result_maps = Array()


class Draw(Op):
    """into[n] = number of element n in step t, as `snn.draw` (an integer where `into` is i32).

    `key` is the row of the key array of the run.
    """

    mnemonic = "draw"
    operands = ("t",)
    into = Ref()
    path = Text()
    seed = Int()
    key = Int()


class Clock(Op):
    """into[0] = t, as i64."""

    mnemonic = "clock"
    operands = ("t",)
    into = Ref()


class Tally(Op):
    """into[0] += the number of nonzero elements of `of` in step t."""

    mnemonic = "tally"
    operands = ("t",)
    of = Ref()
    into = Ref()


class Record(Op):
    """Appends to the probe buffer `into` its `of` after step t: values if `every` divides t, events always."""

    mnemonic = "record"
    operands = ("t",)
    into = Ref()


DIALECT = Dialect("step", (Buffer, Table, Fill, Copy, Propagate, Sweep, Update, Map, Draw, Clock, Tally, Record))
