"""PTX text of written LLVM IR through NVIDIA's tools: resources, machine code and its loops, and their absence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from spikec.backends.ptx import assembler, codegen, sass, toolkit
from spikec.backends.ptx.chips import CHIPS
from spikec.dialects.diagnostics import InternalError, MissingTool

from tests.ptx.kernels import CHUNKS, SPILLS

HAS_PTXAS = pytest.mark.skipif(toolkit.find("ptxas") is None, reason="there is no ptxas")
HAS_NVDISASM = pytest.mark.skipif(toolkit.find("nvdisasm") is None, reason="there is no nvdisasm")


def test_the_text_is_the_same_every_time() -> None:
    script = (
        "from spikec.backends.ptx import codegen; from tests.ptx.kernels import CHUNKS; "
        "print(codegen.ptx(CHUNKS, 'sm_80'), end='')"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    text = codegen.ptx(CHUNKS, "sm_80")
    assert done.stdout == text == codegen.ptx(CHUNKS, "sm_80")
    assert ".target sm_80" in text


@pytest.mark.parametrize("chip", CHIPS)
def test_the_text_is_of_the_oldest_ptx_of_its_chip(chip: str) -> None:
    oldest = {"sm_70": "6.0", "sm_75": "6.3", "sm_80": "7.0", "sm_86": "7.1", "sm_89": "7.8", "sm_90": "7.8"}
    oldest |= {"sm_100": "8.6", "sm_103": "8.8", "sm_120": "8.7", "sm_121": "8.8"}
    text = codegen.ptx(CHUNKS, chip)
    assert f".version {oldest[chip]}\n.target {chip}\n" in text


def test_wrong_ir_is_our_mistake() -> None:
    with pytest.raises(InternalError, match="LLVM refuses"):
        codegen.ptx("define void @f() { ret i32 0 }", "sm_80")


@HAS_PTXAS
def test_resources_of_a_kernel() -> None:
    made = assembler.assemble(codegen.ptx(CHUNKS, "sm_80"), "sm_80")
    assert made.cubin.startswith(b"\x7fELF")
    (kernel,) = made.kernels.values()
    assert 16 <= kernel.registers <= 40
    assert (kernel.spilled, kernel.stack, kernel.shared) == (0, 0, 0)


@HAS_PTXAS
def test_spills_stack_and_shared_memory_are_seen() -> None:
    kernels = assembler.assemble(codegen.ptx(SPILLS, "sm_90"), "sm_90").kernels
    assert set(kernels) == {"wide", "shares"}
    assert kernels["wide"].spilled > 0 < kernels["wide"].stack
    assert kernels["shares"].shared == 512 and kernels["shares"].spilled == 0


@HAS_PTXAS
def test_the_same_text_gives_the_same_machine_code() -> None:
    text = codegen.ptx(CHUNKS, "sm_90")
    assert assembler.assemble(text, "sm_90").cubin == assembler.assemble(text, "sm_90").cubin


@HAS_PTXAS
def test_a_text_that_ptxas_refuses_is_told_in_its_own_words() -> None:
    text = codegen.ptx(CHUNKS, "sm_80").replace("popc.b32", "pop.b32")
    with pytest.raises(InternalError, match=r"Not a name of any known instruction: 'pop'") as error:
        assembler.assemble(text, "sm_80")
    assert error.value.ir == text


@HAS_PTXAS
def test_a_ptxas_that_does_not_know_a_chip_is_the_wrong_one() -> None:
    if toolkit.version(toolkit.find("ptxas") or "").startswith("12"):
        pytest.skip("this ptxas knows sm_70")
    with pytest.raises(MissingTool, match=r"makes no code for sm_70 .*nvidia-cuda-nvcc-cu12"):
        assembler.assemble(codegen.ptx(CHUNKS, "sm_70"), "sm_70")


def test_absent_tools_are_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingTool, match=r"ptxas is needed for a cubin.*pip install 'spikec\[ptxas\]'"):
        assembler.assemble("", "sm_80")
    with pytest.raises(MissingTool, match=r"nvdisasm is needed.*pip install nvidia-cuda-nvdisasm"):
        sass.kernels(b"")


@pytest.mark.parametrize("wheel", ["cu13", "cuda_nvcc"])
def test_tools_are_found_in_wheels(wheel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "site" / "nvidia" / wheel / "bin" / "ptxas"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert toolkit.find("ptxas") is None, "it is no program"
    tool.chmod(0o755)
    assert toolkit.find("ptxas") == str(tool)


@HAS_PTXAS
@HAS_NVDISASM
@pytest.mark.parametrize("chip", ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
def test_the_loop_over_synapses_is_counted(chip: str) -> None:
    made = assembler.assemble(codegen.ptx(CHUNKS, chip), chip)
    (kernel,) = sass.kernels(made.cubin).values()
    (loop,) = kernel.loops
    assert (loop.atomics, loop.loads, loop.events) == (4, 1, 4)
    assert 5 <= loop.per_event <= 7.5
    assert loop.instructions < kernel.instructions


PRINTED = """
.section	.text.one,"ax",@progbits
one:
.L_x_3:
        /*0000*/                   LDG.E R1, desc[UR4][R2.64] ;
.L_x_1:
        /*0010*/              @!P0 IADD3 R1, R1, R2, RZ ;
        /*0020*/                   LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;
        /*0030*/               @P1 BRA `(.L_x_1) ;
        /*0040*/             @!UP1 FADD.FTZ R0, R0, R5 ;
        /*0050*/              @!P1 BRA `(.L_x_1) ;
        /*0060*/               @P0 BRA `(.L_x_2) ;
        /*0070*/                   BRA `(.L_x_3) ;
.L_x_2:
        /*0080*/                   EXIT ;
.L_x_4:
        /*0090*/                   BRA `(.L_x_4);
        /*00a0*/                   NOP;
.section	.text.two,"ax",@progbits
two:
        /*0000*/               @P0 BRA `(.L_x_8) ;
.L_x_7:
        /*0010*/                   LDG.E R1, desc[UR4][R2.64] ;
.L_x_9:
        /*0020*/                   LDG.E.STRONG.GPU R1, desc[UR4][R2.64] ;
        /*0030*/               @P1 BRA `(.L_x_9) ;
        /*0040*/                   EXIT ;
.L_x_8:
        /*0050*/                   REDG.E.ADD.STRONG.GPU desc[UR4][R2.64], R3 ;
        /*0060*/                   BRA `(.L_x_7) ;
.section	.text.three,"ax",@progbits
three:
.L_x_10:
        /*0000*/                   REDG.E.ADD.STRONG.GPU desc[UR4][R2.64], R3 ;
        /*0010*/                   REDG.E.ADD.STRONG.GPU desc[UR4][R4.64], R3 ;
.L_x_11:
        /*0020*/                   VOTEU.ANY UR4, UPT, PT ;
        /*0030*/              @!P0 BRA.U `(.L_x_11) ;
        /*0040*/                   BRA UP0, `(.L_x_10) ;
        /*0050*/                   EXIT ;
"""


def test_inner_loops_that_touch_memory_are_found() -> None:
    assert sass.parse(PRINTED)["one"] == sass.Kernel(10, (sass.Loop(5, 0, 1, 1),))


def test_neither_a_way_back_nor_a_wait_is_a_loop_over_synapses() -> None:
    assert sass.parse(PRINTED)["two"] == sass.Kernel(7, ())


def test_a_loop_without_memory_hides_none_around_it() -> None:
    (loop,) = sass.parse(PRINTED)["three"].loops
    assert loop == sass.Loop(5, 2, 0, 0)
    assert loop.per_event == 2.5
