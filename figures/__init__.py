"""The registry of figures: what a run simulated -> the module that draws it.

A module has `draw(run) -> Figure` and `numbers(run)`, the table of the numbers in the picture. Both read
saved run folders and nothing else. Modules are imported when used.
"""

FIGURES: dict[str, str] = {
    "astrocyte_calcium": "figures.astrocyte_calcium",
    "brunel": "figures.brunel",
    "coba": "figures.coba",
    "cortical_microcircuit": "figures.cortical_microcircuit",
    "counter_current_autoencoder": "figures.counter_current_autoencoder",
    "cuba": "figures.cuba",
    "event_frames": "figures.event_frames",
    "izhikevich_network": "figures.izhikevich_network",
    "izhikevich_patterns": "figures.izhikevich_patterns",
    "lif_fi_curve": "figures.lif_fi_curve",
    "polychronization": "figures.polychronization",
    "saccades": "figures.saccades",
    "song_abbott": "figures.song_abbott",
    "stdp_window": "figures.stdp_window",
    "training": "figures.learning_curves",
    "tripartite_synapse": "figures.tripartite_synapse",
    "update_cost": "figures.update_cost",
}

__all__ = ["FIGURES"]
