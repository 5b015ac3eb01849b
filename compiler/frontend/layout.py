"""Where lines and statements of a text begin and end, as far as brackets and indentation tell without a grammar."""

from __future__ import annotations

import re

_PIECE = re.compile(r'"[^"\r\n]*"|#[^\n]*|\r?\n|[(){}\[\];]|[^"#\r\n(){}\[\];]+|["\r]')


class Layout:
    """Questions about positions of one text; positions count characters from 0."""

    def __init__(self, text: str) -> None:
        self._text = text

    def line_start(self, position: int) -> int:
        """Where the line of `position` begins."""
        return self._text.rfind("\n", 0, position) + 1

    def place(self, position: int) -> tuple[int, int]:
        """Line and column of `position`, counted from 1."""
        return self._text.count("\n", 0, position) + 1, position - self.line_start(position) + 1

    def starts_line(self, position: int) -> bool:
        """Whether only blanks stand before `position` in its line."""
        return not self._text[self.line_start(position) : position].strip()

    def indent(self, position: int) -> int:
        """The number of blanks that the line of `position` begins with."""
        begin = end = self.line_start(position)
        while self._text[end : end + 1] in (" ", "\t"):
            end += 1
        return end - begin

    def begins_statement(self, position: int, indent: int) -> bool:
        """Whether the line that begins at `position` is a statement although a bracket is open.

        It is if it is indented no deeper than the statement that the bracket stands in.
        """
        words = self._text[position : self._line_end(position)].strip()
        return bool(words) and words[0] not in "#)]" and self.indent(position) <= indent

    def statement_end(self, position: int, brackets: list[str], indent: int, stop: str = "") -> int:
        """The first end of a statement from `position` on that is outside of all brackets opened in it.

        `brackets` are open at `position`, `indent` is the indentation of the statement, and a `stop`
        outside of strings and comments ends the search too.
        """
        opened = list(brackets)
        while position < len(self._text):
            match = _PIECE.match(self._text, position)
            assert match is not None
            piece = match[0]
            if piece == stop or self._ends(piece, match.end(), opened, indent):
                return position
            _follow(piece, opened)
            position = match.end()
        return position

    def _ends(self, piece: str, end: int, opened: list[str], indent: int) -> bool:
        in_body = bool(opened) and opened[-1] == "{"
        if piece == "}":
            return "{" not in opened
        if piece == ";":
            return not in_body
        if piece[-1] == "\n":
            return not opened or (not in_body and self.begins_statement(end, indent))
        return False

    def skip_indented(self, position: int, indent: int) -> int:
        """Past the lines below that of `position` that are not blank and indented deeper than `indent`."""
        while (end := self._line_end(position)) < len(self._text):
            line = self._text[end + 1 : self._line_end(end + 1)]
            if not line.strip() or self.indent(end + 1) <= indent:
                break
            position = end + 1 + len(line.rstrip("\r"))
        return position

    def _line_end(self, position: int) -> int:
        end = self._text.find("\n", position)
        return end if end >= 0 else len(self._text)


def _follow(piece: str, opened: list[str]) -> None:
    """Keeps the list of open brackets; a `}` closes what was forgotten inside of its `{`."""
    if piece in ("(", "[", "{"):
        opened.append(piece)
    elif piece in (")", "]"):
        if opened and opened[-1] != "{":
            opened.pop()
    elif piece == "}":
        while opened and opened.pop() != "{":
            pass
