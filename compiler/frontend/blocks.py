"""`block NAME(args) { ...; return e }`: each call is replaced by the block's statements, under names of their own.

`h = stage(x)` makes what `stage` calls `s` the object `h/s`, and `h` its returned value; a call in the midst of the
statement `f` is the instance `f/stage#0`.  So draws and probes of an instance depend on no other statement.
Arguments that are names, or draw what a shape is filled with, are put in their places; all others become a `Let`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spikec.dialects.diagnostics import did_you_mean
from spikec.frontend import syntax
from spikec.frontend.expressions import piped
from spikec.frontend.initial import FILLING
from spikec.frontend.network import Network
from spikec.frontend.ode import names_in
from spikec.frontend.reductions import REDUCTIONS
from spikec.frontend.values import Mistake

Renaming = Mapping[str, syntax.Expr]
_OPAQUE = (syntax.Neuron, syntax.Synapse, syntax.Rule, syntax.Block, syntax.Train, syntax.Phase)
_PLACELESS = {"Ports": "in", "Variable": "var", "SpikeWhen": "spike", "Derivative": "an equation"}
MAX_INSTANCES = 10_000


@dataclass(frozen=True, slots=True)
class Let(syntax.Node):
    """An argument of a block under the name that it has in this instance: a constant or a stream."""

    name: str
    formal: syntax.Formal
    value: syntax.Expr


def declared(statements: Sequence[Any], network: Network) -> dict[str, syntax.Block]:
    """The blocks among the statements, by name."""
    found: dict[str, syntax.Block] = {}
    others = {_name_of(node): node for node in statements if not isinstance(node, syntax.Block)}
    for node in statements:
        if isinstance(node, syntax.Block):
            known = found.get(node.name) or others.get(node.name)
            if known is not None:
                message = f"'{node.name}' is declared twice (first in line {known.span.line})"
                network.diagnostics.error("E0205", node.span, message)
            found.setdefault(node.name, node)
    return found


def expand(statements: Sequence[Any], network: Network) -> list[Any]:
    """The statements without blocks and calls of them; mistakes are reported and poison what they define."""
    expander = _Expander(network, declared(statements, network))
    if not expander.blocks:
        return list(statements)
    network.blocks = list(expander.blocks)
    ordinal = 0
    for node in statements:
        owner = _name_of(node) or f"line{node.span.line}"
        if isinstance(node, syntax.Projection) and node.name is None:
            owner, ordinal = f"proj#{ordinal}", ordinal + 1
        if not isinstance(node, syntax.Block):
            network.attempt(expander.statement, node, owner, poisons=_name_of(node) or None)
    return [expander.resolved(node) for node in expander.made]


def _name_of(node: Any) -> str:
    """The name that a statement declares, or an empty text."""
    match node:
        case syntax.Assign(target=syntax.Name(id=name)):
            return str(name)
        case syntax.Assign(target=syntax.Index(base=syntax.Name(id=name))):
            return str(name)
        case syntax.Assign(target=syntax.Attribute(base=syntax.Name(id=base), name=port)):
            return f"{base}.{port}"
        case syntax.Output(name=name):
            return f"output.{name}"
    return str(getattr(node, "name", None) or "")


class _Expander:
    """Makes instances; `made` are the statements so far, `parts` the names inside of each named instance."""

    def __init__(self, network: Network, blocks: dict[str, syntax.Block]) -> None:
        self.network = network
        self.blocks = blocks
        self.made: list[Any] = []
        self.parts: dict[str, set[str]] = {}
        self.inside: list[str] = []
        self._ordinals: dict[str, int] = {}
        self._instances = 0

    def statement(self, node: Any, owner: str) -> None:
        """Adds a statement, after the instances of the blocks that it calls."""
        if isinstance(node, _OPAQUE):
            self.made.append(node)
            return
        if isinstance(node, syntax.Assign) and isinstance(node.target, syntax.Name) and node.op == "=":
            call = self._block_call(node.value)
            if call is not None:
                node = replace(node, value=self._instance(call, node.target.id, owner))
                self.made.append(node)
                return
        self.made.append(self._rewritten(node, owner))

    def _block_call(self, node: Any) -> syntax.Call | None:
        """The call of a block that an expression is, also behind a pipe."""
        if isinstance(node, syntax.Pipe):
            node = piped(node)
        if isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name):
            return node if node.function.id in self.blocks else None
        return None

    def _rewritten(self, node: Any, owner: str) -> Any:
        """A node with every call of a block replaced by the name of its instance."""
        if isinstance(node, tuple):
            return tuple(self._rewritten(item, owner) for item in node)
        if not isinstance(node, syntax.Node) or isinstance(node, _OPAQUE) or not names_in(node) & self.blocks.keys():
            return node
        call = self._block_call(node)
        if call is None:
            return syntax.mapped(node, lambda part: self._rewritten(part, owner))
        head = call.function
        assert isinstance(head, syntax.Name)
        name = head.id
        call = syntax.mapped(call, lambda part: self._rewritten(part, owner) if part is not head else part)
        key = f"{owner}/{name.rpartition('/')[2]}"
        self._ordinals[key] = self._ordinals.get(key, -1) + 1
        path = f"{key}#{self._ordinals[key]}"
        result = self._instance(call, path, owner)
        self.made.append(syntax.Assign(call.span, syntax.Name(call.span, path), "=", result, ()))
        return syntax.Name(call.span, path)

    # ------------------------------------------------------------ one instance

    def _instance(self, call: syntax.Call, path: str, owner: str) -> syntax.Expr:
        """Adds the statements of an instance; returns what it returns."""
        assert isinstance(call.function, syntax.Name)
        name = call.function.id
        block = self.blocks[name]
        if name in self.inside:
            loop = " calls ".join(f"'{n.rpartition('/')[2]}'" for n in [*self.inside[self.inside.index(name) :], name])
            raise Mistake("E0601", call.span, f"a block cannot contain itself: {loop}")
        self._instances += 1
        if self._instances > MAX_INSTANCES:
            raise Mistake("E0601", call.span, f"more than {MAX_INSTANCES} instances of blocks")
        bound = self._arguments(block, call, path, owner)
        self.inside.append(name)
        try:
            return self._body(block, bound, path)
        finally:
            self.inside.pop()

    def _arguments(self, block: syntax.Block, call: syntax.Call, path: str, owner: str) -> dict[str, syntax.Expr]:
        """What stands for each formal inside of the instance."""
        names = [formal.name for formal in block.params]
        if len(call.args) > len(names):
            count = f"{len(names)} argument{'s' * (len(names) != 1)}"
            raise Mistake("E0306", call.args[len(names)].span, f"block '{block.name}' takes {count}")
        given = dict(zip(names, call.args, strict=False))
        for keyword in call.keywords:
            if keyword.name not in names:
                message = f"block '{block.name}' has no argument '{keyword.name}'"
                raise Mistake("E0306", keyword.span, message, did_you_mean(keyword.name, names))
            if keyword.name in given:
                raise Mistake("E0306", keyword.span, f"'{keyword.name}' is given twice")
            given[keyword.name] = keyword.value
        bound: dict[str, syntax.Expr] = {}
        for formal in block.params:
            if formal.name in bound:
                raise Mistake("E0205", formal.span, f"'{formal.name}' is declared twice")
            if formal.name in given:
                value = self._rewritten(given[formal.name], owner)
            elif formal.default is not None:
                value = self._rewritten(_renamed(formal.default, bound), owner)
            else:
                raise Mistake(
                    "E0204", call.span, f"block '{block.name}' needs a value for its argument '{formal.name}'"
                )
            if formal.type is None and (_is_name(value) or _is_filling(value)):
                bound[formal.name] = value
                continue
            inner = f"{path}/{formal.name}"
            shown = replace(formal, type=_renamed(formal.type, bound))
            self.made.append(Let(value.span, inner, shown, value))
            bound[formal.name] = syntax.Name(value.span, inner)
        return bound

    def _body(self, block: syntax.Block, bound: dict[str, syntax.Expr], path: str) -> syntax.Expr:
        renaming: dict[str, syntax.Expr] = dict(bound)
        own: set[str] = set()
        for node in block.body:
            name = (
                "" if isinstance(node, syntax.Assign) and isinstance(node.target, syntax.Attribute) else _name_of(node)
            )
            if not name:
                continue
            if name in bound or name in own:
                raise Mistake("E0205", node.span, f"'{name}' is declared twice in block '{block.name}'")
            own.add(name)
            renaming[name] = syntax.Name(node.span, f"{path}/{name}")
        self.parts[path] = own
        result: syntax.Expr | None = None
        projections = 0
        for node in block.body:
            if result is not None:
                raise Mistake("E0501", node.span, "nothing stands after 'return'")
            if isinstance(node, syntax.Return):
                if len(node.values) != 1:
                    raise Mistake("E0501", node.span, "a block returns one value", "join them, as in 'concat(a, b)'")
                result = self._rewritten(_renamed(node.values[0], renaming), path)
                continue
            _check_place(node)
            inner = _renamed(node, renaming)
            if isinstance(inner, syntax.Projection) and inner.name is None:
                inner, projections = replace(inner, name=f"{path}/proj#{projections}"), projections + 1
            if isinstance(inner, syntax.Block):
                self.blocks[inner.name] = inner
                continue
            self.statement(inner, _name_of(inner) or path)
        if result is None:
            raise Mistake("E0501", block.span, f"block '{block.name}' returns nothing", "end it with 'return value'")
        return result

    # ------------------------------------------------------------ names of parts

    def resolved(self, node: Any) -> Any:
        """A statement in which `h.s` is the object `s` of the instance `h`."""
        if isinstance(node, tuple):
            return tuple(self.resolved(item) for item in node)
        if not isinstance(node, syntax.Node) or isinstance(node, _OPAQUE) or not names_in(node) & self.parts.keys():
            return node
        made = syntax.mapped(node, self.resolved)
        if isinstance(made, syntax.Attribute) and isinstance(made.base, syntax.Name):
            if made.name in self.parts.get(made.base.id, ()):
                return syntax.Name(made.span, f"{made.base.id}/{made.name}")
        return made


def _is_name(node: syntax.Expr) -> bool:
    """`x` or `P.w`: what can stand in the place of a formal as it is."""
    while isinstance(node, syntax.Attribute):
        node = node.base
    return isinstance(node, syntax.Name)


def _is_filling(node: syntax.Expr) -> bool:
    """`kaiming()`, `0.1 * normal(0, 1)`: what means something only where a shape is declared."""
    return bool(names_in(node) & set(FILLING))


def _check_place(node: Any) -> None:
    allowed = syntax.Assign | syntax.Population | syntax.Projection | syntax.Param
    if isinstance(node, allowed | syntax.Neuron | syntax.NeuronAlias | syntax.Block | syntax.Synapse | syntax.Rule):
        return
    kind = type(node).__name__
    raise Mistake("E0501", node.span, f"'{_PLACELESS.get(kind, kind.lower())}' has no place in a block")


# ---------------------------------------------------------------- renaming


def _renamed(node: Any, renaming: Renaming) -> Any:
    """A node with its names replaced; the indices of index notation are names of their own."""
    if isinstance(node, tuple):
        return tuple(_renamed(item, renaming) for item in node)
    if not isinstance(node, syntax.Node):
        return node
    match node:
        case syntax.Name():
            return replace(renaming[node.id], span=node.span) if node.id in renaming else node
        case syntax.Neuron() | syntax.Synapse() | syntax.Rule():
            formals = tuple(replace(f, default=_renamed(f.default, renaming)) for f in node.params)
            return replace(node, name=_new(node.name, renaming), params=formals)
        case syntax.Block():
            inner = _without(renaming, [formal.name for formal in node.params])
            inner = _without(inner, [name for name in map(_name_of, node.body) if name])
            return replace(
                node,
                name=_new(node.name, renaming),
                params=tuple(replace(f, default=_renamed(f.default, renaming)) for f in node.params),
                body=tuple(_renamed(part, inner) for part in node.body),
            )
        case syntax.Population():
            init = tuple(_initial(part, renaming) for part in node.init)
            value, place = _renamed(node.value, renaming), _renamed(node.place, renaming)
            return replace(node, name=_new(node.name, renaming), value=value, place=place, init=init)
        case syntax.NeuronAlias() | syntax.Param() | syntax.Projection():
            made = syntax.mapped(node, lambda part: _renamed(part, renaming))
            return replace(made, name=_new(node.name, renaming) if node.name else node.name)
        case syntax.Assign(target=syntax.Index(base=syntax.Name() as base, items=items)) if node.op == "=":
            inner = _without(renaming, _indices(items))
            target = replace(node.target, base=_renamed(base, renaming), items=_renamed(items, inner))
            modifiers = _renamed(node.modifiers, renaming)
            return replace(node, target=target, value=_renamed(node.value, inner), modifiers=modifiers)
        case syntax.Call(function=syntax.Index(base=syntax.Name(id=name), items=items)) if name in REDUCTIONS:
            inner = _without(renaming, _indices(items))
            return replace(node, args=_renamed(node.args, inner), keywords=_renamed(node.keywords, inner))
        case syntax.Call(function=syntax.Name(id="over_time"), args=(op, *rest)):
            return replace(node, args=(op, *(_renamed(part, renaming) for part in rest)))
    return syntax.mapped(node, lambda part: _renamed(part, renaming))


def _initial(node: Any, renaming: Renaming) -> Any:
    """An initial value: what it sets is a state, whatever else has this name."""
    if not isinstance(node, syntax.Assign):
        return node
    return replace(node, value=_renamed(node.value, renaming), modifiers=_renamed(node.modifiers, renaming))


def _new(name: str, renaming: Renaming) -> str:
    found = renaming.get(name)
    return found.id if isinstance(found, syntax.Name) else name


def _without(renaming: Renaming, names: Sequence[str]) -> dict[str, syntax.Expr]:
    return {name: value for name, value in renaming.items() if name not in names}


def _indices(items: Sequence[Any]) -> list[str]:
    return [item.id for item in items if isinstance(item, syntax.Name)]
