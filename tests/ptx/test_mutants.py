"""The executor and its data tell wrong kernels from right ones: what `benchmarks/ptx_mutants.py` counts.

10 mutants by default, 96 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os

from tests.examples.scripts import script

mutants = script("benchmarks/ptx_mutants.py")
EACH = 12 if os.environ.get("SPIKEC_FULL") == "1" else 1


def test_nine_of_ten_mutants_are_caught() -> None:
    network = mutants.network()
    assert not network.caught(network.text)
    drawn = mutants.drawn(network, EACH, seed=0)
    assert len(drawn) >= 7 * EACH  # the update has no comparison to spare: both kernels, four operators
    left = list(mutants.survivors(network, drawn))
    assert len(left) <= (1 - mutants.ENOUGH) * len(drawn) + (EACH == 1), [mutant.text for mutant in left]
