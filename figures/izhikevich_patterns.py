"""Fig. 2 from: Izhikevich (2003): the cell types' firing patterns, v, u and the current of each.

Axes: T step, N cell.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import read_manifest, read_record


def draw(run: Path) -> Figure:
    record = read_record(run)
    labels = record["labels_N"]
    drawn_TN = with_peaks(record, read_manifest(run)["configuration"]["dt"])
    n_rows = -(-len(labels) // 2)
    with style.context():
        figure = Figure(figsize=(9, 3.4 * n_rows), layout="constrained")
        blocks = figure.subfigures(n_rows, 2).ravel()
        for n, (block, label) in enumerate(zip(blocks, labels, strict=False)):
            v, u, i_ext = block.subplots(3, 1, sharex=True, height_ratios=(5, 2, 2))
            plot.trace(v, record["times_T"], drawn_TN[:, n], "v", "mV")
            plot.trace(u, record["times_T"], record["u_TN"][:, n], "u", "mV/ms")
            plot.trace(i_ext, record["times_T"], record["i_ext_TN"][:, n], "I", "mV/ms")
            u.lines[0].set_color(style.GREEN)
            i_ext.lines[0].set_color(style.VERMILION)
            v.set(title=str(label), xlabel="", ylim=(-100, 40))
            u.set(xlabel="", ylabel="u\n(mV/ms)")
            i_ext.set_ylabel("I\n(mV/ms)")
            block.align_ylabels()
        what = (
            "Izhikevich neurons under a step of current I, each from its rest under the current before it (the released"
            " cell: hyperpolarised). Spikes are drawn up to the peak of v. One run, no noise."
        )
        style.caption(figure, what, run)
    return figure


def with_peaks(record: dict[str, np.ndarray], dt: float) -> np.ndarray:
    """v_TN with v_peak where a neuron fired; the record has the potential after its reset."""
    drawn_TN = record["v_TN"].copy()
    drawn_TN[np.rint(record["spike_times"] / dt).astype(int), record["spike_units"]] = record["v_peak"]
    return drawn_TN


def numbers(run: Path) -> dict[str, Any]:
    """For each cell: spikes, time of the first (ms), and all intervals (ms)."""
    record = read_record(run)
    table: dict[str, Any] = {}
    for n, label in enumerate(record["labels_N"]):
        times = record["spike_times"][record["spike_units"] == n]
        table[f"{label}: spikes"] = len(times)
        table[f"{label}: first spike (ms)"] = float(times[0].round(6)) if len(times) else None
        table[f"{label}: intervals (ms)"] = np.diff(times).round(6).tolist()
    return table


def main() -> None:
    style.main("izhikevich_patterns", draw, numbers)


if __name__ == "__main__":
    main()
