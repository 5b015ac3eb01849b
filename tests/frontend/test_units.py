"""Units: exact factors, dimensions and their names; the grammar and the table list the same units."""

from __future__ import annotations

from fractions import Fraction

import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend import syntax, units
from spikec.frontend.parse import parse_expression


@pytest.mark.parametrize(
    ("text", "scale", "dimension"),
    [
        ("ms", Fraction(1, 1000), units.TIME),
        ("min", Fraction(60), units.TIME),
        ("mV", Fraction(1, 1000), units.VOLTAGE),
        ("pA", Fraction(1, 10**12), units.CURRENT),
        ("nS", Fraction(1, 10**9), units.CONDUCTANCE),
        ("pF", Fraction(1, 10**12), units.CAPACITANCE),
        ("kHz", Fraction(1000), units.RATE),
        ("um", Fraction(1, 10**6), units.LENGTH),
        ("MOhm", Fraction(10**6), units.VOLTAGE / units.CURRENT),
        ("mV/ms", Fraction(1), units.VOLTAGE / units.TIME),
        ("mV^2", Fraction(1, 10**6), units.VOLTAGE**2),
        ("ms^-1", Fraction(1000), units.RATE),
        ("pA/mV", Fraction(1, 10**9), units.CONDUCTANCE),
        ("pA/ms^2", Fraction(1, 10**6), units.CURRENT / units.TIME**2),
        ("um2", Fraction(1, 10**12), units.LENGTH**2),
        ("uF/cm^2", Fraction(1, 100), units.CAPACITANCE / units.LENGTH**2),
        ("uF/cm2", Fraction(1, 100), units.CAPACITANCE / units.LENGTH**2),
        ("steps", Fraction(1), units.TIME),
        ("rad", Fraction(1), units.NUMBER),
    ],
)
def test_units(text: str, scale: Fraction, dimension: units.Dimension) -> None:
    assert units.parse_unit(text) == (scale, dimension)


def test_physics() -> None:
    assert units.CONDUCTANCE * units.VOLTAGE == units.CURRENT
    assert units.CAPACITANCE / units.CONDUCTANCE == units.TIME
    assert units.CAPACITANCE * units.VOLTAGE == units.CHARGE
    assert units.RATE * units.TIME == units.NUMBER
    assert (units.TIME ** Fraction(1, 2)) ** 2 == units.TIME
    assert (units.VOLTAGE / units.VOLTAGE).is_number
    assert not units.VOLTAGE.is_number


@pytest.mark.parametrize(
    ("dimension", "name", "unit"),
    [
        (units.NUMBER, "number", "1"),
        (units.VOLTAGE, "voltage", "V"),
        (units.VOLTAGE / units.TIME, "voltage / time", "V/s"),
        (units.CURRENT / units.CAPACITANCE, "voltage / time", "V/s"),
        (units.TIME**2, "time^2", "s^2"),
        (units.VOLTAGE * units.CURRENT, "voltage * current", "V A"),
        (units.VOLTAGE**2, "voltage^2", "V^2"),
        (units.VOLTAGE**-1, "voltage^-1", "V^-1"),
        (units.VOLTAGE * units.TIME, "time * voltage", "s V"),
        (units.CAPACITANCE / units.LENGTH**2, "capacitance / area", "F/m^2"),
        (units.VOLTAGE ** Fraction(1, 2), "kg^1/2 m s^-3/2 A^-1/2", "kg^1/2 m s^-3/2 A^-1/2"),
    ],
)
def test_names_in_messages(dimension: units.Dimension, name: str, unit: str) -> None:
    assert (units.describe(dimension), str(dimension), units.si_unit(dimension)) == (name, name, unit)


def test_steps_are_counted() -> None:
    half = Fraction(1, 2000)
    assert units.parse_unit("steps", (half, units.TIME)) == (half, units.TIME)
    assert units.parse_unit("steps/ms", (half, units.TIME)) == (Fraction(1, 2), units.NUMBER)
    assert units.parse_unit("steps^2", (Fraction(1), units.NUMBER)) == (Fraction(1), units.NUMBER)


def test_unknown_units() -> None:
    for text in ("msec", "ms/A", "ms/", "/ms", "ms^", "ms^x", "", "mV/ms/ms"):
        with pytest.raises(KeyError):
            units.parse_unit(text)


def test_the_grammar_knows_every_unit() -> None:
    for text in [
        *units.UNITS,
        *(f"{a}/{b}" for a in units.UNITS for b in units.DENOMINATORS),
        "mV^2",
        "ms^-1",
        "pA/ms^2",
    ]:
        diagnostics = Diagnostics()
        tree = parse_expression(f"2 {text}", "test.snn", diagnostics)
        assert isinstance(tree, syntax.Quantity), text
        assert tree.unit == text
        units.parse_unit(tree.unit)


def test_the_grammar_knows_no_other_unit() -> None:
    for text in ("MV", "GHz", "km", "g", "C", "h", "kA", "Sec", "ks", "ms2", "mss"):
        diagnostics = Diagnostics()
        assert parse_expression(f"2 {text}", "test.snn", diagnostics) is None
        assert [d.code for d in diagnostics.items] == ["E0113"]
