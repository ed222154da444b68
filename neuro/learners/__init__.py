"""The registry of learners."""

from neuro.learners.backprop import Backprop
from neuro.learners.bptt import BPTT
from neuro.learners.cascaded_forward import CascadedForward
from neuro.learners.counter_current import CounterCurrent
from neuro.learners.counter_current_cnn import CounterCurrentCNN
from neuro.learners.delays import Delays
from neuro.learners.eprop import EProp
from neuro.learners.eventprop import EventProp
from neuro.learners.feedback_alignment import DirectFeedbackAlignment, FeedbackAlignment
from neuro.learners.forward_forward import ForwardForward
from neuro.learners.forward_forward_cnn import ForwardForwardCNN
from neuro.learners.forward_forward_spiking import ForwardForwardSpiking
from neuro.learners.forward_forward_unsupervised import ForwardForwardUnsupervised
from neuro.learners.liquid_state_machine import LiquidStateMachine
from neuro.learners.mono_forward import MonoForward
from neuro.learners.noprop import NoProp
from neuro.learners.noprop_backprop import NoPropBackprop
from neuro.learners.noprop_continuous import NoPropCT, NoPropFM
from neuro.learners.pepita import PEPITA
from neuro.learners.recurrent_bptt import RecurrentBPTT
from neuro.learners.sparse_bptt import SparseBPTT
from neuro.learners.spiking_cnn import SpikingCNN
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from neuro.learners.truncated_time import OTTT, SLTT, TruncatedBPTT

LEARNERS = {
    "backprop": Backprop,
    "bptt": BPTT,
    "bptt-recurrent": RecurrentBPTT,
    "sparse-bptt": SparseBPTT,
    "eventprop": EventProp,
    "truncated-bptt": TruncatedBPTT,
    "sltt": SLTT,
    "ottt": OTTT,
    "forward-forward": ForwardForward,
    "forward-forward-unsupervised": ForwardForwardUnsupervised,
    "forward-forward-cnn": ForwardForwardCNN,
    "forward-forward-spiking": ForwardForwardSpiking,
    "counter-current": CounterCurrent,
    "counter-current-cnn": CounterCurrentCNN,
    "noprop-dt": NoProp,
    "noprop-ct": NoPropCT,
    "noprop-fm": NoPropFM,
    "noprop-backprop": NoPropBackprop,
    "mono-forward": MonoForward,
    "cascaded-forward": CascadedForward,
    "feedback-alignment": FeedbackAlignment,
    "direct-feedback-alignment": DirectFeedbackAlignment,
    "pepita": PEPITA,
    "eprop": EProp,
    "spiking-mlp": SpikingMLP,
    "spiking-cnn": SpikingCNN,
    "lsm": LiquidStateMachine,
    "stdp-wta": STDPWinnerTakeAll,
    "delays": Delays,
}
