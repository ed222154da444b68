"""Astrocytes: calcium against equations written here once more, gliotransmission by hand, and what they modulate."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons.leaky_integrator import NALSM_ASTROCYTE
from neuro.neurons.li_rinzel import DE_PITTA_AM, DE_PITTA_FM, SETS
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.stdp import SONG_ABBOTT

FIELDS = ("calcium", "h", "ip3", "gamma_astrocyte")
START = {"calcium": 0.05, "h": 0.9, "ip3": 0.1, "gamma_astrocyte": 0.0}
# Published numbers, per second: K_ER, v_delta, r_5P, v_beta.
PUBLISHED = {"DE_PITTA_AM": (0.1, 0.02, 0.04, 0.2), "DE_PITTA_FM": (0.05, 0.05, 0.05, 0.5)}


def hill(x, k, n):
    return x**n / (x**n + k**n)


def slopes(name, glutamate):
    """dC/dt, dh/dt, dI/dt and dA/dt per second, as the publication writes them."""
    k_er, v_delta, r_5p, v_beta = PUBLISHED[name]

    def slope(t, values):
        c, h, i, a = values
        q = 1.049 * (i + 0.13) / (i + 0.9434)
        open_3 = (hill(i, 0.13, 1) * hill(c, 0.08234, 1) * h) ** 3
        store = 2.0 - 1.185 * c
        made = v_beta * a + v_delta / (1.0 + i / 1.5) * hill(c, 0.1, 2)
        return [
            6.0 * open_3 * store + 0.11 * store - 0.9 * hill(c, k_er, 2),
            (q / (q + c) - h) * 0.2 * (q + c),
            made - 2.0 * hill(c, 0.7, 4) * hill(i, 1.0, 1) - r_5p * i,
            0.3 * (glutamate * (1.0 - a) - (1.3 + 10.0 * hill(c, 0.6, 1)) * a),
        ]

    return slope


def run(model, duration, dt=1.0, start=START, fields=FIELDS, backend="event"):
    net = Network((Population("astrocyte", 1, model),), (), dt)
    initial = {f"astrocyte.{field}": value for field, value in start.items()}
    record = tuple(f"astrocyte.{field}" for field in fields)
    traces = simulate(net, {}, {}, duration=duration, backend=backend, record=record, initial=initial).traces
    return {field: np.asarray(traces[f"astrocyte.{field}"])[:, 0, 0] for field in fields}


@pytest.mark.parametrize("glutamate", [0.0, 1.0])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_minute_equals_the_published_equations(name, glutamate):
    """Solved by a method of eighth order to 1e-12; ours is wrong by 3e-8 at most, see the order below."""
    traces = run(vary(SETS[name], source="test", glutamate_ext=glutamate), 60e3)
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-14, "t_eval": np.arange(1, 61)}
    wanted = solve_ivp(slopes(name, glutamate), (0.0, 60.0), list(START.values()), **options).y
    for field, values in zip(FIELDS, wanted, strict=True):
        np.testing.assert_allclose(traces[field][999::1000], values, rtol=1e-6, atol=1e-15, err_msg=field)
    if glutamate:
        assert np.ptp(traces["calcium"][30_000:]) > 0.3  # it oscillates


def test_the_method_is_of_third_order():
    """Halving the step divides the error by 8."""
    model = vary(DE_PITTA_FM, source="test", glutamate_ext=1.0)
    exact = run(model, 24e3, dt=0.5)["calcium"][-1]
    errors = [abs(run(model, 24e3, dt=dt)["calcium"][-1] - exact) for dt in (20.0, 10.0, 5.0)]
    assert errors[0] / errors[1] == pytest.approx(8.0, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(8.0, rel=0.15)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_steady_state_is_a_root_of_all_fluxes(name):
    """At the root found by scipy nothing moves, and a cell at rest comes to it."""
    found = root(lambda values: slopes(name, 0.0)(0.0, values), [0.06, 0.9, 0.05, 0.0], tol=1e-13)
    assert found.success and np.abs(found.fun).max() < 1e-12
    steady = dict(zip(FIELDS, found.x, strict=True))
    for field, values in run(SETS[name], 20e3, dt=10.0, start=steady).items():
        np.testing.assert_allclose(values, steady[field], rtol=0, atol=1e-12, err_msg=field)
    rested = run(SETS[name], 1000e3, dt=10.0)
    for field in FIELDS:
        assert rested[field][-1] == pytest.approx(steady[field], abs=1e-6)


def test_without_ip3_the_leak_balances_the_pump():
    """The receptors are closed: rate_leak (c_total - ratio C) = v_serca C^2 / (C^2 + K^2), one equation in C."""
    still = vary(DE_PITTA_AM, source="test", v_delta=0.0)
    calcium = run(still, 400e3, dt=10.0, start={"ip3": 0.0})["calcium"][-1]
    assert 0.11 * (2.0 - 1.185 * calcium) == pytest.approx(0.9 * hill(calcium, 0.1, 2), rel=1e-9)


def test_the_receptors_of_glutamate_bind_as_the_publication_has_it():
    """At rest A = Y / (Y + K_R + K_p Hill_1(C, K_pi)), the quasi-static form of the publication with exponent 1."""
    glutamate = 20.0
    traces = run(vary(DE_PITTA_AM, source="test", glutamate_ext=glutamate), 600e3, dt=10.0)
    affinity = 1.3 + 10.0 * hill(traces["calcium"][-1], 0.6, 1)
    assert traces["gamma_astrocyte"][-1] == pytest.approx(glutamate / (glutamate + affinity), rel=1e-9)


RELEASE = ("calcium", "resources", "gliotransmitter", "gamma_synapse")


@pytest.mark.parametrize("backend", ["event", "torch_dense", "brian"])
def test_a_crossing_releases_once(backend):
    """Calcium starts below 0.5 uM and rises through it: 0.6 of the resources make 0.6 * 0.13 mM outside."""
    start = START | {"calcium": 0.4, "h": 0.8, "ip3": 1.0}
    traces = run(DE_PITTA_FM, 300.0, start=start, fields=RELEASE, backend=backend)
    (step,) = np.flatnonzero((traces["calcium"][1:] >= 0.5) & (traces["calcium"][:-1] < 0.5)) + 1
    assert 5 < step < 100 and traces["calcium"][step:].min() > 0.5  # it stays above, and releases no more
    since = np.arange(300 - step)
    x, g = traces["resources"], traces["gliotransmitter"]
    np.testing.assert_array_equal(g[:step], 0.0)
    np.testing.assert_allclose(x[step:], 1.0 - 0.6 * np.exp(-since * 0.6e-3), rtol=1e-9)
    np.testing.assert_allclose(g[step:], 0.6 * 6.5e-4 * 200e3 * np.exp(-since * 60e-3), rtol=1e-6, atol=1e-7)
    # After 200 ms all is cleared. What binds early unbinds a little more than what binds late: 30 ms of 120 s.
    exposure = 1.5e-3 * 78.0 / 60e-3 * (1.0 - np.exp(-200 * 60e-3))
    unbound = np.exp(-200 / 120e3)
    assert traces["gamma_synapse"][step + 200] == pytest.approx((1.0 - np.exp(-exposure)) * unbound, rel=3e-4)


def test_binding_of_gliotransmitter_equals_its_equation():
    """dB/dt = bind G (1 - B) - B / tau with a decaying G, solved to 1e-12; the step splits binding from unbinding."""
    start = START | {"gliotransmitter": 78.0, "gamma_synapse": 0.2}
    found = run(DE_PITTA_AM, 400.0, start=start, fields=RELEASE)["gamma_synapse"]

    def slope(t, b):
        return 1.5e-3 * 78.0 * np.exp(-60e-3 * t) * (1.0 - b) - b * 0.5 / 60e3

    times = np.arange(1, 401)
    wanted = solve_ivp(slope, (0.0, 400.0), [0.2], method="DOP853", rtol=1e-12, atol=1e-14, t_eval=times).y[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_calcium_that_starts_above_the_threshold_releases_nothing():
    traces = run(DE_PITTA_FM, 100.0, start=START | {"calcium": 0.6, "ip3": 1.0}, fields=RELEASE)
    assert traces["calcium"].min() > 0.5 and (traces["gliotransmitter"] == 0.0).all()


def test_every_oscillation_releases_what_has_recovered():
    """One release at each crossing; before it x has recovered to 1 - (1 - x) exp(-T / tau) from the last."""
    traces = run(vary(DE_PITTA_FM, source="test", glutamate_ext=1.0), 120e3, fields=RELEASE)
    calcium, x, g = (traces[field] for field in RELEASE[:3])
    crossings = np.flatnonzero((calcium[1:] >= 0.5) & (calcium[:-1] < 0.5)) + 1
    assert len(crossings) >= 8
    np.testing.assert_array_equal(np.flatnonzero(np.diff(g, prepend=0.0) > 0), crossings)
    left, last = 1.0, 0
    for step in crossings:
        left = 0.4 * (1.0 - (1.0 - left) * np.exp(-(step - last) * 0.6e-3))
        assert x[step] == pytest.approx(left, rel=1e-9)
        last = step


@pytest.mark.parametrize("backend", ["event", "torch_dense", "brian"])
def test_the_astrocyte_of_nalsm(backend):
    """A spike adds w_astro / tau, and A decays to 0.15. The publication's 1 - dt / tau is 5e-5 from exp(-dt / tau)."""
    w_astro, dt = 0.015, 1.0
    net = Network(
        (Population("liquid", 1, Source()), Population("input", 1, Source()), Population("a", 1, NALSM_ASTROCYTE)),
        (Projection("liquid", "a", Dense()), Projection("input", "a", Dense())),
        dt,
    )
    weights = {"liquid->a": np.array([[w_astro / 100.0]]), "input->a": np.array([[-w_astro / 100.0]])}
    rng = np.random.default_rng(0)
    liquid, given = np.sort(rng.choice(400, 60, replace=False)), np.sort(rng.choice(400, 20, replace=False))
    events = {name: make_events(t, np.zeros(len(t), int)) for name, t in (("liquid", liquid), ("input", given))}
    v = np.asarray(simulate(net, weights, events, duration=400.0, backend=backend, record=("a.v",)).traces["a.v"])
    a, exact = 0.15, 0.15
    for step in range(400):
        spikes = float(step in liquid) - float(step in given)
        a += (w_astro * spikes + 0.15 - a) / 100.0
        exact = 0.15 + (exact - 0.15) * np.exp(-0.01) + w_astro / 100.0 * spikes
        assert v[step, 0, 0] == pytest.approx(exact, rel=1e-12)
        assert v[step, 0, 0] == pytest.approx(a, rel=2e-4)


def test_an_astrocyte_fed_by_spikes_modulates_stdp():
    """Calcium is the third factor: all arithmetic is the same on both backends, and so are the weights."""
    relay = vary(NORMALISED, source="test", tau_m=5.0)
    rule = vary(SONG_ABBOTT, source="test", a_plus=0.02, a_minus=0.021, w_max=1.0)
    net = Network(
        (
            Population("pre", 6, Source()),
            Population("drive", 4, Source()),
            Population("astrocyte", 1, DE_PITTA_FM),
            Population("post", 4, relay),
        ),
        (
            Projection("pre", "astrocyte", Dense()),
            Projection("pre", "post", Dense(), rule=rule, modulator="astrocyte"),
            Projection("drive", "post", Dense()),
        ),
        1.0,
    )
    rng = np.random.default_rng(5)
    start = {"pre->astrocyte": np.full((1, 6), 4.0), "pre->post": rng.uniform(0.2, 0.6, (4, 6))}
    start["drive->post"] = 2.0 * np.eye(4)
    inputs = {
        name: make_events(rng.uniform(0.0, 4000.0, 60 * n), rng.integers(0, n, 60 * n))
        for name, n in (("pre", 6), ("drive", 4))
    }
    weights, calcium = {}, {}
    for backend in ("event", "torch_dense"):
        record = simulate(
            net, start, inputs, duration=4000.0, backend=backend, plastic=True, record=("astrocyte.output",),
            initial={"astrocyte.ip3": 0.6, "astrocyte.calcium": 0.3},
        )  # fmt: skip
        weights[backend], calcium[backend] = record.weights["pre->post"], record.traces["astrocyte.output"]
    assert np.ptp(calcium["event"]) > 0.3
    assert np.abs(weights["event"] - start["pre->post"]).max() > 0.05
    np.testing.assert_array_equal(weights["event"], weights["torch_dense"])
