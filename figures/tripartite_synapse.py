"""Release with and without gliotransmission: over time at one rate, and against the rate of the input.

Axes: S synapse, W without or with gliotransmission, R rate, T bin of time.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

TITLES = {"decreasing": "release-decreasing ($\\alpha = 0$)", "increasing": "release-increasing ($\\alpha = 1$)"}
LABELS = "without gliotransmission", "with"
COLOURS = style.GREY, style.VERMILION
SHOWN_HZ = 4.0  # the rate shown over time, or the nearest one


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    rates, times = record["rates_R"], record["times_T"]
    shown = int(np.abs(rates - SHOWN_HZ).argmin())
    with style.context():
        figure = Figure(figsize=(8, 7), layout="constrained")
        axes = figure.subplots(3, 2)
        for ax, key, colour in ((axes[0, 0], "calcium_T", style.GREEN), (axes[0, 1], "gamma_T", style.PURPLE)):
            ax.plot(times, record[key], color=colour)
        axes[0, 0].set(xlabel="time (s)", ylabel="calcium ($\\mu$M)", title="astrocyte")
        axes[0, 1].set(xlabel="time (s)", ylabel="bound receptors (share)", title="presynaptic terminals", ylim=(0, 1))
        for s, name in enumerate(record["names_S"]):
            over_time, curve = axes[1, s], axes[2, s]
            for w, (label, colour) in enumerate(zip(LABELS, COLOURS, strict=True)):
                over_time.plot(times, record["over_time_SWRT"][s, w, shown], color=colour, label=label)
                curve.plot(rates, record["mean_field_SWR"][s, w], color=colour)
                curve.plot(rates, record["release_SWR"][s, w], color=colour, marker="o", linestyle="none", markersize=4)
            over_time.set(xlabel="time (s)", ylabel=f"release per spike, {rates[shown]:g} Hz (share)")
            over_time.set(title=TITLES[str(name)], ylim=(0, None))
            curve.set(xlabel="rate of the input (Hz)", ylabel="release per spike (share)", ylim=(0, None))
            curve.set_xscale("log")
        axes[2, 0].legend(*axes[1, 0].get_legend_handles_labels())
        what = (
            f"Means over {configuration['synapses']} synapses for each rate and bins of"
            f" {configuration['bin'] / 1000.0:g} s. Bottom: mean of the second half; lines: mean field. One run; step"
            f" {configuration['step']:g} ms, glutamate {configuration['glutamate']:g} uM."
        )
        style.caption(figure, what, run)
    return figure


def numbers(run: Path) -> dict[str, Any]:
    """Release per spike, simulated and in the mean field, by rate; the mean of the bound share."""
    record = read_record(run)
    table: dict[str, Any] = {"rate (Hz)": record["rates_R"].tolist(), "bound share, mean": record["gamma_T"].mean()}
    for s, name in enumerate(record["names_S"]):
        for w, label in enumerate(LABELS):
            table[f"{name}, {label}: release (share)"] = record["release_SWR"][s, w].tolist()
            table[f"{name}, {label}: mean field (share)"] = record["mean_field_SWR"][s, w].tolist()
    return table


def main() -> None:
    style.main("tripartite_synapse", draw, numbers)


if __name__ == "__main__":
    main()
