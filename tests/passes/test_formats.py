"""Formats by hand: they are taken, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects import snn, step
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.lower import snn_to_step

MODEL = """model M { step 1 ms
  neuron IF { in I; var V = 0; V := V + I; spike when V >= 1 { V -= 1 } }
  input x : spikes[16]
  pop a : IF[16]
  pop b : IF[16]
  proj x -> a.I { connect all; weight load("w.npz", "W") }
  proj x -> b.I { connect one_to_one; weight 0.5 }
  proj a -> b.I { connect from("pairs.csv"); weight from("pairs.csv"); delay 1 ms }
}
"""


@pytest.fixture
def network(tmp_path: Path) -> Program:
    np.savez(tmp_path / "w.npz", W=np.ones((16, 16)))
    (tmp_path / "pairs.csv").write_text("pre,post,weight\n0,2,1.0\n0,2,2.0\n3,5,0.5\n")
    (tmp_path / "m.snn").write_text(MODEL)
    return spikec.pipeline("canonicalize")(spikec.load(tmp_path / "m.snn"))


def stored(network: Program, pipeline: str) -> dict[str, str]:
    lowered = snn_to_step.lower(spikec.pipeline(pipeline)(network))
    return {table.sym_name: table.format for table in lowered.ops(step.Table)}


def names(network: Program) -> dict[str, str]:
    """The projections by their connectors."""
    return {view.connect["kind"].value: view.sym_name for view in network.ops(snn.Synapses)}


def refused(network: Program, pipeline: str) -> tuple[str, str]:
    with pytest.raises(CompileError) as error:
        stored(network, pipeline)
    (diagnostic,) = error.value.diagnostics
    return diagnostic.code, diagnostic.message


@pytest.mark.parametrize("format", ["csr", "bitmap", "block", "dense"])
def test_a_format_by_hand(network: Program, format: str) -> None:
    name = names(network)["all"]
    assert stored(network, f"formats{{{format}={name}}}")[name] == format


def test_several_projections(network: Program) -> None:
    named = names(network)
    found = stored(network, f'formats{{csr="{named["all"]}, {named["one_to_one"]}"}}')
    assert set(found.values()) == {"csr"}


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        ("dense", "one_to_one"),
        ("conv", "all"),
        ("bitmap", "table"),
        ("block", "table"),
        ("block", "one_to_one"),
        ("dense", "table"),
    ],
)
def test_what_a_format_cannot_hold(network: Program, format: str, kind: str) -> None:
    name = names(network)[kind]
    code, message = refused(network, f"formats{{{format}={name}}}")
    assert code == "E1241" and f"'{name}' cannot be stored in the format '{format}'" in message


def test_pruned_kernels_are_no_convolution(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", W=np.array([[[1.0, 0.0, 2.0]]]))
    (tmp_path / "m.snn").write_text(
        'model M { step 1 ms\n input x : spikes[1, 400]\n param W : real[1, 1, 3] = load("w.npz", "W")\n'
        " output y = conv1d(x, W)\n}\n"
    )
    network = spikec.pipeline("canonicalize")(spikec.load(tmp_path / "m.snn"))
    name = names(network)["conv"]
    assert stored(network, "") == {name: "conv"}
    assert stored(network, "sparsify") == {name: "csr"}
    assert refused(network, f"sparsify,formats{{conv={name}}}")[0] == "E1241"


def test_names_that_are_wrong(network: Program) -> None:
    name = names(network)["all"]
    assert refused(network, "formats{csr=nothing}") == ("E1242", "formats: there is no projection 'nothing'")
    assert refused(network, f"formats{{csr={name},dense={name}}}")[0] == "E1242"
