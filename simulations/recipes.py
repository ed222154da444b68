"""Named full configurations: what `neuro train` starts from, and what `neuro compare` compares.

The budget is the task's, the same for every learner; the settings are a learner's own defaults.
"""

from neuro.learners import LEARNERS
from neuro.units import unknown
from tasks import TASKS
from tasks.harness import Budget, Training

BUDGETS = {
    "digits": Budget(samples=70_000),  # 54 passes over 1,287 images
    "mnist": Budget(samples=1_080_000, evaluations=20),  # 20 passes over 54,000 images
}


def training(task: str, learner: str, seed: int = 0) -> Training:
    """The configuration of a learner on a task."""
    if task not in TASKS:
        raise ValueError(unknown("task", task, TASKS))
    if learner not in LEARNERS:
        raise ValueError(unknown("learner", learner, LEARNERS))
    return Training(task, LEARNERS[learner](), BUDGETS.get(task, Budget()), seed)


RECIPES = {f"{task}_{learner}".replace("-", "_"): (task, learner) for task in TASKS for learner in LEARNERS}
