"""The dialects as files that stock `mlir-opt` reads."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest
from spikec.dialects import rtl, snn, step
from spikec.dialects.definition import Dialect
from spikec.dialects.program import Program
from spikec.lower import snn_to_step

from tests.lower.networks import CORPUS, load
from tests.rtl.netlists import circuit

FOLDER = Path(snn.__file__).parent
DIALECTS = {"snn": snn.DIALECT, "step": step.DIALECT, "rtl": rtl.DIALECT}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_files_are_up_to_date(dialect: Dialect, update_golden: bool) -> None:
    path = FOLDER / f"{dialect.name}.irdl.mlir"
    text = f"// Written from dialects/{dialect.name}.py: run the tests with --update-golden.\n{dialect.irdl()}"
    if update_golden:
        path.write_text(text)
    assert path.read_text() == text


def mlir_opt() -> Path:
    """The `mlir-opt` that the development tools bring, beside the bindings."""
    spec = importlib.util.find_spec("mlir")
    assert spec is not None and spec.submodule_search_locations
    found = [Path(place) / "bin" / "mlir-opt" for place in spec.submodule_search_locations]
    return next((path for path in found if path.exists()), found[0])


def reprinted(program: Program, level: str, folder: Path) -> str:
    """A program's generic form as stock `mlir-opt` prints it."""
    source = folder / "program.mlir"
    source.write_text(program.module.operation.get_asm(print_generic_op_form=True))
    command = [str(mlir_opt()), f"--irdl-file={FOLDER / f'{level}.irdl.mlir'}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not mlir_opt().exists(), reason="mlir-opt is not installed")
@pytest.mark.parametrize("path", CORPUS[:3], ids=lambda path: path.stem)
def test_stock_mlir_opt_reads_both_levels(path: Path, tmp_path: Path) -> None:
    network = load(path)
    for program in (network, snn_to_step.lower(network)):
        again = Program.parse(reprinted(program, program.level, tmp_path), program.constants)
        assert again.text() == program.text()


@pytest.mark.skipif(not mlir_opt().exists(), reason="mlir-opt is not installed")
def test_stock_mlir_opt_reads_circuits(tmp_path: Path) -> None:
    program = circuit(1)
    again = Program.parse(reprinted(program, "rtl", tmp_path), program.constants)
    assert again.text() == program.text()
