"""The self-checking bench of a circuit: plain Verilog, with words that the reference interpreter computed.

It gives several samples to the circuit, with a reset before each, pauses on streams now and then, and compares every
word that comes out, and after a sample the states and labels that a host can read.  It ends with PASS, or with FAIL and
an exit status that is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from spikec.backends.fpga.ports import Ports
from spikec.dialects import random
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.runtime.interface import Input, Interface
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.rtl.bench import given_words, pack
from spikec.runtime.rtl.circuit import Given, Label, Read, Stream, Wiring, placed

FOLDER = "sim"
STEPS = 20
SAMPLES = 2
SEED = 1
_STILL = 100_000
"""After so many cycles in which no core begins a pass and no word goes in or out, the circuit is at a stand."""


@dataclass(frozen=True)
class Vectors:
    """What goes in and must come out in `samples` of `steps` steps: integers [samples, steps, n] by name.

    `states` by buffer and `labels` by output are those at the end, [samples, n]; draws are those of a run `seed`.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    states: dict[str, Array]
    labels: dict[str, Array]
    samples: int
    steps: int
    seed: int


def drawn(interface: Interface, wiring: Wiring, activity: float) -> list[dict[str, Array]]:
    """Random inputs [steps, ...] by name for each sample, of whose spikes a share of `activity` are there."""
    rng = np.random.default_rng(SEED)
    samples = range(1 if wiring.drawn else SAMPLES)
    return [{one.name: _values(one, activity, rng) for one in interface.inputs} for _ in samples]


def computed(
    program: Program,
    interface: Interface,
    wiring: Wiring,
    samples: Sequence[Mapping[str, Array]],
    steps: int = STEPS,
    seed: int = 0,
) -> Vectors:
    """What a program at level `step` makes of samples, each with its inputs [steps, ...], integers by name."""
    engine = StepEngine(program, interface)
    found: tuple[list[dict[str, Array]], ...] = ([], [], [], [])
    for number, data in enumerate(samples):
        engine.reset(seed, number)
        outputs = engine.advance(data, frozenset(data), steps).outputs
        found[0].append({name: array.reshape(steps, -1) for name, array in data.items()})
        found[1].append({name: array.reshape(steps, -1) for name, array in outputs.items()})
        found[2].append({read.state: engine.state(read.state).reshape(-1) for read in wiring.reads})
        results = engine.finish() if wiring.labels else {}
        found[3].append({label.output: results[label.output].reshape(-1) for label in wiring.labels})
    inputs, outputs, states, labels = map(_stacked, found)
    return Vectors(inputs, outputs, states, labels, len(samples), steps, seed)


def _stacked(samples: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all samples by name."""
    return {name: np.stack([np.asarray(one[name], np.int64) for one in samples]) for name in samples[0]}


def _values(entry: Input, activity: float, rng: np.random.Generator) -> Array:
    """Random values [steps, ...] of an input, integers where it has a scale."""
    shape = (STEPS, *entry.shape)
    if entry.kind == "spikes":
        return np.asarray(rng.random(shape) < activity)
    scale = entry.scale or 1.0
    low, high = (end / scale if end is not None else other for end, other in ((entry.low, -1.0), (entry.high, 1.0)))
    return np.rint(rng.uniform(low, high, shape)).astype(entry.dtype)


def files(wiring: Wiring, ports: Ports, given: Vectors) -> dict[str, bytes]:
    """The bench and its words, by names in the folder of the circuit."""
    return _Bench(wiring, ports, given).files()


class _Bench:
    """Its wires are called as the circuit's ports; what it adds ends in other words than ports do."""

    def __init__(self, wiring: Wiring, ports: Ports, given: Vectors) -> None:
        self._wiring, self._ports, self._given = wiring, ports, given
        self._samples, self._steps = given.samples, given.steps
        self._files: dict[str, bytes] = {}
        self._driven: set[str] = set()
        self._done: list[str] = []
        self._alive: list[str] = []
        self._pauses = 0

    def files(self) -> dict[str, bytes]:
        wiring, module = self._wiring, self._ports.module
        quiet = 100 + max(one.settled for one in wiring.reads) if wiring.reads else 100
        parts = [
            _HEAD.format(
                module=module, folder=FOLDER, samples=self._samples, steps=self._steps, seed=SEED, quiet=quiet
            ),
            *(f"  wire {port.range}{port.name};\n" for port in self._ports.outputs.values()),
            *(self._input(name, stream) for name, stream in wiring.inputs.items()),
            *(self._core(core, givens) for core, givens in wiring.waits.items()),
            *(self._output(name, stream) for name, stream in wiring.outputs.items()),
            *self._begun(),
            *(self._read(one) for one in wiring.reads),
            *(self._label(k, one) for k, one in enumerate(wiring.labels)),
            *self._rest(),
            self._instance(),
            self._course(),
        ]
        return {f"{FOLDER}/bench.v": "".join(parts).encode(), **self._files}

    def _input(self, name: str, stream: Stream) -> str:
        """A stream to the circuit: a word stays until it is taken."""
        words = self._words(f"{name}_words", self._packed(self._given.inputs[name], stream), stream.width)
        self._alive.append(f"{name}_valid && {name}_ready")
        return _INPUT.format(
            name=name,
            words=words,
            count=stream.words * self._steps,
            pause=self._pause(),
            valid=self._drive(f"{name}_valid"),
            data=self._drive(f"{name}_data"),
        )

    def _output(self, name: str, stream: Stream) -> str:
        """A stream from the circuit: each word that is taken must be the next one."""
        words = self._words(f"{name}_words", self._packed(self._given.outputs[name], stream), stream.width)
        count = stream.words * self._steps
        self._alive.append(f"{name}_valid && {name}_ready")
        self._done.append(f"{name}_place == (sample + 1) * {count}")
        ready, top = self._drive(f"{name}_ready"), stream.width - 1
        return _OUTPUT.format(name=name, words=words, count=count, pause=self._pause(), ready=ready, top=top)

    def _core(self, core: str, givens: Sequence[Given]) -> str:
        """A core that waits: the values of a step, group by group, then the word to go."""
        groups = max((one.shape.groups for one in givens), default=0)
        text = _CORE.format(core=core, groups=groups, steps=self._steps, go=self._drive(f"{core}_go"))
        return text + "".join(self._values(core, one, groups) for one in givens)

    def _values(self, core: str, one: Given, groups: int) -> str:
        rows = given_words(self._given.inputs[one.input].reshape(self._samples * self._steps, -1), one)
        return _VALUES.format(
            core=core,
            port=one.port,
            words=self._words(f"{one.port}_words", rows, self._ports.inputs[f"{one.port}_data"].width),
            place=f"(sample * {self._steps} + {core}_step) * {groups} + {core}_group",
            write=self._drive(f"{one.port}_write"),
            address=self._drive(f"{one.port}_address"),
            data=self._drive(f"{one.port}_data"),
        )

    def _read(self, one: Read) -> str:
        """A state that can be read, group by group; without what lanes beyond the last element hold."""
        shape, width = one.shape, one.shape.lanes * one.width
        states = placed(self._given.states[one.state], shape.order) << one.shift
        known = np.full((1, shape.size), -1 << one.shift)
        words, mask = (pack(rows, shape.lanes, one.width) for rows in (states, known))
        address = f"  {self._drive(f'{one.port}_address')} = turn;\n" if shape.groups > 1 else ""
        return address + _READ.format(
            port=one.port,
            words=self._words(f"{one.port}_words", words, width),
            mask=self._words(f"{one.port}_mask", mask, width),
            top=width - 1,
            groups=shape.groups,
        )

    def _label(self, number: int, one: Label) -> str:
        """An output that a unit of the circuit finds, after all states were read."""
        width = self._ports.outputs[f"{one.output}_index"].width
        words = self._words(f"{one.output}_words", pack(self._given.labels[one.output], 1, width), width)
        start = self._drive(f"{one.output}_start")
        return _LABEL.format(output=one.output, words=words, start=start, number=number, groups=self._groups)

    @property
    def _groups(self) -> int:
        """The most groups of a state that can be read."""
        return max((one.shape.groups for one in self._wiring.reads), default=0)

    def _begun(self) -> Iterable[str]:
        """How many steps each core has begun to end."""
        width = self._ports.outputs["begun"].width
        for k in range(width):
            yield _BEGUN.format(k=k, bit="begun" if width == 1 else f"begun[{k}]")
            self._done.append(f"steps_{k} >= {self._steps}")
        self._alive.append("|begun")

    def _rest(self) -> Iterable[str]:
        """What random numbers depend on; inputs that are not used are 0."""
        values = dict.fromkeys(self._wiring.samples, "sample")
        for port, source in self._wiring.keys.items():
            low, high = random.key(self._given.seed, *source)
            values[port] = f"64'h{low | high << 32:x}"
        for name, pin in self._ports.inputs.items():
            if name not in self._driven:
                value = values.get(name, f"{pin.width}'d0")
                yield f"  {self._drive(name)} = {value};\n"

    def _instance(self) -> str:
        ports = self._ports
        pins = [(ports.clock, "clk"), (ports.reset, "rst")]
        pins += [(port.name, port.name) for side in (ports.inputs, ports.outputs) for port in side.values()]
        return f"\n  {ports.module} circuit (\n" + ",\n".join(f"    .{pin}({net})" for pin, net in pins) + "\n  );\n"

    def _course(self) -> str:
        return _COURSE.format(
            done=" && ".join(f"({one})" for one in self._done),
            alive=" || ".join(f"({one})" for one in self._alive),
            groups=self._groups,
            labels=len(self._wiring.labels),
            samples=self._samples,
            steps=self._steps,
            still=_STILL,
        )

    # ------------------------------------------------------------ text

    def _drive(self, name: str) -> str:
        """The declaration of the wire at an input of the circuit."""
        self._driven.add(name)
        port = self._ports.inputs[name]
        return f"wire {port.range}{port.name}"

    def _packed(self, rows: Array, stream: Stream) -> Array:
        """The words of all samples."""
        flat = rows.reshape(self._samples * self._steps, -1)
        return pack(placed(flat, stream.order), stream.elements, stream.bits)

    def _words(self, name: str, words: Array, width: int) -> str:
        """A memory of words, which are in a file beside the bench."""
        file = f"{FOLDER}/{name}.hex"
        self._files[file] = hexadecimal(words, width)
        return f'  reg [{width - 1}:0] {name} [0:{len(words) - 1}];\n  initial $readmemh("{file}", {name});'

    def _pause(self) -> str:
        """A signal that is 1 in three of four cycles."""
        self._pauses += 1
        return f"noise[{5 * self._pauses % 31}] | noise[{(7 * self._pauses + 3) % 31}]"


def hexadecimal(words: Array, width: int) -> bytes:
    """Words, of one number or of several with the lowest first, a line each."""
    size = words.itemsize * 2
    rows = words.reshape(len(words), -1)[:, ::-1].tolist()
    digits = -(-width // 4)
    lines = ("".join(f"{part:0{size}x}" for part in row)[-digits:].zfill(digits) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


_HEAD = """\
// The bench of {module}: {samples} samples of {steps} steps, each after a reset, with random inputs (seed {seed}).
// All that comes out is compared with what the compiler's reference interpreter computed.
// Run it in the folder above this one, as README.md says there: the words are read from {folder}/*.hex.
`timescale 1ns / 1ps
/* verilator lint_off WIDTH */
module bench;
  reg clk = 1'b0;
  reg rst = 1'b1;
  reg [31:0] sample = 0;
  reg [31:0] waited = 0;
  reg [31:0] cycles = 0;
  reg [31:0] noise = 32'd1;  // on which streams pause now and then

  // After a sample nothing more may come for a while; then a turn a cycle for what can be read.
  wire done;
  wire reading = done && waited >= {quiet};
  wire [31:0] turn = waited - {quiet};
  reg [31:0] labelled = 0;
  reg asked = 1'b0;

  always #5 clk = ~clk;

"""
_INPUT = """
  // Stream {name} to the circuit.
{words}
  reg [31:0] {name}_place = 0;
  reg {name}_on = 1'b0;
  {valid} = {name}_on && {name}_place < (sample + 1) * {count};
  {data} = {name}_words[{name}_place];
  always @(posedge clk)
    if (rst) begin
      {name}_place <= sample * {count};
      {name}_on <= 1'b0;
    end else begin
      if (!{name}_valid || {name}_ready) {name}_on <= {pause};
      if ({name}_valid && {name}_ready) {name}_place <= {name}_place + 1;
    end
"""
_OUTPUT = """
  // Stream {name} from the circuit.
{words}
  reg [31:0] {name}_place = 0;
  reg {name}_on = 1'b0;
  wire [{top}:0] {name}_word = {name}_words[{name}_place];
  {ready} = {name}_on;
  always @(posedge clk)
    if (rst) begin
      {name}_place <= sample * {count};
      {name}_on <= 1'b0;
    end else begin
      {name}_on <= {pause};
      if ({name}_valid && {name}_on) begin
        {name}_place <= {name}_place + 1;
        if ({name}_place == (sample + 1) * {count}) begin
          $display("FAIL: {name} gives more than {count} words in sample %0d", sample);
          $fatal;
        end else if ({name}_data !== {name}_word) begin
          $display("FAIL: {name} gives %h, not %h, as word %0d of sample %0d",
                   {name}_data, {name}_word, {name}_place - sample * {count}, sample);
          $fatal;
        end
      end
    end
"""
_CORE = """
  // Core {core}: {groups} words of values a step, then it goes until it is ready.
  reg [31:0] {core}_step = 0;
  reg [31:0] {core}_group = 0;
  wire {core}_writing = !rst && {core}_step < {steps} && {core}_group < {groups};
  {go} = !rst && {core}_step < {steps} && {core}_group == {groups};
  always @(posedge clk)
    if (rst) begin
      {core}_step <= 0;
      {core}_group <= 0;
    end else if ({core}_writing) {core}_group <= {core}_group + 1;
    else if ({core}_go && {core}_ready) begin
      {core}_step <= {core}_step + 1;
      {core}_group <= 0;
    end
"""
_VALUES = """\
{words}
  wire [31:0] {port}_place = {core}_writing ? {place} : 0;
  {write} = {core}_writing;
  {address} = {core}_group;
  {data} = {port}_words[{port}_place];
"""
_BEGUN = """\
  reg [31:0] steps_{k} = 0;
  always @(posedge clk) steps_{k} <= rst ? 0 : steps_{k} + {{31'd0, {bit}}};
"""
_READ = """
  // A state that can be read.
{words}
{mask}
  wire [31:0] {port}_group = turn - 1;
  wire [{top}:0] {port}_word = {port}_words[sample * {groups} + {port}_group] & {port}_mask[{port}_group];
  always @(posedge clk)
    if (reading && turn >= 1 && turn <= {groups} && ({port}_data & {port}_mask[{port}_group]) !== {port}_word) begin
      $display("FAIL: {port} is %h, not %h, in group %0d after sample %0d", {port}_data, {port}_word, turn - 1, sample);
      $fatal;
    end
"""
_LABEL = """
  // Output {output}, which is found when all is read.
{words}
  {start} = reading && turn > {groups} && labelled == {number} && !asked;
  always @(posedge clk)
    if (asked && labelled == {number} && {output}_valid && {output}_index !== {output}_words[sample]) begin
      $display("FAIL: {output} is %0d, not %0d, after sample %0d", {output}_index, {output}_words[sample], sample);
      $fatal;
    end else if (asked && labelled == {number} && {output}_valid) begin
      labelled <= {number} + 1;
      asked <= 1'b0;
    end else if ({output}_start) asked <= 1'b1;
    else if (rst) labelled <= 0;
"""
_COURSE = """
  // The course: a reset before each sample, the sample, and what can be read after it.
  assign done = {done};
  wire alive = {alive};
  always @(posedge clk) begin
    cycles <= cycles + 1;
    noise <= {{noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]}};
    waited <= waited + 1;
    if (rst) begin
      if (waited >= 4) begin
        rst <= 1'b0;
        waited <= 0;
      end
    end else if (done) begin
      if (reading && turn > {groups} && labelled == {labels}) begin
        if (sample == {samples} - 1) begin
          $display("PASS: {samples} samples of {steps} steps in %0d cycles", cycles);
          $finish;
        end
        sample <= sample + 1;
        rst <= 1'b1;
        waited <= 0;
      end
    end else if (alive) waited <= 0;
    else if (waited == {still}) begin
      $display("FAIL: nothing moves in sample %0d", sample);
      $fatal;
    end
  end
endmodule
"""
