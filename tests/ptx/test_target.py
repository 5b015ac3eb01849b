"""The text after `--target`: chips and options, and what is wrong with them."""

from __future__ import annotations

import pytest
from spikec.backends.ptx.chips import CHIPS
from spikec.backends.ptx.target import PtxTarget
from spikec.dialects.diagnostics import UsageError


def test_a_plain_target_is_for_a_common_chip() -> None:
    target = PtxTarget.parse("ptx")
    assert (target.name, target.chip) == ("ptx", "sm_80")
    assert (target.sums, target.memory, target.launch) == ("auto", None, "auto")


def test_options_are_read() -> None:
    target = PtxTarget.parse("ptx:sm_90{ sums = ordered, memory=1.5GB ,launch=persistent}")
    assert target.chip == "sm_90"
    assert (target.sums, target.memory, target.launch) == ("ordered", 3 << 29, "persistent")
    assert PtxTarget.parse("ptx{}").chip == "sm_80"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ptx:sm_60", "sm_60 is too old: sm_70 is the first that is supported"),
        ("ptx:sm80", "unknown chip 'sm80'; did you mean 'sm_80'?"),
        ("ptx:", "unknown chip ''; there is sm_70, sm_75"),
        ("ptx:gfx90a", "unknown chip 'gfx90a'; there is sm_70"),
        ("ptx{sum=ordered}", "there is no option 'sum'; did you mean 'sums'?"),
        ("ptx{sums=orderd}", "sums: 'orderd' is not one of auto, atomic, ordered; did you mean 'ordered'?"),
        ("ptx{memory=lots}", "memory: 'lots' is no number of bytes"),
        ("ptx{sums}", "'sums' has no value"),
        ("ptx{sums=}", "'sums' has no value"),
        ("ptx{launch=graph,launch=auto}", "'launch' is given twice"),
        ("ptx:sm_80{sums=ordered", "the closing brace is missing"),
        ("ptx:sm_80{sums=ordered}}", "sums: 'ordered}' is not one of"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        PtxTarget.parse(text)
    assert str(error.value).startswith(f"--target {text}: ")
    assert message in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as error:
        PtxTarget.parse("ptx:sm_52{sums=both,speed=9,memory=-1")
    lines = str(error.value).splitlines()
    wrong = ["sm_52", "closing brace", "'both'", "'speed'", "'-1'"]
    assert len(lines) == 1 + len(wrong)
    assert all(word in line for word, line in zip(wrong, lines[1:], strict=True))


def test_residence_is_limited_by_what_runs_out_first() -> None:
    chip = CHIPS["sm_75"]
    boards = chip.multiprocessors
    assert boards is not None
    assert chip.resident(128, 32) == boards * 8  # threads
    assert chip.resident(32, 32) == boards * 16  # blocks
    assert chip.resident(128, 250) == boards * 2  # registers
    assert chip.resident(128, 32, 20 << 10) == boards * 3  # shared memory
    assert CHIPS["sm_103"].resident(128, 32) is None
