"""The configuration of one training: what is learned, by what, from how many samples, from which seed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neuro.learners import LEARNERS
from neuro.units import choice, param, unknown
from tasks.base import AUGMENTATION_NAMES


@dataclass(frozen=True)
class Budget:
    """How much a learner may see, and how often it is looked at."""

    samples: int = param(
        "samples",
        "training samples shown in all, repeats included; each task of a sequence has an equal part of them",
        default=50_000,
        above=0,
    )
    evaluations: int = param(
        "1",
        "evaluations on the validation split, evenly spaced; also after each task of a sequence",
        default=15,
        above=0,
    )
    patience: int = param(
        "1", "evaluations in a row without a better one that end training; 0: never", default=0, minimum=0
    )
    augment: str = choice(
        "how training samples are altered; task: the task's own way", ("task", *AUGMENTATION_NAMES), default="task"
    )


@dataclass(frozen=True)
class Training:
    """A complete configuration of one training. name: under which the learner or its variant is listed."""

    task: str
    name: str
    learner: Any
    budget: Budget = field(default_factory=Budget)
    seed: int = 0


def to_json(training: Training) -> dict[str, Any]:
    """A configuration as plain data; `from_json` is its inverse."""
    kind = next(name for name, cls in LEARNERS.items() if cls is type(training.learner))
    return {
        "task": training.task,
        "name": training.name,
        "learner": {"kind": kind, **dataclasses.asdict(training.learner)},
        "budget": dataclasses.asdict(training.budget),
        "seed": training.seed,
    }


def from_json(data: Mapping[str, Any]) -> Training:
    """A configuration from a manifest."""
    fields = dict(data["learner"])
    kind = fields.pop("kind")
    if kind not in LEARNERS:
        raise ValueError(unknown("learner", kind, LEARNERS))
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    try:
        learner, budget = LEARNERS[kind](**fields), Budget(**data["budget"])
    except TypeError as error:
        raise ValueError(f"made by another version of neuro, whose settings differ ({error}); train anew") from None
    return Training(data["task"], data["name"], learner, budget, data["seed"])
