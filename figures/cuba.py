"""Benchmark 2 from: Brette et al. (2007): spikes and rates of the network of Vogels & Abbott (CUBA).

Axes: P population, K bin of time.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import read_manifest, read_record

POPULATIONS = ("excitatory", "inhibitory")
SMOOTH = 5  # bins of 1 ms, averaged
N_EXC_DRAWN = 40
SILENT = 50.0  # ms without a spike of any neuron


def draw(run: Path) -> Figure:
    return draw_network(run, "current synapses (CUBA)")


def draw_network(run: Path, name: str) -> Figure:
    """For coba.py too."""
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    with style.context():
        figure = Figure(figsize=(7, 5), layout="constrained")
        spikes, rate = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for p, name_of in enumerate(POPULATIONS):
            of = (record["raster_units"] >= N_EXC_DRAWN) == bool(p)
            plot.raster(spikes, record["raster_times"][of], record["raster_units"][of])
            spikes.collections[p].set_color(style.COLOURS[p])
            smooth_K = np.convolve(record["rate_PK"][p], np.full(SMOOTH, 1 / SMOOTH), "valid")
            times_K = record["times_K"][: len(smooth_K)] + 0.5 * SMOOTH
            label = f"{record['sizes_P'][p]} {name_of}: {record['rate_P'][p]:.2f} Hz"
            label += "" if np.isnan(record["cv_P"][p]) else f", CV {record['cv_P'][p]:.2f}"
            rate.plot(times_K, smooth_K, color=style.COLOURS[p], linewidth=0.8, label=label)
        low, high = record["reference_P"]
        rate.axhspan(
            low, high, color=style.GREY, alpha=0.4, linewidth=0, label=f"brian2, 4000 neurons: {low:g} to {high:g} Hz"
        )
        last = record["alive_until"]
        end = f", silent after {last:.0f} ms" if last < configuration["duration"] - SILENT else ""
        spikes.set(xlabel="", ylim=(-1, 50), title=f"Vogels-Abbott network, {name}{end}")
        rate.set(xlabel="time (ms)", ylabel="rate (Hz)", xlim=(configuration["settle"], configuration["duration"]))
        rate.set_ylim(0, 1.6 * max(1.0, record["rate_PK"].mean(axis=0).max()))
        rate.legend(loc="upper right", ncols=2)
        what = (
            "Above: 40 excitatory neurons, and 10 inhibitory ones over them. Below: rates, averaged over"
            f" {SMOOTH} ms; the band spans the mean rates of this benchmark in brian2"
            " over three seeds. CV: of intervals, mean over neurons. One network, one run."
        )
        style.caption(figure, what, run)
    return figure


def numbers(run: Path) -> dict[str, Any]:
    """Rates (Hz) and CV of both populations, correlation, brian2's rates (Hz); None where there is no value."""
    record = read_record(run)
    table: dict[str, Any] = {}
    for p, name in enumerate(POPULATIONS):
        table[f"{name}: rate (Hz)"] = float(record["rate_P"][p])
        table[f"{name}: CV of intervals"] = _number(record["cv_P"][p])
    table["correlation of counts"] = _number(record["correlation"])
    table["brian2: lowest and highest rate (Hz)"] = record["reference_P"].tolist()
    table["last spike (ms)"] = float(record["alive_until"])
    return table


def _number(value: Any) -> float | None:
    """A number that JSON knows."""
    return None if np.isnan(value) else float(value)


def main() -> None:
    style.main("cuba", draw, numbers)


if __name__ == "__main__":
    main()
