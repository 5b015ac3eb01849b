"""What the CPU target makes: objects, libraries, executables, headers; processors; the cache; long runs."""

from __future__ import annotations

import ctypes
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu import codegen, files, header
from spikec.backends.cpu.target import CpuTarget
from spikec.backends.target import TARGETS
from spikec.dialects.diagnostics import CompileError, MissingTool, UsageError
from spikec.runtime import cache, recording
from spikec.runtime.cpu import ENTRIES, CpuEngine
from spikec.runtime.layout import Layout

SIZE = 70
STEPS = 40
needs_compiler = pytest.mark.skipif(not any(map(shutil.which, files.COMPILERS)), reason="no C compiler")


def network(net: Any, lif: str) -> Any:
    """Noisy recurrent LIF neurons with an input, an output, probes and a result."""
    rng = np.random.default_rng(1)
    n = net(lif)
    n.buffer("input.x", "input", f"{SIZE}xf32")
    n.buffer("a.V", "state", f"{SIZE}xf32")
    n.buffer("a.spike", "stream", f"{SIZE}xi1", 2, forms='["list", "mask"]')
    n.buffer("a.I", "temp", f"{SIZE}xf32")
    n.buffer("a.emitted", "counter", "i64")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.auto", "output", f"{SIZE}xi1")
    n.buffer("output.end", "result", f"{SIZE}xf32")
    n.buffer("probe.a.V", "probe", f"{SIZE}xf32", of='@"a.V"', record='"value"', every="4", low="0", high=f"{SIZE}")
    n.buffer(
        "probe.a.spike", "probe", f"{SIZE}xi1", of='@"a.spike"', record='"event"', every="1", low="0", high=f"{SIZE}"
    )
    n.csr("aa", (rng.random((SIZE, SIZE)) < 0.3) * rng.standard_normal((SIZE, SIZE)).astype(np.float32))
    n.table("same", "one_to_one", SIZE, SIZE, weight="0.5 : f32")
    n.init = ['draw into = @"a.V", path = "a.V", seed = 3, key = 0']
    n.stage = [
        'draw into = @"a.I", path = "noise", seed = 4, key = 1',
        'propagate from = @"input.x", delay = 0, low = 0, table = @same, into = @"a.I", mode = "dense", '
        "tally = @synaptic_events",
        'propagate from = @"a.spike", delay = 1, low = 0, table = @aa, into = @"a.I", mode = "event", '
        "tally = @synaptic_events",
        f'update program = @LIF, size = {SIZE}, args = [@"a.I", @"a.V", 0.904 : f32], delays = [0, 0, 0], '
        'results = [@"a.V", @"a.spike"]',
        f'copy from = @"a.spike", delay = 0, low = 0, into = @"output.auto", to = 0, size = {SIZE}',
        'tally of = @"a.spike", into = @"a.emitted"',
        'record into = @"probe.a.V"',
        'record into = @"probe.a.spike"',
    ]
    n.finish = [f'copy from = @"a.V", delay = 0, low = 0, into = @"output.end", to = 0, size = {SIZE}']
    return n


def inputs() -> dict[str, Any]:
    return {"x": np.random.default_rng(0).random((STEPS, SIZE), np.float32)}


@pytest.mark.usefixtures("compiled_each_time")
def test_objects_are_the_same_bytes_each_time(net: Any, both: Any, lif: str, host: CpuTarget) -> None:
    first, second = (both(network(net, lif)) for _ in range(2))
    made = [
        host.emit(run.module, ("obj", "asm", "llvm", "mlir", "header"), run.program.constants, run.interface)
        for run in (first, second)
    ]
    assert made[0] == made[1]
    assert set(made[0]) == {"obj", "asm", "llvm", "mlir", "header"}


def test_mlir_text_is_vector_code_in_upstream_dialects(net: Any, both: Any, lif: str) -> None:
    text = both(network(net, lif)).module.mlir
    assert (
        "memref.view" in text
        and "scf.for" in text
        and "step." not in text.replace("vector.step", "").replace("cpu.s", "")
    )


@needs_compiler
def test_a_library_runs_as_the_code_in_process(net: Any, both: Any, lif: str, host: CpuTarget, tmp_path: Path) -> None:
    run = both(network(net, lif))
    trace = run.advance(STEPS, inputs())
    made = host.artifact(run.module, run.program.constants, run.interface)
    assert set(made) == {"net.so", "net.h"}
    (tmp_path / "net.so").write_bytes(made["net.so"])
    layout = Layout.from_json(json.loads(json.dumps(run.module.layout.to_json())))
    assert layout == run.module.layout
    engine = CpuEngine.from_library(tmp_path / "net.so", layout, run.interface)
    again = engine.advance(inputs(), frozenset({"x"}), STEPS)
    for name in trace.probes:
        assert np.array_equal(trace.probes[name], again.probes[name])
    assert np.array_equal(engine.finish()["end"], run.finish()["end"])
    engine.reset(5)
    run.reset(5)
    other = engine.advance(inputs(), frozenset({"x"}), STEPS)
    assert np.array_equal(other.probes["a.V"], run.advance(STEPS, inputs()).probes["a.V"])
    assert not np.array_equal(other.probes["a.V"], trace.probes["a.V"])


def test_a_file_that_is_no_library_is_refused(net: Any, both: Any, lif: str, tmp_path: Path) -> None:
    run = both(network(net, lif))
    (tmp_path / "net.so").write_bytes(b"no library")
    with pytest.raises(CompileError):
        CpuEngine.from_library(tmp_path / "net.so", run.module.layout, run.interface)


CALLER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net.h"
int main(int argc, char **argv) {
    static net_state one, all;
    static float x[%d][NET_SIZE_x];
    static uint8_t spikes[%d][NET_SIZE_n_auto], same[%d][NET_SIZE_n_auto];
    static float end[NET_SIZE_end];
    net_in in;
    net_out out;
    int t;
    FILE *file = fopen(argv[argc - 1], "rb");
    if (!file || fread(x, sizeof x, 1, file) != 1) return 1;
    net_init(&one);
    net_init(&all);
    for (t = 0; t < %d; t++) {
        in.x = x[t]; out.n_auto = spikes[t]; out.end = end;
        net_step(&one, &in, &out);
    }
    in.x = x[0]; out.n_auto = same[0]; out.end = end;
    net_run(&all, &in, &out, %d);
    if (memcmp(&one, &all, sizeof one) || memcmp(spikes, same, sizeof same)) return 2;
    if (NET_STEPS(&all) != %d || sizeof one != NET_STATE_BYTES) return 3;
    net_finish(&one, &out);
    fwrite(spikes, sizeof spikes, 1, stdout);
    fwrite(end, sizeof end, 1, stdout);
    return 0;
}
"""


@needs_compiler
def test_a_c_program_runs_it_through_the_header(net: Any, both: Any, lif: str, host: CpuTarget, tmp_path: Path) -> None:
    run = both(network(net, lif))
    trace = run.advance(STEPS, inputs())
    made = host.emit(run.module, ("obj", "header"), run.program.constants, run.interface)
    (tmp_path / "net.o").write_bytes(made["obj"])
    (tmp_path / "net.h").write_bytes(made["header"])
    (tmp_path / "x.bin").write_bytes(inputs()["x"].tobytes())
    (tmp_path / "main.c").write_text(CALLER % ((STEPS,) * 6))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["cc", *strict, "main.c", "net.o", "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run(["./main", "x.bin"], cwd=tmp_path, check=True, capture_output=True)
    spikes = np.frombuffer(done.stdout[: STEPS * SIZE], np.uint8).reshape(STEPS, SIZE)
    assert np.array_equal(spikes, trace.outputs["auto"])
    assert done.stdout[STEPS * SIZE :] == run.finish()["end"].tobytes()


@needs_compiler
def test_an_executable_prints_what_populations_emitted(
    net: Any, both: Any, lif: str, host: CpuTarget, tmp_path: Path
) -> None:
    run = both(network(net, lif))
    program = tmp_path / "net"
    program.write_bytes(host.emit(run.module, ("exe",), run.program.constants, run.interface)["exe"])
    program.chmod(0o755)
    (tmp_path / "x.bin").write_bytes(inputs()["x"].tobytes())
    done = subprocess.run([program, str(STEPS), f"x={tmp_path}/x.bin"], check=True, capture_output=True, text=True)
    trace = run.advance(STEPS, inputs())
    assert done.stdout == f"a {trace.emitted['a']}\nsynaptic_events {trace.synaptic_events}\n"
    assert subprocess.run([program], check=False, capture_output=True).returncode == 2


def test_without_a_compiler_a_library_needs_a_tool(
    net: Any, both: Any, lif: str, host: CpuTarget, monkeypatch: Any
) -> None:
    run = both(network(net, lif))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MissingTool, match="C compiler"):
        host.emit(run.module, ("so",), run.program.constants, run.interface)


def test_identifiers_are_c() -> None:
    assert [header.identifier(name) for name in ("x", "auto", "é", "_a", "1")] == ["x", "n_auto", "n__", "n__a", "n_1"]


@pytest.mark.parametrize(
    "triple",
    [
        "aarch64-unknown-linux-gnu",
        "riscv64-unknown-linux-gnu",
        "thumbv7em-none-unknown-eabihf",
        "wasm32-unknown-unknown",
    ],
)
def test_objects_of_other_machines(net: Any, both: Any, lif: str, triple: str) -> None:
    target = CpuTarget.parse(f"cpu:{triple}")
    run = both(network(net, lif), None)
    from spikec.lower.step_to_cpu import lower

    module = lower(run.program, target)
    made = target.emit(module, ("obj",), run.program.constants, run.interface)
    assert made["obj"][:4] == (b"\0asm" if triple.startswith("wasm") else b"\x7fELF")
    assert run.program.constants["aa.w"].tobytes() in made["obj"]
    with pytest.raises(UsageError, match="this machine alone"):
        target.emit(module, ("so",), run.program.constants, run.interface)


@pytest.mark.parametrize("text", ["cpu:", "cpu:nonsense", "cpux", "cpu,x"])
def test_unknown_targets_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        TARGETS["cpu"](text)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of x86-64")
@pytest.mark.parametrize(("cpu", "bits"), [("x86-64", 0), ("x86-64-v2", 128), ("x86-64-v3", 256)])
def test_every_vector_width_gives_the_same_bits(
    net: Any, both: Any, lif: str, host: CpuTarget, cpu: str, bits: int
) -> None:
    if bits == 256 and not codegen.has(host, "avx2"):
        pytest.skip("needs AVX2")
    target = CpuTarget.parse(f"cpu:{host.triple},{cpu}")
    assert target.vector_bits == bits
    run = both(network(net, lif), target)
    assert run.advance(STEPS, inputs()).emitted["a"] > 0
    run.finish()


def test_long_runs_are_recorded_in_pieces(net: Any, both: Any, lif: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(recording, "EVENT_BYTES", 3 * SIZE * 9)
    run = both(network(net, lif))
    run.advance(STEPS, inputs())
    run.advance(11, held={"x": inputs()["x"][0]})


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads MXCSR")
def test_the_floating_point_mode_is_set_back(net: Any, both: Any, lif: str, host: CpuTarget) -> None:
    text = (
        "define i32 @spikec_init() {\n %p = alloca i32\n"
        " call void @llvm.x86.sse.stmxcsr(ptr %p)\n %v = load i32, ptr %p\n"
        " ret i32 %v\n}\ndeclare void @llvm.x86.sse.stmxcsr(ptr)\n"
        + "".join(f"define void @{name}() {{\n ret void\n}}\n" for name in ENTRIES[1:])
    )
    code = codegen.link(codegen.object_code(host, text))
    mode = ctypes.CFUNCTYPE(ctypes.c_uint32)(code.init)
    before = mode()
    run = both(network(net, lif))
    run.advance(STEPS, inputs())
    run.finish()
    assert mode() == before


def test_a_cached_network_runs_without_mlir_and_llvm(
    net: Any, both: Any, lif: str, host: CpuTarget, tmp_path: Path
) -> None:
    run = both(network(net, lif))
    store, key = cache.Cache(tmp_path), cache.key("net", host.identity())
    assert host.load_cached(store, key) is None
    host.load(run.module, run.program.constants, run.interface, store, key)
    script = (
        "import sys\nimport numpy as np\nfrom pathlib import Path\n"
        "from spikec.backends.cpu.target import CpuTarget\nfrom spikec.runtime.cache import Cache\n"
        f"engine = CpuTarget.parse('cpu').load_cached(Cache(Path({str(tmp_path)!r})), {key!r})\n"
        f"x = np.random.default_rng(0).random(({STEPS}, {SIZE}), np.float32)\n"
        f"trace = engine.advance({{'x': x}}, frozenset({{'x'}}), {STEPS})\n"
        "assert not [m for m in sys.modules if m.partition('.')[0] == 'mlir' or m == 'llvmlite.binding']\n"
        "print(trace.emitted['a'], trace.synaptic_events)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    trace = run.advance(STEPS, inputs())
    assert done.stdout == f"{trace.emitted['a']} {trace.synaptic_events}\n"


@pytest.mark.parametrize("name", ["head.json", "code.o", "code.so", "constants.bin"])
def test_a_damaged_entry_is_not_used(net: Any, both: Any, lif: str, host: CpuTarget, tmp_path: Path, name: str) -> None:
    run = both(network(net, lif))
    store = cache.Cache(tmp_path)
    host.load(run.module, run.program.constants, run.interface, store, "k")
    damaged = tmp_path / "k" / name
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert host.load_cached(store, "k") is None


def test_a_cache_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = cache.Cache(tmp_path / "file")
    assert not store.store("k", {}, {"a": b"1"})
    assert store.find("k") is None


def test_the_folder_of_the_cache(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("SPIKEC_CACHE_DIR", str(tmp_path))
    assert cache.folder() == tmp_path
    assert cache.Cache().store("k", {"a": 1}, {"b": b"2"}) and cache.Cache().store("k", {"a": 2}, {"b": b"34"})
    entry = cache.Cache().find("k")
    assert entry is not None and entry.head["a"] == 2 and entry.read("b") == b"34"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
