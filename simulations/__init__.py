"""The registry of simulations: named phenomena, each a recipe and a function that returns arrays.

A module has `Recipe` (a frozen dataclass with defaults), `models(recipe)`, whose references the run
cites, and `simulate(recipe)`, which returns the arrays of record.npz. Modules are imported when used.
"""

SIMULATIONS: dict[str, str] = {
    "astrocyte_calcium": "simulations.astrocyte_calcium",
    "brunel": "simulations.brunel",
    "coba": "simulations.coba",
    "cortical_microcircuit": "simulations.cortical_microcircuit",
    "counter_current_autoencoder": "simulations.counter_current_autoencoder",
    "cuba": "simulations.cuba",
    "event_frames": "simulations.event_frames",
    "izhikevich_network": "simulations.izhikevich_network",
    "izhikevich_patterns": "simulations.izhikevich_patterns",
    "lif_fi_curve": "simulations.lif_fi_curve",
    "polychronization": "simulations.polychronization",
    "saccades": "simulations.saccades",
    "song_abbott": "simulations.song_abbott",
    "stdp_window": "simulations.stdp_window",
    "tripartite_synapse": "simulations.tripartite_synapse",
    "update_cost": "simulations.update_cost",
}

__all__ = ["SIMULATIONS"]
