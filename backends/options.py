"""The text after `--target`: `HEAD[:CHOICE][{NAME=VALUE,...}]`, read in one way for all targets with options."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from spikec.dialects.diagnostics import UsageError, did_you_mean

Reader = Callable[[str], Any]
"""From the text of a value to the value; raises ValueError with what is wrong."""
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-z]*)", re.IGNORECASE)


def parse(text: str, head: str, readers: Mapping[str, Reader]) -> tuple[str | None, dict[str, Any], list[str]]:
    """What stands behind the colon (None without one), the options by name, and all that is wrong."""
    base, brace, braced = text.partition("{")
    found, colon, choice = base.strip().partition(":")
    wrong = [] if found == head else [f"the target is '{found}', not {head}"]
    if brace and not braced.rstrip().endswith("}"):
        wrong.append("the closing brace is missing")
    given, mistakes = _options(braced.strip().removesuffix("}"), readers)
    return choice if colon else None, given, [*wrong, *mistakes]


def refuse(text: str, wrong: list[str]) -> None:
    """Raises `UsageError` with all that is wrong with a target, if there is anything."""
    if wrong:
        raise UsageError(f"--target {text}: " + "\n  ".join(["", *wrong] if len(wrong) > 1 else wrong))


def _options(text: str, readers: Mapping[str, Reader]) -> tuple[dict[str, Any], list[str]]:
    """The options within the braces, and what is wrong with them."""
    given: dict[str, Any] = {}
    wrong = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in one.partition("="))
        if name not in readers:
            near = did_you_mean(name, readers)
            wrong.append(f"there is no option '{name}'; {near or 'there is ' + ', '.join(readers)}")
        elif name in given:
            wrong.append(f"'{name}' is given twice")
        elif not equals or not value:
            wrong.append(f"'{name}' has no value")
        else:
            try:
                given[name] = readers[name](value)
            except ValueError as error:
                given[name] = None
                wrong.append(f"{name}: {error}")
    return given, wrong


def one_of(words: Collection[str]) -> Reader:
    """Reads one of some words."""

    def read(text: str) -> str:
        if text not in words:
            near = did_you_mean(text, words)
            raise ValueError(f"'{text}' is not one of {', '.join(words)}" + (f"; {near}" if near else ""))
        return text

    return read


def count(text: str) -> int:
    """Reads a whole number of at least 1."""
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise ValueError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def quantity(units: Mapping[str, float], what: str) -> Reader:
    """Reads a positive number with one of some units, as the number of base units."""

    def read(text: str) -> float:
        found = _NUMBER.fullmatch(text)
        if found is None or found[2] not in units or float(found[1]) == 0:
            raise ValueError(f"'{text}' is not {what}; write a number with one of {', '.join(units)}")
        return float(found[1]) * units[found[2]]

    return read


def fraction(text: str) -> float:
    """Reads a number above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ValueError(f"'{text}' is not a number above 0 and up to 1")
    return value
