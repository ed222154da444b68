"""Fig. 2 from: Izhikevich (2003). Simple model of spiking neurons. doi:10.1109/TNN.2003.820440

The seven cell types under a step of current, each from its resting state; the thalamo-cortical cell a
second time, released from hyperpolarisation, and the resonator with a brief pulse during a weak step.

The record: labels_N; times_T (ms, end of a step); v_TN (mV), u_TN (mV/ms) and i_ext_TN (mV/ms);
spike_times (ms, start of the step) and spike_units; v_peak (mV).

The currents are chosen (Recipe) so that each cell shows what the text of the paper says of its type.
Deviation: single Euler steps of 0.1 ms; the paper's script steps by 1 ms, v in two halves.

Axes: T step, N cell.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import Network, Population, vary
from neuro import simulate as run_network
from neuro.neurons import izhikevich
from neuro.units import choice, param
from simulations.run import run_simulation


@dataclass(frozen=True)
class Recipe:
    """Eight cells under a step of current."""

    duration: float = param("ms", "time simulated", default=300.0, above=0)
    dt: float = param("ms", "step", default=0.1, above=0, maximum=0.5)
    onset: float = param("ms", "silence before the current is switched on", default=50.0, minimum=0)
    i_step: float = param("mV/ms", "current of the cortical types", default=10.0)
    i_tonic: float = param("mV/ms", "current of the thalamo-cortical cell that fires from rest", default=2.0)
    i_hyper: float = param("mV/ms", "current that holds the other one hyperpolarised until onset", default=-36.0)
    i_resonator: float = param("mV/ms", "current of the resonator, too weak to make it fire", default=0.2)
    i_pulse: float = param("mV/ms", "what the pulse adds to the resonator's current", default=5.0)
    pulse_at: float = param("ms", "when the pulse begins", default=150.0, minimum=0)
    pulse_length: float = param("ms", "how long it lasts", default=2.0, minimum=0)
    backend: str = choice("what runs the network", ("event", "torch_dense", "brian"), default="event")
    seed: int = param("1", "names the run; nothing is drawn at random", default=0, minimum=0)


CELLS = (
    ("regular spiking (RS)", izhikevich.REGULAR_SPIKING),
    ("intrinsically bursting (IB)", izhikevich.INTRINSICALLY_BURSTING),
    ("chattering (CH)", izhikevich.CHATTERING),
    ("fast spiking (FS)", izhikevich.FAST_SPIKING),
    ("thalamo-cortical (TC), from rest", izhikevich.THALAMO_CORTICAL),
    ("thalamo-cortical (TC), released", izhikevich.THALAMO_CORTICAL),
    ("resonator (RZ)", izhikevich.RESONATOR),
    ("low-threshold spiking (LTS)", izhikevich.LOW_THRESHOLD_SPIKING),
)


class Phase(NamedTuple):
    """A time of constant currents."""

    duration: float  # ms
    i_ext_N: NDArray[np.float64]  # mV/ms


def models(recipe: Recipe) -> tuple:
    return tuple(cell for _, cell in CELLS)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record; the phases run one after the other, each from the state the last one left."""
    v_N, u_N = resting_state(phases(recipe)[0].i_ext_N)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("v", "u", "i_ext", "times", "units")}
    start = 0.0
    for phase in phases(recipe):
        net = Network((Population("cells", len(CELLS), _cells(phase.i_ext_N)),), (), dt=recipe.dt)
        record = run_network(
            net, {}, {}, duration=phase.duration, backend=recipe.backend,
            record=("cells.v", "cells.u", "cells.spikes"), initial={"cells.v": v_N, "cells.u": u_N},
        )  # fmt: skip
        v_TN, u_TN = (np.asarray(record.traces[f"cells.{field}"])[:, 0] for field in "vu")
        v_N, u_N = v_TN[-1], u_TN[-1]
        spikes = record.spikes["cells"]
        parts["v"].append(v_TN)
        parts["u"].append(u_TN)
        parts["i_ext"].append(np.tile(phase.i_ext_N, (len(v_TN), 1)))
        parts["times"].append(start + spikes.times)
        parts["units"].append(spikes.units)
        start += phase.duration
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return {
        "labels_N": np.array([label for label, _ in CELLS]),
        "times_T": np.arange(1, len(whole["v"]) + 1) * recipe.dt,
        "v_TN": whole["v"],
        "u_TN": whole["u"],
        "i_ext_TN": whole["i_ext"],
        "spike_times": whole["times"],
        "spike_units": whole["units"],
        "v_peak": np.array(CELLS[0][1].v_peak),
    }


def phases(recipe: Recipe) -> list[Phase]:
    """Silence, step, pulse, step again. ValueError unless these follow one another within the duration."""
    ends = (recipe.onset, recipe.pulse_at, recipe.pulse_at + recipe.pulse_length, recipe.duration)
    lengths = np.diff((0.0, *ends))
    if (lengths <= 0).any():
        raise ValueError(
            f"onset, pulse_at, end of the pulse and duration are {ends} ms; each must be later than the one before"
        )
    step, tonic, hyper, weak = recipe.i_step, recipe.i_tonic, recipe.i_hyper, recipe.i_resonator
    silent = np.array([0.0, 0.0, 0.0, 0.0, 0.0, hyper, 0.0, 0.0])
    stepped = np.array([step, step, step, step, tonic, 0.0, weak, step])
    pulsed = stepped + recipe.i_pulse * np.array([label.startswith("resonator") for label, _ in CELLS])
    return [Phase(*phase) for phase in zip(lengths, (silent, stepped, pulsed, stepped), strict=True)]


def resting_state(i_ext_N: NDArray) -> tuple[NDArray, NDArray]:
    """v and u of the stable fixed point under a constant current, the lower root of dv/dt = 0 at u = b v."""
    b_N = _per_cell("b")
    root_N = (5.0 - b_N) ** 2 - 4.0 * 0.04 * (140.0 + i_ext_N)
    if (root_N < 0).any():
        raise ValueError(f"under the currents {i_ext_N} mV/ms not every cell rests before onset; lower them")
    v_N = (-(5.0 - b_N) - np.sqrt(root_N)) / (2.0 * 0.04)
    return v_N, b_N * v_N


def _cells(i_ext_N: NDArray) -> izhikevich.Izhikevich:
    """All cells as one population."""
    sets = {name: _per_cell(name) for name in ("a", "b", "c", "d")}
    return vary(izhikevich.REGULAR_SPIKING, source="izhikevich2003", i_ext=i_ext_N, **sets)


def _per_cell(name: str) -> NDArray[np.float64]:
    return np.array([getattr(cell, name) for _, cell in CELLS])


if __name__ == "__main__":
    print(run_simulation("izhikevich_patterns", Recipe(), Path("runs")).path)
