"""Passes and targets of other packages: found by entry points, and what is said about those that do not work."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from spikec import plugins
from spikec.dialects.program import Program

Spikec = Callable[..., Any]
Offer = Callable[..., None]


@dataclass(frozen=True)
class Same:
    """Changes nothing."""

    name: ClassVar[str] = "same"
    level: ClassVar[str] = "snn"
    times: int = 1

    def run(self, program: Program) -> Program:
        return program


@dataclass(frozen=True)
class WrongName(Same):
    name: ClassVar[str] = "other"


@dataclass(frozen=True)
class WrongLevel(Same):
    level: ClassVar[str] = "cpu"


@dataclass(frozen=True)
class WrongOption(Same):
    folder: Path = Path()


class NoDataclass:
    name = "same"
    level = "snn"


@dataclass(frozen=True)
class Raises(Same):
    def run(self, program: Program) -> Program:
        raise KeyError("V")


@dataclass(frozen=True)
class Names:
    """The names of the populations."""

    name: str
    level: ClassVar[str] = "snn"
    kinds: ClassVar[tuple[str, ...]] = ("names", "count")

    def emit(
        self, module: Program, kinds: Collection[str], constants: Mapping[str, Any], interface: Any
    ) -> dict[str, bytes]:
        found = {"names": interface.model.encode(), "count": bytes([len(interface.populations), 255])}
        return {kind: found[kind] for kind in kinds}


@dataclass(frozen=True)
class Forgets(Names):
    def emit(self, *_: Any) -> dict[str, bytes]:
        return {}


@dataclass(frozen=True)
class HighLevel(Names):
    level: ClassVar[str] = "high"


def refuses(text: str) -> Any:
    raise RuntimeError("no licence")


@dataclass(frozen=True)
class Package:
    name: str


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Adds an entry point: group, name, what it names in this file or elsewhere, the package."""
    offered: list[EntryPoint] = []

    def entry_points(group: str) -> Iterable[EntryPoint]:
        return [entry for entry in offered if entry.group == group]

    def add(group: str, name: str, value: str, package: str = "stranger") -> None:
        entry = EntryPoint(name, value if ":" in value else f"{__name__}:{value}", group)
        vars(entry)["dist"] = Package(package)
        offered.append(entry)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return add


def test_a_strangers_pass_is_a_pass(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.passes", "same", "Same")
    wanted = spikec("compile", "net.snn", "--emit", "snn").out
    result = spikec("compile", "net.snn", "--emit", "snn", "--pipeline", "same{times=3}", "--print-after", "same")
    assert (result.status, result.out) == (0, wanted)
    assert result.err == f"// after same\n{wanted}\n"
    assert "no option 'time'; did you mean 'times'?" in spikec("run", "net.snn", "--pipeline", "same{time=3}").err
    assert "did you mean 'same'?" in spikec("run", "net.snn", "--pipeline", "smae").err
    assert "same  level snn: Changes nothing. [stranger]" in spikec("passes").out


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:Pass", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("Absent", "AttributeError"),
        ("WrongName", "its name is 'other'"),
        ("WrongLevel", "its level is 'cpu'"),
        ("WrongOption", "the option 'folder' has the type"),
        ("NoDataclass", "it is not a dataclass with a method run"),
        ("refuses", "it is not a dataclass with a method run"),
    ],
)
def test_a_strangers_pass_that_does_not_work(spikec: Spikec, offer: Offer, value: str, why: str) -> None:
    offer("spikec.passes", "same", value)
    result = spikec("compile", "net.snn", "--emit", "snn", "--pipeline", "same")
    assert (result.status, result.out) == (1, "")
    assert f"error[E1271]: the pass 'same' of the package 'stranger' cannot be used: {why}" in result.err
    assert "pip uninstall stranger" in result.err
    listed = spikec("passes")
    assert listed.status == 0
    assert "same  error: the pass 'same' of the package 'stranger' cannot be used" in listed.out
    assert "canonicalize" in listed.out


def test_names_that_clash(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.passes", "same", "Same", "one")
    offer("spikec.passes", "same", "Same", "two")
    offer("spikec.passes", "canonicalize", "Same")
    result = spikec("compile", "net.snn", "--emit", "snn", "--pipeline", "same")
    assert result.status == 1
    assert "error[E1272]: the pass 'same' comes with several packages: 'one', 'two'" in result.err
    assert "the name 'canonicalize' belongs to spikec" in spikec("passes").out
    assert spikec("compile", "net.snn", "--emit", "snn", "--pipeline", "canonicalize").status == 0
    errors = [entry["error"] for entry in json.loads(spikec("passes", "--json").out)["passes"]]
    assert sum(error is not None for error in errors) == 3


def test_a_strangers_pass_that_fails_is_the_strangers_bug(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.passes", "same", "Raises")
    result = spikec("compile", "net.snn", "--emit", "snn", "--pipeline", "same{times=2}")
    assert result.status == 70
    assert f"this is a bug of {__name__.partition('.')[0]}" in result.err
    assert "in pass same: KeyError: 'V'" in result.err
    (saved,) = Path().glob("spikec-bug-*.mlir")
    again = f"spikec opt {saved} --verify-each --pipeline 'same{{times=2}}'"
    assert again in result.err
    assert saved.read_text().startswith(f"// {again}\n")
    repeated = spikec("opt", str(saved), "--verify-each", "--pipeline", "same{times=2}")
    assert repeated.status == 70
    assert "in pass same: KeyError: 'V'" in repeated.err


def test_a_strangers_target(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.targets", "names", "Names")
    result = spikec("compile", "net.snn", "--target", "names", "--emit", "names")
    assert (result.status, result.out, result.err) == (0, "Tiny", "")
    Path("made").mkdir()
    assert spikec("compile", "net.snn", "--target", "names", "--emit", "names,count,snn", "-o", "made").status == 0
    assert sorted(path.name for path in Path("made").iterdir()) == ["net.count", "net.names", "net.snn.mlir"]
    assert Path("made/net.count").read_bytes() == b"\x01\xff"
    (entry,) = [t for t in json.loads(spikec("targets", "--json").out)["targets"] if t["name"] == "names"]
    assert (entry["package"], entry["emit"], entry["error"]) == (
        "stranger",
        ["snn", "step", "nir", "names", "count"],
        None,
    )
    assert "The names of the populations; --emit snn step nir names count [stranger]" in spikec("targets").out
    assert "did you mean 'names'?" in spikec("run", "net.snn", "--target", "naems").err
    assert "did you mean 'names'?" in spikec("compile", "net.snn", "--target", "names", "--emit", "name").err


@pytest.mark.parametrize("command", [["run", "net.snn"], ["compile", "net.snn", "-o", "build"]])
def test_a_target_of_files_alone_runs_nothing(spikec: Spikec, offer: Offer, command: list[str]) -> None:
    offer("spikec.targets", "names", "Names")
    result = spikec(*command, "--target", "names")
    assert result.status == 2
    assert "the target 'names' runs nothing; use compile with --emit names,count" in result.err


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:Target", "ModuleNotFoundError"),
        ("refuses", "RuntimeError: no licence"),
        ("Package", "it lacks one of name, level, kinds and emit"),
        ("HighLevel", "its level is 'high', not one of snn, step"),
    ],
)
def test_a_strangers_target_that_does_not_work(spikec: Spikec, offer: Offer, value: str, why: str) -> None:
    offer("spikec.targets", "names", value)
    result = spikec("compile", "net.snn", "--target", "names", "--emit", "names")
    assert result.status == 1
    assert f"error[E1271]: the target 'names' of the package 'stranger' cannot be used: {why}" in result.err
    listed = spikec("targets")
    assert listed.status == 0
    assert re.search(r"^names +error: the target 'names'", listed.out, re.MULTILINE)


def test_names_of_targets_that_clash(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.targets", "cpu", "Names")
    assert "the name 'cpu' belongs to spikec" in spikec("targets").out
    assert spikec("compile", "net.snn", "--emit", "llvm").status == 0


def test_a_target_that_makes_something_else(spikec: Spikec, offer: Offer) -> None:
    offer("spikec.targets", "names", "Forgets")
    result = spikec("compile", "net.snn", "--target", "names", "--emit", "names")
    assert result.status == 70
    assert "in emit: ValueError: it makes nothing, and names is wanted" in result.err


def test_a_changed_package_compiles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    folder = tmp_path / "stranger_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("class A: ...\n")
    (folder / "inner" / "more.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    cls = importlib.import_module("stranger_package").A
    assert plugins.sources(cls) == [folder / "__init__.py", folder / "inner" / "more.py"]
    assert plugins.package_of(cls) == "stranger_package"
    assert plugins.sources(plugins.CompileError) == []
