"""The figures of a comparison on a sequence of tasks: what was kept of each task, and each task's learning curve.

Axes of arrays: S seed, K stage (rows: learned up to, columns: tested on), N point.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neuro.runs import read_metrics
from simulations.tables import Group, by_learner

GRID_COLUMNS = 3
N_WRITTEN = 12  # tasks, up to which numbers are written into the matrix


def _grid(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with n axes, three in a row."""
    n_columns = min(n, GRID_COLUMNS)
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(width * n_columns, height * n_rows), layout="constrained")
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    for ax in axes[n:]:
        ax.set_axis_off()
    return figure, axes[:n]


def matrices(results: dict[str, Any]) -> Figure:
    """The accuracy matrix of each learner, mean over seeds, above it the row before any learning."""
    groups = by_learner(results)
    figure, axes = _grid(len(groups), 4.6, 4.4)
    for ax, group in zip(axes, groups, strict=True):
        rows = [[row["accuracies_before"], *row["accuracy_matrix"]] for row in group.rows]
        draw_matrix(ax, 100.0 * np.mean(rows, axis=0))
        ax.set_title(f"{group.name}: average {100 * group.mean('average_accuracy'):.1f} %")
    n_seeds = max(len(group.rows) for group in groups)
    figure.suptitle(
        f"{results['task']}, test accuracy (%){f', mean of {n_seeds} seeds' * (n_seeds > 1)}; top row: before learning",
        fontsize=10,
    )
    return figure


def draw_matrix(ax: Axes, percent_KK: NDArray) -> None:
    """Test accuracy in %, shaded; the first row is that before any learning, the diagonal below it is framed."""
    n_rows, n_stages = percent_KK.shape
    ax.imshow(percent_KK, vmin=0.0, vmax=100.0, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(percent_KK):
        if n_stages <= N_WRITTEN:
            colour = "white" if value > 50.0 else "black"
            ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8)
        if row == column + 1:
            ax.add_patch(_frame(column, row))
    ax.set_xticks(range(n_stages))
    ax.set_yticks(range(n_rows), ["none", *map(str, range(n_stages))])
    ax.set_xlabel("tested on task (index)")
    ax.set_ylabel("learned up to task (index)")


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.5)


def task_curves(results: dict[str, Any], out: Path) -> Figure:
    """Each task's accuracy against samples seen: while it is learned (validation), then after each task (test)."""
    groups = by_learner(results)
    figure, axes = _grid(len(groups), 4.8, 3.8)
    n_stages = len(results["data"]["stages"])
    for ax, group in zip(axes, groups, strict=True):
        curves = [[_curve(read_metrics(out / row["run"]), k) for row in group.rows] for k in range(n_stages)]
        for k, seeds in enumerate(curves):
            _draw_curve(ax, np.array(seeds), k, n_stages)
        ax.set_xlabel("training samples seen (count)")
        ax.set_ylabel("accuracy (%)")
        ax.set_ylim(-3.0, 103.0)
        ax.set_title(_title(group))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(n_stages, 10), fontsize=8, title="task (index)"
    )
    figure.suptitle(
        f"{results['task']}: dotted, validation while a task is learned; solid, test after each task from then on",
        fontsize=10,
    )
    return figure


def _title(group: Group) -> str:
    n_seeds = len(group.rows)
    return f"{group.name}{f', mean of {n_seeds} seeds' * (n_seeds > 1)}"


def _curve(rows: list[dict[str, Any]], k: int) -> list[tuple[float, float, float]]:
    """Points of task k: (samples seen, accuracy, 1 if on the test split)."""
    validated = [(row["seen"], row["accuracy"], 0.0) for row in rows if row["split"] == "val" and row["stage"] == k]
    after = [row for row in rows if row["split"] in ("stage", "test")]
    return validated + [(row["seen"], row["accuracies"][k], 1.0) for row in after[k:]]


def _draw_curve(ax: Axes, points_SN3: NDArray, k: int, n_stages: int) -> None:
    from matplotlib import colormaps

    x, y, is_test = points_SN3.mean(0).T
    colour = colormaps["viridis"](k / max(n_stages, 2))
    for part, line, label in ((is_test == 0.0, ":", None), (is_test == 1.0, "-", str(k))):
        ax.plot(x[part], 100.0 * y[part], linestyle=line, marker=".", color=colour, label=label)
