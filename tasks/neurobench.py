"""What NeuroBench reports of a network that answers, beside accuracy.

    footprint              bytes of its weights and biases
    connection sparsity    part of its weights that is 0
    activation sparsity    part of what its hidden units send that is 0, over layers, steps and samples
    effective MACs, ACs    multiply-accumulates, and additions alone, of one inference, where the input is not 0; ACs
                           are those whose input is a spike

References: yik2025.
Deviations: synapses of weight 0 count as operations, as everywhere here. Activations are what the next layer is
    given, after pooling; those of the last layer are scores. Buffers other than weights are left out of the footprint.
    Validation samples are watched for activations and for what is a spike; operations are of the test split.
"""

from typing import Any

from neuro.learners.base import LearnerState
from tasks.energy import Inference, loihi_j
from tasks.metrics import Evaluation


def neurobench(state: LearnerState, inference: Inference, found: Evaluation) -> dict[str, Any]:
    """The metrics, by names; None where a learner's products do not show them. loihi: of networks of spikes alone."""
    names = [name for layer in state.layers for name in layer] or list(state.weights)
    weights = [state.weights[name].detach() for name in names]
    matrices = [weight for weight in weights if weight.ndim > 1]
    n_zero = sum(int((matrix == 0).sum()) for matrix in matrices)
    events, spikes = found.synaptic_events_per_sample, found.spikes_per_sample
    acs = inference.sums_among(events)
    is_spiking = spikes > 0 and inference.updates > 0
    return {
        "footprint_bytes": sum(weight.numel() * weight.element_size() for weight in weights),
        "connection_sparsity": n_zero / max(sum(matrix.numel() for matrix in matrices), 1),
        "activation_sparsity": 1.0 - inference.active / inference.units if inference.units else None,
        "macs_per_sample": events - acs,
        "acs_per_sample": acs,
        "loihi_j_per_sample": loihi_j(events, spikes, inference.updates) if is_spiking else None,
    }
