"""Named full configurations: what `neuro train` starts from, and what `neuro compare` compares.

The budget is the task's, the same for every learner. A recipe sets only what differs from a learner's own
defaults, and says why.
"""

from typing import Any

from neuro.learners import LEARNERS
from neuro.units import unknown
from tasks import TASKS
from tasks.harness import Budget, Training

BUDGETS = {
    "digits": Budget(samples=80_000),  # 62 passes over 1,287 images
    "mnist": Budget(samples=1_620_000, evaluations=30),  # 30 passes over 54,000 images
}

# Chosen on the validation split.
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {}


def training(task: str, learner: str, seed: int = 0) -> Training:
    """The configuration of a learner on a task."""
    if task not in TASKS:
        raise ValueError(unknown("task", task, TASKS))
    if learner not in LEARNERS:
        raise ValueError(unknown("learner", learner, LEARNERS))
    settings = SETTINGS.get((task, learner), {})
    return Training(task, LEARNERS[learner](**settings), BUDGETS.get(task, Budget()), seed)


RECIPES = {f"{task}_{learner}".replace("-", "_"): (task, learner) for task in TASKS for learner in LEARNERS}
