"""Words that begin a statement in other languages, and how the same is written here."""

from __future__ import annotations

_POPULATION = "a population is written 'pop a : LIF[100]'"
_PROJECTION = "connections are written 'proj a -> b.I { connect prob(0.1) seed 1; weight 0.5 }'"
_PROBE = "what is recorded is written 'probe a.spike' or 'probe a.V'"
_RESET = "threshold and reset are one statement: 'spike when V >= theta { V := 0 }'"
_HOLD = "a refractory time is written in the braces of 'spike when', as in 'hold V for 5 ms'"
_STATE = "a state is written 'var V = 0'"
_VALUE = "a value is written 'name = ...', one from outside 'param name = ...'"
_MODEL = "a network is written 'model Name { ... }', a neuron 'neuron Name { ... }'"
_IMPORT = "write 'import std.neurons (LIF)' or 'import \"file.snn\" as name'"
_LOOP = "there are no loops: a population and a projection stand for many at once"
_BLOCK = "a part with arguments is written 'block name(x) { ... return y }'"
_RUN = "how long a model runs is no part of it: 'spikec run model.snn --steps 1000'"
_EQUATION = "an equation is written V' = ..., a state 'var V = 0', a parameter in the parentheses of the neuron"
_TIME_STEP = "the time step is written 'step 0.1 ms'"

HELP: dict[str, str] = {
    **dict.fromkeys(("population", "neurongroup", "group", "layer"), _POPULATION),
    **dict.fromkeys(("projection", "connect", "connection", "synapses", "syn"), _PROJECTION),
    **dict.fromkeys(("monitor", "spikemonitor", "statemonitor", "record", "recordables"), _PROBE),
    **dict.fromkeys(("threshold", "reset", "fire", "emit_spike", "oncondition", "onreceive"), _RESET),
    **dict.fromkeys(("refractory", "refrac"), _HOLD),
    **dict.fromkeys(("float", "double", "bool", "boolean", "int", "integer", "real", "state", "initial"), _STATE),
    **dict.fromkeys(("let", "const", "auto", "global"), _VALUE),
    **dict.fromkeys(("class", "network", "struct"), _MODEL),
    **dict.fromkeys(("from", "using", "include"), _IMPORT),
    **dict.fromkeys(("for", "while", "foreach", "loop", "repeat"), _LOOP),
    **dict.fromkeys(("def", "function", "fn", "func", "lambda"), _BLOCK),
    **dict.fromkeys(("run", "simulate", "print"), _RUN),
    **dict.fromkeys(("equations", "parameters", "internals", "update", "integrate_odes", "ode"), _EQUATION),
    **dict.fromkeys(("timestep", "dt", "resolution"), _TIME_STEP),
}
"""By the word in small letters."""
