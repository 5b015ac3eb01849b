"""Mistakes of syntax by example: a message and the broken texts that it is for.

A snippet is a whole broken file.  The parser's state at its first mistake, together with the token
found there, is what recognises the same mistake anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """Snippets of one mistake; `{found}` in a text stands for what was met.

    `exact` compares the text of the token too, `any_token` takes any token at the same place.
    """

    code: str
    message: str
    help: str | None
    snippets: tuple[str, ...]
    exact: bool = False
    any_token: bool = False


def match_example(table: dict[tuple[Any, str, str], Example], state: Any, token_type: str, text: str) -> Example | None:
    """The example of a mistake in the same parser state: with the same text, the same kind of token, or any."""
    for key in ((state, token_type, text), (state, token_type, ""), (state, "", "")):
        if key in table:
            return table[key]
    return None


def _in_model(*statements: str) -> tuple[str, ...]:
    return tuple(f"model M {{\n{statement}\n}}\n" for statement in statements)


def _in_neuron(*statements: str) -> tuple[str, ...]:
    return tuple(f"neuron N {{\n{statement}\n}}\n" for statement in statements)


EXAMPLES: tuple[Example, ...] = (
    Example(
        "E0106",
        "an equation is not written with '/'",
        "the derivative of a state is written with ', as in V' = (E - V) / tau",
        _in_neuron("dV/dt = (E - V) / tau"),
        exact=True,
    ),
    Example(
        "E0106",
        "'==' compares; a definition is written with '='",
        "write '{previous} = ...', or '{previous} := ...' for a state",
        _in_model("x == 1", "x[i] == 1", "x.y == 1") + _in_neuron("V == 1", "V[i] == 1"),
        exact=True,
    ),
    Example(
        "E0106",
        "an operator alone is no statement",
        "name the value: 'name = ...'; a state is updated with ':=', '+=', '-=' or '*='",
        _in_model("x + 1", "x * 2", "x < 1", "x ^ 2", "x |> f()", "x and y", "x or y", "x >> 1", "x - 1")
        + _in_neuron("V + 1", "V * 2", "V < 1", "V ^ 2", "V - 1"),
    ),
    Example(
        "E0106",
        "an expression alone is no statement",
        "name the value: 'name = ...'",
        _in_model("x", "x[0]", "x.y", "x; y = 1", "f(x)", "x.y(1)") + _in_neuron("V", "V[0]", "f(V)", "V; V := 1"),
    ),
    Example(
        "E0114",
        "a type is missing after ':', not {found}",
        "write ': type = ...', or '=' alone; a type is real, int, bool, path, signal or a dimension such as voltage",
        (
            "param a : = 1\n",
            "param a : 3\n",
            "param a : [3]\n",
            "param a :\n",
            "model M(a : = 1) { }\n",
            "model M(a : ) { }\n",
            "model M(a :, b) { }\n",
        ),
        any_token=True,
    ),
    Example(
        "E0106",
        "a value is given with '=' here, not {found}",
        "':=' and the like update a state at its place in a body",
        (
            "param a := 1\n",
            "model M(a := 1) { }\n",
            "param a : int := 1\n",
            "param a : int[2] := 1\n",
            "neuron A := B()\n",
            "model M(a : int := 1) { }\n",
            *_in_model("output y := 1"),
            *_in_neuron("var V := 0", "var V : voltage := 0", "V' := 1", "V[0]' := 1"),
        ),
    ),
    Example(
        "E0106",
        "'=' is missing before {found}",
        None,
        (
            "param a 1\n",
            "param a : int 1\n",
            "param a b\n",
            'param a "x"\n',
            "neuron A B\n",
            *_in_model("output y 1", "output y x", "output y (x)"),
            *_in_neuron("var V 0", "var V b", "V' 1", "V' e", "V' (e)", "V' -e"),
        ),
    ),
    Example(
        "E0114",
        "the name is missing after '{previous}'",
        None,
        (
            "model { }\n",
            "neuron { in I }\n",
            "synapse { }\n",
            "rule { }\n",
            "block { }\n",
            "param : int = 1\n",
            "neuron (a = 1) { in I }\n",
            "model (a = 1) { }\n",
            "param = 1\n",
            *_in_model("pop : LIF[1]", "input : real", "output = 1", "phase : 3 ms"),
            *_in_neuron("var = 1", "in : voltage", "on { w += 1 }", "solver", "in", "var"),
        ),
        any_token=True,
    ),
    Example(
        "E0114",
        "an input needs a type: 'input x : real[64]'",
        None,
        _in_model("input x", "input x = 1", "input x[64]", "input x in [0, 1]", "input x real"),
        any_token=True,
    ),
    Example(
        "E0114",
        "'{{' and a body are missing before {found}",
        "the '{{' stands on the line of the head",
        (
            "model M\n",
            "model M x { }\n",
            "model M(a = 1)\n",
            "neuron N\n",
            "neuron N(a = 1)\n",
            "synapse S\n",
            "synapse S(a = 1)\n",
            "rule R\n",
            "rule R(a = 1)\n",
            "block B(a)\n",
            "block B\n",
            "model M = 1\n",
            "neuron N : x\n",
            "neuron N(a = 1) = 3\n",
            "model M : x { }\n",
            "model M[3] { }\n",
            *_in_model("train loss x", "train"),
            *_in_neuron("on pre w += 1", "every 1 ms", "on pre\n{ w += 1 }"),
        ),
        any_token=True,
    ),
    Example(
        "E0114",
        "'->' is missing in the projection before {found}",
        "a projection is written 'proj source -> target.port {{ ... }}'",
        _in_model("proj a b.I", "proj a", "proj a.x b", "proj a[0:1] b", "proj {a, b} c.I", "proj a {connect all}")
        + _in_model("proj p : a b.I", "proj a = b", "proj a > b", "proj a - > b", "proj p : a", "proj {a, b}.x c"),
    ),
    Example(
        "E0114",
        "'when' is missing after 'spike'",
        "write 'spike when V >= theta {{ ... }}'",
        _in_neuron(
            "spike V > 1 { V := 0 }", "spike { V := 0 }", "spike", "spike (V > 1) { V := 0 }", "spike if V > 1 { }"
        ),
        any_token=True,
    ),
    Example(
        "E0108",
        "'spike when' needs a condition, not {found}",
        "write 'spike when V >= theta {{ ... }}'",
        _in_neuron("spike when { V := 0 }", "spike when"),
    ),
    Example(
        "E0114",
        "':' is missing: a population is written 'pop name : Neuron[shape](...)'",
        None,
        _in_model("pop p LIF[1]", "pop p = LIF[1]", "pop p", "pop p[3]"),
        any_token=True,
    ),
    Example(
        "E0114",
        "':' is missing: a phase is written 'phase name : duration'",
        None,
        _in_model("phase p = 3 ms", "phase p 3 ms", "phase p"),
        any_token=True,
    ),
    Example(
        "E0114",
        "'for' and a duration are missing: 'hold V for 5 ms'",
        None,
        _in_neuron("hold V 5 ms", "hold V", "hold V = 5 ms", "hold V : 5 ms"),
        any_token=True,
    ),
    Example(
        "E0114",
        "a range is written 'in [lo, hi]'",
        None,
        (
            "param a = 1 in 0\n",
            "param a = 1 in (0, 1)\n",
            "param a = 1 in [0]\n",
            "param a = 1 in [0, 1, 2]\n",
            "param a = 1 in [0:1]\n",
            *_in_neuron(
                "clip w in 0, 1", "clip w in (0, 1)", "clip w [0, 1]", "clip w in [0]", "clip w", "clip w in [0:1]"
            ),
        ),
    ),
    Example(
        "E0114",
        "a port has no initial value",
        "a port is what arrives in a step; a state is declared with 'var'",
        _in_neuron("in I = 0", "in I : current = 0"),
    ),
    Example(
        "E0106",
        "'=' is missing before {found}: an output has a name and a value",
        "write 'output y = ...'",
        _in_model("output a", "output y : a", "output a.spike", "output y[i] = 1"),
    ),
    Example(
        "E0114",
        "a projection is no call",
        "write 'proj a -> b.port {{ connect all; weight 1 }}'",
        _in_model("proj(a, b)"),
    ),
    Example(
        "E0114",
        "options are separated by ';' or ends of lines, not by {found}",
        None,
        _in_model("proj a -> b.I { connect all, weight 1 }", "proj a -> b.I { weight 1, delay 1 ms }")
        + _in_model(
            "proj a -> b.I { connect prob(1), weight 1 }", "proj a -> b.I { connect prob(1) seed 1, weight 1 }"
        ),
    ),
    Example(
        "E0114",
        "an import is written 'import std.neurons (LIF)' or 'import \"file.snn\" as name'",
        None,
        ("import numpy as np\n", "import a.b as c\n", "import numpy, scipy\n", "import a.b.*\n"),
    ),
    Example(
        "E0114",
        "a step is written 'step 1 ms'",
        None,
        _in_model("step = 1 ms", "step : 1 ms"),
    ),
    Example(
        "E0114",
        "{found} has no place after '{previous}'",
        "an option is written '{previous} value'",
        _in_model("proj a -> b.I { weight = 1 }", "proj a -> b.I { weight : 1 }", "proj a -> b.I { weight := 1 }")
        + _in_model("train { loss = x }", "train { loss : x }"),
    ),
    Example(
        "E0101",
        "a type can be given only where a name is declared",
        "write 'param {previous} : ...', 'var {previous} : ...' or 'input {previous} : ...'",
        _in_model("x : real = 1") + _in_neuron("V : real = 1"),
    ),
    Example(
        "E0107",
        "an equation stands in a neuron, synapse or rule",
        None,
        _in_model("V' = 1", "a.V' = 1"),
    ),
    Example(
        "E0101",
        "an equation has one derivative",
        "write a second derivative as two states: x' = v and v' = ...",
        _in_neuron("V'' = 1"),
    ),
    Example(
        "E0108",
        "'else' is missing before {found}: every 'if' is written 'if a then b else c'",
        None,
        _in_model("x = if a then b", "x = if a then b + 1", "x = if a then b(1)", "x = if a then 1")
        + _in_model("x = f(if a then b)", "x = f(if a then 1, 2)", "x = if a then b; y = 1", "x = if a then 1 ms"),
    ),
    Example(
        "E0108",
        "'then' is missing before {found}: a choice is written 'if a then b else c'",
        None,
        _in_model("x = if a", "x = if a b", "x = if a > 1", "x = if a > 1 b", "x = if a else b", "x = if (a) 1 else 2")
        + _in_model("x = if a : b", "x = if a and b"),
    ),
    Example(
        "E0108",
        "'<>' is no operator",
        "write '!='",
        _in_model("x = a <> b"),
        exact=True,
    ),
    Example(
        "E0115",
        "comparisons do not chain",
        "write 'a < b and b < c'",
        _in_model("x = a < b < c", "x = a < 1 < 2", "x = a < f(x) < 2", "x = a < 1 ms < 2 ms", "x = a < b + c < d"),
    ),
    Example(
        "E0108",
        "'**' is no operator",
        "a power is written 'a ^ b'",
        _in_model("x = a ** b"),
        exact=True,
    ),
    Example(
        "E0101",
        "a string is written in double quotes",
        None,
        _in_model("x = 'a'", "x = f('a')", "x = load(a, 'b')", "x = f(a = 'b')"),
    ),
    Example(
        "E0101",
        "a list is written in square brackets: [1, 2]",
        None,
        _in_model("x = {1, 2}", "x = f({1, 2})", "x = f(1, {2})", "x = f(a = {1, 2})"),
    ),
    Example(
        "E0101",
        "an argument is given with '='",
        "write 'name = value'",
        _in_model("x = f(a : 1)", "x = f(a := 1)", "x = f(b, a : 1)"),
    ),
)
