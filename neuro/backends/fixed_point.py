"""Whole numbers in place of real ones: networks of Loihi neurons in the chip's integers, others in a Q-format.

    simulate(net, weights, inputs, duration=..., backend="fixed_point", arithmetic=QFormat(total=24, fraction=16))
    simulate(chip, ..., backend="fixed_point")            where all neurons are LoihiLIF: arithmetic=Loihi()

With a QFormat every model runs its own `step`, on a type whose operators shift and saturate (fixed_point_dialect.py). A
network of LoihiLIF runs in a compiled event-driven loop over all compartments of the chip (loihi_kernels.py), and can
learn there by sums of products. What saturates stops the run unless that is allowed, and is counted.
"""

from neuro.backends import fixed_point_steps, loihi, loihi_arrays
from neuro.backends.fixed_point_formats import Loihi, QFormat
from neuro.backends.job import Job
from neuro.network import Network, PoissonSource
from neuro.record import Record
from neuro.units import check


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = [
        f"population {p.name!r} is a Poisson source; give its spikes as Events"
        for p in net.populations
        if isinstance(p.model, PoissonSource)
    ]
    if net.drives:
        reasons.append("it has Poisson drives; give their spikes as Events from a Source")
    arithmetic = loihi_arrays if loihi_arrays.is_chip(net) else fixed_point_steps
    return reasons + arithmetic.unsupported(net, plastic)


def run(job: Job) -> Record:
    """Run a job in the arithmetic that it names."""
    if job.weights_every:
        raise ValueError("backend 'fixed_point' keeps weights at the end alone; leave out record='PROJECTION.weights'")
    arithmetic, is_chip = job.arithmetic, loihi_arrays.is_chip(job.net)
    if is_chip and isinstance(arithmetic, Loihi | None):
        return loihi.run(job, arithmetic or Loihi())
    if is_chip or not isinstance(arithmetic, QFormat):
        wanted = "Loihi()" if is_chip else "QFormat(total, fraction)"
        raise ValueError(f"arithmetic = {arithmetic!r} does not fit the network's neurons; give arithmetic={wanted}")
    check(arithmetic)
    if arithmetic.fraction >= arithmetic.total:
        raise ValueError(f"{arithmetic!r}: fewer bits in all than after the binary point; give fraction < total")
    return fixed_point_steps.run(job, arithmetic)
