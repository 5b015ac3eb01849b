"""Text to syntax tree: the door to lark, the lexer's outside rules, and recovery from mistakes.

The parser is driven token by token.  After a mistake it goes back to where the broken statement
began, puts ERROR_STATEMENT (or ERROR_HEADER, when a body follows) in its place, skips to the end of
the statement and goes on, so that one run reports every mistake of a file.  Nothing here recurses:
deep nesting ends in a diagnostic.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import lark
from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics, Span
from spikec.frontend import syntax
from spikec.frontend.layout import Layout
from spikec.frontend.syntax_errors import HARD_KEYWORDS, Fault, Finding, Open, examine
from spikec.frontend.syntax_examples import EXAMPLES, Example, match_example
from spikec.frontend.tree import TreeBuilder
from spikec.runtime.cache import folder as cache_folder

MAX_BYTES = 1 << 20
MAX_DEPTH = 150
MAX_ERRORS = 200

_OPENERS = {"LPAR": "(", "LSQB": "[", "LBRACE": "{"}
_CLOSERS = {"RPAR": "(", "RSQB": "[", "RBRACE": "{"}
_SEPARATORS = ("_NL", "SEMICOLON")
# Statements whose body is still worth reading when their head is broken.
_BODIED = {"MODEL", "NEURON", "SYNAPSE", "RULE", "BLOCK", "SPIKE", "ON", "EVERY"}


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
    built = None if tree is None else _build(tree, TreeBuilder(file, found), file, found)
    diagnostics.items += sorted(found.items, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0))
    return built


# ---------------------------------------------------------------- the tables of lark


class _KeepTokens:
    """Tells lark's lexer which terminals may occur anywhere; the parser below drops or judges them."""

    always_accept = ("_NL", "NAME", "COMPARE", "UPDATE")

    def process(self, stream: Any) -> Any:
        return stream


@cache
def _language() -> Any:
    """The parser of `grammar.lark`; its tables are kept in the user's cache folder."""
    grammar = resources.files("spikec.frontend").joinpath("grammar.lark").read_text("utf-8")
    key = f"{lark.__version__} {sys.version_info[:2]} {grammar}"
    try:
        folder = cache_folder()
    except RuntimeError:  # nobody's home
        return _make_tables(grammar)
    path = folder / f"grammar-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pickle"
    language = _load_tables(path)
    if language is None:
        language = _make_tables(grammar)
        _store_tables(language, path)
    return language


def _load_tables(path: Path) -> Any:
    try:
        saved = pickle.loads(path.read_bytes())
        load: Any = lark.Lark._load_from_dict
        return load(saved["data"], saved["memo"], postlex=_KeepTokens(), propagate_positions=True)
    except Exception:  # an absent, foreign or damaged cache is only slower
        return None


def _make_tables(grammar: str) -> Any:
    return lark.Lark(
        grammar,
        parser="lalr",
        start=["start", "only_expression"],
        maybe_placeholders=True,
        propagate_positions=True,
        postlex=_KeepTokens(),
    )


def _store_tables(language: Any, path: Path) -> None:
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a parallel start never reads half a file.
        with tempfile.NamedTemporaryFile(prefix=".partial-", dir=path.parent, delete=False) as stream:
            partial = Path(stream.name)
            language.save(stream)
        partial.replace(path)
    except OSError:
        if partial is not None:
            partial.unlink(missing_ok=True)


# ---------------------------------------------------------------- the parser


class _Wrong(Exception):
    """A token (or, if None, a character) that does not fit."""

    def __init__(self, token: Any | None) -> None:
        super().__init__()
        self.token = token


class _Parser:
    def __init__(self, text: str, file: str, start: str, diagnostics: Diagnostics) -> None:
        interactive = _language().parse_interactive(text, start=start)
        self._text = text
        self._layout = Layout(text)
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
        self._errors = 0
        self.read: list[Any] = []  # the tokens so far, without ends of lines

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
                return self.settled_state(), wrong.token

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
            result = self._state.feed_token(token, token.type == "$END")
        except lark.exceptions.UnexpectedToken:
            raise _Wrong(token) from None
        self._note(token)
        return result

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
            self._open.append(Open(_OPENERS[token.type], token, len(self._state.state_stack) - 1, self._first, group))
            if token.type == "LBRACE" and not group:
                self._first = None
        elif token.type in _CLOSERS and self._open:
            opened = self._open.pop()
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
            accepts=frozenset(t for t in self._actions[self._state.position] if t.isupper() and self._accepts(t)),
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
            example=match_example(_examples(), self.settled_state(), kind, text),
        )

    def _accepts(self, token_type: str) -> bool:
        """Whether a token could follow; the tables alone also name some that only fit elsewhere."""
        stack = list(self._state.state_stack)
        while True:
            action, argument = self._actions[stack[-1]].get(token_type, (None, None))
            if action is None:
                return False
            if _is_state(argument):
                return True
            self._reduce(stack, argument)

    def settled_state(self) -> Any:
        """The parser's state once all is reduced that can be: the same for `a`, `a.b` and `f(a)` in one place."""
        stack = list(self._state.state_stack)
        while (rule := self._only_rule(stack[-1])) is not None:
            self._reduce(stack, rule)
        return stack[-1]

    def _settle(self) -> None:
        """Reduces what is complete, so that no state inside of a closed body is left on the stack."""
        state = self._state
        while (rule := self._only_rule(state.state_stack[-1])) is not None:
            begin = len(state.value_stack) - len(rule.expansion)
            value = state.parse_conf.callbacks[rule](state.value_stack[begin:])
            del state.value_stack[begin:]
            self._reduce(state.state_stack, rule)
            state.value_stack.append(value)

    def _only_rule(self, state: Any) -> Any:
        """The rule that a state must reduce by; None if there is a choice or statements would be joined."""
        rules = {id(a): a for t, (_, a) in self._actions[state].items() if t.isupper() and not _is_state(a)}
        rule = next(iter(rules.values())) if len(rules) == 1 else None
        if rule is None or not rule.expansion or rule.origin.name == self._start or "_statements" in rule.origin.name:
            return None
        return rule

    def _reduce(self, stack: list[Any], rule: Any) -> None:
        del stack[len(stack) - len(rule.expansion) :]
        stack.append(self._actions[stack[-1]][rule.origin.name][1])

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
        self._settle()
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
        self._settle()
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
        self._state.feed_token(self._made_up(kind, "", position), False)

    def _restart(self, position: int) -> None:
        """Reads on from `position`."""
        counter = self._thread.state.line_ctr
        counter.char_pos = position
        counter.line, counter.column = self._layout.place(position)
        counter.line_start_pos = self._layout.line_start(position)
        self._tokens = self._thread.lex(self._state)

    def _body_ahead(self, position: int, fault: Fault, brackets: list[str]) -> int | None:
        """Where the `{` of the broken head's body stands."""
        if self._first is None or self._first.type not in _BODIED or "{" in brackets:
            return None
        if not any("ERROR_HEADER" in self._actions[s] for s in self._state.state_stack[self._statement_depth() :]):
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


def _is_state(argument: Any) -> bool:
    """Whether the argument of an action is the state to shift to, and not the rule to reduce by."""
    return isinstance(argument, int)


def _span(tree: Any, file: str) -> Span:
    meta = tree.meta
    if meta.empty:
        return Span(file, 1, 1, 1, 1)
    return Span(file, meta.line, meta.column, meta.end_line, meta.end_column)
