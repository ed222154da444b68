"""Calcium oscillations of an astrocyte: traces, the bifurcation diagram, and the frequency against the drive.

Axes: M set, D drive, S steady state, K trace, T time.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

DRIVES = {
    "glutamate_ext": ("glutamate", "$\\mu$M"),
    "v_delta": ("endogenous production of IP$_3$", "$\\mu$M/s"),
    "ip3": ("IP$_3$", "$\\mu$M"),
}
TITLES = {"AM": "amplitude modulation", "FM": "frequency modulation"}
SHOWN_S = 120.0  # of the traces


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    name, unit = DRIVES[configuration["drive"]]
    with style.context():
        figure = Figure(figsize=(8, 7), layout="constrained")
        axes = figure.subplots(3, 2)
        for m, label in enumerate(record["sets_M"]):
            _traces(axes[0, m], record, m, name, unit)
            axes[0, m].set_title(f"{TITLES[str(label)]} ({label})")
            _diagram(axes[1, m], record, m)
            axes[2, m].plot(
                record["drives_MD"][m], record["frequency_MD"][m], color=style.BLUE, marker=".", markersize=3
            )
            axes[2, m].set_ylabel("frequency (mHz)")
            for ax in axes[1:, m]:
                ax.set_xlabel(f"{name} ({unit})")
                ax.set_xscale("log" if configuration["drive"] == "glutamate_ext" else "linear")
        for row in axes:
            low, high = min(ax.get_ylim()[0] for ax in row), max(ax.get_ylim()[1] for ax in row)
            for ax in row:
                ax.set_ylim(low, high)
        for diagram, ax in axes[1:].T:
            ax.set(xlim=diagram.get_xlim(), ylim=(0.0, None))
        for ax in axes[0]:
            ax.set_ylim(top=1.4 * ax.get_ylim()[1])  # room for the legend
        axes[1, 0].legend()
        what = (
            "Sets AM and FM of De Pitta et al. (2009). Dots: least and largest calcium in the second half of"
            f" {configuration['duration'] / 1000.0:g} s, one cell a drive, step {configuration['step']:g} ms. Lines:"
            " steady states in closed form, and their stability by linearisation. No noise, one run."
        )
        style.caption(figure, what, run)
    return figure


def _traces(ax: Axes, record: dict[str, np.ndarray], m: int, name: str, unit: str) -> None:
    first = record["times_T"] <= SHOWN_S
    for k, colour in zip(range(record["calcium_MKT"].shape[1]), (style.SKY, style.BLUE, style.PURPLE), strict=True):
        drive = record["drives_MD"][m, record["shown_MK"][m, k]]
        look = {"color": colour, "linewidth": 0.9, "label": f"{drive:.2g} {unit}"}
        ax.plot(record["times_T"][first], record["calcium_MKT"][m, k, first], **look)
    ax.set(xlabel="time (s)", ylabel="calcium ($\\mu$M)")
    ax.legend(title=name, loc="upper right", ncols=3)


def _diagram(ax: Axes, record: dict[str, np.ndarray], m: int) -> None:
    drives = record["drives_MD"][m]
    calcium, drive, stable = (record[key][m] for key in ("steady_calcium_MS", "steady_drive_MS", "stable_MS"))
    for is_so, line, label in ((stable, "-", "stable"), (~stable, ":", "unstable")):
        ax.plot(np.where(is_so, drive, np.nan), calcium, color=style.BLACK, linestyle=line, label=label)
    ax.set_xlim(drives[0], drives[-1])
    for key, colour, label in (("low_MD", style.GREEN, "least"), ("high_MD", style.VERMILION, "largest")):
        ax.plot(drives, record[key][m], color=colour, marker="o", linestyle="none", markersize=2.5, label=label)
    ax.set_ylabel("calcium ($\\mu$M)")


def numbers(run: Path) -> dict[str, Any]:
    """Where each set oscillates and where its steady state is unstable, and the ranges of frequency and calcium."""
    record = read_record(run)
    table: dict[str, Any] = {}
    for m, name in enumerate(record["sets_M"]):
        drives, oscillates = record["drives_MD"][m], np.isfinite(record["frequency_MD"][m])
        table[f"{name} oscillates (drive)"] = drives[oscillates][[0, -1]].tolist() if oscillates.any() else []
        unstable = record["steady_drive_MS"][m][~record["stable_MS"][m]]
        table[f"{name} unstable steady states (drive)"] = [np.nanmin(unstable), np.nanmax(unstable)]
        for key in ("frequency_MD", "low_MD", "high_MD"):
            values = record[key][m][oscillates]
            table[f"{name} {key.removesuffix('_MD')}"] = [values.min(), values.max()] if len(values) else []
    return table


def main() -> None:
    style.main("astrocyte_calcium", draw, numbers)


if __name__ == "__main__":
    main()
