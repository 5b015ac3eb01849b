"""Random synapse programs: states of each source, of each target and of each synapse, and none at all."""

from __future__ import annotations

from collections.abc import Sequence

from .writer import Stream, Writer

# What may stand over drawn connections, whose number nobody knows.
SUMMED = (
    "{g}; g' = -g / tau; on pre {{ g += w }}; out g",
    "{g}; on pre {{ g -= {k} * w }}; g *= {k}; out -g",
    "{u}; u' = -u / tau; on pre {{ u += {k} * (1 - u) }}; out {k} * w * u",
    "{u}; on pre {{ u := pre }}; out w * u",
    "{u}; {g}; u' = (1 - u) / tau; g' = -g / tau; on pre {{ u -= {k} * u; g += w * u }}; out g",
    "out w * clamp(pre, -1, 1)",
)
# With {post}, a dimensionless number of the target.
FACTORED = (
    "{g}; g' = -g / tau; on pre {{ g += w }}; out g * {post}",
    "{u}; on pre {{ u := {k} * u + 1 }}; out w * u * {post}",
)
APART = (
    "{u}; u' = ({post} - u) / tau; on pre {{ u *= {k} }}; out w * u",
    "{u}; on pre {{ u := {k} * u + {post} }}; out w * u",
    "half = {k} * w; {g}; g' = (half - g) / tau; on pre {{ g := g + half }}; out g",
    "out w * ({k} - {post})",
)


def synapse(w: Writer, targets: Sequence[Stream], drawn: bool) -> str:
    """Declares a program, and returns the option that uses it; `drawn` says that the number of synapses is."""
    neuron = targets[0].neuron
    forms = list(SUMMED)
    post = ""
    if neuron is not None and neuron.random:
        post = f"clamp({w.plain('post.' + w.pick(neuron.random))}, -1, 1)"
        forms += FACTORED
        forms += [] if drawn else APART * 2
    owner = w.pick(("", " per synapse"))
    parts = {
        "g": f"var g{w.typed}{owner} = 0{w.unit}",
        "u": f"var u{owner} = {w.decimal(0, 1)}",
        "k": w.decimal(0.1, 0.9),
        "post": post,
    }
    name = w.fresh("S")
    body = str(w.pick(forms)).format(**parts)
    tau = f"tau: time = {w.clock.time(w.whole(2, 9))}" if "tau" in body else ""
    w.declarations += [f"  synapse {name}({tau}) {{ {body} }}" if tau else f"  synapse {name} {{ {body} }}"]
    given = w.clock.time(w.whole(2, 9))
    if tau and not drawn and "half" in body and w.chance(50):
        given = f"uniform({given}, {w.clock.time(12)})"
    return f"synapse {name}" + (w.pick((f"({given})", f"(tau = {given})", "()")) if tau else "")
