"""Figures that papers report, to stand beside ours: (task, learner or variant) -> test accuracy and what it was."""

from typing import NamedTuple


class Published(NamedTuple):
    accuracy: float
    setting: str
    source: str


PUBLISHED = {
    ("mnist", "forward-forward"): Published(
        0.9864, "4 ReLU layers of 2,000, label in the input, hard negatives, 60 epochs", "hinton2022"
    ),
    ("mnist", "mono-forward"): Published(
        0.9814, "2 ReLU layers of 1,000, mean of 3 runs (backpropagation on the same: 0.9805)", "spyra2025"
    ),
    ("mnist", "cascaded-forward"): Published(
        0.9902, "3 blocks aligned by feedback, cross-entropy, mean of 3 runs (random blocks: 0.9862)", "spyra2025"
    ),
    ("mnist", "feedback-alignment"): Published(0.9836, "2 tanh layers of 800 (dropout: 0.9847)", "nokland2016"),
    ("mnist", "direct-feedback-alignment"): Published(0.9826, "2 tanh layers of 800 (dropout: 0.9855)", "nokland2016"),
    ("mnist", "noprop-dt"): Published(0.995, "10 blocks, to half a percent", "li2025"),
    ("cifar10", "noprop-dt"): Published(0.80, "10 blocks, about; on official CIFAR-10", "li2025"),
    ("mnist", "stdp-wta"): Published(0.870, "400 excitatory neurons", "diehl2015"),
    ("mnist", "stdp-wta-1600"): Published(0.919, "1,600 excitatory neurons", "diehl2015"),
    ("mnist", "pepita"): Published(0.9801, "1 ReLU layer of 1,024, dropout, 100 epochs", "dellaferrera2022"),
}
