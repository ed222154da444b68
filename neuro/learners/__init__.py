"""The registry of learners."""

from neuro.learners.backprop import Backprop
from neuro.learners.bptt import BPTT
from neuro.learners.counter_current import CounterCurrent
from neuro.learners.forward_forward import ForwardForward

LEARNERS = {
    "backprop": Backprop,
    "bptt": BPTT,
    "forward-forward": ForwardForward,
    "counter-current": CounterCurrent,
}
