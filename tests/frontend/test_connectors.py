"""What the front end says of wrong connectors, weights and places."""

from __future__ import annotations

from pathlib import Path

import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.build import build
from spikec.frontend.parse import parse

MODEL = """model M {
  step 1 ms
  neuron N { in I; var V = 0; V := V + I; spike when V > 1 { V := 0 } }
  neuron Volts { in I : voltage; var V : voltage = 0 mV; V := I; spike when V > 1 mV { V := 0 mV } }
  input x : spikes[2, 6, 6]
  pop a : N[12] at grid(3, 4)
  pop b : N[5]
  pop c : N[4, 5, 5]
  pop v : Volts[5]
  param K : real[4, 2, 3, 3] = 0.1
  param w : real[3] = 0.1
  proj PROJECTION
}
"""


@pytest.mark.parametrize(
    ("projection", "code", "message"),
    [
        ("a -> b.I { connect prob(0.5) repeat }", "E0501", "'repeat' has no meaning"),
        ("a -> b.I { connect all seed 1 }", "E0501", "nothing is drawn"),
        ("a -> b.I { weight 0.1 seed 1 }", "E0501", "nothing is drawn"),
        ("a -> b.I { connect fixed_in }", "E0306", "is written fixed_in(k)"),
        ("a -> b.I { connect fixed_in(1.5) }", "E0301", "whole number"),
        ("a -> b.I { connect fixed_in(-1) }", "E0301", "at least 0"),
        ("a -> b.I { connect fixedin(3) }", "E0201", "unknown connector"),
        ("a -> b.I { connect prob(distance(pre, post)) }", "E0602", "'b' has no places"),
        ("a -> a.I { connect prob(distance(pre)) ; delay 1 ms }", "E0306", "2 arguments"),
        ("a -> a.I { connect prob(distance(pre, 3)) ; delay 1 ms }", "E0306", "distance(pre, post)"),
        ("a -> a.I { connect prob(pre * 1 mV); delay 1 ms }", "E0602", "a number from 0 to 1"),
        ("a -> b.I { connect all if pre + post }", "E0302", "needs a condition"),
        ("a -> b.I { weight w[pre] }", "E0303", "(12)|[12]"),
        ("a -> b.I { weight uniform(0, 1) * w }", "E0303", "is needed"),
        ("a -> b.I { weight b * uniform(0, 1) }", "E0301", "a weight is constant"),
        ("a -> v.I { weight normal(0, 1) }", "E0401", "voltage"),
        ('a -> b.I { weight from("wiring.csv") }', "E0602", "belongs to the synapses of that table"),
        ("a -> v.I { connect from([[0, 1, 0.5]]) }", "E0401", "voltage"),
        ("a -> b.I { connect from([[0, 1, 0.5, 2]]) }", "E0607", "delays"),
        ("a -> b.I { connect from([[0, 9]]) }", "E0607", "the target 9"),
        ("x -> c.I { connect conv(3, pad = 1) }", "E0303", "makes"),
        ("x -> c.I { connect conv(); weight 0.5 }", "E0303", "size of the window"),
        ("a -> b.I { connect conv(3) }", "E0303", "'conv' joins"),
        ("x -> c.I { connect conv(2, depth = 3) }", "E0306", "no option 'depth'"),
        ("a -> b[3:9].I", "E0303", "outside"),
        ("a -> w.I", "E0602", "no population"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(projection: str, code: str, message: str) -> None:
    diagnostics = Diagnostics()
    file = parse(MODEL.replace("PROJECTION", projection), "m.snn", diagnostics)
    assert file is not None and not diagnostics.items
    build(file, {}, diagnostics, Path())
    found = [d for d in diagnostics.items if d.severity == "error"]
    assert [d.code for d in found] == [code], found
    assert any(part in found[0].message for part in message.split("|")), found[0].message
    assert found[0].span is not None and found[0].span.line == 12


@pytest.mark.parametrize("place", ["grid(3, 5)", "grid()", "grid(a = 3)", "circle(12)", "3"])
def test_places_that_are_none(place: str) -> None:
    diagnostics = Diagnostics()
    text = MODEL.replace("grid(3, 4)", place).replace("proj PROJECTION", "")
    file = parse(text, "m.snn", diagnostics)
    assert file is not None and not diagnostics.items
    build(file, {}, diagnostics, Path())
    (found,) = [d for d in diagnostics.items if d.severity == "error"]
    assert found.code in ("E0303", "E0306", "E0901") and found.span is not None and found.span.line == 6


@pytest.mark.parametrize("target", ["c.I", "c[0:4].I"])
def test_a_convolution_fits_the_shapes_of_its_ends(target: str) -> None:
    diagnostics = Diagnostics()
    text = MODEL.replace("N[4, 5, 5]", "N[4, 6, 6]").replace(
        "PROJECTION", f"x -> {target} {{ connect conv(pad = 1); weight K }}"
    )
    file = parse(text, "m.snn", diagnostics)
    assert file is not None and not diagnostics.items
    build(file, {}, diagnostics, Path())
    assert not [d for d in diagnostics.items if d.severity == "error"]
