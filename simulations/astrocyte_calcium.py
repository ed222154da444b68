"""Calcium oscillations of an astrocyte against what drives them: amplitude and frequency modulation.

The sets of De Pitta, Goldberg, Volman, Berry & Ben-Jacob (2009), doi:10.1007/s10867-009-9155-y, whose calcium
oscillations change mostly their amplitude (AM) or mostly their frequency (FM) with the drive. The drive is one of

    glutamate_ext  constant glutamate (uM): the G-ChI model
    v_delta        endogenous production of IP3 by PLC delta (uM/s): the ChI model, without glutamate
    ip3            constant IP3 (uM): the model of Li and Rinzel

Every drive has a cell of its own. After the first half of the run we take the least and the largest calcium, and, where
it oscillates, the frequency. Steady states are found without the backend: for each calcium, the equations give IP3 and
the drive in closed form. They are stable where the eigenvalues of the linearised step have a negative real part.

The record: sets_M; drives_MD; low_MD, high_MD (uM); frequency_MD (mHz, NaN where nothing oscillates);
steady_calcium_MS, steady_drive_MS, stable_MS; times_T (s), shown_MK (places in drives), calcium_MKT (uM): the second
half of three cells.

Axes: M set, D drive, S steady state, K trace, T time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import Network, Population, vary
from neuro import simulate as run_network
from neuro.neurons.li_rinzel import DE_PITTA_AM, DE_PITTA_FM, PER_S, LiRinzel, li_rinzel_step
from neuro.units import choice, param
from simulations.run import run_simulation

MODELS = {"AM": DE_PITTA_AM, "FM": DE_PITTA_FM}
# Least and largest drive; those of glutamate are apart by factors.
RANGES = {
    "glutamate_ext": {"AM": (0.01, 30.0), "FM": (0.01, 30.0)},
    "v_delta": {"AM": (0.01, 0.17), "FM": (0.05, 0.65)},
    "ip3": {"AM": (0.3, 0.75), "FM": (0.4, 1.2)},
}
START = {"calcium": 0.1, "h": 0.8, "ip3": 0.1}
DYNAMIC = ("calcium", "h", "ip3", "gamma_astrocyte")  # fields of the steady state
N_STEADY = 300  # steady states of each set
TRACE_STEP = 100.0  # ms, between points of a trace


@dataclass(frozen=True)
class Recipe:
    """Cells of both sets under constant drives."""

    duration: float = param("ms", "time simulated, whose second half counts", default=800_000.0, above=0)
    step: float = param("ms", "step, of which 100 ms are a multiple", default=5.0, above=0, maximum=20)
    n_drives: int = param("1", "drives of each set", default=61, minimum=3)
    drive: str = choice("what differs between cells", tuple(RANGES), default="glutamate_ext")
    seed: int = param("1", "names the run; nothing is drawn at random", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return tuple(MODELS.values())


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    found = [one_set(recipe, name) for name in MODELS]
    record = {key: np.stack([arrays[key] for arrays in found]) for key in found[0]}
    every = round(TRACE_STEP / recipe.step)
    calcium_MTD = record.pop("calcium_TD")[:, ::every]
    shown_MK = np.stack([shown(frequency_D) for frequency_D in record["frequency_MD"]])
    return {
        "sets_M": np.array(list(MODELS)),
        **record,
        "times_T": np.arange(calcium_MTD.shape[1]) * every * recipe.step / 1000.0,
        "shown_MK": shown_MK,
        "calcium_MKT": np.stack([c_TD[:, k].T for c_TD, k in zip(calcium_MTD, shown_MK, strict=True)]),
    }


def one_set(recipe: Recipe, name: str) -> dict[str, NDArray]:
    """What the cells of one set do, by the names of the record but for the first axis."""
    low, high = RANGES[recipe.drive][name]
    is_log = recipe.drive == "glutamate_ext"
    drives_D = np.geomspace(low, high, recipe.n_drives) if is_log else np.linspace(low, high, recipe.n_drives)
    model, start = cells(MODELS[name], recipe.drive, drives_D)
    net = Network((Population("astrocytes", recipe.n_drives, model),), (), recipe.step)
    initial = {f"astrocytes.{field}": value for field, value in start.items()}
    record = run_network(net, {}, {}, duration=recipe.duration, record=("astrocytes.calcium",), initial=initial)
    calcium_TD = record.traces["astrocytes.calcium"][:, 0]
    calcium_TD = calcium_TD[len(calcium_TD) // 2 :]
    steady_calcium_S, steady_drive_S, stable_S = steady_states(MODELS[name], recipe.drive)
    return {
        "drives_MD": drives_D,
        "low_MD": calcium_TD.min(0),
        "high_MD": calcium_TD.max(0),
        "frequency_MD": np.array([frequency(c_T, recipe.step) for c_T in calcium_TD.T]),
        "steady_calcium_MS": steady_calcium_S,
        "steady_drive_MS": steady_drive_S,
        "stable_MS": stable_S,
        "calcium_TD": calcium_TD,
    }


def cells(base: LiRinzel, drive: str, drives_D: NDArray) -> tuple[LiRinzel, dict[str, Any]]:
    """A population with one cell a drive, and its state at the start."""
    source = "chosen: the drive of the recipe"
    if drive == "ip3":
        still = {name: np.zeros(len(drives_D)) for name in ("v_beta", "v_delta", "v_3k", "r_5p")}
        return vary(base, source=source, **still), START | {"ip3": drives_D}
    values_D = drives_D * PER_S if drive == "v_delta" else drives_D
    return vary(base, source=source, **{drive: values_D}), START


def steady_states(base: LiRinzel, drive: str) -> tuple[NDArray, NDArray, NDArray]:
    """Calcium, the drive of which it is a steady state, and whether this is stable."""
    found = [(calcium, *steady_state(base, drive, calcium)) for calcium in np.geomspace(0.02, 0.7, N_STEADY)]
    calcium_S, drive_S, stable_S = (np.array(values) for values in zip(*found, strict=True))
    return calcium_S, drive_S, stable_S


def steady_state(p: LiRinzel, drive: str, c: float) -> tuple[float, bool]:
    """The drive whose steady state has calcium c (NaN where there is none), and whether it is stable."""
    uptake = p.v_serca * c**2 / (c**2 + p.k_serca**2)
    gate = np.cbrt((uptake / (p.c_total - (1.0 + p.volume_ratio) * c) - p.rate_leak) / p.rate_release)
    # With h = q / (q + c), gate = Hill_1(I, d_1) Hill_1(c, d_5) h is a quotient of two linear functions of I.
    ip3 = gate * (p.d_1 * p.d_2 + c * p.d_3) / (c * p.d_2 / (c + p.d_5) - gate * (p.d_2 + c))
    q = p.d_2 * (ip3 + p.d_1) / (ip3 + p.d_3)
    lost = p.v_3k * c**4 / (c**4 + p.k_d**4) * ip3 / (ip3 + p.k_3) + p.r_5p * ip3
    share = c**2 / (c**2 + p.k_delta**2) / (1.0 + ip3 / p.k_inhibition)  # of v_delta that is made
    bound = 0.0
    if drive == "ip3":
        value = ip3
    elif drive == "v_delta":
        value = lost / share / PER_S
    else:
        bound = (lost - p.v_delta * share) / p.v_beta
        value = bound / (1.0 - bound) * p.unbind / p.bind * (1.0 + p.zeta * c / (c + p.k_pkc))
    if not (ip3 > 0 and value > 0 and 0 <= bound < 1):
        return np.nan, False
    model, _ = cells(p, drive, np.array([value]))
    return value, is_stable(model, np.array([c, q / (q + c), ip3, bound]), 2 if drive == "ip3" else 4)


def is_stable(model: LiRinzel, steady: NDArray, n: int) -> bool:
    """Whether the first n fields of DYNAMIC return to their steady values."""
    coefficients, rest = model.coefficients(1.0), model.initial()

    def slope(values: NDArray) -> NDArray:
        state = rest._replace(**dict(zip(DYNAMIC, values, strict=True)))
        new = li_rinzel_step(state, 0.0, coefficients)[1]
        return np.array([np.squeeze(getattr(new, field)) - getattr(state, field) for field in DYNAMIC])

    jacobian = np.stack([(slope(steady + e) - slope(steady - e)) / 2e-6 for e in 1e-6 * np.eye(4)], axis=1)
    return bool(np.linalg.eigvals(jacobian[:n, :n]).real.max() < 0)


def frequency(calcium_T: NDArray, step: float) -> float:
    """Of upward crossings of the middle, mHz; NaN for less than three, or where calcium moves by less than 5 nM."""
    middle = 0.5 * (calcium_T.min() + calcium_T.max())
    upward = np.flatnonzero((calcium_T[1:] >= middle) & (calcium_T[:-1] < middle))
    if len(upward) < 3 or np.ptp(calcium_T[len(calcium_T) // 2 :]) < 5e-3:
        return np.nan
    return 1e6 / (float(np.diff(upward).mean()) * step)


def shown(frequency_D: NDArray) -> NDArray[np.int64]:
    """Three places: near the first oscillation, in the middle, and near the last; spread evenly without any."""
    places = np.flatnonzero(np.isfinite(frequency_D))
    if len(places) < 3:
        places = np.arange(len(frequency_D))
    return places[[len(places) // 20, len(places) // 2, len(places) - 1 - len(places) // 20]]


if __name__ == "__main__":
    print(run_simulation("astrocyte_calcium", Recipe(), Path("runs")).path)
