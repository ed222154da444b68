"""The window of pair STDP: change of weight against difference of spike times, and against the weight.

Axes: S softness, W initial weight, D difference of spike times.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import read_record

UNIT = "% of $w_{max}$"
APART = 10.0  # ms, difference at which the dependence on the weight is shown


def draw(run: Path) -> Figure:
    record = read_record(run)
    differences, w_start = record["differences_D"], record["w_start_W"]
    middle = int(np.abs(w_start - 0.5).argmin())
    with style.context():
        figure = Figure(figsize=(8, 4), layout="constrained")
        window, dependence = figure.subplots(1, 2, sharey=True)
        for s, softness in enumerate(record["softness_S"]):
            measured_WD, closed_WD = 100.0 * record["change_SWD"][s], 100.0 * record["closed_change_SWD"][s]
            look = {"marker": "o", "linestyle": "none", "markersize": 3, "color": style.COLOURS[s]}
            plot.stdp_window(window, differences, closed_WD[middle], f"softness {softness:g}", UNIT)
            window.plot(differences, measured_WD[middle], **look)
            for d in shown(differences):
                dependence.plot(w_start, closed_WD[:, d], color=style.COLOURS[s])
                dependence.plot(w_start, measured_WD[:, d], **look)
        for ax in (window, dependence):
            ax.axhline(0.0, color=style.GREY, linewidth=0.6)
        apart = " and ".join(f"{differences[d]:g}" for d in shown(differences))
        window.set_title(f"initial weight {w_start[middle]:g} $w_{{max}}$")
        dependence.set(title=f"$t_{{post}} - t_{{pre}}$ of {apart} ms", xlabel="initial weight ($w_{max}$)")
        dependence.set_ylabel(window.get_ylabel())
        dependence.tick_params(labelleft=True)
        window.legend()
        what = (
            "One pair of spikes for each point. Lines: closed form; dots: measured through the backend, at most"
            f" {float(record['max_deviation']):.1e} w_max from it. No noise, one run."
        )
        style.caption(figure, what, run)
    return figure


def shown(differences: np.ndarray) -> list[int]:
    """Where the differences lie nearest to -APART and APART."""
    return [int(np.abs(differences - wanted).argmin()) for wanted in (-APART, APART)]


def numbers(run: Path) -> dict[str, Any]:
    """All changes (fractions of w_max), measured and in closed form, nested as [softness][weight][difference]."""
    record = read_record(run)
    return {
        "softness": record["softness_S"].tolist(),
        "initial weight (w_max)": record["w_start_W"].tolist(),
        "difference (ms)": record["differences_D"].tolist(),
        "change (w_max)": record["change_SWD"].tolist(),
        "closed form (w_max)": record["closed_change_SWD"].tolist(),
        "largest deviation (w_max)": float(record["max_deviation"]),
    }


def main() -> None:
    style.main("stdp_window", draw, numbers)


if __name__ == "__main__":
    main()
