"""Named full configurations: what `neuro train` starts from, and what `neuro compare` compares.

The budget is the task's, the same for every learner. A learner has its own defaults; a variant is a learner
with other settings (an architecture, say) under a name of its own, and stands wherever a learner's name does.
"""

import dataclasses
import math
from typing import Any

from neuro.learners import LEARNERS
from neuro.learners.backprop import Backprop
from neuro.learners.cascaded_forward import CascadedForward
from neuro.learners.counter_current_cnn import CounterCurrentCNN
from neuro.learners.delays import Delays
from neuro.learners.eprop import EProp
from neuro.learners.forward_forward import ForwardForward
from neuro.learners.liquid_state_machine import LiquidStateMachine
from neuro.learners.noprop import NoProp
from neuro.learners.noprop_backprop import NoPropBackprop
from neuro.learners.noprop_continuous import NoPropCT, NoPropFM
from neuro.learners.recurrent_bptt import RecurrentBPTT
from neuro.learners.spiking_cnn import SpikingCNN
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from neuro.learners.truncated_time import SLTT
from neuro.units import unknown
from tasks import TASKS
from tasks.harness import Budget, Training

BUDGETS = {
    "digits": Budget(samples=70_000),  # 54 passes over 1,287 images
    "mnist": Budget(samples=1_080_000, evaluations=20),  # 20 passes over 54,000 images
    "cifar10": Budget(samples=1_350_000, evaluations=30),  # 30 passes over 45,000 images
    "nmnist": Budget(samples=108_000, evaluations=4),  # 2 passes over 54,000 recordings of 315 steps
    "nmnist-saccades": Budget(samples=108_000, evaluations=4),
    "nmnist-frames": Budget(samples=540_000, evaluations=10),  # 10 passes over 54,000 images
    "nmnist-saccades-frames": Budget(samples=540_000, evaluations=10),
    "shd": Budget(samples=1_140_000, evaluations=15),  # 150 passes over some 7,600 recordings
    "ssc": Budget(samples=4_530_000, evaluations=15),  # 60 passes over 75,466
    "fsdd": Budget(samples=243_000, evaluations=15),  # 100 passes over 2,430
    "permuted-digits": Budget(samples=128_700, evaluations=20),  # 5 tasks, 20 passes over the 1,287 images of each
    "split-digits": Budget(samples=25_740, evaluations=20),  # 5 tasks, 20 passes over the 1,287 images of all
    "permuted-mnist": Budget(samples=540_000, evaluations=20),  # 10 tasks, one pass over the 54,000 images of each
    "rotated-mnist": Budget(samples=540_000, evaluations=20),
    "split-mnist": Budget(samples=54_000, evaluations=20),  # 5 tasks, about one pass over the images of each
    "split-mnist-task": Budget(samples=54_000, evaluations=20),
    "split-cifar10": Budget(samples=45_000, evaluations=20),
    "five-datasets": Budget(samples=250_000, evaluations=20),  # 50,000 for each of five tasks, about one pass
}

VARIANTS: dict[str, Any] = {
    "backprop-tanh": Backprop(activation="tanh"),  # this and the next four: the networks of other learners
    "backprop-1024": Backprop(hidden=(1024,)),
    "backprop-5x256": Backprop(hidden=(256,) * 5, activation="elu"),
    "backprop-cascaded": Backprop(conv=(32, 128, 512), hidden=()),
    "backprop-counter-current-cnn-bfloat16": Backprop(
        conv=(128, 128, 256, 256, 512), stride=2, pool=1, hidden=(), activation="elu", precision="bfloat16"
    ),
    "forward-forward-wide": ForwardForward(
        hidden=(1000, 1000), lr_softmax=3e-4, dropout=0.2, precision="bfloat16", batch_size=128
    ),
    "bptt-alif": RecurrentBPTT(neuron="alif"),
    "bptt-heterogeneous": RecurrentBPTT(tau_shape=3.0, learn_tau=True),
    "cascaded-forward-dfa": CascadedForward(blocks="dfa"),
    "counter-current-cnn-bfloat16": CounterCurrentCNN(precision="bfloat16"),
    "spiking-cnn-bfloat16": SpikingCNN(precision="bfloat16"),
    "noprop-dt-bfloat16": NoProp(precision="bfloat16", draws=16),
    "noprop-backprop-bfloat16": NoPropBackprop(precision="bfloat16", draws=16),
    "noprop-ct-bfloat16": NoPropCT(precision="bfloat16", steps=10, draws=16),
    "noprop-fm-bfloat16": NoPropFM(precision="bfloat16", steps=10, draws=16),
    "delays-random": Delays(delays="random"),
    "delays-none": Delays(delays="none"),
    "sltt-mean": SLTT(error="mean"),
    "eprop-symmetric": EProp(feedback="symmetric"),
    "hlop": SpikingMLP(protection="hlop"),
    "hlop-spiking": SpikingMLP(protection="hlop", lateral="spiking"),
    "hlop-online": SpikingMLP(protection="hlop", method="online"),
    "hlop-feedback-alignment": SpikingMLP(protection="hlop", method="feedback-alignment"),
    "hlop-dsr": SpikingMLP(  # the publication's default network; spiking_mlp derives the numbers
        protection="hlop", method="dsr", tau_m=20.0, v_th=0.3 / (1.0 - math.exp(-0.05)), fires_at=0.3, amplitude=6.0
    ),
    "hlop-replay": SpikingMLP(protection="hlop-replay"),
    "ewc": SpikingMLP(protection="ewc"),
    "synaptic-intelligence": SpikingMLP(protection="synaptic-intelligence"),
    "gpm": SpikingMLP(protection="gpm"),
    "replay": SpikingMLP(protection="replay"),
    "joint": SpikingMLP(protection="joint"),  # an upper bound: it keeps every sample
    "nalsm": LiquidStateMachine(plasticity="astrocyte", w_astrocyte=0.0075),
    "nalsm-8000": LiquidStateMachine(shape=(20, 20, 20), plasticity="astrocyte", w_astrocyte=0.0075),
    "lsm-stdp": LiquidStateMachine(plasticity="stdp"),
    "lsm-ap-stdp": LiquidStateMachine(plasticity="ap-stdp"),
    "stdp-wta-1600": STDPWinnerTakeAll(hidden=1600, theta_plus=0.8, lr=0.04),
    "stdp-wta-batched": STDPWinnerTakeAll(batch_size=32),
}

NAMES = (*LEARNERS, *VARIANTS)


def named_learner(name: str) -> Any:
    """The learner or variant of a name. ValueError with the nearest name if there is none."""
    if name not in NAMES:
        raise ValueError(unknown("learner", name, NAMES))
    return VARIANTS[name] if name in VARIANTS else LEARNERS[name]()


def settings(learner: Any) -> str:
    """The settings of a learner that are not its class's defaults, as text; empty if all are."""
    values = {field.name: (getattr(learner, field.name), field.default) for field in dataclasses.fields(learner)}
    return ", ".join(f"{name}={value!r}" for name, (value, default) in values.items() if value != default)


def training(task: str, name: str, seed: int = 0) -> Training:
    """The configuration of a learner or variant on a task."""
    if task not in TASKS:
        raise ValueError(unknown("task", task, TASKS))
    return Training(task, name, named_learner(name), BUDGETS.get(task, Budget()), seed)


RECIPES_ARE = "TASK_LEARNER with _ for -, for each task and each learner or variant: mnist_bptt, fsdd_delays_none"
RECIPES = {f"{task}_{name}".replace("-", "_"): (task, name) for task in TASKS for name in NAMES}
