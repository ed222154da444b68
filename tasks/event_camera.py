"""An event camera: pixels that report changes of the logarithm of the light that falls on them.

    d = ln I - reference               I: luminance, 1 for the brightest of the scene
    dd/dt = d(ln I)/dt + leak_rate theta_on
    d >=  theta_on:   ON event         d <= -theta_off:  OFF event
    for t_ref after an event:          reference = ln I, so d = 0
    theta = threshold + mismatch n     n: normal, drawn once for each pixel and polarity (the camera's own)
    noise: Poisson events of rate      shot_rate / 2 (1 - 0.75 I) threshold / theta, for each polarity

The luminance is given at times of one's choice; in between ln I runs straight, and the times of events are exact for
that course. At the start d is uniform between 0 and theta_on, as a long time of leak in constant light leaves it.

A unit is a pixel and a polarity: polarity * n_pixels + pixel, polarity 0 for OFF and 1 for ON.

Axes: N pixel, T time at which the luminance is given.
References: lichtsteiner2008 (the pixel: change of log intensity, reset, thresholds and their mismatch), hu2021 (leak,
shot noise, the numbers).
Deviations of hu2021: no low-pass filter of the photoreceptor. The reference follows the light during t_ref, as
in the circuit (there: changes during t_ref are kept and reported late). A noise event resets the pixel like any
other (there: it moves the reference away from ln I, so that an event of the other polarity follows at once). The leak
is the same in all pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.seeds import child
from neuro.units import check, param, reference

LOWEST = 0.01  # of a threshold, as in hu2021: mismatch does not make one negative
MOST_UNITS = 2**16  # they are numbered in 16 bits


@dataclass(frozen=True)
class EventCamera:
    """What all pixels share."""

    threshold_on: float = param("1", "rise of ln I that makes an ON event", above=0)
    threshold_off: float = param("1", "fall of ln I that makes an OFF event", above=0)
    mismatch: float = param("1", "standard deviation of thresholds among pixels", minimum=0)
    t_ref: float = param("ms", "time held in reset after an event", minimum=0)
    leak_rate: float = param("1/ms", "ON events by leak, in constant light", minimum=0)
    shot_rate: float = param("1/ms", "ON and OFF events by shot noise, in the dark", minimum=0)
    source: str = reference()


HU_2021 = EventCamera(
    threshold_on=0.2, threshold_off=0.2, mismatch=0.03, t_ref=0.0, leak_rate=1e-5, shot_rate=1e-6, source="hu2021"
)  # defaults of the authors' program v2e


class Pixels(NamedTuple):
    """The thresholds of each pixel."""

    on_N: NDArray[np.float64]
    off_N: NDArray[np.float64]


def make_pixels(camera: EventCamera, n_pixels: int, seed: int) -> Pixels:
    """The pixels of one camera: the seed is, so to say, its serial number."""
    check(camera)
    rng = child(seed, "event camera thresholds")
    on_N, off_N = rng.normal(size=(2, n_pixels)) * camera.mismatch
    return Pixels(
        np.maximum(camera.threshold_on + on_N, LOWEST),
        np.maximum(camera.threshold_off + off_N, LOWEST),
    )


class Settings(NamedTuple):
    """The camera as the kernels read it."""

    threshold_on: float
    threshold_off: float
    t_ref: float
    leak_rate: float
    shot_rate: float


def watch(
    camera: EventCamera,
    pixels: Pixels,
    luminance_NT: NDArray,
    times_T: NDArray,
    noise: int,
    start_N: NDArray | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Times (us) and units of all events, by time, then unit, while the luminance runs through given values.

    times_T: ms, rising. noise: seed of what is random in this recording. start_N: d at the start, drawn by default.
    """
    from tasks.event_camera_kernels import record

    wanted = (len(pixels.on_N), len(times_T))
    if luminance_NT.shape != wanted:
        raise ValueError(f"luminance has shape {luminance_NT.shape}; give {wanted}, pixels x times")
    if 2 * wanted[0] > MOST_UNITS:
        raise ValueError(f"{wanted[0]} pixels are {2 * wanted[0]} units; at most {MOST_UNITS} can be told apart")
    if not (np.diff(times_T) > 0).all():
        raise ValueError("times of the luminance must rise")
    if not luminance_NT.min() > 0 or luminance_NT.max() > 1:
        raise ValueError("luminance must lie in (0, 1]; the logarithm of 0 has no value")
    start_N = np.full(len(pixels.on_N), np.nan) if start_N is None else start_N
    return decoded(record(luminance_NT, times_T, start_N, pixels, settings(camera), np.uint64(noise)))


def settings(camera: EventCamera) -> Settings:
    return Settings(*(float(getattr(camera, name)) for name in Settings._fields))


def decoded(keys: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Times (us) and units of the keys of `record`."""
    return (keys >> 16).astype(np.uint32), (keys & 0xFFFF).astype(np.uint16)
