"""Cochlea: a recording into spikes of 700 bushy cells, by the chain behind the Spiking Heidelberg Digits.

recording -> level (RMS) -> ramps (Hann) -> silence after it -> basilar membrane -> hair cells, 40 fibres each
          -> bushy cells -> spikes

All stages step with the rate of the recording. Channel 0 is the base, of high frequencies.
The step is part of the model: five recordings of 8 kHz (a digit of FSDD) give 8,700 spikes each, resampled to 16 kHz
4,950, to 24 kHz 4,000. Compare spikes of one rate only.
Axes: C channel, T step.

References: cramer2020 (the chain, its constants and the level).
Deviations: ramps of 30 ms and 10 ms of silence, with which the supplied spikes of FSDD agree; the authors' tool has no
silence, its ramps reach by default to the middle of the recording, and its stages have half of the recording's rate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.audio import basilar_membrane, bushy_cell, hair_cell
from neuro.audio.basilar_membrane import BasilarMembrane
from neuro.audio.bushy_cell import BushyCell
from neuro.audio.hair_cell import HairCell
from neuro.units import param, reference

SLOWEST_HZ = 8000  # below, a step is longer than a refractory time can resolve, and the cleft of a hair cell unstable
AT_ONCE = 500_000  # samples of all channels that are in memory at once; channels are independent


@dataclass(frozen=True)
class Cochlea:
    """The stages, and what is done to a recording before."""

    membrane: BasilarMembrane
    hair_cell: HairCell
    bushy_cell: BushyCell
    level: float = param("1", "root mean square of the sound", above=0)
    ramp: float = param("ms", "rise and fall of the sound, each half of a Hann window", minimum=0)
    silence: float = param("ms", "after the sound", minimum=0)
    source: str = reference()


CRAMER_2020 = Cochlea(
    basilar_membrane.CRAMER_2020, hair_cell.CRAMER_2020, bushy_cell.CRAMER_2020, level=0.3, ramp=30.0, silence=10.0,
    source="cramer2020",
)  # fmt: skip


class Spikes(NamedTuple):
    """Spikes of one recording, by time and then channel. times: ms from its start."""

    times: NDArray[np.float64]
    channels: NDArray[np.int64]


def encode(cochlea: Cochlea, sound_T: NDArray[np.float64], rate_hz: int, rng: np.random.Generator) -> Spikes:
    """Spikes of a recording, of any amplitude. ValueError if it cannot be normalised or its rate is too low."""
    if rate_hz < SLOWEST_HZ:
        raise ValueError(f"a rate of {rate_hz} Hz is too low for the hair cells; resample to {SLOWEST_HZ} Hz or more")
    stimulus_T, dt = prepared(cochlea, sound_T, rate_hz), 1000.0 / rate_hz
    transfer_CF = basilar_membrane.transfer(cochlea.membrane, rate_hz)
    steps, channels = [], []
    group = max(1, AT_ONCE // len(stimulus_T))
    for first in range(0, len(transfer_CF), group):
        velocity_CT = basilar_membrane.velocity(transfer_CF[first : first + group], stimulus_T)
        probability_CT = hair_cell.firing_probability(cochlea.hair_cell, velocity_CT, dt)
        arrivals_CT = bushy_cell.fibre_spikes(cochlea.bushy_cell, probability_CT, dt, rng)
        of_steps, of_channels = bushy_cell.spikes(cochlea.bushy_cell, arrivals_CT, dt)
        steps.append(of_steps)
        channels.append(of_channels + first)
    when, where = np.concatenate(steps), np.concatenate(channels)
    order = np.lexsort((where, when))
    return Spikes(when[order] * dt, where[order])


def prepared(cochlea: Cochlea, sound_T: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """The sound at its level, between its ramps, and the silence."""
    if not len(sound_T) or not np.isfinite(sound_T).all():
        raise ValueError(f"the sound has {len(sound_T)} samples, some of which may not be finite; give another one")
    strength = float(np.sqrt(np.mean(np.square(sound_T))))
    if strength == 0.0:
        raise ValueError("the sound is silent throughout, so it cannot be brought to a level; leave it out")
    n_ramp, n_silent = (round(time * rate_hz / 1000.0) for time in (cochlea.ramp, cochlea.silence))
    n_ramp = min(n_ramp, len(sound_T) // 2)
    rise = np.hanning(2 * n_ramp)[:n_ramp]
    window_T = np.concatenate([rise, np.ones(len(sound_T) - 2 * n_ramp), rise[::-1]])
    return np.concatenate([sound_T * window_T * (cochlea.level / strength), np.zeros(n_silent)])
