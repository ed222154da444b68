"""Memristive devices in numbers: how far a conductance lies from its target, how it drifts, how it is read.

    programmed    G = G_target + sigma_p(g) N(0, 1), not below 0        g = G_target / g_max
    drifted       G(t) = G (t / t_0)^-nu,  nu = |mean(g) + spread(g) N(0, 1)|
    read          G(t) + s(g, t) N(0, 1),  s^2 = read_noise^2 + (G(t) min(flicker / g^0.65, 0.2))^2 ln((t + r) / (2 r))
    stuck         on at g_max, or off at g_min, whatever was programmed

sigma_p is a polynomial of g; mean and spread of nu are a + b ln g, clipped. r: how long a read takes. A sum of a column
is rounded by a converter of `adc_bits`, whose range is `adc_range` times what one device at g_max and an input of 1
give. `Crossbar` says which devices, and when after programming they are read.

References: joshi2020 (phase-change memory: programming, drift, 1/f noise), wan2022 (resistive memory), rasch2021 (the
    fits of both in IBM's aihwkit, whose constants are used here), rasch2023 (the converter).
Deviations: 1/f noise is drawn anew in each step, as if reads were independent.
"""

from dataclasses import dataclass
from typing import NamedTuple

from neuro.units import check, param, reference, vary


class Clipped(NamedTuple):
    """offset + slope ln g, from least to most."""

    offset: float
    slope: float
    least: float
    most: float


NO_DRIFT = Clipped(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Device:
    """One kind of device and the converter at its column. programming: coefficients of g^0, g^1, ..., nS."""

    g_max: float = param("nS", "largest conductance, that of the largest weight", above=0)
    source: str = reference()
    g_min: float = param("nS", "smallest conductance, that of a weight of 0", default=0.0, minimum=0)
    levels: int = param("1", "targets from g_min to g_max, evenly spaced; 0: any value", default=0, minimum=0)
    programming: tuple[float, ...] = param("nS", "standard deviation from the target", default=(0.0,))
    drift_mean: tuple[float, ...] = param("1", "exponent of the drift", default=NO_DRIFT)
    drift_spread: tuple[float, ...] = param("1", "its standard deviation between devices", default=NO_DRIFT)
    t_0: float = param("ms", "after programming, when drift is counted from", default=1000.0, above=0)
    read_noise: float = param("nS", "standard deviation from read to read", default=0.0, minimum=0)
    flicker: float = param("1", "strength of the 1/f noise", default=0.0, minimum=0)
    t_read: float = param("ms", "duration of a read", default=2.5e-4, above=0)
    stuck_on: float = param("1", "part of the devices", default=0.0, minimum=0, maximum=1)
    stuck_off: float = param("1", "part of the devices", default=0.0, minimum=0, maximum=1)
    adc_bits: int = param("1", "of a column's sum; 0: not rounded", default=0, minimum=0, maximum=24)
    adc_range: float = param("1", "largest sum, in largest weights", default=10.0, above=0)


@dataclass(frozen=True)
class Crossbar:
    """`simulate(..., backend="crossbar", arithmetic=Crossbar(device, age))`."""

    device: Device
    age: float = param("ms", "since programming; 0: the device's t_0, else no less", default=0.0, minimum=0)
    is_compensated: bool = True  # sums times one factor an array, so that drift leaves its mean magnitude (joshi2020)


def check_crossbar(crossbar: Crossbar) -> None:
    """ValueError unless all numbers make sense, together too."""
    device, age = crossbar.device, crossbar.age
    check(crossbar)
    check(device)
    if device.g_min >= device.g_max:
        raise ValueError(f"g_min = {device.g_min:g} nS and g_max = {device.g_max:g} nS: give a g_min below g_max")
    if device.levels == 1 or device.adc_bits == 1:
        raise ValueError(f"levels = {device.levels}, adc_bits = {device.adc_bits}: give 0, for none, or at least 2")
    if device.stuck_on + device.stuck_off > 1.0:
        raise ValueError(f"stuck_on + stuck_off = {device.stuck_on + device.stuck_off:g}: give at most 1 in all")
    if 0.0 < age < device.t_0:
        raise ValueError(f"age = {age:g} ms is before t_0 = {device.t_0:g} ms, when drift begins; give 0, or more")


# No device is like this: the float network.
IDEAL = Device(g_max=25_000.0, source="chosen: exact, the conductances of PCM_JOSHI_2020")

# Joshi et al. 2020, Methods, as in aihwkit's PCMLikeNoiseModel: g_max 25 uS, error of programming
# 0.26348 + 1.9650 g - 1.1731 g^2 uS, t_0 20 s, reads of 250 ns. Converter: rasch2023's, 8 bits, 10 largest weights.
PCM_JOSHI_2020 = Device(
    g_max=25_000.0, source="joshi2020", programming=(263.48, 1965.0, -1173.1),
    drift_mean=Clipped(0.0244, -0.0155, 0.049, 0.1), drift_spread=Clipped(-0.0059, -0.0125, 0.008, 0.045),
    t_0=20_000.0, flicker=0.0088, adc_bits=8,
)  # fmt: skip

# Wan et al. 2022, as in aihwkit's ReRamWan2022NoiseModel: g_max 40 uS, the error one second after programming, no
# drift; read noise about 1 % of the largest conductance.
RERAM_WAN_2022 = Device(
    g_max=40_000.0, source="wan2022", programming=(348.0, 16_030.0, -43_853.0, 45_393.0, -16_815.0),
    t_0=1000.0, read_noise=400.0, adc_bits=8,
)  # fmt: skip
# The same a day later: conductances have relaxed, each in its own direction.
RERAM_WAN_2022_DAY = vary(
    RERAM_WAN_2022, source="wan2022", programming=(701.0, 22_086.0, -50_773.0, 47_095.0, -16_458.0), t_0=86_400_000.0
)

SETS = {
    "IDEAL": IDEAL,
    "PCM_JOSHI_2020": PCM_JOSHI_2020,
    "RERAM_WAN_2022": RERAM_WAN_2022,
    "RERAM_WAN_2022_DAY": RERAM_WAN_2022_DAY,
}
