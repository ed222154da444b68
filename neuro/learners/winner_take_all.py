"""Samples shown to a winner-take-all layer, on two engines that give the same spikes, weights and thresholds.

"event": the event backend, by a Session: samples one after the other, each with the weights that the last one left.
"batched": the compiled kernel beside this file. All samples of a batch start from the same weights and thresholds, on
several threads, and learn as if each were alone; then their changes are merged, in the order of the samples, so that
threads change no bit. A column of weights becomes the mean of those of the samples that changed it; thresholds take
the sum of all changes. Both are exact where a batch has one sample.

Why this merge: the mean over all samples, changed or not, divides the rate of learning by the size of the batch; and
thresholds have to count every spike, since they alone keep a neuron from winning most of the samples of a batch.
Measured on MNIST with 400 neurons, batches of 32 and the first 27,000 images, accuracy on 3,000 validation images: this
merge 90.4 %; sums of the changes of a column 89.8 %; means over the batch 70.6 %; means of the changes of thresholds
57.9 %, with 56 % of the neurons silent. Batches of 128 with this merge: 88.7 %. One seed each.

Axes: B sample, I input, J neuron, K neurons that fired.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.backends.session import Session
from neuro.connectors import Dense, FixedProbability
from neuro.events import Events
from neuro.learners.winner_take_all_kernel import Layer, Seen, encode, show
from neuro.network import Network, Population, Projection, Source
from neuro.neurons.lif_adaptive_threshold import ThresholdLIF
from neuro.plasticity.post_stdp import PostSTDP
from neuro.threads import in_threads
from neuro.units import vary
from neuro.weights import connect

ENGINES = ("batched", "event")
DT = 1.0  # ms
FOREVER = 1e30  # ms; exp(-dt / FOREVER) is 1
INPUT, LATERAL = "input->exc", "exc->exc"


class WinnerTakeAll(NamedTuple):
    """A layer. inhibition: weight of a lateral spike (mV); n_steps: of a sample; total: of a neuron's weights (mV)."""

    neuron: ThresholdLIF
    rule: PostSTDP
    inhibition: float
    n_steps: int
    total: float


class Spikes(NamedTuple):
    """Of one sample: inputs[offsets[t]] to inputs[offsets[t + 1]] fire in step t."""

    inputs: NDArray[np.int32]
    offsets: NDArray[np.int64]


class Response(NamedTuple):
    """Spikes of each neuron, and how many synapses spikes crossed."""

    counts_BJ: NDArray[np.int64]
    n_events: int


def normalise(w_IJ: NDArray, columns: NDArray, layer: WinnerTakeAll) -> None:
    """Scale the weights of some neurons to the same sum, in place; none exceeds w_max. All zeros stay so."""
    w_IK = w_IJ[:, columns]
    sums_K = np.maximum(w_IK.sum(0), 1e-9 * layer.total)
    w_IJ[:, columns] = np.minimum(w_IK * (layer.total / sums_K), layer.rule.w_max)


def encoded(values_BI: NDArray, keys: Sequence[int], rate_hz: float, layer: WinnerTakeAll) -> list[Spikes]:
    """Independent spikes at value * rate_hz in every step, drawn from the key of each sample."""
    bound = rate_hz / 1000.0 * DT * 2.0**32

    def one(b: int) -> Spikes:
        return Spikes(*encode(values_BI[b], bound, layer.n_steps, np.uint32(keys[b])))

    return in_threads(one, range(len(values_BI)))


def learn(layer: WinnerTakeAll, engine: str, w_IJ: NDArray, theta_J: NDArray, samples: list[Spikes]) -> Response:
    """Show samples to a plastic layer; weights and thresholds change in place."""
    if engine == "event":
        return _learn_in_turn(layer, w_IJ, theta_J, samples)
    seen = _shown(layer, w_IJ, theta_J, samples, is_plastic=True)
    theta_J[:] = np.sum([s.theta_J for s in seen], axis=0) - (len(seen) - 1) * theta_J
    fired = np.concatenate([s.fired_K for s in seen])
    columns, place, n = np.unique(fired, return_inverse=True, return_counts=True)
    sums_KI = np.zeros((len(columns), len(w_IJ)), w_IJ.dtype)
    np.add.at(sums_KI, place, np.concatenate([s.columns_KI for s in seen]))
    w_IJ[:, columns] = (sums_KI / n[:, None]).T
    normalise(w_IJ, columns, layer)
    return Response(np.stack([s.counts_J for s in seen]), sum(s.n_events for s in seen))


def respond(layer: WinnerTakeAll, engine: str, w_IJ: NDArray, theta_J: NDArray, samples: list[Spikes]) -> Response:
    """Show samples to a layer that stays as it is."""
    neuron = vary(layer.neuron, source=layer.neuron.source, theta_plus=0.0, tau_theta=FOREVER)
    layer = layer._replace(neuron=neuron)
    if engine == "event":
        record = _session(layer, w_IJ, theta_J).present({"input": _events(samples)})
        return Response(_counts(record.spikes["exc"], len(theta_J)), record.counts.synaptic_events)
    seen = _shown(layer, w_IJ, theta_J, samples, is_plastic=False)
    return Response(np.stack([s.counts_J for s in seen]), sum(s.n_events for s in seen))


def _shown(
    layer: WinnerTakeAll, w_IJ: NDArray, theta_J: NDArray, samples: list[Spikes], *, is_plastic: bool
) -> list[Seen]:
    """What each sample leaves behind, as if it were the only one."""
    numbers = _numbers(layer, w_IJ.dtype.type)

    def one(sample: Spikes) -> Seen:
        return show(w_IJ, theta_J, sample.inputs, sample.offsets, numbers, is_plastic)

    return in_threads(one, samples)


@functools.lru_cache(maxsize=8)
def _numbers(layer: WinnerTakeAll, number: type) -> Layer:
    neuron, rule = (type(c)(*map(number, c)) for c in (layer.neuron.coefficients(DT), layer.rule.coefficients(DT)))
    return Layer(neuron, rule, number(layer.neuron.initial().v), number(layer.inhibition), number(1))


def _learn_in_turn(layer: WinnerTakeAll, w_IJ: NDArray, theta_J: NDArray, samples: list[Spikes]) -> Response:
    """Show samples to a plastic layer on the event backend, one after the other."""
    session = _session(layer, w_IJ, theta_J, plastic=True)
    live_IJ, counts, n_events = np.asarray(session.weights[INPUT]).T, [], 0
    theta_TBJ = theta_J[None, None]
    for sample in samples:
        record = session.present({"input": _events([sample])})
        counts.append(_counts(record.spikes["exc"], len(theta_J))[0])
        normalise(live_IJ, np.flatnonzero(counts[-1]), layer)
        n_events, theta_TBJ = n_events + record.counts.synaptic_events, record.traces["exc.theta"]
    w_IJ[:], theta_J[:] = live_IJ, theta_TBJ[-1, 0]
    return Response(np.stack(counts), n_events)


def _session(layer: WinnerTakeAll, w_IJ: NDArray, theta_J: NDArray, plastic: bool = False) -> Session:
    net = network(layer, *w_IJ.shape)
    lateral = connect(net, {INPUT: 0.0, LATERAL: layer.inhibition}, seed=0)[LATERAL]
    weights = {INPUT: w_IJ.T, LATERAL: lateral._replace(weights=lateral.weights.astype(w_IJ.dtype))}
    record, keep = ("exc.spikes",) + ("exc.theta",) * plastic, ("exc.theta",) * plastic
    duration, initial = layer.n_steps * DT, {"exc.theta": theta_J}
    return Session(net, weights, duration=duration, plastic=plastic, record=record, keep=keep, initial=initial)


def network(layer: WinnerTakeAll, n_inputs: int, n_neurons: int) -> Network:
    """The layer as a network, with its lateral synapses."""
    return Network(
        (Population("input", n_inputs, Source()), Population("exc", n_neurons, layer.neuron)),
        (
            Projection("input", "exc", Dense(), rule=layer.rule),
            Projection("exc", "exc", FixedProbability(1.0, autapses=False), delay=DT),
        ),
        DT,
    )


def _events(samples: list[Spikes]) -> Events:
    """Spikes of samples, as Events."""
    steps = [np.repeat(np.arange(len(s.offsets) - 1), np.diff(s.offsets)) for s in samples]
    ends = np.cumsum([0, *(len(s.inputs) for s in samples)])
    return Events(DT * np.concatenate(steps).astype(np.float64), np.concatenate([s.inputs for s in samples]), ends)


def _counts(spikes: Events, n_neurons: int) -> NDArray[np.int64]:
    """counts_BJ."""
    return np.stack([np.bincount(spikes.sample(b).units, minlength=n_neurons) for b in range(spikes.n_samples)])
