"""From: Izhikevich (2006): rhythms, weights and polychronous groups of a network with delays and STDP.

Axes: K time, P population, F frequency, B band, W bin of weights, L weights (learned, shuffled), G group.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

BANDS = ("delta", "gamma")
POPULATIONS = ("excitatory", "inhibitory")
MOMENTS = (style.ORANGE, style.GREEN, style.PURPLE)  # colours of the three seconds that are shown


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    with style.context():
        figure = Figure(figsize=(11, 10.5), layout="constrained")
        above, middle, below = figure.subfigures(3, 1, squeeze=False, height_ratios=(4, 3, 5))[:, 0]
        for r, ax in enumerate(above.subplots(1, 3, sharey=True)):
            draw_raster(ax, record, r)
        spectra, time, weights = middle.subplots(1, 3)
        draw_spectra(spectra, record)
        draw_spectrogram(middle, time, record)
        draw_weights(weights, record)
        group, right = below.subplots(1, 2, width_ratios=(5, 2))
        draw_group(group, record)
        draw_counts(right, record)
        style.caption(figure, what(record, configuration), run)
    return figure


def draw_raster(ax: Axes, record: dict[str, np.ndarray], r: int) -> None:
    of = record["raster_of"] == r
    start, units = record["raster_starts"][r], record["raster_units"][of]
    times, inhibitory = record["raster_times"][of] - start, units >= record["sizes_P"][0]
    for p, some in enumerate((~inhibitory, inhibitory)):
        ax.scatter(times[some], units[some], s=0.8, color=style.COLOURS[p], linewidths=0)
    ax.set(xlabel="time (ms)", ylim=(-5, record["sizes_P"].sum() + 5), xlim=(0, 1000))
    ax.set_title(f"second {start / 1e3 + 1:.0f}", color=MOMENTS[r])
    ax.set_ylabel("neuron (index)")


def shown(record: dict[str, np.ndarray]) -> list[int]:
    """The looks that hold the seconds of the rasters."""
    return [int(np.argmax(record["times_K"] > start)) for start in record["raster_starts"]]


def draw_spectra(ax: Axes, record: dict[str, np.ndarray]) -> None:
    every = record["times_K"][0] / 1e3
    for r, k in enumerate(shown(record)):
        end = record["times_K"][k] / 1e3
        relative_F = record["spectrum_KF"][k] / record["level_K"][k]
        ax.plot(record["frequencies_F"], relative_F, color=MOMENTS[r], label=f"{end - every:g} to {end:g} s")
    ax.axhline(1.0, color=style.GREY, linestyle="--", linewidth=0.8, label="Poisson processes")
    for low, high in record["bands_BE"]:
        ax.axvspan(low, high, color=style.GREY, alpha=0.15, linewidth=0)
    ax.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="power of the rate (of Poisson processes)")
    ax.set_xlim(record["frequencies_F"][0], record["frequencies_F"][-1])
    ax.legend(loc="upper right", fontsize=7)


def draw_spectrogram(figure: Any, ax: Axes, record: dict[str, np.ndarray]) -> None:
    every = record["times_K"][0] / 1e3
    edges = np.append(0.0, record["times_K"] / 1e3)
    relative_FK = (record["spectrum_KF"] / record["level_K"][:, None]).T
    frequencies = np.append(record["frequencies_F"], record["frequencies_F"][-1] + record["frequencies_F"][0])
    image = ax.pcolormesh(edges, frequencies - 0.5 * record["frequencies_F"][0], relative_FK, norm=LogNorm(0.3, 1000.0),
                          cmap="magma", rasterized=True)  # fmt: skip
    ax.set(yscale="log", xlabel="time (s)", ylabel="frequency (Hz)", xlim=(0, edges[-1]))
    ax.set_ylim(record["frequencies_F"][0], record["frequencies_F"][-1])
    for r, k in enumerate(shown(record)):
        ax.plot((edges[k] + 0.5 * every,), (1.02,), "v", transform=ax.get_xaxis_transform(), color=MOMENTS[r],
                clip_on=False, markersize=5)  # fmt: skip
    bar = figure.colorbar(image, ax=ax, label="power (of Poisson processes)")
    bar.ax.tick_params(labelbottom=False)


def draw_weights(ax: Axes, record: dict[str, np.ndarray]) -> None:
    total = record["counts_KW"][0].sum()
    for r, k in enumerate(shown(record)):
        ax.stairs(record["counts_KW"][k] / total, record["edges"], color=MOMENTS[r],
                  label=f"{record['times_K'][k] / 1e3:g} s: {100 * record['weak_K'][k]:.0f} % weak,"
                        f" {100 * record['strong_K'][k]:.0f} % strong")  # fmt: skip
    ax.set(
        yscale="log", xlabel="excitatory weight (mV)", ylabel="part of the synapses (1)", xlim=record["edges"][[0, -1]]
    )
    ax.set_ylim(1e-4, 3.0)
    ax.legend(loc="lower center", fontsize=7)


def draw_group(ax: Axes, record: dict[str, np.ndarray]) -> None:
    """Spikes in the order of their times, with what made them; an arrow's bend is the arrival."""
    ax.set(xlabel="time (ms)", ylabel="neuron (index)")
    if "group_units" not in record:
        ax.text(0.5, 0.5, "no group", transform=ax.transAxes, ha="center")
        return
    units, times, layers = (record[f"group_{name}"] for name in ("units", "times", "layers"))
    is_exc = units < record["sizes_P"][0]
    lines = [
        [(times[a], units[a]), (arrival, units[b]), (times[b], units[b])] for a, arrival, b in record["group_links"]
    ]
    ax.add_collection(LineCollection(lines, colors=style.GREY, linewidths=0.5, alpha=0.7))
    for p, some in enumerate((is_exc, ~is_exc)):
        ax.scatter(times[some], units[some], s=22, color=style.COLOURS[p], label=POPULATIONS[p], zorder=3)
    ax.scatter(times[:3], units[:3], s=70, facecolors="none", edgecolors=style.BLACK, label="the three it begins with")
    ax.set(xlabel="time (ms)", ylabel="neuron (index)", xlim=(-2, times.max() + 3))
    ax.set_title(f"a group of {len(units)} spikes, {layers.max()} in its longest path", loc="left")
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=7)


def draw_counts(ax: Axes, record: dict[str, np.ndarray]) -> None:
    found, published = record["counts_L"], record["published_L"]
    for k, (counts, label, colour) in enumerate(
        ((found, "here", style.BLUE), (published, "published, after 18,000 s", style.GREY))
    ):
        bars = ax.bar(np.arange(2) + 0.4 * (k - 0.5), counts, 0.38, color=colour, label=label)
        ax.bar_label(bars, fontsize=7)
    ax.set(
        xlabel="searched (network)",
        ylabel="polychronous groups (count)",
        xticks=(0, 1),
        ylim=(0, 1.15 * max(*found, *published)),
    )
    ax.set_xticklabels(("learned weights", "shuffled weights"))
    ax.text(0.98, 0.82, spread(record), transform=ax.transAxes, ha="right", va="top", fontsize=7)
    ax.legend(loc="upper right", fontsize=7)


def spread(record: dict[str, np.ndarray]) -> str:
    """Of the groups with learned weights: median, and the range of nine in ten."""
    rows = {"spikes": "sizes_G", "longest path": "paths_G", "duration (ms)": "durations_G"}
    parts = []
    for name, key in rows.items():
        if len(record[key]):
            low, middle, high = np.percentile(record[key], (5, 50, 95))
            parts.append(f"{name}: {middle:.0f} ({low:.0f} to {high:.0f})")
    return "\n".join(parts)


def what(record: dict[str, np.ndarray], configuration: dict[str, Any]) -> str:
    bands = " and ".join(
        f"{name} {low:g} to {high:g} Hz" for name, (low, high) in zip(BANDS, record["bands_BE"], strict=True)
    )
    return (
        "Above: all spikes of three seconds, excitatory blue, inhibitory red. Middle: power of the rate of all neurons"
        f" in bins of {configuration['every'] / 1e3:g} s, over that of independent Poisson processes ({bands} shaded);"
        " excitatory weights at the ends of those bins, weak: below 0.05, strong: above 0.95 of the largest. Below: the"
        " group of the median size (lines: from a spike to where it arrives, and on to the spike that it took part"
        f" in); numbers of groups that begin at {configuration['mothers']} of 800 neurons, as learned and with the"
        " weights among excitatory neurons shuffled, and the author's; of ours, the median and the range of nine in"
        " ten. One network, one run."
    )


def numbers(run: Path) -> dict[str, Any]:
    """Rates (Hz), peaks of power in bands, over that of Poisson processes, weights at three times; and groups."""
    record = read_record(run)
    found: dict[str, Any] = {}
    for k in shown(record):
        when = f"at {record['times_K'][k] / 1e3:g} s: "
        found |= {when + f"{name} (Hz)": float(record["rate_KP"][k, p]) for p, name in enumerate(POPULATIONS)}
        found |= {when + f"{name} peak (Hz)": float(record["peak_hz_KB"][k, b]) for b, name in enumerate(BANDS)}
        found |= {
            when + f"{name} power at the peak": float(record["strength_KB"][k, b]) for b, name in enumerate(BANDS)
        }
        found |= {when + f"{name} synapses (part)": float(record[f"{name}_K"][k]) for name in ("weak", "strong")}
    for name, row in (("groups", "counts_L"), ("groups, published", "published_L")):
        found |= {f"{name}, {of}": int(record[row][i]) for i, of in enumerate(("learned", "shuffled"))}
    return found


def main() -> None:
    style.main("polychronization", draw, numbers)


if __name__ == "__main__":
    main()
