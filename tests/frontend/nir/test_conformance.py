"""The conformance cases of NIR: real files, and what the frameworks that wrote or ran them computed.

The data are not part of the project: the environment variable SPIKEC_CONFORMANCE names their folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec import driver
from spikec.dialects.diagnostics import CompileError, Diagnostics
from spikec.runtime.run import Executable

FOLDER = Path(os.environ.get("SPIKEC_CONFORMANCE") or os.devnull) / "nir"
CASES = FOLDER / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="SPIKEC_CONFORMANCE does not name the conformance data")


def manifest() -> list[dict[str, Any]]:
    if not CASES.is_dir():
        return []
    return list(json.loads((CASES / "manifest.json").read_text())["cases"])


@cache
def arrays(case: str) -> dict[str, Any]:
    return dict(np.load(CASES / f"{case}.npz"))


def semantics(case: dict[str, Any]) -> str:
    options = {key: str(value).lower() if isinstance(value, bool) else value for key, value in case["options"].items()}
    return ",".join([case["semantics"], *(f"{key}={value}" for key, value in options.items())])


def network(path: Path, said: str | None, dt: str, target: str) -> Executable:
    return driver.executable(driver.Compilation(path, driver.Options(target=target, semantics=said, dt=dt)))


def outputs(net: Executable, case: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in arrays(case["case"]).items() if key.partition("_")[0] == "input"}
    names = {key: key.partition("_")[2] or net.interface.inputs[0].name for key in given}
    return net.run({names[key]: value for key, value in given.items()}, steps=case["steps"]).outputs


def differences(case: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is wrong with the outputs of a case."""
    wrong = []
    for name, spec in case["outputs"].items():
        wanted = arrays(case["case"])[f"out_{name}"].astype(np.float64)
        value = np.asarray(found[name], dtype=np.float64)
        if value.shape != wanted.shape:
            wrong.append(f"{name}: shape {value.shape}, not {wanted.shape}")
            continue
        exact = spec["tolerance"] == "exact"
        limit = 0.0 if exact else float(spec["tolerance"].partition("<=")[2])
        worst = float(np.max(np.abs(value - wanted), initial=0.0))
        if not worst <= limit:
            wrong.append(
                f"{name}: off by {worst:.3g}, first in step {np.argwhere(np.abs(value - wanted) > limit)[0][0]}"
            )
    return wrong


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKEC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("case", manifest(), ids=lambda case: case["case"])
def test_a_case_gives_the_outputs_of_its_framework(case: dict[str, Any], target: str) -> None:
    net = network(CASES / f"{case['case']}.nir", semantics(case), repr(case["dt"]), target)
    assert differences(case, outputs(net, case)) == []


@pytest.mark.parametrize("path", sorted((FOLDER / "field").glob("*.nir")), ids=lambda path: path.stem)
def test_a_file_from_the_field_is_read_or_refused_by_name(path: Path) -> None:
    compilation = driver.Compilation(path, driver.Options(dt="0.0001"))
    try:
        program = driver.build(compilation).program
    except CompileError as error:
        found = [d for d in error.diagnostics if d.severity == "error"]
        assert found
        for diagnostic in found:
            assert re.search(r"(node|edge|graph) '", diagnostic.message)
    else:
        assert program.level == "snn"


# What NIR's own equations cannot say: another reset, several spikes a step, clipped or quantised potentials.
EXPRESSIBLE = ("nir-euler", "norse", "spikingjelly")


@pytest.mark.parametrize(
    "case",
    [c for c in manifest() if c["semantics"] in EXPRESSIBLE and c["options"].get("reset", "value") == "value"],
    ids=lambda case: case["case"],
)
def test_what_is_written_again_is_the_same_network(case: dict[str, Any], tmp_path: Path) -> None:
    """NIR to snn to NIR: the second file gives the same outputs, read as the note of the first says."""
    compilation = driver.Compilation(
        CASES / f"{case['case']}.nir", driver.Options(semantics=semantics(case), dt=repr(case["dt"]))
    )
    again = tmp_path / "again.nir"
    again.write_bytes(driver.emit(compilation, ["nir"]).files["nir"])
    first = outputs(network(compilation.model, semantics(case), repr(case["dt"]), "cpu"), case)
    said, dt = reading(compilation.diagnostics)
    second = outputs(network(again, said, dt, "cpu"), case)
    assert set(first) == set(second)
    for name in first:
        assert np.array_equal(np.asarray(first[name], np.float64), np.asarray(second[name], np.float64)), name


def reading(diagnostics: Diagnostics) -> tuple[str | None, str]:
    """The options that the note on a written file names."""
    (note,) = [d.message for d in diagnostics.items if d.code == "N1101"]
    said, dt = re.search(r"--semantics (\S+)", note), re.search(r"--dt (\S+)", note)
    assert dt is not None
    return said and said[1], dt[1]


@pytest.mark.parametrize(
    "case",
    [c for c in manifest() if c["semantics"] not in (*EXPRESSIBLE, "spyx")],
    ids=lambda case: case["case"],
)
def test_other_equations_are_refused_by_name(case: dict[str, Any]) -> None:
    compilation = driver.Compilation(
        CASES / f"{case['case']}.nir", driver.Options(semantics=semantics(case), dt=repr(case["dt"]))
    )
    with pytest.raises(CompileError, match=r"population '.*': .*"):
        driver.emit(compilation, ["nir"])
