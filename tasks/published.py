"""Figures that papers report, to stand beside ours: (task, learner) -> test accuracy and what it was."""

from typing import NamedTuple


class Published(NamedTuple):
    accuracy: float
    setting: str
    source: str


PUBLISHED = {
    ("mnist", "forward-forward"): Published(
        0.9864, "4 ReLU layers of 2,000, label in the input, hard negatives, 60 epochs", "hinton2022"
    ),
}
