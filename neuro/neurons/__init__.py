"""The registry of neuron models, and what a model must offer."""

from typing import Any, ClassVar, Protocol

from neuro.neurons import (
    adex,
    alif,
    cuba_lif,
    integrate_and_fire,
    izhikevich,
    izhikevich_2007,
    izhikevich_half_steps,
    leaky_integrator,
    li_rinzel,
    lif,
    lif_adaptive_threshold,
    lif_alpha,
    lif_conductance,
    lif_delta,
    lif_exc_inh,
    lif_intrinsic,
    lif_soft_reset,
    loihi_lif,
)


class Model(Protocol):
    """A frozen dataclass of parameters plus a pure step over typed state (see lif.py).

    graded: the step returns a number to be sent on, not a spike. receptors: names of the inputs, in order;
    a step gets one number where there is one, else the NamedTuple Arrivals of all. arrival_unit: of these.
    ADDS_TO: receptor -> the field of the state to which what arrives is added at the end of the flow, where neither
    the threshold nor another field looks at it in the same step; a model of which this is not true has no ADDS_TO.
    FLOW: field of each receptor's exponential current -> name of its time constant, {} where spikes move v itself;
    models that have it, which is closed between spikes, run with update="asynchronous" too.
    EQUATIONS, THRESHOLD, RESET, ON_ARRIVAL, METHOD: the same model a second time, for brian2. CROSSING: of a graded
    model that acts when a condition becomes true, the condition and the action.
    """

    State: ClassVar[Any]
    step: ClassVar[Any]
    graded: ClassVar[bool]
    receptors: ClassVar[tuple[str, ...]]
    arrival_unit: ClassVar[str]
    EQUATIONS: ClassVar[str]
    THRESHOLD: ClassVar[str]
    RESET: ClassVar[str]
    ON_ARRIVAL: ClassVar[dict[str, str]]
    METHOD: ClassVar[Any]  # the name of an integrator of brian2, or a function that writes the code of a step

    @property
    def source(self) -> str: ...
    def coefficients(self, dt: float) -> Any: ...
    def initial(self) -> Any: ...


NEURONS = {
    "lif": lif.LIF,
    "lif_delta": lif_delta.LIFDelta,
    "cuba_lif": cuba_lif.CubaLIF,
    "lif_exc_inh": lif_exc_inh.LIFExcInh,
    "lif_alpha": lif_alpha.LIFAlpha,
    "lif_conductance": lif_conductance.LIFConductance,
    "alif": alif.AdaptiveLIF,
    "lif_intrinsic": lif_intrinsic.IntrinsicLIF,
    "lif_adaptive_threshold": lif_adaptive_threshold.ThresholdLIF,
    "lif_soft_reset": lif_soft_reset.SoftResetLIF,
    "integrate_and_fire": integrate_and_fire.IntegrateAndFire,
    "leaky_integrator": leaky_integrator.LeakyIntegrator,
    "li_rinzel": li_rinzel.LiRinzel,
    "izhikevich": izhikevich.Izhikevich,
    "izhikevich_half_steps": izhikevich_half_steps.IzhikevichHalfSteps,
    "izhikevich_2007": izhikevich_2007.Izhikevich2007,
    "adex": adex.AdEx,
    "loihi_lif": loihi_lif.LoihiLIF,
}

# Named parameter sets of each model, each with its source.
SETS = {
    "lif": lif.SETS,
    "lif_delta": lif_delta.SETS,
    "cuba_lif": cuba_lif.SETS,
    "lif_exc_inh": lif_exc_inh.SETS,
    "lif_alpha": lif_alpha.SETS,
    "lif_conductance": lif_conductance.SETS,
    "alif": alif.SETS,
    "lif_intrinsic": lif_intrinsic.SETS,
    "lif_adaptive_threshold": lif_adaptive_threshold.SETS,
    "lif_soft_reset": lif_soft_reset.SETS,
    "integrate_and_fire": integrate_and_fire.SETS,
    "leaky_integrator": leaky_integrator.SETS,
    "li_rinzel": li_rinzel.SETS,
    "izhikevich": izhikevich.SETS,
    "izhikevich_half_steps": izhikevich_half_steps.SETS,
    "izhikevich_2007": izhikevich_2007.SETS,
    "adex": adex.SETS,
    "loihi_lif": loihi_lif.SETS,
}
