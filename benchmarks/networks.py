"""The networks of the speed benchmarks as data, which neuro, brian2 and NEST read alike.

CUBA and COBA: the current- and the conductance-based network of vogels2005, benchmarks 2 and 1 of brette2007,
each neuron with exactly 64 excitatory and 16 inhibitory inputs (their 2 % of 4,000), also at 40,000. Activity
is kindled by the state at the start and lasts by itself. Brunel: model A of brunel2000 at g = 5, eta = 2. Song and
Abbott: 1,000 Poisson inputs onto 100 neurons, all to all, with the additive rule of song2000. Izhikevich: the network
of izhikevich2003; what of it was changed so that every simulator can run it is said at IzhikevichNetwork.

Units: ms, mV, pA, pF, nS, Hz. A step is 0.1 ms.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DT = 0.1
SEED = 1


class Cell(NamedTuple):
    """A leaky integrate-and-fire neuron, held at v_reset for t_ref after a spike.

    synapses: what a spike of weight w adds to. "delta": v (mV); "current": a current that decays (pA);
    "conductance": a conductance that decays (nS).
    """

    synapses: str
    tau_m: float
    v_rest: float
    v_th: float
    v_reset: float
    t_ref: float
    c_m: float = 200.0
    tau_exc: float = 5.0
    tau_inh: float = 10.0
    e_exc: float = 0.0
    e_inh: float = -80.0


class RandomNetwork(NamedTuple):
    """Excitatory and inhibitory neurons of one kind; each receives k_exc and k_inh synapses, drawn at random.

    drive_rate, drive_weight: of the Poisson spikes that each neuron receives from outside. start: "v", and
    "exc" and "inh" of what their synapses add to, as functions of (generator, number of neurons).
    """

    cell: Cell
    n_exc: int
    n_inh: int
    k_exc: int
    k_inh: int
    w_exc: float
    w_inh: float  # negative where currents or jumps of v are
    delay: float
    duration: float
    start: dict
    drive_rate: float = 0.0
    drive_weight: float = 0.0

    @property
    def size(self) -> int:
        return self.n_exc + self.n_inh

    @property
    def n_synapses(self) -> int:
        return self.size * (self.k_exc + self.k_inh)

    @property
    def event_bytes(self) -> int:
        """Bytes of the synapses that an event moves in float32: a target; the weight is one for all."""
        return 4

    def synaptic_events(self, spikes: float, duration: float) -> float:
        """Deliveries within the network: in the mean a spike of either kind reaches k_exc + k_inh neurons."""
        return spikes * (self.k_exc + self.k_inh)

    def start_values(self) -> dict[str, NDArray]:
        """The state at the start, the same in every simulator."""
        rng = np.random.default_rng(SEED)
        return {name: draw(rng, self.size) for name, draw in self.start.items()}


class PlasticNetwork(NamedTuple):
    """Poisson inputs onto neurons, all to all, with additive pair STDP and weights from 0 to w_max.

    a_plus, a_minus: change of a weight by a pair of spikes, relative to w_max.
    """

    cell: Cell
    n_inputs: int
    input_rate: float
    size: int
    delay: float
    duration: float
    w_max: float
    a_plus: float
    a_minus: float
    tau_trace: float

    @property
    def n_synapses(self) -> int:
        return self.n_inputs * self.size

    @property
    def event_bytes(self) -> int:
        """Bytes of the synapses that an event moves in float32: a target, and a weight that is read and written."""
        return 4 + 8

    def synaptic_events(self, spikes: float, duration: float) -> float:
        """Deliveries; the updates at postsynaptic spikes come on top."""
        return self.n_inputs * self.input_rate * duration / 1000.0 * self.size

    def inputs(self, duration: float) -> tuple[NDArray, NDArray]:
        """Step and unit of each input spike, the same in every simulator, at most one a unit and step."""
        rng = np.random.default_rng(SEED)
        n_steps = round(duration / DT)
        places = rng.integers(n_steps * self.n_inputs, size=rng.poisson(self.synaptic_events(0, duration) / self.size))
        return np.divmod(np.unique(places), self.n_inputs)

    def start_weights(self) -> NDArray:
        """[n_inputs, size], even from 0 to w_max."""
        return np.random.default_rng(SEED).uniform(0.0, self.w_max, (self.n_inputs, self.size))


class IzhikevichNetwork(NamedTuple):
    """800 excitatory and 200 inhibitory neurons of Izhikevich, each different, all to all with random weights.

    Parameters, weights (mV, a jump of v), delay and start are the publication's, drawn once for all simulators.
    Deviations: v and u advance by forward Euler over 0.1 ms (there: 1 ms, v in two half steps); the noise, there a
    normal current drawn each ms, is Poisson spikes of the same variance, drive_rate of them of a weight of one sign,
    whose mean i_ext takes away. In NEST: izhikevich with consistent_integration, which is forward Euler.
    """

    n_exc: int
    n_inh: int
    noise_exc: float  # mV, standard deviation of what adds to v in 1 ms
    noise_inh: float
    delay: float
    duration: float
    drive_rate: float
    v_peak: float = 30.0
    v_start: float = -65.0

    @property
    def size(self) -> int:
        return self.n_exc + self.n_inh

    @property
    def n_synapses(self) -> int:
        return self.size * self.size

    @property
    def event_bytes(self) -> int:
        """Bytes of the synapses that an event moves in float32: a target and a weight."""
        return 4 + 4

    def synaptic_events(self, spikes: float, duration: float) -> float:
        """Deliveries within the network; the noise is not among them."""
        return spikes * self.size

    def parameters(self) -> dict[str, NDArray]:
        """a, b, c, d of each neuron, and i_ext (mV/ms), which takes the mean of the noise away."""
        rng = np.random.default_rng(SEED)
        exc, inh = rng.random(self.n_exc), rng.random(self.n_inh)
        pairs = {
            "a": (0.02 + 0.0 * exc, 0.02 + 0.08 * inh),
            "b": (0.2 + 0.0 * exc, 0.25 - 0.05 * inh),
            "c": (-65.0 + 15.0 * exc * exc, -65.0 + 0.0 * inh),
            "d": (8.0 - 6.0 * exc * exc, 2.0 + 0.0 * inh),
        }
        joined = {name: np.concatenate(pair) for name, pair in pairs.items()}
        return joined | {"i_ext": -self.drive_rate / 1000.0 * self.drive_weights()}

    def drive_weights(self) -> NDArray:
        """mV for each neuron: `drive_rate` such spikes have the variance of the noise."""
        noise = np.repeat([self.noise_exc, self.noise_inh], [self.n_exc, self.n_inh])
        return noise / np.sqrt(self.drive_rate / 1000.0)

    def weights(self) -> NDArray:
        """[pre, post], mV."""
        drawn = np.random.default_rng(SEED + 1).random((self.size, self.size))
        return np.concatenate([0.5 * drawn[: self.n_exc], -drawn[self.n_exc :]])


AnyNetwork = RandomNetwork | PlasticNetwork | IzhikevichNetwork


def _uniform(low: float, high: float):
    return lambda rng, n: rng.uniform(low, high, n)


def _normal(mean: float, spread: float, low: float = 0.0):
    """What falls below low is set to it."""
    return lambda rng, n: np.maximum(low, rng.normal(mean, spread, n))


# 1.62 and -9 mV of the publication are w tau_m / c_m.
CUBA = RandomNetwork(
    cell=Cell("current", tau_m=20.0, v_rest=-49.0, v_th=-50.0, v_reset=-60.0, t_ref=5.0),
    n_exc=3200, n_inh=800, k_exc=64, k_inh=16, w_exc=16.2, w_inh=-90.0, delay=DT, duration=2000.0,
    start={"v": _uniform(-60.0, -50.0)},
)  # fmt: skip

# The state at the start is that of brian's version of this network; with v from -60 to -50 mV activity dies at once.
COBA = RandomNetwork(
    cell=Cell("conductance", tau_m=20.0, v_rest=-60.0, v_th=-50.0, v_reset=-60.0, t_ref=5.0),
    n_exc=3200, n_inh=800, k_exc=64, k_inh=16, w_exc=6.0, w_inh=67.0, delay=DT, duration=2000.0,
    start={"v": _normal(-65.0, 5.0, -80.0), "exc": _normal(40.0, 15.0), "inh": _normal(200.0, 120.0)},
)  # fmt: skip

# eta = 2: twice the rate that just reaches the threshold, v_th / (J tau_m) = 10 kHz.
BRUNEL = RandomNetwork(
    cell=Cell("delta", tau_m=20.0, v_rest=0.0, v_th=20.0, v_reset=10.0, t_ref=2.0),
    n_exc=10_000, n_inh=2500, k_exc=1000, k_inh=250, w_exc=0.1, w_inh=-0.5, delay=1.5, duration=1000.0,
    start={"v": _uniform(0.0, 20.0)}, drive_rate=20_000.0, drive_weight=0.1,
)  # fmt: skip

# w_max is chosen: the neurons fire at about 100 Hz, so that most changes of weights are those at their spikes.
SONG_ABBOTT = PlasticNetwork(
    cell=Cell("delta", tau_m=10.0, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0),
    n_inputs=1000, input_rate=15.0, size=100, delay=DT, duration=10_000.0,
    w_max=0.4, a_plus=0.005, a_minus=0.00525, tau_trace=20.0,
)  # fmt: skip

# drive_rate is chosen: 25 spikes in 1 ms are nearly normal.
IZHIKEVICH = IzhikevichNetwork(
    n_exc=800, n_inh=200, noise_exc=5.0, noise_inh=2.0, delay=1.0, duration=2000.0, drive_rate=25_000.0,
)  # fmt: skip

NETWORKS: dict[str, AnyNetwork] = {
    "cuba": CUBA,
    "cuba_40k": CUBA._replace(n_exc=32_000, n_inh=8000),
    "coba": COBA,
    "brunel": BRUNEL,
    "song_abbott": SONG_ABBOTT,
    "izhikevich_network": IZHIKEVICH,
}
