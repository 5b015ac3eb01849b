"""What lies between cores: queues of words, encoders that make tokens of them; and cores with a lane for each neuron."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects import rtl
from spikec.dialects.functions import walk
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design
from spikec.lower.step_to_rtl.hardware.encoder import encoder
from spikec.lower.step_to_rtl.hardware.fifo import delayed, fifo
from spikec.runtime.reference.rtl import RtlInterpreter
from spikec.runtime.rtl.bench import pack
from spikec.runtime.rtl.circuit import Stream
from spikec.runtime.rtl.simulator import Simulator

from .circuits import compare, lowered

Token = tuple[int, int] | None


def words_of(values: np.ndarray, stream: Stream) -> list[int]:
    return [
        int.from_bytes(np.ascontiguousarray(word).tobytes(), "little")
        for word in pack(values, stream.elements, stream.bits)
    ]


def tokens(
    stream: Stream, words: list[int], silent: int, eager: bool, count: int, hurry: float
) -> tuple[list[Token], int]:
    """So many tokens of an encoder, (source, value) or None at the end of a step, and the cycles that they took."""
    design, random = Design("encoder"), np.random.default_rng(0)
    with design:
        encoder(design, "encoder", stream, silent, eager)
    simulator, found, taken, cycles = Simulator(design.program()), list[Token](), 0, 0
    low = (stream.elements - 1).bit_length()
    while len(found) < count:
        valid, ready = random.random((2,)) < hurry
        valid = valid and taken < len(words)
        ports = {"in_valid": int(valid), "in_data": words[taken] if valid else 0, "ready": int(ready)}
        seen, cycles = simulator.cycle(ports), cycles + 1
        taken += bool(valid and seen["in_ready"])
        if ready and seen["valid"]:
            word, place = seen["index"] >> low, seen["index"] & ((1 << low) - 1)
            found.append(None if seen["last"] else (word * stream.elements + place, seen["value"]))
    return found, cycles


@pytest.mark.parametrize("hurry", [1.0, 0.5])
@pytest.mark.parametrize(
    ("size", "elements", "bits", "silent", "eager", "share"),
    [
        (16, 16, 1, 0, True, 0.3),
        (100, 100, 1, 2, True, 0.2),  # parts, of which the last one is not full
        (600, 600, 1, 0, True, 0.05),  # parts of parts
        (300, 64, 1, 1, True, 0.02),
        (300, 64, 1, 1, False, 0.5),
        (90, 90, 3, 0, True, 0.4),
        (7, 1, 4, 0, False, 0.5),
    ],
)
def test_an_encoder_gives_each_event_once_and_in_order(
    size: int, elements: int, bits: int, silent: int, eager: bool, share: float, hurry: float
) -> None:
    stream, random, steps = Stream(size, elements, bits), np.random.default_rng(1), 12
    x = np.where(random.random((steps, size)) < share, random.integers(1, 1 << bits, (steps, size)), 0)
    expected: list[Token] = [None] * silent
    for row in x:
        expected += [*((int(k), int(row[k])) for k in np.flatnonzero(row)), None]
    found, cycles = tokens(stream, words_of(x, stream), silent, eager, len(expected), hurry)
    assert found == expected
    if eager and hurry == 1 and stream.words == 1:
        assert cycles <= len(expected) + 2 * steps + 8


@pytest.mark.parametrize(
    ("width", "words", "steps", "late"), [(16, 3, 4, 0), (16, 30, 64, 2), (512, 1, 64, 2), (7, 1, 1024, 2)]
)
def test_a_queue_gives_what_it_took(width: int, words: int, steps: int, late: int) -> None:
    """On the interpreter too, which makes words wrong that are read while they are written."""
    assert delayed(width, words, steps) == late
    design = Design("queue")
    with design:
        fifo(design, "queue", width, words, steps)
    program = design.program()
    for engine in (Simulator(program), RtlInterpreter(program)):
        random, found, sent = np.random.default_rng(2), list[int](), list[int]()
        left = room = 0
        for cycle in range(1500):
            hurry = (0.1, 1.0, 0.6)[cycle // 100 % 3]
            ready, go = (random.random(2) < (1.1 - hurry, hurry)).astype(int)
            push, begin = int(left and go), int(not left and room and go)
            data = int.from_bytes(random.bytes(-(-width // 8)), "little") & ((1 << width) - 1)
            seen = engine.cycle({"begin": begin, "push": push, "data": data, "out_ready": int(ready)})
            left, room = left - push + words * begin, seen["room"] and not begin
            sent += [data] if push else []
            found += [int(seen["out_data"])] if seen["out_valid"] and ready else []
        assert len(found) > 100
        assert found == sent[: len(found)]


def network(folder: Path, body: str, **arrays: np.ndarray) -> Program:
    np.savez(folder / "weights.npz", **arrays)
    loads = "".join(
        f' param {name} : real{list(a.shape)} = load("weights.npz", "{name}")\n' for name, a in arrays.items()
    )
    (folder / "net.snn").write_text(f"model Net {{\n step 1 ms\n{loads}{body}\n}}\n")
    return spikec.pipeline("quantize{weights=8,state=12,decay=shift}")(spikec.load(folder / "net.snn"))


def test_long_delays_lie_in_blocks_of_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    body = " neuron N { in I; var V = 0; V := exp(-dt / 16 ms) * V + I; spike when V >= 1 { V -= 1 } }\n"
    body += " input x : spikes[10]\n pop n : N[128]\n n.I = f @ x\n"
    body += " proj n -> n.I { connect prob(0.1) seed 1; weight 0.2; delay 40 ms }\n output y = n"
    net = network(tmp_path, body, f=random.normal(0.1, 0.3, (128, 10)))
    memories = [op for op in walk(lowered(net, 16)[1].design.program().module.operation) if op.name == rtl.Mem.name()]
    queues = [op for op in memories if "queue" in str(op.attributes["name"])]
    assert {str(op.attributes["style"]) for op in queues} == {
        '"block"',
        '"distributed"',
    }  # of the delay, and of the output
    x = random.random((90, 10)) < 0.3
    assert compare(net, {"x": x}, 90, 16).outputs["y"][45:].any()


@pytest.mark.parametrize(
    "update",
    [
        "V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }",
        "V := V + I\n spike when V >= 1 { V := 0 }",
        "V := V + I\n spike when V >= 100 { V := 0.5; hold V for 2 ms }",
        "V := 0.9 * V - I\n spike when V >= 0.5 { V := -1 }",
    ],
)
def test_a_lane_for_each_neuron_saturates_at_both_ends(tmp_path: Path, update: str) -> None:
    """Weights of one sign and large, so that the sums of a step leave the state's range."""
    random = np.random.default_rng(3)
    sign = np.where(np.arange(12) < 6, 1, -1)[:, None]
    body = f" neuron N {{ in I; var V = 0.25\n {update} }}\n input x : spikes[30]\n n = N[12](w @ x)\n output y = n"
    net = network(tmp_path, body, w=sign * random.uniform(0.2, 1, (12, 30)))
    compare(net, {"x": random.random((60, 30)) < 0.6}, 60, 12)
