"""The parser: every construct, the shape of the tree, spans, limits, and more than one mistake per file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from spikec.dialects.diagnostics import CompileError, Diagnostics, Span
from spikec.frontend import grammar_tables, syntax
from spikec.frontend.parse import MAX_BYTES, MAX_ERRORS, parse, parse_expression, read_source

HERE = Path(__file__).parent


def tree_of(text: str) -> syntax.File:
    diagnostics = Diagnostics()
    tree = parse(text, "test.snn", diagnostics)
    assert diagnostics.items == []
    assert tree is not None
    return tree


def expression_of(text: str) -> Any:
    diagnostics = Diagnostics()
    tree = parse_expression(text, "test.snn", diagnostics)
    assert diagnostics.items == []
    return tree


def mistakes_of(text: str) -> list[tuple[str, int, int]]:
    diagnostics = Diagnostics()
    parse(text, "test.snn", diagnostics)
    found = []
    for item in diagnostics.items:
        assert item.span is not None
        found.append((item.code, item.span.line, item.span.column))
    return found


def nodes_of(root: Any) -> Iterator[syntax.Node]:
    if isinstance(root, tuple):
        for item in root:
            yield from nodes_of(item)
    elif is_dataclass(root) and isinstance(root, syntax.Node):
        yield root
        for field in fields(root):
            yield from nodes_of(getattr(root, field.name))


def shown(node: Any) -> str:
    """An expression with all its parentheses, to compare precedence."""
    match node:
        case syntax.Binary():
            return f"({shown(node.left)} {node.op} {shown(node.right)})"
        case syntax.Unary():
            return f"({node.op} {shown(node.operand)})"
        case syntax.Name():
            return node.id
        case syntax.Number():
            return str(node.value)
        case syntax.Attribute():
            return f"{shown(node.base)}.{node.name}"
        case syntax.Call():
            return f"{shown(node.function)}({','.join(shown(a) for a in node.args)})"
        case syntax.Pipe():
            return f"({shown(node.value)}|>{shown(node.call)})"
        case syntax.IfExpr():
            return f"(if {shown(node.condition)} {shown(node.then)} {shown(node.otherwise)})"
        case _:
            raise AssertionError(node)


def test_every_construct_parses() -> None:
    tree = tree_of((HERE / "every_construct.snn").read_text("utf-8"))
    kinds = {type(node) for node in nodes_of(tree)}
    ours = {v for v in vars(syntax).values() if isinstance(v, type) and issubclass(v, syntax.Node)}
    assert ours - kinds == {syntax.Node}


def programs_from_outside() -> list[Path]:
    root = os.environ.get("SPIKEC_CONFORMANCE")
    return sorted((Path(root).parent / "language").glob("*.snn")) if root else []


def test_programs_from_outside_parse() -> None:
    programs = programs_from_outside()
    if not programs:
        pytest.skip("SPIKEC_CONFORMANCE is not set")
    for path in programs:
        diagnostics = Diagnostics()
        assert parse(read_source(path), path.name, diagnostics) is not None
        assert [d.render() for d in diagnostics.items] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a - b - c", "((a - b) - c)"),
        ("a + b * c @ d", "(a + ((b * c) @ d))"),
        ("-a ^ 2", "(- (a ^ 2))"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("2 ^ -a", "(2 ^ (- a))"),
        ("a >> 1 + 2", "(a >> (1 + 2))"),
        ("a << 1 < b", "((a << 1) < b)"),
        ("a >= b << c", "(a >= (b << c))"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("x // 2 % 3", "((x // 2) % 3)"),
        ("x |> f(1) |> g()", "((x|>f(1))|>g())"),
        ("if a then b else if c then d else e", "(if a b (if c d e))"),
        ("a.b.c(1).d", "a.b.c(1).d"),
        ("((((a))))", "a"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shown(expression_of(text)) == expected


def test_numbers_are_exact() -> None:
    assert expression_of("0.1").value == Fraction(1, 10)
    assert expression_of("1e-3").value == Fraction(1, 1000)
    assert expression_of("1.e2").value == 100
    assert expression_of(".5").value == Fraction(1, 2)
    assert [expression_of(t).is_int for t in ("1", "1.0", "1e3")] == [True, False, False]


def test_quantities() -> None:
    quantity = expression_of("1.62 mV/ms")
    assert (quantity.value, quantity.unit) == (Fraction(162, 100), "mV/ms")
    assert isinstance(expression_of("1 mV / ms"), syntax.Binary)
    assert isinstance(expression_of("2 * ms"), syntax.Binary)


def test_words_are_keywords_only_where_a_keyword_may_stand() -> None:
    tree = tree_of("model M {\n proj out : hid -> cls.in\n phase train : 3 ms\n y = step + learn.seed\n}")
    projection, phase, assign = tree.models[0].body
    assert isinstance(projection, syntax.Projection)
    assert isinstance(phase, syntax.Phase)
    assert isinstance(assign, syntax.Assign)
    assert (projection.name, phase.name, shown(assign.value)) == ("out", "train", "(step + learn.seed)")


def test_statements_are_told_apart() -> None:
    body = tree_of(
        "neuron N {\n in a, b : voltage\n var x per pre = 0, y : int\n x' = 1\n y := 2 seed 3\n}"
    ).declarations[0]
    assert isinstance(body, syntax.Neuron)
    ports, x, y, derivative, assign = body.body
    assert isinstance(ports, syntax.Ports)
    assert [(p.name, p.type and p.type.name) for p in ports.ports] == [("a", None), ("b", "voltage")]
    assert isinstance(x, syntax.Variable)
    assert (x.name, x.per) == ("x", "pre")
    assert isinstance(y, syntax.Variable)
    assert (y.type and y.type.name, y.init) == ("int", None)
    assert isinstance(derivative, syntax.Derivative)
    assert isinstance(assign, syntax.Assign)
    assert (assign.op, assign.modifiers[0].kind) == (":=", "seed")


def test_modifiers_keep_their_order_and_arguments() -> None:
    (projection,) = tree_of("model M {\n proj a -> b.I { connect all seed 1 if pre != post repeat }\n}").models[0].body
    assert isinstance(projection, syntax.Projection)
    modifiers = projection.options[0].modifiers
    assert [(m.kind, len(m.args)) for m in modifiers] == [("seed", 1), ("if", 1), ("repeat", 0)]


def test_group_with_a_port() -> None:
    (projection,) = tree_of("model M {\n proj a -> {b, c}.ge\n}").models[0].body
    assert isinstance(projection, syntax.Projection)
    assert isinstance(projection.target, syntax.Attribute)
    assert isinstance(projection.target.base, syntax.Group)


def test_spans_cover_what_was_written() -> None:
    text = "model M {\n  h = LIF[10](W1 @ x,\n    tau = 2 ms)  # end\n}\n"
    tree = tree_of(text)
    assign = tree.models[0].body[0]
    assert isinstance(assign, syntax.Assign)
    assert assign.span == Span("test.snn", 2, 3, 3, 16)
    assert isinstance(assign.value, syntax.Call)
    assert assign.value.span == Span("test.snn", 2, 7, 3, 16)
    assert assign.value.args[0].span == Span("test.snn", 2, 15, 2, 21)
    assert assign.value.keywords[0].value.span == Span("test.snn", 3, 11, 3, 15)
    assert tree.models[0].span == Span("test.snn", 1, 1, 4, 2)


def test_span_of_a_parenthesised_operand_starts_at_its_parenthesis() -> None:
    assert expression_of("(a + b) * c").span == Span("test.snn", 1, 1, 1, 12)


def test_types_span_without_their_colon() -> None:
    param = tree_of("param w  : real[2, 3] = 1").declarations[0]
    assert isinstance(param, syntax.Param)
    assert param.type is not None
    assert param.type.span == Span("test.snn", 1, 12, 1, 22)


def plain(node: Any) -> Any:
    """The tree without its spans."""
    if isinstance(node, tuple):
        return tuple(plain(item) for item in node)
    if isinstance(node, syntax.Node):
        return (type(node).__name__, *(plain(getattr(node, f.name)) for f in fields(node) if f.name != "span"))
    return node


@pytest.mark.parametrize(
    "text",
    [
        "model M {\r\n  x = 1\r\n  y = f(a,\r\n b)\r\n}\r\n",
        "model M {x = 1; y = f(a, b)}",
        '\n\n# c\nmodel M {\n\n;;x = 1;;\n# c } ( "\n y = f(a, # c\n\n  b)\n;}\n;',
    ],
)
def test_line_ends_and_separators(text: str) -> None:
    assert plain(tree_of(text)) == plain(tree_of("model M {\n  x = 1\n  y = f(a, b)\n}"))


def test_empty_files() -> None:
    for text in ("", "\n", "# nothing", "  \n\t# nothing\n"):
        assert tree_of(text).models == ()


def test_comments_and_strings_hold_any_text() -> None:
    tree = tree_of('model M {\n x = load("größe # (.npz")  # Ωμ "(\n}')
    strings = [n.value for n in nodes_of(tree) if isinstance(n, syntax.String)]
    assert strings == ["größe # (.npz"]


# ---------------------------------------------------------------- mistakes


def test_every_mistake_of_a_file_is_reported_once() -> None:
    text = "model M {\n x = = 3\n y = (a + b\n z = 1\n spike\n u = 2 mss\n}\nstep 1 ms\n"
    assert mistakes_of(text) == [("E0108", 2, 6), ("E0104", 3, 6), ("E0107", 5, 2), ("E0113", 6, 8), ("E0107", 8, 1)]


def test_what_is_whole_is_kept_beside_a_mistake() -> None:
    diagnostics = Diagnostics()
    tree = parse("neuron N(a b) {\n in I\n V := := 1\n out V\n}\nmodel M {\n x = \n y = 1\n}", "t", diagnostics)
    assert tree is not None
    assert [d.span and d.span.line for d in diagnostics.items] == [1, 3, 7]
    assert [type(s).__name__ for s in tree.models[0].body] == ["Assign"]


def test_a_missing_brace_is_one_mistake_at_its_opening() -> None:
    text = "model M {\n  neuron N {\n    in I\n    out I\n\n  input x : real\n  pop p : N[3]\n}\n"
    assert mistakes_of(text) == [("E0104", 2, 12)]


def test_a_missing_brace_is_found_by_indentation() -> None:
    text = "model M {\n  neuron N {\n    spike when V > 1 { V := 0\n  }\n  pop p : N[3]\n}\n"
    assert mistakes_of(text) == [("E0104", 3, 22)]


def test_a_broken_head_leaves_its_body_readable() -> None:
    assert mistakes_of("model M(a: int = ) {\n x = 1\n y = )\n}") == [("E0108", 1, 18), ("E0104", 3, 6)]


def test_a_continued_line_is_one_mistake() -> None:
    assert mistakes_of("model M {\n  x = a +\n      b * 3\n  y = 1\n}") == [("E0108", 2, 10)]


def test_reading_stops_at_too_many_mistakes() -> None:
    found = mistakes_of("model M {\n" + " x = = 1\n" * (MAX_ERRORS + 10) + "}")
    assert len(found) == MAX_ERRORS + 1
    assert found[-1][0] == "E0116"


WRAPPED = {
    "parentheses": "(" * 10000 + "1" + ")" * 10000,
    "open brackets": "[" * 10000,
    "sum": "+".join(["1"] * 5000),
    "signs": "-" * 5000 + "1",
    "negations": "not " * 5000 + "1",
    "choices": "if a then b else " * 2000 + "1",
    "powers": "a^" * 2000 + "1",
    "attributes": "a" + ".b" * 5000,
    "pipes": "a" + "|>f()" * 2000,
}


@pytest.mark.parametrize("name", list(WRAPPED))
def test_deep_nesting_is_a_mistake(name: str) -> None:
    assert [code for code, _, _ in mistakes_of("model M {\n x = " + WRAPPED[name] + "\n}\n")] == ["E0110"]


def test_nested_bodies_are_limited() -> None:
    assert "E0110" in {code for code, _, _ in mistakes_of("block B(x) {\n" * 1000 + "}\n" * 1000)}


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1" * 5000, "0." + "1" * 5000, "1e" + "9" * 5000])
def test_numbers_out_of_range(number: str) -> None:
    assert mistakes_of(f"param a = {number}") == [("E0109", 1, 11)]


def test_a_null_byte_is_an_unknown_character() -> None:
    assert mistakes_of("model M {\n x = \0\0 + 1\n}") == [("E0102", 2, 6)]


def test_a_large_text_is_refused_at_once() -> None:
    assert [code for code, _, _ in mistakes_of(" " * (MAX_BYTES + 1))] == ["E0110"]


@pytest.mark.parametrize("text", ["", "1 +", "a; b", "a\nb", "a = 1", ")", '"', "1e999999"])
def test_a_broken_expression_is_none(text: str) -> None:
    diagnostics = Diagnostics()
    assert parse_expression(text, "-P x", diagnostics) is None
    assert len(diagnostics.items) == 1


# ---------------------------------------------------------------- files


def message_of(path: Path) -> str:
    with pytest.raises(CompileError) as caught:
        read_source(path)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code} {diagnostic.message}"


def test_unreadable_files(tmp_path: Path) -> None:
    absent = tmp_path / "absent.snn"
    assert message_of(absent) == f"E0701 no such file: {absent}"
    assert message_of(tmp_path) == f"E0111 {tmp_path} is a folder, not a file"
    assert message_of(Path("a\0b")).startswith("E0111 cannot read a\0b")
    latin = tmp_path / "latin.snn"
    latin.write_bytes(b"model M {\n # gr\xfc\xdfe\n}\n")
    assert message_of(latin) == "E0111 the file is not UTF-8 text: byte 0xfc in line 2"
    large = tmp_path / "large.snn"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    assert message_of(large).startswith("E0110")


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "bom.snn"
    path.write_bytes(b"\xef\xbb\xbfmodel M {\r\n}")
    assert read_source(path) == "model M {\r\n}"


# ---------------------------------------------------------------- the cache of the tables


@pytest.fixture
def unshipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tables beside the grammar, as with another version of lark."""
    monkeypatch.setattr(grammar_tables, "SHIPPED", tmp_path / "none.json")
    yield
    grammar_tables.language.cache_clear()


@pytest.mark.usefixtures("unshipped")
def test_tables_are_cached_and_damage_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEC_CACHE_DIR", str(tmp_path))
    for content in (None, b"", b"no tables", b"{}"):
        if content is not None:
            (stored,) = tmp_path.iterdir()
            stored.write_bytes(content)
        grammar_tables.language.cache_clear()
        tree_of("model M {\n x = 1\n}")
    (stored,) = tmp_path.iterdir()
    saved = stored.read_bytes()
    grammar_tables.language.cache_clear()
    tree_of("model M {\n x = 1\n}")
    assert stored.read_bytes() == saved


@pytest.mark.usefixtures("unshipped")
def test_a_cache_that_cannot_be_written_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SPIKEC_CACHE_DIR", str(blocked))
    grammar_tables.language.cache_clear()
    tree_of("model M {\n x = 1\n}")


def test_a_keyword_of_another_place_can_be_assigned() -> None:
    body = tree_of("neuron N { var phase = 0; phase' = 1; step := 2; output = phase; out step }").declarations[0].body
    assert [type(statement).__name__ for statement in body] == ["Variable", "Derivative", "Assign", "Assign", "Out"]
    assert mistakes_of("neuron N { var on = 0; on := 1 }") == [("E0105", 1, 24)]
    assert mistakes_of("model M { step 1 ms\nspike\n}") == [("E0107", 2, 1)]
