"""The grammar for editors knows the words of the language, and colours every kind of them in a model."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from spikec.frontend.expressions import TYPES

EDITORS = Path(__file__).resolve().parents[2] / "editors"
EDITOR: dict[str, Any] = json.loads((EDITORS / "spikec.tmLanguage.json").read_text("utf-8"))
RULES: dict[str, Any] = EDITOR["repository"]
LANGUAGE = resources.files("spikec.frontend").joinpath("grammar.lark").read_text("utf-8")


def words(rule: str) -> list[str]:
    match = re.fullmatch(r"\\b\(\?:([a-z_|]+)\)\\b", RULES[rule]["match"])
    assert match is not None
    return match[1].split("|")


def scopes(line: str) -> dict[str, str]:
    """Each coloured stretch of a line with its scope, as an editor finds them: at each place the first rule wins."""
    found, position = {}, 0
    rules = [RULES[pattern["include"][1:]] for pattern in EDITOR["patterns"]]
    while position < len(line):
        matches = [(match, rule) for rule in rules if (match := re.compile(rule["match"]).search(line, position))]
        if not matches:
            break
        match, rule = min(matches, key=lambda pair: pair[0].start())
        if "name" in rule:
            found[match[0]] = rule["name"]
        for number, capture in rule.get("captures", {}).items():
            found[match[int(number)]] = capture["name"]
        position = max(match.end(), position + 1)
    return {text: name.removesuffix(".snn") for text, name in found.items()}


def test_keywords_are_those_of_the_language() -> None:
    rules = re.sub(r"//[^\n]*", "", LANGUAGE)
    keywords = set(re.findall(r'"([a-z_]+)"', rules))
    assert len(keywords) > 40
    coloured = [*words("control"), *words("keyword"), *words("clause")]
    assert sorted(coloured) == sorted(keywords)
    assert set(re.search(r"\(\?!\(\?:([a-z_|]+)\)", RULES["function"]["match"])[1].split("|")) == keywords  # type: ignore[index]


def test_units_are_those_of_the_language() -> None:
    unit = re.search(r"^UNIT\.3\s*: /(.*)/$", LANGUAGE, re.MULTILINE)
    assert unit is not None
    assert f"({unit[1]})".replace(r"\/", "/") in RULES["quantity"]["match"]


def test_types_are_those_of_the_language() -> None:
    for name in (*TYPES, "spikes", "events"):
        assert scopes(f"x : {name}[3]")[name] == "storage.type"


@pytest.mark.parametrize(
    ("line", "text", "scope"),
    [
        ("model Chain(n: int = 20) {  # what it is", "Chain", "entity.name.type"),
        ("model Chain(n: int = 20) {  # what it is", "# what it is", "comment.line.number-sign"),
        ('param W : real = load("a # b.npz")', '"a # b.npz"', "string.quoted.double"),
        ('param W : real = load("w.npz")', "load", "entity.name.function"),
        ("step 0.1 ms", "0.1", "constant.numeric"),
        ("x = 10 mV/ms * y", "mV/ms", "keyword.other.unit"),
        ("x1 = 3 * y", "3", "constant.numeric"),
        ("y = if a then b else c", "then", "keyword.control"),
        ("connect prob(0.1) seed 1 if pre != post", "pre", "variable.language"),
        ("connect prob(0.1) seed 1 if pre != post", "seed", "keyword.other"),
        ("spike when V >= theta { V := 0 }", ":=", "keyword.operator"),
    ],
)
def test_colours(line: str, text: str, scope: str) -> None:
    assert scopes(line)[text] == scope


def test_the_extension_names_files_that_exist() -> None:
    contributes = json.loads((EDITORS / "package.json").read_text("utf-8"))["contributes"]
    for entry in (contributes["languages"][0]["configuration"], contributes["grammars"][0]["path"]):
        assert json.loads((EDITORS / entry).read_text("utf-8"))
    assert contributes["grammars"][0]["scopeName"] == EDITOR["scopeName"]
