"""Compiled: one sample shown to a layer of neurons that inhibit each other and learn, from the house's own models.

Arithmetic and order are those of the event backend, so that spikes, weights and thresholds are the same bits. What is
faster: every neuron has synapses from all inputs, so that a spike adds a whole row of w_IJ to the arrivals, in vector
instructions and without indices. The weights that were given are only read, and so shared by samples on several
threads: a neuron that fires gets its own column, on which the sample goes on learning. The synapses of neurons that
did not fire cannot change, because the rule acts at their spikes or in proportion to their trace, which is 0.

Axes: I input, J neuron, K neurons that fired, in the order in which they first did.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from neuro import dialect, poisson
from neuro.backends import event_dialect
from neuro.backends.event_dialect import NUMBA, inner
from neuro.dialect import rebind
from neuro.neurons import lif_adaptive_threshold
from neuro.neurons.lif_adaptive_threshold import ThresholdLIF, ThresholdLIFState
from neuro.plasticity import post_stdp, stdp
from neuro.plasticity.post_stdp import PostSTDP
from neuro.plasticity.stdp import PostTraces, PreTraces, Synapse

advance_neuron = inner(rebind(ThresholdLIF.step, NUMBA))
decay_pre, decay_post, spike_pre, spike_post, on_pre, on_post = (
    inner(rebind(getattr(PostSTDP, name), NUMBA))
    for name in ("decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post")
)
hashed: Any = njit(inline="always")(poisson.hash_bits)


class Layer(NamedTuple):
    """What a layer is, in numbers of one type. neuron, rule: coefficients; inhibition: weight of a lateral spike."""

    neuron: Any
    rule: Any
    v_start: Any
    inhibition: Any
    one: Any


class Seen(NamedTuple):
    """What a sample leaves behind: spikes of each neuron, thresholds, the columns of weights that changed.

    n_events: synapses crossed by spikes, lateral ones included.
    """

    counts_J: Any
    theta_J: Any
    fired_K: Any
    columns_KI: Any
    n_events: int


class Learned(NamedTuple):
    """Columns of the neurons that fired, and what arrives there. place_J: of a neuron in the others, or -1."""

    place_J: Any
    fired_K: Any
    columns_KI: Any
    arrived_K: Any
    y_K: Any


def compiled(function: Callable) -> Any:
    """Compiled, and kept on disk under a name that changes with all sources: numba itself looks at this file alone."""
    sources = (sys.modules[__name__], lif_adaptive_threshold, post_stdp, stdp, dialect, event_dialect, poisson)
    text = "".join(inspect.getsource(source) for source in sources)
    function.__qualname__ += f"_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return njit(nogil=True, cache=True)(function)


@compiled
def encode(values_I, rates_to_bound, n_steps, key):
    """Spikes of one sample: in each step, an input fires if its 32 bits lie below value * rates_to_bound.

    Returns (inputs, offsets): those that fire in step t are inputs[offsets[t]] to inputs[offsets[t + 1]], rising.
    """
    active, bounds = np.empty(len(values_I), np.uint32), np.empty(len(values_I), np.uint32)
    n, mean = 0, 0.0
    for i in range(len(values_I)):
        if values_I[i] > 0:
            active[n], bounds[n] = i, np.uint32(min(values_I[i] * rates_to_bound, 4294967295.0))
            mean += bounds[n] / 4294967296.0
            n += 1
    fires, inputs = np.empty(n, np.uint8), np.empty(int(1.2 * mean * n_steps) + 100, np.int32)
    offsets, found = np.zeros(n_steps + 1, np.int64), 0
    for step in range(n_steps):
        for q in range(n):
            fires[q] = hashed(active[q], np.uint32(step), key) < bounds[q]
        if found + n > len(inputs):
            inputs = np.concatenate((inputs, np.empty(len(inputs) + n, np.int32)))
        for q in range(n):
            if fires[q]:
                inputs[found] = active[q]
                found += 1
        offsets[step + 1] = found
    return inputs[:found], offsets


@compiled
def show(w_IJ, theta_J, inputs, offsets, layer, is_plastic):
    """Show one sample, from rest; see `encode` for its spikes. Returns what it leaves behind (Seen)."""
    n_inputs, n_neurons = w_IJ.shape
    dtype = w_IJ.dtype
    v_J, theta_J, refrac_J = np.full(n_neurons, layer.v_start), theta_J.copy(), np.zeros(n_neurons, dtype)
    arrivals_J, x_I = np.empty(n_neurons, dtype), np.zeros(n_inputs, dtype)
    output_J, ids, n_fired = np.empty(n_neurons, np.uint8), np.empty(n_neurons, np.int64), 0
    counts_J = np.zeros(n_neurons, np.int64)
    learned, n, n_events = _nothing_learned(w_IJ, 8), 0, len(inputs) * n_neurons
    for step in range(len(offsets) - 1):
        arrivals_J[:] = 0
        if is_plastic:
            _decay_traces(x_I, learned.y_K, n, layer.rule)
        for e in range(offsets[step], offsets[step + 1]):
            i = inputs[e]
            _add(arrivals_J, w_IJ[i])
            if is_plastic:
                _receive(i, learned, n, x_I, layer)
        for k in range(n):
            arrivals_J[learned.fired_K[k]] = learned.arrived_K[k]
            learned.arrived_K[k] = 0
        _inhibit(arrivals_J, ids, n_fired, layer.inhibition)
        n_events += n_fired * (n_neurons - 1)
        _advance(v_J, theta_J, refrac_J, arrivals_J, output_J, layer.neuron)
        n_fired = 0
        for j in range(n_neurons):
            if output_J[j]:
                ids[n_fired] = j
                n_fired += 1
        for q in range(n_fired):
            counts_J[ids[q]] += 1
            if is_plastic:
                if n == len(learned.fired_K):
                    learned = _with_more_room(learned, w_IJ)
                n = _learn(ids[q], learned, n, w_IJ, x_I, layer)
    return Seen(counts_J, theta_J, learned.fired_K[:n], learned.columns_KI[:n], n_events)


@inner
def _nothing_learned(w_IJ, room):
    n_inputs, n_neurons = w_IJ.shape
    return Learned(
        np.full(n_neurons, -1),
        np.empty(room, np.int64),
        np.empty((room, n_inputs), w_IJ.dtype),
        np.zeros(room, w_IJ.dtype),
        np.zeros(room, w_IJ.dtype),
    )


@inner
def _with_more_room(old, w_IJ):
    """The same for twice as many neurons."""
    n = len(old.fired_K)
    new = _nothing_learned(w_IJ, 2 * n)
    new.place_J[:], new.fired_K[:n], new.columns_KI[:n] = old.place_J, old.fired_K, old.columns_KI
    new.arrived_K[:n], new.y_K[:n] = old.arrived_K, old.y_K
    return new


@inner
def _add(arrivals_J, row_J):
    for j in range(len(row_J)):
        arrivals_J[j] += row_J[j]


@inner
def _decay_traces(x_I, y_K, n, c):
    for i in range(len(x_I)):
        x_I[i] = decay_pre(PreTraces(x_I[i]), c).x
    for k in range(n):
        y_K[k] = decay_post(PostTraces(y_K[k]), c).y


@inner
def _receive(i, learned, n, x_I, layer):
    """Input i has fired: it arrives at the columns that have changed, and the rule acts on them."""
    x = PreTraces(x_I[i])
    for k in range(n):
        w = learned.columns_KI[k, i]
        learned.arrived_K[k] += w
        learned.columns_KI[k, i] = on_pre(Synapse(w), x, PostTraces(learned.y_K[k]), layer.one, layer.rule).w
    x_I[i] = spike_pre(x, layer.rule).x


@inner
def _inhibit(arrivals_J, ids, n_fired, weight):
    """The neurons that fired a step ago inhibit all others, one after the other."""
    for q in range(n_fired):
        for j in range(ids[q]):
            arrivals_J[j] += weight
        for j in range(ids[q] + 1, len(arrivals_J)):
            arrivals_J[j] += weight


@inner
def _advance(v_J, theta_J, refrac_J, arrivals_J, output_J, c):
    for j in range(len(v_J)):
        spike, s = advance_neuron(ThresholdLIFState(v_J[j], theta_J[j], refrac_J[j]), arrivals_J[j], c)
        output_J[j], v_J[j], theta_J[j], refrac_J[j] = spike, s.v, s.theta, s.refrac


@inner
def _learn(j, learned, n, w_IJ, x_I, layer):
    """Neuron j has fired: the rule acts on its column, which is copied the first time. Returns how many there are."""
    k = learned.place_J[j]
    if k < 0:
        k = learned.place_J[j] = n
        learned.fired_K[k] = j
        learned.columns_KI[k] = w_IJ[:, j]
        n += 1
    y = PostTraces(learned.y_K[k])
    column_I = learned.columns_KI[k]
    for i in range(len(column_I)):
        column_I[i] = on_post(Synapse(column_I[i]), PreTraces(x_I[i]), y, layer.one, layer.rule).w
    learned.y_K[k] = spike_post(y, layer.rule).y
    return n
