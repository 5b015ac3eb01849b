"""Wrong use of the command line: status 2, one line that says why, a suggestion where one is near."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Spikec = Callable[..., Any]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["chek", "net.snn"], "did you mean 'check'?"),
        (["check"], "required: MODEL"),
        (["check", "net.snn", "more"], "unexpected argument 'more'"),
        (["run", "net.snn", "--stpes", "3"], "unknown option '--stpes'; did you mean '--steps'?"),
        (["run", "net.snn", "--step", "3"], "did you mean '--steps'?"),
        (["run", "net.snn", "--steps", "0"], "whole number of at least 1"),
        (["run", "net.snn", "--steps", "-3"], "--steps"),
        (["run", "net.snn", "--steps", "many"], "'many' is not a whole number"),
        (["run", "net.snn", "--batch", "0"], "whole number of at least 1"),
        (["run", "net.snn", "--seed", "18446744073709551616"], "0..2^64-1"),
        (["run", "net.snn", "--float", "16"], "--float"),
        (["run", "net.snn", "--input", "x=0.npy=", "--input", ""], "is not [NAME=]FILE[:KEY]"),
        (["run", "net.snn", "--device", "cuda"], "--device is for --target ptx"),
        (["run", "net.snn", "--target", "ptx:sm_60"], "sm_60 is too old"),
        (["run", "net.snn", "--target", "ptx{memory=8GB,sumz=ordered}"], "did you mean 'sums'?"),
        (["run", "net.snn", "--target", "cpuu"], "unknown target 'cpuu'; did you mean 'cpu'?"),
        (["run", "net.snn", "--target", "cpu:no-such-machine"], "unknown target"),
        (["run", "net.snn", "--target", "cpu{cores=3}"], "target 'cpu' has no option 'cores'"),
        (["run", "net.snn", "--target", "cpu{cores=3"], "closing brace"),
        (["run", "net.snn", "--target", "reference:fast"], "write reference"),
        (["run", "net.snn", "--target", "cpu:aarch64-linux-gnu"], "is not this machine"),
        (["run", "net.snn", "--plot", "a.bmp"], ".png, .svg, .pdf"),
        (["run", "net.snn", "--dt", "1"], "--dt is for .nir files alone"),
        (["check", "net.snn", "--semantics", "lava"], "--semantics is for .nir files alone"),
        (["check", "net.snn", "-P", "theta"], "is not NAME=VALUE"),
        (["check", "net.snn", "-P", "1x=3"], "is not NAME=VALUE"),
        (["check", "net.snn", "-P", "a=1", "-P", "a=2"], "gives 'a' twice"),
        (["compile", "net.snn"], "-o DIR"),
        (["compile", "net.snn", "--emit", "vhld"], "unknown kind 'vhld'"),
        (["compile", "net.snn", "--emit", "hedaer"], "did you mean 'header'?"),
        (["compile", "net.snn", "--emit", "snn,,step"], "a kind is missing"),
        (["compile", "net.snn", "--emit", "snn,step"], "needs -o FOLDER"),
        (["compile", "net.snn", "--emit", "obj"], "needs -o FILE"),
        (["compile", "net.snn", "--emit", "so", "--target", "reference", "-o", "a"], "--target cpu does"),
        (["compile", "net.snn", "--emit", "verilog"], "the target makes no 'verilog'; --target fpga does"),
        (["compile", "net.snn", "--target", "reference", "-o", "a"], "makes no files"),
        (["compile", "net.snn", "--emit", "so", "--target", "cpu:aarch64-linux-gnu", "-o", "a"], "this machine alone"),
        (["opt", "net.mlir", "--pipeline", "canonicalise"], "did you mean 'canonicalize'?"),
        (["opt", "net.mlir", "--pipeline", "canonicalize{fast=1}"], "pass 'canonicalize' has no option 'fast'"),
        (["opt", "net.mlir", "--pipeline", "canonicalize,"], "a pass is missing"),
        (["opt", "net.mlir", "--pipeline", "{}"], "the name of a pass must stand here"),
        (["opt", "net.mlir", "--print-after", "nothing"], "unknown pass 'nothing'"),
        (["run", "absent.snn", "--pipeline", "canonicalise"], "did you mean 'canonicalize'?"),
        (["compile", "absent.snn", "--emit", "snn", "--pipeline", "schedule{blok=3}"], "did you mean 'block'?"),
        (["explain", "E9999"], "there is no code E9999"),
    ],
)
def test_wrong_use(spikec: Spikec, argv: list[str], said: str) -> None:
    result = spikec(*argv)
    assert said in result.err
    assert result.err.startswith("spikec: error: ")
    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["--version"]])
def test_help_and_version(spikec: Spikec, argv: list[str]) -> None:
    result = spikec(*argv)
    assert (result.status, result.err) == (0, "")
    assert "spikec" in result.out


def test_parameters_and_damage_of_nir_files(spikec: Spikec, tmp_path: Any) -> None:
    (tmp_path / "empty.nir").write_bytes(b"")
    damaged = spikec("check", "empty.nir")
    assert damaged.status == 1 and "empty.nir: error[E1001]" in damaged.err
    given = spikec("check", "empty.nir", "-P", "n=3")
    assert given.status == 2 and "-P is for .snn models" in given.err
