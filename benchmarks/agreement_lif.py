"""The deterministic part of agreement.py: one network of 500 LIF neurons on the event backend, brian2 and NEST.

400 excitatory and 100 inhibitory current-based neurons, connected with probability 0.1 over exponential currents,
receive constant currents of their own and the spikes of 100 sources at 10 Hz. "driven": currents up to 1.3 times
the one that just reaches the threshold, weak synapses, fairly regular intervals. "balanced": all currents above it,
strong synapses, and inhibition cancels what is too much. Either loses its spikes when an input spike is taken away:
that is measured too, since it shows that equal spikes are not forced by the input.

Weights are drawn from a normal distribution, so that sums depend on their order. Why rounding does not grow all the
same: v is set to v_reset at each spike, currents decay, and spikes lie on the grid of steps. A spike would move only
if v came as close to v_th as rounding is large; `nearest_miss` is how close it came.

Axes: T step, N neuron.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement_nest import recorded, simulate_all, stamps, start_nest
from benchmarks.networks import DT, Cell
from benchmarks.on_neuro import model
from neuro import FixedProbability, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro import spike_statistics as statistics
from neuro.events import Events
from neuro.seeds import child

# Defaults of NEST's iaf_psc_exp but for the time constants of the synapses, which are chosen to differ.
CELL = Cell(
    "current", tau_m=10.0, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0, c_m=250.0, tau_exc=2.0, tau_inh=5.0
)
SIZES = {"in": 100, "exc": 400, "inh": 100}
CELLS = ("exc", "inh")
SIZE = sum(SIZES[name] for name in CELLS)
DELAYS = {"in": 1.0, "exc": 1.5, "inh": DT}  # ms, by the presynaptic population
PROBABILITY = 0.1
INPUT_RATE = 10.0  # Hz
DURATION = 1000.0  # ms
COUNT_BIN = 5.0  # ms, of the correlation
TRACED = slice(None, None, 50)  # the ten neurons whose v is compared


class Strength(NamedTuple):
    """i_ext: lowest and highest constant current (pA); w_*: mean weight from sources and neurons (pA)."""

    i_ext: tuple[float, float]
    w_in: float
    w_exc: float
    w_inh: float


# Chosen: most neurons fire at 5 to 50 Hz. The current that just reaches the threshold is 375 pA.
STRENGTHS = {
    "driven": Strength((365.0, 490.0), w_in=30.0, w_exc=20.0, w_inh=-60.0),
    "balanced": Strength((450.0, 550.0), w_in=100.0, w_exc=60.0, w_inh=-300.0),
}


class Setup(NamedTuple):
    """A network with its weights, and step and unit of each spike of the sources."""

    net: Network
    weights: dict[str, Any]
    steps: NDArray
    units: NDArray


class Outcome(NamedTuple):
    """fired: step * SIZE + neuron of each spike, rising; v_TN: mV, of the neurons at TRACED."""

    fired: NDArray
    v_TN: NDArray


def set_up(strength: Strength, seed: int) -> Setup:
    rng = child(seed, "i_ext")
    populations = [Population("in", SIZES["in"], Source())]
    for name in CELLS:
        i_ext = rng.uniform(*strength.i_ext, SIZES[name])
        cell = vary(model(CELL), source="chosen: see benchmarks/agreement_lif.py", i_ext=i_ext)
        populations.append(Population(name, SIZES[name], cell))
    projections = tuple(
        Projection(pre, post, FixedProbability(PROBABILITY), DELAYS[pre], receptor="inh" if pre == "inh" else "exc")
        for pre in SIZES
        for post in CELLS
    )
    net = Network(tuple(populations), projections, DT)
    means = {"in": strength.w_in, "exc": strength.w_exc, "inh": strength.w_inh}
    weights = connect(net, {p.name: _spread(means[p.pre]) for p in projections}, seed)
    rng, n_places = child(seed, "sources"), round(DURATION / DT) * SIZES["in"]
    places = rng.integers(n_places, size=rng.poisson(INPUT_RATE * SIZES["in"] * DURATION / 1000.0))
    return Setup(net, weights, *np.divmod(np.unique(places), SIZES["in"]))


def _spread(mean: float) -> Callable[[np.random.Generator, int], NDArray]:
    """Weights with a standard deviation of 0.3 of their mean, none of the wrong sign."""
    return lambda rng, n: mean * np.maximum(0.0, rng.normal(1.0, 0.3, n))


def run_backend(setup: Setup, backend: str) -> tuple[Outcome, float]:
    """The outcome on one of our backends, and how close v came to v_th without a spike (mV)."""
    record = simulate(
        setup.net,
        setup.weights,
        {"in": make_events(setup.steps * DT, setup.units)},
        duration=DURATION,
        backend=backend,
        record=tuple(f"{name}.{field}" for name in CELLS for field in ("spikes", "v")),
    )
    spikes = statistics.merge([record.spikes[name] for name in CELLS], [SIZES[name] for name in CELLS])
    v_TN = np.concatenate([np.asarray(record.traces[f"{name}.v"])[:, 0] for name in CELLS], axis=1)
    fired = np.rint(spikes.times / DT).astype(np.int64) * SIZE + spikes.units
    return Outcome(np.sort(fired), v_TN[:, TRACED]), float(CELL.v_th - v_TN.max())


def run_nest(setup: Setup) -> Outcome:
    """The outcome in NEST."""
    from benchmarks.on_nest import neurons

    nest = start_nest(1)
    nodes = {name: neurons(CELL, SIZES[name]) for name in CELLS}
    for name in CELLS:
        cell: Any = setup.net.population(name).model
        nodes[name].set({"I_e": cell.i_ext})
    trains = [{"spike_times": stamps(setup.steps[setup.units == n])} for n in range(SIZES["in"])]
    nodes["in"] = nest.Create("spike_generator", SIZES["in"], trains)
    ids = {name: np.array(group.tolist()) for name, group in nodes.items()}
    for projection in setup.net.projections:
        synapses = setup.weights[projection.name]
        values = {"weight": synapses.weights, "delay": np.full(len(synapses.weights), projection.delay)}
        pairs = ids[projection.pre][synapses.sources], ids[projection.post][synapses.targets]
        nest.Connect(*pairs, "one_to_one", values)
    cells, recorder = nodes["exc"] + nodes["inh"], nest.Create("spike_recorder")
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": DT})
    nest.Connect(cells, recorder)
    nest.Connect(meter, cells[TRACED])
    simulate_all(nest, DURATION)
    steps, neuron, _ = recorded(recorder, cells, DURATION)
    v_TN = np.full((round(DURATION / DT), SIZE), np.nan)
    steps_v, neuron_v, inside = recorded(meter, cells, DURATION)
    v_TN[steps_v, neuron_v] = meter.events["V_m"][inside]
    return Outcome(np.sort(steps * SIZE + neuron), v_TN[:, TRACED])


def compare(ours: Outcome, theirs: Outcome) -> dict[str, Any]:
    """Numbers of spikes; how many differ, and when first (ms); the largest |dv| (mV) up to there."""
    differ = np.setxor1d(ours.fired, theirs.fired)
    until = int(differ[0]) // SIZE if len(differ) else len(ours.v_TN)
    return {
        "spikes": len(theirs.fired),
        "differ": len(differ),
        "first_ms": until * DT if len(differ) else None,
        "max_dv": float(np.abs(ours.v_TN[:until] - theirs.v_TN[:until]).max()) if until else None,
    }


def measure(name: str, seed: int) -> dict[str, Any]:
    """One network of STRENGTHS on the event backend, beside brian2, NEST, and itself with one input spike less."""
    setup = set_up(STRENGTHS[name], seed)
    ours, nearest_miss = run_backend(setup, "event")
    fewer = setup._replace(steps=setup.steps[1:], units=setup.units[1:])
    steps, neuron = np.divmod(ours.fired, SIZE)
    spikes = Events(steps * DT, neuron.astype(np.int32), np.array([0, len(steps)]))
    return {
        "spikes": len(ours.fired),
        "rate_hz": statistics.mean_rate(spikes, SIZE, DURATION),
        "silent": int(np.sum(np.bincount(neuron, minlength=SIZE) == 0)),
        "cv": statistics.interval_cv(spikes, SIZE),
        "correlation": statistics.correlation(statistics.counts(spikes, SIZE, COUNT_BIN, DURATION)),
        "nearest_miss": nearest_miss,
        "peers": {
            "nest": compare(ours, run_nest(setup)),
            "brian2": compare(ours, run_backend(setup, "brian")[0]),
            "one input spike less": compare(ours, run_backend(fewer, "event")[0]),
        },
    }
