"""Inner hair cell: transmitter moves between a pool q, the cleft c and a store w (Meddis 1988).

    k(t)  = g (s + A) / (s + A + B)  if s + A > 0, else 0          permeability, from the stimulus s
    dq/dt = y (M - q) + x w - k q                                   the factory fills q only below M
    dc/dt = k q - (l + r) c
    dw/dt = r c - x w
    P     = h c                                                     rate at which a fibre fires

Forward Euler with the step of the sound, as published; nothing falls below 0. At rest
c = M y k / (l k + y (l + r)), with k = g A / (A + B), which gives 64.8 spikes/s; a recording begins there.
Axes: C channel, T step.

References: meddis1988 (equations), cramer2020 (constants).
Deviation: with (l + r) dt > 1, that is below 9,080 Hz, the cleft empties within a step, and c is cut off at 0.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from neuro.units import param, reference


@dataclass(frozen=True)
class HairCell:
    """Constants of the transmitter's pools; the stimulus has the unit of the membrane's velocity."""

    a: float = param("1", "A, permeability at rest", above=0)
    b: float = param("1", "B, half of the permeability", above=0)
    g: float = param("1/ms", "largest permeability", above=0)
    y: float = param("1/ms", "replenishment", above=0)
    l: float = param("1/ms", "loss from the cleft", above=0)  # noqa: E741
    r: float = param("1/ms", "return from the cleft", above=0)
    x: float = param("1/ms", "release from the store", above=0)
    h: float = param("1/ms", "firing rate for each unit of transmitter", above=0)
    m: float = param("1", "M, size of the full pool", above=0)
    source: str = reference()


CRAMER_2020 = HairCell(
    a=5.0, b=300.0, g=2.0, y=0.00505, l=2.5, r=6.58, x=0.0663, h=50.0, m=1.0, source="cramer2020",
)  # fmt: skip


def spontaneous_rate(cell: HairCell) -> float:
    """Firing rate of a fibre in silence (1/ms)."""
    k = cell.g * cell.a / (cell.a + cell.b)
    return cell.h * cell.m * cell.y * k / (cell.l * k + cell.y * (cell.l + cell.r))


def firing_probability(cell: HairCell, velocity_CT: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    """probability_CT that a fibre which is not refractory fires in a step of dt (ms); above 1 stands for 1."""
    constants = (cell.a, cell.b, cell.g, cell.y, cell.l, cell.r, cell.x, cell.m)
    return cell.h * dt * _cleft(np.ascontiguousarray(velocity_CT), constants, dt)


@numba.njit(cache=True)
def _cleft(stimulus_CT, constants, dt):
    """Transmitter in the cleft after each step."""
    a, b, g, y, l, r, x, m = constants  # noqa: E741
    k_rest = g * a / (a + b)
    cleft_CT = np.empty_like(stimulus_CT)
    for channel in range(stimulus_CT.shape[0]):
        c = m * y * k_rest / (l * k_rest + y * (l + r))
        q = c * (l + r) / k_rest
        w = c * r / x
        for step in range(stimulus_CT.shape[1]):
            s = stimulus_CT[channel, step] + a
            k = g * s / (s + b) if s > 0.0 else 0.0
            made = y * (m - q) if q < m else 0.0
            released, returned, reused = k * q, r * c, x * w
            q = max(q + dt * (made + reused - released), 0.0)
            c = max(c + dt * (released - (l + r) * c), 0.0)
            w = max(w + dt * (returned - reused), 0.0)
            cleft_CT[channel, step] = c
    return cleft_CT
