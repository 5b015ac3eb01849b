"""Every diagnostic code, with its title and the page that `spikec explain CODE` shows.

E01xx text and syntax; E02xx names; E03xx values, types and shapes; E04xx units; E05xx neurons and
their equations; E06xx projections and causality; E07xx files, inputs and outputs; E08xx IR and
pipelines; E09xx what is not supported yet; E10xx, E11xx NIR files; E12xx passes; W.... warnings; N.... notes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    title: str
    explanation: str


def _code(title: str, meaning: str, wrong: str = "", right: str = "") -> Code:
    """A page of what the code means, an example of the mistake and its correction."""
    parts = [meaning]
    for head, example in (("Wrong:", wrong), ("Right:", right)):
        if example:
            parts.append("\n".join([head, "", *(f"    {line}" for line in example.split("\n"))]))
    return Code(title, "\n\n".join(parts))


CODES: dict[str, Code] = {
    # ------------------------------------------------------------ text and syntax
    "E0101": _code(
        "unexpected word or sign",
        "The text does not follow the grammar at this place. The message names what was found and, if there are\n"
        "few possibilities, what could stand there. Statements end with the line or with ';'.",
        "input x : real[64] real",
        "input x : real[64]",
    ),
    "E0102": _code(
        "unknown character",
        "The character is no part of the language. Names are made of the letters a-z and A-Z, digits and '_';\n"
        "any text may stand in comments and strings.",
        "v = a && b",
        "v = a and b",
    ),
    "E0103": _code(
        "unclosed string",
        "A string begins and ends with '\"' on one line.",
        'param W = load("weights.npz)',
        'param W = load("weights.npz")',
    ),
    "E0104": _code(
        "unbalanced bracket",
        "A bracket is never closed, or one is closed that was never opened. Inside ( ) and [ ] the ends of lines\n"
        "do not count, so a missing ')' is noticed only where the next statement begins; the message points at\n"
        "the bracket that was opened.",
        "x = (a + b\ny = 3",
        "x = (a + b)\ny = 3",
    ),
    "E0105": _code(
        "keyword used as a name",
        "The words 'if then else and or not' are never names. The other keywords are free as names except where\n"
        "they begin a statement: 'proj out : a -> b.I' is fine, 'out = 3' in a neuron is not.",
        "param if = 3",
        "param when_ = 3",
    ),
    "E0106": _code(
        "not a definition or an update",
        "A stream or a local is named with '='. A state is updated at its place in a body with ':=', '+=', '-='\n"
        "or '*='. The initial value of a parameter or state follows '='. An expression alone does nothing.",
        "h == LIF[10](x)",
        "h = LIF[10](x)",
    ),
    "E0107": _code(
        "statement in a place where it cannot stand",
        "Imports and models stand at the top of a file; 'step input output probe train phase' in a model;\n"
        "'in var solver spike out hold on every clip return' and equations in a neuron, synapse, rule or block.\n"
        "A word that begins no statement is mostly misspelled.",
        "model M {\n  step 1 ms\n}\nprobe p.V",
        "model M {\n  step 1 ms\n  pop p : LIF[10]\n  probe p.V\n}",
    ),
    "E0108": _code(
        "incomplete expression",
        "An operand, a condition or a branch of an expression is missing. An expression ends with its line unless\n"
        "it stands in parentheses; every 'if' has a 'then' and an 'else'.",
        "V := a +\n     b",
        "V := (a +\n      b)",
    ),
    "E0109": _code(
        "number out of range",
        "Numbers are exact decimals until they are used, and no number format holds one of more than 400 digits\n"
        "or with an exponent beyond 400.",
        "param big = 1e999999999",
        "param big = 1e30",
    ),
    "E0110": _code(
        "text too large or nested too deep",
        "A model is a short text: at most one mebibyte, its expressions nested at most 150 levels deep (a sum of\n"
        "200 terms is nested 200 levels deep). Tables and weights belong into files that the model loads.",
        "y = a1 + a2 + (and so on) + a500",
        "y = sum(a)",
    ),
    "E0111": _code(
        "unreadable file",
        "The file cannot be opened, is a folder, or is not text in UTF-8.",
    ),
    "E0113": _code(
        "unknown unit",
        "A word that directly follows a number is a unit: s V A S F Ohm Hz m with the usual prefixes, min, deg,\n"
        "rad and steps, or a quotient written without blanks such as mV/ms or uF/cm2. A product needs its '*'.",
        "step 1 msec\nx = 2 tau",
        "step 1 ms\nx = 2 * tau",
    ),
    "E0114": _code(
        "incomplete declaration",
        "A part that the statement needs is missing: its name, type, '->', ':', 'when', 'for' or body.",
        "proj exc inh.I { connect all; weight 1 }\nneuron LIF\n{ in I }",
        "proj exc -> inh.I { connect all; weight 1 }\nneuron LIF {\n  in I\n}",
    ),
    "E0115": _code(
        "chained comparison",
        "A comparison has two sides and its value is a bool.",
        "ok = 0 < x < 1",
        "ok = 0 < x and x < 1",
    ),
    "E0116": _code(
        "too many mistakes",
        "The file has so many mistakes of syntax that reading on makes no sense. Most likely it is no model.",
    ),
    # ------------------------------------------------------------ files, inputs and outputs
    "E0701": _code(
        "no such file",
        "The file does not exist. A path in a model is relative to the folder of the model, a path on the command\n"
        "line to the working folder.",
    ),
    # ------------------------------------------------------------ not supported yet
    "E0901": _code(
        "construct is not supported yet",
        "The language has this construct and the text is right, but the compiler cannot translate it yet. It is\n"
        "refused by name, so that nothing is ever compiled to something else than what was written.",
    ),
    # ------------------------------------------------------------ notes
    "N0001": _code(
        "training is ignored",
        "A 'train' block and the marks 'learn' and 'grad' are read and their names are checked, but the compiler\n"
        "has no gradients yet: the network runs with the values its parameters have.",
    ),
    # ------------------------------------------------------------ names
    "E0201": _code(
        "unknown name",
        "Nothing of this name is declared where it is used. A neuron sees its own parameters, ports, states and\n"
        "locals; the network sees parameters, inputs, populations and streams, in any order.",
        "neuron LIF { in I; var V = 0; V := V + J; spike when V >= 1 { V := 0 } }",
        "neuron LIF { in I; var V = 0; V := V + I; spike when V >= 1 { V := 0 } }",
    ),
    "E0202": _code(
        "unknown type",
        "A type is 'real', 'int', 'bool', 'path' or a dimension: time, voltage, current, conductance, capacitance,\n"
        "rate, length. An input may also be 'spikes'.",
        "input x : float[8]",
        "input x : real[8]",
    ),
    "E0203": _code(
        "unknown attribute",
        "After the dot stands a state or port of a population, 'spike', 'out', or the name of an array in a table\n"
        "that 'load' gave.",
        "probe a.U        # the neuron's state is called V",
        "probe a.V",
    ),
    "E0204": _code(
        "parameter without a value",
        "A parameter without a default needs a value: at the call for a neuron, with -P for a model.",
        "spikec run net.snn",
        "spikec run net.snn -P 'tau=10 ms'",
    ),
    "E0205": _code(
        "declared twice",
        "A name means one thing in a model, and one thing in a neuron. A port that '=' gave a value takes more\n"
        "with '+='.",
        "h = 2 * x\nh = 3 * x",
        "h = 2 * x\ng = 3 * x",
    ),
    "E0206": _code(
        "not one model",
        "A file describes one model; declarations of neurons may stand before and after it.",
        "neuron LIF { in I; var V = 0; V := V + I }",
        "model M {\n  step 1 ms\n}",
    ),
    "E0207": _code(
        "model without a step",
        "A model has one clock: 'step 0.1 ms' for a time, or 'step 1 steps' where time is only counted.",
        "model M { pop a : LIF[8] }",
        "model M { step 1 ms; pop a : LIF[8] }",
    ),
    "E0208": _code(
        "unknown parameter on the command line",
        "-P names a parameter of the model, or a 'param' in it. 'spikec check' lists both by their errors.",
        "spikec run net.snn -P taus=3",
        "spikec run net.snn -P tau=3",
    ),
    "E0209": _code(
        "wrong import",
        "An import names a file of declarations by its path, relative to the folder of the file that it stands in,\n"
        "or a part of the library such as std.neurons. The file holds no model, and files do not import each other.",
        'import "/neurons.snn"\nimport std.neuron (LIF)',
        'import "neurons.snn"\nimport std.neurons (LIF)',
    ),
    # ------------------------------------------------------------ values, types and shapes
    "E0301": _code(
        "not a constant",
        "A shape, a weight, a probability or the value of a parameter is known before the run, so it is made of\n"
        "numbers, parameters and loaded arrays alone. A shape is a whole number: 8 * 4 / 5 is not.",
        "pop a : LIF[10 / 4]",
        "pop a : LIF[10 // 4]",
    ),
    "E0302": _code(
        "wrong kind of value",
        "A number, a condition, a text, a table of arrays or a stream stands where another kind is needed. An int\n"
        "state does not take a real value; a bool counts as 0 or 1 where a number is needed.",
        "spike when V and w { V := 0 }",
        "spike when V > 0 and w > 0 { V := 0 }",
    ),
    "E0303": _code(
        "shapes do not match",
        "Elementwise operations need one shape or a scalar; 'W @ x' needs as many columns as x has elements; what\n"
        "reaches a port has the population's shape; weights of a projection are [pre, post].",
        "param W : real[3, 4] = 0.5\ny = W @ x        # x has 8 elements",
        "param W : real[3, 8] = 0.5\ny = W @ x",
    ),
    "E0304": _code(
        "no finite value",
        "A constant expression divides by zero, or leaves the range of the numbers.",
        "param a = 1 / 0",
        "param a = 1 / 2",
    ),
    "E0305": _code(
        "integer overflow",
        "An int is 64 bits wide; constant expressions that leave that range are mistakes, they do not wrap.",
        "param a = 9223372036854775807 + 1",
        "param a = 9223372036854775807.0 + 1",
    ),
    "E0306": _code(
        "wrong arguments",
        "A call gives ports by position or by name and parameters by name; functions take a fixed number of\n"
        "arguments.",
        "h = LIF[8](x, 10 ms)",
        "h = LIF[8](x, tau = 10 ms)",
    ),
    "E0307": _code(
        "value out of bounds",
        "A parameter declared with 'in [low, high]' has a value outside of it.",
        "param p = 2 in [0, 1]",
        "param p = 0.5 in [0, 1]",
    ),
    # ------------------------------------------------------------ units
    "E0401": _code(
        "dimensions do not match",
        "Sums, comparisons, states, ports and parameters have one dimension; the message shows both sides. A plain\n"
        "0 is the zero of every dimension.",
        "V := V + 3        # V is a voltage",
        "V := V + 3 mV",
    ),
    "E0402": _code(
        "a plain number is needed",
        "exp, log and the like, probabilities and exponents take numbers without a dimension.",
        "V := V * exp(-tau)",
        "V := V * exp(-dt / tau)",
    ),
    "E0403": _code(
        "not a constant time",
        "A step, a delay, the length of a hold and the period of a probe are constant times. Under 'step 1 steps'\n"
        "times are written in steps.",
        "proj a -> b.I { connect all; delay 2 mV }",
        "proj a -> b.I { connect all; delay 2 ms }",
    ),
    "E0404": _code(
        "an equation of the wrong dimension",
        "The right side of V' = ... has the dimension of V divided by a time.",
        "V' = -V",
        "V' = -V / tau",
    ),
    # ------------------------------------------------------------ neurons and their equations
    "E0501": _code(
        "statement in the wrong place",
        "States change with ':=' in a neuron; ports of populations take '=' or '+=' in the network; 'hold' stands\n"
        "in a spike's braces.",
        "neuron A { in I; var V = 0; I := 0 }",
        "neuron A { in I; var V = 0; V := I }",
    ),
    "E0502": _code(
        "a spike without a condition",
        "'spike when' is followed by a comparison.",
        "spike when V { V := 0 }",
        "spike when V >= 1 { V := 0 }",
    ),
    "E0503": _code(
        "no exact solution",
        "Equations are integrated exactly where they are linear in the states with constant coefficients. Others\n"
        "need a solver that you name; there is no silent Euler step.",
        "V' = (g * (E - V) - V) / tau        # g is a state",
        "V' = (g * (E - V) - V) / tau\nsolver exponential_euler",
    ),
    "E0504": _code(
        "wrong solver",
        "The solvers are euler, exponential_euler, heun and rk4; a neuron has one, and only with an equation.",
        "solver newton",
        "solver rk4",
    ),
    "E0505": _code(
        "wrong length of a hold", "A hold lasts from 0 to 2^31 - 1 steps.", "hold V for -5 ms", "hold V for 5 ms"
    ),
    "E0506": _code("two values of 'out'", "A neuron or a synapse has one 'out'.", "out V\nout 2 * V", "out V"),
    "E0507": _code(
        "wrong synapse program",
        "A synapse says with 'out' what arrives at the port. Where the projection has a weight, it uses it as 'w'.\n"
        "A state is 'per synapse'; 'per pre' and 'per post' promise that it depends on nothing but that end, so\n"
        "that all synapses of a neuron have the same.",
        "synapse psc { var g per synapse = 0; g' = -g / 2 ms; on pre { g += w } }",
        "synapse psc { var g per synapse = 0; g' = -g / 2 ms; on pre { g += w }; out g }",
    ),
    # ------------------------------------------------------------ projections and causality
    "E0601": _code(
        "a cycle within one step",
        "What is computed in a step depends on itself. The message prints the loop. Break it with a value of the\n"
        "step before: prev(x), delay(x, d), or a projection with a delay.",
        "y = x + 0.5 * y",
        "y = x + 0.5 * prev(y)",
    ),
    "E0602": _code(
        "wrong projection",
        "A projection goes from a population, a stream or a slice of one to a port of a population; its delay is\n"
        "not negative and, where it is more than zero, at least half a step; a probability lies in [0, 1].",
        "proj a -> b { connect prob(1.5) }",
        "proj a -> b.I { connect prob(0.5) }",
    ),
    "E0603": _code(
        "values of a step and of the run mixed",
        "over_time(op, x) is known when the run is over; a stream changes in every step. An expression is made of\n"
        "one of the two.",
        "output y = x + over_time(sum, x)",
        "output y = over_time(mean, x) + over_time(sum, x)",
    ),
    "E0604": _code(
        "wrong probe",
        "A probe names a state, 'spike' or 'out' of a population, or a stream; its period is at least one step.",
        "probe 3",
        "probe a.V every 1 ms",
    ),
    "E0605": _code(
        "too many synapses",
        "A projection has less than 2^31 synapses. Split it, or lower the probability of a connection.",
        "proj a -> b.I { connect prob(0.9) }      # 100000 to 100000 neurons",
        "proj a -> b.I { connect prob(0.001) }",
    ),
    "E0606": _code(
        "too few partners",
        "fixed_in(k), fixed_out(k) and fixed_total(n) make exactly so many synapses, on different pairs. There must\n"
        "be as many pairs that the condition 'if' leaves; with 'repeat' a pair may have several synapses.",
        "proj a -> b.I { connect fixed_in(50) }          # a has 20 neurons",
        "proj a -> b.I { connect fixed_in(50) repeat }",
    ),
    "E0607": _code(
        "wrong table of synapses",
        "A table has one row for each synapse and the columns 'pre' and 'post': numbers of neurons, counted from 0.\n"
        "Further columns are weights, delays or anything else, by name. A csv file names its columns in its first\n"
        "line, an npz file has an array for each; without names they are pre, post, weight and delay.",
        'proj a -> a.I { connect from("wiring.csv"); weight from("wiring.csv", "wieght") }',
        'proj a -> a.I { connect from("wiring.csv"); weight from("wiring.csv", "weight") }',
    ),
    "E0608": _code(
        "wrong delays of synapses",
        "Delays that are drawn or computed for each synapse have a largest value that is known when the network is\n"
        "built, no synapse has a negative one, and there are at most 4096 different ones. A normal distribution\n"
        "reaches below zero: bound it.",
        "proj a -> b.I { delay normal(1 ms, 1 ms) seed 4 }",
        "proj a -> b.I { delay clamp(normal(1 ms, 1 ms), 0.1 ms, 5 ms) seed 4 }",
    ),
    "E0609": _code(
        "states of synapses whose number is drawn",
        "A synapse program with a state for each synapse needs their number when the network is built, and prob(p)\n"
        "draws it for each run. The other connectors make a number of synapses that is known. A program whose states\n"
        "belong to sources or targets can have any connector ('Synapse programs' in docs/language.md).",
        "proj a -> b.I { connect prob(0.1) seed 1; synapse plastic() }",
        "proj a -> b.I { connect fixed_total(1000) seed 1; synapse plastic() }",
    ),
    "E0610": _code(
        "wrong names of neurons",
        "A file of names has one for each neuron of the population, no two of them the same: a name in each line,\n"
        "or a column 'name'. n[\"AVAL\"] is the neuron of this name, and the columns 'pre' and 'post' of a table of\n"
        "synapses may hold names of such populations.",
        'probe n["AVLA"].V',
        'probe n["AVAL"].V',
    ),
    # ------------------------------------------------------------ files
    "E0702": _code(
        "no such array",
        "load(path, key) reads one array of an npz file by its name; an npy file has one array and no name.",
        'param W = load("weights.npz", "w9")',
        'param W = load("weights.npz", "w1")',
    ),
    "E0703": _code(
        "unreadable array file",
        "The file is not npz or npy, is damaged, holds something else than numbers, or declares more than it has.",
        'param W = load("notes.txt", "w1")',
        'param W = load("weights.npz", "w1")',
    ),
    "E0704": _code(
        "file cannot be read",
        "The file exists and cannot be read as what it is used for: it is a folder, its permissions forbid it, or\n"
        "its name says that it is something else, as a model that is no .snn text.",
    ),
    "E0705": _code(
        "made for another machine",
        "A library or an artifact holds machine code for another kind of processor or system than this one.\n"
        "Compile the model here, or with --target cpu:TRIPLE,CPU for a processor that both machines have. Code for a\n"
        "GPU needs one that is not older than that of --target ptx:sm_NN, and a driver that knows its version of PTX.",
    ),
    "E0706": _code(
        "too large for the memory",
        "An array that is read, or what a run records, takes more than half of this machine's memory. For a run,\n"
        "fewer steps, fewer samples or fewer probes help: a probe can take a slice, and 'every'.",
        "probe a.V",
        "probe a.V[0:10] every 10 ms",
    ),
    "E0707": _code(
        "output exists",
        "Nothing is overwritten without leave. With --force, a file is replaced; in a folder, the files of the same\n"
        "names are, and all others stay.",
        "spikec run net.snn -o out.npz",
        "spikec run net.snn -o out.npz --force",
    ),
    "E0708": _code(
        "output cannot be written",
        "The folder of the output does not exist, the permissions forbid it, or the disk is full. Outputs appear\n"
        "whole or not at all.",
    ),
    "E0714": _code(
        "an input is missing",
        "Every input of the model needs an array. Of shape (T, *shape) it streams, one slice a step; of the declared\n"
        "shape it is held for all steps; with --batch B, both have a leading axis of B samples.",
        "spikec run net.snn --steps 100",
        "spikec run net.snn --steps 100 --input x=x.npy",
    ),
    "E0715": _code(
        "the model has no such input",
        "The name before '=' in --input is none of the model's inputs. It may be left out where there is one only.",
        "spikec run net.snn --input imgae=x.npy",
        "spikec run net.snn --input image=x.npy",
    ),
    "E0716": _code(
        "an input has another shape",
        "The array has neither the declared shape, which is held, nor that shape after an axis of steps, which\n"
        "streams. With --batch B, an axis of B samples comes first. A row of a .csv file is one flattened slice.",
    ),
    "E0717": _code(
        "an input has a value that does not fit",
        "Spikes are 0 or 1, reals are finite, integers are whole, and values stay in the range that the model\n"
        "declares with 'in [low, high]'. The message names the first value that does not, and its index.",
    ),
    "E0718": _code(
        "an input is too short",
        "A stream has fewer slices than there are steps to run. Without --steps, the longest stream tells how many.",
        "spikec run net.snn --input x=ten_steps.npy --steps 11",
        "spikec run net.snn --input x=ten_steps.npy --steps 10",
    ),
    "E0719": _code(
        "not the value of a parameter",
        "In Python, the value of a model's parameter is a number, a bool, the text of an expression or a path.",
        'spikec.load("net.snn", params={"tau": [10]})',
        'spikec.load("net.snn", params={"tau": "10 ms"})',
    ),
    "E0720": _code(
        "not an artifact, or a damaged one",
        "An artifact is a folder that 'spikec compile -o' made. Its manifest.json lists every other file with its\n"
        "hash; a file is absent, was changed, or the manifest is not one that this version reads.",
    ),
    "E0721": _code(
        "the connections were drawn with another seed",
        "Connections such as prob(p) are drawn from the run seed when the model is compiled. A network that is\n"
        "compiled can be run with other seeds only if nothing of its structure is drawn.",
        "spikec compile net.snn -o build\nspikec run build --seed 3",
        "spikec compile net.snn -o build --seed 3\nspikec run build --seed 3",
    ),
    "E0722": _code(
        "events that cannot be counted",
        "An event file is an .npz with t, x, y and p, one number of each for every event. t is the time in\n"
        "microseconds from the beginning, ascending; x and y are the column and row of a pixel, counted from 0; p is\n"
        "1 for a rise and 0 or -1 for a fall. Events are counted in bins of one step, so a step needs a duration.\n"
        "The message names the first value that does not fit.",
        'np.savez("e.npz", t=t - 5, x=x, y=y, p=p)',
        'np.savez("e.npz", t=t - t[0], x=x, y=y, p=p)',
    ),
    "E0723": _code(
        "not a record of a run",
        "'cost --rates' takes the object that 'run --json' prints: steps, batch, spikes by population, projections\n"
        "with their additions, and synaptic_events, which is the sum of these. The message says what is wrong.",
        "spikec run net.snn --steps 100 > run.json\nspikec cost net.snn --rates run.json",
        "spikec run net.snn --steps 100 --json > run.json\nspikec cost net.snn --rates run.json",
    ),
    "E0724": _code(
        "a record of a run of another network",
        "Counts of events belong to the network that made them: it has the same populations and projections, and no\n"
        "population emits more events than it has neurons in as many steps. Parameters, passes and the run seed can\n"
        "change a network, so they are the same for run and cost.",
        "spikec run net.snn --steps 100 --json > run.json\nspikec cost net.snn -P n=2000 --rates run.json",
        "spikec run net.snn -P n=2000 --steps 100 --json > run.json\nspikec cost net.snn -P n=2000 --rates run.json",
    ),
    "E0725": _code(
        "too large for the device",
        "State, weights and one step's inputs, outputs and probes of one sample must fit into the memory of the GPU,\n"
        "or into what 'memory' of the target allows. Weights of fewer bits and fewer synapses need less of it.",
        "spikec run net.snn --target ptx{memory=1MB}",
        "spikec run net.snn --target ptx{memory=1MB} --pipeline quantize{weights=8}",
    ),
    "E0726": _code(
        "too many blocks for a persistent kernel",
        "The blocks of a persistent kernel wait for each other in every step, so that the GPU must hold all of them\n"
        "at once. A graph of kernels has no such limit, and launch=auto takes it where it must.",
        "spikec run net.snn --target ptx{launch=persistent}",
        "spikec run net.snn --target ptx{launch=auto}",
    ),
    "E0801": _code(
        "not a constants file",
        "Beside x.mlir lies x.safetensors with its arrays; this file is not of that format, or damaged.",
        "spikec opt net.mlir --constants weights.npz --pipeline canonicalize",
        "spikec opt net.mlir --constants net.safetensors --pipeline canonicalize",
    ),
    "E0802": _code(
        "an array is not at hand",
        "IR names its arrays, which lie in a file of their own: x.safetensors beside x.mlir, or the one that\n"
        "--constants names. What is asked for needs the numbers of an array that is in neither.",
        "spikec opt net.mlir --pipeline 'sparsify{density=0.1}'",
        "spikec opt net.mlir --constants weights.safetensors --pipeline 'sparsify{density=0.1}'",
    ),
    "E0803": _code(
        "malformed IR",
        "The text is no MLIR in the dialects 'snn' and 'step' and the upstream dialects that they use: it does not\n"
        "parse, or an op has not the operands and attributes that its definition asks for.",
    ),
    "E0804": _code(
        "invalid IR",
        "The text parses, and breaks a rule that ties ops together: a name that is not declared, sizes that do not\n"
        "agree, an op at the wrong level. docs/ir.md has the rules.",
    ),
    # ------------------------------------------------------------ NIR files
    "E1001": _code(
        "no NIR file, or a damaged one",
        "A NIR file is an HDF5 file with a graph under the name 'node'. This one is something else, is cut off, or\n"
        "holds data that the HDF5 library cannot read. Export it again with nir.write().",
    ),
    "E1002": _code(
        "stored in a way that is not read",
        "All of a NIR file stands in that file, once: links to other places, arrays in other files, groups inside\n"
        "themselves and compression by plug-ins are refused before anything is read. nir.write() uses none of them.",
    ),
    "E1003": _code(
        "NIR file too large",
        "The file declares more nodes, edges, levels or numbers than any network has, or an array that is larger\n"
        "than what the file stores. At most 100000 nodes, 100000 edges and 1 GB of numbers are read.",
    ),
    "E1004": _code(
        "unknown type of node",
        "The types of NIR are Affine, AvgPool2d, Conv1d, Conv2d, CubaLI, CubaLIF, Delay, Flatten, I, IF, Input, LI,\n"
        "LIF, Linear, NIRGraph, Output, Scale, SumPool2d and Threshold.",
    ),
    "E1005": _code(
        "a part of a NIR file is missing",
        "A node has no type, or lacks a field that its type needs, or a graph has no nodes. Only v_reset, w_in, bias,\n"
        "input_shape and input_type may be absent.",
    ),
    "E1006": _code(
        "a field of a NIR node is wrong",
        "The field holds another kind of value than its type needs, has an impossible shape, or a value out of its\n"
        "range such as a stride of 0 or a NaN among the weights.",
    ),
    "E1007": _code("wrong list of edges", "The edges of a graph are pairs of names, an array of text of shape (N, 2)."),
    "E1008": _code(
        "an edge names no node",
        "Both ends of an edge are nodes of its own graph. What stands inside another graph is reached only by the\n"
        "name of that graph, or as graph.port where it has several inputs or outputs.",
        "('lif', 'output') in a graph whose neuron is called 'lif1'",
        "('lif1', 'output')",
    ),
    "E1009": _code(
        "an edge stands twice",
        "NIR has at most one edge from one node to another; twice the value is a Scale.",
        "[('a', 'b'), ('a', 'b')]",
        "[('a', 'b')]",
    ),
    "E1010": _code(
        "several inputs or outputs",
        "An edge to a graph means its only input, an edge from a graph its only output. Where there are several,\n"
        "the edge names one.",
        "('a', 'block')",
        "('a', 'block.left')",
    ),
    "E1011": _code(
        "shapes do not fit together",
        "What arrives at a node has not the shape that its weights, parameters or declarations ask for. Shapes have\n"
        "neither a batch axis nor a time axis.",
    ),
    "E1012": _code(
        "the shape of a node is unknown",
        "Shapes are inferred from the shapes of the inputs and from weights and parameters. Nothing of the kind is\n"
        "near this node: give the Input before it its shape.",
    ),
    "E1013": _code(
        "a cycle without a recurrent edge",
        "In a cycle, the edge that leads back to the node where the cycle is entered carries the value of the step\n"
        "before. A cycle that is entered at several nodes has no such edge.",
        "in -> a, in -> b, a -> b, b -> a",
        "in -> a, a -> b, b -> a",
    ),
    "E1014": _code(
        "a cycle that no input reaches",
        "No way leads from an input to these nodes, so which edge of their cycle is the recurrent one is not said.",
    ),
    "W0201": _code(
        "unused parameter",
        "No expression names the parameter, so its value changes nothing; mostly a name is misspelled, or the\n"
        "parameter is left over. A name that begins with '_' is not reported.",
        "neuron LIF(tau: time = 10 ms) { in I; var V = 0; V := 0.9 * V + I }",
        "neuron LIF(tau: time = 10 ms) { in I; var V = 0; V := exp(-dt / tau) * V + I }",
    ),
    "W0202": _code(
        "unused input",
        "No statement names the input. A run needs an array for it all the same.",
        "input x : real[3]\ncell = LIF[3](1)",
        "input x : real[3]\ncell = LIF[3](x)",
    ),
    "W0203": _code(
        "nothing arrives",
        "The population has ports, nothing is ever sent to one of them, and from its initial values alone it never\n"
        "spikes (a neuron without spikes: its value never changes).",
        "pop a : LIF[8]\nprobe a.spike",
        "pop a : LIF[8]\nproj x -> a.I { connect all; weight 0.5 }\nprobe a.spike",
    ),
    "W0204": _code(
        "nobody sees it",
        "No output and no probe depends on the population, directly or through others. The pass 'remove-dead' takes\n"
        "such populations away. A model without any output and probe is not reported: its spikes are counted.",
        "pop a : LIF[8](x)\noutput y = x",
        "pop a : LIF[8](x)\noutput y = a",
    ),
    "W0205": _code(
        "a population that never spikes",
        "Whatever the inputs are within their declared ranges, no threshold is reached. All values were followed\n"
        "from their first ones as intervals until they changed no more.",
        "input x : real[8] in [0, 1]\nh = LIF[8](0.01 * x, tau = 2 ms, theta = 1)",
        "input x : real[8] in [0, 1]\nh = LIF[8](x, tau = 2 ms, theta = 1)",
    ),
    "W0206": _code(
        "a population that spikes in every step",
        "Whatever the inputs are within their declared ranges, the condition of a spike always holds, so the spikes\n"
        "carry nothing. Often a sign or a comparison is the wrong way around.",
        "spike when V > -50 mV { V := -40 mV }        # V starts from -40 mV",
        "spike when V > -50 mV { V := -60 mV }        # V starts from -60 mV",
    ),
    "W0601": _code(
        "a delay was rounded",
        "A delay takes effect as a whole number of steps, the nearest one, ties to the even one.",
        "delay 1.26 ms        # step 0.5 ms: 2.52 steps, 3 are taken",
        "delay 1.5 ms",
    ),
    "W0602": _code(
        "a period was rounded",
        "A probe records every whole number of steps.",
        "probe a.V every 1.2 ms        # step 1 ms",
        "probe a.V every 1 ms",
    ),
    "W0701": _code(
        "sums in any order",
        "On a GPU the events of a large network add reals to their targets as they come, and a sum of reals depends\n"
        "on its order in the last bits. With sums=ordered each target looks through its synapses in the order of the\n"
        "CPU: the same bits everywhere, and more work where activity is sparse. Sums of integers have no such freedom.",
        "spikec run net.snn --target ptx",
        "spikec run net.snn --target ptx{sums=ordered}\nspikec run net.snn --target ptx --pipeline quantize",
    ),
    "W1001": _code(
        "one parameter for all",
        "The parameters of a node hold one number, or one along some axes, and what arrives has more elements. The\n"
        "number is used for all of them; old exporters wrote neurons so.",
    ),
    "W1002": _code(
        "a declared shape is not taken at its word",
        "The file declares a shape that its own arrays contradict, in a way that leaves no doubt what is meant: a\n"
        "batch axis in front, nothing at all, or a wrong shape of an input inside of a subgraph.",
    ),
    "W1003": _code(
        "a cycle without memory",
        "No neuron and no delay stands on the cycle. As in every cycle, the recurrent edge carries the value of the\n"
        "step before, but the file gives no sign that a step is meant to pass.",
    ),
    "W1004": _code(
        "an input or output that the file does not name",
        "A node that no edge enters, or none leaves, becomes an input or output of the network.",
    ),
    "W1006": _code(
        "a primitive that the profile does not define",
        "The framework whose profile was chosen has no such neuron. The equation of nir-euler is taken for it.",
    ),
    "W1005": _code(
        "a part of a NIR file without meaning",
        "A field that the type of the node does not have is ignored, and a graph without edges is read.",
    ),
    # ------------------------------------------------------------ NIR out
    "E1101": _code(
        "a neuron that NIR cannot express",
        "'--emit nir' writes a population as LIF, IF, LI, I, CubaLI or CubaLIF: linear in v, in one current and in\n"
        "one input, with a spike where v > v_threshold and a reset to a fixed value. docs/nir.md has the equations.",
        "spike when V > 1 { V -= 1 }",
        "spike when V > 1 { V := 0 }",
    ),
    "E1102": _code(
        "an operation that NIR cannot express",
        "A NIR graph has matrices, convolutions, sum and average pooling, scales, thresholds, delays and sums, on\n"
        "streams that come from its inputs. docs/nir.md lists what becomes of which operation.",
        "output label = argmax(over_time(count, a))",
        "output spikes = a",
    ),
    "E1103": _code(
        "a cycle or a delay that NIR cannot express",
        "In NIR a cycle has its delay on the edges that lead back to the node through which it is entered. A cycle\n"
        "that is entered in two places, that has its delay elsewhere, or that no input reaches is not a NIR graph.",
    ),
    "E1104": _code(
        "a shape or a name that NIR cannot express",
        "Values of NIR have at least one axis, they can be flattened and not unflattened, and each node has a name\n"
        "of its own, inputs and outputs too.",
        "input x : real",
        "input x : real[1]",
    ),
    "W1101": _code(
        "a threshold made a little smaller",
        "NIR's neurons and its Threshold compare with '>'. Among numbers of one width, v >= c says the same as v > p\n"
        "with the number p before c; p is written. A reader with wider numbers has a threshold that much smaller.",
        "spike when V >= 1 { V := 0 }",
        "spike when V > 1 { V := 0 }",
    ),
    "N1101": _code(
        "how to read the NIR file",
        "A NIR file holds time constants and no time step, and says nothing of the values before the first step.\n"
        "Read with the options of this note it is the same network.",
    ),
    # ------------------------------------------------------------ weights and calibration of quantize
    "E1201": _code(
        "weights that are not finite",
        "A projection has weights that are NaN or infinite, so no scale maps them to integers. Training that diverged\n"
        "leaves such weights.",
    ),
    "E1202": _code(
        "a scale that is no number",
        "The scale of a projection's weights is the weights' size divided by the greatest integer. It is a normal\n"
        "number of 64 bits: about 2e-308 to 2e308. Weights that small or large belong in another unit.",
    ),
    "E1203": _code(
        "zeros among weights of one bit",
        "With one bit a weight is -1 or +1 times the scale. A weight that is exactly zero is no synapse; to make one\n"
        "of it would change the network. Two bits have -1, 0 and +1.",
        "quantize{weights=1}",
        "quantize{weights=2}",
    ),
    "E1204": _code(
        "calibration data of the wrong shape",
        "Calibration data is (T, *shape) for one streamed sample, (B, T, *shape) for B samples of T steps, or, where\n"
        "the pass says how many steps a sample is held, (N, *shape) for N samples; *shape is that of the input. All\n"
        "inputs have the same number of samples and enough steps.",
    ),
    "E1205": _code(
        "calibration data that fits no input",
        "The data of a network with one input is a file, or an array FILE.npz:KEY. A network of several inputs takes\n"
        "one .npz file with an array for each, under its name. One without inputs takes none.",
    ),
    "E1206": _code(
        "no calibration data",
        "An array has no elements, or nothing tells how many steps are to be run: the data has no axis of steps and\n"
        "the pass was not told how long a sample is held.",
    ),
    "E1207": _code(
        "labels that do not fit",
        "Labels are integers, one for each sample of the calibration data, in the same order.",
    ),
    "E1208": _code(
        "no output to compare with labels",
        "Accuracy is told of an output that is computed once, at the end, and is one integer for each sample, such as\n"
        "argmax(over_time(count, class)). Where there are several, the pass must be told which one.",
        "output votes = class",
        "output label = argmax(over_time(count, class))",
    ),
    "E1211": _code(
        "no integer form",
        "quantize turns sums, products, comparisons, selections, rounding and reductions into integers, and exp and\n"
        "its like into polynomials over what their argument can be. An argument that nothing bounds, or a comparison\n"
        "that looks for NaN, has no integer form. The message names the operation and its place.",
        "V := V + exp(V / delta)",
        "V := V + exp(min(V / delta, 4))",
    ),
    "E1212": _code(
        "an accumulator that can overflow",
        "What arrives at a neuron in one step is summed exactly. In the worst case (every source that can raise the\n"
        "sum is active, no other) it needs more bits than acc gives. A sum never saturates: the result would depend\n"
        "on the order of the additions.",
        "quantize{weights=8,acc=8}",
        "quantize{weights=8,acc=16}",
    ),
    "E1213": _code(
        "a sum that is too wide",
        "Integers are computed in 64 bits. A product of states or a sum of many values needs more, even with the\n"
        "least precision that is useful.",
        "quantize{state=32}",
        "quantize{state=16}",
    ),
    "E1214": _code(
        "an input of unknown range",
        "A real input becomes an integer with a scale, which follows from the range of the input. It is declared with\n"
        "the input, or seen in calibration data.",
        "input x : real[64]",
        "input x : real[64] in [0, 1]",
    ),
    "E1215": _code(
        "a budget that the weights do not fit in",
        "With a budget each layer's weights get bits of their own, at least 2. Here they need more bytes than the\n"
        "budget even so. KB are 1024 bytes.",
        "quantize{budget=1KB,calibrate=some.npz}",
        "sparsify{density=0.5},quantize{budget=24KB,calibrate=some.npz}",
    ),
    "E1281": _code(
        "no network of activations",
        "convert-ann makes spiking neurons of activations, which are functions of one step: relu, clip, quantised\n"
        "ones. A network that has neurons already, or that draws random numbers in each step, is something else.",
        "h = LIF[10](W @ x)",
        "h = relu(W @ x)",
    ),
    "E1282": _code(
        "an activation of something that spikes cannot give",
        "A spiking network adds up: weighted sums, moves of elements and the largest of some values are known from\n"
        "sums of spikes. Of other functions a value is only known at the end, so no activation can stand behind\n"
        "them.",
        "y = relu(W @ tanh(V @ x))",
        "y = relu(W @ relu(V @ x))",
    ),
    "E1283": _code(
        "no activation",
        "convert-ann looks for relu(x), clamp(x, 0, high) and clamp(floor(x), 0, levels) with constant limits, or\n"
        "for the nodes Relu and Clip of an ONNX file. There is none in this network.",
        "y = W @ x",
        "y = relu(W @ x)",
    ),
    "E1284": _code(
        "an activation of unknown reach",
        "The spikes that stand for an activation have a size, which follows from how far the activation reaches: from\n"
        "its upper limit, or from calibration data.",
        "convert-ann",
        "convert-ann{calibrate=samples.npz:x}",
    ),
    "E1301": _code(
        "no ONNX file",
        "The file does not hold an ONNX model, or it is damaged. Models of frameworks are exported first, as with\n"
        "torch.onnx.export.",
    ),
    "E1302": _code(
        "a part of an ONNX graph without a form here",
        "Convolutions, matrix products with constants, poolings, batch norm, relu, clip, sums, products and reshapes\n"
        "have one. Weights are constants of the file, and the network is exported for inference.",
        "torch.onnx.export(net.train(), ...)",
        "torch.onnx.export(net.eval(), ...)",
    ),
    "E1303": _code(
        "an ONNX file that is too large",
        "The sizes that a file declares are compared with limits before memory is asked for: 2^27 numbers in all\n"
        "arrays together, and 2^31 - 1 elements of one value.",
    ),
    "E1304": _code(
        "damaged data in an ONNX file",
        "An array has not as many elements as it declares, lies in a file outside of the model's folder, or an\n"
        "attribute is of another type than its operator asks for.",
    ),
    "E1305": _code(
        "shapes in an ONNX graph that do not fit",
        "The first axis of the inputs counts samples and stays what it is on the way to the outputs; all other\n"
        "extents are numbers that are known. Constants fit the samples behind that axis.",
    ),
    "E1306": _code(
        "a value of an ONNX graph that is given by nothing, or twice",
        "Each value is an input, an array of the file or the output of one node, and nodes stand in an order in which\n"
        "values are given before they are used.",
    ),
    "E1311": _code(
        "an operation without a circuit",
        "Circuits compute with integers, so reals become integers first. They add, subtract, compare, choose,\n"
        "multiply and shift, and divide by constants; a division by a variable has no form.",
        "spikec compile net.snn --target fpga",
        "spikec compile net.snn --target fpga --pipeline 'quantize{weights=8,state=16}'",
    ),
    "E1312": _code(
        "a network that cannot be cut into cores",
        "In a circuit a core updates the elements of its populations one by one, and what crosses between elements\n"
        "goes through synapses, where it is added up. A maximum, or another reduction that is no sum, takes values\n"
        "one after the other and has no form for many of them. Nor has a state of which only a part is written, or a\n"
        "table with more weights than any device holds; sparse ones and convolutions need the fewest.",
    ),
    "E1321": _code(
        "a device that is too small for the latency",
        "Each core of a circuit has the fewest lanes with which a sample is fast enough. With these the circuit takes\n"
        "more of the device, or of what may be used of it (lut=, bram=), than there is, as the compiler predicts it;\n"
        "cells of logic may be a fifth less in the end. A longer latency needs fewer lanes, weights of fewer bits\n"
        "need less memory.",
        "spikec compile net.snn --target 'fpga:ecp5{device=25k,latency=100us}'",
        "spikec compile net.snn --target 'fpga:ecp5{device=85k,latency=100us}'",
    ),
    "E1322": _code(
        "a latency that no circuit reaches",
        "Even with a lane for each neuron, all steps of a sample take longer than the target allows: a core takes a\n"
        "cycle for each event, and the events of a step, at most, follow from the option activity. A higher clock, a\n"
        "longer latency or fewer steps of a sample help.",
        "spikec compile net.snn --target 'fpga:xilinx{latency=1us}'",
        "spikec compile net.snn --target 'fpga:xilinx{latency=100us}'",
    ),
    "E1331": _code(
        "an outside tool fails",
        "Yosys, nextpnr or a packer of bitstreams ended with an error while it worked on a circuit. Its last words\n"
        "stand in the message. Another version of the tool may do better; what is emitted as Verilog or RTLIL needs\n"
        "none of them.",
    ),
    "E1332": _code(
        "a circuit that does not fit its device",
        "The netlist takes more tables of logic, registers or blocks of memory than the device has, or the router\n"
        "found no place for all of them. Fewer lanes take less logic, and weights and states of fewer bits less\n"
        "memory.",
        "spikec compile net.snn --target 'fpga:ice40{device=hx1k}' --emit bitstream -o net.bin",
        "spikec compile net.snn --target 'fpga:ice40{device=hx8k}' --emit bitstream -o net.bin",
    ),
    "E1333": _code(
        "a circuit that is too slow for its clock",
        "After placement and routing, the slowest path of the circuit takes longer than a period of the clock that\n"
        "the target asks for. There is no bitstream of it: on a device it would compute something else now and then.\n"
        "A lower clock gives one.",
        "spikec compile net.snn --target 'fpga:ice40{device=up5k,clock=100MHz}' --emit bitstream -o net.bin",
        "spikec compile net.snn --target 'fpga:ice40{device=up5k,clock=20MHz}' --emit bitstream -o net.bin",
    ),
    "W1201": _code(
        "a layer whose weights are all zero",
        "Every weight of a projection is zero, so nothing passes through it. Its integers are zeros and its scale\n"
        "is 1. Weights that were never loaded look like this.",
    ),
    # ------------------------------------------------------------ sparsify
    "E1221": _code(
        "a mask that fits no weights",
        "A mask is an array in an .npz file with the name of a parameter that holds weights, and with its shape.\n"
        "Where it is zero, the weight goes.",
        "sparsify{mask=masks.npz}   (with an array 'w1' of 256 x 64)",
        "sparsify{mask=masks.npz}   (with an array 'W1' of 256 x 64, for `param W1 : real[256, 64]`)",
    ),
    "E1222": _code(
        "a floor above the density",
        "`floor` keeps some weights of every layer. Together these are more than `density` lets stay.",
        "sparsify{density=0.1,floor=0.2}",
        "sparsify{density=0.1,floor=0.02}",
    ),
    "E1223": _code(
        "integer weights that are to be scaled",
        "`rescale` multiplies what stays by a factor for each target. Integers would be rounded once more by it.",
        "quantize,sparsify{density=0.5,rescale=true}",
        "sparsify{density=0.5,rescale=true},quantize",
    ),
    "W1221": _code(
        "a layer without weights",
        "Pruning has left no weight in a layer, so nothing passes through it any more. Ask for a higher density, or\n"
        "for a floor: the least number, or share, of its weights that stays of each layer.",
        "sparsify{density=0.01}",
        "sparsify{density=0.01,floor=4}",
    ),
    # ------------------------------------------------------------ schedules
    "E1231": _code(
        "a block that needs too much memory",
        "In a block of many steps a layer runs all of them before the next layer does, so what one layer hands to the\n"
        "next is kept for so many steps. The message says how much that is. Choose a shorter block, or leave the\n"
        "choice to the compiler with block=0.",
        "schedule{block=100000000}",
        "schedule{block=32}",
    ),
    # ------------------------------------------------------------ storage formats
    "E1241": _code(
        "synapses that a format cannot hold",
        "`dense` holds all pairs of projections that lost none, `one_to_one` those of that connector, `conv`\n"
        "convolutions none of whose weights is pruned, `procedural` those of 'prob(p)' with one weight, `bitmap` and\n"
        "`block` what has a weight for each synapse: at most one synapse for a pair, and whole blocks of 8 to 64\n"
        "targets. `csr` holds everything.",
        "formats{conv=fc}   (for `y = W @ x`)",
        "formats{csr=fc}",
    ),
    "E1242": _code(
        "a format for no projection, or two for one",
        "formats{csr=NAME} takes the names that `compile --report` shows in the table 'storage of synapses', several\n"
        "in quotes with commas between them.",
        "formats{csr=a,conv=a}",
        'formats{csr="a,b",conv=c}',
    ),
    # ------------------------------------------------------------ passes and targets of other packages
    "E1271": _code(
        "a pass or target of another package that does not work",
        "A package offers a pass or a target by an entry point, and it cannot be imported, or what the entry point\n"
        "names is none: a pass is a dataclass with a name, a level and a method run, a target has a name, a level,\n"
        "kinds and a method emit. docs/new_pass.md describes both. `spikec passes` and `spikec targets` list the rest.",
    ),
    "E1272": _code(
        "one name from several packages",
        "Two packages offer a pass or a target of the same name, so that the name does not say which one is meant.\n"
        "Uninstall one of them.",
    ),
    "E1273": _code(
        "a pass at the wrong level",
        "A pass works on networks (level snn) or on what one timestep does (level step), and was given the other.\n"
        "`spikec opt` runs all passes at the level of its file. `compile` and `run` run those of level snn first,\n"
        "then lower the network, then run those of level step.",
        "spikec opt net.snn.mlir --pipeline schedule",
        "spikec opt net.step.mlir --pipeline schedule",
    ),
}
