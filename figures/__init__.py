"""The registry of figures: what a run simulated -> the module that draws it.

A module has `draw(run) -> Figure` and `numbers(run)`, the table of the numbers in the picture. Both read
saved run folders and nothing else. Modules are imported when used.
"""

FIGURES: dict[str, str] = {
    "brunel": "figures.brunel",
    "coba": "figures.coba",
    "cuba": "figures.cuba",
    "izhikevich_patterns": "figures.izhikevich_patterns",
    "lif_fi_curve": "figures.lif_fi_curve",
    "stdp_window": "figures.stdp_window",
    "training": "figures.learning_curves",
}

__all__ = ["FIGURES"]
