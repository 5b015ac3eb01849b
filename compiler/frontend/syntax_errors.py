"""What to say about a mistake of syntax.

Judges are asked in order; the first that has something to say is heard.  One of them is the table
of mistakes by example, the last one names what could have stood in the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend import foreign_words
from spikec.frontend.syntax_examples import Example
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
class Fault:
    """All that is known at the place of a mistake; `text` is the token's or character's.

    `after_slashes` says that a `//` stands before it in its line.
    """

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
    after_slashes: bool

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
    "\u2265": "write '>='",
    "\u2264": "write '<='",
    "\u2260": "write '!='",
    "\u00d7": "write '*'",
    "\u00b7": "write '*'",
    "\u2212": "write '-'",
    "\u2192": "write '->'",
    "\u03bc": "write 'u', as in 'us' or 'uA'",
    "\u00b5": "write 'u', as in 'us' or 'uA'",
    "\u2019": "a derivative is written with ', as in V' = ...",
    "$": "a name is written without '$'",
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
    same = [unit for unit in UNITS if unit.lower() == fault.text.lower()] or _LONG_UNITS.get(fault.text.lower(), [])
    help = f"did you mean '{same[0]}'?" if same else did_you_mean(fault.text, UNITS)
    if fault.text == "elif":
        return Finding("E0108", fault.span, "'elif' is no word of this language", "write 'else if'")
    help = help or "between a number and a name stands an operator"
    return Finding("E0113", fault.span, f"'{fault.text}' is not a unit", help)


# Units as they are written out, or elsewhere.
_LONG_UNITS = {
    **{long: ["s"] for long in ("sec", "second", "seconds")},
    **{long: ["ms"] for long in ("msec", "millisecond", "milliseconds")},
    **{long: ["us"] for long in ("usec", "microsecond", "microseconds")},
    "volt": ["V"],
    "millivolt": ["mV"],
    "ampere": ["A"],
    "siemens": ["S"],
    "farad": ["F"],
    "hertz": ["Hz"],
}
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
        help = foreign_words.HELP.get(fault.text.lower()) or did_you_mean(fault.text, known)
        return Finding("E0107", fault.span, f"'{fault.text}' begins no statement here", help)
    if fault.previous is not word or word.type != "NAME":
        return None
    foreign = foreign_words.HELP.get(word.lower())
    if foreign is not None and word not in STATEMENTS and fault.token_type not in ("PLUS", "MINUS", "PRODUCT"):
        return Finding("E0107", fault.span_of(word), f"'{word}' begins no statement", foreign)
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


def _stray_choice(fault: Fault) -> Finding | None:
    """`then` and `else` without an `if` before them, and a reset without braces."""
    if fault.first is None or fault.text not in ("then", "else", ":"):
        return None
    if fault.first.type == "SPIKE":
        help = "write 'spike when V >= theta { V := 0 }'"
        return Finding("E0114", fault.span, f"what happens at a spike stands in braces, not after {fault.found}", help)
    if fault.text == ":":
        return None
    return Finding("E0108", fault.span, f"{fault.found} has no 'if' before it", "write 'if a then b else c'")


def _keyword_as_name(fault: Fault) -> Finding | None:
    if fault.text in HARD_KEYWORDS and "NAME" in fault.accepts and "NUMBER" not in fault.accepts and fault.first:
        return Finding("E0105", fault.span, f"'{fault.text}' is a keyword and cannot be a name")
    return None


def _keyword_assigned(fault: Fault) -> Finding | None:
    first = fault.first
    assigned = fault.token_type in ("EQUAL", "UPDATE", "QUOTE", "COMPARE")
    # 'weight = 3' is not meant as a name, and 'on := 3' is.
    explained = fault.example is not None and (fault.token_type == "EQUAL" or "NUMBER" in fault.accepts)
    if first is not None and first is fault.previous and first.type != "NAME" and assigned and not explained:
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
    help = "a comment begins with '#'" if fault.after_slashes else None
    if len(wanted) > 5:
        wanted = [w for w in wanted if w in ("an operator", "the end of the statement") and "_NL" in fault.accepts]
    listed = " or ".join([", ".join(wanted[:-1]), wanted[-1]] if len(wanted) > 1 else wanted)
    return Finding("E0101", fault.span, f"{message}; expected {listed}" if wanted else message, help)


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
    _keyword_assigned,
    _example,
    _stray_choice,
    _expression_expected,
)
