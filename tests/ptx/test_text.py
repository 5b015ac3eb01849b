"""The PTX of the examples: what must not stand in it, that it is always the same, and what ptxas says to it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from spikec.backends.ptx import assembler, codegen, toolkit

from tests.ptx.examples import CASES, MODELS, lowered

CHIPS = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
ROOT = Path(__file__).parents[2]

INSTRUCTION = re.compile(r"^\s+(?:@!?%p\d+\s+)?([a-z][\w.:]*)\s", re.MULTILINE)
PLAIN = ("ld", "st", "mov", "selp", "copysign", "atom", "red")  # they copy a number as it is, or are looked at below


@cache
def text_of(name: str, pipeline: str, sums: str) -> str:
    """The PTX of an example."""
    return codegen.ptx(lowered(name, pipeline, f"ptx{{sums={sums}}}").llvm, "sm_80")


def violations(text: str) -> Iterator[str]:
    """Opcodes whose results are not defined to the last bit, or not those of the other targets."""
    for opcode in dict.fromkeys(INSTRUCTION.findall(text)):
        name, *modifiers = opcode.split(".")
        inexact = "approx" in modifiers or "sys" in modifiers or name == "fma"
        in_any_order = name in ("atom", "red") and modifiers[-1] in ("f32", "f64")
        of_integer = name == "cvt" and modifiers[-1][0] in "su"
        keeps_subnormals = "f32" in modifiers and "ftz" not in modifiers and name not in PLAIN and not of_integer
        if inexact or in_any_order or keeps_subnormals:
            yield opcode


@pytest.mark.parametrize(("name", "pipeline"), CASES)
def test_all_results_are_defined_where_sums_are_ordered(name: str, pipeline: str) -> None:
    text = text_of(name, pipeline, "ordered")
    assert list(violations(text)) == []


@pytest.mark.parametrize(("name", "pipeline"), CASES)
def test_only_atomic_sums_of_reals_depend_on_the_order(name: str, pipeline: str) -> None:
    text = text_of(name, pipeline, "atomic")
    assert set(violations(text)) <= ({"atom.global.add.f32"} if "quantize" not in pipeline else set())


@pytest.mark.parametrize(
    "opcode",
    [
        "sqrt.approx.f32",
        "add.f32",
        "mul.rn.f32",
        "fma.rn.ftz.f32",
        "setp.lt.f32",
        "cvt.rzi.s32.f32",
        "cvt.f64.f32",
        "atom.global.add.f32",
        "red.relaxed.gpu.global.add.f64",
        "ld.relaxed.sys.global.b32",
        "fence.acq_rel.sys",
    ],
)
def test_what_is_forbidden_is_found(opcode: str) -> None:
    text = f"\tmov.b32 \t%r1, 0f00000000;\n\tcvt.rn.f32.s32 \t%r2, %r1;\n\t@%p1 {opcode} \t%r1, %r2;\n"
    assert list(violations(text)) == [opcode]


def test_loads_of_what_is_written_stay_where_they_are() -> None:
    """LLVM moves loads from memory that is `noalias` over barriers: only what no kernel writes may be."""
    text = lowered("05_brunel/brunel.snn", "").llvm
    marked = re.findall(r"ptr addrspace\(1\) ([^%]*)%", text)
    assert any("noalias" in marks for marks in marked)
    assert all("readonly" in marks for marks in marked if "noalias" in marks)


def digests() -> dict[str, str]:
    """The digests of some examples' texts, which have all forms of propagation but one."""
    names = [name for name, _ in MODELS if name.startswith(("02", "03", "04", "08"))]
    texts = {name: codegen.ptx(lowered(name, "").llvm, "sm_80") for name in names}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def test_texts_are_the_same_in_every_process() -> None:
    command = [sys.executable, "-c", "from tests.ptx import test_text; print(test_text.digests())"]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(digests())


@pytest.mark.parametrize(("name", "pipeline"), CASES)
def test_a_text_names_neither_places_nor_producers(name: str, pipeline: str) -> None:
    text = text_of(name, pipeline, "ordered")
    assert str(ROOT) not in text
    assert not re.search(r"^\s*\.(file|loc|ident)\b", text, re.MULTILINE)


@pytest.mark.skipif(toolkit.find("ptxas") is None, reason="there is no ptxas")
@pytest.mark.parametrize("sums", ["atomic", "ordered"])
@pytest.mark.parametrize(("name", "pipeline"), CASES)
def test_kernels_fit_every_chip(name: str, pipeline: str, sums: str) -> None:
    module = lowered(name, pipeline, f"ptx{{sums={sums}}}")
    for chip in CHIPS:
        made = assembler.assemble(codegen.ptx(module.llvm, chip), chip)
        assert set(made.kernels) == {kernel.name for kernel in module.launches.kernels}
        for kernel, found in made.kernels.items():
            assert found.registers <= 40, (chip, kernel)
            assert found.spilled == 0, (chip, kernel)
