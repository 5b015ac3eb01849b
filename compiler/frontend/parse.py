"""Text to syntax tree: tokens from lark, what its lexer leaves open, and recovery from mistakes.

The parser is driven token by token.  After a mistake it goes back to where the broken statement
began, puts ERROR_STATEMENT (or ERROR_HEADER, when a body follows) in its place, skips to the end of
the statement and goes on, so that one run reports every mistake of a file.  Nothing here recurses:
deep nesting ends in a diagnostic.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import lark
from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics, Span
from spikec.frontend import syntax
from spikec.frontend.lalr import MAX_DEPTH, Machine, Misfit
from spikec.frontend.layout import Layout
from spikec.frontend.syntax_errors import HARD_KEYWORDS, Fault, Finding, Open, examine
from spikec.frontend.syntax_examples import EXAMPLES, Example, match_example
from spikec.frontend.tree import TreeBuilder

MAX_BYTES = 1 << 20
MAX_ERRORS = 200

_OPENERS = {"LPAR": "(", "LSQB": "[", "LBRACE": "{"}
_CLOSERS = {"RPAR": "(", "RSQB": "[", "RBRACE": "{"}
_SEPARATORS = ("_NL", "SEMICOLON")
# What follows a name that is given a value.
_ASSIGNED = re.compile(r"[ \t]*(?:'|[:+*-]?=(?!=))")
# Statements whose body is still worth reading when their head is broken.
_BODIED = {"MODEL", "NEURON", "SYNAPSE", "RULE", "BLOCK", "SPIKE", "ON", "EVERY"}

_DEEP_HELP = "give parts of the expression names of their own"


# ---------------------------------------------------------------- files and public functions


def read_source(path: Path) -> str:
    """The text of a `.snn` file.  Raises CompileError if it is absent, unreadable, too large or not UTF-8."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable("E0701", path, f"no such file: {path}") from None
    except IsADirectoryError:
        raise _unreadable("E0111", path, f"{path} is a folder, not a file") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a usable path"
        raise _unreadable("E0111", path, f"cannot read {path}: {reason}") from None
    return decode(data, path)


def decode(data: bytes, path: Path) -> str:
    """The text of a file's bytes.  Raises CompileError if there are too many, or if it is not UTF-8."""
    if len(data) > MAX_BYTES:
        raise _unreadable("E0110", path, _TOO_LARGE, "put weights and tables into files of their own and load() them")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}"
        raise _unreadable("E0111", path, message, "save the file as UTF-8") from None


_TOO_LARGE = f"the text is larger than {MAX_BYTES >> 10} KiB"


def _unreadable(code: str, path: Path, message: str, help: str | None = None) -> CompileError:
    # A message that names the path itself needs no place in front of it.
    file = None if str(path) in message else str(path)
    return CompileError([Diagnostic(code, "error", message, None, file, help)])


def parse(text: str, file: str, diagnostics: Diagnostics) -> syntax.File | None:
    """The tree of a whole file; broken statements are reported and left out, None if nothing could be built."""
    tree = _parse(text, file, diagnostics, "start")
    return tree if isinstance(tree, syntax.File) else None


def parse_expression(text: str, file: str, diagnostics: Diagnostics) -> syntax.Expr | None:
    """The tree of one expression, such as the value of an option; None after any mistake."""
    before = len(diagnostics.items)
    tree: syntax.Expr | None = _parse(text, file, diagnostics, "only_expression")
    return tree if len(diagnostics.items) == before else None


def tokens(text: str, file: str, diagnostics: Diagnostics) -> list[Any]:
    """The tokens of a file as the parser reads them, without ends of lines and comments: lark tokens.

    Mistakes are reported; the tokens of a broken statement may then be absent.
    """
    if len(text) > MAX_BYTES:
        diagnostics.error("E0110", Span(file, 1, 1, 1, 2), _TOO_LARGE)
        return []
    parser = _Parser(text, file, "start", diagnostics)
    parser.run()
    return parser.read


def _parse(text: str, file: str, diagnostics: Diagnostics, start: str) -> Any:
    if len(text) > MAX_BYTES:
        diagnostics.error("E0110", Span(file, 1, 1, 1, 2), _TOO_LARGE)
        return None
    found = Diagnostics()
    tree = _Parser(text, file, start, found).run()
    diagnostics.items += sorted(found.items, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0))
    return tree


# ---------------------------------------------------------------- the parser


class _Wrong(Exception):
    """A token (or, if None, a character) that does not fit."""

    def __init__(self, token: Any | None) -> None:
        super().__init__()
        self.token = token


class _Parser:
    def __init__(self, text: str, file: str, start: str, diagnostics: Diagnostics) -> None:
        self._text = text
        self._layout = Layout(text)
        self._file = file
        self._start = start
        self._diagnostics = diagnostics
        self._machine = Machine(text, start, TreeBuilder(file, diagnostics))
        self._thread = self._machine.thread
        self._tokens = self._thread.lex(self._machine)
        self._open: list[Open] = []
        self._suspect: Open | None = None  # a brace whose closing brace is indented like an outer one
        self._first: Any = None  # first token of the current statement
        self._previous: Any = None  # last token that is not an end of line
        self._errors = 0
        self.read: list[Any] = []  # the tokens so far, without ends of lines

    def run(self) -> Any:
        """The tree of the text, or None when there are too many mistakes to go on or it is nested too deep."""
        while True:
            try:
                token = self._next_token()
                result = self._feed(token)
                if self._machine.too_deep is not None:
                    message = f"nested more than {MAX_DEPTH} levels deep"
                    self._diagnostics.error("E0110", self._machine.too_deep, message, _DEEP_HELP)
                    return None
                if token.type == "$END":
                    return result
            except _Wrong as wrong:
                if not self._recover(wrong.token):
                    return None

    def first_mistake(self) -> tuple[Any, Any] | None:
        """State and token of the first mistake: how an example of a mistake is recognised."""
        while True:
            try:
                token = self._next_token()
                self._feed(token)
                if token.type == "$END":
                    return None
            except _Wrong as wrong:
                return self._machine.settled_state(), wrong.token

    # ------------------------------------------------------------ reading

    def _next_token(self) -> Any:
        try:
            for token in self._tokens:
                return token
        except lark.exceptions.UnexpectedToken as error:
            raise _Wrong(error.token) from None
        except lark.exceptions.UnexpectedCharacters:
            raise _Wrong(None) from None
        counter = self._thread.state.line_ctr
        end = lark.Token("$END", "", counter.char_pos, counter.line, counter.column)
        end.end_line, end.end_column = counter.line, counter.column
        return end

    def _feed(self, token: Any) -> Any:
        if token.type == "_NL" and self._in_brackets():
            return None
        if token.type == "NAME" and token in HARD_KEYWORDS:
            token.type = token.upper()
        if token.type in _OPENERS and len(self._open) >= MAX_DEPTH:
            raise _Wrong(token)
        if token.type == "UNIT" and token.line != self._previous.line:
            raise _Wrong(token)
        try:
            result = self._fed(token)
        except Misfit:
            raise _Wrong(token) from None
        self._note(token)
        return result

    def _fed(self, token: Any) -> Any:
        """Feeds the machine; a keyword that begins no statement of these braces can be assigned: `phase' = omega`."""
        try:
            return self._machine.feed(token, token.type == "$END")
        except Misfit:
            word = token.isidentifier() and token not in HARD_KEYWORDS and self._first is None
            if not word or not _ASSIGNED.match(self._text, token.end_pos):
                raise
        keyword, token.type = token.type, "NAME"
        try:
            return self._machine.feed(token)
        except Misfit:
            token.type = keyword
            raise

    def _in_brackets(self) -> bool:
        return bool(self._open) and self._open[-1].kind != "{"

    def _note(self, token: Any) -> None:
        """Keeps track of brackets and of where statements begin."""
        before = self._previous
        if token.type not in ("_NL", "$END"):
            self.read.append(token)
        if token.type in _SEPARATORS:
            if not (self._open and self._open[-1].group):
                self._first = None
        else:
            if self._first is None:
                self._first = token
            self._previous = token
        if token.type in _OPENERS:
            group = token.type == "LBRACE" and before is not None and before.type in ("PROJ", "_ARROW", "COLON")
            self._open.append(Open(_OPENERS[token.type], token, len(self._machine.states) - 1, self._first, group))
            self._machine.nesting = len(self._open)
            if token.type == "LBRACE" and not group:
                self._first = None
        elif token.type in _CLOSERS and self._open:
            opened = self._open.pop()
            self._machine.nesting = len(self._open)
            self._first = opened.first
            if token.type == "RBRACE" and self._suspect is None and self._misplaced_close(opened, token):
                self._suspect = opened

    def _misplaced_close(self, opened: Open, token: Any) -> bool:
        own_line = opened.token.line != token.line and self._layout.starts_line(token.start_pos)
        return own_line and token.column - 1 < self._layout.indent(opened.token.start_pos)

    # ------------------------------------------------------------ mistakes

    def _recover(self, token: Any | None) -> bool:
        """Reports the mistake at `token` and brings the parser to where it can go on; False to give up."""
        fault = self._fault(token)
        finding = examine(fault)
        self._report(finding)
        position = self._thread.state.line_ctr.char_pos if token is None else token.start_pos
        if self._errors >= MAX_ERRORS:
            self._diagnostics.error("E0116", fault.span, f"more than {MAX_ERRORS} mistakes; the rest is not read")
            return False
        if self._start != "start":
            return False
        if fault.token_type == "RBRACE" and not self._open:
            self._restart(position + 1)  # a brace that closes nothing
            return True
        if finding.missing_brace and self._close_body(position):
            return True
        brace = position + len(fault.text) - len(fault.text.lstrip()) if fault.token_type == "_NL" else position
        if self._text[brace : brace + 1] == "{" and brace > position and "LBRACE" in fault.accepts:
            self._restart(brace)  # a body whose brace stands on a line of its own
            return True
        self._abandon(position, fault)
        if fault.token_type == "$END":
            self._close_all()
        return True

    def _fault(self, token: Any | None) -> Fault:
        counter = self._thread.state.line_ctr
        if token is None:
            span = Span(self._file, counter.line, counter.column, counter.line, counter.column + 1)
            position, kind, text = counter.char_pos, "CHARACTER", self._text[counter.char_pos]
        else:
            span, position = self._token_span(token), token.start_pos
            kind, text = token.type, str(token)
        return Fault(
            accepts=self._machine.accepted(),
            span=span,
            token_type=kind,
            text=text,
            first=self._first,
            previous=self._previous,
            open=tuple(self._open),
            suspect=self._suspect,
            too_deep=kind in _OPENERS and len(self._open) >= MAX_DEPTH,
            starts_line=self._layout.starts_line(position),
            indent=self._layout.indent(position),
            statement_indent=self._layout.indent(self._first.start_pos) if self._first is not None else 0,
            after_slashes="//" in self._text[self._layout.line_start(position) : position],
            example=match_example(_examples(), self._machine.settled_state(), kind, text),
        )

    def _token_span(self, token: Any) -> Span:
        # What is missing at the end of a line is missing after its last word.
        if token.type in ("_NL", "$END"):
            if self._previous is None:
                return Span(self._file, token.line, token.column, token.line, token.column + 1)
            line, column = self._previous.end_line, self._previous.end_column
            return Span(self._file, line, column, line, column + 1)
        return Span(self._file, token.line, token.column, token.end_line, token.end_column)

    def _report(self, finding: Finding) -> None:
        self._errors += 1
        self._diagnostics.error(finding.code, finding.span, finding.message, finding.help)

    # ------------------------------------------------------------ going on

    def _close_body(self, position: int) -> bool:
        """Acts as if the body ended before the current statement, which is at `position` at the latest."""
        if self._first is not None:
            position = self._first.start_pos
        self._machine.settle()
        self._pop_to("ERROR_STATEMENT")
        try:
            self._feed(self._made_up("RBRACE", "}", position))
            self._feed(self._made_up("SEMICOLON", ";", position))
        except _Wrong:
            return False
        self._restart(position)
        return True

    def _made_up(self, kind: str, text: str, position: int) -> Any:
        """A token that does not stand in the text."""
        line, column = self._layout.place(position)
        return lark.Token(kind, text, position, line, column, line, column, position)

    def _abandon(self, position: int, fault: Fault) -> None:
        self._machine.settle()
        # The braces of a group of populations are brackets like others: no statement stands in them.
        brackets = ["(" if o.group else o.kind for o in self._open if o.depth >= self._statement_depth()]
        body = self._body_ahead(position, fault, brackets)
        if body is not None:
            self._pop_to("ERROR_HEADER")
            self._feed_error("ERROR_HEADER", body)
            self._restart(body)
            return
        if fault.token_type == "_NL" and "NUMBER" in fault.accepts:
            position = self._layout.skip_indented(position, fault.statement_indent)
        if (
            brackets
            and fault.starts_line
            and self._layout.begins_statement(self._layout.line_start(position), fault.statement_indent)
        ):
            end = (
                self._layout.line_start(position) - 1
            )  # the bracket was never closed; this line is a statement of its own
        else:
            end = self._layout.statement_end(position, brackets, fault.statement_indent)
        self._pop_to("ERROR_STATEMENT")
        self._feed_error("ERROR_STATEMENT", end)
        self._restart(end)

    def _statement_depth(self) -> int:
        """The size of the state stack at which the broken statement began."""
        machine = self._machine
        for size in range(len(machine.states), 0, -1):
            if machine.takes("ERROR_STATEMENT", size - 1):
                return size
        return 1

    def _pop_to(self, error: str) -> None:
        machine = self._machine
        while len(machine.states) > 1 and not machine.takes(error, -1):
            machine.pop()
        while self._open and self._open[-1].depth >= len(machine.states):
            self._open.pop()
        machine.nesting = len(self._open)

    def _feed_error(self, kind: str, position: int) -> None:
        self._machine.feed(self._made_up(kind, "", position))

    def _restart(self, position: int) -> None:
        """Reads on from `position`."""
        counter = self._thread.state.line_ctr
        counter.char_pos = position
        counter.line, counter.column = self._layout.place(position)
        counter.line_start_pos = self._layout.line_start(position)
        self._tokens = self._thread.lex(self._machine)

    def _body_ahead(self, position: int, fault: Fault, brackets: list[str]) -> int | None:
        """Where the `{` of the broken head's body stands."""
        if self._first is None or self._first.type not in _BODIED or "{" in brackets:
            return None
        machine = self._machine
        if not any(machine.takes("ERROR_HEADER", d) for d in range(self._statement_depth(), len(machine.states))):
            return None
        end = self._layout.statement_end(position, brackets, fault.statement_indent, stop="{")
        return end if self._text[end : end + 1] == "{" else None

    def _close_all(self) -> None:
        while any(o.kind == "{" for o in self._open):
            self._feed(self._made_up("RBRACE", "}", len(self._text)))


@cache
def _examples() -> dict[tuple[Any, str, str], Example]:
    """The examples of mistakes by parser state, token type and token text."""
    found: dict[tuple[Any, str, str], Example] = {}
    for example in EXAMPLES:
        for snippet in example.snippets:
            mistake = _Parser(snippet, "", "start", Diagnostics()).first_mistake()
            assert mistake is not None, snippet
            state, token = mistake
            found.setdefault((state, token.type, str(token) if example.exact else ""), example)
            if example.any_token:
                found.setdefault((state, "", ""), example)
    return found
