"""Events of a digit, saccade by saccade: where, when and how many, simulated and recorded.

Axes: S saccade, K bin of time, Y row, X column.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

BIN = 5.0  # ms
POLARITIES = ("OFF", "ON")
COLOURS = (style.BLUE, style.VERMILION)
DENSE = 6  # events of one polarity in a saccade that give its full colour


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    parts = ["simulated", "recorded"] if len(record["recorded_times"]) else ["simulated"]
    with style.context():
        figure = Figure(figsize=(12, 2.4 * (len(parts) + 1) + 0.5), layout="constrained")
        *blocks, last = figure.subfigures(len(parts) + 1, 1)
        for block, part in zip(blocks, parts, strict=True):
            draw_saccades(block, record, part)
        draw_rates(last, record, parts)
        style.caption(figure, what(configuration), run)
    return figure


def draw_saccades(block: Any, record: dict[str, np.ndarray], part: str) -> None:
    """Where events were in each saccade, and when each pixel had its last."""
    times, units = events(record, part)
    panels, surface = block.subplots(1, 6), None
    for s in range(3):
        within = times // record["saccade"] == s
        draw_counts(panels[s], units[within], int(record["field"]))
        panels[s].set_title(f"saccade {s + 1}: {np.count_nonzero(within)} events")
        surface = draw_surface(panels[3 + s], times[within] - s * record["saccade"], units[within], record)
        panels[3 + s].set_title(f"saccade {s + 1}")
    block.colorbar(surface, ax=panels[5], label="last event (ms)").ax.set_xlabel("(ms)")
    block.suptitle(part, x=0.01, ha="left", weight="bold")


def events(record: dict[str, np.ndarray], part: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and units of one part, "simulated" or "recorded"."""
    prefix = "recorded_" if part == "recorded" else ""
    return record[f"{prefix}times"], record[f"{prefix}units"].astype(int)


def draw_counts(ax: Axes, units: np.ndarray, field: int) -> None:
    """Events of each pixel."""
    draw_polarities(ax, np.bincount(units, minlength=2 * field**2).reshape(2, field, field), DENSE)


def draw_polarities(ax: Axes, image_CYX: np.ndarray, full: float) -> None:
    """White at 0; the more of a polarity (C: OFF, ON), the more of its colour, all of it from `full` on."""
    inks = 1.0 - np.array([to_rgb(colour) for colour in COLOURS]).reshape(2, 1, 1, 3)
    paper = (1.0 - np.minimum(image_CYX[..., None] / full, 1.0) * inks).prod(0)
    ax.imshow(paper, interpolation="nearest")
    ax.set(xlabel="column (px)", ylabel="row (px)")


def draw_surface(ax: Axes, times: np.ndarray, units: np.ndarray, record: dict[str, np.ndarray]) -> Any:
    """When each pixel had its last event in a saccade; times rise, so later ones overwrite earlier ones."""
    field = int(record["field"])
    last = np.full(field**2, np.nan)
    last[units % field**2] = times
    ax.set(xlabel="column (px)", ylabel="row (px)")
    return ax.imshow(last.reshape(field, field), vmin=0.0, vmax=float(record["saccade"]), interpolation="nearest")


def draw_rates(block: Any, record: dict[str, np.ndarray], parts: list[str]) -> None:
    """The image, and the rates of ON and OFF events of all pixels."""
    image, *rates = block.subplots(1, 1 + len(parts), width_ratios=[0.4] + [1.0] * len(parts))
    image.imshow(record["image_YX"], cmap="Greys")
    image.set(xlabel="column (px)", ylabel="row (px)", title="the image")
    for ax, part in zip(rates, parts, strict=True):
        edges, rate_PK = rate(record, part)
        for p, name in enumerate(POLARITIES):
            ax.stairs(rate_PK[p], edges, color=COLOURS[p], label=name)
        for s in range(1, 3):
            ax.axvline(s * record["saccade"], color=style.GREY, linewidth=0.6, linestyle="--")
        ax.set(xlabel="time (ms)", ylabel="events (1/ms)", title=part, ylim=(0, 22))
    rates[0].legend()


def rate(record: dict[str, np.ndarray], part: str) -> tuple[np.ndarray, np.ndarray]:
    """Edges of bins (ms), and events a millisecond of each polarity in them."""
    times, units = events(record, part)
    edges = np.arange(0.0, 3.0 * record["saccade"] + 2 * BIN, BIN)
    of_polarity = units // int(record["field"]) ** 2
    return edges, np.stack([np.histogram(times[of_polarity == p], edges)[0] / BIN for p in range(2)])


def what(configuration: dict[str, Any]) -> str:
    return (
        f"Image {configuration['number']} of {configuration['images']} (training), shown to a simulated event camera"
        " (not N-MNIST), and, where it is there, one recording of N-MNIST, which shows image 6271 of mnist. Left: where"
        f" events were, ON red, OFF blue, full colour at {DENSE}. Right: when each pixel had its last one, since the"
        f" start of the saccade. Below: events of all pixels in bins of {BIN:g} ms; dashed: where a saccade ends and"
        " the next begins. One run."
    )


def numbers(run: Path) -> dict[str, Any]:
    """Of each part and saccade: events, share of ON, mean and standard deviation of times (ms)."""
    record = read_record(run)
    table: dict[str, Any] = {}
    for part in ("simulated", "recorded"):
        times, units = events(record, part)
        table[f"{part}: events"] = len(times)
        for s in range(3):
            within = times // record["saccade"] == s
            if not within.any():
                continue
            since = times[within] - s * record["saccade"]
            table |= {
                f"{part}, saccade {s + 1}: events": int(within.sum()),
                f"{part}, saccade {s + 1}: ON (share)": float((units[within] >= record["field"] ** 2).mean()),
                f"{part}, saccade {s + 1}: mean time (ms)": float(since.mean()),
                f"{part}, saccade {s + 1}: deviation of times (ms)": float(since.std()),
            }
    return table


def main() -> None:
    style.main("saccades", draw, numbers)


if __name__ == "__main__":
    main()
