"""Memristive crossbars: exact devices are the float network, and each error of real ones has its closed form."""

import math

import numpy as np
import pytest
import torch

from neuro import Dense, FixedProbability, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.crossbar import program, random_weights, read
from neuro.crossbar_devices import IDEAL, PCM_JOSHI_2020, RERAM_WAN_2022, SETS, Clipped, Crossbar
from neuro.neurons import leaky_integrator, lif_delta
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.references import REFERENCES

DAY = 86.4e6  # ms
N = 200_000


def rng():
    return np.random.default_rng(0)


def recurrent(dt=1.0):
    cell = lif_delta.NORMALISED
    net = Network(
        (
            Population("in", 30, Source()),
            Population("exc", 50, cell),
            Population("out", 5, leaky_integrator.NORMALISED),
        ),
        (
            Projection("in", "exc", Dense()),
            Projection("exc", "exc", FixedProbability(0.2), delay=2 * dt),
            Projection("exc", "out", Dense()),
        ),
        dt,
    )
    values = {
        "in->exc": lambda g, n: g.normal(0.2, 0.3, n),
        "exc->exc": lambda g, n: g.normal(0.0, 0.3, n),
        "exc->out": lambda g, n: g.normal(0.0, 0.3, n),
    }
    g = np.random.default_rng(3)
    inputs = {"in": make_events(np.floor(g.uniform(0, 100, 600)), g.integers(0, 30, 600))}
    return net, connect(net, values, 0), inputs


def test_exact_devices_are_the_float_network():
    net, weights, inputs = recurrent()
    options = {"duration": 100.0, "record": ("exc.v", "out.v", "exc.spikes")}
    wanted = simulate(net, weights, inputs, backend="torch_dense", **options)
    found = simulate(net, weights, inputs, backend="crossbar", arithmetic=Crossbar(IDEAL), **options)
    assert wanted.counts.spikes > 200
    for field in ("exc.v", "out.v"):
        np.testing.assert_allclose(found.traces[field], wanted.traces[field], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found.spikes["exc"].times, wanted.spikes["exc"].times)
    assert (found.counts.spikes, found.counts.synaptic_events) == (wanted.counts.spikes, wanted.counts.synaptic_events)


@pytest.mark.parametrize("device", [PCM_JOSHI_2020, RERAM_WAN_2022], ids=["pcm", "reram"])
def test_errors_of_programming_have_the_published_spread(device):
    """At a weight of half the largest: sigma of both devices of the pair, from the polynomial at g = 0.5 and 0."""
    w = np.full(N, 0.5)
    w[0] = 1.0  # sets the scale
    pairs = program(w, device, rng())
    c = device.programming
    sigma = sum(value * 0.5**k for k, value in enumerate(c))
    assert pairs.g[0, 1:].std() == pytest.approx(sigma, rel=0.01)  # 200,000 draws: 0.2 %
    assert pairs.g[0, 1:].mean() == pytest.approx(0.5 * device.g_max, rel=0.01)
    # Half of the draws around 0 would be negative, and are 0: a half normal distribution has this mean.
    assert pairs.g[1].mean() == pytest.approx(c[0] / math.sqrt(2 * math.pi), rel=0.01)


def test_drift_is_a_power_of_time_and_its_mean_is_made_up_for():
    device = vary(IDEAL, source="test", drift_mean=Clipped(0.05, 0.0, 0.05, 0.05), t_0=20_000.0)
    w = rng().normal(size=1000)
    pairs = program(w, device, rng())
    for age in (0.0, 20_000.0, DAY, 365 * DAY):
        left = (max(age, 20_000.0) / 20_000.0) ** -0.05
        np.testing.assert_allclose(read(pairs, Crossbar(device, age, is_compensated=False)).w, w * left, rtol=1e-12)
        found = read(pairs, Crossbar(device, age))
        np.testing.assert_allclose(found.w, w, rtol=1e-12)
        assert found.gain == pytest.approx(1 / left)


def test_exponents_of_drift_have_the_published_mean_and_spread():
    """Joshi et al.: at g_max mean 0.049 (clipped) and spread 0.008; at g = 0.01 mean 0.0958 and spread 0.045."""
    w = np.where(np.arange(N) < N // 2, 1.0, 0.01)
    nu = program(w, PCM_JOSHI_2020, rng()).nu[0]
    for part, mean, spread in ((nu[: N // 2], 0.049, 0.008), (nu[N // 2 :], 0.0244 + 0.0155 * math.log(100), 0.045)):
        assert part.mean() == pytest.approx(mean, rel=0.01)
        assert part.std() == pytest.approx(spread, rel=0.03)  # the sign is dropped, which 2 % of the small ones meet


def one_layer(n_in=40, n_out=60):
    """Values straight onto integrators that forget at once, so that v is a column's sum."""
    fast = vary(leaky_integrator.NORMALISED, source="test", tau_m=1e-3)
    return Network(
        (Population("in", n_in, Source()), Population("out", n_out, fast)), (Projection("in", "out", Dense()),), 1.0
    )


def sums(device, x_BI, w_JI, n_steps, **options):
    record = simulate(
        one_layer(*w_JI.shape[::-1]), {"in->out": w_JI}, {"in": x_BI}, duration=float(n_steps), backend="crossbar",
        record=("out.v",), arithmetic=Crossbar(device, **options),
    )  # fmt: skip
    return record.traces["out.v"].numpy(), record


def test_reads_of_columns_have_the_variance_of_their_devices():
    """1/f noise of phase-change memory a day old: sum of x^2 of both devices' variances, drawn anew in each step."""
    device = vary(PCM_JOSHI_2020, source="test", programming=(0.0,), drift_mean=Clipped(0, 0, 0, 0), adc_bits=0)
    device = vary(device, source="test", drift_spread=Clipped(0, 0, 0, 0))
    g = rng()
    w_JI, x_BI = g.normal(size=(60, 40)), g.uniform(size=(1, 40))
    v_TJ = sums(device, x_BI, w_JI, 4000, age=DAY)[0][:, 0]
    part = np.abs(w_JI) / np.abs(w_JI).max()
    relative = np.minimum(0.0088 / part**0.65, 0.2) * math.sqrt(math.log((DAY + 2.5e-4) / 5e-4))
    wanted_J = ((x_BI * w_JI * relative) ** 2).sum(1)
    np.testing.assert_allclose(v_TJ.mean(0), w_JI @ x_BI[0], atol=5 * math.sqrt(wanted_J.max() / 4000))
    np.testing.assert_allclose(v_TJ.var(0), wanted_J, rtol=0.12)  # 4000 reads: 2.2 %, 60 columns
    assert abs(np.corrcoef(v_TJ[1:, 0], v_TJ[:-1, 0])[0, 1]) < 0.06


def test_the_converter_rounds_to_its_steps_and_counts_what_it_clips():
    device = vary(IDEAL, source="test", adc_bits=4, adc_range=2.0)
    w_JI = np.array([[1.0, 0.5, 0.2], [1.0, 1.0, 1.0], [-0.13, 0.0, 0.0], [-1.0, -1.0, -1.0]])
    v_TJ, record = sums(device, np.ones((1, 3)), w_JI, 3)
    unit = 2.0 / 7
    np.testing.assert_allclose(v_TJ[:, 0], np.tile([6 * unit, 2.0, 0.0, -2.0], (3, 1)), atol=1e-12)
    assert record.counts.saturations == 3 * 2
    fine = vary(device, source="test", adc_bits=16)
    np.testing.assert_allclose(sums(fine, np.ones((1, 3)), w_JI, 3)[0][0, 0, [0, 2]], [1.7, -0.13], atol=2.0 / 2**15)


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_weights_lie_on_the_levels_of_their_devices(levels):
    device, w = vary(IDEAL, source="test", levels=levels), rng().normal(size=5000)
    steps = read(program(w, device, rng()), Crossbar(device)).w / np.abs(w).max() * (levels - 1)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
    assert np.abs(steps - w / np.abs(w).max() * (levels - 1)).max() <= 0.5 + 1e-9


def test_stuck_devices_are_as_many_as_said_and_stay():
    device = vary(PCM_JOSHI_2020, source="test", stuck_on=0.1, stuck_off=0.2)
    pairs = program(np.full(N, 0.5), device, rng())
    on, off = pairs.is_stuck & (pairs.g == device.g_max), pairs.is_stuck & (pairs.g == device.g_min)
    assert on.mean() == pytest.approx(0.1, abs=0.003) and off.mean() == pytest.approx(0.2, abs=0.003)
    both = pairs.is_stuck.all(0)
    raw = Crossbar(device, DAY, is_compensated=False)
    np.testing.assert_array_equal(read(pairs, raw).w[both], pairs.scale * (pairs.g[0] - pairs.g[1])[both])


def test_the_seed_is_the_chip_and_its_reads():
    net, weights, inputs = recurrent()
    runs = [
        simulate(
            net,
            weights,
            inputs,
            duration=100.0,
            backend="crossbar",
            seed=seed,
            record=("out.v",),
            arithmetic=Crossbar(PCM_JOSHI_2020, DAY),
        )  # fmt: skip
        for seed in (0, 0, 1)
    ]
    assert torch.equal(runs[0].traces["out.v"], runs[1].traces["out.v"])
    assert not torch.equal(runs[0].traces["out.v"], runs[2].traces["out.v"])
    spread = np.std(runs[0].weights["in->exc"] - weights["in->exc"]) / np.abs(weights["in->exc"]).max()
    assert 0.01 < spread < 0.1  # sigma_p is 1 to 4 % of g_max


def test_random_weights_have_the_spread_of_their_devices():
    drawn = random_weights(RERAM_WAN_2022, -2.0, part=0.5)(rng(), N)
    sigma = sum(value * 0.5**k for k, value in enumerate(RERAM_WAN_2022.programming)) / (0.5 * RERAM_WAN_2022.g_max)
    assert drawn.mean() == pytest.approx(-2.0, rel=0.01) and drawn.std() == pytest.approx(2.0 * sigma, rel=0.01)
    net, _, _ = recurrent()
    values = {p.name: random_weights(RERAM_WAN_2022, 0.1) for p in net.projections}
    assert (connect(net, values, 0)["exc->exc"].weights >= 0).all()


def test_every_set_runs_and_what_cannot_be_is_named():
    net, weights, inputs = recurrent()
    options = {"duration": 5.0, "backend": "crossbar"}
    for device in SETS.values():
        assert device.source in REFERENCES or device.source.startswith("chosen: ")
        simulate(net, weights, inputs, arithmetic=Crossbar(device), **options)
    with pytest.raises(ValueError, match="is no crossbar; give arithmetic=Crossbar"):
        simulate(net, weights, inputs, **options)
    for changes, age, message in (
        ({"g_min": 3e4}, 0.0, "give a g_min below g_max"),
        ({"levels": 1}, 0.0, "levels = 1, adc_bits = 0: give 0, for none, or at least 2"),
        ({"adc_bits": 1}, 0.0, "adc_bits = 1: give 0, for none, or at least 2"),
        ({"stuck_on": 0.6, "stuck_off": 0.6}, 0.0, "stuck_off = 1.2: give at most 1"),
        ({"t_0": 100.0}, 50.0, "age = 50 ms is before t_0 = 100 ms"),
    ):
        with pytest.raises(ValueError, match=message):
            device = vary(IDEAL, source="test", **changes)
            simulate(net, weights, inputs, arithmetic=Crossbar(device, age), **options)
    with pytest.raises(ValueError, match="age = -1.0 ms is out of range"):
        simulate(net, weights, inputs, arithmetic=Crossbar(IDEAL, -1.0), **options)
    plastic = Network(net.populations[:2], (Projection("in", "exc", Dense(), rule=SONG_ABBOTT),), 1.0)
    with pytest.raises(ValueError, match="'in->exc' learns"):
        simulate(plastic, {"in->exc": weights["in->exc"]}, inputs, plastic=True, arithmetic=Crossbar(IDEAL), **options)
    with pytest.raises(ValueError, match="'fixed_point' and 'crossbar'"):
        simulate(net, weights, inputs, duration=5.0, backend="event", arithmetic=Crossbar(IDEAL))
