"""Reconstruction by counter-current learning and by backpropagation: error over the budget, and images.

Axes: R rule, P point of the budget, N image shown, I pixel.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    rules = [str(rule) for rule in record["rules_R"]]
    with style.context():
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        curves, images = figure.subplots(1, 2, width_ratios=(1, 1.8))
        for rule, error_P in zip(rules, record["error_RP"], strict=True):
            curves.plot(record["seen_P"], error_P, marker=".", label=rule)
        curves.axhline(float(record["mean_image_error"]), color=style.GREY, linewidth=0.8, label="the mean image")
        curves.set(xlabel="images seen (count)", ylabel="validation error (grey$^2$, mean of pixels)", yscale="log")
        curves.legend()
        show(images, record, ["image", *(rule.replace("-", "-\n") for rule in rules)])
        what = (
            f"Autoencoders of the same architecture and first weights on {configuration['task']}; one run of each rule."
            " Grey values: 0 black, 1 white. Right: the first images of the validation split, and what is made of"
            " them at the end."
        )
        style.caption(figure, what, run)
    return figure


def show(ax: Axes, record: dict[str, np.ndarray], names: list[str]) -> None:
    """Images in the first row, and below them what each rule makes of them."""
    channels, height, width = record["shape"]
    rows_KNI = np.concatenate([record["images_NI"][None], record["reconstructions_RNI"]])
    n_shown = rows_KNI.shape[1]
    tiles = rows_KNI.reshape(len(names), n_shown, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = np.clip(tiles.reshape(len(names) * height, n_shown * width, channels), 0.0, 1.0)
    for row in range(1, len(names)):
        ax.axhline(row - 0.5, color="white", linewidth=1.5)
    for column in range(1, n_shown):
        ax.axvline(column - 0.5, color="white", linewidth=1.5)
    extent = (-0.5, n_shown - 0.5, len(names) - 0.5, -0.5)
    ax.imshow(sheet[..., 0] if channels == 1 else sheet, cmap="gray", vmin=0.0, vmax=1.0, extent=extent)
    ax.set_aspect(height / width)
    ax.set_xticks(range(n_shown))
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set(xlabel="image (index)", ylabel="made by (rule)")


def numbers(run: Path) -> dict[str, Any]:
    """Errors (grey^2) of each rule along the budget, and that of the mean image."""
    record = read_record(run)
    table: dict[str, Any] = {
        "images seen": record["seen_P"].tolist(),
        "error of the mean image (grey^2)": float(record["mean_image_error"]),
    }
    for rule, error_P in zip(record["rules_R"], record["error_RP"], strict=True):
        table[f"{rule}: validation error (grey^2)"] = error_P.tolist()
    return table


def main() -> None:
    style.main("counter_current_autoencoder", draw, numbers)


if __name__ == "__main__":
    main()
