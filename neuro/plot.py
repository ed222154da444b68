"""Plots of spikes, traces, weights and results. Each takes axes and arrays, draws, and returns None.

Layout, files and captions belong to the caller. Axes of arrays: S seed, N point, C class.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike


class Curve(TypedDict):
    """Accuracy against x. y: 0 to 1, one row [N] or one a seed [S, N]."""

    label: str
    x: ArrayLike
    y: ArrayLike


def raster(ax: Axes, times: ArrayLike, units: ArrayLike) -> None:
    """A tick for each spike. times: ms. units: which neuron fired."""
    ax.scatter(np.asarray(times), np.asarray(units), s=12, marker="|", linewidths=0.8)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("neuron (index)")


def trace(ax: Axes, times: ArrayLike, values: ArrayLike, name: str = "membrane potential", unit: str = "mV") -> None:
    """A variable over time. times: ms."""
    ax.plot(np.asarray(times), np.asarray(values), linewidth=0.9)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel(f"{name} ({unit})")


def weights(ax: Axes, values: ArrayLike, unit: str, bins: int = 50) -> None:
    """How the weights are distributed. unit: that of what arrives at the postsynaptic model."""
    ax.hist(np.asarray(values).ravel(), bins=bins)
    ax.set_xlabel(f"weight ({unit})")
    ax.set_ylabel("synapses (count)")


def stdp_window(ax: Axes, differences: ArrayLike, changes: ArrayLike, label: str = "", unit: str = "w_max") -> None:
    """Change of a weight against t_post - t_pre (ms), broken at 0, where the window jumps.

    differences rise. unit: that of the changes.
    """
    differences, changes = np.asarray(differences, float), np.asarray(changes, float)
    first_causal = int(np.searchsorted(differences, 0.0))
    ax.plot(
        np.insert(differences, first_causal, np.nan),
        np.insert(changes, first_causal, np.nan),
        label=label or None,
    )
    ax.set_xlabel("$t_{post} - t_{pre}$ (ms)")
    ax.set_ylabel(f"change of weight ({unit})")


def learning_curve(ax: Axes, curves: Sequence[Curve], xlabel: str = "samples seen (count)") -> None:
    """Accuracy in % against x: the mean over seeds, within a band from the lowest to the highest seed."""
    for curve in curves:
        x, y_SN = np.asarray(curve["x"]), 100.0 * np.atleast_2d(np.asarray(curve["y"], float))
        (line,) = ax.plot(x, y_SN.mean(0), marker=".", label=curve["label"])
        if len(y_SN) > 1:
            ax.fill_between(x, y_SN.min(0), y_SN.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("accuracy (%)")
    if len(curves) > 1:
        ax.legend()


def confusion(ax: Axes, counts_CC: ArrayLike, names: Sequence[str] | None = None) -> None:
    """Samples of each true class (row) by predicted class (column): counts of samples, shaded by share of the row."""
    counts = np.asarray(counts_CC)
    names = [str(c) for c in range(len(counts))] if names is None else names
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(share, vmin=0.0, vmax=1.0, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else "black"
        ax.text(column, row, str(count), ha="center", va="center", color=colour)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted (class)")
    ax.set_ylabel("true (class)")
