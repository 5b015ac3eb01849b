"""The conformance cases of NIR as PTX text, executed: what the frameworks that wrote or ran them computed.

Some cases by default, all with SPIKEC_FULL=1, then by the runner too, which knows the command line alone.  The
data are not part of the project: the environment variable SPIKEC_CONFORMANCE names their folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from spikec import driver

from tests.frontend.nir.test_conformance import CASES, FOLDER, differences, manifest, outputs, semantics

FULL = os.environ.get("SPIKEC_FULL") == "1"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="SPIKEC_CONFORMANCE does not name the conformance data")


@pytest.mark.parametrize("case", manifest()[:: 1 if FULL else 17], ids=lambda case: case["case"])
def test_a_case_gives_the_outputs_of_its_framework(case: dict[str, Any]) -> None:
    options = driver.Options(target="ptx", device="emulated", semantics=semantics(case), dt=repr(case["dt"]))
    net = driver.executable(driver.Compilation(CASES / f"{case['case']}.nir", options))
    assert differences(case, outputs(net, case)) == []


@pytest.mark.skipif(not FULL, reason="runs with SPIKEC_FULL=1")
def test_the_runner_agrees() -> None:
    command = f"{sys.executable} -m spikec"
    options = ["--target", "ptx", "--extra=--device emulated", "--timeout", "1000"]
    done = subprocess.run(
        [sys.executable, FOLDER / "run.py", "--spikec", command, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
