"""What a NIR file does not say: the profiles and options of `--semantics`, and the neuron each primitive becomes.

A NIR file names differential equations.  How a framework steps through them, when it resets and what it does
with a spike is written in `std/nir/PROFILE.snn`, one neuron declaration for each primitive that the profile
defines.  A primitive that it does not define takes the neuron of nir-euler.  What concerns edges and not neurons
(initial values of recurrent edges, delays, recurrent subgraphs) is a property of `Semantics`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib import resources
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Diagnostics, InternalError, UsageError, did_you_mean
from spikec.frontend import syntax
from spikec.frontend.nir.graph import NEURONS, Graph, Node, Shape, report, shown
from spikec.frontend.parse import parse

OptionValue: TypeAlias = bool | float | str
Binding: TypeAlias = Array | float | int | bool

DEFAULT_PROFILE = "nir-euler"
SPIKING = frozenset(["LIF", "IF", "CubaLIF"])
# Fields that files of NIR before 1.0.6 leave out, and what they mean then.
ABSENT = MappingProxyType({"v_reset": 0.0, "w_in": 1.0})

# ---------------------------------------------------------------- the table of profiles and options

NUMBER = "a number"
BOOL = ("true", "false")


@dataclass(frozen=True)
class Option:
    """The values that an option may take (`NUMBER` stands for any), and the one it has if nobody says."""

    values: tuple[str, ...]
    default: OptionValue


@dataclass(frozen=True)
class Profile:
    """One way to execute NIR.

    `dt` is the time step where the framework has a fixed one.  `delayed` are the primitives whose outgoing edges
    all carry the value of the step before.
    """

    name: str
    options: Mapping[str, Option]
    dt: Fraction | None = None
    delayed: frozenset[str] = frozenset()

    @property
    def file(self) -> str:
        return self.name.replace("-", "_")


def _reset(default: str, *others: str) -> dict[str, Option]:
    return {"reset": Option((default, *others), default)}


def _flag(name: str, default: bool = False) -> dict[str, Option]:
    return {name: Option(BOOL, default)}


_ANY_RESET = _reset("value", "zero", "subtract", "none")
_CUBA_ORDER = {"cuba_order": Option(("new", "old"), "new")}


def _profile(
    name: str,
    *options: Mapping[str, Option],
    dt: Fraction | None = None,
    v0: str = "zero",
    delayed: Iterable[str] = (),
) -> Profile:
    """A profile with the options that all have, and its own."""
    table = {
        "rec_init": Option(("zero-spike", "zero-current"), "zero-spike"),
        "v0": Option(("zero", "v_leak", "v_reset"), v0),
        "rnn_subgraph": Option(("nir", "canonical"), "nir"),
    }
    for more in options:
        table |= more
    return Profile(name, MappingProxyType(table), dt, frozenset(delayed))


_TENTH_MS = Fraction(1, 10_000)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        p.name: p
        for p in (
            _profile("nir-euler", _ANY_RESET, _CUBA_ORDER),
            _profile("exponential", _ANY_RESET, _CUBA_ORDER),
            _profile("snntorch", _reset("subtract", "zero", "none"), _flag("reset_delay", default=True), dt=_TENTH_MS),
            _profile("norse", _ANY_RESET, {"cuba": Option(("lifcell", "import"), "lifcell")}, v0="v_leak"),
            _profile(
                "sinabs",
                _reset("subtract", "value", "zero", "none"),
                _flag("norm_input"),
                _flag("single_spike"),
                {"min_v_mem": Option(("-thr", NUMBER), "")},
                dt=Fraction(1),
            ),
            _profile(
                "spyx", _reset("subtract"), _flag("drop_rec_bias"), dt=Fraction(1), delayed=("IF", "LIF", "CubaLIF")
            ),
            _profile("rockpool", _reset("subtract"), dt=Fraction(1, 1000)),
            _profile("spikingjelly", _reset("value"), dt=_TENTH_MS, v0="v_reset"),
            _profile("nengo", _reset("zero"), {"spike_scale": Option((NUMBER,), 1.0)}, delayed=("LI", "CubaLIF")),
            _profile("lava", _reset("zero"), _flag("delay_shift"), dt=_TENTH_MS),
        )
    }
)

# ---------------------------------------------------------------- semantics


@dataclass(frozen=True)
class Semantics:
    """A profile with a value for each of its options, and the time step (None: not given, and no default).

    `given` names what was said on the command line: options, "profile", "dt".
    """

    profile: str
    options: Mapping[str, OptionValue]
    dt: Fraction | None
    given: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, semantics: str | None = None, dt: str | None = None) -> Semantics:
        """The semantics that the texts of `--semantics` and `--dt` ask for.

        Raises UsageError for an unknown profile, option or value.
        """
        name, *settings = [part.strip() for part in (semantics or DEFAULT_PROFILE).split(",")]
        if name not in PROFILES:
            raise UsageError(f"--semantics: unknown profile '{name}'; {_suggest(name, PROFILES)}")
        profile = PROFILES[name]
        options: dict[str, OptionValue] = {key: option.default for key, option in profile.options.items()}
        given = set() if semantics is None else {"profile"}
        for setting in settings:
            key, value = _setting(profile, setting)
            if key in given:
                raise UsageError(f"--semantics gives '{key}' twice")
            options[key] = value
            given.add(key)
        if dt is not None:
            given.add("dt")
        return cls(name, MappingProxyType(options), profile.dt if dt is None else _time_step(dt), frozenset(given))

    # ------------------------------------------------------------ what concerns edges

    @property
    def zero_current(self) -> bool:
        """Recurrent edges carry 0 before step 0; otherwise what their path makes of no spikes."""
        return self.options["rec_init"] == "zero-current"

    @property
    def canonical_rnn(self) -> bool:
        """A subgraph {Input, Output, neuron, dense} is the canonical recurrent layer, whatever its edges say."""
        return self.options["rnn_subgraph"] == "canonical"

    @property
    def drop_rec_bias(self) -> bool:
        """The bias of a dense node that feeds a neuron's spikes back to it is left out."""
        return self.options.get("drop_rec_bias") is True

    @property
    def axonal_delay(self) -> bool:
        """What leaves a neuron, and does not come back to it, takes one step more."""
        return self.options.get("delay_shift") is True

    def delayed_outputs(self, node_type: str) -> bool:
        """Every edge that leaves such a node carries the value of the step before (0 before step 0).

        A cycle through it needs no other delay: its recurrent edge is not to be delayed again.
        """
        return node_type in PROFILES[self.profile].delayed


def _setting(profile: Profile, text: str) -> tuple[str, OptionValue]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals:
        raise UsageError(f"--semantics: '{text}' is not KEY=VALUE")
    if key not in profile.options:
        owners = [p.name for p in PROFILES.values() if key in p.options]
        help = f"it belongs to {', '.join(owners)}" if owners else _suggest(key, profile.options)
        raise UsageError(f"--semantics: profile '{profile.name}' has no option '{key}'; {help}")
    return key, _value(profile, key, value)


def _value(profile: Profile, key: str, text: str) -> OptionValue:
    values = profile.options[key].values
    if values == BOOL and text in BOOL:
        return text == "true"
    if text in values and text != NUMBER:
        return text
    if NUMBER in values and (number := _finite(text)) is not None:
        return number
    allowed = " or ".join(values)
    near = did_you_mean(text, [value for value in values if value != NUMBER])
    message = f"--semantics: profile '{profile.name}' takes {allowed} for '{key}', not '{text}'"
    raise UsageError(message + (f"; {near}" if near else ""))


def _time_step(text: str) -> Fraction:
    value = _finite(text)
    if value is None or value <= 0:
        raise UsageError(f"--dt: '{text}' is not a positive number")
    return Fraction(text.strip())


def _finite(text: str) -> float | None:
    """A decimal number; its size is known before anything exact is made of its text."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text.strip()):
        return None
    value = float(text)
    return value if isfinite(value) else None


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return did_you_mean(name, names) or f"there is {', '.join(names)}"


# ---------------------------------------------------------------- neurons


@cache
def declarations(profile: str) -> Mapping[str, syntax.Neuron]:
    """The neuron declarations of a profile's file, by name; most are named after the primitive they execute."""
    file = f"{PROFILES[profile].file}.snn"
    text = resources.files("spikec.std.nir").joinpath(file).read_text("utf-8")
    diagnostics = Diagnostics()
    tree = parse(text, f"std/nir/{file}", diagnostics)
    if tree is None or diagnostics.has_errors:
        raise InternalError("\n".join(d.render(text) for d in diagnostics.items), f"reading std/nir/{file}")
    return MappingProxyType({d.name: d for d in tree.declarations if isinstance(d, syntax.Neuron)})


class Chosen(NamedTuple):
    """The neuron that executes a primitive; `fallback` where the profile asked for does not define it."""

    profile: str
    name: str
    fallback: bool

    @property
    def declaration(self) -> syntax.Neuron:
        return declarations(self.profile)[self.name]


def neuron_for(node_type: str, semantics: Semantics) -> Chosen:
    """The neuron for a primitive of `NEURONS`: the profile's, or that of nir-euler."""
    if node_type == "CubaLIF" and semantics.options.get("cuba") == "import":
        return Chosen(semantics.profile, "CubaLIF_import", fallback=False)
    if node_type in declarations(semantics.profile):
        return Chosen(semantics.profile, node_type, fallback=False)
    return Chosen(DEFAULT_PROFILE, node_type, fallback=True)


def needs_dt(node_type: str, semantics: Semantics) -> bool:
    """Does the meaning of such a node depend on the time step?"""
    if node_type in ("I", "IF"):
        return neuron_for(node_type, semantics).profile in ("nir-euler", "exponential")
    return node_type in NEURONS or node_type == "Delay"


def bindings(
    node: Node, semantics: Semantics, shape: Shape | None = None, recurrent: bool = False
) -> dict[str, Binding]:
    """The values of all parameters of the node's neuron (`neuron_for`).

    Arrays are f64, of the population's `shape` where it is given; one value for all cells is a number.
    `recurrent` says that the node lies on a cycle of the graph.  `faults` must have found nothing.
    """
    chosen = neuron_for(node.type, semantics)
    reset = _reset_of(semantics, chosen)
    values: dict[str, Binding] = {**_settings(node, semantics, recurrent), **_resets(reset)}
    for formal in chosen.declaration.params:
        if formal.name not in values:
            values[formal.name] = _parameter(node, formal.name)
    if reset == "zero":
        values["v_reset"] = 0.0
    wanted = [formal.name for formal in chosen.declaration.params]
    return {name: _one_for_all(values[name], shape) for name in wanted}


def check(graph: Graph, semantics: Semantics, diagnostics: Diagnostics) -> None:
    """Reports neurons that cannot be made (E1006), and warns of those that the profile does not define (W1006).

    Raises UsageError where the time step matters and nobody gave it.
    """
    for node in graph.nodes.values():
        if node.type not in NEURONS:
            continue
        for text in faults(node, semantics):
            report(diagnostics, graph.file, "E1006", text, node=node.name)
        if neuron_for(node.type, semantics).fallback:
            text = f"the profile {semantics.profile} has no {node.type}: it takes that of {DEFAULT_PROFILE}"
            report(diagnostics, graph.file, "W1006", text, node=node.name)
    timed = [node.name for node in graph.nodes.values() if needs_dt(node.type, semantics)]
    if timed and semantics.dt is None and not diagnostics.has_errors:
        more = f" and {len(timed) - 1} more" if len(timed) > 1 else ""
        message = f"node '{shown(timed[0])}'{more} needs a time step, which no NIR file contains"
        raise UsageError(f"{message}\n  help: --dt NUMBER, in the unit of the file's time constants")


def faults(node: Node, semantics: Semantics) -> list[str]:
    """Why the node's neuron cannot be made with the node's parameters: one text each, without the node's name."""
    chosen = neuron_for(node.type, semantics)
    known = {*_settings(node, semantics, recurrent=False), *_resets("none")}
    found = []
    for formal in chosen.declaration.params:
        if formal.name in known:
            continue
        if formal.name not in node.fields and formal.name not in ABSENT:
            found.append(f"it has no '{formal.name}'")
            continue
        value = _parameter(node, formal.name)
        if formal.name.startswith("tau") and not np.all(value > 0):
            found.append(f"its '{formal.name}' must be positive")
        if formal.name == "v_threshold" and _divides(chosen, semantics) and not np.all(value > 0):
            found.append(f"its 'v_threshold' must be positive under the profile {chosen.profile}")
    return found


def _divides(chosen: Chosen, semantics: Semantics) -> bool:
    """Is the potential of this neuron divided by its threshold?"""
    return chosen.profile in ("rockpool", "nengo") or (
        chosen.profile == "sinabs" and not semantics.options["single_spike"]
    )


def _reset_of(semantics: Semantics, chosen: Chosen) -> str:
    """What happens at a spike: a neuron of nir-euler in another profile resets as there, unless the user has spoken."""
    if chosen.fallback and "reset" not in semantics.given:
        return str(PROFILES[DEFAULT_PROFILE].options["reset"].default)
    return str(semantics.options["reset"])


def _resets(reset: str) -> dict[str, Binding]:
    return {"keep": reset == "none", "subtract": reset == "subtract", "zero": reset == "zero"}


def _settings(node: Node, semantics: Semantics, recurrent: bool) -> dict[str, Binding]:
    """The parameters of neurons that stand for options."""
    options = semantics.options
    start = str(options["v0"])
    lowest = _lowest(node, options.get("min_v_mem", ""))
    scale = options.get("spike_scale", 1.0)
    return {
        "v0": _parameter(node, start) if start in node.fields or start in ABSENT else 0.0,
        "old": options.get("cuba_order") == "old",
        "reset_delay": options.get("reset_delay") is True,
        "recurrent": recurrent,
        "norm_input": options.get("norm_input") is True,
        "single_spike": options.get("single_spike") is True,
        "clipped": lowest is not None,
        "v_min": 0.0 if lowest is None else lowest,
        "spike_scale": 1 if scale == 1 else float(scale),
    }


def _lowest(node: Node, option: OptionValue) -> Binding | None:
    """The lower limit of the potential; minus the threshold is none for a neuron without a threshold."""
    if option == "-thr":
        return -_parameter(node, "v_threshold") if node.type in SPIKING else None
    return None if option == "" else float(option)


def _parameter(node: Node, name: str) -> Array:
    value = node.fields.get(name)
    if value is None or isinstance(value, str):
        return np.asarray(ABSENT[name])
    return np.asarray(value, dtype=np.float64)


def _one_for_all(value: Binding, shape: Shape | None) -> Binding:
    if not isinstance(value, np.ndarray):
        return value
    if value.size and np.all(value == value.flat[0]):
        return float(value.flat[0])
    return value if shape is None else np.broadcast_to(value, shape)


# ---------------------------------------------------------------- what a file leaves open


@dataclass(frozen=True)
class OpenQuestion:
    """Something that the file does not say: its name, what is taken (None: it must be said), the values that can
    be, the option of the command line that decides it, and the nodes that it concerns."""

    name: str
    default: str | None
    values: tuple[str, ...]
    option: str
    nodes: tuple[str, ...]


def open_questions(
    graph: Graph, semantics: Semantics, rnn_subgraphs: Collection[str] = (), given: Collection[str] | None = None
) -> list[OpenQuestion]:
    """What the file leaves open under these semantics and was not `given` (as `semantics` knows, by default).

    Only what makes a difference for a node of the file is listed.  `rnn_subgraphs` names the subgraphs {Input,
    Output, neuron, dense}, which a flat graph no longer shows.
    """
    said = semantics.given if given is None else frozenset(given)
    neurons = [node for node in graph.nodes.values() if node.type in NEURONS]
    found = []
    if neurons and "profile" not in said:
        names = tuple(node.name for node in neurons)
        found.append(OpenQuestion("profile", semantics.profile, tuple(PROFILES), "--semantics PROFILE", names))
    timed = tuple(node.name for node in graph.nodes.values() if needs_dt(node.type, semantics))
    if timed and "dt" not in said:
        default = None if semantics.dt is None else f"{float(semantics.dt):g}"
        found.append(OpenQuestion("dt", default, (NUMBER,), "--dt NUMBER", timed))
    for key, option in PROFILES[semantics.profile].options.items():
        nodes = tuple(sorted(rnn_subgraphs)) if key == "rnn_subgraph" else _concerned(key, graph, semantics)
        if nodes and key not in said and (len(option.values) > 1 or option.values == (NUMBER,)):
            setting = f"--semantics {semantics.profile},{key}=VALUE"
            found.append(OpenQuestion(key, _shown(option.default), option.values, setting, nodes))
    return found


def _shown(value: OptionValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else value or "no limit"


def _concerned(key: str, graph: Graph, semantics: Semantics) -> tuple[str, ...]:
    """The nodes for which an option of the profile matters, in the order of the file."""
    if key == "rec_init":
        return tuple(sorted({source for source, _ in graph.recurrent if _has_bias(graph, source)}))
    if key == "drop_rec_bias":
        return tuple(sorted({source for source, _ in graph.recurrent if _biased(graph.nodes[source])}))
    return tuple(node.name for node in graph.nodes.values() if node.type in NEURONS and _matters(key, node, semantics))


def _matters(key: str, node: Node, semantics: Semantics) -> bool:
    chosen = neuron_for(node.type, semantics)
    formals = {formal.name for formal in chosen.declaration.params}
    match key:
        case "reset":
            return node.type in SPIKING
        case "v0":
            starts = [_parameter(node, name) for name in ("v_leak", "v_reset") if name in node.fields]
            return any(bool(np.any(start != 0)) for start in starts)
        case "cuba_order":
            return "old" in formals
        case "cuba":
            return node.type == "CubaLIF"
        case "min_v_mem":
            return "v_min" in formals
        case "delay_shift":
            return True
        case _:
            return key in formals


def _has_bias(graph: Graph, source: str) -> bool:
    """Does anything but zero leave `source` when no neuron spikes?"""
    seen: set[str] = set()
    stack = [source]
    while stack:
        name = stack.pop()
        node = graph.nodes[name]
        if name in seen or node.type in NEURONS or node.type in ("Input", "Delay"):
            continue
        seen.add(name)
        if _biased(node):
            return True
        stack += [u for u, v in graph.edges if v == name]
    return False


def _biased(node: Node) -> bool:
    bias = node.fields.get("bias")
    return bias is not None and not isinstance(bias, str) and bool(np.any(bias != 0))
