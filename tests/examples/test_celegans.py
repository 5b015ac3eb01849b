"""The example 08_celegans: the published edges, charge that gap junctions conserve, and touch that reaches its neurons."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import spikec

from tests.examples import scripts
from tests.programs.engines import differences, run_everywhere

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "08_celegans"
FILES = ("cells.csv", "chem.csv", "gap.csv")


def example() -> ModuleType:
    """The script of the example as a module."""
    return scripts.script("examples/08_celegans/run.py")


def rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_tables_are_those_of_the_source(tmp_path: Path) -> None:
    pytest.importorskip("cect")
    scripts.script("examples/08_celegans/wiring.py").write(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes()


def test_edges_of_the_tables() -> None:
    """Counts that Cook et al. (2019, corrected in July 2020) give for the 302 neurons of the hermaphrodite."""
    names = [row["name"] for row in rows("cells.csv")]
    chemical, gap = rows("chem.csv"), rows("gap.csv")
    assert len(names) == len(set(names)) == 302
    assert (len(chemical), sum(int(row["weight"]) for row in chemical)) == (3709, 20965)
    assert (len(gap), sum(int(row["weight"]) for row in gap)) == (2196, 11523)
    joined = {(row["pre"], row["post"]): row["weight"] for row in gap}
    assert all(joined[post, pre] == weight for (pre, post), weight in joined.items())


def test_every_row_is_a_synapse(tmp_path: Path) -> None:
    """Each lets through what its section says, from the cell that it names to the cell that it names."""
    text = f"""model Rows {{
      step 1 ms
      neuron Shows {{ in I; var V = 0; V := I }}
      neuron Source {{ var V = 0; V := index; out 1 }}
      synapse counts {{ out w * (pre.V + 0 * post.V) }}
      pop a : Source[302] at named(load("{EXAMPLE / "cells.csv"}"))
      pop b : Shows[302] at named(load("{EXAMPLE / "cells.csv"}"))
      param gap : path = "{EXAMPLE / "gap.csv"}"
      proj p : a -> b.I {{ connect from(gap); weight from(gap); synapse counts() }}
      probe b.V
    }}"""
    (tmp_path / "rows.snn").write_text(text)
    found = spikec.compile(spikec.load(tmp_path / "rows.snn", real=64)).run(steps=2).probes["b.V"][1]
    names = example().names()
    expected = np.zeros(302)
    for row in rows("gap.csv"):
        expected[names.index(row["post"])] += int(row["weight"]) * names.index(row["pre"])
    assert found.tolist() == expected.tolist()


def test_gap_junctions_conserve_charge(tmp_path: Path) -> None:
    """Without leak and chemical synapses all that one cell loses others gain, to 1e-9 of the sum of potentials."""
    text = (EXAMPLE / "celegans.snn").read_text()
    text = "\n".join(line for line in text.splitlines() if "proj c" not in line and "probe" not in line)
    for name in FILES:
        text = text.replace(f'"{name}"', f'"{EXAMPLE / name}"')
    text = text.replace("at named(load(cells))", "at named(load(cells)) { V = uniform(-70 mV, 0 mV) }")
    text = text.replace("G: conductance = 10 pS", "G: conductance = 0 pS")
    (tmp_path / "gap.snn").write_text(text.rstrip().removesuffix("}") + "  probe n.V\n}\n")
    program = spikec.load(tmp_path / "gap.snn", real=64)
    potentials = spikec.compile(program).run({"touch": np.zeros((2000, 302))}, 2000).probes["n.V"]
    total = potentials.sum(axis=1)
    assert np.abs(total - total[0]).max() < 1e-9
    assert potentials[-1].std() < 0.5 * potentials[0].std()


def test_touch_at_the_tail_raises_avb_and_at_the_head_ava(tmp_path: Path) -> None:
    """What the demonstration prints and draws."""
    *touches, plot = scripts.said("examples/08_celegans/run.py", "-o", tmp_path)
    assert [line.partition(":")[0] for line in touches] == ["tail", "head"]
    tail, head = ({name: float(mv) for name, mv in re.findall(r"(\w+) (\S+) mV", line)} for line in touches)
    assert Path(plot.split()[-1]).read_bytes().startswith(b"\x89PNG")
    for side in "LR":
        assert tail[f"AVB{side}"] > 0.3 and head[f"AVA{side}"] > 0.3
        assert head[f"AVB{side}"] < 0.1 * tail[f"AVB{side}"]
    assert tail["PVCL"] > 1 > head["PVCL"] and head["AVDL"] > 3 * tail["AVDL"]


def test_the_engines_agree() -> None:
    touch = np.zeros((30, 302))
    touch[10:, example().names().index("PLML")] = 1e-12
    runs = run_everywhere(EXAMPLE / "celegans.snn", {"touch": touch}, len(touch))
    assert differences(runs) == []
