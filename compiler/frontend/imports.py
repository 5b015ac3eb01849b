"""`import`: reads the files that a model names and joins what they declare to the model's own declarations.

Each file is a scope of its own: it sees what it declares and what it imports itself, never what the file that imports
it declares. The joined tree has one scope, so declarations that the model cannot name are called after their file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import CompileError, Diagnostics, Span, did_you_mean
from spikec.frontend import syntax
from spikec.frontend.parse import parse, read_source

LIBRARY = "std"
SUFFIX = ".snn"
MAX_NESTING = 50

# Names that every expression has: no declaration of an importing file can be meant by them.
_IMPLICIT = frozenset(("pre", "post", "index", "dt", "w", "true", "false"))
_REDUCTIONS = frozenset(("sum", "mean", "min", "max", "any", "all", "argmax"))
_SCOPES = syntax.Neuron | syntax.Synapse | syntax.Rule | syntax.Block | syntax.Model


@dataclass(frozen=True)
class Imported:
    """A file without imports, its declarations preceded by those it imports.

    `names` are the imported declarations, `files` what was read beside the model and the library, `folders` the folder
    of each imported file by its name in messages.
    """

    file: syntax.File
    names: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)


def resolve(file: syntax.File, folder: Path, diagnostics: Diagnostics) -> Imported:
    """Reads all that `file` imports, paths relative to `folder`; mistakes go to `diagnostics`."""
    if not file.imports:
        return Imported(file)
    reader = _Reader(diagnostics)
    main = reader.read(file, folder, folder / Path(file.span.file).name)
    if diagnostics.has_errors:
        return Imported(file)
    return _Join(main, reader, diagnostics).run()


# ---------------------------------------------------------------- reading


@dataclass(eq=False)
class _Source:
    """One file: what it declares, the names that its imports bring, and the files that it calls by an alias."""

    tree: syntax.File
    path: Path
    own: dict[str, syntax.Declaration]
    brought: dict[str, _Target] = field(default_factory=dict)
    aliases: dict[str, _Source] = field(default_factory=dict)

    def target(self, name: str) -> _Target | None:
        """The declaration that a name means at the top of this file."""
        return _Target(self, name) if name in self.own else self.brought.get(name)


@dataclass(frozen=True)
class _Target:
    """A declaration of a file."""

    source: _Source
    name: str


class _Reader:
    """Reads files once; `order` has each after those it imports."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.order: list[_Source] = []
        self.files: list[Path] = []
        self._known: dict[Path, _Source | None] = {}
        self._open: list[Path] = []

    def read(self, tree: syntax.File, folder: Path, path: Path) -> _Source:
        """The scope of a parsed file."""
        self._open.append(_identity(path))
        source = _Source(tree, path, {})
        for node in tree.declarations:
            if node.name in source.own and not tree.models:
                self.diagnostics.error("E0205", node.span, f"'{node.name}' is declared twice")
            source.own.setdefault(node.name, node)
        for statement in tree.imports:
            self._import(source, folder, statement)
        self._open.pop()
        return source

    def _import(self, importer: _Source, folder: Path, node: syntax.Import) -> None:
        path = self._own_file(folder, node) if node.is_file else self._library_file(node)
        source = self._source(path, node) if path is not None else None
        if source is None:
            return
        declared = _declared(importer.tree)
        if node.alias is not None:
            known = declared.get(node.alias) or (node.span if node.alias in importer.brought else None)
            if known is not None or importer.aliases.get(node.alias, source) is not source:
                self._clash(node, node.span, node.alias, known)
            importer.aliases[node.alias] = source
            return
        for name in node.names or tuple(syntax.Name(node.span, n) for n in source.own):
            if name.id not in source.own:
                message = f"'{node.path}' declares no '{name.id}'"
                self.diagnostics.error("E0201", name.span, message, did_you_mean(name.id, source.own))
                continue
            target = _Target(source, name.id)
            taken = name.id in declared or name.id in importer.aliases
            if taken or importer.brought.get(name.id, target) != target:
                self._clash(node, name.span, name.id, declared.get(name.id))
            else:
                importer.brought[name.id] = target

    def _clash(self, node: syntax.Import, span: Span, name: str, known: Span | None) -> None:
        where = f"also declared in line {known.line}" if known is not None else "also imported from another file"
        help = f"name only what is needed: import {node.path} (A, B)"
        if node.is_file:
            help = f'give the file {"another" if node.alias else "a"} name: import "{node.path}" as f'
        self.diagnostics.error("E0205", span, f"'{name}' is imported here and {where}", help)

    def _own_file(self, folder: Path, node: syntax.Import) -> Path | None:
        """`import "neurons.snn"`: a file beside the one that imports it."""
        written = Path(node.path)
        if written.is_absolute() or written.suffix != SUFFIX or not node.path.isprintable():
            message = f"'{node.path}' is no file that can be imported"
            help = f"name a {SUFFIX} file relative to the folder of this one, as in 'import \"neurons{SUFFIX}\"'"
            self.diagnostics.error("E0209", node.span, message, help)
            return None
        return folder / written

    def _library_file(self, node: syntax.Import) -> Path | None:
        """`import std.neurons`: a file that comes with the compiler."""
        modules = _library()
        if node.path not in modules:
            message = f"the library has no '{node.path}'; there is {', '.join(modules)}"
            help = did_you_mean(node.path, modules) or f'a file of yours is named by its path: import "x{SUFFIX}"'
            self.diagnostics.error("E0209", node.span, message, help)
        return modules.get(node.path)

    def _source(self, path: Path, node: syntax.Import) -> _Source | None:
        """The file at `path`, read once; None where it is wrong, which is told once."""
        identity = _identity(path)
        if identity in self._open:
            loop = [*self._open[self._open.index(identity) :], identity]
            message = f"files import each other: {' -> '.join(file.name for file in loop)}"
            help = "move what both need into a third file"
            self.diagnostics.error("E0209", node.span, message, help)
            return None
        if len(self._open) > MAX_NESTING:
            self.diagnostics.error("E0209", node.span, f"imports are nested more than {MAX_NESTING} deep")
            return None
        if identity not in self._known:
            self._known[identity] = self._parsed(path, node)
        return self._known[identity]

    def _parsed(self, path: Path, node: syntax.Import) -> _Source | None:
        try:
            # Opening a pipe or a device could wait for ever.
            text = read_source(path) if path.is_file() or not path.exists() else None
        except (CompileError, OSError) as error:
            first = error.diagnostics[0] if isinstance(error, CompileError) else None
            code, message = (first.code, first.message) if first else ("E0111", f"cannot read {path}: {error}")
            self.diagnostics.error(code, node.span, message, first.help if first else None)
            return None
        if text is None:
            self.diagnostics.error("E0111", node.span, f"{path} is not a file")
            return None
        if node.is_file:
            self.files.append(path)
        tree, found = _tree(text, str(path))
        self.diagnostics.items += found.items
        if tree is None or found.has_errors:
            return None
        if tree.models:
            message = f"{path} holds the model '{tree.models[0].name}', and only declarations can be imported"
            self.diagnostics.error("E0209", node.span, message, "put the declarations that both need into a third file")
            return None
        source = self.read(tree, path.parent, path)
        self.order.append(source)
        return source


@lru_cache(maxsize=16)
def _tree(text: str, path: str) -> tuple[syntax.File | None, Diagnostics]:
    """What an imported file holds; the models of a process share it, as they do the library."""
    found = Diagnostics()
    return parse(text, path, found), found


def _identity(path: Path) -> Path:
    """One path for each file; unlike Path.resolve it says nothing of a ring of links, which opening the file does."""
    return Path(os.path.realpath(path))


def _library() -> dict[str, Path]:
    """The files that come with the compiler, by the names that `import` gives them."""
    folder = Path(str(resources.files(f"spikec.{LIBRARY}")))
    return {f"{LIBRARY}.{file.stem}": file for file in sorted(folder.glob(f"*{SUFFIX}"))}


@cache
def _library_names() -> dict[str, str]:
    """Which part of the library declares a name."""
    declaration = re.compile(r"^(?:neuron|synapse|rule|block)\s+(\w+)", re.MULTILINE)
    texts = {module: file.read_text("utf-8") for module, file in _library().items()}
    return {name: module for module, text in texts.items() for name in declaration.findall(text)}


def offer(name: str) -> str | None:
    """The import that an unknown name is in need of, as a help line; None where the library does not have it."""
    module = _library_names().get(name)
    return f"it is in the library: import {module} ({name})" if module else None


# ---------------------------------------------------------------- names


def _declared(tree: syntax.File) -> dict[str, Span]:
    """What a file names at its top and at the top of its model."""
    found: dict[str, Span] = {}
    for node in (*tree.declarations, *tree.models):
        if not isinstance(node, syntax.Model):
            found.setdefault(node.name, node.span)
            continue
        for name, span in _bound(node):
            found.setdefault(name, span)
    return found


def _bound(scope: syntax.Node) -> Iterator[tuple[str, Span]]:
    """What the parameters and statements of a declaration name, nested declarations without their insides."""
    stack: list[Any] = [*getattr(scope, "params", ()), *getattr(scope, "body", ())]
    while stack:
        match stack.pop(0):
            case syntax.Ports() as node:
                stack += node.ports
            case syntax.Assign(target=syntax.Name() as name, op="="):
                yield name.id, name.span
            case syntax.Assign(target=syntax.Index(base=syntax.Name() as name), op="="):
                yield name.id, name.span
            case syntax.SpikeWhen() | syntax.On() | syntax.Every() as node:
                stack += node.body
            case syntax.Projection(name=str(named)) as node:
                yield named, node.span
            case syntax.Formal() | syntax.Variable() | syntax.Input() | syntax.Population() | syntax.Phase() as node:
                yield node.name, node.span
            case syntax.Neuron() | syntax.NeuronAlias() | syntax.Synapse() | syntax.Rule() as node:
                yield node.name, node.span
            case syntax.Block() | syntax.Param() as node:
                yield node.name, node.span


def _loop_names(node: syntax.Node) -> Iterator[str]:
    """The indices of `y[i, j] = ...` and of `sum[k](...)`."""
    match node:
        case syntax.Assign(target=syntax.Index(items=items), op="="):
            yield from (item.id for item in items if isinstance(item, syntax.Name))
        case syntax.Call(function=syntax.Index(base=syntax.Name(id=name), items=items)) if name in _REDUCTIONS:
            yield from (item.id for item in items if isinstance(item, syntax.Name))


# ---------------------------------------------------------------- joining


class _Join:
    """Makes one tree of a model's file and of what it uses of the imported files."""

    def __init__(self, main: _Source, reader: _Reader, diagnostics: Diagnostics) -> None:
        self.main = main
        self.reader = reader
        self.diagnostics = diagnostics
        self.foreign = frozenset(_declared(main.tree)) | frozenset(main.brought)
        self.names: dict[_Target, str] = {target: name for name, target in main.brought.items()}
        for alias, source in main.aliases.items():
            for name in source.own:
                self.names.setdefault(_Target(source, name), f"{alias}.{name}")
        self.needed: list[_Target] = list(main.brought.values())

    def run(self) -> Imported:
        tree = self.main.tree
        declarations = self._rewritten(tree.declarations, self.main, frozenset())
        models = self._rewritten(tree.models, self.main, frozenset())
        made: dict[_Target, syntax.Declaration] = {}
        while self.needed:
            target = self.needed.pop(0)
            if target not in made:
                node = self._rewritten(target.source.own[target.name], target.source, frozenset())
                made[target] = replace(node, name=self._name(target))
        sources = self.reader.order
        targets = [_Target(source, name) for source in sources for name in source.own]
        imported = tuple(made[target] for target in targets if target in made)
        return Imported(
            syntax.File(tree.span, (), (*imported, *declarations), models),
            frozenset(node.name for node in imported),
            tuple(self.reader.files),
            {str(source.path): source.path.parent for source in sources},
        )

    def _name(self, target: _Target) -> str:
        """What a declaration is called in the joined tree: as the model calls it, or after its file."""
        if target not in self.names:
            stem, count = target.source.path.stem, 1
            name = f"{stem}.{target.name}"
            while name in self.names.values():
                count += 1
                name = f"{stem}#{count}.{target.name}"
            self.names[target] = name
        return self.names[target]

    def _rewritten(self, node: Any, source: _Source, hidden: frozenset[str]) -> Any:
        """`node` with the names of `source` as the joined tree has them; `hidden` ones mean something nearer."""
        if isinstance(node, tuple):
            parts = tuple(self._rewritten(part, source, hidden) for part in node)
            return node if all(new is old for new, old in zip(parts, node, strict=True)) else parts
        match node:
            case syntax.Name() if node.id not in hidden:
                return self._used(node, source, self.foreign - _IMPLICIT)
            case syntax.Attribute(base=syntax.Name(id=alias)) if alias in source.aliases and alias not in hidden:
                return self._member(node, alias, source.aliases[alias])
            case syntax.Node():
                return self._inside(node, source, hidden)
        return node

    def _inside(self, node: syntax.Node, source: _Source, hidden: frozenset[str]) -> Any:
        hidden |= frozenset(_loop_names(node))
        if isinstance(node, _SCOPES):
            hidden |= {name for name, _ in _bound(node)}
        changed: dict[str, Any] = {}
        for name in type(node).__dataclass_fields__:
            old = getattr(node, name)
            if isinstance(node, syntax.Call) and name == "function" and isinstance(old, syntax.Name):
                # A call may mean a function of the language, whatever the model calls its streams.
                new = old if old.id in hidden else self._used(old, source, self._types())
            else:
                new = self._rewritten(old, source, hidden)
            if new is not old:
                changed[name] = new
        return replace(node, **changed) if changed else node

    def _types(self) -> frozenset[str]:
        kinds = syntax.Neuron | syntax.NeuronAlias | syntax.Block | syntax.Synapse | syntax.Rule
        tree = self.main.tree
        inner = [node for model in tree.models for node in model.body]
        return frozenset(self.main.brought) | {n.name for n in (*tree.declarations, *inner) if isinstance(n, kinds)}

    def _used(self, node: syntax.Name, source: _Source, foreign: frozenset[str]) -> syntax.Name:
        if source is self.main:
            return node
        target = source.target(node.id)
        if target is not None:
            self.needed.append(target)
            name = self._name(target)
            return node if name == node.id else syntax.Name(node.span, name)
        if node.id in foreign:
            message = f"unknown name '{node.id}' in {source.path.name}"
            help = "a file sees what it declares and what it imports itself"
            self.diagnostics.error("E0201", node.span, message, help)
        return node

    def _member(self, node: syntax.Attribute, alias: str, source: _Source) -> syntax.Expr:
        """`other.LIF`, where `other` is an imported file."""
        target = _Target(source, node.name)
        if node.name not in source.own:
            message = f"'{alias}' declares no '{node.name}'"
            self.diagnostics.error("E0201", node.span, message, did_you_mean(node.name, source.own))
            return node
        self.needed.append(target)
        return syntax.Name(node.span, self._name(target))
