"""The registry of what protects old tasks."""

from neuro.learners.ewc import EWC
from neuro.learners.gradient_projection import GPM
from neuro.learners.hlop import HLOP
from neuro.learners.protection import Protection, both
from neuro.learners.replay import JOINT, REPLAY
from neuro.learners.synaptic_intelligence import SYNAPTIC_INTELLIGENCE

PROTECTIONS = {
    "none": Protection(),
    "hlop": HLOP,
    "hlop-replay": both(HLOP, REPLAY),
    "ewc": EWC,
    "synaptic-intelligence": SYNAPTIC_INTELLIGENCE,
    "gpm": GPM,
    "replay": REPLAY,
    "joint": JOINT,
}
