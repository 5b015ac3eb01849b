"""Every diagnostic code, with its title and the page that `spikec explain CODE` shows.

E01xx text and syntax; E02xx names; E03xx values, types and shapes; E04xx units; E05xx neurons and
their equations; E06xx projections and causality; E07xx files, inputs and outputs; E08xx IR and
pipelines; E09xx what is not supported yet; W.... warnings; N.... notes.
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
}
