"""What `tests/cpu` asks of each op of level `step`, in all its forms, asked of kernels on the emulated device.

The fixtures of this folder stand in for the CPU's.  A sixteenth of the tests runs by default, all with SPIKEC_FULL=1.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from tests.cpu import test_integers, test_ops, test_packed, test_procedural, test_programs, test_windows

CPU_ALONE = {
    "test_every_vector_width",
    "test_powers_are_shifted_and_not_multiplied",
    "test_the_header_has_integer_types_and_scales",
    # They look into the CPU's memory.
    "test_silence_keeps_minus_zero",
    "test_draw_beyond_32_bits_of_steps",
    "test_a_decaying_state_ends_at_zero",
    "test_from_silence_to_all_inputs",
}


def corpus() -> dict[str, Callable[..., None]]:
    """The tests that run a program, by names that tell their modules apart."""
    found = {}
    for module in (test_integers, test_ops, test_packed, test_procedural, test_programs, test_windows):
        for name, test in vars(module).items():
            if name.startswith("test_") and "both" in signature(test).parameters and name not in CPU_ALONE:
                found[f"{module.__name__.rpartition('.')[2]}_{name.removeprefix('test_')}"] = test
    return found


globals().update(corpus())
