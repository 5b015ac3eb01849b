"""The interpreters know every op that the verifier allows, and no other."""

from __future__ import annotations

from spikec.dialects import snn, step
from spikec.dialects.constants import Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import SCALAR_OPS, STAGE_OPS, TENSOR_OPS
from spikec.runtime.reference import arithmetic, tensors
from spikec.runtime.reference.machine import Machine
from spikec.runtime.reference.network import Network

DECLARATIONS = {
    cls.name()
    for cls in (snn.Constant, snn.Param, snn.State, snn.Synapses, snn.Population, snn.Probe, step.Buffer, step.Table)
}
TERMINATORS = {"linalg.yield", "scf.yield"}
SNN = 'module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "s"} {}'
STEP = 'module attributes {step.model = "M", step.dt = 1.0 : f64, step.dt_unit = "s"} {}'


def test_scalar_ops() -> None:
    assert arithmetic.SCALAR.keys() == SCALAR_OPS


def test_tensor_ops() -> None:
    assert tensors.TENSOR_OPS.keys() == TENSOR_OPS - TERMINATORS


def test_snn_ops() -> None:
    network = Network(Program.parse(SNN, Constants()))
    assert network.table().keys() == {op.name() for op in snn.DIALECT.ops} - DECLARATIONS


def test_step_ops() -> None:
    machine = Machine(Program.parse(STEP, Constants()))
    assert machine.table().keys() == {op.name() for op in step.DIALECT.ops} - DECLARATIONS
    assert machine.control().keys() == STAGE_OPS - TERMINATORS
