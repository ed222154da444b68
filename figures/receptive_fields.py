"""What neurons have learned to respond to: the weights of each as a picture, neurons of a class together.

Reads the checkpoint of a training of stdp-wta on square images.

Axes: C class, I input, J neuron.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from safetensors import safe_open

from figures import style
from neuro.runs import RunError, read_manifest

NEEDED = ("weights/input", "weights/responses", "memory/shown", "memory/theta")


def draw(run: Path) -> Figure:
    learned, configuration = read(run), read_manifest(run)["configuration"]
    w_JI, names_J = learned["weights/input"], named(learned)
    order = np.lexsort((-learned["memory/theta"], names_J))
    with style.context():
        figure = Figure(figsize=(7, 6.8), layout="constrained")
        ax = figure.subplots()
        sheet = sheet_of(w_JI[order])
        image = ax.imshow(sheet, cmap="magma", vmin=0.0, vmax=float(np.quantile(w_JI, 0.995)), interpolation="nearest")
        side, n_columns = math.isqrt(w_JI.shape[1]), columns_of(len(w_JI))
        rows = [int(row) for row in range(-(-len(w_JI) // n_columns))]
        firsts = [names_J[order[row * n_columns]] for row in rows]
        ax.set_yticks([(row + 0.5) * (side + 1) for row in rows], ["-" if c < 0 else str(c) for c in firsts])
        ax.set_xticks([])
        ax.tick_params(length=0, labelsize=6 if len(rows) <= 30 else 4)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="neuron (index)", ylabel="first neuron of the row responds most to (class)")
        figure.colorbar(image, ax=ax, shrink=0.6, label="weight (mV)")
        what = (
            f"Weights of the {len(w_JI)} neurons of {configuration['name']} on {configuration['task']}, ordered by the"
            " class for which each fired most while it learned (-: none), and by threshold within a class."
        )
        style.caption(figure, what, run)
    return figure


def read(run: Path) -> dict[str, np.ndarray]:
    """The arrays of the last checkpoint. RunError where it has no such neurons."""
    path = run / "checkpoint.safetensors"
    if not path.exists():
        raise RunError(f"{run} holds no checkpoint yet; train it further with `neuro train`")
    with safe_open(path, framework="numpy") as file:
        known = set(file.keys())
        if not known.issuperset(NEEDED):
            raise RunError(f"{run} holds no receptive fields; name a training of stdp-wta")
        learned = {name: file.get_tensor(name) for name in NEEDED}
    n_inputs = learned["weights/input"].shape[1]
    if math.isqrt(n_inputs) ** 2 != n_inputs:
        raise RunError(f"{run}: {n_inputs} inputs are no square image; name a training on mnist or digits")
    return learned


def named(learned: dict[str, np.ndarray]) -> np.ndarray:
    """The class for which each neuron fired most, on average over samples; -1 if it did not fire."""
    mean_JC = learned["weights/responses"] / np.maximum(learned["memory/shown"], 1e-9)
    return np.where(mean_JC.sum(1) > 0, mean_JC.argmax(1), -1)


def columns_of(n_neurons: int) -> int:
    return math.ceil(math.sqrt(n_neurons))


def sheet_of(w_JI: np.ndarray) -> np.ndarray:
    """The pictures of all neurons in rows, with a blank line between them."""
    side, n_columns = math.isqrt(w_JI.shape[1]), columns_of(len(w_JI))
    n_rows = -(-len(w_JI) // n_columns)
    sheet = np.full((n_rows, n_columns, side + 1, side + 1), np.nan)
    places = np.arange(len(w_JI))
    sheet[places // n_columns, places % n_columns, :side, :side] = w_JI.reshape(-1, side, side)
    return sheet.transpose(0, 2, 1, 3).reshape(n_rows * (side + 1), n_columns * (side + 1))


def numbers(run: Path) -> dict[str, Any]:
    """Neurons of each class, and what thresholds and weights are like."""
    learned = read(run)
    names_J, w_JI, theta_J = named(learned), learned["weights/input"], learned["memory/theta"]
    n_classes = learned["weights/responses"].shape[1]
    return {
        "neurons": len(w_JI),
        "neurons without a class": int((names_J < 0).sum()),
        "neurons of each class": np.bincount(names_J[names_J >= 0], minlength=n_classes).tolist(),
        "threshold (mV), mean": float(theta_J.mean()),
        "threshold (mV), standard deviation": float(theta_J.std()),
        "share of weights below a tenth of the largest": float((w_JI < 0.1 * w_JI.max()).mean()),
    }


def main() -> None:
    style.main("receptive_fields", draw, numbers)


if __name__ == "__main__":
    main()
