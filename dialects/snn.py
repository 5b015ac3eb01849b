"""The `snn` dialect: what a network is, as one step function over named state.

A module holds declarations (constants, states, parameters, synapses, populations, probes), neuron
programs (`func.func private` over scalars in `arith` and `math`) and up to three entry points:

- `@init() -> ()` writes initial states that are drawn or computed (the others have `init`),
- `@step(inputs) -> outputs` is one timestep,
- `@finish() -> outputs` runs once after the last step (reductions over the run).

Inside an entry point everything is SSA over ranked tensors; whatever crosses a step is a state with
one writer.  Element types carry what a value is: `i1` a spike, `i2` a signed spike, a wider integer
a count or an int, a float a real.  `docs/ir.md` has the reference with one example of each op.
"""

from __future__ import annotations

from spikec.dialects.definition import Dialect, Dict, Flag, Int, Ints, Op, Raw, Ref, Refs, Text, TypeOf

PORT = "snn.port"  # argument of a program: what arrives at a port (a state too when it has both marks)
STATE = "snn.state"  # argument and result of a program: a state before and after the step
PARAM = "snn.param"  # argument of a program: a parameter
INDEX = "snn.index"  # argument of a program: the flat index of the neuron, i64
EVENT = "snn.event"  # result of a program: what the neuron emits in this step; zero is silence
OUT = "snn.out"  # result of a program: the value of `out`
NAME = "snn.name"  # argument or result of an entry point: the name of an input or output
UNIT = "snn.unit"  # beside NAME: the SI unit in which the value is given, such as "V"
KIND = "snn.kind"  # beside NAME: "spikes", "events", "real" or "int" for an input
RANGE = "snn.range"  # beside NAME: [low, high] that the input is declared to lie in
SCALE = "snn.scale"  # beside NAME, on integers: the real value is the integer times this f64

POW2 = "pow2"  # `code` of synapses and tables: every weight is 0 or plus or minus a power of two

MODEL = "snn.model"  # on the module: the model's name
DRAWN = "snn.drawn"  # on the module: the run seed with which its drawn arrays were carried out
DT = "snn.dt"  # on the module: the timestep in seconds (1.0 under `step 1 steps`), f64
DT_UNIT = "snn.dt_unit"  # on the module: "s" or "steps"


class Constant(Op):
    """An array: of the constants store, under its own name, with its content hash `digest`; or drawn.

    A drawn array has the function `draw` of the number of an element (`dialects/drawn.py`).  The element at a place
    has the number `first` + the sum of `strides` times the place.
    """

    mnemonic = "constant"
    sym_name = Text()
    type = TypeOf()
    digest = Text(optional=True)
    draw = Ref(optional=True)
    first = Int(optional=True)
    strides = Ints(optional=True)


class Param(Op):
    """A neuron parameter: a number, or the name of a constant of the population's shape."""

    mnemonic = "param"
    sym_name = Text()
    value = Raw()


class State(Op):
    """One named cell that lives across steps, with its last `depth` values.

    `init` is a number, a constant's name, or absent when `@init` writes the state.  Values from before
    the start are `init` for depth 1 and zero for the history of a stream.  In a fixed-point program the
    real value is the integer times `scale` (an f64, or a constant of one f64 per element), and `bits` is
    the signed width that all its values are known to fit in (absent: the type's).
    """

    mnemonic = "state"
    sym_name = Text()
    type = TypeOf()
    init = Raw(optional=True)
    depth = Int()
    unit = Text(optional=True)
    scale = Raw(optional=True)
    bits = Int(optional=True)


class Synapses(Op):
    """The recipe of a projection from `pre` sources to `post` targets (flat sizes).

    `connect` is a dictionary: `kind` "all", "one_to_one", "prob" (with `seed`, `path` and `p`, an f64 or a
    private function `(pre: i64, post: i64) -> f64`), "fixed_in", "fixed_out" or "fixed_total" (with `count`,
    `seed`, `path`, and the mark `repeat` where a pair may have several synapses) or "table" (with the
    constants `sources` and `targets`), and optionally `filter`, a private function `(pre: i64, post: i64) -> i1`
    that keeps a pair; or "from_source", "from_target" or "to_target" with `of`, the synapses between whose ends and
    themselves these lead (`dialects.connectors`); or "conv" with the geometry of a convolution
    (`dialects.convolution`) and no filter.
    With the mark `nonzero` what has the weight zero is no synapse; its weights are a constant.
    `weight` is a number, a constant (`[pre, post]` flattened per side, `[n]` for one_to_one, one element per
    row for a table, `[output channels, input channels of a group, kernel...]` for conv), or but for conv a
    private function of each synapse (`dialects.connectors`).  The real weight is an integer one
    times `scale`, an f64 or a constant with one f64 per target (conv: per output channel).  `code` "pow2"
    promises that every weight is 0 or plus or minus a power of two.
    `format` is the storage format of the table (`step.TABLE_FORMATS`) that the cost model does not choose then.
    Where delays differ, `delay` is a private function of each synapse that gives whole steps (i64), for neither
    "conv" nor a derived recipe, and `delay_range` the least and the largest one that it may give.
    """

    mnemonic = "synapses"
    sym_name = Text()
    pre = Int()
    post = Int()
    connect = Dict()
    weight = Raw()
    scale = Raw(optional=True)
    code = Text(optional=True)
    format = Text(optional=True)
    delay = Ref(optional=True)
    delay_range = Ints(optional=True)


class Population(Op):
    """Neurons of one program; `states` and `params` follow the order of the program's arguments.

    `event` names the state that keeps what the neurons emit, `out` the state that keeps `out`.  A `hidden` population
    is a part of a projection, and a run does not report it.
    """

    mnemonic = "population"
    sym_name = Text()
    neuron = Ref()
    shape = Ints()
    states = Refs()
    params = Refs()
    event = Ref(optional=True)
    out = Ref(optional=True)
    hidden = Flag(optional=True)


class Probe(Op):
    """Records a state after the step: `key` is the name in the output file, `kind` "value" or "event".

    Values are recorded in the steps 0, every, 2 every, ...; events in every step.  `low:high` is the
    recorded stretch of the flat array and `shape` its shape.
    """

    mnemonic = "probe"
    sym_name = Text()
    of = Ref()
    kind = Text()
    every = Int()
    low = Int()
    high = Int()
    shape = Ints()


class Propagate(Op):
    """init[j] + weight[i, j] * events[i], one synapse at a time, ascending i; silent sources are skipped.

    An integer weight may be narrower than `init`: it is sign-extended.  Of synapses whose delays differ, those
    whose delay is `delay` act alone.
    """

    mnemonic = "propagate"
    operands = ("events", "init")
    results = ("arrived",)
    synapses = Ref()
    delay = Int(optional=True)


class Update(Op):
    """Runs the program of a population on every neuron and writes its states.

    One operand per port of the program, in order.  The result is the event, or `out` for a program that
    never spikes; a program with neither has no result.
    """

    mnemonic = "update"
    operands = ("ports",)
    results = ("emitted",)
    variadic = ("ports", "emitted")
    population = Ref()


class Read(Op):
    """A state as it was `delay` steps ago; delay 1 is the start of this step.  In `@finish`: delay 1 is the end."""

    mnemonic = "read"
    results = ("value",)
    of = Ref()
    delay = Int()


class Write(Op):
    """Sets a state at the end of this step; the only writer of a state that no update writes."""

    mnemonic = "write"
    operands = ("value",)
    to = Ref()


class Draw(Op):
    """Uniform numbers (word >> 8) * 2^-24 in [0, 1), one per element and step, from Philox 4x32-10.

    An i32 result gets the integers word >> 8 themselves, in [0, 2^24).

    The key comes from the run's seed, `seed` and `path` (see `dialects.random.key`); the counter is
    (element, step, sample of the batch).  In `@init` the step is 0.
    """

    mnemonic = "draw"
    results = ("uniform",)
    path = Text()
    seed = Int()


class Clock(Op):
    """The number of steps that came before this one, as tensor<i64>; in `@finish`, the number of steps of the run."""

    mnemonic = "clock"
    results = ("steps",)


DIALECT = Dialect(
    "snn", (Constant, Param, State, Synapses, Population, Probe, Propagate, Update, Read, Write, Draw, Clock)
)
