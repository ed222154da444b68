"""Fig. 3 from: Izhikevich (2003): spikes of all neurons, their rate, four of their potentials, and the spectrum.

Axes: M simulation, P population, B band, K bin, F frequency, T step, C cell.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import read_manifest, read_record

POPULATIONS = ("excitatory", "inhibitory")
CELLS = ("regular spiking", "chattering", "low-threshold", "fast spiking")
SMOOTH = 5  # bins of 1 ms, averaged
HIGHEST = 100.0  # Hz, of the spectrum shown


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    start, end = record["times_T"][0], record["times_T"][-1]
    with style.context():
        figure = Figure(figsize=(11, 7.5), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(5, 3))[0]
        spikes, rate, *potentials = left.subplots(6, 1, sharex=True, height_ratios=(8, 3, 2, 2, 2, 2))
        draw_spikes(spikes, record)
        draw_rate(rate, record)
        draw_potentials(potentials, record, configuration["dt"])
        for ax in (spikes, rate, *potentials[:-1]):
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
        spikes.set(xlim=(start, end), title=title(record))
        left.align_ylabels()
        draw_spectrum(right.subplots(), record)
        style.caption(figure, what(record, configuration), run)
    return figure


def draw_spikes(ax: Axes, record: dict[str, np.ndarray]) -> None:
    """Excitatory neurons below, inhibitory ones above, as in the paper."""
    inhibitory = record["raster_units"] >= record["sizes_P"][0]
    for p, of in enumerate((~inhibitory, inhibitory)):
        ax.scatter(record["raster_times"][of], record["raster_units"][of], s=0.6, color=style.COLOURS[p], linewidths=0)
    ax.set(ylabel="neuron (index)", ylim=(-5, record["sizes_P"].sum() + 5))


def draw_rate(ax: Axes, record: dict[str, np.ndarray]) -> None:
    kernel = np.full(SMOOTH, 1 / SMOOTH)
    smooth_PK = np.stack([np.convolve(rate_K, kernel, "valid") for rate_K in record["rate_PK"]])
    times_K = record["times_K"][: smooth_PK.shape[1]] + 0.5 * SMOOTH
    for p, name in enumerate(POPULATIONS):
        ax.plot(times_K, smooth_PK[p], color=style.COLOURS[p], linewidth=0.8, label=name)
    ax.set(ylabel="rate (Hz)", ylim=(0, 1.4 * smooth_PK[:, times_K >= record["times_T"][0]].max()))
    ax.legend(loc="upper right", ncols=2)


def draw_potentials(axes: list[Axes], record: dict[str, np.ndarray], dt: float) -> None:
    """v of each cell, with its spikes drawn up to v_peak; the record has the potential after a reset."""
    for c, (ax, cell) in enumerate(zip(axes, record["cells_C"], strict=True)):
        v_T = record["v_TC"][:, c].copy()
        fired = record["raster_times"][record["raster_units"] == cell]
        v_T[np.rint((fired + dt - record["times_T"][0]) / dt).astype(int)] = record["v_peak"]
        plot.trace(ax, record["times_T"], v_T, "v")
        ax.lines[0].set(color=style.COLOURS[int(cell >= record["sizes_P"][0])], linewidth=0.6)
        ax.set_ylim(-95, 40)
        label = f"{CELLS[c]}\n{record['cell_rate_C'][c]:.1f} Hz"
        ax.text(1.01, 0.5, label, transform=ax.transAxes, va="center", fontsize=7)


def draw_spectrum(ax: Axes, record: dict[str, np.ndarray]) -> None:
    shown_F = (record["frequencies_F"] > 0) & (record["frequencies_F"] <= HIGHEST)
    labels = ("this simulation", "the paper's script")
    for m, label in enumerate(labels):
        relative_F = record["spectrum_MF"][m, shown_F] / record["level_M"][m]
        ax.plot(record["frequencies_F"][shown_F], relative_F, color=(style.GREEN, style.BLACK)[m], label=label)
    ax.axhline(1.0, color=style.GREY, linestyle="--", linewidth=0.8, label="independent Poisson processes")
    for b, (low, high) in enumerate(record["bands_BE"]):
        ax.axvspan(low, high, color=(style.ORANGE, style.SKY)[b], alpha=0.25, linewidth=0)
        ax.text(0.5 * (low + high), 1.0, str(record["names_B"][b]), transform=ax.get_xaxis_transform(), ha="center")
    ax.set(xlabel="frequency (Hz)", ylabel="power of the rate of all neurons (of Poisson processes' power)")
    highest = (record["spectrum_MF"] / record["level_M"][:, None]).max()
    ax.set(yscale="log", xlim=(0, HIGHEST), ylim=(0.2, 6.0 * highest), title="\n")
    ax.legend(loc="lower right")
    ax.text(
        0.98, 0.98, table(record), transform=ax.transAxes, ha="right", va="top", family="monospace", fontsize=7,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )  # fmt: skip


def table(record: dict[str, np.ndarray]) -> str:
    """The numbers of both simulations, in three columns."""
    rows = [("", "here", "script")]
    rows += [(f"{POPULATIONS[p]} (Hz)", *(f"{record['rate_MP'][m, p]:.2f}" for m in (0, 1))) for p in (0, 1)]
    rows += [(f"{POPULATIONS[p]} CV", *(f"{record['cv_MP'][m, p]:.2f}" for m in (0, 1))) for p in (0, 1)]
    for b, name in enumerate(record["names_B"]):
        rows.append((f"{name} peak (Hz)", *(f"{record['peak_hz_MB'][m, b]:.0f}" for m in (0, 1))))
        rows.append((f"{name} power", *(f"{record['strength_MB'][m, b]:.1f}" for m in (0, 1))))
    return "\n".join(f"{name:>16} {here:>6} {script:>6}" for name, here, script in rows)


def title(record: dict[str, np.ndarray]) -> str:
    of_all = record["rate_MP"][0] @ record["sizes_P"] / record["sizes_P"].sum()
    return (
        f"{record['sizes_P'][0]} excitatory and {record['sizes_P'][1]} inhibitory neurons, all to all:"
        f" {of_all:.1f} Hz  [around {record['published_rate']:g}]"
    )


def what(record: dict[str, np.ndarray], configuration: dict[str, Any]) -> str:
    seconds = (configuration["duration"] - configuration["settle"]) / 1e3
    bands = " and ".join(f"{low:g} to {high:g}" for low, high in record["bands_BE"])
    coupling = "" if configuration["coupling"] == 1.0 else f" All weights times {configuration['coupling']:g}."
    return (
        f"Left: the last second; excitatory blue, inhibitory red; rates averaged over {SMOOTH} ms; the neurons nearest"
        " to four types, and their rates. [ ]: Izhikevich"
        f" (2003), which speaks of 10 and 40 Hz for alpha and gamma.{coupling} Right: {seconds:g} s each of the same"
        f" neurons and weights, in this simulator and in the algorithm of the paper (steps of 1 ms); bands {bands} Hz"
        " and their mean power over that of independent Poisson processes. CV: of intervals, mean over neurons. One"
        " network, one run each."
    )


def numbers(run: Path) -> dict[str, Any]:
    """Rates (Hz), CV of intervals, and of both bands peak (Hz) and power, in this simulation and in the script."""
    record = read_record(run)
    found: dict[str, Any] = {"rate of all, published (Hz)": float(record["published_rate"])}
    for m, simulation in enumerate(record["names_M"]):
        for p, population in enumerate(POPULATIONS):
            found[f"{simulation}: {population} rate (Hz)"] = float(record["rate_MP"][m, p])
            found[f"{simulation}: {population} CV of intervals"] = float(record["cv_MP"][m, p])
        for b, band in enumerate(record["names_B"]):
            found[f"{simulation}: {band} peak (Hz)"] = float(record["peak_hz_MB"][m, b])
            found[f"{simulation}: {band} power (of Poisson processes' power)"] = float(record["strength_MB"][m, b])
    return found


def main() -> None:
    style.main("izhikevich_network", draw, numbers)


if __name__ == "__main__":
    main()
