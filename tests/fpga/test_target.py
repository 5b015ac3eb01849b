"""The text after `--target`: families, devices and options, and what is wrong with them."""

from __future__ import annotations

import pytest
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.diagnostics import UsageError


def test_a_plain_target_is_for_the_first_device_of_xilinx() -> None:
    target = FpgaTarget.parse("fpga")
    assert (target.name, target.family, target.device.name) == ("fpga", "xilinx", "xc7a35t")
    assert (target.clock, target.latency, target.steps, target.activity) == (100e6, None, 100, 0.1)
    assert (target.lanes, target.luts, target.blocks, target.writable) == (None, None, None, False)


def test_options_are_read() -> None:
    text = "fpga:ecp5{ device = 45k, latency=300us,steps=25 , clock=107.5 MHz,activity=0.25,lut=900,bram=7,lanes=4}"
    target = FpgaTarget.parse(text)
    assert (target.device.family, target.device.name) == ("ecp5", "45k")
    assert target.latency == pytest.approx(300e-6)
    assert target.clock == pytest.approx(107.5e6)
    assert (target.steps, target.activity, target.luts, target.blocks, target.lanes) == (25, 0.25, 900, 7, 4)
    assert FpgaTarget.parse("fpga{lanes=a:16+b_core:2,weights=writable}").lanes == {"a": 16, "b_core": 2}
    assert FpgaTarget.parse("fpga{weights=writable}").writable
    assert FpgaTarget.parse("fpga{latency=2e-1 ms}").latency == pytest.approx(2e-4)


def test_the_clock_is_one_that_the_device_reaches() -> None:
    assert FpgaTarget.parse("fpga:ice40{device=up5k}").clock < FpgaTarget.parse("fpga:ice40").clock < 100e6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fpga:ecp6", "unknown family 'ecp6'; did you mean 'ecp5'?"),
        ("fpga:", "unknown family ''; there is xilinx, ecp5, ice40, gowin"),
        ("fpga:ecp5{device=46k}", "device: ecp5 has no '46k'; did you mean '45k'?"),
        ("fpga:ice40{device=xc7a35t}", "device: ice40 has no 'xc7a35t'; there is hx8k"),
        ("fpga{lane=4}", "there is no option 'lane'; did you mean 'lanes'?"),
        ("fpga{lanes=0}", "lanes: '0' is not a whole number of at least 1"),
        ("fpga{lanes=a:2+b}", "lanes: 'b' is not CORE:N"),
        ("fpga{lanes=a:2+a:3}", "lanes: 'a' is given twice"),
        ("fpga{latency=300}", "latency: '300' is not a time; write a number with one of s, ms, us, ns"),
        ("fpga{latency=0us}", "latency: '0us' is not a time"),
        ("fpga{clock=fast}", "clock: 'fast' is not a frequency"),
        ("fpga{activity=1.5}", "activity: '1.5' is not a number above 0 and up to 1"),
        ("fpga{weights=fix}", "weights: 'fix' is not one of fixed, writable; did you mean 'fixed'?"),
        ("fpga:ecp5{steps=3", "the closing brace is missing"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        FpgaTarget.parse(text)
    assert str(error.value).startswith(f"--target {text}: ")
    assert message in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as error:
        FpgaTarget.parse("fpga:ecp5{device=44k,latency=soon,speed=9")
    wrong = ["closing brace", "'soon'", "'speed'", "'44k'"]
    lines = str(error.value).splitlines()
    assert len(lines) == 1 + len(wrong)
    assert all(word in line for word, line in zip(wrong, lines[1:], strict=True))
