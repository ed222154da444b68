"""Accuracy of one training against samples seen and against seconds of training.

Several trainings side by side are the business of `neuro compare`.
"""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from figures import style
from neuro import plot
from neuro.runs import RunError, read_manifest, read_metrics

PANELS = (("seen", "samples seen (count)"), ("train_s", "time spent training (s)"))


def draw(run: Path) -> Figure:
    validation, test = rows(run)
    with style.context():
        figure = Figure(figsize=(8, 3.8), layout="constrained")
        for ax, (key, xlabel) in zip(figure.subplots(1, 2), PANELS, strict=True):
            curve: plot.Curve = {
                "label": "validation",
                "x": [row[key] for row in validation],
                "y": [row["accuracy"] for row in validation],
            }
            plot.learning_curve(ax, [curve], xlabel)
            ax.plot(
                [row[key] for row in test],
                [100.0 * row["accuracy"] for row in test],
                color=style.VERMILION,
                linestyle="none",
                marker="*",
                markersize=9,
                label="test",
            )
            ax.legend(loc="lower right")
        figure.suptitle(read_manifest(run)["name"], fontsize=9)
        what = "Line: validation split; star: test split. One seed. Time leaves evaluations out."
        style.caption(figure, what, run)
    return figure


def rows(run: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The evaluations on the validation and on the test split. RunError where there is none."""
    metrics = read_metrics(run)
    validation, test = ([row for row in metrics if row["split"] == split] for split in ("val", "test"))
    if not validation:
        raise RunError(f"{run} holds no evaluation yet; go on with `neuro resume {run}`")
    return validation, test


def numbers(run: Path) -> dict[str, Any]:
    """Samples seen, seconds of training and accuracy (fractions) of both splits."""
    validation, test = rows(run)
    return {
        "samples seen": [row["seen"] for row in validation],
        "training (s)": [row["train_s"] for row in validation],
        "validation accuracy": [row["accuracy"] for row in validation],
        "test accuracy": test[-1]["accuracy"] if test else None,
    }


def main() -> None:
    style.main("learning_curves", draw, numbers)


if __name__ == "__main__":
    main()
