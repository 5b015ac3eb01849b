"""A chart of CPU times relative to ours, one group of bars a case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from environments import OURS, PEERS
from summary import Summary


def draw(results: Mapping[str, Summary], path: Path) -> None:
    """Writes the chart; needs matplotlib, an extra of spikec called "plot"."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colours = {peer.name: pyplot.colormaps["tab20"](place % 20) for place, peer in enumerate(PEERS)}
    figure, axes = pyplot.subplots(figsize=(2 + 1.3 * len(results), 4.5), layout="constrained")
    labelled: set[str] = set()
    for group, result in enumerate(results.values()):
        others = [name for name in result.rows if name != OURS.name]
        width = 0.8 / max(1, len(others))
        for place, name in enumerate(others):
            label = "_" + name if name in labelled else name  # the underscore keeps it out of the legend
            at, height = group - 0.4 + (place + 0.5) * width, result.rows[name].ratio - 1
            axes.bar(at, height, width, bottom=1, color=colours[name], label=label)
            labelled.add(name)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylabel("CPU time / ours")
    axes.set_xticks(range(len(results)), results, rotation=30, ha="right")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
