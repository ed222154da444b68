"""Basilar membrane: hydrodynamic, in shallow water, linear; its velocity at each place, from the sound.

A wave of angular frequency w runs along the place x (0: base, 3.5 cm: apex) of a canal of height h. The membrane has
mass m, damping R(x) and stiffness S(x), whose sum of reactions is xi; g is the wave number, G its phase:

    S(x)  = S_0 exp(-alpha x) - S_a               R(x) = damping sqrt(S_0 m) exp(-alpha x / 2)
    xi    = S(x) - m w^2 - i w R(x)               g(x) = w sqrt(rho / (h xi(x)))
    G(x)  = 2 g(0) / alpha + integral of g from 0 to x
    p(x)  = sqrt(G / g) H0(G)                     pressure, with the Hankel function of the first kind
    Z     = sqrt(2 S_0 / h) (Y0(y) + i J0(y)) / (J1(y) - i Y1(y)),     y = 2 w / alpha sqrt(2 / (h S_0))
    v(x)  = 2 w / xi(x)  p(x) / p(0)  Z           velocity for each unit of sound

Places resonate where S(x) = m w^2. With u = exp(-alpha x / 2), xi is a quadratic polynomial in u, and the integral has
a closed form, on the principal branch of its logarithm.
Sound is filtered in overlapping blocks of at least 1024 ms. A block gives its middle half; a quarter on each side holds
what reaches into it from before and after, which falls by e in 18 ms at the apex, sooner elsewhere.
Axes: C channel, F frequency, T step.

References: sieroka2006 (equations), cramer2020 (constants, 700 channels).
Deviations: cramer2020 filters a recording as if it repeated itself for ever. The equations hold for waves exp(-i w t).
The authors' tool puts v into a Fourier transform of exp(i w t), so that the membrane moves before the sound, by some
18 ms at the apex. CRAMER_2020 does the same, to agree with published spikes; is_causal = True takes the conjugate, and
the wave travels as it should.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.units import param, reference

BLOCK = 1024.0  # ms


@dataclass(frozen=True)
class BasilarMembrane:
    """A membrane and its places."""

    channels: int = param("1", "places, evenly from base to apex", above=1)
    length: float = param("cm", "x of the last place", above=0)
    stiffness: float = param("g/(cm2 ms2)", "S_0", above=0)
    stiffness_loss: float = param("g/(cm2 ms2)", "S_a", minimum=0)
    alpha: float = param("1/cm", "fall of the stiffness along the membrane", above=0)
    mass: float = param("g/cm2", "m, of the membrane", above=0)
    damping: float = param("1", "R(0) / sqrt(S_0 m)", above=0)
    density: float = param("g/cm3", "rho, of the fluid", above=0)
    height: float = param("cm", "h, of the canal", above=0)
    is_causal: bool = param("1", "the membrane moves after the sound, not before")
    source: str = reference()

    @property
    def places(self) -> NDArray[np.float64]:
        """x of each channel (cm)."""
        return np.linspace(0.0, self.length, self.channels)


CRAMER_2020 = BasilarMembrane(
    channels=700, length=3.5, stiffness=1000.0, stiffness_loss=0.0035, alpha=3.0, mass=0.05, damping=0.15, density=1.0,
    height=0.1, is_causal=False, source="cramer2020",
)  # fmt: skip


def resonance_hz(membrane: BasilarMembrane) -> NDArray[np.float64]:
    """Frequency at which stiffness and mass of each place cancel, without damping."""
    stiffness = membrane.stiffness * np.exp(-membrane.alpha * membrane.places) - membrane.stiffness_loss
    return 1000.0 * np.sqrt(stiffness / membrane.mass) / (2.0 * np.pi)


def reaction(membrane: BasilarMembrane, w: Any, x: Any) -> Any:
    """xi at angular frequencies w (1/ms) and places x (cm)."""
    u = np.exp(-membrane.alpha * x / 2.0)
    resistance = membrane.damping * np.sqrt(membrane.stiffness * membrane.mass) * u
    return membrane.stiffness * u * u - membrane.stiffness_loss - membrane.mass * w * w - 1j * w * resistance


def wave_number(membrane: BasilarMembrane, w: Any, x: Any) -> Any:
    """g (1/cm)."""
    return w * np.sqrt(membrane.density / (membrane.height * reaction(membrane, w, x)))


def phase(membrane: BasilarMembrane, w: Any, x: Any) -> Any:
    """G, by the closed form of the integral."""
    end = membrane.stiffness_loss + membrane.mass * w * w  # -xi at u = 0
    slope = -1j * w * membrane.damping * np.sqrt(membrane.stiffness * membrane.mass)
    u, root = np.exp(-membrane.alpha * x / 2.0), 1j * np.sqrt(end)
    here = 2.0 * root * np.sqrt(reaction(membrane, w, x)) + slope * u - 2.0 * end
    base = 2.0 * root * np.sqrt(reaction(membrane, w, 0.0)) + slope - 2.0 * end
    integral = (np.log(here) - np.log(base) - np.log(u)) / root
    scale = 2.0 * w / membrane.alpha * np.sqrt(membrane.density / membrane.height)
    return 2.0 * wave_number(membrane, w, 0.0) / membrane.alpha + scale * integral


def velocity_response(membrane: BasilarMembrane, w: NDArray, x: NDArray) -> NDArray[np.complex128]:
    """v for each unit of sound, at angular frequencies w > 0 (1/ms) and places x (cm), which broadcast."""
    from scipy.special import hankel1, j0, j1, y0, y1

    def pressure(where: Any) -> Any:
        g, big_g = wave_number(membrane, w, where), phase(membrane, w, where)
        return np.sqrt(big_g / g) * hankel1(0, big_g)

    y = 2.0 * w / membrane.alpha * np.sqrt(2.0 / (membrane.height * membrane.stiffness))
    entrance = np.sqrt(2.0 * membrane.stiffness / membrane.height) * (y0(y) + 1j * j0(y)) / (j1(y) - 1j * y1(y))
    response = 2.0 * w / reaction(membrane, w, x) * pressure(x) / pressure(0.0) * entrance
    return np.conj(response) if membrane.is_causal else response


@lru_cache(maxsize=2)
def transfer(membrane: BasilarMembrane, rate_hz: int) -> NDArray[np.complex128]:
    """transfer_CF from 0 to half the rate, for blocks of a power of two of samples; none at 0 Hz."""
    n = 2 ** int(np.ceil(np.log2(BLOCK * rate_hz / 1000.0)))
    w_F = 2.0 * np.pi * np.fft.rfftfreq(n, 1000.0 / rate_hz)
    transfer_CF = np.zeros((membrane.channels, len(w_F)), complex)
    transfer_CF[:, 1:] = velocity_response(membrane, w_F[None, 1:], membrane.places[:, None])
    return transfer_CF


def velocity(transfer_CF: NDArray[np.complex128], sound_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """velocity_CT of the places of these rows of a transfer function."""
    n = 2 * (transfer_CF.shape[1] - 1)
    before, hop = n // 4, n // 2
    n_blocks = -(-len(sound_T) // hop)
    padded = np.zeros((n_blocks - 1) * hop + n)
    padded[before : before + len(sound_T)] = sound_T
    velocity_CT = np.empty((len(transfer_CF), n_blocks * hop))
    for k in range(n_blocks):
        spectrum_F = np.fft.rfft(padded[k * hop : k * hop + n])
        filtered = np.fft.irfft(transfer_CF * spectrum_F, n)
        velocity_CT[:, k * hop : (k + 1) * hop] = filtered[:, before : before + hop]
    return velocity_CT[:, : len(sound_T)]
