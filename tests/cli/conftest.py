"""What the tests of the command line share: small models, and a way to run a command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from spikec.cli import main

MODEL = """\
model Tiny(theta = 1.0) {
  step 1 ms

  neuron IF(theta = 1.0) {
    in  I
    var V = 0
    V := V + I
    spike when V >= theta { V -= theta }
  }

  input x : real[3] in [0, 1]
  cell = IF[3](x, theta = theta)

  output y = cell
  output most = argmax(over_time(count, cell))
  probe cell.V, cell.spike
}
"""
DRAWN = """\
model Drawn {
  step 1 ms

  neuron IF {
    in  I
    var V = 0
    V := V + I
    spike when V >= 1 { V -= 1 }
  }

  input x : real[20]
  pop a : IF[20]()
  pop b : IF[20]()
  proj x -> a.I { connect one_to_one; weight 1 }
  proj a -> b.I { connect prob(0.5) seed 1; weight 0.05 }
  probe b.spike
}
"""


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder has two models and an input; cache and colours are those of nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIKEC_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    Path("net.snn").write_text(MODEL)
    Path("drawn.snn").write_text(DRAWN)
    np.save("x.npy", np.tile(np.array([0.5, 0.3, 0.1], np.float32), (10, 1)))


@pytest.fixture
def spikec(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command in this process."""

    def run(*argv: str) -> Result:
        try:
            status = main(argv)
        except SystemExit as stop:  # --help and --version
            status = int(stop.code or 0)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Result(status, out, err)

    return run


@pytest.fixture
def c_compiler() -> None:
    """Skips where shared libraries cannot be linked."""
    if not any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "cc", "gcc", "clang")):
        pytest.skip("no C compiler")
