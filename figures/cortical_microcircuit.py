"""Fig. 6 from: Potjans & Diesmann (2014): spikes of all layers; rate, irregularity and synchrony of each population.

Axes: P population, K bin of time.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

POPULATIONS = ("L2/3E", "L2/3I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
LAYERS = ("L2/3", "L4", "L5", "L6")
# A layer's excitatory and, paler, inhibitory population.
COLOURS = (style.BLUE, "#7FB8D8", style.VERMILION, "#EAAE7F", style.GREEN, "#7FCEB9", style.PURPLE, "#E5BCD3")
SHOWN = 400.0  # ms of spikes, the last ones of the run


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    end = configuration["duration"]
    start = max(end - SHOWN, configuration["settle"])
    with style.context():
        figure = Figure(figsize=(9.8, 5.6), layout="constrained")
        grid = figure.add_gridspec(2, 4, width_ratios=(5, 3, 2, 2), height_ratios=(5, 2))
        spikes = figure.add_subplot(grid[0, 0])
        raster(spikes, record, start, end)
        rates(figure.add_subplot(grid[1, 0], sharex=spikes), record, start)
        rate, cv, synchrony = (figure.add_subplot(grid[:, column]) for column in (1, 2, 3))
        panel(rate, record["rate_P"], record["full_rate_P"], "mean rate (Hz)", record["rate_sd_P"])
        rate.plot(record["published_rate_P"], rate.get_yticks(), "o", color=style.BLACK, markersize=8, fillstyle="none")
        panel(cv, record["cv_P"], record["published_cv_P"], "CV of intervals (1)")
        panel(synchrony, record["synchrony_P"], record["published_synchrony_P"], "synchrony (1)")
        style.caption(figure, what(record, configuration), run)
    return figure


def raster(ax: Axes, record: dict[str, np.ndarray], start: float, end: float) -> None:
    """A dot for each spike; layers from the surface downwards, excitatory neurons above inhibitory ones."""
    edges = np.concatenate([[0], np.cumsum(record["drawn_P"])])
    shown = record["raster_times"] >= start
    units = record["raster_units"][shown]
    colours = np.array(COLOURS)[np.searchsorted(edges, units, side="right") - 1]
    ax.scatter(record["raster_times"][shown], units, s=1.5, c=colours, linewidths=0, rasterized=True)
    ax.hlines(edges[2:-1:2], start, end, color=style.GREY, linewidth=0.5)
    ax.set(xlim=(start, end), ylim=(edges[-1], 0), ylabel="neurons (layer)")
    ax.set_yticks((edges[:-1:2] + edges[2::2]) / 2, LAYERS)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(labelbottom=False)


def rates(ax: Axes, record: dict[str, np.ndarray], start: float) -> None:
    """The rates of the excitatory populations over time."""
    shown_K = record["times_K"] >= start
    for rate_K, colour in list(zip(record["rate_PK"], COLOURS, strict=True))[::2]:
        ax.step(record["times_K"][shown_K], rate_K[shown_K], where="post", color=colour, linewidth=0.8)
    ax.set(xlabel="time (ms)", ylabel="rate (Hz)", ylim=(0, None))


def panel(ax: Axes, of_P: np.ndarray, reference_P: np.ndarray, name: str, sd_P: np.ndarray | None = None) -> None:
    """Bars, one a population, and what others found in the full network."""
    rows = np.arange(len(POPULATIONS))
    ax.barh(rows, of_P, color=COLOURS, height=0.75)
    if sd_P is not None:
        ax.errorbar(of_P, rows, xerr=(np.zeros(len(rows)), sd_P), fmt="none", ecolor=style.GREY, elinewidth=0.8)
    ax.plot(reference_P, rows, "D", color=style.BLACK, markersize=3.5)
    ax.set_yticks(rows, POPULATIONS)
    ax.set(xlabel=name, xlim=(0, None), ylim=(len(rows) - 0.5, -0.5), ylabel="population (layer, type)")


def what(record: dict[str, np.ndarray], configuration: dict[str, Any]) -> str:
    k = configuration["k_scale"] or configuration["scale"]
    times_K = record["times_K"]
    seconds = (configuration["duration"] - configuration["settle"]) / 1e3
    return (
        f"{record['sizes_P'].sum()} neurons, scale {configuration['scale']:g}, in-degrees {k:g},"
        f" {configuration['background']} background. Left: {record['drawn_P'].sum()} neurons, inhibitory ones paler;"
        f" rates of excitatory populations in bins of {times_K[1] - times_K[0]:g} ms. Right: one network,"
        f" {seconds:g} s; grey: standard deviation over neurons. Diamonds, full network: rates in NEST (reference"
        " implementation), CV and synchrony over 60 s in NEURON (Romaro et al. 2021); circles: rates of the paper. The"
        " CV of few intervals is too low. Synchrony: variance over mean of the count in"
        f" {times_K[1] - times_K[0]:g} ms, of at most 1000 neurons."
    )


def numbers(run: Path) -> dict[str, Any]:
    """For each population what was measured, and what others found; then size and speed."""
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    names = {
        "rate (Hz)": "rate_P",
        "rate, standard deviation over neurons (Hz)": "rate_sd_P",
        "rate, full network in NEST (Hz)": "full_rate_P",
        "rate, published (Hz)": "published_rate_P",
        "CV of intervals": "cv_P",
        "CV of intervals, full network in NEURON": "published_cv_P",
        "synchrony": "synchrony_P",
        "synchrony, full network in NEURON": "published_synchrony_P",
    }
    table = {
        f"{population}: {name}": _number(record[key][p])
        for p, population in enumerate(POPULATIONS)
        for name, key in names.items()
    }
    counts = {name.replace("_", " "): int(record[name]) for name in ("n_synapses", "spikes", "synaptic_events")}
    wall_s = float(record["wall_s"])
    return table | {
        "neurons": int(record["sizes_P"].sum()),
        **counts,
        "wall time, with compilation where the kernel is new (s)": wall_s,
        "the same, a simulated second (s)": wall_s / configuration["duration"] * 1e3,
    }


def _number(value: Any) -> float | None:
    """A number that JSON knows."""
    return None if np.isnan(value) else float(value)


def main() -> None:
    style.main("cortical_microcircuit", draw, numbers)


if __name__ == "__main__":
    main()
