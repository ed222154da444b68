"""One recording of an event camera as images, and what filters leave of it when noise is added.

A digit of MNIST is shown to the simulated camera of tasks/saccades.py; it is not N-MNIST. With images "digits" it is
one of scikit-learn's, enlarged: that needs no data. The representations: neuro/event_frames.py (Zhu et al. 2019,
Lagorce et al. 2017). The filters: neuro/event_filters.py (Delbruck 2008). Noise is shown alone to the same camera and
merged with the recording, so that the origin of each event is known.

The record: image_YX (grey values); counts_KCYX, voxels_KCYX, surfaces_KCYX, each of its own times; count_times,
voxel_times and surface_times (ms: bins begin, points, moments); noisy_CYX, cleaned_CYX, rested_CYX: events of the whole
recording with noise, then after the filter of background activity, then after that of bursts. origins: events of the
recording and of the noise (columns) with noise, after the one filter, after both (rows).

Axes: K image, C polarity, Y row, X column.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro.event_filters import without_background, without_bursts
from neuro.event_frames import count_frames, time_surfaces, voxel_grid
from neuro.events import Events, make_events
from neuro.units import choice, param, vary
from simulations.run import run_simulation
from simulations.saccades import chosen
from tasks import saccades
from tasks.event_camera import HU_2021, EventCamera

SHAPE = (2, saccades.FIELD, saccades.FIELD)
N_SACCADES = 3


@dataclass(frozen=True)
class Recipe:
    """One image."""

    images: str = choice("where the image comes from", ("mnist", "digits"), default="mnist")
    number: int = param("1", "of the image among those for training, from 0", default=6271, minimum=0)
    tau: float = param("ms", "decay of the time surfaces", default=30.0, above=0)
    shot_rate: float = param("1/ms", "shot noise of a pixel in the dark", default=0.02, minimum=0)
    support: float = param("ms", "how long a neighbour's event supports one", default=3.0, above=0)
    t_ref: float = param("ms", "rest that the refractory filter asks for", default=3.0, above=0)
    seed: int = param("1", "names the run; the events belong to the image's number", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return saccades.ORCHARD_2015, HU_2021


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    image_YX = chosen(recipe)
    events = recorded(image_YX, recipe.number, saccades.QUIET)
    duration = saccades.duration(saccades.ORCHARD_2015)
    edges = np.linspace(0.0, duration, N_SACCADES + 1)
    return {
        "image_YX": image_YX,
        "tau": np.array(recipe.tau),
        "counts_KCYX": count_frames(events, SHAPE, N_SACCADES, duration / N_SACCADES)[:, 0],
        "count_times": edges[:-1],
        "voxels_KCYX": voxel_grid(events, SHAPE, N_SACCADES + 1, (0.0, duration))[:, 0],
        "voxel_times": edges,
        "surfaces_KCYX": time_surfaces(events, SHAPE, edges[1:], recipe.tau)[:, 0],
        "surface_times": edges[1:],
        **filtered(recipe, events),
    }


def recorded(image_YX: NDArray[np.uint8], number: int, camera: EventCamera) -> Events:
    """The events of an image."""
    setup = saccades.SETUP._replace(camera=camera)
    ((times_us, units),) = saccades.recordings(image_YX[None], np.array([number]), "train", setup)
    return make_events(times_us / 1000.0, units.astype(np.int32))


def filtered(recipe: Recipe, events: Events) -> dict[str, np.ndarray]:
    """Images of the recording with noise, before and after the filters, and whose events they are."""
    camera = vary(
        saccades.QUIET, source="chosen: so much noise that it shows", shot_rate=recipe.shot_rate, leak_rate=0.0
    )
    noise = recorded(np.zeros((saccades.SIDE, saccades.SIDE), np.uint8), recipe.number, camera)
    noisy = make_events(np.concatenate([events.times, noise.times]), np.concatenate([events.units, noise.units]))
    cleaned = without_background(noisy, SHAPE, recipe.support)
    rested = without_bursts(cleaned, SHAPE, recipe.t_ref)
    own = set(zip(events.times, events.units, strict=True))
    stages = {"noisy_CYX": noisy, "cleaned_CYX": cleaned, "rested_CYX": rested}
    n_own = [sum(each in own for each in zip(stage.times, stage.units, strict=True)) for stage in stages.values()]
    origins = [(n, len(stage.times) - n) for n, stage in zip(n_own, stages.values(), strict=True)]
    whole = saccades.duration(saccades.ORCHARD_2015)
    images = {name: count_frames(stage, SHAPE, 1, whole)[0, 0] for name, stage in stages.items()}
    return {**images, "origins": np.array(origins)}


if __name__ == "__main__":
    print(run_simulation("event_frames", Recipe(), Path("runs")).path)
