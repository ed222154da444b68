"""The cochlea's physics: places, adaptation, refractoriness; closed forms, and spikes supplied for recordings."""

import zipfile

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from neuro.audio import basilar_membrane, bushy_cell, cochlea, hair_cell
from neuro.seeds import child
from neuro.units import vary
from tasks import shd, wav
from tasks.base import data_dir
from tasks.spike_hdf5 import find

RATE_HZ, DT = 8000, 0.125
MEMBRANE, CELL, BUSHY = basilar_membrane.CRAMER_2020, hair_cell.CRAMER_2020, bushy_cell.CRAMER_2020


@pytest.fixture(scope="module")
def transfer_CF():
    return basilar_membrane.transfer(MEMBRANE, RATE_HZ)


def tone(hz, ms=150.0):
    return np.sin(2.0 * np.pi * hz * np.arange(round(ms * RATE_HZ / 1000.0)) / RATE_HZ)


@pytest.mark.parametrize("hz", [20.0, 200.0, 1000.0, 4000.0, 20_000.0])
@pytest.mark.parametrize("x", [0.2, 1.5, 2.5, 3.5])
def test_phase_is_the_integral_of_the_wave_number(hz, x):
    """Quadrature knows nothing of the logarithm's branches."""
    w = 2.0 * np.pi * hz / 1000.0
    real, imaginary = (
        quad(lambda s, part=part: getattr(basilar_membrane.wave_number(MEMBRANE, w, s), part), 0.0, x, limit=500)[0]
        for part in ("real", "imag")
    )
    entrance = 2.0 * basilar_membrane.wave_number(MEMBRANE, w, 0.0) / MEMBRANE.alpha
    assert basilar_membrane.phase(MEMBRANE, w, x) - entrance == pytest.approx(real + 1j * imaginary, rel=1e-6)


def test_best_frequencies_fall_from_base_to_apex(transfer_CF):
    assert np.all(np.diff(basilar_membrane.resonance_hz(MEMBRANE)) < 0)
    best_C = np.abs(transfer_CF).argmax(1)
    inside = best_C < transfer_CF.shape[1] - 1  # of the others, the best frequency is beyond the band
    assert inside.sum() > 400 and np.all(np.diff(best_C[inside]) <= 0)
    peaks_hz = 1000.0 * np.fft.rfftfreq(2 * (transfer_CF.shape[1] - 1), DT)[best_C[inside]]
    ratio = peaks_hz / basilar_membrane.resonance_hz(MEMBRANE)[inside]
    assert np.all((ratio > 0.5) & (ratio < 1.05))  # the wave dies before it reaches its resonance


def test_blocks_join_to_what_one_long_block_gives(transfer_CF):
    """One transform of twice the sound's length; no sound at half the rate, where the end of the band rings."""
    sound_T = np.convolve(np.random.default_rng(0).normal(size=12_000), np.hanning(9), "same")
    n, rows = 32_768, slice(0, 700, 99)
    w_F = 2.0 * np.pi * np.fft.rfftfreq(n, DT)[1:]
    whole_CF = np.zeros((8, n // 2 + 1), complex)
    whole_CF[:, 1:] = basilar_membrane.velocity_response(MEMBRANE, w_F, MEMBRANE.places[rows, None])
    whole_CT = np.fft.irfft(whole_CF * np.fft.rfft(sound_T, n), n)[:, :12_000]
    joined_CT = basilar_membrane.velocity(transfer_CF[rows], sound_T)
    assert np.all(np.abs(joined_CT - whole_CT).max(1) < 1e-3 * np.abs(whole_CT).max(1))  # tails beyond a quarter


def test_the_wave_travels_to_the_apex_and_the_published_one_runs_ahead(transfer_CF):
    """Delay of a click's response at places of ever lower frequency: the two are mirror images in time."""
    click_T = np.zeros(2048)
    click_T[1024] = 1.0
    causal_CF = basilar_membrane.transfer(vary(MEMBRANE, source="chosen: travels", is_causal=True), RATE_HZ)
    rows = slice(300, 700, 50)
    after = np.abs(basilar_membrane.velocity(causal_CF[rows], click_T)).argmax(1) - 1024
    before = np.abs(basilar_membrane.velocity(transfer_CF[rows], click_T)).argmax(1) - 1024
    assert np.all(np.diff(after) >= 0) and 60 < after[-1] < 160  # 7.5 to 20 ms
    np.testing.assert_array_equal(after, -before)


def test_a_tone_excites_its_place(transfer_CF):
    places = []
    for hz in (300.0, 700.0, 1500.0, 3000.0):
        found = cochlea.encode(cochlea.CRAMER_2020, tone(hz), RATE_HZ, child(0, "tone"))
        counts = np.convolve(np.bincount(found.channels, minlength=700), np.ones(9) / 9, "same")
        row = round(hz * 2 * (transfer_CF.shape[1] - 1) / RATE_HZ)
        expected = np.abs(transfer_CF[:, row]).argmax()
        excited = np.flatnonzero(counts > 0.5 * counts.max())
        assert excited.min() < expected < excited.max() + 10  # wide at this level, as saturation makes it
        places.append(excited.mean())
    assert np.all(np.diff(places) < -40)


def test_louder_gives_more_spikes():
    counts = [
        len(cochlea.encode(vary(cochlea.CRAMER_2020, source="chosen: louder", level=level), tone(800.0), RATE_HZ,
                           child(0, "loud")).times)
        for level in (0.01, 0.1, 0.3, 1.0)
    ]  # fmt: skip
    assert np.all(np.diff(counts) > 0)


def test_silence_keeps_the_published_spontaneous_rate():
    rate = hair_cell.spontaneous_rate(CELL)
    assert 1000.0 * rate == pytest.approx(64.77, abs=0.01)  # Hz, by hand from the constants
    probability_CT = hair_cell.firing_probability(CELL, np.zeros((2, 4000)), DT)
    np.testing.assert_allclose(probability_CT, rate * DT, rtol=1e-9)  # rounding of 4000 steps


def test_the_hair_cell_follows_its_equations_and_adapts():
    """A step of the stimulus, against scipy's adaptive integrator; forward Euler with 1 us errs by about 1e-3."""
    dt, s, n = 0.001, 80.0, 40_000
    rates_T = hair_cell.firing_probability(CELL, np.full((1, n), s), dt)[0] / dt
    k, rest = CELL.g * (s + CELL.a) / (s + CELL.a + CELL.b), CELL.g * CELL.a / (CELL.a + CELL.b)
    c = hair_cell.spontaneous_rate(CELL) / CELL.h
    start = (c * (CELL.l + CELL.r) / rest, c, c * CELL.r / CELL.x)

    def slope(_, pools):
        q, c, w = pools
        back = CELL.r * c - CELL.x * w
        return CELL.y * (CELL.m - q) + CELL.x * w - k * q, k * q - (CELL.l + CELL.r) * c, back

    exact = solve_ivp(
        slope, (0.0, n * dt), start, method="LSODA", t_eval=dt * np.arange(1, n + 1), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(rates_T[100:], CELL.h * exact.y[1][100:], rtol=3e-3)
    settled = CELL.h * CELL.m * CELL.y * k / (CELL.l * k + CELL.y * (CELL.l + CELL.r))
    assert rates_T.max() > 5 * rates_T[-1] > settled  # after 40 ms it still falls
    late = hair_cell.firing_probability(CELL, np.full((1, 20_000), s), 0.05)[0, -1] / 0.05
    assert late == pytest.approx(settled, rel=0.01)


def test_a_fibre_fires_and_rests():
    everyone = bushy_cell.fibre_spikes(BUSHY, np.full((1, 40), 2.0), DT, child(0, "fibres"))
    np.testing.assert_array_equal(everyone[0], np.where(np.arange(40) % 8 == 0, 40, 0))
    p, n = 0.05, 100_000
    arrivals_CT = bushy_cell.fibre_spikes(BUSHY, np.full((1, n), p), DT, child(1, "fibres"))
    assert np.convolve(arrivals_CT[0], np.ones(8), "valid").max() <= BUSHY.n_fibres
    expected = n * BUSHY.n_fibres * p / (1.0 + 7 * p)  # a renewal process: 7 steps of rest, then 1 / p on average
    assert arrivals_CT.sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_numbers_of_fibres_are_binomial(p):
    free = vary(BUSHY, source="chosen: no rest", t_ref_fibre=0.0)
    drawn = bushy_cell.fibre_spikes(free, np.full((1, 40_000), p), DT, child(2, "fibres"))[0].astype(float)
    deviation = np.sqrt(40 * p * (1 - p))
    assert drawn.mean() == pytest.approx(40 * p, abs=4 * deviation / np.sqrt(40_000))
    assert drawn.std() == pytest.approx(deviation, rel=0.03)  # 0.35 % is one standard error


def test_the_bushy_cell_follows_the_sum_of_its_kernels():
    """Between spikes v is a sum of discrete kernels of all arrivals since the reset, and of the current at it."""
    arrivals_T = np.random.default_rng(0).poisson(1.5, 400).astype(np.uint16)
    found, _ = bushy_cell.spikes(BUSHY, arrivals_T[None], DT)
    d_m, d_s, kick = np.exp(-DT / BUSHY.tau_m), np.exp(-DT / BUSHY.tau_syn), BUSHY.weight * DT / BUSHY.n_fibres
    expected, first = [], 0
    for t in range(400):
        current = [sum(float(arrivals_T[a]) * d_s ** (s - a) for a in range(s + 1)) for s in range(first, t + 1)]
        v = kick * sum(i * d_m ** (t - s) for s, i in zip(range(first, t + 1), current, strict=True))
        if t >= first and v >= BUSHY.v_th:
            expected.append(t)
            first = t + 9  # held for 8 steps, 1 ms
    assert len(expected) > 20
    np.testing.assert_array_equal(found, expected)


def test_same_seed_same_bits_and_other_seed_other_spikes(monkeypatch):
    one, again, other = (cochlea.encode(cochlea.CRAMER_2020, tone(500.0), RATE_HZ, child(s, "x")) for s in (0, 0, 1))
    assert one.times.tobytes() == again.times.tobytes() and one.channels.tobytes() == again.channels.tobytes()
    assert one.times.tobytes() != other.times.tobytes()
    monkeypatch.setattr(cochlea, "AT_ONCE", 0)  # one channel at a time
    alone = cochlea.encode(cochlea.CRAMER_2020, tone(500.0), RATE_HZ, child(0, "x"))
    assert one.times.tobytes() == alone.times.tobytes()
    assert np.all(np.diff(one.times) >= 0) and one.times[-1] < 160.0


@pytest.mark.parametrize(
    ("sound_T", "rate_hz", "message"),
    [
        (np.zeros(100), 8000, "silent throughout"),
        (np.zeros(0), 8000, "0 samples"),
        (np.array([0.0, np.nan]), 8000, "not be finite"),
        (np.ones(100), 4000, "4000 Hz is too low"),
    ],
)
def test_sound_that_cannot_be_encoded_is_named(sound_T, rate_hz, message):
    with pytest.raises(ValueError, match=message):
        cochlea.encode(cochlea.CRAMER_2020, sound_T, rate_hz, child(0, "x"))


@pytest.mark.skipif(
    find(data_dir() / "fsdd", "fsdd_test") is None or not (data_dir() / "fsdd" / "recordings.zip").exists(),
    reason="recordings and spikes of FSDD are not in NEURO_DATA",
)
def test_recordings_give_the_spikes_that_others_made_of_them():
    """Digit 4 of george: recordings and samples, both sorted by length, belong together; three of them."""
    test = shd.read(shd.FSDD, "test")
    samples = [test.events.take(np.array([k])) for k in np.flatnonzero((test.labels == 4) & (test.speakers == 0))]
    samples.sort(key=lambda sample: sample.times[-1])
    with zipfile.ZipFile(shd.FSDD.folder / "recordings.zip") as files:
        names = sorted(name for name in files.namelist() if "4_george_" in name and name[-6] == "_" and name[-5] < "5")
        sounds = sorted((wav.parse(files.read(name), name) for name in names), key=lambda each: len(each.samples_T))
    for number in (2, 3, 4):
        sound, supplied = sounds[number], samples[number]
        ours = cochlea.encode(cochlea.CRAMER_2020, sound.samples_T, sound.rate_hz, child(0, "fsdd", number))
        assert len(ours.times) == pytest.approx(len(supplied.times), rel=0.03)  # two seeds differ by 1 %
        assert ours.times[-1] == pytest.approx(supplied.times[-1], abs=3.0)
        bins = np.arange(0.0, 600.0, 5.0)
        profiles = [np.histogram(each, bins)[0] for each in (ours.times, supplied.times)]
        assert np.corrcoef(*profiles)[0, 1] > 0.99
        profiles = [np.bincount(np.asarray(each) // 10, minlength=70) for each in (ours.channels, supplied.units)]
        assert np.corrcoef(*profiles)[0, 1] > 0.98
