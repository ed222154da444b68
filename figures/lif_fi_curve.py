"""Rate of leaky integrate-and-fire neurons against constant current, and how far it is from its closed form.

Axes: M model, N neuron, one for each current.
"""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from figures import style
from neuro.runs import read_manifest, read_record

MARKERS = ("o", "x", "+", "s")
EVERY = 10  # a marker for every tenth current keeps them apart


def draw(run: Path) -> Figure:
    record, dt = read_record(run), read_manifest(run)["configuration"]["dt"]
    i_ext, closed = record["i_ext_N"], record["closed_interval_N"]
    with style.context():
        figure = Figure(figsize=(6, 5.5), layout="constrained")
        rate, deviation = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        rate.plot(i_ext, record["closed_rate_N"], color=style.BLACK, label="closed form")
        for m, name in enumerate(record["models_M"]):
            look = {"marker": MARKERS[m], "linestyle": "none", "markerfacecolor": "none", "label": str(name)}
            start = m * EVERY // len(record["models_M"])
            rate.plot(i_ext, record["rate_MN"][m], markevery=(start, EVERY), markersize=5, **look)
            deviation.plot(i_ext, closed - record["interval_MN"][m], markersize=3.5 - m, **look)
        deviation.axhline(dt, color=style.GREY, linestyle="--", label=f"dt = {dt:g} ms")
        deviation.axhline(0.0, color=style.GREY, linewidth=0.6)
        rate.set_ylabel("rate (Hz)")
        deviation.set(
            xlabel="constant current (pA)", ylabel="closed form - interval (ms)", ylim=(-0.25 * dt, 1.75 * dt)
        )
        rate.legend()
        deviation.legend(loc="upper left", ncols=3)
        what = (
            "Above: one neuron for each current; every tenth is marked. Below: all neurons that fire, by how much their"
            " mean interval is shorter than the closed form t_ref + dt + tau_m ln(...). No noise, one run."
        )
        style.caption(figure, what, run)
    return figure


def numbers(run: Path) -> dict[str, Any]:
    """Currents (pA), rates (Hz), and the largest distance from the closed form (ms)."""
    record = read_record(run)
    table: dict[str, Any] = {
        "current (pA)": record["i_ext_N"].tolist(),
        "closed form: rate (Hz)": record["closed_rate_N"].tolist(),
    }
    for m, name in enumerate(record["models_M"]):
        table[f"{name}: rate (Hz)"] = record["rate_MN"][m].tolist()
        table[f"{name}: largest deviation of an interval (ms)"] = float(record["max_deviation_M"][m])
        table[f"{name}: largest deviation on the grid of steps (ms)"] = float(record["max_grid_deviation_M"][m])
    return table


def main() -> None:
    style.main("lif_fi_curve", draw, numbers)


if __name__ == "__main__":
    main()
