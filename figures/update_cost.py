"""Cost of asynchronous updating and of a clock against the mean rate, and where they meet.

Axes: M model, W way to run, K strength of the drive.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from figures import style
from neuro.runs import read_manifest, read_record

MARKERS = ("o", "s", "^")


def costs(run: Path) -> NDArray[np.float64]:
    """cost_MWK: ns a neuron and ms of simulated time; NaN where a run was too short to be timed."""
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    cost_MWK = record["wall_s"] * 1e9 / (configuration["size"] * configuration["duration"])
    return np.where(cost_MWK > 0, cost_MWK, np.nan)


def crossing(rate_K: NDArray, clock_K: NDArray, asynchronous_K: NDArray) -> float | None:
    """Rate (Hz) at which the two cost the same, between two drives on straight lines of logarithms; None: nowhere."""
    known = (rate_K > 0) & np.isfinite(clock_K) & np.isfinite(asynchronous_K)
    log_rate, log_ratio = np.log(rate_K[known]), np.log(asynchronous_K[known] / clock_K[known])
    for k in np.flatnonzero((log_ratio[:-1] < 0) & (log_ratio[1:] >= 0)):
        share = log_ratio[k] / (log_ratio[k] - log_ratio[k + 1])
        return float(np.exp(log_rate[k] + share * (log_rate[k + 1] - log_rate[k])))
    return None


def draw(run: Path) -> Figure:
    record, configuration, cost_MWK = read_record(run), read_manifest(run)["configuration"], costs(run)
    with style.context():
        figure = Figure(figsize=(7.5, 4), layout="constrained")
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for m, (ax, model) in enumerate(zip(axes, record["models_M"], strict=True)):
            rate_WK = record["rate_MWK"][m]
            for w, way in enumerate(record["ways_W"]):
                ax.plot(rate_WK[w], cost_MWK[m, w], marker=MARKERS[w], markersize=4, label=str(way))
            for w, line in ((0, "--"), (1, ":")):
                meet = crossing(rate_WK[2], cost_MWK[m, w], cost_MWK[m, 2])
                if meet is not None:
                    ax.axvline(
                        meet, color=style.COLOURS[w], linestyle=line, linewidth=0.8, label=f"equal at {meet:.2g} Hz"
                    )
            ax.set(xscale="log", yscale="log", xlabel="mean rate (Hz)", title=str(model))
            ax.set_ylabel("cost (ns per neuron and ms)")
            ax.legend()
        what = (
            f"Time to simulate {configuration['size']} neurons with {configuration['inputs']} synapses each, over"
            f" {configuration['duration']:g} ms, on one core; least of {configuration['repeats']} runs. Rates are set"
            " by given Poisson spikes, each of which makes a neuron fire alone; both get the same. One network each."
        )
        style.caption(figure, what, run)
    return figure


def numbers(run: Path) -> dict[str, Any]:
    """Rates (Hz), costs (ns per neuron and ms), synaptic events (per neuron and s); where costs are equal (Hz)."""
    record, cost_MWK = read_record(run), costs(run)
    table: dict[str, Any] = {"drive (Hz)": record["drive_K"].tolist()}
    for m, model in enumerate(record["models_M"]):
        for w, way in enumerate(record["ways_W"]):
            name = f"{model}, {way}"
            table[f"{name}: rate (Hz)"] = record["rate_MWK"][m, w].tolist()
            table[f"{name}: synaptic events (per neuron and s)"] = record["events_MWK"][m, w].tolist()
            table[f"{name}: cost (ns per neuron and ms)"] = [
                None if np.isnan(c) else c for c in cost_MWK[m, w].tolist()
            ]
        for w in (0, 1):
            meet = crossing(record["rate_MWK"][m, 2], cost_MWK[m, w], cost_MWK[m, 2])
            table[f"{model}: asynchronous costs as much as {record['ways_W'][w]} at (Hz)"] = meet
    return table


def main() -> None:
    style.main("update_cost", draw, numbers)


if __name__ == "__main__":
    main()
