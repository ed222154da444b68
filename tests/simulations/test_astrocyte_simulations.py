"""Astrocytes oscillate where steady states are unstable, and gliotransmission changes release as in the mean field."""

import dataclasses
import functools

import numpy as np
import pytest

from neuro import vary
from neuro.neurons.li_rinzel import DE_PITTA_AM, DE_PITTA_FM, li_rinzel_step
from simulations import astrocyte_calcium, tripartite_synapse
from simulations.astrocyte_calcium import Recipe, cells, steady_state

SHORT = Recipe(duration=400_000.0, step=10.0, n_drives=16)


@functools.cache
def oscillations(drive):
    return astrocyte_calcium.simulate(dataclasses.replace(SHORT, drive=drive))


def test_amplitude_and_frequency_modulation():
    """Over the range in which they oscillate, AM changes its amplitude more than its frequency, and FM the reverse."""
    record = oscillations("glutamate_ext")
    oscillates_MD = np.isfinite(record["frequency_MD"])
    amplitude_MD = np.where(oscillates_MD, record["high_MD"] - record["low_MD"], np.nan)
    amplitude, frequency = (
        np.nanmax(values_MD, axis=1) / np.nanmin(values_MD, axis=1)
        for values_MD in (amplitude_MD, record["frequency_MD"])
    )
    assert amplitude[0] > 1.5 * frequency[0] and frequency[1] > 1.5 * amplitude[1]


def test_constant_ip3_oscillates_between_the_hopf_bifurcations():
    """The model of Li and Rinzel, AM: the first Hopf bifurcation is at 0.356 uM, and the second, where a stable cycle
    ends within a few nM, at 0.637 uM. Elsewhere a cell comes to its steady state."""
    record = oscillations("ip3")
    drives, oscillates = record["drives_MD"][0], np.isfinite(record["frequency_MD"][0])
    unstable = record["steady_drive_MS"][0][~record["stable_MS"][0]]
    first, last = np.nanmin(unstable), np.nanmax(unstable)
    assert (first, last) == (pytest.approx(0.356, abs=2e-3), pytest.approx(0.637, abs=2e-3))
    np.testing.assert_array_equal(oscillates, (drives > first) & (drives < last + 0.01))
    order = np.argsort(record["steady_drive_MS"][0])
    steady = np.interp(drives, record["steady_drive_MS"][0][order], record["steady_calcium_MS"][0][order])
    rests = ~oscillates & (np.abs(drives - last) > 0.03)  # near it, oscillations take long to die out
    np.testing.assert_allclose(record["high_MD"][0][rests], steady[rests], rtol=1e-3)


@pytest.mark.parametrize("drive", astrocyte_calcium.RANGES)
@pytest.mark.parametrize("model", [DE_PITTA_AM, DE_PITTA_FM])
def test_a_steady_state_in_closed_form_is_one_of_the_step(model, drive):
    """Started with this calcium and drive, h, IP3 and the receptors come to rest where calcium rests too."""
    value, _ = steady_state(model, drive, 0.25)
    cell, start = cells(model, drive, np.array([value]))
    cell = vary(cell, source="test", **{name: v.item() for name, v in vars(cell).items() if np.ndim(v)})
    state = cell.initial()._replace(**{field: np.squeeze(v).item() for field, v in start.items()} | {"calcium": 0.25})
    c, slope = cell.coefficients(20.0), 1.0
    for _ in range(40_000):  # with calcium held, all else comes to rest within minutes
        _, state = li_rinzel_step(state, 0.0, c)
        slope, state = state.calcium - 0.25, state._replace(calcium=0.25)
    assert abs(slope) < 1e-13


def test_gliotransmission_decreases_and_increases_release_as_in_the_mean_field():
    """The mean field neglects correlations of u and r: a few per cent; so does chance, in 100 s of 50 synapses."""
    recipe = tripartite_synapse.Recipe(duration=200_000.0, rates=(1.0, 4.0, 16.0), synapses=50)
    record = tripartite_synapse.simulate(recipe)
    np.testing.assert_allclose(record["release_SWR"], record["mean_field_SWR"], rtol=0.07)
    decreased, increased = record["release_SWR"][..., 0]  # at 1 Hz, without and with
    assert decreased[1] < 0.4 * decreased[0] and increased[1] > 4.0 * increased[0]
    # Where the slope of the curve is positive the synapse facilitates: each of them has changed its kind.
    rises = np.sign(np.diff(record["release_SWR"][..., :2], axis=-1))[..., 0]
    np.testing.assert_array_equal(rises, [[-1, 1], [1, -1]])


def test_recipes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least four"):
        tripartite_synapse.simulate(tripartite_synapse.Recipe(duration=4000.0))
    with pytest.raises(ValueError, match="bin"):
        tripartite_synapse.simulate(tripartite_synapse.Recipe(bin=1500.3))
