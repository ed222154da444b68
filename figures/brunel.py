"""Fig. 8 from: Brunel (2000): regimes of a sparse network: spikes, rate of the population, and its spectrum.

Axes: R regime, K bin of time, F frequency.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import read_manifest, read_record

SHOWN = {"SR": 50.0}  # ms, the last ones of the run
SHOWN_OTHERS = 200.0


def draw(run: Path) -> Figure:
    record = read_record(run)
    regimes, times_K = record["regimes_R"], record["times_K"]
    bin_width = times_K[1] - times_K[0]
    end = times_K[-1] + bin_width
    with style.context():
        figure = Figure(figsize=(2.9 * max(2, len(regimes)) + 0.4, 6.4), layout="constrained")
        axes = figure.subplots(3, len(regimes), squeeze=False, height_ratios=(4, 2, 3))
        for r, name in enumerate(regimes):
            spikes, rate, power = axes[:, r]
            start = end - SHOWN.get(str(name), SHOWN_OTHERS)
            of = (record["raster_regimes"] == r) & (record["raster_times"] >= start)
            plot.raster(spikes, record["raster_times"][of], record["raster_units"][of])
            spikes.set(xlim=(start, end), xlabel="", ylim=(-1, 50), title=title(record, r))
            spikes.tick_params(labelbottom=False)
            shown_K = times_K >= start
            rate.step(
                times_K[shown_K], record["rate_RK"][r, shown_K], where="post", color=style.COLOURS[r], linewidth=0.8
            )
            rate.set(xlim=(start, end), ylim=(0, None), xlabel="time (ms)", ylabel="rate of all (Hz)")
            above_F = record["frequencies_F"] > 0
            level = 2.0 * record["rate_R"][r] / record["size"]
            power.plot(
                record["frequencies_F"][above_F],
                record["spectrum_RF"][r, above_F],
                color=style.COLOURS[r],
                linewidth=0.8,
            )
            power.axhline(level, color=style.GREY, linestyle="--", linewidth=0.8)
            power.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="power of the rate (Hz²/Hz)")
        style.caption(figure, what(record, read_manifest(run)["configuration"]), run)
    return figure


def title(record: dict[str, np.ndarray], r: int) -> str:
    """Name, parameters and numbers of a regime, those of the paper in brackets."""
    lines = [f"{record['regimes_R'][r]}  (g = {record['g_R'][r]:g}, eta = {record['eta_R'][r]:g})"]
    rate, peak = record["published_rate_R"][r], record["published_peak_R"][r]
    lines.append(f"{record['rate_R'][r]:.1f} Hz" + ("" if np.isnan(rate) else f" [{rate:g}]"))
    lines[-1] += f", theory {record['theory_rate_R'][r]:.1f} Hz"
    lines.append(f"CV {record['cv_R'][r]:.2f}, correlation {record['correlation_R'][r]:.3f}")
    lines.append(f"peak at {record['peak_hz_R'][r]:.0f} Hz" + ("" if np.isnan(peak) else f" [{peak:g}]"))
    return "\n".join(lines)


def what(record: dict[str, np.ndarray], configuration: dict[str, Any]) -> str:
    seconds = (configuration["duration"] - configuration["settle"]) / 1e3
    brackets = "" if np.isnan(record["published_rate_R"]).all() else " [ ]: simulations of Brunel (2000)."
    return (
        f"{record['size']} neurons, scale {configuration['scale']:g}.{brackets} Above: 50"
        f" excitatory neurons. Middle: all neurons, bins of {record['times_K'][1] - record['times_K'][0]:g} ms. Below:"
        f" spectrum over {seconds:g} s; dashed: independent Poisson processes of this rate. Correlation: of counts in"
        " 2 ms, mean of all pairs of 1000 neurons. One network and one run a regime."
    )


def numbers(run: Path) -> dict[str, Any]:
    """For each regime: what was measured, theory, and what was published; None where there is nothing."""
    record = read_record(run)
    names = {
        "rate (Hz)": "rate_R",
        "rate, mean field (Hz)": "theory_rate_R",
        "rate, published simulation (Hz)": "published_rate_R",
        "rate, published theory (Hz)": "published_theory_R",
        "CV of intervals": "cv_R",
        "CV of intervals, mean field": "theory_cv_R",
        "correlation of counts": "correlation_R",
        "peak of the spectrum (Hz)": "peak_hz_R",
        "peak of the spectrum, published (Hz)": "published_peak_R",
        "strength of the peak": "peak_strength_R",
    }
    return {
        f"{regime}: {name}": _number(record[key][r])
        for r, regime in enumerate(record["regimes_R"])
        for name, key in names.items()
    }


def _number(value: Any) -> float | None:
    """A number that JSON knows."""
    return None if np.isnan(value) else float(value)


def main() -> None:
    style.main("brunel", draw, numbers)


if __name__ == "__main__":
    main()
