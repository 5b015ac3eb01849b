"""The C interface of a compiled network: its header, and a main program for executables."""

from __future__ import annotations

import re

from spikec.backends.cpu.module import CpuModule
from spikec.runtime.interface import EMITTED, Input, Interface, Output
from spikec.runtime.layout import Layout, Stream

TYPES = {
    "bool": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float",
    "float64": "double",
}


def identifier(name: str) -> str:
    """A C identifier for a name of the model; never a keyword, since it ends in an underscore where it may be one."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    if text in KEYWORDS or text.startswith("_") or text[:1].isdigit() or not text:
        return f"n_{text}"
    return text


KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "unused",
    ]
)


def _comment(text: str) -> str:
    return "/* " + text.replace("*/", "* /") + " */"


def _shape(shape: tuple[int, ...]) -> str:
    return "".join(f"[{extent}]" for extent in shape)


def _meaning(declared: Input | Output | None) -> str:
    """The unit of a stream, and the scale of integers that stand for reals."""
    if declared is None:
        return ""
    unit = f", {declared.unit}" if declared.unit else ""
    return unit if declared.scale is None else f"{unit}, times {declared.scale!r}"


def _members(streams: list[tuple[Stream, str, bool]], qualifier: str) -> list[str]:
    lines = []
    for stream, meaning, streamed in streams:
        steps = "[steps]" if streamed else ""
        note = _comment(f"{stream.name}: {stream.dtype} {steps}{_shape(stream.shape)}{meaning}".rstrip())
        lines.append(f"    {qualifier}{TYPES[stream.dtype]} *{identifier(stream.name)}; {note}")
    return lines or ["    void *unused; " + _comment("nothing")]


def _streams(
    layout: Layout, interface: Interface
) -> tuple[list[tuple[Stream, str, bool]], list[tuple[Stream, str, bool]]]:
    given = {i.name: i for i in interface.inputs}
    wanted = {o.name: o for o in interface.outputs}
    inputs = [(s, _meaning(given.get(s.name)), True) for s in layout.inputs]
    outputs = [(s, _meaning(wanted.get(s.name)), True) for s in layout.outputs]
    return inputs, outputs + [(s, _meaning(wanted.get(s.name)), False) for s in layout.results]


def header(module: CpuModule, interface: Interface) -> str:
    """The header as C99 text."""
    layout = module.layout
    inputs, outputs = _streams(layout, interface)
    guard = f"SPIKEC_{identifier(module.model).upper()}_H"
    step = f"{interface.dt!r} s" if interface.dt_unit == "s" else "1 step"
    lines = [
        _comment(f"The spiking network {module.model}; a step is {step}."),
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"#define NET_STATE_BYTES {layout.arena}u",
        f"#define NET_STATE_WORDS {layout.arena // 8}u",
    ]
    for stream, _, _ in [*inputs, *outputs]:
        lines.append(f"#define NET_SIZE_{identifier(stream.name)} {stream.size}u")
    if layout.draws:
        lines.append(f"#define NET_KEYS {len(layout.draws)}u")
    lines += [
        "",
        _comment("All that the network remembers. Any alignment of 8 will do; 64 is fastest. Copy it to save it."),
        "typedef struct net_state { uint64_t words[NET_STATE_WORDS]; } net_state;",
        "",
        _comment("The arrays of a call: net_run reads [steps] slices, net_step one. None may be null."),
        "typedef struct net_in {",
        *_members(inputs, "const "),
        "} net_in;",
        "",
        "typedef struct net_out {",
        *_members(outputs, ""),
        "} net_out;",
        "",
        _comment("The number of steps done."),
        "#define NET_STEPS(state) ((state)->words[0])",
        *(f"#define NET_COUNT_{identifier(name)}(state) ({_sum(words)})" for name, words in _counts(layout).items()),
        "",
        _comment("Back to the state before the first step. Call it once before all else."),
        "void net_init(net_state *state);",
        *_seed(layout),
        _comment("One step."),
        "void net_step(net_state *state, const net_in *in, const net_out *out);",
        _comment("Many steps; the same as that many calls of net_step with one slice each."),
        "void net_run(net_state *state, const net_in *in, const net_out *out, uint64_t steps);",
        _comment("Sets the outputs that are computed once, over all steps."),
        "void net_finish(net_state *state, const net_out *out);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def _counts(layout: Layout) -> dict[str, list[int]]:
    """The words of the state that add up to what each population emitted, and to the weight additions of the run."""
    words = {name: offset // 8 for name, offset in layout.counters}
    counts = {name.removesuffix(EMITTED): [word] for name, word in words.items() if name.endswith(EMITTED)}
    counts["synaptic_events"] = [word for name, word in words.items() if not name.endswith(EMITTED)]
    return counts


def _sum(words: list[int]) -> str:
    return " + ".join(f"(state)->words[{word}]" for word in words) or "0u"


def _seed(layout: Layout) -> list[str]:
    """The declaration of net_seed, for networks that draw random numbers."""
    if not layout.draws:
        return []
    rows = [_comment(f"  row {row}: {draw.path}, seed {draw.seed}") for row, draw in enumerate(layout.draws)]
    return [
        _comment("The same with other random numbers than those of run seed 0: two words for each source, the first"),
        _comment("64 bits (little-endian) of SHA-256 over the text RUNSEED/SEED/PATH, and the sample of a batch."),
        *rows,
        "void net_seed(net_state *state, const uint32_t keys[NET_KEYS][2], uint32_t sample);",
    ]


def main_program(module: CpuModule, interface: Interface) -> str:
    """A main program that runs N steps and prints how many events each population emitted.

    Inputs are zero, or raw slices read from `NAME=FILE`; a file that ends is followed by zeros.
    """
    layout = module.layout
    inputs, outputs = _streams(layout, interface)
    buffers = [f"static {TYPES[s.dtype]} {_buffer(s)}[{max(s.size, 1)}];" for s, _, _ in [*inputs, *outputs]]
    files = [f'    {{"{s.name}", 0, {_buffer(s)}, sizeof {_buffer(s)}}},' for s, _, _ in inputs]
    set_in = [f"    in.{identifier(s.name)} = {_buffer(s)};" for s, _, _ in inputs] or ["    in.unused = 0;"]
    set_out = [f"    out.{identifier(s.name)} = {_buffer(s)};" for s, _, _ in outputs] or ["    out.unused = 0;"]
    counts = [
        f'    printf("{name} %llu\\n", (unsigned long long)NET_COUNT_{identifier(name)}(&state));'
        for name in _counts(layout)
    ]
    return "\n".join(
        [
            "#include <stdio.h>",
            "#include <stdlib.h>",
            "#include <string.h>",
            '#include "net.h"',
            "",
            "static net_state state;",
            *buffers,
            "struct stream { const char *name; FILE *file; void *data; size_t size; };",
            "static struct stream streams[] = {\n" + "\n".join([*files, '    {"", 0, 0, 0}']) + "\n};",
            "",
            "static int usage(const char *program) {",
            '    fprintf(stderr, "usage: %s STEPS [INPUT=FILE ...]\\n", program);',
            "    return 2;",
            "}",
            "",
            "int main(int argc, char **argv) {",
            "    char *rest;",
            "    unsigned long long steps, t;",
            "    int i;",
            "    net_in in;",
            "    net_out out;",
            "    struct stream *s;",
            "    if (argc < 2) return usage(argv[0]);",
            "    steps = strtoull(argv[1], &rest, 10);",
            "    if (rest == argv[1] || *rest) return usage(argv[0]);",
            "    for (i = 2; i < argc; i++) {",
            "        const char *equals = strchr(argv[i], '=');",
            "        if (!equals) return usage(argv[0]);",
            "        for (s = streams; s->size; s++)",
            "            if (strlen(s->name) == (size_t)(equals - argv[i])",
            "                && !strncmp(s->name, argv[i], strlen(s->name))) break;",
            '        if (!s->size) { fprintf(stderr, "error: no input of this name: %s\\n", argv[i]); return 1; }',
            '        if (!(s->file = fopen(equals + 1, "rb"))) { perror(equals + 1); return 1; }',
            "    }",
            *set_in,
            *set_out,
            "    net_init(&state);",
            "    for (t = 0; t < steps; t++) {",
            "        for (s = streams; s->size; s++) {",
            "            size_t got = s->file ? fread(s->data, 1, s->size, s->file) : 0;",
            "            memset((char *)s->data + got, 0, s->size - got);",
            "        }",
            "        net_step(&state, &in, &out);",
            "    }",
            "    net_finish(&state, &out);",
            *counts,
            "    return 0;",
            "}",
            "",
        ]
    )


def _buffer(stream: Stream) -> str:
    return f"buffer_{identifier(stream.name)}"
