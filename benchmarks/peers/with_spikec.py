"""Every network compiled by spikec, one thread; with `--fast-math` in roundings that are not the language's.

The artifact is written ahead. What is timed: without inputs from outside, one call of the compiled loop; with them, one
call of `Executable.run` for each batch, which checks the inputs, sets the first state, runs all samples and gathers the
outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from cases import cases
from models import inputs, network
from protocol import Case, Result, Stopwatch, Task, serve


def prepare(case: Case, folder: Path) -> None:
    fast = "--fast-math" in case.get("options", ())
    spikec.compile(network(case), fast_math=fast).save(folder / "artifact", force=True)


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    net = spikec.open(folder / "artifact")
    given = batches(inputs(case), case.get("batch"))

    def loop() -> Result:
        net.reset()
        with Stopwatch() as taken:
            trace = net.engine.advance({}, frozenset(), case["steps"])
        return Result(taken.cpu_seconds, taken.wall_seconds, trace.emitted, events=trace.synaptic_events)

    def run() -> Result:
        with Stopwatch() as taken:
            results = [net.run(batch, case["steps"], case.get("batch")) for batch in given]
        counts = {name: sum(result.counts[name] for result in results) for name in results[0].counts}
        events = sum(result.synaptic_events for result in results)
        return Result(taken.cpu_seconds, taken.wall_seconds, counts, summed(results), events)

    def summed(results: list[spikec.Run]) -> tuple[int, ...]:
        """Spikes of each output neuron, over all steps and samples."""
        return tuple(
            int(count)
            for output in net.interface.outputs
            for count in sum(
                result.outputs[output.name].reshape(-1, output.shape[-1]).sum(0, dtype=int) for result in results
            )
        )

    return run if given else loop


def batches(given: Mapping[str, npt.NDArray[Any]], size: int | None) -> list[dict[str, npt.NDArray[Any]]]:
    """Inputs of all samples as those of batches of a size; one without samples where it is None."""
    if size is None or not given:
        return [dict(given)] if given else []
    parts = {name: np.split(array, len(array) // size) for name, array in given.items()}
    return [dict(zip(parts, arrays, strict=True)) for arrays in zip(*parts.values(), strict=True)]


if __name__ == "__main__":
    serve(__doc__, {case.network: Task(ready, prepare) for case in cases().values()})
