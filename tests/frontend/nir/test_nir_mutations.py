"""Damaged NIR files: whatever stands in the file, the reader ends with diagnostics, in bounded memory and time.

The mutants are made and read in child processes, of which this file is also the program: a crash of the HDF5
library ends the child and not the test, which then names the mutant.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

COUNT = 2000 if os.environ.get("SPIKEC_FULL") == "1" else 200
BATCH = 200
MEMORY = 1 << 30  # above what the child takes when it starts
SECONDS = 120  # for a whole batch; one mutant takes milliseconds

# ---------------------------------------------------------------- the mutants


def cut(content: bytearray, draw: random.Random) -> bytearray:
    return content[: draw.randrange(len(content))]


def flipped(content: bytearray, draw: random.Random) -> bytearray:
    """Bits, bytes and words overwritten, anywhere or at the start, where the structure stands."""
    end = draw.choice([len(content), min(len(content), 8192)])
    for _ in range(draw.choice([1, 1, 2, 4, 16, 64])):
        at = draw.randrange(end)
        match draw.randrange(3):
            case 0:
                content[at] ^= 1 << draw.randrange(8)
            case 1:
                content[at] = draw.choice([0, 1, 127, 128, 255])
            case _:
                content[at : at + 8] = draw.choice([b"\xff" * 8, bytes(8), (1 << 40).to_bytes(8, "little")])
    return content


STRANGE: list[Callable[[h5py.Group, str], Any]] = [
    lambda group, key: group.__setitem__(key, "text"),
    lambda group, key: group.__setitem__(key, b"\xff\xfe"),
    lambda group, key: group.__setitem__(key, True),
    lambda group, key: group.__setitem__(key, 1j),
    lambda group, key: group.__setitem__(key, np.array([2**62, -(2**62)])),
    lambda group, key: group.__setitem__(key, np.array([np.nan, np.inf])),
    lambda group, key: group.__setitem__(key, np.ones((2, 3, 4))),
    lambda group, key: group.__setitem__(key, np.ones(0)),
    lambda group, key: group.__setitem__(key, h5py.Empty("f4")),
    lambda group, key: group.__setitem__(key, h5py.SoftLink("/node")),
    lambda group, key: group.__setitem__(key, h5py.SoftLink(f"/nowhere/{key}")),
    lambda group, key: group.__setitem__(key, h5py.ExternalLink("other.nir", "/node")),
    lambda group, key: group.__setitem__(key, group.file["node"]),
    lambda group, key: group.create_dataset(key, (1 << 30, 1 << 30), "f4", chunks=(1024, 1024)),
    lambda group, key: group.create_dataset(key, (1 << 28,), "f4", chunks=(1 << 20,), compression="gzip").__setitem__(
        0, 1
    ),
    lambda group, key: group.create_dataset(key, (4,), h5py.vlen_dtype(np.int8)),
    lambda group, key: group.create_dataset(key, (4,), h5py.ref_dtype),
    lambda group, key: group.create_group(key),
]


def restructured(path: Path, draw: random.Random) -> None:
    """Datasets and groups dropped, moved, doubled, retyped and reshaped; edges scrambled."""
    with h5py.File(path, "r+") as file:
        for _ in range(draw.randint(1, 4)):
            names: list[str] = []
            file["node"].visit(names.append)
            if not names:
                return
            name = f"node/{draw.choice(names)}"
            group, key = file[name.rpartition("/")[0]], name.rpartition("/")[2]
            match draw.randrange(6):
                case 0:
                    del group[key]
                case 1:
                    group.move(
                        key,
                        draw.choice(["type", "edges", "nodes", "weight", "x", "ä.b", "x" * 2000])
                        + str(draw.randrange(3)),
                    )
                case 2:
                    del group[key]
                    draw.choice(STRANGE)(group, key)
                case 3:
                    group[f"{key}.{draw.randrange(100)}"] = group[key]
                case 4 if small(group[key]):
                    array = group[key][()].astype(draw.choice(["f2", ">f8", "i1", "u8", "S3", bool]))
                    del group[key]
                    group[key] = array.reshape(draw.choice([(-1,), (1, -1), (-1, 1, 1)]))
                case _:
                    scramble(file, draw)


def small(found: Any) -> bool:
    return isinstance(found, h5py.Dataset) and found.dtype.kind in "fi" and bool(found.shape) and found.size < 100_000


def scramble(file: h5py.File, draw: random.Random) -> None:
    edges = file["node"].get("edges")
    if not isinstance(edges, h5py.Dataset) or len(edges.shape) != 2 or not 0 < edges.size < 100_000:
        return
    pairs = [[end.decode() for end in pair] for pair in edges[()]]
    for _ in range(draw.randint(1, 3)):
        one, other = draw.choice(pairs), draw.choice(pairs)
        match draw.randrange(5):
            case 0:
                one[0], other[1] = other[1], one[0]
            case 1:
                one.reverse()
            case 2:
                pairs.append(list(other))
            case 3:
                pairs.append([one[1], other[0]])
            case _:
                one[draw.randrange(2)] += draw.choice([".", ".input", "x", "\n"])
    del file["node/edges"]
    file["node"].create_dataset("edges", data=np.array(pairs, object), dtype=h5py.string_dtype())


def make(seed: int, originals: list[Path], path: Path) -> None:
    """Writes the mutant of this number."""
    draw = random.Random(seed)
    original = draw.choice(originals)
    if draw.random() < 0.5:
        content = bytearray(original.read_bytes())
        path.write_bytes((cut if draw.random() < 0.2 else flipped)(content, draw))
        return
    path.unlink(missing_ok=True)
    shutil.copyfile(original, path)
    # A change may be impossible after the changes before it; these are in the file.
    with suppress(ValueError, TypeError, KeyError, OSError, RuntimeError, AttributeError):
        restructured(path, draw)


# ---------------------------------------------------------------- the child


def built(path: Path, text: str) -> list[Any]:
    """The messages of a whole build, down to the program that would be compiled."""
    from fractions import Fraction

    from spikec.dialects.diagnostics import CompileError, Diagnostics
    from spikec.frontend.nir import load
    from spikec.frontend.nir.profiles import Semantics
    from spikec.lower import snn_to_step

    diagnostics = Diagnostics()
    semantics = Semantics.parse(text, str(float(Fraction(1, 1000))))
    try:
        graph, _ = load.read(path, semantics, diagnostics)
        snn_to_step.lower(load.build(graph, semantics, path, diagnostics).program)
    except CompileError as error:
        return error.diagnostics
    return diagnostics.items


def judge(path: Path) -> None:
    """Reads a mutant as the compiler does."""
    from spikec.dialects.diagnostics import Diagnostics
    from spikec.frontend.nir import file, graph, order, shapes

    diagnostics = Diagnostics()
    raw = file.read(path, diagnostics)
    assert (raw is None) == diagnostics.has_errors
    for canonical in (False, True) if raw is not None else ():
        assert raw is not None
        found = Diagnostics()
        flat = graph.prepare(raw, canonical, found)
        shapes.infer(flat, found)
        order.order(flat, found)
        if not found.has_errors:
            assert sorted(flat.order) == sorted(flat.shapes) == sorted(flat.nodes)
        diagnostics.items += found.items
    for text in ("nir-euler", "sinabs,min_v_mem=-thr", "snntorch,reset=zero,rec_init=zero-current"):
        diagnostics.items += built(path, text)
    for item in diagnostics.items:
        text = item.render()
        text.encode()
        assert "\n" not in item.message


def main(folder: Path, first: int, last: int) -> None:
    originals = sorted(folder.glob("original*.nir"))
    path = folder / f"mutant{first}.nir"
    judge(originals[0])  # loads all libraries
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 1 << 20
    limit = pages * resource.getpagesize() + MEMORY
    for seed in range(first, last):
        print(seed, flush=True)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        make(seed, originals, path)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        judge(path)


# ---------------------------------------------------------------- the test


def test_mutated_files(tmp_path: Path, written: Callable[..., Path], specs: Any) -> None:
    nodes = {"i": specs.input(3), "l": specs.lif(3), "w": specs.linear(3, 3), "o": specs.output(3)}
    block = specs.net(nodes, [("i", "l"), ("l", "w"), ("w", "l"), ("l", "o")])
    nets = [
        specs.chain(x=specs.input(3), r=block, fc=specs.linear(4, 3), y=specs.output(4)),
        specs.chain(x=specs.input(2, 8, 8), c=specs.conv(3, 2, 3, 3), l=specs.lif(3, 6, 6), y=specs.output(3, 6, 6)),
    ]
    for number, net in enumerate(nets):
        written(net).rename(tmp_path / f"original{number}.nir")
        recent = tmp_path / f"original{number}_recent.nir"
        with h5py.File(tmp_path / f"original{number}.nir") as old, h5py.File(recent, "w", libver="latest") as new:
            old.copy("node", new)
    root = os.environ.get("SPIKEC_CONFORMANCE")
    found = sorted(Path(root, "nir").glob("*/*.nir")) if root else []
    for path in found:
        if path.stat().st_size < 100_000:
            # Not copied with its mode: it may be read-only.
            shutil.copyfile(path, tmp_path / f"original_{path.parent.name}_{path.name}")
    for first in range(0, COUNT, BATCH):
        command = [sys.executable, __file__, str(tmp_path), str(first), str(min(COUNT, first + BATCH))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as stuck:
            lines = (stuck.stdout or b"").decode().split()
            raise AssertionError(f"mutant {lines[-1] if lines else first} does not come to an end") from None
        lines = done.stdout.split()
        assert done.returncode == 0, f"mutant {lines[-1] if lines else first}, exit {done.returncode}:\n{done.stderr}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
