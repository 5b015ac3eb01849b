"""The arguments of a block's instance: constants and streams, checked against what the block declares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import ir
from spikec.frontend import syntax
from spikec.frontend.emitter import Emitter, show_shape
from spikec.frontend.entities import Constant, Stream
from spikec.frontend.expressions import TYPES
from spikec.frontend.neuron import check_type
from spikec.frontend.units import describe
from spikec.frontend.values import Mistake, Value, a_kind, fits

if TYPE_CHECKING:
    from spikec.frontend.network import Network

SPIKES = "spikes"


def settle(network: Network, argument: Stream, formal: syntax.Formal) -> None:
    """Replaces an argument whose value is known before the run by a constant, and checks its declared type."""
    node = argument.expression
    assert node is not None
    with network.dry_run(), network.statement(argument.name):
        value = network.expressions.eval(node)
    if not value.is_const and value.is_number:
        _check_stream(network, argument, formal, value)
        return
    with network.statement(argument.name):
        value = network.expressions.eval(node)
    if formal.type is not None and formal.type.name == SPIKES:
        raise Mistake("E0302", node.span, f"argument '{formal.name}' is a stream of spikes, and this is a constant")
    value = check_type(value, formal, network.clock, node.span)
    if value.is_number:
        _check_shape(network, formal, value, node.span)
    network.entities[argument.name] = Constant(argument.name, argument.span, "done", value)


def _settle_late(network: Network, argument: Stream, formal: syntax.Formal, entry: str) -> None:
    with network.at(entry):
        settle(network, argument, formal)


def _check_stream(network: Network, argument: Stream, formal: syntax.Formal, value: Value) -> None:
    """The kind, dimension and shape of a stream where the block declares them."""
    if formal.type is None:
        return
    assert argument.expression is not None
    name, span = formal.type.name, argument.expression.span
    if name != SPIKES and name not in TYPES:
        raise Mistake("E0202", formal.type.span, f"unknown type '{name}'", did_you_mean(name, [SPIKES, *TYPES]))
    if network.dry or argument.name in network._guessing:  # a guess tells nothing; it is asked again when all is known
        network.pending.append(partial(_settle_late, network, argument, formal, network.entry))
        return
    if name == SPIKES and value.event and not _adds(value):
        message = f"argument '{formal.name}' is a stream of spikes, and the events of this one have a size"
        raise Mistake("E0302", span, message, "declare it as 'real', or as 'int' where all sizes are whole numbers")
    if name == SPIKES and not value.event:
        help = "compare it, as in 'x > 0', to make flags; only a neuron or an encoder makes spikes"
        raise Mistake(
            "E0302", span, f"argument '{formal.name}' is a stream of spikes, and this is {a_kind(value.kind)}", help
        )
    if name in ("int", "bool") and value.kind not in ("bool", name):
        raise Mistake("E0302", span, f"argument '{formal.name}' is {a_kind(name)}, and this is {a_kind(value.kind)}")
    wanted = network.clock.dimension(name)
    if name != SPIKES and not fits(value, wanted):
        message = f"argument '{formal.name}' has dimension {describe(wanted)}, its value {describe(value.dim)}"
        raise Mistake("E0401", span, message)
    _check_shape(network, formal, value, span)


def _adds(value: Value) -> bool:
    """Does an event add or subtract a weight, without a product?"""
    element = Emitter.element_of(value.ssa)
    return value.kind != "real" and isinstance(element, ir.IntegerType) and element.width <= 2


def _check_shape(network: Network, formal: syntax.Formal, value: Value, span: Span) -> None:
    if formal.type is None or formal.type.shape is None:
        return
    shape = network.expressions.shape(formal.type.shape, "the shape of an argument")
    if value.shape != shape:
        message = f"argument '{formal.name}' has the shape {show_shape(shape)}, its value {show_shape(value.shape)}"
        raise Mistake("E0303", span, message)
