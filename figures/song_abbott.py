"""Fig. 2 from: Song, Miller & Abbott (2000): weights that become strong or weak, and the firing that they regulate.

Axes: R rate of inputs, M moment, K bin of time, I synapse.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures import style
from neuro.runs import read_manifest, read_record

MOMENTS = (0.1, 0.3, 1.0)  # parts of the time at which the distribution is shown
N_DRAWN = 25  # synapses whose weights are followed
BINS = 20


def draw(run: Path) -> Figure:
    record, configuration = read_record(run), read_manifest(run)["configuration"]
    n_rates = len(record["rates_R"])
    with style.context():
        figure = Figure(figsize=(max(9.0, 3.4 * n_rates), 8.0), layout="constrained")
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(8, 5))[:, 0]
        axes = above.subplots(2, n_rates, squeeze=False, sharey="row")
        for r in range(n_rates):
            draw_distribution(axes[0, r], record, r)
            draw_weights(axes[1, r], record, r)
        rate, cv, balance, regulated = below.subplots(1, 4)
        draw_times(rate, record, record["times_K"], record["output_RK"], "rate of the output (Hz)")
        draw_times(cv, record, record["times_K"], record["cv_RK"], "CV of intervals (1)")
        draw_times(balance, record, record["times_M"], record["balance_RM"], "inhibitory / excitatory current (1)")
        rate.legend(title="inputs", title_fontsize=8)
        cv.axhline(1.0, color=style.GREY, linestyle="--", linewidth=0.8)
        cv.annotate("Poisson process", (0.98, 1.12), xycoords=cv.get_yaxis_transform(), ha="right", va="bottom")
        cv.set_ylim(0, 1.4)
        balance.axhline(1.0, color=style.GREY, linestyle="--", linewidth=0.8)
        balance.set_ylim(0, 1.5)
        draw_regulation(regulated, record)
        for ax in (rate, regulated):
            ax.set(yscale="log", ylim=(1.0, 1000.0))
            ax.yaxis.set_minor_formatter(NullFormatter())
        style.caption(figure, what(record, configuration), run)
    return figure


def draw_distribution(ax: Axes, record: dict[str, np.ndarray], r: int) -> None:
    n_looks = len(record["times_M"]) - 1
    for k, part in enumerate(MOMENTS):
        m = round(part * n_looks)
        is_last = k == len(MOMENTS) - 1
        ax.hist(
            record["weights_RMI"][r, m], bins=BINS, range=(0, 1), histtype="stepfilled" if is_last else "step",
            color=style.COLOURS[r], alpha=0.35 if is_last else 0.4 + 0.3 * k, label=f"{record['times_M'][m] / 1e3:g} s",
        )  # fmt: skip
    ax.set(xlabel="weight ($g_{max}$)", ylabel="synapses (count)", title=title(record, r), yscale="log")
    ax.legend(loc="upper center", ncols=len(MOMENTS))


def title(record: dict[str, np.ndarray], r: int) -> str:
    output, cv, strong, balance = (
        beside_paper(record, r, *of) for of in (("output", 1), ("cv", 2), ("strong", 2), ("balance", 2))
    )
    return f"inputs of {record['rates_R'][r]:g} Hz\noutput {output} Hz, CV {cv}\nstrong {strong}, inh. / exc. {balance}"


def beside_paper(record: dict[str, np.ndarray], r: int, name: str, digits: int) -> str:
    """A number, and that of the paper in brackets."""
    value, published = record[f"{name}_R"][r], record[f"published_{name}_R"][r]
    return f"{value:.{digits}f}" + ("" if np.isnan(published) else f" [{published:.{digits}f}]")


def draw_weights(ax: Axes, record: dict[str, np.ndarray], r: int) -> None:
    ax.plot(record["times_M"] / 1e3, record["weights_RMI"][r, :, :N_DRAWN], color=style.COLOURS[r], linewidth=0.5)
    ax.set(xlabel="time (s)", ylabel="weight ($g_{max}$)", ylim=(-0.02, 1.02))


def draw_times(ax: Axes, record: dict[str, np.ndarray], times: np.ndarray, values: np.ndarray, label: str) -> None:
    for r, rate in enumerate(record["rates_R"]):
        ax.plot(times / 1e3, values[r], color=style.COLOURS[r], linewidth=0.9, label=f"{rate:g} Hz")
    ax.set(xlabel="time (s)", ylabel=label)


def draw_regulation(ax: Axes, record: dict[str, np.ndarray]) -> None:
    rates = record["rates_R"]
    ax.plot(rates, record["output_R"], marker="o", color=style.BLACK, label="weights that learn")
    ax.plot(
        rates, record["published_output_R"], marker="_", markersize=16, mew=2.0, linestyle="none", color=style.PURPLE
    )
    ax.lines[-1].set_label("the same, published")
    label = f"weights learned at {rates[0]:g} Hz"
    ax.plot(rates, record["frozen_R"], marker="s", markerfacecolor="white", color=style.GREY, label=label)
    ax.set(xlabel="rate of each input (Hz)", ylabel="rate of the output (Hz)", xlim=(0, None))
    ax.legend()


def what(record: dict[str, np.ndarray], configuration: dict[str, Any]) -> str:
    brackets = "" if np.isnan(record["published_output_R"]).all() else " [ ]: read off the paper's figure."
    return (
        "One neuron with 1000 plastic excitatory and 200 inhibitory synapses; inputs are independent Poisson processes."
        f" A+ {configuration['a_plus']:g}, A-/A+ {configuration['a_ratio']:g}, all weights"
        f" {configuration['w_start']:g} g_max at the start. Titles: of the last half; strong: part of synapses from 0.8"
        f" g_max on, at the end.{brackets} Above: weights of all synapses at three times, and {N_DRAWN} of them over"
        f" time. Below: rate and CV of intervals in bins of {configuration['every'] / 1e3:g} s; leak and inhibitory"
        " current over the excitatory one, of mean conductances, at the threshold; the rate of the output in the last"
        " half, and what it is without plasticity, if weights stay as learned with inputs of"
        f" {record['rates_R'][0]:g} Hz. One run a rate."
    )


def numbers(run: Path) -> dict[str, Any]:
    """For each rate: what the record holds, and what was published; nothing where there is no number."""
    record = read_record(run)
    names = {
        "output (Hz)": "output_R",
        "output with frozen weights (Hz)": "frozen_R",
        "CV of intervals": "cv_R",
        "inhibitory over excitatory current": "balance_R",
        "weak synapses (part)": "weak_R",
        "strong synapses (part)": "strong_R",
        "published: output (Hz)": "published_output_R",
        "published: CV of intervals": "published_cv_R",
        "published: inhibitory over excitatory current": "published_balance_R",
        "published: strong synapses (part)": "published_strong_R",
    }
    return {
        f"inputs of {rate:g} Hz: {name}": float(record[key][r])
        for r, rate in enumerate(record["rates_R"])
        for name, key in names.items()
        if np.isfinite(record[key][r])
    }


def main() -> None:
    style.main("song_abbott", draw, numbers)


if __name__ == "__main__":
    main()
