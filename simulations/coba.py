"""Benchmark 1 from: Brette et al. (2007), after Vogels & Abbott (2005): a network kept alive by itself (COBA).

doi:10.1007/s10827-007-0038-6, doi:10.1523/JNEUROSCI.3508-05.2005. As `cuba`, with conductances of 6 and 67 nS.
A neuron alone is silent: activity lives on once kindled, for a time that grows with the network, and may end.
Neurons start from the potentials and conductances of the review's script for Brian (R. Brette, COBA.py). From
these, 9 of 60 seeds (4, 9, 22, ...) fall silent within 33 ms, the others were alive after 700 ms. NEST's
coba.py drives 50 neurons for 50 ms instead; run with NEST 3.10, its activity then died (0.4 Hz in the first second).

The record is that of `cuba`; its reference_P are rates of the review's equations in brian2.
"""

from pathlib import Path

import numpy as np

from neuro.neurons import lif_conductance
from simulations import cuba
from simulations.run import run_simulation

NEURON = lif_conductance.VOGELS_ABBOTT_COBA
WEIGHTS = {"exc": 6.0, "inh": 67.0}  # nS
REFERENCE = (18.9, 19.6)  # Hz; the review's equations in brian2 2.9, all neurons, 200 to 1000 ms, three seeds

# The script draws conductances in units of the leak's 10 nS. Deviation: the few negative ones become 0.
START: cuba.Start = {
    "v": lambda rng, n: NEURON.v_rest + rng.normal(-5.0, 5.0, n),
    "g_exc": lambda rng, n: NEURON.g_leak * np.maximum(rng.normal(4.0, 1.5, n), 0.0),
    "g_inh": lambda rng, n: NEURON.g_leak * np.maximum(rng.normal(20.0, 12.0, n), 0.0),
}


Recipe = cuba.Recipe


def models(recipe: Recipe) -> tuple:
    return (NEURON,)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    return cuba.measure(recipe, cuba.run(recipe, NEURON, WEIGHTS, START), REFERENCE)


if __name__ == "__main__":
    print(run_simulation("coba", Recipe(), Path("runs")).path)
