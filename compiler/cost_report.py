"""`spikec cost`: what a run of a model costs on a target, as a table and as JSON.

How many events there are is taken from what `run --json` measured, or assumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from spikec.analysis import layers
from spikec.analysis.cost_model import ASSUMED, CLOCK
from spikec.analysis.estimate import TARGETS, rounded
from spikec.analysis.layers import COUNTED, Account, Activity, Layer
from spikec.choices import REFERENCE
from spikec.compilation import Compilation
from spikec.dialects.diagnostics import CompileError, UsageError, did_you_mean
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.runtime.arrays import fail
from spikec.runtime.memory import shown
from spikec.runtime.run import Run

COLUMNS = (
    "layer",
    "size",
    "storage",
    "b_w",
    "b_s",
    "weights, bytes",
    "state, bytes",
    "synaptic events",
    "additions",
    "multiplications",
    "bits moved",
    "S-ACE",
    "energy, nJ",
    "share, %",
)


@dataclass(frozen=True)
class Measured:
    """What a run did, and where that is written."""

    source: str
    batch: int | None
    activity: Activity

    @staticmethod
    def of(run: Run) -> Measured:
        return Measured("a run", run.batch, Activity(run.steps, run.batch or 1, run.counts, run.projections))


@dataclass(frozen=True)
class Report:
    """The account of a run and what it was made from; `measured` is None at assumed rates."""

    model: str
    target: str
    pipeline: str
    measured: Measured | None
    activity: Activity
    account: Account

    @property
    def batch(self) -> int | None:
        return self.measured.batch if self.measured else None

    @property
    def step_seconds(self) -> float | None:
        """The time of a step by the model of the target."""
        return None if self.account.cycles is None else self.account.cycles / CLOCK[self.target] / 1e9


def report(
    compilation: Compilation, levels: tuple[Program, Program], target: str, measured: Measured | None, steps: int
) -> Report:
    """What a run of a network costs, at both of its `levels`: the measured one, or `steps` steps at assumed rates.

    Raises CompileError where another network was measured; UsageError for a target without a model.
    """
    name = known_target(target)
    network, program = levels
    if measured:
        _check(measured, network, program)
    activity = measured.activity if measured else layers.assumed(network, program, steps)
    account = layers.account(network, program, activity, None if name == REFERENCE else name)
    model = program.module.operation.attributes["step.model"].value
    return Report(model, name, str(compilation.pipeline()), measured, activity, account)


def known_target(text: str) -> str:
    """The target of a text such as `fpga:ecp5` that has a model of its costs.  Raises UsageError."""
    name = text.partition("{")[0].partition(":")[0]
    known = (*TARGETS, REFERENCE)
    if name not in known:
        near = did_you_mean(name, known)
        raise UsageError(f"no costs are known of the target '{text}'; {near or 'there is ' + ', '.join(known)}")
    return name


# ---------------------------------------------------------------- what was measured


def read(path: Path) -> Measured:
    """The counts of the object that `run --json` printed.  Raises CompileError."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise fail("E0701", path, f"no such file: {path}") from None
    except OSError as error:
        raise fail("E0704", path, f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _no_run(path, f"it is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise _no_run(path, "it is not an object")
    batch = data.get("batch")
    for name, count in (("steps", data.get("steps")), ("batch", 1 if batch is None else batch)):
        if not _is_count(count) or count < 1:
            raise _no_run(path, f"'{name}' is {json.dumps(count)}")
    for name in ("spikes", "projections"):
        counts = data.get(name)
        if not isinstance(counts, dict) or not all(_is_count(count) for count in counts.values()):
            raise _no_run(path, f"'{name}' is no object of counts")
    if data.get("synaptic_events") != sum(data["projections"].values()):
        raise _no_run(path, "'synaptic_events' is not the sum of 'projections'")
    return Measured(str(path), batch, Activity(data["steps"], batch or 1, data["spikes"], data["projections"]))


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _no_run(path: Path, why: str) -> CompileError:
    return fail("E0723", path, f"{path} tells of no run: {why}", "write it with: spikec run MODEL --json > run.json")


def _check(measured: Measured, network: Program, program: Program) -> None:
    """Raises CompileError where counts cannot be those of this network."""
    activity = measured.activity
    limits = {
        "populations": (activity.spikes, layers.neurons(network), "events"),
        "projections": (activity.projections, layers.synapses(network, program), "additions"),
    }
    for kind, (counted, sizes, what) in limits.items():
        why = next(_differences(counted, sizes, activity, kind, what), None)
        if why:
            help = "run the model with the same -P, --pipeline, --seed and --float"
            message = f"{measured.source} is of another network: {why}"
            raise fail("E0724", None, message, help)


def _differences(
    counted: Mapping[str, float], sizes: Mapping[str, int], activity: Activity, kind: str, what: str
) -> Iterator[str]:
    for name in [*counted, *sizes]:
        if name not in sizes:
            yield f"the model has none of its {kind} '{name}'"
        elif name not in counted:
            yield f"it has none of the model's {kind} '{name}'"
        elif counted[name] > sizes[name] * activity.slices:
            yield f"'{name}' has {counted[name]:g} {what}, and at most {sizes[name] * activity.slices} are possible"


# ---------------------------------------------------------------- JSON


def data(report: Report) -> dict[str, Any]:
    """The report for JSON: `run` has sums over all steps and samples, `step` the means of a step of one sample."""
    activity, account, seconds = report.activity, report.account, report.step_seconds
    return {
        "model": report.model,
        "target": report.target,
        "pipeline": report.pipeline,
        "rates": "measured" if report.measured else "assumed",
        "steps": activity.steps,
        "batch": report.batch,
        "spikes": {name: _number(count) for name, count in activity.spikes.items()},
        "synaptic_events": _number(sum(activity.projections.values())),
        "projections": {name: _number(count) for name, count in activity.projections.items()},
        "layers": [_layer(layer, report) for layer in account.layers],
        "total": _layer(account.total, report),
        "bit_budget": _number(_bit_budget(account.total, activity)),
        "cycles": None if account.cycles is None else _number(account.cycles),
        "seconds": None if seconds is None else {"step": seconds, "run": seconds * activity.steps},
    }


def _layer(layer: Layer, report: Report) -> dict[str, Any]:
    counts = {name: getattr(layer, name) for name in COUNTED}
    if report.account.cycles is None:
        del counts["energy_nj"]
    found: dict[str, Any] = {"name": layer.name, "kind": layer.kind}
    if layer.kind != "other":
        found["neurons" if layer.kind == "population" else "synapses"] = layer.size
    if layer.kind == "projection":
        found |= {"storage": layer.storage, "weight_bits": layer.weight_bits, "spike_bits": layer.spike_bits}
    found |= {"weight_bytes": layer.weight_bytes, "state_bytes": layer.state_bytes}
    for name, slices in (("run", 1), ("step", report.activity.slices)):
        found[name] = {key: _number(count / slices if slices > 1 else count) for key, count in counts.items()}
    return found


def _bit_budget(layer: Layer, activity: Activity) -> float:
    """T * b_w * b_s, of a network the mean over its synapses."""
    return layer.s_ace / (layer.size * activity.samples) if layer.size else 0.0


def _number(value: float) -> float | int:
    """A whole number as an int: what was counted is exact."""
    return int(value) if value == int(value) else value


# ---------------------------------------------------------------- for people


def table(report: Report) -> Table:
    """The layers with their sums over the run, and the means of a step."""
    activity, account = report.activity, report.account
    samples = f"{report.batch} samples of " if report.batch else ""
    title = f"{report.model} on {report.target}: {samples}{activity.steps} step{'s' * (activity.steps != 1)}, "
    measured = report.measured
    title += f"counted in {measured.source}" if measured else f"assumed {ASSUMED:g} events per neuron and step"
    rows = [_row(layer, report, 1) for layer in account.layers]
    rows.append(_row(account.total, report, 1))
    if activity.slices > 1:
        rows.append(_row(account.total, report, activity.slices, "a step"))
    return Table(title, COLUMNS, tuple(rows))


def _row(layer: Layer, report: Report, slices: int, name: str | None = None) -> tuple[Any, ...]:
    """A layer; the share is that of energy, or of additions where no energy is known."""
    by = "additions" if report.account.cycles is None else "energy_nj"
    whole = getattr(report.account.total, by)
    counts = [
        getattr(layer, n) / slices for n in ("synaptic_events", "additions", "multiplications", "bits_moved", "s_ace")
    ]
    return (
        name or layer.name,
        layer.size or None,
        layer.storage or None,
        layer.weight_bits,
        layer.spike_bits,
        layer.weight_bytes,
        layer.state_bytes,
        *(rounded(count) for count in counts),
        None if report.account.cycles is None else rounded(layer.energy_nj / slices),
        rounded(100 * getattr(layer, by) / whole) if whole else None,
    )


def facts(report: Report) -> Iterator[str]:
    """What follows from the sums, a line each."""
    total, activity, seconds = report.account.total, report.activity, report.step_seconds
    budget, ace, used = (rounded(n) for n in (_bit_budget(total, activity), total.s_ace, total.ns_ace))
    yield f"bit budget T * b_w * b_s: {budget}; S-ACE {ace}, NS-ACE {used}"
    yield f"weights {shown(total.weight_bytes)}, state {shown(total.state_bytes)}"
    if seconds is not None and report.account.cycles is not None:
        cycles, clock, whole = rounded(report.account.cycles), CLOCK[report.target], seconds * activity.steps
        yield f"a step takes {cycles} cycles, {seconds * 1e6:.3g} us at {clock:g} GHz; a run {whole * 1e3:.3g} ms"
    if report.measured is None:
        yield "to count events: spikec run MODEL --json > run.json, then spikec cost MODEL --rates run.json"
