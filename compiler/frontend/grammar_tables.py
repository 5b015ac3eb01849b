"""lark's tables of `grammar.lark`: those that are shipped beside it, or made anew and kept in the user's cache folder.

`docs/generate.py` writes the shipped ones, which save a third of a second; they hold while the grammar and lark are
those that they were made of.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import lark
from spikec.runtime.cache import folder as cache_folder

SHIPPED = Path(__file__).with_name("grammar_tables.json")


class _KeepTokens:
    """Tells lark's lexer which terminals may occur anywhere; `parse.py` drops or judges them."""

    always_accept = ("_NL", "NAME", "COMPARE", "UPDATE")

    def process(self, stream: Any) -> Any:
        return stream


@cache
def language() -> Any:
    """The parser of `grammar.lark`."""
    grammar = _grammar()
    found = _read(SHIPPED, grammar)
    if found is not None:
        return found
    try:
        kept = cache_folder() / f"grammar-{lark.__version__}-{_digest(grammar)[:16]}.json"
    except RuntimeError:  # nobody's home
        return _made(grammar)
    found = _read(kept, grammar)
    if found is None:
        found = _made(grammar)
        _keep(_text(found, grammar), kept)
    return found


def ship() -> None:
    """Writes the shipped tables; they differ from one time to another in the numbers of states."""
    grammar = _grammar()
    SHIPPED.write_text(_text(_made(grammar), grammar), "utf-8")


def is_shipped() -> bool:
    """Whether the shipped tables are those of the grammar, under whatever version of lark."""
    return SHIPPED.exists() and json.loads(SHIPPED.read_bytes())["grammar"] == _digest(_grammar())


def _grammar() -> str:
    return resources.files("spikec.frontend").joinpath("grammar.lark").read_text("utf-8")


def _digest(grammar: str) -> str:
    return hashlib.sha256(grammar.encode()).hexdigest()


def _made(grammar: str) -> Any:
    return lark.Lark(
        grammar,
        parser="lalr",
        start=["start", "only_expression"],
        maybe_placeholders=True,
        postlex=_KeepTokens(),
    )


def _text(language: Any, grammar: str) -> str:
    """The tables as JSON, with a line for each state."""
    data, memo = language.memo_serialize([lark.lexer.TerminalDef, lark.grammar.Rule])
    del data["options"]["postlex"]
    states = data["parser"]["parser"].pop("states")
    lines = ",\n".join(f'"{state}":{_compact(row)}' for state, row in states.items())
    head = _compact({"lark": lark.__version__, "grammar": _digest(grammar), "memo": memo, "data": data})
    return f'{head.removesuffix("}")},\n"states":{{\n{lines}}}}}\n'


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _read(path: Path, grammar: str) -> Any:
    try:
        saved = json.loads(path.read_bytes(), object_pairs_hook=_numbered)
        if (saved["lark"], saved["grammar"]) != (lark.__version__, _digest(grammar)):
            return None
        saved["data"]["parser"]["parser"]["states"] = saved["states"]
        load: Any = lark.Lark._load_from_dict
        return load(saved["data"], saved["memo"], postlex=_KeepTokens())
    except Exception:  # absent, foreign or damaged tables are only slower
        return None


def _numbered(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    """An object; one whose keys are numbers was a table by numbers, which JSON does not have."""
    if pairs and pairs[0][0].isdecimal():
        return {int(name): value for name, value in pairs}
    return dict(pairs)


def _keep(text: str, path: Path) -> None:
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a parallel start never reads half a file.
        with tempfile.NamedTemporaryFile("w", prefix=".partial-", dir=path.parent, delete=False) as stream:
            partial = Path(stream.name)
            stream.write(text)
        partial.replace(path)
    except OSError:
        if partial is not None:
            partial.unlink(missing_ok=True)
