"""Canonical form: reached in one run, exact, and made without touching what was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from spikec import pipelines
from spikec.dialects import snn
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step
from spikec.passes.canonicalize import Canonicalize
from spikec.runtime.interface import Interface

from tests.lower.networks import CORPUS, load, parse


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_second_run_changes_nothing(path: Path) -> None:
    program = load(path)
    for one in (program, snn_to_step.lower(program)):
        before = one.text()
        canonical = Canonicalize().run(one)
        assert one.text() == before
        assert Canonicalize().run(canonical).text() == canonical.text()
        assert len(canonical.text()) <= len(before)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_interface_stays(path: Path) -> None:
    program = load(path)
    assert Interface.of(Canonicalize().run(program)) == Interface.of(program)


UNUSED = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @unused(%a: f32) -> f32 {
    return %a : f32
  }
  "snn.constant"() {sym_name = "used", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "unused.array", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "unused.param", value = @unused.array} : () -> ()
  "snn.state"() {sym_name = "kept", type = tensor<4xf32>, init = @used, depth = 1} : () -> ()
  func.func @step() {
    return
  }
}
"""


def test_arrays_that_nothing_names_leave_the_store() -> None:
    program = parse(UNUSED)
    canonical = Canonicalize().run(program)
    assert sorted(program.constants) == ["unused.array", "used"]
    assert sorted(canonical.constants) == ["used"]
    assert sorted(canonical.symbols()) == ["kept", "step", "used"]
    assert problems(canonical) == []


def test_every_network_is_canonical_before_its_own_pipeline() -> None:
    program = parse(UNUSED)
    assert pipelines.run(program, "").text() == Canonicalize().run(program).text()


FOLDED = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func @step() -> (tensor<2xf32> {snn.name = "y"}) {
    %a = arith.constant dense<A> : tensor<2xf32>
    %b = arith.constant dense<B> : tensor<2xf32>
    %y = arith.OP %a, %b : tensor<2xf32>
    return %y : tensor<2xf32>
  }
}
"""


@pytest.mark.parametrize(
    ("a", "op", "b", "result"),
    [
        ("0.1", "addf", "0.2", "3.000000e-01"),
        ("1.0", "divf", "3.0", "0.333333343"),
        ("1.0e-20", "mulf", "1.0e-20", "0.000000e+00"),
        ("-1.0e-20", "mulf", "1.0e-20", "-0.000000e+00"),
        ("-0.0", "maximumf", "0.0", "0.000000e+00"),
        ("0.0", "minimumf", "-0.0", "-0.000000e+00"),
        ("1.0", "divf", "0.0", "0x7F800000"),
        ("1.0e30", "mulf", "1.0e30", "0x7F800000"),
    ],
)
def test_constants_fold_as_the_program_would_compute(a: str, op: str, b: str, result: str) -> None:
    text = Canonicalize().run(parse(FOLDED.replace("A>", f"{a}>").replace("B>", f"{b}>").replace("OP", op))).text()
    assert f"dense<{result}>" in text
    assert f"arith.{op}" not in text


def test_propagates_are_counted_and_stay() -> None:
    program = load(next(path for path in CORPUS if path.stem == "connectors"))

    def propagates(one: Program) -> int:
        return one.text().count(snn.Propagate.name())

    assert propagates(Canonicalize().run(program)) == propagates(program)
