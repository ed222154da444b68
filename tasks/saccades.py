"""MNIST shown to a simulated event camera (not N-MNIST): each digit moves along the three saccades of N-MNIST.

    position   p(t): from corner to corner of an isosceles triangle; in a saccade of duration T, s = t / T,
               p = from + (to - from) (10 s^3 - 15 s^4 + 6 s^5)                                    (minimum jerk)
    luminance  I(x, t) = 1 - (1 - ink) blurred image(x - start - p(t))
    events     tasks/event_camera.py, 34 x 34 pixels

Corners and duration are those by which the authors of N-MNIST undo the motion (`stabilize` in their Matlab
functions); the paper's angles and the velocity within a saccade could not be had, and the profile is chosen:
it compensated the motion in the one recording at hand better than constant velocity (sharper sums of events).

Calibration, on that recording (4,325 events), which shows training image 6,271 (counted from 0; of all images its
gradients along the motion fit best): digits are dark on a bright screen; background pixels have almost only
ON events, 0.42 a second, hence the leak and the little shot noise; 0.6 % of intervals at a pixel are below 1 ms, hence
t_ref; place of the digit, ink and blur were chosen by correlation with it and by its number of events.
Simulated, that image has 4,200 events; of each unit in each saccade, they correlate with the recording's by 0.80.
With corners fitted to it, (1.8, 6.0) and (6.0, 0.0), it is 0.91; one recording is no reason to leave the published.

Events of an image depend on its number in MNIST and on SEED, on nothing else.
Axes: N pixel, T frame, S saccade.
References: orchard2015 (N-MNIST), flash1985 (minimum jerk), and those of tasks/event_camera.py.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.seeds import child
from neuro.units import check, param, reference, vary
from tasks import mnist
from tasks.base import Split, Task, make_task, split_off
from tasks.event_cache import Sample, folder_of, kept
from tasks.event_camera import HU_2021, EventCamera, decoded, make_pixels, settings

FIELD = 34  # pixels a side, of the camera
SIDE = 28  # of an image
SEED = 0
VERSION = 1  # of the simulation; a change of its results needs the next number
LABEL = "MNIST shown to a simulated event camera (not N-MNIST)"


@dataclass(frozen=True)
class Saccades:
    """How the image moves over the camera. Corners: where each saccade ends; the first begins at (0, 0)."""

    duration: float = param("ms", "of one saccade", above=0)
    corners_x: tuple[float, ...] = param("px", "to the right")
    corners_y: tuple[float, ...] = param("px", "downwards")
    source: str = reference()


@dataclass(frozen=True)
class Screen:
    """How the image looks to the camera."""

    ink: float = param("1", "luminance of a stroke over that of the screen", above=0, maximum=1)
    blur: float = param("px", "standard deviation of the optical blur", minimum=0)
    start_x: float = param("px", "of the image's left edge, before it moves")
    start_y: float = param("px", "of its upper edge")
    dt: float = param("ms", "between frames; ln of the luminance runs straight in between", above=0)
    source: str = reference()


ORCHARD_2015 = Saccades(duration=105.0, corners_x=(3.5, 7.0, 0.0), corners_y=(7.0, 0.0, 0.0), source="orchard2015")
CALIBRATED = Screen(
    ink=0.25, blur=0.5, start_x=-0.5, start_y=0.5, dt=1.0, source="chosen: calibrated on a recording, see above"
)  # fmt: skip
QUIET = vary(HU_2021, t_ref=1.0, leak_rate=4.2e-4, shot_rate=1e-4, source="chosen: noise of a recording, see above")


class Setup(NamedTuple):
    """All that the events of an image depend on, but for chance."""

    saccades: Saccades = ORCHARD_2015
    screen: Screen = CALIBRATED
    camera: EventCamera = QUIET


SETUP = Setup()


def load() -> Task:
    """The task; inputs of 2 x 34 x 34 units: polarity (OFF, ON), row, column. Those held out are MNIST's."""
    raw = {part: mnist.parse_idx(mnist.read(part), mnist.FILES[part].name) for part in mnist.FILES}
    train, test = (_shown(raw[f"{part} images"], raw[f"{part} labels"], part) for part in ("train", "test"))
    train, val = split_off(train, 6000, 0, "mnist validation")
    return make_task(
        "nmnist-saccades", train, val, test, shape=(2, FIELD, FIELD), n_steps=math.ceil(duration(ORCHARD_2015)), dt=1.0,
        source="orchard2015", licence="CC BY-SA 3.0", data=LABEL, checksum=mnist.FILES["train images"].sha256,
    )  # fmt: skip


def _shown(images: NDArray[np.uint8], labels: NDArray[np.uint8], part: str) -> Split:
    def samples() -> Iterator[Sample]:
        events = recordings(images, np.arange(len(images)), part)
        return ((*sample, int(label)) for sample, label in zip(events, labels, strict=True))

    title = f"showing MNIST to an event camera, {part}, once"
    return kept(f"nmnist-saccades_{part}", _about(part), len(labels), samples, title)


def _about(part: str) -> dict[str, Any]:
    """All that the events of a part depend on."""
    setup = {name: dataclasses.asdict(each) for name, each in SETUP._asdict().items()}
    return {"sha256": mnist.FILES[f"{part} images"].sha256, "seed": SEED, "version": VERSION, **setup}


def get() -> None:
    """Show all of MNIST to the camera, if that was not yet done; five minutes on one core, 1.8 GB."""
    load()


def status() -> list[str]:
    """Whether the events are there, or what to do about it."""
    folders = [folder_of(f"nmnist-saccades_{part}", _about(part)) for part in ("train", "test")]
    if not all(folder.exists() for folder in folders):
        return ["to be simulated from MNIST, at first use or by `neuro data get nmnist-saccades`: five minutes, 1.8 GB"]
    return [f"{folder}: {LABEL}" for folder in folders]


def recordings(
    images: NDArray[np.uint8], numbers: NDArray, part: str, setup: Setup = SETUP
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint16]]]:
    """Times (us) and units of the events of images, one by one. numbers: theirs in a part, "train" or "test"."""
    from tasks.event_camera_kernels import record, show

    for parameters in setup:
        check(parameters)
    saccades, screen, camera = setup
    times_T = np.arange(math.ceil(duration(saccades) / screen.dt) + 1) * screen.dt
    places_TX = path(saccades, times_T) + (screen.start_x, screen.start_y)
    if np.abs(places_TX).max() > SIDE:
        raise ValueError(f"the image moves by {np.abs(places_TX).max():g} px; at most {SIDE} px are possible")
    pixels = make_pixels(camera, FIELD * FIELD, SEED)
    noise = child(SEED, "event camera noise", part).integers(0, 2**64, np.max(numbers, initial=0) + 1, np.uint64)
    start_N = np.full(FIELD * FIELD, np.nan)
    luminance_NT = np.empty((FIELD * FIELD, len(times_T)))
    for image, number in zip(images, numbers, strict=True):
        show(_padded(image, screen), SIDE + FIELD, places_TX, screen.ink, luminance_NT)
        yield decoded(record(luminance_NT, times_T, start_N, pixels, settings(camera), noise[number]))


def duration(saccades: Saccades) -> float:
    """Of all saccades, ms."""
    return saccades.duration * len(saccades.corners_x)


def path(saccades: Saccades, times: NDArray) -> NDArray[np.float64]:
    """Where the image lies at times (ms), right and down of its start, px [..., 2]."""
    corners_SX = np.stack([saccades.corners_x, saccades.corners_y], axis=1)
    steps_SX = np.diff(corners_SX, axis=0, prepend=0.0)
    part = np.clip(times[..., None] / saccades.duration - np.arange(len(steps_SX)), 0.0, 1.0)
    return (part**3 * (10.0 - 15.0 * part + 6.0 * part**2)) @ steps_SX


def _padded(image: NDArray[np.uint8], screen: Screen) -> NDArray[np.float64]:
    """Strokes of 0 to 1, blurred, in the middle of empty space as wide as they can move."""
    from scipy.ndimage import gaussian_filter

    return np.pad(gaussian_filter(image / 255.0, screen.blur, mode="constant"), SIDE + FIELD)
