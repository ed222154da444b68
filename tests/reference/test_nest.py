"""The neurons against those of NEST, which is other people's code: one small recurrent network of each.

Spikes come from spike generators and from the cells themselves, over dense random weights. What differs by
convention, and how it was matched:

- A spike of step k (from k dt to (k + 1) dt) has the time k dt here; NEST stamps it with the end of its step,
  (k + 1) dt. So a source's event at k dt is a generator's spike at (k + 1) dt.
- NEST has no delay below dt, and counts it from the stamp. With both conventions, a delay d is the same here.
- In NEST the sign of a weight chooses the receptor; conductances enter positive here, negative there for inh.
- Refractoriness, threshold (v >= v_th), reset and the order within a step (flow, arrivals, threshold) are the same,
  t_ref included: nothing to match. iaf_psc_delta drops what arrives in refractoriness, by default and here.
- NEST gives c_m, here r_m = tau_m / c_m. iaf_psc_alpha's weight is the peak of the current, as here.
- A constant current is I_e. A current from a generator would start a step later, since NEST stores it for the next.
- izhikevich is Euler as here with consistent_integration, its default; U_m starts at 0 there, and is set to b v.
- iaf_cond_exp and aeif_cond_exp are solved by an adaptive Runge-Kutta method, here by exponential and by forward
  Euler: spikes approach those of NEST with order one in dt. aeif_cond_exp resets within a step and goes on from
  there, so that an interval is shorter by up to dt.
- multimeter shows v at the end of a step, after the reset, as a trace does here.
"""

import functools

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import adex, izhikevich, lif, lif_alpha, lif_conductance, lif_delta, lif_exc_inh

nest = pytest.importorskip("nest", reason="nest-simulator is not installed (extra: dev)")

DURATION, DELAY = 300.0, 1.0  # ms
SIZES = {"se": 10, "si": 5, "e": 8, "i": 4}  # excitatory and inhibitory sources and cells
PAIRS = [(pre, post) for pre in SIZES for post in ("e", "i")]


def psc(model):
    """Parameters of NEST's iaf_psc_* for a LIF."""
    names = {"tau_m": "tau_m", "v_rest": "E_L", "v_th": "V_th", "v_reset": "V_reset", "t_ref": "t_ref"}
    synapses = {"tau_syn": ("tau_syn_ex", "tau_syn_in"), "tau_exc": ("tau_syn_ex",), "tau_inh": ("tau_syn_in",)}
    given = {theirs: getattr(model, ours) for ours, theirs in names.items()}
    given |= {theirs: getattr(model, ours) for ours in synapses if hasattr(model, ours) for theirs in synapses[ours]}
    return given | {"C_m": model.tau_m / model.r_m, "V_m": model.v_rest}


def izh(model):
    return {"a": model.a, "b": model.b, "c": model.c, "d": model.d, "V_th": model.v_peak, "V_m": -65.0,
            "U_m": -65.0 * model.b, "consistent_integration": True}  # fmt: skip


def cond(model):
    membrane = {"C_m": model.c_m, "g_L": model.g_leak, "E_L": model.v_rest, "V_m": model.v_rest}
    synapses = {"tau_syn_ex": model.tau_exc, "tau_syn_in": model.tau_inh, "E_ex": model.e_exc, "E_in": model.e_inh}
    return membrane | synapses | {"V_reset": model.v_reset}


def coba(model):
    return cond(model) | {"V_th": model.v_th, "t_ref": model.t_ref}


def aeif(model):
    own = {"V_th": model.v_t, "Delta_T": model.delta_t, "a": model.a, "b": model.b, "tau_w": model.tau_w}
    return cond(model) | own | {"V_peak": model.v_peak, "t_ref": 0.0, "gsl_error_tol": 1e-9}


# name in NEST, model, its parameters there, range of i_ext, weight (pA, mV or nS), sign of inhibition here, v_atol (mV)
SAME_STEPS = {
    "iaf_psc_exp": ("iaf_psc_exp", lif.NEST_DEFAULT, psc, (350.0, 420.0), 300.0, -1.0, 1e-11),
    "cuba": ("iaf_psc_exp", lif_exc_inh.VOGELS_ABBOTT_CUBA, psc, (0.0, 60.0), 60.0, -1.0, 1e-11),
    "potjans": ("iaf_psc_exp", lif_exc_inh.POTJANS_DIESMANN_2014, psc, (350.0, 420.0), 600.0, -1.0, 1e-11),
    "iaf_psc_alpha": ("iaf_psc_alpha", lif_alpha.NEST_DEFAULT, psc, (350.0, 420.0), 120.0, -1.0, 1e-11),
    "brunel_alpha": ("iaf_psc_alpha", lif_alpha.BRUNEL_ALPHA, psc, (230.0, 300.0), 400.0, -1.0, 1e-11),
    "iaf_psc_delta": ("iaf_psc_delta", lif_delta.NEST_DEFAULT, psc, (350.0, 420.0), 3.0, -1.0, 1e-11),
    "izhikevich": ("izhikevich", izhikevich.REGULAR_SPIKING, izh, (5.0, 10.0), 4.0, -1.0, 1e-6),
}
FIRST_ORDER = {
    "iaf_cond_exp": ("iaf_cond_exp", lif_conductance.VOGELS_ABBOTT_COBA, coba, (80.0, 200.0), 3.0, 1.0, None),
    "aeif_cond_exp": (
        "aeif_cond_exp",
        vary(adex.ADAPTING, source="test", tau_exc=5.0, tau_inh=10.0),
        aeif, (300.0, 500.0), 2.0, 1.0, None,
    ),
}  # fmt: skip
CASES = SAME_STEPS | FIRST_ORDER


def drive(name):
    """Times of the sources' spikes (multiples of 0.1 ms), i_ext of each cell, and positive strengths [post, pre]."""
    rng = np.random.default_rng(7)
    spikes = {s: [np.unique(rng.integers(1, 2900, 25)) * 0.1 for _ in range(SIZES[s])] for s in ("se", "si")}
    i_ext = {cells: rng.uniform(*CASES[name][3], SIZES[cells]) for cells in ("e", "i")}
    strengths = {pair: rng.uniform(0.1, 0.5, (SIZES[pair[1]], SIZES[pair[0]])) for pair in PAIRS}
    return spikes, i_ext, strengths


@functools.cache
def ours(name, dt):
    """Spikes of the cells as sorted rows of step and unit (inhibitory cells after excitatory), and v [T, N]."""
    _, model, _, _, weight, inhibition, _ = CASES[name]
    spikes, i_ext, strengths = drive(name)
    cells = [Population(key, SIZES[key], vary(model, source="test", i_ext=i_ext[key])) for key in ("e", "i")]
    sources = [Population(key, SIZES[key], Source()) for key in ("se", "si")]
    receptor = {"e": model.receptors[0], "i": model.receptors[-1]}
    projections = [Projection(pre, post, Dense(), delay=DELAY, receptor=receptor[pre[-1]]) for pre, post in PAIRS]
    sign = {"e": 1.0, "i": inhibition}
    weights = {f"{pre}->{post}": sign[pre[-1]] * weight * strengths[pre, post] for pre, post in PAIRS}
    inputs = {}
    for key, times in spikes.items():
        units = np.repeat(np.arange(SIZES[key]), [len(t) for t in times])
        inputs[key] = make_events(np.concatenate(times) - dt, units)  # an event of step k has the time k dt
    net = Network((*sources, *cells), tuple(projections), dt)
    record = simulate(
        net, weights, inputs, duration=DURATION, backend="event", record=("e.spikes", "i.spikes", "e.v", "i.v")
    )
    found = [record.spikes["e"], record.spikes["i"]]
    step = np.concatenate([np.rint(events.times / dt).astype(int) for events in found])
    unit = np.concatenate([found[0].units, found[1].units + SIZES["e"]])
    order = np.lexsort((unit, step))
    v_TN = np.concatenate([np.asarray(record.traces[key])[:, 0] for key in ("e.v", "i.v")], axis=1)
    return np.stack([step[order], unit[order]], axis=1), v_TN


@functools.cache
def theirs(name, dt):
    """The same from NEST."""
    nest_name, model, parameters, _, weight, _, _ = CASES[name]
    spikes, i_ext, strengths = drive(name)
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=dt, local_num_threads=1)
    nodes = {key: nest.Create(nest_name, SIZES[key], parameters(model)) for key in ("e", "i")}
    for key in ("e", "i"):
        nodes[key].set([{"I_e": float(i)} for i in i_ext[key]])
    for key, times in spikes.items():
        nodes[key] = nest.Create("spike_generator", SIZES[key], [{"spike_times": np.round(t, 6)} for t in times])
    for pre, post in PAIRS:
        w_JI = weight * strengths[pre, post] * (1.0 if pre[-1] == "e" else -1.0)
        nest.Connect(nodes[pre], nodes[post], "all_to_all", {"weight": w_JI, "delay": DELAY})
    cells, recorder = nodes["e"] + nodes["i"], nest.Create("spike_recorder")
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": dt})
    nest.Connect(cells, recorder)
    nest.Connect(meter, cells)
    nest.Simulate(DURATION + dt)  # a recorder misses the last step
    first, events = cells[0].global_id, recorder.events
    step = np.rint(events["times"] / dt).astype(int) - 1  # stamped with the end of the step
    unit = np.asarray(events["senders"]) - first
    keep = step < round(DURATION / dt)
    order = np.lexsort((unit[keep], step[keep]))
    v_TN = np.full((round(DURATION / dt), len(cells)), np.nan)
    row = np.rint(meter.events["times"] / dt).astype(int) - 1
    inside = row < len(v_TN)
    v_TN[row[inside], np.asarray(meter.events["senders"])[inside] - first] = meter.events["V_m"][inside]
    return np.stack([step[keep][order], unit[keep][order]], axis=1), v_TN


@pytest.mark.parametrize("name", SAME_STEPS)
def test_same_spikes(name):
    wanted, _ = theirs(name, 0.1)
    assert len(wanted) > 5 * 12  # five spikes a cell: the recurrence takes part
    np.testing.assert_array_equal(ours(name, 0.1)[0], wanted)


@pytest.mark.parametrize("name", SAME_STEPS)
def test_same_voltage(name):
    """NEST keeps v relative to E_L, so that some ulps of 70 mV remain; the upstroke of izhikevich multiplies them."""
    found, wanted = ours(name, 0.1)[1], theirs(name, 0.1)[1]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=SAME_STEPS[name][6])


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_spikes_approach_those_of_nest(name):
    """All cells fire as often, and halving dt halves the mean distance of their first four spikes: 14 and 7 us for
    iaf_cond_exp, where ours are early, 116 and 61 us for aeif_cond_exp, where ours are late."""
    distances = []
    for dt in (0.01, 0.005):
        found, wanted = ours(name, dt)[0], theirs(name, dt)[0]
        np.testing.assert_array_equal(np.bincount(found[:, 1]), np.bincount(wanted[:, 1]))
        early = [[spikes[spikes[:, 1] == j, 0][:4] for spikes in (found, wanted)] for j in range(12)]
        distances.append(dt * np.mean([np.abs(a - b) for a, b in early]))
    assert distances[1] < 0.1
    assert 1.7 < distances[0] / distances[1] < 2.2, distances  # 2, but for NEST's times on the same grid of dt
