"""An event camera in numpy: what a dynamic vision sensor sends when an image moves in front of it.

Each pixel remembers a reference and compares the logarithm of its intensity with it, L = log(I + floor):

    |L - reference| >= contrast:   event of polarity p = sign(L - reference),  reference += p * contrast

as often as the condition holds.  Between two frames L is a straight line in time, so a pixel may send several events
there, each at the time at which the line crosses its level.  An event is lost less than `refractory_us` after the last
one of its pixel (the reference has moved all the same).  Background noise is a Poisson process in each pixel.

Arrays of frames are (F, H, W) and times (F,) in microseconds.  Everything is a function of its arguments and a seed.

    python events.py 898 -o eight.npz    # the events of a digit of scikit-learn, looked at with three saccades
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sensor:
    """`contrast` is the step of log intensity that makes an event, `noise_hz` the rate of noise of a pixel."""

    contrast: float = 0.2
    floor: float = 0.05
    refractory_us: int = 0
    noise_hz: float = 0.0

    def __post_init__(self) -> None:
        if not self.contrast > 0 or not self.floor > 0:
            raise ValueError("contrast and floor must be above 0")
        if self.refractory_us < 0 or self.noise_hz < 0:
            raise ValueError("refractory_us and noise_hz must not be below 0")


@dataclass(frozen=True)
class Events:
    """Times in microseconds, columns, rows and polarities (1 rise, 0 fall) of one recording, ascending in time."""

    t: Integers
    x: Integers
    y: Integers
    p: Integers

    def __len__(self) -> int:
        return len(self.t)

    def save(self, path: Path) -> None:
        """Writes the event file that `spikec run --input` reads."""
        small = (self.t, self.x.astype(np.int16), self.y.astype(np.int16), self.p.astype(np.int8))
        np.savez_compressed(path, **dict(zip("txyp", small, strict=True)))

    def counts(self, height: int, width: int, bin_us: int, bins: int) -> npt.NDArray[np.int32]:
        """Events per bin, polarity and pixel, (bins, 2, height, width); those after the last bin are left out."""
        counts = np.zeros((bins, 2, height, width), np.int32)
        kept = self.t < bin_us * bins
        np.add.at(counts, (self.t[kept] // bin_us, self.p[kept], self.y[kept], self.x[kept]), 1)
        return counts


def record(frames: npt.ArrayLike, times_us: npt.ArrayLike, sensor: Sensor | None = None, seed: int = 0) -> Events:
    """The events of a film of intensities (F, H, W), which are at least 0, at ascending times (F,)."""
    sensor = sensor or Sensor()
    intensity = np.asarray(frames, np.float64)
    if not (intensity >= 0).all():
        raise ValueError("intensities must be numbers that are at least 0")
    return record_log(np.log(intensity + sensor.floor), times_us, sensor, seed)


def record_log(frames: npt.ArrayLike, times_us: npt.ArrayLike, sensor: Sensor | None = None, seed: int = 0) -> Events:
    """The events of a film of log intensities (F, H, W) at ascending times (F,)."""
    sensor = sensor or Sensor()
    log, times = np.asarray(frames, np.float64), np.asarray(times_us, np.float64)
    if log.ndim != 3 or len(log) == 0 or not np.isfinite(log).all():
        raise ValueError(f"frames must be finite and of shape (F, H, W), not {log.shape}")
    if times.shape != log.shape[:1] or not (np.diff(times) > 0).all() or times[0] < 0:
        raise ValueError("there must be one time for each frame, ascending, the first at least 0")
    height, width = log.shape[1:]
    rng = np.random.default_rng(seed)
    t, pixel, p = _crossings((log - log[0]).reshape(len(log), -1) / sensor.contrast, times)
    t, pixel, p = _sorted(t, pixel, p)
    if sensor.refractory_us:
        kept = _kept(t, pixel, sensor.refractory_us)
        t, pixel, p = t[kept], pixel[kept], p[kept]
    if sensor.noise_hz:
        noise = _noise(height * width, times[0], times[-1], sensor.noise_hz, rng)
        t, pixel, p = _sorted(*(np.concatenate(pair) for pair in zip((t, pixel, p), noise, strict=True)))
    return Events(t, pixel % width, pixel // width, p)


def _crossings(levels: Reals, times: Reals) -> tuple[Integers, Integers, Integers]:
    """Time, pixel and polarity of all crossings of whole levels.

    `levels` (F, pixels) counts contrasts from the first frame, so the reference is a whole number and adds no error.
    """
    reference = np.zeros(levels.shape[1], np.int64)
    found: list[tuple[Integers, Integers, Integers]] = []
    for frame in range(1, len(levels)):
        before, after = levels[frame - 1], levels[frame]
        up, down = np.floor(after).astype(np.int64) - reference, reference - np.ceil(after).astype(np.int64)
        for number, sign in ((np.maximum(up, 0), 1), (np.maximum(down, 0), -1)):
            pixel = np.repeat(np.arange(len(reference)), number)
            nth = np.arange(len(pixel)) - np.repeat(np.cumsum(number) - number, number) + 1
            share = (reference[pixel] + sign * nth - before[pixel]) / (after - before)[pixel]
            time = times[frame - 1] + share * (times[frame] - times[frame - 1])
            found.append((np.floor(time).astype(np.int64), pixel, np.full(len(pixel), int(sign > 0))))
            reference += sign * number
    if not found:
        return tuple(np.zeros(0, np.int64) for _ in range(3))  # type: ignore[return-value]
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


def _sorted(t: Integers, pixel: Integers, p: Integers) -> tuple[Integers, Integers, Integers]:
    order = np.lexsort((p, pixel, t))
    return t[order], pixel[order], p[order]


def _kept(t: Integers, pixel: Integers, refractory_us: int) -> npt.NDArray[np.bool_]:
    """Which of the events, ascending in time, are at least `refractory_us` after the last kept one of their pixel."""
    kept = np.ones(len(t), np.bool_)
    last: dict[int, int] = {}
    for index, (time, where) in enumerate(zip(t.tolist(), pixel.tolist(), strict=True)):
        if time - last.get(where, -refractory_us) < refractory_us:
            kept[index] = False
        else:
            last[where] = time
    return kept


def _noise(
    pixels: int, begin: float, end: float, rate_hz: float, rng: np.random.Generator
) -> tuple[Integers, Integers, Integers]:
    number = rng.poisson(pixels * rate_hz * (end - begin) * 1e-6)
    t = np.floor(rng.uniform(begin, end, number)).astype(np.int64)
    return t, rng.integers(0, pixels, number), rng.integers(0, 2, number)


# ---------------------------------------------------------------- moving images


def saccades(ms: int = 100, size: float = 3.0) -> Reals:
    """Displacements (x, y) in pixels, one each millisecond, along the three sides of a triangle: (3 ms + 1, 2)."""
    corners = np.array([[-0.5, -0.5], [0.0, 0.5], [0.5, -0.5], [-0.5, -0.5]]) * size
    share = np.arange(ms)[:, None] / ms
    sides = [begin + share * (end - begin) for begin, end in pairwise(corners)]
    return np.concatenate([*sides, corners[-1:]])


def moved(image: npt.ArrayLike, path: Reals, field: tuple[int, int] = (34, 34), zoom: float = 2.8) -> Reals:
    """A film (F, *field) of a smooth image (h, w), enlarged `zoom` times at the centre and moved along `path` (F, 2).

    The image is a sum of cubic B-splines, one for each of its pixels, so it can be moved by any part of a pixel.
    """
    pixels = np.asarray(image, np.float64)
    rows = _splines(field[0], pixels.shape[0], zoom, path[:, 1])
    columns = _splines(field[1], pixels.shape[1], zoom, path[:, 0])
    film: Reals = rows @ pixels @ columns.transpose(0, 2, 1)
    return np.maximum(film, 0)


def _splines(size: int, count: int, zoom: float, shifts: Reals) -> Reals:
    """What each of `count` splines adds to each of `size` places, for each shift (F,): (F, size, count)."""
    place = (np.arange(size) - (size - 1) / 2 - shifts[:, None]) / zoom + (count - 1) / 2
    distance = np.abs(place[:, :, None] - np.arange(count))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far)


def digit(image: npt.ArrayLike, seed: int = 0, sensor: Sensor | None = None, zoom: float = 2.8) -> Events:
    """The events of an image (h, w) with values from 0 to 1 on 34 by 34 pixels, looked at with three saccades."""
    path = saccades()
    return record(moved(image, path, zoom=zoom), np.arange(len(path)) * 1000, sensor, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the events of a digit as an event file.")
    parser.add_argument("image", type=int, help="index among the 1797 digits of scikit-learn")
    parser.add_argument("-o", "--out", type=Path, required=True, help="an .npz file")
    parser.add_argument("--contrast", type=float, default=Sensor.contrast)
    parser.add_argument("--noise-hz", type=float, default=0.0)
    arguments = parser.parse_args()
    from sklearn.datasets import load_digits

    digits = load_digits()
    sensor = Sensor(contrast=arguments.contrast, noise_hz=arguments.noise_hz)
    recorded = digit(digits.images[arguments.image] / 16, seed=arguments.image, sensor=sensor)
    recorded.save(arguments.out)
    print(f"a {digits.target[arguments.image]}: {len(recorded)} events, wrote {arguments.out}")


if __name__ == "__main__":
    main()
