"""The nodes of NIR that have a state, or a threshold, as models of this project.

    LIF         lif_delta (reset by subtraction: lif_soft_reset)
    IF          integrate_and_fire (by subtraction: lif_soft_reset that never forgets)
    LI, I       leaky_integrator; I is one that never forgets
    CubaLIF     lif under "exact", where arrivals act from the next step on; cuba_lif under "euler", where at once
    CubaLI      two leaky integrators in a row, of the synapse and of the membrane
    Threshold   lif_delta that forgets all within a step

A constant current b of an Affine node is i_ext; where it passes a synapse it grows as b (1 - exp(-t / tau_syn)), which
is i_ext with a current of -b that decays from the start. NIR gives no initial values: v starts at v_leak, or at 0
without leak.

Deviation: NIR's neurons fire where v > v_threshold, these where v >= v_th.
References: pedersen2024.
"""

from typing import Any, NamedTuple

import nir
import numpy as np
from numpy.typing import NDArray

from neuro.interop.conventions import FOREVER, INSTANT, MS, Conventions
from neuro.interop.imported import plain
from neuro.interop.nir_linear import numbers
from neuro.neurons.cuba_lif import CubaLIF
from neuro.neurons.exact import phi1
from neuro.neurons.integrate_and_fire import IntegrateAndFire
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif import LIF
from neuro.neurons.lif_delta import LIFDelta
from neuro.neurons.lif_soft_reset import SoftResetLIF

NEURONS = nir.LIF, nir.IF, nir.LI, nir.I, nir.CubaLIF, nir.CubaLI, nir.Threshold
SOURCE = "pedersen2024"


class Stage(NamedTuple):
    """A population of a node: its model, what a weight of the file is multiplied by, and starting values.

    link, link_steps: weight and delay of the projection to the next stage, one to one.
    """

    suffix: str
    model: Any
    gain: Any
    initial: dict[str, Any] = {}
    link: Any = None
    link_steps: int = 0


def own_shape(node: Any) -> tuple[int, ...] | None:
    """The shape that the parameters of a neuron have, where one of them is not a single number."""
    shapes = [np.shape(value) for field, value in vars(node).items() if field not in ("input_type", "output_type")]
    shapes = [shape for shape in shapes if int(np.prod(shape)) > 1]
    return max(shapes, key=lambda shape: int(np.prod(shape))) if shapes else None


def stages(node: Any, size: int, bias: NDArray[np.float64], given: Conventions) -> list[Stage]:
    """The populations that a node becomes. bias: constant current of each neuron, in the file's unit."""

    def field(name: str) -> NDArray[np.float64]:
        values = numbers(node, name).ravel()
        if values.size not in (1, size):
            raise ValueError(f"{name} has shape {np.shape(getattr(node, name))}, and there are {size} neurons")
        return np.broadcast_to(values, size)

    def positive(name: str) -> NDArray[np.float64]:
        if field(name).min() <= 0.0:
            raise ValueError(f"{name} = {field(name).min():g} is not positive")
        return field(name)

    return READERS[type(node)](field, positive, bias, given)


def _lif(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    r, tau = positive("r"), positive("tau")
    common: dict[str, Any] = {
        "tau_m": plain(given.time_constant(tau, "tau")),
        "r_m": plain(r * given.voltage / given.current),
        "v_rest": plain(field("v_leak") * given.voltage),
        "i_ext": plain(bias * given.current),
        "source": SOURCE,
    }
    gain = r * given.gain(tau, "tau") * given.voltage
    return [Stage("", _resetting(field, given, common), gain)]


def _resetting(field: Any, given: Conventions, common: dict[str, Any]) -> Any:
    v_th = plain(field("v_threshold") * given.voltage)
    if given.reset == "subtract":
        return SoftResetLIF(v_th=v_th, v_drop=v_th, **common)
    return LIFDelta(v_th=v_th, v_reset=plain(field("v_reset") * given.voltage), t_ref=0.0, **common)


def _if(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    r = positive("r")
    gain = r * given.gain_without_leak * given.voltage
    if given.reset == "subtract":
        if np.any(bias):
            raise ValueError("it has a constant current and reset by subtraction; take reset 'value'")
        common: dict[str, Any] = {
            "tau_m": FOREVER * given.dt, "r_m": 1.0, "v_rest": 0.0, "i_ext": 0.0, "source": SOURCE,
        }  # fmt: skip
        return [Stage("", _resetting(field, given, common), gain)]
    model = IntegrateAndFire(
        c_m=plain(MS * given.current / (r * given.voltage)),  # pF = pA ms / mV
        v_th=plain(field("v_threshold") * given.voltage),
        v_reset=plain(field("v_reset") * given.voltage),
        t_ref=0.0,
        i_ext=plain(bias * given.current),
        source=SOURCE,
    )
    return [Stage("", model, gain, {"v": 0.0})]


def _li(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    tau, v_leak = positive("tau"), field("v_leak") * given.voltage
    v_rest = v_leak + field("r") * bias * given.voltage
    model = LeakyIntegrator(tau_m=plain(given.time_constant(tau, "tau")), v_rest=plain(v_rest), source=SOURCE)
    return [Stage("", model, field("r") * given.gain(tau, "tau") * given.voltage, {"v": plain(v_leak)})]


def _i(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    if np.any(bias):
        raise ValueError("it integrates a constant current, so that it grows without bound; leave the bias out")
    model = LeakyIntegrator(tau_m=FOREVER * given.dt, v_rest=0.0, source=SOURCE)
    return [Stage("", model, field("r") * given.gain_without_leak * given.voltage)]


def _cuba_lif(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    tau_syn, tau_mem = positive("tau_syn"), positive("tau_mem")
    current = field("w_in") * bias * given.current
    exact = given.discretisation == "exact"
    given.left(tau_mem, "tau_mem")  # refuses an unstable step
    if given.reset == "subtract":
        raise ValueError("no model here has synaptic currents and reset by subtraction; take reset 'value'")
    model = (LIF if exact else CubaLIF)(
        tau_m=plain(tau_mem * MS),
        tau_syn=plain(given.time_constant(tau_syn, "tau_syn")),
        r_m=plain(positive("r") * given.voltage / given.current),
        v_rest=plain(field("v_leak") * given.voltage),
        v_th=plain(field("v_threshold") * given.voltage),
        v_reset=plain(field("v_reset") * given.voltage),
        t_ref=0.0,
        i_ext=plain(current),
        source=SOURCE,
    )
    initial = {"i_syn": plain(-current)} if np.any(current) else {}
    return [Stage("", model, field("w_in") * given.gain(tau_syn, "tau_syn") * given.current, initial)]


def _cuba_li(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    """The first integrator holds r I, mV. Under "exact", the membrane sees it a step later, by the exact propagator.

    A constant current acts on the membrane, and the first integrator starts at its negative; what that should have done
    in the first step, when nothing has arrived yet, is in the starting value of v.
    """
    tau_syn, tau_mem, dt = positive("tau_syn"), positive("tau_mem"), given.dt
    drive = field("r") * field("w_in") * given.voltage
    v_leak, constant = field("v_leak") * given.voltage, drive * bias
    if given.discretisation == "exact":
        syn, mem = dt / (tau_syn * MS), dt / (tau_mem * MS)
        link, link_steps = mem * np.exp(-syn) * phi1(syn - mem), 1
        start = v_leak - link * np.exp(mem) * constant
    else:
        link, link_steps, start = 1.0 - given.left(tau_mem, "tau_mem"), 0, v_leak
    tau_s, tau_m = (plain(given.time_constant(tau, "time constant")) for tau in (tau_syn, tau_mem))
    synapse = LeakyIntegrator(tau_m=tau_s, v_rest=0.0, source=SOURCE)
    membrane = LeakyIntegrator(tau_m=tau_m, v_rest=plain(v_leak + constant), source=SOURCE)
    gain = drive * given.gain(tau_syn, "tau_syn")
    return [
        Stage("_syn", synapse, gain, {"v": plain(-constant)}, link, link_steps),
        Stage("", membrane, None, {"v": plain(start)}),
    ]


def _threshold(field: Any, positive: Any, bias: Any, given: Conventions) -> list[Stage]:
    model = LIFDelta(
        tau_m=INSTANT * given.dt,
        r_m=1.0,
        v_rest=0.0,
        v_th=plain(field("threshold") * given.voltage),
        v_reset=0.0,
        t_ref=0.0,
        i_ext=plain(bias * given.voltage),
        source=SOURCE,
    )
    return [Stage("", model, given.voltage)]


def relay(bias: NDArray[np.float64], given: Conventions) -> Stage:
    """A population that sends on what arrives in a step, in mV: for an output behind linear nodes."""
    model = LeakyIntegrator(tau_m=INSTANT * given.dt, v_rest=plain(bias * given.voltage), source=SOURCE)
    return Stage("", model, given.voltage)


READERS = {
    nir.LIF: _lif,
    nir.IF: _if,
    nir.LI: _li,
    nir.I: _i,
    nir.CubaLIF: _cuba_lif,
    nir.CubaLI: _cuba_li,
    nir.Threshold: _threshold,
}
