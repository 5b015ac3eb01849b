"""Text to syntax tree: the door to lark, the lexer's outside rules, and recovery from mistakes.

The parser is driven token by token.  After a mistake it goes back to where the broken statement
began, puts ERROR_STATEMENT (or ERROR_HEADER, when a body follows) in its place, skips to the end of
the statement and goes on, so that one run reports every mistake of a file.  Nothing here recurses:
deep nesting ends in a diagnostic.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import lark

from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics, Span
from spikec.frontend import syntax
from spikec.frontend.syntax_errors import (
    HARD_KEYWORDS,
    MODEL_STATEMENTS,
    Fault,
    Finding,
    Open,
    examine,
    match_examples,
)
from spikec.frontend.tree import TreeBuilder

MAX_BYTES = 1 << 20
MAX_DEPTH = 150
MAX_ERRORS = 200

_OPENERS = {"LPAR": "(", "LSQB": "[", "LBRACE": "{"}
_CLOSERS = {"RPAR": "(", "RSQB": "[", "RBRACE": "{"}
_SEPARATORS = ("_NL", "SEMICOLON")
# Statements whose body is still worth reading when their head is broken.
_BODIED = {"MODEL", "NEURON", "SYNAPSE", "RULE", "BLOCK", "SPIKE", "ON", "EVERY"}
_SCAN = re.compile(r'"[^"\r\n]*"|#[^\n]*|\r?\n|[(){}\[\];]|[^"#\r\n(){}\[\];]+|["\r]')


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


def _parse(text: str, file: str, diagnostics: Diagnostics, start: str) -> Any:
    if len(text) > MAX_BYTES:
        diagnostics.error("E0110", Span(file, 1, 1, 1, 2), _TOO_LARGE)
        return None
    tree = _Parser(text, file, start, diagnostics).run()
    return None if tree is None else _build(tree, TreeBuilder(file, diagnostics), file, diagnostics)


# ---------------------------------------------------------------- the tables of lark


class _KeepTokens:
    """Tells lark's lexer which terminals may occur anywhere; the parser below drops or judges them."""

    always_accept = ("_NL", "NAME")

    def process(self, stream: Any) -> Any:
        return stream


@cache
def _language() -> Any:
    """The parser of `grammar.lark`; its tables are kept in the user's cache folder."""
    grammar = resources.files("spikec.frontend").joinpath("grammar.lark").read_text("utf-8")
    key = f"{lark.__version__} {sys.version_info[:2]} {grammar}"
    path = _cache_folder() / f"grammar-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pickle"
    return _load_tables(path) or _make_tables(grammar, path)


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path(os.path.expanduser("~")) / ".cache") / "spikec"


def _load_tables(path: Path) -> Any:
    try:
        saved = pickle.loads(path.read_bytes())
        return lark.Lark._load_from_dict(saved["data"], saved["memo"], postlex=_KeepTokens(), propagate_positions=True)
    except Exception:  # an absent, foreign or damaged cache is only slower
        return None


def _make_tables(grammar: str, path: Path) -> Any:
    language = lark.Lark(
        grammar,
        parser="lalr",
        start=["start", "only_expression"],
        maybe_placeholders=True,
        propagate_positions=True,
        postlex=_KeepTokens(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a parallel start never reads half a file.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            language.save(stream)
        os.replace(stream.name, path)
    except OSError:
        pass
    return language


# ---------------------------------------------------------------- the parser


@dataclass(frozen=True, slots=True)
class _Wrong(Exception):
    """A token (or, if None, a character) that does not fit."""

    token: Any | None


class _Parser:
    def __init__(self, text: str, file: str, start: str, diagnostics: Diagnostics) -> None:
        interactive = _language().parse_interactive(text, start=start)
        self._text = text
        self._file = file
        self._start = start
        self._diagnostics = diagnostics
        self._state = interactive.parser_state
        self._thread = interactive.lexer_thread
        self._actions: dict[Any, dict[str, Any]] = self._state.parse_conf.parse_table.states
        self._tokens = self._thread.lex(self._state)
        self._open: list[Open] = []
        self._suspect: Open | None = None  # a brace whose closing brace is indented like an outer one
        self._first: Any = None  # first token of the current statement
        self._previous: Any = None  # last token that is not an end of line
        self._previous_in_statement: Any = None
        self._errors = 0

    def run(self) -> Any:
        """The lark tree of the text, or None when there are too many mistakes to go on."""
        while True:
            try:
                token = self._next_token()
                result = self._feed(token)
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
                return self._state.position, wrong.token

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
        depth = len(self._state.state_stack)
        try:
            result = self._state.feed_token(token, token.type == "$END")
        except lark.exceptions.UnexpectedToken:
            raise _Wrong(token) from None
        self._note(token, depth)
        return result

    def _in_brackets(self) -> bool:
        return bool(self._open) and self._open[-1].kind != "{"

    def _note(self, token: Any, depth: int) -> None:
        """Keeps track of brackets and of where statements begin."""
        if token.type in _SEPARATORS:
            self._first = None
        else:
            if self._first is None:
                self._first = token
            self._previous = token
        if token.type in _OPENERS:
            self._open.append(Open(_OPENERS[token.type], token, depth, self._first))
            if token.type == "LBRACE":
                self._first = None
        elif token.type in _CLOSERS and self._open:
            opened = self._open.pop()
            self._first = opened.first
            if token.type == "RBRACE" and self._suspect is None and self._misplaced_close(opened, token):
                self._suspect = opened

    def _misplaced_close(self, opened: Open, token: Any) -> bool:
        starts_line = not self._text[token.start_pos - token.column + 1 : token.start_pos].strip()
        own_line = opened.token.line != token.line
        return own_line and starts_line and token.column - 1 < self._indent(opened.token)

    def _indent(self, token: Any) -> int:
        """The indentation of the line that `token` stands in."""
        begin = token.start_pos - token.column + 1
        return len(self._text[begin:]) - len(self._text[begin:].lstrip(" \t")) if begin >= 0 else 0

    # ------------------------------------------------------------ mistakes

    def _recover(self, token: Any | None) -> bool:
        """Reports the mistake at `token` and brings the parser to where it can go on; False to give up."""
        fault = self._fault(token)
        finding = examine(fault)
        self._report(finding)
        if self._errors >= MAX_ERRORS:
            self._diagnostics.error("E0116", fault.span, f"more than {MAX_ERRORS} mistakes; the rest is not read")
            return False
        if self._start != "start":
            return False
        position = fault.position
        if fault.token_type == "RBRACE" and not self._open:
            self._restart(position + 1)  # a brace that closes nothing
            return True
        if finding.missing_brace and self._close_body():
            return True
        self._abandon(position, fault)
        if fault.token_type == "$END":
            self._close_all()
        return True

    def _fault(self, token: Any | None) -> Fault:
        counter = self._thread.state.line_ctr
        state = self._state.position
        if token is None:
            span = Span(self._file, counter.line, counter.column, counter.line, counter.column + 1)
            position, kind, text = counter.char_pos, "CHARACTER", self._text[counter.char_pos]
        else:
            span, position = self._token_span(token), token.start_pos
            kind, text = token.type, str(token)
        return Fault(
            state=state,
            accepts=frozenset(name for name in self._actions[state] if name.isupper()),
            span=span,
            position=position,
            token_type=kind,
            text=text,
            first=self._first,
            previous=self._previous,
            open=tuple(self._open),
            suspect=self._suspect,
            too_deep=kind in _OPENERS and len(self._open) >= MAX_DEPTH,
            starts_line=not self._text[self._text.rfind("\n", 0, position) + 1 : position].strip(),
            indent=self._line_indent(position),
            statement_indent=self._indent(self._first) if self._first is not None else 0,
            file=self._file,
            example=lambda: match_examples(state, kind, text, _examples()),
        )

    def _line_indent(self, position: int) -> int:
        begin = self._text.rfind("\n", 0, position) + 1
        end = position
        while end < len(self._text) and self._text[end] in " \t":
            end += 1
        line = self._text[begin:end]
        return len(line) - len(line.lstrip(" \t"))

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

    def _close_body(self) -> bool:
        """Acts as if the body ended before the current statement."""
        first = self._first
        self._pop_to("ERROR_STATEMENT")
        try:
            self._feed(lark.Token("RBRACE", "}", first.start_pos, first.line, first.column, first.line, first.column))
            self._feed(lark.Token("SEMICOLON", ";", first.start_pos, first.line, first.column, first.line, first.column))
        except _Wrong:
            return False
        self._restart(first.start_pos)
        return True

    def _abandon(self, position: int, fault: Fault) -> None:
        brackets = [o.kind for o in self._open if o.depth >= self._statement_depth()]
        body = self._body_ahead(position, fault, brackets)
        if body is not None:
            self._pop_to("ERROR_HEADER")
            self._feed_error("ERROR_HEADER", body)
            self._restart(body)
            return
        end = self._statement_end(position, brackets, fault.statement_indent)
        self._pop_to("ERROR_STATEMENT")
        self._feed_error("ERROR_STATEMENT", end)
        self._restart(end)

    def _statement_depth(self) -> int:
        """The size of the state stack at which the broken statement began."""
        stack = self._state.state_stack
        for size in range(len(stack), 0, -1):
            if "ERROR_STATEMENT" in self._actions[stack[size - 1]]:
                return size
        return 1

    def _pop_to(self, error: str) -> None:
        stack = self._state.state_stack
        while len(stack) > 1 and error not in self._actions[stack[-1]]:
            stack.pop()
            self._state.value_stack.pop()
        while self._open and self._open[-1].depth >= len(stack):
            self._open.pop()

    def _feed_error(self, kind: str, position: int) -> None:
        line = self._text.count("\n", 0, position) + 1
        column = position - self._text.rfind("\n", 0, position)
        token = lark.Token(kind, "", position, line, column, line, column, position)
        self._state.feed_token(token, False)
        self._first = token

    def _restart(self, position: int) -> None:
        """Reads on from `position`."""
        counter = self._thread.state.line_ctr
        counter.char_pos = position
        counter.line = self._text.count("\n", 0, position) + 1
        counter.line_start_pos = self._text.rfind("\n", 0, position) + 1
        counter.column = position - counter.line_start_pos + 1
        self._tokens = self._thread.lex(self._state)

    def _body_ahead(self, position: int, fault: Fault, brackets: list[str]) -> int | None:
        """Where the `{` of the broken head's body stands."""
        if self._first is None or self._first.type not in _BODIED or "{" in brackets:
            return None
        if not any("ERROR_HEADER" in self._actions[s] for s in self._state.state_stack[self._statement_depth() :]):
            return None
        end = self._statement_end(position, brackets, fault.statement_indent, stop="{")
        return end if self._text[end : end + 1] == "{" else None

    def _statement_end(self, position: int, brackets: list[str], indent: int, stop: str = "") -> int:
        """The first end of a statement from `position` on, outside of all brackets opened in it."""
        opened = list(brackets)
        while position < len(self._text):
            match = _SCAN.match(self._text, position)
            assert match is not None
            piece = match[0]
            if piece == stop:
                return position
            if piece[0] in "([{":
                opened.append(piece)
            elif piece[0] in ")]":
                if opened and opened[-1] != "{":
                    opened.pop()
            elif piece == "}":
                while opened and opened[-1] != "{":
                    opened.pop()
                if not opened:
                    return position
                opened.pop()
            elif piece == ";" and (not opened or opened[-1] != "{"):
                return position
            elif piece[-1] == "\n" and (not opened or opened[-1] != "{" and self._new_statement(match.end(), indent)):
                return position
            position = match.end()
        return position

    def _new_statement(self, position: int, indent: int) -> bool:
        """Whether the line at `position` begins a statement although a bracket is open."""
        end = self._text.find("\n", position)
        line = self._text[position : end if end >= 0 else len(self._text)]
        words = line.strip()
        if not words or words[0] in "#)]":
            return False
        return len(line) - len(line.lstrip(" \t")) <= indent

    def _close_all(self) -> None:
        while any(o.kind == "{" for o in self._open):
            counter = self._thread.state.line_ctr
            end = lark.Token("RBRACE", "}", counter.char_pos, counter.line, counter.column, counter.line, counter.column)
            self._feed(end)


@cache
def _examples() -> dict[tuple[Any, str, str], int]:
    """State, token type and token text of every example of a mistake, with the number of its entry."""
    from spikec.frontend.syntax_errors import EXAMPLES

    found: dict[tuple[Any, str, str], int] = {}
    for number, entry in enumerate(EXAMPLES):
        for snippet in entry.snippets:
            mistake = _Parser(snippet, "", "start", Diagnostics()).first_mistake()
            assert mistake is not None, snippet
            state, token = mistake
            text = str(token)
            found.setdefault((state, token.type, text if entry.exact else ""), number)
            if entry.any_token:
                found.setdefault((state, "", ""), number)
    return found


# ---------------------------------------------------------------- lark tree to syntax tree


def _build(root: Any, builder: TreeBuilder, file: str, diagnostics: Diagnostics) -> Any:
    """Builds every node after its parts, with a stack of our own; None if the tree is too deep."""
    done: list[Any] = []
    todo: list[tuple[Any, int, bool]] = [(root, 0, False)]
    while todo:
        part, depth, ready = todo.pop()
        if not isinstance(part, lark.Tree):
            done.append(part)
        elif not ready:
            if depth > MAX_DEPTH:
                span = _span(part, file)
                diagnostics.error("E0110", span, f"nested more than {MAX_DEPTH} levels deep", _DEEP_HELP)
                return None
            todo.append((part, depth, True))
            todo.extend((child, depth + 1, False) for child in reversed(part.children))
        else:
            count = len(part.children)
            parts = done[len(done) - count :]
            del done[len(done) - count :]
            done.append(builder.build(part.data, _span(part, file), parts))
    return done[0]


_DEEP_HELP = "give parts of the expression names of their own"


def _span(tree: Any, file: str) -> Span:
    meta = tree.meta
    if meta.empty:
        return Span(file, 1, 1, 1, 1)
    return Span(file, meta.line, meta.column, meta.end_line, meta.end_column)
