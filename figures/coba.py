"""Benchmark 1 from: Brette et al. (2007): spikes and rates of the network of Vogels & Abbott (COBA)."""

from pathlib import Path

from matplotlib.figure import Figure

from figures import style
from figures.cuba import draw_network, numbers


def draw(run: Path) -> Figure:
    return draw_network(run, "conductance synapses (COBA)")


def main() -> None:
    style.main("coba", draw, numbers)


if __name__ == "__main__":
    main()
