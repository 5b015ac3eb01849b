"""Texts of pipelines: how options are read and written, what is said about wrong ones, and how passes are run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import spikec
from hypothesis import given
from hypothesis import strategies as st
from spikec import pass_options, pipeline_text, pipelines, registry
from spikec.choices import Watch
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.passes.canonicalize import Canonicalize


@dataclass(frozen=True)
class Shrink:
    """Makes everything smaller."""

    name: ClassVar[str] = "shrink"
    level: ClassVar[str] = "snn"

    bits: int
    share: float = field(default=0.5, metadata={"help": "how much of it"})
    scale: Literal["pow2", "minmax"] = "pow2"
    limit: int | None = 7
    exact: bool = False
    data: str | None = None
    steps: int | Literal["all"] = field(default="all", metadata={"name": "for"})

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise ValueError("bits must be at least 1")

    def run(self, program: Program) -> Program:
        return program


@pytest.fixture(autouse=True)
def with_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PASSES", {**registry.PASSES, "shrink": f"{__name__}:Shrink"})


def test_options_are_the_fields_of_the_pass() -> None:
    made = pipelines.parse(" shrink{bits=4, share = 0.25,limit=none,exact=true,for=3} , canonicalize ")
    assert made.passes == (Shrink(4, 0.25, "pow2", None, True, None, 3), Canonicalize())
    assert pipelines.parse("") == pipelines.parse("  ") == pipelines.Pipeline()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.npz:key", "a.npz:key"),
        ("/data/x y.npz", "/data/x y.npz"),
        ('"a,b{c}.npz"', "a,b{c}.npz"),
        (r'"say \"a\\b\""', r'say "a\b"'),
        ('""', ""),
        ('"none"', "none"),
        ("none", None),
    ],
)
def test_values_may_hold_any_character(text: str, value: str | None) -> None:
    (made,) = pipelines.parse(f"shrink{{bits=1,data={text}}}").passes
    assert made == Shrink(1, data=value)
    assert pipelines.parse(str(pipelines.Pipeline((made,)))).passes == (made,)


def test_a_pipeline_is_written_as_it_is_read() -> None:
    text = "shrink{bits=4,share=1e-09,scale=minmax,limit=none,exact=true,for=2},canonicalize"
    assert str(pipelines.parse(text)) == text
    assert str(pipelines.parse("shrink{share=0.5,bits=2,for=all},canonicalize{}")) == "shrink{bits=2},canonicalize"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shrink{bits=four}", "'bits' is 'four', which is not a whole number"),
        ("shrink{bits=1,share=nan}", "'share' is 'nan', which is not a number"),
        ("shrink{bits=1,exact=yes}", "'exact' is 'yes', which is not true or false"),
        ("shrink{bits=1,scale=pwo2}", "'scale' is 'pwo2', not pow2, minmax; did you mean 'pow2'?"),
        ("shrink{bits=1,for=some}", "'for' is 'some', not all or a whole number"),
        ("shrink{bits=none}", "which is not a whole number"),
        ("shrink{bit=4}", "did you mean 'bits'?"),
        ("shrink{bits}", "'bits' has no value"),
        ("shrink{bits=}", "'bits' has no value"),
        ("shrink{bits=1,bits=2}", "'bits' is given twice"),
        ("shrink{bits=0}", "bits must be at least 1"),
        ("shrink", "pass 'shrink' needs 'bits': a whole number"),
        ("shrnk{bits=1}", "did you mean 'shrink'?"),
        ("shrink{steps=1,bits=1}", "no option 'steps'"),
    ],
)
def test_wrong_names_and_values(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        pipelines.parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("shrink{bits=1", "this brace is not closed", 6),
        ("shrink{bits={1}}", "braces do not nest", 12),
        ('shrink{bits="1}', "these quotes are not closed", 12),
        ('shrink{bits=1"2"}', "quotes stand around the whole value", 13),
        ("shrink{bits=1} canonicalize", "a comma must stand between passes", 15),
        ('shrink{bits="1" share=1}', "a comma must stand between options", 16),
        ("shrink{bits=1,}", "the name of an option must stand here", 14),
        (",", "the name of a pass must stand here", 0),
        ("canonicalize,", "a pass is missing after the last comma", 13),
        ("canonicalize}", "a comma must stand between passes", 12),
    ],
)
def test_wrong_texts_are_shown_with_the_place(text: str, said: str, place: int) -> None:
    with pytest.raises(UsageError) as caught:
        pipelines.parse(text)
    message, shown, caret = str(caught.value).split("\n")
    assert said in message
    assert (shown, caret) == (f"  {text}", f"  {' ' * place}^")


@given(st.text(), st.text())
def test_every_text_comes_back(data: str, scale: str) -> None:
    made = pipelines.Pipeline((Shrink(1, data=data), Shrink(2, scale=scale, limit=None)))  # type: ignore[arg-type]
    first, second = pipeline_text.parse(str(made))
    assert first.options[1] == ("data", pipeline_text.Value(data, quoted=str(made).startswith('shrink{bits=1,data="')))
    assert second.options[-1] == ("limit", pipeline_text.Value("none"))


@given(st.text(alphabet='canoilze{},=" \\\n1') | st.text())
def test_any_text_is_a_pipeline_or_wrong_use(text: str) -> None:
    with contextlib.suppress(UsageError):
        pipelines.parse(text)


def test_a_pipeline_may_stand_on_several_lines() -> None:
    assert pipelines.parse("canonicalize,\n  shrink{\n    bits=2,\n    scale=minmax\n  }\n").passes[1] == Shrink(
        2, scale="minmax"
    )


def test_all_mistakes_are_told_together() -> None:
    with pytest.raises(UsageError) as caught:
        pipelines.parse("shrink{bit=1,scale=x},nothing")
    for said in ("no option 'bit'", "'scale' is 'x'", "needs 'bits'", "unknown pass 'nothing'"):
        assert said in str(caught.value)


def test_an_option_without_a_text_is_no_option() -> None:
    @dataclass(frozen=True)
    class Strange:
        folder: Path

    with pytest.raises(TypeError, match="'folder' has the type"):
        pass_options.options(Strange)


def test_passes_describe_themselves() -> None:
    (entry,) = [entry for entry in registry.described() if entry["name"] == "shrink"]
    assert (entry["about"], entry["level"], entry["error"]) == ("Makes everything smaller.", "snn", None)
    options = {option.pop("name"): option for option in entry["options"]}
    assert options["bits"] == {"type": "int", "choices": None, "required": True, "default": None, "help": ""}
    assert options["share"]["help"] == "how much of it"
    assert (options["scale"]["choices"], options["scale"]["type"]) == (["pow2", "minmax"], "str")
    assert (options["limit"]["type"], options["limit"]["default"]) == ("int | none", 7)
    assert (options["for"]["type"], options["for"]["choices"]) == ("int | str", ["all"])


# ---------------------------------------------------------------- running them


@dataclass(frozen=True)
class Rename:
    """Gives the model another name."""

    name: ClassVar[str] = "rename"
    level: ClassVar[str] = "any"
    to: str = "Other"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context:
            result.module.operation.attributes[f"{result.level}.model"] = ir.StringAttr.get(self.to)
        return result


@dataclass(frozen=True)
class Late(Rename):
    """The same at level step."""

    name: ClassVar[str] = "late"
    level: ClassVar[str] = "step"


def test_pass_objects_make_a_pipeline_too() -> None:
    program = spikec.load("net.snn")
    pipeline = spikec.pipeline([Rename("A"), Canonicalize()]) | spikec.pipeline([Rename("B")])
    assert [one.name for one in pipeline.passes] == ["rename", "canonicalize", "rename"]
    assert str(pipeline) == "rename{to=A},canonicalize,rename{to=B}"
    assert pipeline(program).attribute("model") == "B"
    assert program.attribute("model") == "Tiny"
    assert spikec.pipeline(pipeline) is pipeline
    for wrong in (3, Rename, "x"):
        with pytest.raises(UsageError, match="is not a pass"):
            spikec.pipeline([wrong])


def test_a_pass_of_the_other_level_is_refused_before_anything_runs() -> None:
    program = spikec.load("net.snn")
    with pytest.raises(CompileError, match=r"E1273.*'late' works at level 'step'.* is at level 'snn'"):
        spikec.pipeline([Rename(), Late()])(program)


def test_compile_gives_each_pass_its_level() -> None:
    seen = []

    @dataclass(frozen=True)
    class Look(Rename):
        def run(self, program: Program) -> Program:
            seen.append((self.level, self.to))
            return program

    @dataclass(frozen=True)
    class LookLate(Look):
        name: ClassVar[str] = "late"
        level: ClassVar[str] = "step"

    passes = [LookLate("1"), Look("2"), LookLate("3"), Look("4")]
    for target in ("cpu", "reference"):
        net = spikec.compile(spikec.load("net.snn"), target, pipeline=passes)
        assert net.run({"x": [[0.5, 0.3, 0.1]] * 10}).counts == {"cell": 9}
        assert seen == [("any", "2"), ("any", "4"), ("step", "1"), ("step", "3")]
        seen.clear()


def test_a_pass_that_leaves_invalid_ir_is_named_with_the_ir_before_it() -> None:
    @dataclass(frozen=True)
    class Spoil(Rename):
        def run(self, program: Program) -> Program:
            result = program.clone()
            del result.module.operation.attributes["snn.dt"]
            return result

    program = spikec.load("net.snn")
    with pytest.raises(pipelines.PassFailure, match="invalid IR after pass rename") as caught:
        pipelines.apply(pipelines.of([Spoil()]), program, Watch(verify_each=True))
    assert (caught.value.where, caught.value.pipeline, caught.value.ir) == ("pass rename", "rename", program.text())
    pipelines.apply(pipelines.of([Spoil()]), program, Watch(verify_each=False))


def test_a_pass_must_leave_what_it_is_given() -> None:
    @dataclass(frozen=True)
    class Spoil(Rename):
        def run(self, program: Program) -> Program:
            with program.module.context:
                program.module.operation.attributes["snn.model"] = ir.StringAttr.get("Mine")
            return program

    with pytest.raises(pipelines.PassFailure, match="changes the program that it is given"):
        pipelines.apply(pipelines.of([Spoil()]), spikec.load("net.snn"), Watch(verify_each=True))


def test_a_pass_must_give_a_program() -> None:
    @dataclass(frozen=True)
    class Nothing(Rename):
        def run(self, program: Program) -> Program:
            return None  # type: ignore[return-value]

    with pytest.raises(pipelines.PassFailure, match="it gives a NoneType"):
        spikec.pipeline([Nothing()])(spikec.load("net.snn"))


def test_notes_of_earlier_passes_stay() -> None:
    from spikec.dialects.notes import Table

    @dataclass(frozen=True)
    class Forget(Rename):
        def run(self, program: Program) -> Program:
            return replace(program, notes=())

    table = Table("sizes", ("name",), (("cell",),))
    assert spikec.pipeline([Forget()])(spikec.load("net.snn").noted(table)).notes == (table,)


@pytest.mark.parametrize(("value", "verifies"), [("1", True), ("0", False), ("", False), (None, False)])
def test_verification_is_chosen_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str | None, verifies: bool
) -> None:
    monkeypatch.delenv("SPIKEC_VERIFY_EACH")
    if value is not None:
        monkeypatch.setenv("SPIKEC_VERIFY_EACH", value)
    assert Watch().verify_each is verifies
