"""A digit shown to the simulated event camera, beside a recording of N-MNIST (Orchard et al. 2015).

doi:10.3389/fnins.2015.00437. The model, and what was calibrated on that recording: tasks/saccades.py.

The recording, one file of N-MNIST, is shown where $NEURO_DATA/nmnist/sample_nmnist.bin is there; it is of training
image 6,271 of MNIST, the default. With images "digits" one of scikit-learn's is shown, enlarged: that needs no data.

The record: image_YX (grey values); field (pixels a side); saccade (ms, duration of one); times (ms) and units of the
simulated events, recorded_times and recorded_units of the recording, which may be empty. A unit is
polarity * field^2 + row * field + column, polarity 0 for OFF and 1 for ON.

Axes: Y row, X column.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from neuro.units import choice, param
from simulations.run import run_simulation
from tasks import digits, mnist, nmnist, saccades
from tasks.base import data_dir
from tasks.event_camera import HU_2021


@dataclass(frozen=True)
class Recipe:
    """One image."""

    images: str = choice("where the image comes from", ("mnist", "digits"), default="mnist")
    number: int = param("1", "of the image among those for training, from 0", default=6271, minimum=0)
    seed: int = param("1", "names the run; the events belong to the image's number", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return saccades.ORCHARD_2015, HU_2021


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    image_YX = chosen(recipe)
    ((times_us, units),) = saccades.recordings(image_YX[None], np.array([recipe.number]), "train")
    recorded_times_us, recorded_units = recorded()
    return {
        "image_YX": image_YX,
        "field": np.array(saccades.FIELD),
        "saccade": np.array(saccades.ORCHARD_2015.duration),
        "times": times_us / 1000.0,
        "units": units,
        "recorded_times": recorded_times_us / 1000.0,
        "recorded_units": recorded_units,
    }


def chosen(recipe: Recipe) -> NDArray[np.uint8]:
    """The image, 28 x 28 bytes. ValueError if there is none of this number."""
    if recipe.images == "digits":
        images = (255.0 * digits.load().train.inputs.reshape(-1, 8, 8)).astype(np.uint8)
    else:
        images = mnist.parse_idx(mnist.read("train images"), "train images")
    if recipe.number >= len(images):
        raise ValueError(f"number {recipe.number} does not exist among {len(images)} images; give less")
    image_YX = images[recipe.number]
    return np.pad(zoom(image_YX, 2.5, order=1), 4) if recipe.images == "digits" else image_YX


def recorded() -> tuple[NDArray, NDArray]:
    """Times (us) and units of the recording of N-MNIST; none if it is not there."""
    path = data_dir() / "nmnist" / "sample_nmnist.bin"
    return nmnist.parse(path.read_bytes(), str(path)) if path.exists() else (np.empty(0), np.empty(0, np.uint16))


if __name__ == "__main__":
    print(run_simulation("saccades", Recipe(), Path("runs")).path)
