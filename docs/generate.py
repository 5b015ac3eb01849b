"""What is made from the compiler's own sources: parts of the documentation, and the parser's tables.

    python docs/generate.py            writes them anew
    python docs/generate.py --check    exit status 1 where one is not what the sources say

In `language.md` the forms of statements, from the grammar; all of `codes.md`, from `dialects/codes.py`; from the
grammar the tables beside it, under the version of lark that is installed.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import resources
from pathlib import Path

from spikec.dialects.codes import CODES
from spikec.frontend import grammar_tables

DOCS = Path(__file__).resolve().parent
BEGIN, END = "<!-- begin: docs/generate.py -->", "<!-- end -->"

# The rules that are shown, by where their statements stand.
RULES = {
    "At the top of a file": "import_file import_module model",
    "There, in a model and in a body": "neuron neuron_alias synapse rule block param",
    "In a model": "step input output population projection option probe assign train phase",
    "In a neuron, synapse, rule or block": (
        "ports variables variable assign derivative solver spike_when out hold on every clip return"
    ),
    "Parts of these": "formals formal type modifiers place end group slice keyword",
}
# What the grammar calls a thing for the parser's sake, and what a reader knows it by.
SHOWN = {
    "EQUAL | UPDATE": '"=" | ":=" | "+=" | "-=" | "*="',
    "_ARROW": '"->"',
    "_modifier*": '("learn" | bounds | seed | condition | "repeat")*',
    "_expressions": "expression, ...",
    "model_body": '"{" statements "}"',
    "initial_values": '"{" assigns "}"',
    "_statements{_train_option}": "train_options",
    "names": "NAME, ...",
    "shape": "expression, ...",
    "options": '"{" options "}"',
    "option_kind": '("connect" | "weight" | "delay" | "synapse" | "rule" | "kernel" | "share")',
}
CHAPTERS = {
    "E01": "Text and syntax",
    "E02": "Names",
    "E03": "Values, types and shapes",
    "E04": "Units",
    "E05": "Neurons and their equations",
    "E06": "Projections and causality",
    "E07": "Files, inputs and outputs",
    "E08": "IR and pipelines",
    "E09": "What is not supported yet",
    "E10": "NIR files: reading",
    "E11": "NIR files: writing",
    "E12": "Passes",
    "E13": "ONNX files",
    "W": "Warnings",
    "N": "Notes",
}


# ---------------------------------------------------------------- statements


def forms() -> str:
    """The rules of the grammar as a reader's summary: one line each, without what the parser alone needs."""
    text = resources.files("spikec.frontend").joinpath("grammar.lark").read_text("utf-8")
    text = re.sub(r"[ \t]*//[^\n]*", "", text)
    rules = {m[1]: m[2] for m in re.finditer(r"^[?!]?([a-z_]+)\s*:((?:.*\n)(?:[ \t]+\|.*\n)*)", text, re.MULTILINE)}
    lines = []
    for title, names in RULES.items():
        lines += ["", f"# {title}"]
        lines += [f"{name.replace('_', ' '):<14}: {_form(rules[name])}" for name in names.split()]
    return "```text\n" + "\n".join(lines).strip() + "\n```"


def _form(rule: str) -> str:
    alternatives = [re.sub(r"\s+->\s+[a-z_]+\s*$", "", part.strip()) for part in re.split(r"\n\s*\|", rule)]
    kept = [part for part in alternatives if "ERROR" not in part]
    form = " | ".join(kept).replace("_NL? ", "")
    for name, shown in SHOWN.items():
        form = re.sub(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", lambda _, s=shown: s, form)
    form = re.sub(r'"([a-z]+)"', r"\1", form)
    form = re.sub(r'\b([a-z_]+) \("," \1\)\*( ","\?)?', r"\1, ...", form)
    return re.sub(r"(?<=[a-z])_(?=[a-z])", " ", form)


# ---------------------------------------------------------------- codes


def codes() -> str:
    """A page with a table of the codes for each chapter."""
    lines = [
        "# Diagnostics",
        "",
        "Every message has a code; `spikec explain CODE` says more, with an example of the mistake and its correction.",
        "This page is made by `docs/generate.py`.",
    ]
    for chapter, title in CHAPTERS.items():
        rows = [f"| {code} | {page.title} |" for code, page in sorted(CODES.items()) if code.startswith(chapter)]
        if rows:
            lines += ["", f"## {title}", "", "| code | meaning |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Each page that is made, or made in part, with what it should hold."""
    language = DOCS / "language.md"
    text = language.read_text("utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{language} has no '{BEGIN}' and '{END}'")
    return {language: f"{head}{BEGIN}\n{forms()}\n{END}{tail}", DOCS / "codes.md": codes()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare alone")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path} is not what docs/generate.py makes", file=sys.stderr)
        else:
            path.write_text(pages()[path], "utf-8")
    if not grammar_tables.is_shipped():
        stale.append(grammar_tables.SHIPPED)
        if check:
            print(f"{stale[-1]} is not what docs/generate.py makes", file=sys.stderr)
        else:
            grammar_tables.ship()
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
