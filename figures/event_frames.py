"""One recording as counts, as a voxel grid and as time surfaces, and with noise before and after the filters.

Axes: K image, C polarity (OFF, ON), Y row, X column.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.saccades import draw_polarities
from neuro.runs import read_manifest, read_record

WIDE = 4  # panels a row
STAGES = {"noisy_CYX": "with noise", "cleaned_CYX": "background filtered", "rested_CYX": "and bursts filtered"}


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    times = {name: record[f"{name}_times"] for name in ("count", "voxel", "surface")}
    with style.context():
        figure = Figure(figsize=(2.3 * WIDE, 2.4 * 4 + 0.6), layout="constrained")
        panels = figure.subplots(4, WIDE)
        titles = [
            [f"counts from {t:g} ms" for t in times["count"]],
            [f"voxels around {t:g} ms" for t in times["voxel"]],
            [f"surface at {t:g} ms" for t in times["surface"]],
        ]
        for row, name in enumerate(("counts_KCYX", "voxels_KCYX", "surfaces_KCYX")):
            full = record[name].max() if name == "surfaces_KCYX" else np.quantile(record[name], 0.99)
            for ax, image_CYX, title in zip(panels[row], record[name], titles[row], strict=False):
                draw_polarities(ax, image_CYX, full)
                ax.set_title(title)
        for ax, (name, title), (own, noise) in zip(panels[3], STAGES.items(), record["origins"], strict=False):
            draw_polarities(ax, record[name], np.quantile(record["noisy_CYX"], 0.99))
            ax.set_title(f"{title}: {own} + {noise}")
        panels[0, -1].imshow(record["image_YX"], cmap="Greys")
        panels[0, -1].set(title="the image", xlabel="column (px)", ylabel="row (px)")
        for ax in (panels[2, -1], panels[3, -1]):
            ax.remove()
        style.caption(figure, what(configuration), run)
    return figure


def what(configuration: dict[str, Any]) -> str:
    return (
        f"Image {configuration['number']} of {configuration['images']} (training), shown to a simulated event camera"
        " (not N-MNIST); ON red, OFF blue. Counts: events of each saccade. Voxels: each event shared among the two"
        f" nearest moments. Surfaces: exp(-age / {configuration['tau']:g} ms) of each unit's last event. Last row: the"
        f" whole recording with noise of {configuration['shot_rate']:g} / ms, without events that no neighbour preceded"
        f" within {configuration['support']:g} ms, and without those within {configuration['t_ref']:g} ms of their"
        " pixel's last; numbers: events of the recording + of the noise. Full colour at a row's 99th percentile"
        " (surfaces: their maximum). One run."
    )


def numbers(run: Path) -> dict[str, Any]:
    """Sums of the images, the mean of each surface, and whose events the filters left."""
    record = read_record(run)
    table: dict[str, Any] = {
        "counts (events)": record["counts_KCYX"].sum((1, 2, 3)).tolist(),
        "voxels (events)": record["voxels_KCYX"].sum((1, 2, 3)).tolist(),
        "surfaces (mean)": record["surfaces_KCYX"].mean((1, 2, 3)).tolist(),
    }
    for title, (own, noise) in zip(STAGES.values(), record["origins"].tolist(), strict=True):
        table[f"{title}: of the recording (events)"], table[f"{title}: of the noise (events)"] = own, noise
    return table


def main() -> None:
    style.main("event_frames", draw, numbers)


if __name__ == "__main__":
    main()
