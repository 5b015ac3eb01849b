"""What to say about a mistake of syntax: a table of mistakes by example, and rules for the rest.

A snippet of `EXAMPLES` is a whole broken file.  The parser's state at its first mistake, together
with the token found there, is what recognises the same mistake anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend.units import UNITS

HARD_KEYWORDS = frozenset({"if", "then", "else", "and", "or", "not"})
MODEL_STATEMENTS = frozenset({"step", "input", "output", "probe", "train", "phase"})
BODY_STATEMENTS = frozenset({"in", "var", "solver", "spike", "out", "hold", "on", "every", "clip", "return"})
SHARED_STATEMENTS = frozenset({"neuron", "synapse", "rule", "block", "param", "pop", "proj"})
FILE_STATEMENTS = frozenset({"import", "model"})
STATEMENTS = MODEL_STATEMENTS | BODY_STATEMENTS | SHARED_STATEMENTS | FILE_STATEMENTS

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BEFORE_CLOSING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Open:
    """A bracket that is open: its token, the parser's depth, and the first token of its statement.

    `group` marks the braces around the ends of a projection.
    """

    kind: str
    token: Any
    depth: int
    first: Any
    group: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What to report; `missing_brace` says that a `}` belongs before the statement."""

    code: str
    span: Span
    message: str
    help: str | None = None
    missing_brace: bool = False


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


@dataclass(frozen=True, slots=True)
class Fault:
    """All that is known at the place of a mistake; `text` is the token's or character's."""

    accepts: frozenset[str]
    span: Span
    token_type: str
    text: str
    first: Any
    previous: Any
    open: tuple[Open, ...]
    suspect: Open | None
    too_deep: bool
    starts_line: bool
    indent: int
    statement_indent: int
    example: Example | None

    @property
    def found(self) -> str:
        """The token as a message names it."""
        if self.token_type == "_NL":
            return "the end of the line"
        if self.token_type == "$END":
            return "the end of the file"
        shown = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        return f"'{shown}'"

    @property
    def ends(self) -> bool:
        return self.token_type in ("_NL", "SEMICOLON", "$END", "RBRACE")

    @property
    def in_brackets(self) -> bool:
        return bool(self.open) and self.open[-1].kind != "{"

    def span_of(self, token: Any) -> Span:
        return Span(self.span.file, token.line, token.column, token.end_line, token.end_column)


def examine(fault: Fault) -> Finding:
    """The one finding for a mistake: the first judge below that has something to say."""
    for judge in _JUDGES:
        finding = judge(fault)
        if finding is not None:
            return finding
    return _anything_else(fault)


# ---------------------------------------------------------------- judges, in order


def _depth(fault: Fault) -> Finding | None:
    if not fault.too_deep:
        return None
    return Finding(
        "E0110", fault.span, f"more than {len(fault.open)} brackets are open", "name parts of the expression"
    )


_CHARACTERS = {
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "?": "write 'if a then b else c'",
    "~": "write 'not'",
    "\\": "put an expression that spans lines in parentheses",
    "\r": "a line ends with a line feed, or a carriage return and a line feed",
}


def _character(fault: Fault) -> Finding | None:
    if fault.token_type != "CHARACTER":
        return None
    character = fault.text
    if character == '"':
        return Finding("E0103", fault.span, "the string is never closed", "close it with '\"' on the same line")
    shown = f" '{character}'" if character.isprintable() else ""
    message = f"unknown character{shown} (U+{ord(character):04X})"
    help = _CHARACTERS.get(character)
    if help is None and not character.isascii():
        help = "names are written with the letters a-z and A-Z, digits and '_'; other text may stand in comments"
    return Finding("E0102", fault.span, message, help)


def _unclosed_bracket(fault: Fault) -> Finding | None:
    if not fault.in_brackets:
        return None
    opened = fault.open[-1]
    closing = _CLOSING[opened.kind]
    # Braces, semicolons and the end of the file never stand in brackets, a less indented line hardly.
    outside = fault.token_type in ("LBRACE", "RBRACE", "SEMICOLON", "$END")
    next_statement = fault.starts_line and fault.indent <= fault.statement_indent and fault.text not in _BEFORE_CLOSING
    if fault.token_type == "LBRACE" and fault.previous.type in ("LPAR", "LSQB", "COMMA", "EQUAL"):
        return None
    if outside or next_statement:
        help = f"write '{closing}' before {fault.found}"
        return Finding("E0104", fault.span_of(opened.token), f"'{opened.kind}' is never closed", help)
    if fault.text in _BEFORE_CLOSING and fault.text != closing:
        return Finding("E0104", fault.span, f"'{closing}' is expected here, not '{fault.text}'", None)
    return None


def _closing(fault: Fault) -> Finding | None:
    opening = _BEFORE_CLOSING.get(fault.text)
    if opening is None or any(o.kind == opening for o in fault.open):
        return None
    return Finding("E0104", fault.span, f"'{fault.text}' closes nothing: no '{opening}' is open")


def _unclosed_brace(fault: Fault) -> Finding | None:
    if fault.token_type != "$END" or not fault.open:
        return None
    opened = fault.suspect or fault.open[-1]
    return Finding("E0104", fault.span_of(opened.token), "'{' is never closed", "write '}' where the body ends")


def _unit(fault: Fault) -> Finding | None:
    after_number = fault.previous is not None and fault.previous.type == "NUMBER" and fault.token_type == "NAME"
    if not after_number or fault.previous.line != fault.span.line or fault.text in STATEMENTS | _WORDS:
        return None
    if fault.text in UNITS:
        return Finding("E0113", fault.span, f"the unit '{fault.text}' may not be followed by '(' or a letter", None)
    same = [unit for unit in UNITS if unit.lower() == fault.text.lower()]
    help = f"did you mean '{same[0]}'?" if same else did_you_mean(fault.text, UNITS)
    help = help or "between a number and a name stands an operator"
    return Finding("E0113", fault.span, f"'{fault.text}' is not a unit", help)


_WORDS = frozenset({"as", "learn", "seed", "repeat", "per", "emit", "grad", "for", "at", "with", "carry", "when", "in"})


def _statement_start(fault: Fault) -> Finding | None:
    """What comes from other languages."""
    if fault.first is not None or fault.in_brackets:
        return None
    if fault.text == "if":
        help = "write 'x = if a then b else c', or 'spike when c { ... }'"
        return Finding("E0107", fault.span, "there is no 'if' statement", help)
    if fault.text in ("//", "/"):
        return Finding("E0107", fault.span, f"'{fault.text}' begins no statement", "a comment begins with '#'")
    return None


def _statement_word(fault: Fault) -> Finding | None:
    """A statement in the wrong place, or a misspelled one: its word was read as a name or not at all."""
    word = fault.first
    if word is None:
        if not fault.text.isidentifier() or fault.text in HARD_KEYWORDS:
            return None
        if fault.text in STATEMENTS:
            return _misplaced(fault, fault.text, fault.span)
        known = {name.lower() for name in fault.accepts - {"NAME", "UNIT"} if name.isidentifier()}
        return Finding("E0107", fault.span, f"'{fault.text}' begins no statement here", did_you_mean(fault.text, known))
    if fault.previous is not word or word.type != "NAME":
        return None
    if word in STATEMENTS and fault.token_type in ("NAME", "NUMBER", "STRING", "LBRACE"):
        return _misplaced(fault, str(word), fault.span_of(word))
    if fault.token_type in ("NAME", "STRING"):
        span = fault.span_of(word)
        return Finding("E0107", span, f"'{word}' begins no statement", did_you_mean(word, STATEMENTS))
    return None


def _misplaced(fault: Fault, word: str, span: Span) -> Finding:
    braces = [o for o in fault.open if o.kind == "{"]
    if not braces:
        place = "model" if word not in BODY_STATEMENTS else "neuron, synapse, rule or block"
        return Finding("E0107", span, f"'{word}' stands outside of a {place}", "write it inside of '{ ... }'")
    inside = str(braces[-1].first)
    indent = fault.statement_indent if fault.first is not None else fault.indent
    outer = word in MODEL_STATEMENTS | SHARED_STATEMENTS | FILE_STATEMENTS and (
        len(braces) > 1 or word in FILE_STATEMENTS
    )
    if outer and indent <= braces[-1].first.column - 1:
        message = f"'{{' of '{inside}' is not closed before '{word}'"
        return Finding("E0104", fault.span_of(braces[-1].token), message, "write '}' where the body ends", True)
    if word in FILE_STATEMENTS:
        help = f"'{word}' stands at the top of the file"
    elif word in BODY_STATEMENTS:
        help = f"'{word}' belongs to the body of a neuron, synapse, rule or block"
    else:
        help = f"'{word}' belongs to the model"
    return Finding("E0107", span, f"'{word}' cannot stand in the body of '{inside}'", help)


def _example(fault: Fault) -> Finding | None:
    example = fault.example
    if example is None:
        return None
    previous = str(fault.previous) if fault.previous is not None else ""
    texts = {"found": fault.found, "previous": previous, "first": str(fault.first)}
    help = example.help.format(**texts) if example.help else None
    return Finding(example.code, fault.span, example.message.format(**texts), help)


def _keyword_as_name(fault: Fault) -> Finding | None:
    if fault.text in HARD_KEYWORDS and "NAME" in fault.accepts and "NUMBER" not in fault.accepts and fault.first:
        return Finding("E0105", fault.span, f"'{fault.text}' is a keyword and cannot be a name")
    return None


def _keyword_assigned(fault: Fault) -> Finding | None:
    first = fault.first
    assigned = fault.token_type in ("EQUAL", "UPDATE", "QUOTE", "COMPARE")
    if first is not None and first is fault.previous and first.type != "NAME" and assigned:
        message = f"'{first}' is a keyword here and cannot be assigned"
        return Finding("E0105", fault.span_of(first), message, f"choose another name, such as '{first}_'")
    return None


def _expression_expected(fault: Fault) -> Finding | None:
    if "NUMBER" not in fault.accepts or fault.token_type == "NUMBER":
        return None
    after = f" after '{fault.previous}'" if fault.previous is not None else ""
    wanted = ["an expression"] + [f"'{_BRACKET_TOKENS[t]}'" for t in sorted(fault.accepts & _BRACKET_TOKENS.keys())]
    help = "put an expression that spans lines in parentheses" if fault.token_type == "_NL" else None
    return Finding("E0108", fault.span, f"{' or '.join(wanted)} is expected{after}, not {fault.found}", help)


_BRACKET_TOKENS = {"RPAR": ")", "RSQB": "]", "COLON": ":"}
_SIGNS = {
    "LPAR": "'('",
    "LSQB": "'['",
    "LBRACE": "'{'",
    "RPAR": "')'",
    "RSQB": "']'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "COLON": "':'",
    "DOT": "'.'",
    "EQUAL": "'='",
    "QUOTE": '"\'"',
    "UPDATE": "':='",
    "_ARROW": "'->'",
    "NAME": "a name",
    "STRING": "a string",
    "_NL": "the end of the statement",
    "SEMICOLON": "the end of the statement",
    "$END": "the end of the file",
}
_OPERATORS = {"OR", "AND", "COMPARE", "SHIFT", "PLUS", "MINUS", "PRODUCT", "POWER", "_PIPE"}
_POSTFIX = {"LPAR", "LSQB", "DOT", "UNIT"}


def _anything_else(fault: Fault) -> Finding:
    accepts = fault.accepts - {"ERROR_STATEMENT", "ERROR_HEADER"}
    wanted = []
    if accepts & _OPERATORS:
        accepts = accepts - _OPERATORS - _POSTFIX
        wanted.append("an operator")
    wanted += sorted({_SIGNS.get(name, f"'{name.lower()}'") for name in accepts})
    message = f"unexpected {fault.found.removeprefix('the ')}"
    if len(wanted) > 5:
        wanted = [w for w in wanted if w in ("an operator", "the end of the statement") and "_NL" in fault.accepts]
    listed = " or ".join([", ".join(wanted[:-1]), wanted[-1]] if len(wanted) > 1 else wanted)
    return Finding("E0101", fault.span, f"{message}; expected {listed}" if wanted else message)


_JUDGES: tuple[Callable[[Fault], Finding | None], ...] = (
    _depth,
    _character,
    _unclosed_bracket,
    _closing,
    _unclosed_brace,
    _unit,
    _statement_start,
    _statement_word,
    _keyword_as_name,
    _example,
    _keyword_assigned,
    _expression_expected,
)


# ---------------------------------------------------------------- mistakes by example


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
        "'==' compares; a definition is written with '='",
        "write '{previous} = ...', or '{previous} := ...' for a state",
        _in_model("x == 1", "x[i] == 1", "x.y == 1") + _in_neuron("V == 1", "V[i] == 1"),
        exact=True,
    ),
    Example(
        "E0106",
        "an operator alone is no statement",
        "name the value: 'name = ...'; a state is updated with ':=', '+=', '-=' or '*='",
        _in_model("x + 1", "x * 2", "x < 1", "x ^ 2", "x |> f()", "x and y", "x or y", "x >> 1", "x - 1"),
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
        ("param a : = 1\n", "param a : 3\n", "param a : [3]\n", "param a :\n", "model M(a : = 1) { }\n")
        + ("model M(a : ) { }\n", "model M(a :, b) { }\n"),
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
        )
        + _in_model("output y := 1")
        + _in_neuron("var V := 0", "var V : voltage := 0", "V' := 1", "V[0]' := 1"),
    ),
    Example(
        "E0106",
        "'=' is missing before {found}",
        None,
        ("param a 1\n", "param a : int 1\n", "param a b\n", 'param a "x"\n', "neuron A B\n")
        + _in_model("output y 1", "output y x", "output y (x)")
        + _in_neuron("var V 0", "var V b", "V' 1", "V' e", "V' (e)", "V' -e"),
    ),
    Example(
        "E0114",
        "the name is missing after '{previous}'",
        None,
        ("model { }\n", "neuron { in I }\n", "synapse { }\n", "rule { }\n", "block { }\n", "param : int = 1\n")
        + ("neuron (a = 1) { in I }\n", "model (a = 1) { }\n", "param = 1\n")
        + _in_model("pop : LIF[1]", "input : real", "output = 1", "phase : 3 ms")
        + _in_neuron("var = 1", "in : voltage", "on { w += 1 }", "solver", "in", "var"),
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
        ("model M\n", "model M x { }\n", "model M(a = 1)\n", "neuron N\n", "neuron N(a = 1)\n", "synapse S\n")
        + ("synapse S(a = 1)\n", "rule R\n", "rule R(a = 1)\n", "block B(a)\n", "block B\n", "model M = 1\n")
        + ("neuron N : x\n", "neuron N(a = 1) = 3\n", "model M : x { }\n", "model M[3] { }\n")
        + _in_model("train loss x", "train")
        + _in_neuron("on pre w += 1", "every 1 ms", "on pre\n{ w += 1 }"),
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
        ("param a = 1 in 0\n", "param a = 1 in (0, 1)\n", "param a = 1 in [0]\n", "param a = 1 in [0, 1, 2]\n")
        + ("param a = 1 in [0:1]\n",)
        + _in_neuron(
            "clip w in 0, 1", "clip w in (0, 1)", "clip w [0, 1]", "clip w in [0]", "clip w", "clip w in [0:1]"
        ),
    ),
    Example(
        "E0114",
        "a port has no initial value",
        "a port is what arrives in a step; a state is declared with 'var'",
        _in_neuron("in I = 0", "in I : current = 0"),
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
