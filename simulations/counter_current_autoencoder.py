"""Counter-current learning without labels: an autoencoder, beside the same network trained by backpropagation.

After the autoencoder of: Kao & Hariharan (2024), doi:10.48550/arXiv.2409.19841, on smaller images and with smaller
networks. Both rules start from the same weights of the forward network and see the same images in the same order.
Each has the best of four learning rates, 0.003, 0.01, 0.03 and 0.1, by the error on the validation split of digits
after 15 passes (20 with 0.01); backpropagation's best is the largest of them.

The record: rules_R; seen_P (samples); error_RP, mean squared error of the images of the validation split (grey^2,
where 0 is black and 1 is white); mean_image_error, that of the mean training image in place of each (grey^2);
shape (channels, height, width); images_NI and reconstructions_RNI (grey), the first of the validation split.

Axes: R rule, P point of the budget, N image shown, I pixel.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.learners.base import flat
from neuro.learners.counter_current_autoencoder import RULES, CounterCurrentAutoencoder
from neuro.units import choice, param
from simulations.run import run_simulation
from tasks import TASKS
from tasks.base import Task, stream


@dataclass(frozen=True)
class Recipe:
    """One training by each rule."""

    task: str = choice("whose images are learned", ("digits", "mnist", "cifar10"), default="digits")
    samples: int = param("samples", "training images shown, repeats included", default=25_000, above=0)
    points: int = param("1", "evaluations after the first, evenly spaced", default=10, minimum=1)
    shown: int = param("1", "reconstructions that are kept", default=8, minimum=1)
    channels: tuple[int, ...] = param("1", "channels of each encoding convolution", default=(32, 64, 128), minimum=1)
    lr: float = param("1", "learning rate of counter-current learning at the start", default=0.03, above=0)
    lr_backpropagation: float = param("1", "learning rate of backpropagation at the start", default=0.1, above=0)
    batch_size: int = param("samples", "samples of one update", default=32, minimum=1)
    seed: int = param("1", "of weights and order of images", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return tuple(learners(recipe).values())


def learners(recipe: Recipe) -> dict[str, CounterCurrentAutoencoder]:
    """The two, by rule."""
    rates = dict(zip(RULES, (recipe.lr, recipe.lr_backpropagation), strict=True))
    return {
        rule: CounterCurrentAutoencoder(channels=recipe.channels, rule=rule, lr=lr, batch_size=recipe.batch_size)
        for rule, lr in rates.items()
    }


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    task = TASKS[recipe.task]()
    trained = [train(recipe, learner, task) for learner in learners(recipe).values()]
    mean_image_I = task.train.inputs.mean(0)
    return {
        "rules_R": np.array(RULES),
        "seen_P": trained[0][0],
        "error_RP": np.stack([error_P for _, error_P, _ in trained]),
        "mean_image_error": np.square(task.val.inputs - mean_image_I).mean(),
        "shape": np.array(task.problem.shape),
        "images_NI": task.val.inputs[: recipe.shown],
        "reconstructions_RNI": np.stack([images_NI for _, _, images_NI in trained]),
    }


def train(recipe: Recipe, learner: CounterCurrentAutoencoder, task: Task) -> tuple[NDArray, NDArray, NDArray]:
    """Samples seen and validation error at each point, and the images reconstructed at the end."""
    state = learner.init(task.problem._replace(samples=recipe.samples), recipe.seed)
    images_BI = torch.from_numpy(task.val.inputs)
    seen, errors = [0], [mean_squared_error(images_BI, learner.reconstruct(state, images_BI))]
    for n_seen, batch in stream(task.train, recipe.samples, recipe.batch_size, recipe.seed):
        learner.update(state, flat(batch.inputs))
        if n_seen * recipe.points // recipe.samples > seen[-1] * recipe.points // recipe.samples:
            seen.append(n_seen)
            errors.append(mean_squared_error(images_BI, learner.reconstruct(state, images_BI)))
    return np.array(seen), np.array(errors), learner.reconstruct(state, images_BI[: recipe.shown]).numpy()


def mean_squared_error(images_BI: torch.Tensor, reconstructed_BI: torch.Tensor) -> float:
    return (images_BI - reconstructed_BI).square().mean().item()


if __name__ == "__main__":
    print(run_simulation("counter_current_autoencoder", Recipe(), Path("runs")).path)
