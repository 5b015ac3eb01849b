"""The layout of `.snn` texts: what `spikec fmt` writes.

Line breaks stay where they are, so a long line stays long.  Between the words of a line stands what the grammar's
reading of them asks for; what stood below each other with spaces in front of it, in lines that follow each other,
stands below each other again.  The words themselves never change, which is checked on each text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spikec.dialects.diagnostics import Diagnostics, InternalError
from spikec.frontend.parse import tokens

INDENT = 2

COMMENT = "COMMENT"
_COMMENT = re.compile(r"#[^\n]*")
_OPENERS = {"LPAR": "(", "LSQB": "[", "LBRACE": "{"}
_CLOSERS = ("RPAR", "RSQB", "RBRACE")
# What a value ends with: a sign behind it stands between two values, a bracket behind it belongs to it.
_ENDS_VALUE = ("NAME", "NUMBER", "STRING", "UNIT", "RPAR", "RSQB", "RBRACE", "QUOTE")
# Behind these, `{` groups populations and begins no body.
_BEFORE_GROUP = ("PROJ", "_ARROW", "COLON")


@dataclass(eq=False)
class _Word:
    """A token or comment: where it stood (line and column from 0), and the blanks that go in front of it."""

    type: str
    text: str
    line: int
    column: int
    blanks: int = 0
    brackets: tuple[_Word, ...] = ()  # that are open in front of it
    spread: bool = False  # a bracket that is closed on another line
    group: bool = False  # a brace around populations, or the other one
    sign: bool = False  # a minus with one operand
    importing: bool = False  # part of an import
    following: _Word | None = None  # the next word that is no comment
    spaced: bool = False  # a colon of a slice with blanks around it


@dataclass
class _Line:
    """The words of one line and the column at which the first of them goes."""

    words: list[_Word]
    start: int = 0
    above: bool = False  # whether the line before it in the text has words too

    def column(self, word: _Word) -> int:
        """Where a word of this line goes."""
        column = self.start
        for other in self.words:
            if other is not self.words[0]:
                column += other.blanks
            if other is word:
                break
            column += len(other.text)
        return column

    def text(self) -> str:
        first, *rest = self.words
        return " " * self.start + first.text + "".join(" " * word.blanks + word.text for word in rest)


def format_text(text: str, file: str, diagnostics: Diagnostics) -> str | None:
    """The text in the project's layout; None, and errors in `diagnostics`, where it has mistakes of syntax.

    Twice is once: the result is its own layout.  Ends of lines stay what they are, LF or CRLF.
    """
    words = _words(text, file, diagnostics)
    if words is None:
        return None
    lines = _lines(words)
    _indent(lines)
    _align(lines)
    _continue(lines)
    _align_comments(lines)
    newline = "\r\n" if "\r\n" in text else "\n"
    result = "".join(line + newline for line in _with_blank_lines(lines))
    _check(words, result, file)
    return result


def _check(words: list[_Word], result: str, file: str) -> None:
    """Raises InternalError where another text came out than the words of the first one."""
    again = _words(result, file, Diagnostics())
    if again is None or [(w.type, w.text) for w in again] != [(w.type, w.text) for w in words]:
        raise InternalError("the words of the text have changed", "the formatter", result)


# ---------------------------------------------------------------- words and lines


def _words(text: str, file: str, diagnostics: Diagnostics) -> list[_Word] | None:
    """Tokens and comments in the order of the text, each with what the brackets around it make of it."""
    found = tokens(text, file, diagnostics)
    if diagnostics.has_errors:
        return None
    words: list[_Word] = []
    position = line = begin = 0  # `begin` is where the line begins

    def add(type: str, start: int, word: str) -> None:
        nonlocal position, line, begin
        line += text.count("\n", position, start)
        begin = text.rfind("\n", 0, start) + 1
        position = start
        words.append(_Word(type, word, line, start - begin))

    for token in [*found, None]:
        end = len(text) if token is None else token.start_pos
        last = position + (len(words[-1].text) if words else 0)
        for comment in _COMMENT.finditer(text, last, end):
            add(COMMENT, comment.start(), comment[0].rstrip())
        if token is not None:
            add(token.type, token.start_pos, str(token))
    _read_brackets(words)
    return words


def _read_brackets(words: list[_Word]) -> None:
    opened: list[_Word] = []
    before: _Word | None = None
    importing = False
    for word in words:
        word.brackets = tuple(opened)
        if word.type == COMMENT:
            continue
        if word.type in _OPENERS:
            word.group = word.type == "LBRACE" and before is not None and before.type in _BEFORE_GROUP
            opened.append(word)
        elif word.type in _CLOSERS:
            opener = opened.pop()
            word.group, opener.spread = opener.group, opener.line != word.line
        elif word.type == "MINUS":
            word.sign = before is None or before.type not in _ENDS_VALUE
        if before is not None:
            before.following = word
        importing = word.importing = word.type == "IMPORT" or (importing and word.type in ("NAME", "DOT", "LPAR"))
        before = word


def _lines(words: list[_Word]) -> list[_Line]:
    lines: list[_Line] = []
    for word in words:
        if lines and lines[-1].words[0].line == word.line:
            before = lines[-1].words[-1]
            word.blanks = _blanks(before, word)
            lines[-1].words.append(word)
        else:
            above = bool(lines) and lines[-1].words[0].line + 1 == word.line
            lines.append(_Line([word], above=above))
    return lines


def _with_blank_lines(lines: list[_Line]) -> Iterator[str]:
    """One blank line where there were some, none at the ends of a body or of the text."""
    before: _Line | None = None
    for line in lines:
        opens = before is not None and _last(before).type == "LBRACE"
        if before is not None and not line.above and not opens and line.words[0].type != "RBRACE":
            yield ""
        yield line.text()
        before = line


def _last(line: _Line) -> _Word:
    """The last word that is no comment, or the comment where there is nothing else."""
    return next((word for word in reversed(line.words) if word.type != COMMENT), line.words[-1])


# ---------------------------------------------------------------- blanks within a line


def _blanks(left: _Word, right: _Word) -> int:
    """How many blanks stand between two words of a line."""
    if right.type == COMMENT:
        return min(2, max(1, _gap(left, right)))
    wanted = 0 if _touch(left, right) else 1
    return max(wanted, _gap(left, right)) if wanted and _is_spread(right) else wanted


def _gap(left: _Word, right: _Word) -> int:
    """How many blanks stood between two words."""
    return right.column - left.column - len(left.text)


def _is_spread(word: _Word) -> bool:
    """Whether a word stands in a list over several lines, whose columns are somebody's work."""
    outer = next((bracket for bracket in word.brackets if bracket.type == "LSQB"), None)
    return outer is not None and outer.spread and word.brackets[-1].type == "LSQB"


def _touch(left: _Word, right: _Word) -> bool:
    kinds = (left.type, right.type)
    if left.type == "LBRACE":
        return left.group or right.type == "RBRACE"
    if right.type == "RBRACE":
        return right.group
    if left.type in ("LPAR", "LSQB") or right.type in ("RPAR", "RSQB", "COMMA", "SEMICOLON", "QUOTE"):
        return True
    if left.sign:
        return True
    if "DOT" in kinds:
        return left.type != "NUMBER"  # `1 .x` is another thing than `1.x`
    if "COLON" in kinds:
        return _touches_colon(left, right)
    if right.importing:
        return False
    return right.type in ("LPAR", "LSQB") and left.type in _ENDS_VALUE and left.type != "UNIT"


def _touches_colon(left: _Word, right: _Word) -> bool:
    """`x[1:3]` or `x[n : 2 * n]` as it was, `f(tau: time)`, and `x : real` in a statement."""
    if left.type == "COMMA":
        return False
    colon = left if left.type == "COLON" else right
    inside = colon.brackets[-1].type if colon.brackets else "LBRACE"
    if inside == "LSQB":
        if colon is right:
            colon.spaced = left.line == right.line and _gap(left, right) > 0
        return not colon.spaced
    return inside == "LPAR" and colon is right


# ---------------------------------------------------------------- where lines begin


def _indent(lines: list[_Line]) -> None:
    """The columns of all lines but those within brackets."""
    for line in lines:
        if not _continues(line):
            depth = len(line.words[0].brackets)
            for word in line.words:
                if word.type != "RBRACE":
                    break
                depth -= 1
            line.start = INDENT * depth


def _continues(line: _Line) -> bool:
    """Whether a line begins within brackets, or below the first word behind a brace."""
    brackets = line.words[0].brackets
    return any(map(_is_bracket, brackets)) or (bool(brackets) and _model(line.words[0]) is not None)


def _model(first: _Word) -> _Word | None:
    """The word behind (or, for a closing bracket, the bracket) below which the first word of a line stood."""
    inner = first.brackets[-1]
    model = inner if first.type in _CLOSERS else inner.following
    return model if model is not None and model.column == first.column and model.line == inner.line else None


def _is_bracket(word: _Word) -> bool:
    """Whether an opener is no brace of a body."""
    return word.type != "LBRACE" or word.group


def _continue(lines: list[_Line]) -> None:
    """The columns of lines within brackets: below what follows the bracket, or as far in as they were."""
    homes = {word: line for line in lines for word in line.words}
    for line in filter(_continues, lines):
        first = line.words[0]
        model = _model(first)
        if model is not None:
            line.start = homes[model].column(model)
        else:
            base = homes[next(filter(_is_bracket, first.brackets))]
            least = 0 if first.type in _CLOSERS else INDENT
            line.start = base.start + max(least, first.column - base.words[0].column)


# ---------------------------------------------------------------- columns

# Comments further apart (in lines that are not blank) do not belong together.
_NEAR = 10

_Place = tuple[_Line, _Word]


def _align(lines: list[_Line]) -> None:
    """Words of one kind that stood below each other, one of them with blanks to spare, stand so again."""
    groups: list[list[_Place]] = []
    before: dict[tuple[str, int], list[_Place]] = {}
    previous: _Line | None = None
    for line in lines:
        joins = previous is not None and line.above and _begin_alike(previous, line)
        now: dict[tuple[str, int], list[_Place]] = {}
        for word in [] if _continues(line) else line.words[1:]:
            if word.blanks == 0 or word.type == COMMENT:
                continue
            key = ("EQUAL" if word.type == "UPDATE" else word.type, word.column)
            group = before.get(key) if joins else None
            if group is None:
                group = []
                groups.append(group)
            group.append((line, word))
            now[key] = group
        before, previous = now, line
    spare = [group for group in groups if len(group) > 1 and any(_has_blanks_to_spare(*place) for place in group)]
    for group in sorted(spare, key=lambda group: group[0][1].column):
        _put_below_each_other(group)


def _begin_alike(a: _Line, b: _Line) -> bool:
    return a.words[0].column == b.words[0].column and a.start == b.start


def _has_blanks_to_spare(line: _Line, word: _Word) -> bool:
    before = line.words[line.words.index(word) - 1]
    return _gap(before, word) > word.blanks


def _put_below_each_other(group: list[_Place], least: int = 0) -> None:
    column = max(least, *(line.column(word) for line, word in group))
    for line, word in group:
        word.blanks += column - line.column(word)


def _align_comments(lines: list[_Line]) -> None:
    """Comments behind statements that stood below each other do so again, over lines without one too.

    They stay in their column where there is room.
    """
    groups: list[list[_Place]] = []
    latest: dict[int, tuple[int, list[_Place]]] = {}  # by column: the number of the line and its group
    for number, line in enumerate(lines):
        word = line.words[-1]
        if word.type != COMMENT or len(line.words) == 1:
            continue
        at, group = latest.get(word.column, (-_NEAR, []))
        if number - at >= _NEAR:
            group = []
        if not group:
            groups.append(group)
        group.append((line, word))
        latest[word.column] = (number, group)
    for group in groups:
        # Away from all statements, the column itself is meant.
        away = min(_gap(line.words[-2], word) for line, word in group) > 2
        _put_below_each_other(group, group[0][1].column if away else 0)
