"""Short-term plasticity: closed forms, sequences by hand, on three backends, and NEST's tsodyks2_synapse."""

import numpy as np
import pytest

from neuro import Network, OneToOne, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.tsodyks_markram import DEPRESSING, FACILITATING

BACKENDS = ["torch_dense", "event", "brian"]
DT, W = 0.1, 3.0
# A membrane that forgets nothing and never fires: a spike's jump of v is what arrived.
SUM = vary(NORMALISED, source="test", tau_m=1e30, v_th=1e9)
TRAIN = np.array([10.0, 12.0, 30.0, 30.1, 95.0, 300.0, 301.5, 600.0])
BOTH = vary(FACILITATING, source="test", u_release=0.2, tau_rec=150.0, tau_facil=300.0)


def released(backend, short_term, times, delay=0.0, dt=DT):
    """The share of the weight that each spike of a train carries."""
    net = Network(
        (Population("pre", 1, Source()), Population("post", 1, SUM)),
        (Projection("pre", "post", OneToOne(), delay=delay, short_term=short_term),),
        dt,
    )
    weights = connect(net, {"pre->post": W}, seed=0)
    spikes = {"pre": make_events(times, np.zeros(len(times), int))}
    duration = round((times[-1] + delay + 1.0) / dt) * dt
    v = np.asarray(
        simulate(net, weights, spikes, duration=duration, backend=backend, record=("post.v",)).traces["post.v"]
    )
    arrivals = np.diff(v[:, 0, 0], prepend=0.0)
    steps = np.rint((times + delay) / dt).astype(int)
    assert np.count_nonzero(arrivals > 1e-6) == len(steps)
    return arrivals[steps] / W


def by_hand(short_term, times):
    """The equations, from one spike to the next."""
    u, r, last, shares = 0.0, 1.0, -np.inf, []
    for t in times:
        u = u * np.exp(-(t - last) / short_term.tau_facil) if short_term.tau_facil else 0.0
        r = 1.0 - (1.0 - r) * np.exp(-(t - last) / short_term.tau_rec)
        u += short_term.u_release * (1.0 - u)
        shares.append(u * r)
        r, last = r - u * r, t
    return np.array(shares)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("short_term", [DEPRESSING, FACILITATING, BOTH], ids=["depressing", "facilitating", "both"])
def test_a_train_by_hand(backend, short_term):
    """v adds up to 8 W, of which a jump is a difference: some ulps of 10. Intervals are differences of steps of dt."""
    np.testing.assert_allclose(released(backend, short_term, TRAIN), by_hand(short_term, TRAIN), rtol=0, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_delay_moves_what_arrives_and_changes_nothing(backend):
    delayed = released(backend, BOTH, TRAIN, delay=2.5)
    np.testing.assert_allclose(delayed, released(backend, BOTH, TRAIN), rtol=0, atol=1e-13)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
@pytest.mark.parametrize("interval", [10.0, 50.0, 200.0])
def test_depression_at_a_constant_rate(backend, interval):
    """Before each spike r = 1 - (1 - r (1 - U)) E with E = exp(-T / tau_rec), so r = (1 - E) / (1 - (1 - U) E).

    Differences from it halve with every spike and more: 2^-60 after 60 spikes.
    """
    recovered = np.exp(-interval / DEPRESSING.tau_rec)
    u = DEPRESSING.u_release
    wanted = u * (1.0 - recovered) / (1.0 - (1.0 - u) * recovered)
    shares = released(backend, DEPRESSING, interval * np.arange(1, 62), dt=1.0)
    assert shares[0] == pytest.approx(u)
    assert shares[-1] == pytest.approx(wanted, rel=1e-11)
    # The share times the rate saturates: at high rates a synapse tells of its rate no more.
    assert shares[-1] / interval * DEPRESSING.tau_rec < 1.0


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_facilitation_then_depression_at_a_constant_rate(backend):
    """u = U / (1 - (1 - U) exp(-T / tau_facil)), and r as above with this u. After 10 tau_facil."""
    interval, c = 20.0, FACILITATING
    faded, recovered = np.exp(-interval / c.tau_facil), np.exp(-interval / c.tau_rec)
    u = c.u_release / (1.0 - (1.0 - c.u_release) * faded)
    shares = released(backend, c, interval * np.arange(1, 501), dt=1.0)
    assert shares[-1] == pytest.approx(u * (1.0 - recovered) / (1.0 - (1.0 - u) * recovered), rel=1e-10)
    assert shares[0] == pytest.approx(c.u_release)
    assert shares[1] > 1.5 * shares[0] and shares[-1] > 4.0 * shares[0]


def test_silence_restores_everything():
    """After 30 time constants the next spike is like the first."""
    for short_term in (DEPRESSING, FACILITATING):
        pause = 30.0 * max(short_term.tau_rec, short_term.tau_facil)
        shares = released("event", short_term, np.array([10.0, 20.0, 20.0 + pause]), dt=1.0)
        assert shares[2] == pytest.approx(shares[0], rel=1e-12)
        assert shares[1] != pytest.approx(shares[0], rel=0.1)


@pytest.mark.parametrize("short_term", [DEPRESSING, FACILITATING, BOTH], ids=["depressing", "facilitating", "both"])
def test_nest_releases_the_same(short_term):
    """tsodyks2_synapse solves these equations. Its parameters u and x are what the first spike uses: U and 1."""
    nest = pytest.importorskip("nest", reason="nest-simulator is not installed (extra: dev)")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=DT)
    generator = nest.Create("spike_generator", params={"spike_times": TRAIN})
    relay, post = nest.Create("parrot_neuron"), nest.Create("iaf_psc_delta")
    post.set(tau_m=1e30, C_m=1.0, E_L=0.0, V_m=0.0, V_th=1e9, t_ref=DT)
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": DT})
    nest.Connect(generator, relay, syn_spec={"delay": 1.0})
    parameters = {"U": short_term.u_release, "tau_rec": short_term.tau_rec, "tau_fac": short_term.tau_facil}
    parameters |= {"u": short_term.u_release, "x": 1.0}
    nest.Connect(relay, post, syn_spec={"synapse_model": "tsodyks2_synapse", "weight": W, "delay": 1.0, **parameters})
    nest.Connect(meter, post)
    nest.Simulate(TRAIN[-1] + 10.0)
    arrivals = np.diff(meter.events["V_m"], prepend=0.0)
    found = arrivals[arrivals > 1e-6] / W
    np.testing.assert_allclose(found, by_hand(short_term, TRAIN), rtol=0, atol=1e-12)
