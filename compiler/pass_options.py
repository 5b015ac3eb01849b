"""The options of a pass: its dataclass's fields, read from the text of a pipeline and written back.

A field is an int, float, str, bool or a Literal of them, each also with `| None`.  Its metadata may hold "name",
where the option is no Python name or a word of Python's own, and "help", a line for `spikec passes`.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spikec.dialects.diagnostics import did_you_mean
from spikec.pipeline_text import Value, quoted

NOUNS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Option:
    """`name` is the option's in a text, `field` the dataclass's; `default` is MISSING where it must be given."""

    name: str
    field: str
    kinds: tuple[type, ...]
    choices: tuple[str | int | float | bool, ...]
    optional: bool
    default: Any
    help: str

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def type(self) -> str:
        """The type as `spikec passes` shows it."""
        kinds = dict.fromkeys([*self.kinds, *(type(choice) for choice in self.choices)])
        return " | ".join([kind.__name__ for kind in kinds] + ["none"] * self.optional)

    def expected(self) -> str:
        """What a value of it is, in words."""
        words = [", ".join(_word(choice) for choice in self.choices)] if self.choices else []
        return " or ".join([*words, *(NOUNS[kind] for kind in self.kinds), *["none"] * self.optional])


def options(cls: type) -> list[Option]:
    """The options of a pass, in order.  Raises TypeError for a field of a type that has no text."""
    hints = get_type_hints(cls)
    return [_option(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init]


def _option(field: dataclasses.Field[Any], hint: Any) -> Option:
    members = list(_members(hint))
    choices = tuple(choice for member in members if get_origin(member) is Literal for choice in get_args(member))
    kinds = tuple(member for member in members if get_origin(member) is not Literal and member is not type(None))
    strange = [kind for kind in kinds if kind not in NOUNS]
    if strange:
        raise TypeError(f"the option '{field.name}' has the type {strange[0]}, for which there is no text")
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    help = str(field.metadata.get("help", ""))
    name = str(field.metadata.get("name", field.name))
    return Option(name, field.name, kinds, choices, type(None) in members, default, help)


def _members(hint: Any) -> Iterator[Any]:
    """The types that a union is made of."""
    if get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _members(part)
    else:
        yield hint


def read(option: Option, value: Value) -> Any:
    """The value of an option.  Raises ValueError with a message."""
    text = value.text
    if option.optional and text == "none" and not value.quoted:
        return None
    for choice in option.choices:
        if text == _word(choice):
            return choice
    for kind in option.kinds:
        try:
            return _as(kind, text)
        except ValueError:
            continue
    if option.choices:
        near = did_you_mean(text, [_word(choice) for choice in option.choices])
        raise ValueError(f"'{option.name}' is '{text}', not {option.expected()}" + (f"; {near}" if near else ""))
    raise ValueError(f"'{option.name}' is '{text}', which is not {option.expected()}")


def _as(kind: type, text: str) -> Any:
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    made = kind(text)
    if isinstance(made, float) and math.isnan(made):
        raise ValueError
    return made


def _word(choice: str | int | float | bool) -> str:
    """A choice without quotes around it."""
    return choice if isinstance(choice, str) else written(choice)


def written(value: Any) -> str:
    """A value as a text that `read` turns into it again."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
    return str(value)
