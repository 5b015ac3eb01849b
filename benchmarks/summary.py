"""What rounds of a case come to: medians, ratios within rounds, activity, and whether all did the same work."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cases import Case
from environments import FAST, HANDWRITTEN, OURS, SHARED
from rounds import Round


@dataclass(frozen=True)
class Row:
    """One peer: seconds over rounds; `ratio` is its CPU time / ours, the median of those within rounds.

    `spikes` and `outputs` are those of the last round; `differing` tells which of them are too far from ours, and
    `steps` is given where it ran fewer than we did: then seconds and spikes are scaled.
    """

    median_cpu_seconds: float
    least_cpu_seconds: float
    median_wall_seconds: float
    ratio: float
    spikes: dict[str, int]
    outputs: list[int]
    differing: list[str]
    steps: int | None


@dataclass(frozen=True)
class Activity:
    """By our count, `per` biological "second" or "step": additions of a weight, and spikes of a neuron."""

    events: float
    rate: float
    per: str

    def __str__(self) -> str:
        spikes = f"{self.rate:.2f} Hz" if self.per == "second" else f"{self.rate:.4f} spikes a neuron and step"
        return f"{_short(self.events)} synaptic events a {self.per}, {spikes}"


@dataclass(frozen=True)
class Summary:
    """A case: rows by peer, and ratios of CPU times, None where there is nobody to compare with."""

    about: str
    rounds: list[Round]
    rows: dict[str, Row]
    activity: Activity
    fastest: str | None
    fastest_by_ours: float | None
    ours_by_handwritten: float | None
    failed: dict[str, str]

    def wrong(self) -> Iterator[str]:
        """The peers that did other work than we did."""
        for name, row in self.rows.items():
            yield from (f"{name} did other work, {text}" for text in row.differing)


def summary(case: Case, rounds: Sequence[Round], failed: Mapping[str, str]) -> Summary:
    """Of rounds that all have our answer; `failed` tells by peer what went wrong."""
    rows = {name: _row(case, rounds, name) for name in rounds[0]}
    ratios = {name: row.ratio for name, row in rows.items()}
    fastest = min(
        ratios.keys() - {one.name for one in (OURS, FAST, HANDWRITTEN, SHARED)},
        key=lambda name: ratios[name],
        default=None,
    )
    return Summary(
        case.about,
        list(rounds),
        rows,
        _activity(case, rounds[0][OURS.name]),
        fastest,
        ratios[fastest] if fastest else None,
        1 / ratios[HANDWRITTEN.name] if HANDWRITTEN.name in ratios else None,
        dict(failed),
    )


def _row(case: Case, rounds: Sequence[Round], name: str) -> Row:
    def all_of(key: str) -> list[float]:
        return [result[name][key] for result in rounds]

    ratios = [result[name]["cpu_seconds"] / result[OURS.name]["cpu_seconds"] for result in rounds]
    last, own, steps = rounds[-1][name], rounds[-1][OURS.name], case.over(f"peers.{name}").steps
    return Row(
        statistics.median(all_of("cpu_seconds")),
        min(all_of("cpu_seconds")),
        statistics.median(all_of("wall_seconds")),
        statistics.median(ratios),
        {population: last["spikes"][population] for population in case.neurons},
        last["outputs"],
        list(_differing(case, last, own)),
        steps if steps != case.steps else None,
    )


def _differing(case: Case, answer: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """The populations and outputs whose counts are too far from ours, each with both counts."""
    pairs = [(name, answer["spikes"][name], own["spikes"][name]) for name in case.neurons]
    if answer["outputs"]:
        outputs = zip(answer["outputs"], own["outputs"], strict=True)
        pairs += [(f"output {index}", theirs, ours) for index, (theirs, ours) in enumerate(outputs)]
    for name, theirs, ours in pairs:
        if abs(theirs - ours) > max(1, case.values["tolerance"] * ours):
            yield f"{name}: {theirs} spikes, ours {ours}"


def _activity(case: Case, own: Mapping[str, Any]) -> Activity:
    steps = case.steps * case.values.get("samples", case.values.get("batch", 1))
    span, per = (steps * case.values["dt_ms"] / 1000, "second") if "dt_ms" in case.values else (steps, "step")
    spikes = sum(own["spikes"][name] for name in case.neurons)
    return Activity(own["events"] / span, spikes / sum(case.neurons.values()) / span, per)


# ---------------------------------------------------------------- as text


def lines(case: Case, result: Summary) -> Iterator[str]:
    """The table of one case."""
    yield f"  {'':<22}{'CPU median':>12}{'least':>12}{'wall':>12}{'/ ours':>9}   spikes of {', '.join(case.neurons)}"
    for name, row in result.rows.items():
        seconds = (row.median_cpu_seconds, row.least_cpu_seconds, row.median_wall_seconds)
        ratio = "" if name == OURS.name else f"{row.ratio:.2f}"
        steps = f"  (ran {row.steps:,} steps: scaled)" if row.steps else ""
        spikes = ", ".join(f"{count:,}" for count in row.spikes.values())
        yield f"  {name:<22}{''.join(f'{s * 1000:>9.2f} ms' for s in seconds)}{ratio:>9}   {spikes}{steps}"
    yield f"  {ratios(result)}; {result.activity}; {len(result.rounds)} rounds"
    yield from (f"  {text}" for text in result.wrong())


def ratios(result: Summary) -> str:
    parts = []
    if result.fastest:
        parts.append(f"{result.fastest} / ours {result.fastest_by_ours:.2f}")
    if result.ours_by_handwritten:
        parts.append(f"ours / handwritten C {result.ours_by_handwritten:.2f}")
    return ", ".join(parts) or "nobody to compare with"


def table(results: Mapping[str, Summary]) -> Iterator[str]:
    """One line a case."""
    yield f"{'case':<22}{'ours, CPU':>12}   {'fastest peer':<24}{'/ ours':>8}{'ours / C':>10}   activity"
    for name, result in results.items():
        ours = f"{result.rows[OURS.name].median_cpu_seconds * 1000:.2f} ms"
        by_ours = f"{result.fastest_by_ours:.2f}" if result.fastest_by_ours else ""
        by_c = f"{result.ours_by_handwritten:.2f}" if result.ours_by_handwritten else ""
        yield f"{name:<22}{ours:>12}   {result.fastest or '-':<24}{by_ours:>8}{by_c:>10}   {result.activity}"


def _short(number: float) -> str:
    """A number in four places at most: 1.9 M, 430 M, 52 k, 310."""
    for factor, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= factor:
            return f"{number / factor:.3g}{sign}"
    return f"{number:.3g}"
