"""Texts of pipelines: how options are read, and what is said about wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from spikec import pipelines
from spikec.dialects.diagnostics import UsageError


@dataclass(frozen=True)
class Shrink:
    """Makes everything smaller."""

    bits: int
    share: float = 0.5
    scale: str = "pow2"
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise ValueError("bits must be at least 1")


@pytest.fixture(autouse=True)
def with_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "PASSES", {**pipelines.PASSES, "shrink": Shrink})


def test_options_are_the_fields_of_the_pass() -> None:
    passes = pipelines.parse(" shrink{bits=4, share = 0.25,limit=3} , canonicalize ")
    assert passes[0] == ("shrink", Shrink(4, 0.25, "pow2", 3))
    assert [name for name, _ in passes] == ["shrink", "canonicalize"]
    assert pipelines.parse("") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shrink{bits=four}", "'bits' is 'four', which is not a number"),
        ("shrink{bit=4}", "did you mean 'bits'?"),
        ("shrink{bits}", "'bits' has no value"),
        ("shrink{bits=1,bits=2}", "'bits' is given twice"),
        ("shrink{bits=0}", "bits must be at least 1"),
        ("shrink", "bits"),
        ("shrink{bits=1", "is not NAME"),
        ("shrink{bits=1} canonicalize", "is not NAME"),
        ("shrnk{bits=1}", "did you mean 'shrink'?"),
        (",", "is not NAME"),
    ],
)
def test_wrong_texts(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        pipelines.parse(text)
    assert said in str(caught.value)


def test_passes_describe_themselves() -> None:
    (entry,) = [entry for entry in pipelines.described() if entry["name"] == "shrink"]
    assert entry["about"] == "Makes everything smaller."
    assert entry["options"][:2] == [
        {"name": "bits", "type": "int", "default": None},
        {"name": "share", "type": "float", "default": 0.5},
    ]
