"""Artifacts: a folder with a compiled network, its `manifest.json`, and all that running it takes.

`manifest.json` is for people and other tools; `layout.json` says where things lie in the memory of code for
processors, `launches.json` what kernels for GPUs need of their host, `circuit.json` how a host is connected to a
circuit.  The manifest holds the hash of every
other file, so that a damaged artifact is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.runtime.cpu import CpuEngine
from spikec.runtime.devices import Device
from spikec.runtime.gpu import GpuEngine, Shape
from spikec.runtime.interface import Engine, Interface
from spikec.runtime.launches import Kernel, Launches
from spikec.runtime.layout import Layout
from spikec.runtime.run import Executable

FORMAT = 1
MANIFEST, LAYOUT, LAUNCHES, WIRING = "manifest.json", "layout.json", "launches.json", "circuit.json"


@dataclass(frozen=True)
class About:
    """What a manifest says beside what the interface and the files say.

    `machine` is the processor as LLVM names it: triple, cpu, features.  `constants` are name, shape, dtype and
    digest of each array.  `report` are the tables of the passes: title, columns, rows.  `tools` are versions by name.
    """

    target: str
    machine: Mapping[str, str]
    pipeline: str
    report: list[dict[str, Any]]
    options: Mapping[str, Any]
    seed: int
    random_structure: bool
    state_bytes: int
    constants: list[dict[str, Any]]
    tools: Mapping[str, str]


def pack(
    about: About, interface: Interface, plan: Layout | Launches | Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files of an artifact by name, the manifest last; a `plan` that is a mapping stands in the manifest."""
    made, more = dict(files), {}
    if isinstance(plan, Layout):
        made[LAYOUT] = _json(plan.to_json())
    elif isinstance(plan, Launches):
        # The keys of the seed that a stranger, who cannot make them, runs it with.
        made[LAUNCHES] = _json({**plan.to_json(), "keys": plan.keys(about.seed).tolist()})
        more = _launched(plan)
    else:
        more = dict(plan)
    shown = interface.to_json()
    manifest = {
        "format": FORMAT,
        "model": interface.model,
        "target": about.target,
        "machine": dict(about.machine),
        "dt": interface.dt,
        "dt_unit": interface.dt_unit,
        # Values with a scale are integers that stand for reals; all others (null) are what they are.
        "inputs": shown["inputs"],
        "outputs": shown["outputs"],
        "probes": shown["probes"],
        "populations": shown["populations"],
        "state_bytes": about.state_bytes,
        "constants": about.constants,
        "pipeline": about.pipeline,
        "report": about.report,
        "options": dict(about.options),
        "seed": about.seed,
        "random_structure": about.random_structure,
        "tools": dict(about.tools),
        **more,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(made.items())
        },
    }
    return {**made, MANIFEST: _json(manifest)}


def _launched(plan: Launches) -> dict[str, Any]:
    """The kernels of a round in their order, and the buffers; `init` names an array, or is a number (null is zero)."""

    def shown(kernel: Kernel) -> dict[str, Any]:
        return {
            "kernel": kernel.name,
            "grid": [kernel.grid, 1, 1],
            "block": [kernel.block, 1, 1],
            "shared_bytes": kernel.shared_bytes,
            "args": ["round", *kernel.arguments],
        }

    return {
        "plan": [shown(kernel) for kernel in plan.step],
        "buffers": [
            {"name": m.name, "bytes": m.bytes, "init": m.name if m.kind == "constant" else m.init}
            for m in plan.memories
        ],
    }


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, sort_keys=False) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact, its files compared with their hashes.  Raises CompileError."""
    path = folder / MANIFEST
    if not folder.exists():
        raise _error("E0701", folder, f"no such folder: {folder}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _error("E0720", folder, f"{folder} is not an artifact: it has no {MANIFEST}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _error("E0720", path, f"not a manifest: {str(error).splitlines()[0]}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise _error("E0720", path, "not a manifest: it lists no files")
    if manifest.get("format") != FORMAT:
        message = f"the artifact has format {manifest.get('format')}, this version reads format {FORMAT}"
        raise _error("E0720", path, message, "compile the model again")
    for name, entry in manifest["files"].items():
        _check_file(folder, name, entry)
    return manifest


def _check_file(folder: Path, name: str, entry: Any) -> None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or str(place) != name or not isinstance(entry, dict):
        raise _error("E0720", folder / MANIFEST, f"not a manifest: '{name}' is not the name of a file below it")
    try:
        with (folder / name).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _error("E0720", folder / name, f"the artifact is not whole: {error.strerror}: {name}") from None
    if found != entry.get("sha256"):
        raise _error("E0720", folder / name, f"{name} is not the file that the manifest names", "compile again")


def open_artifact(folder: Path, manifest: Mapping[str, Any]) -> Executable:
    """The network of an artifact whose manifest was read, ready to run on this machine.  Raises CompileError."""
    library = _ends(manifest, ".so")
    if library is None:
        message = f"the artifact is for the target '{manifest.get('target')}' and holds nothing that runs here"
        raise _error("E0705", folder / MANIFEST, message)

    def read(interface: Interface) -> Callable[[], Engine]:
        layout = Layout.from_json(json.loads((folder / LAYOUT).read_text(encoding="utf-8")))
        return lambda: CpuEngine.from_library((folder / library).resolve(), layout, interface)

    return _opened(folder, manifest, read)


def is_for_gpus(manifest: Mapping[str, Any]) -> bool:
    """Whether an artifact holds kernels."""
    return _ends(manifest, ".ptx") is not None


def open_on_device(folder: Path, manifest: Mapping[str, Any], device: Device, shape: Shape) -> Executable:
    """The network of an artifact for GPUs whose manifest was read, ready to run on a device.  Raises CompileError."""

    def read(interface: Interface) -> Callable[[], Engine]:
        from safetensors.numpy import load

        launches = Launches.from_json(json.loads((folder / LAUNCHES).read_text(encoding="utf-8")))
        text = (folder / str(_ends(manifest, ".ptx"))).read_text(encoding="utf-8")
        constants = load((folder / str(_ends(manifest, ".safetensors"))).read_bytes())
        return lambda: GpuEngine(device, text, launches, constants, interface, shape)

    return _opened(folder, manifest, read)


def is_circuit(manifest: Mapping[str, Any]) -> bool:
    """Whether an artifact holds a circuit."""
    return WIRING in manifest["files"]


def open_circuit(folder: Path, manifest: Mapping[str, Any], clock: float) -> Executable:
    """The network of an artifact with a circuit whose manifest was read, for the simulator.  Raises CompileError."""
    from spikec.runtime import circuits

    def read(interface: Interface) -> Callable[[], Engine]:
        engine = circuits.loaded(lambda name: (folder / name).read_bytes(), interface, clock)
        return lambda: engine

    return _opened(folder, manifest, read)


def _opened(folder: Path, manifest: Mapping[str, Any], read: Callable[[Interface], Callable[[], Engine]]) -> Executable:
    """`read` reads the files of an artifact and gives what makes the engine."""
    from safetensors import SafetensorError

    path = folder / MANIFEST
    try:
        engine = read(Interface.from_json(manifest))
        target, seed, random_structure = str(manifest["target"]), int(manifest["seed"]), manifest["random_structure"]
    except (KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError, SafetensorError) as error:
        raise _error("E0720", path, f"not a manifest: {type(error).__name__}: {error}") from None
    files = {name: folder / name for name in (*manifest["files"], MANIFEST)}
    return Executable(engine(), target, seed, bool(random_structure), lambda: files)


def _ends(manifest: Mapping[str, Any], suffix: str) -> str | None:
    return next((name for name in manifest["files"] if name.endswith(suffix)), None)


def described(constants: Mapping[str, Any], digests: Mapping[str, str]) -> list[dict[str, Any]]:
    """Name, shape, element type and digest of each array, sorted by name."""
    return [
        {"name": name, "shape": list(a.shape), "dtype": str(a.dtype), "digest": digests[name]}
        for name, a in sorted(constants.items())
    ]


def _error(code: str, path: Path, message: str, help: str | None = None) -> CompileError:
    return CompileError([Diagnostic(code, "error", message, file=str(path), help=help)])
