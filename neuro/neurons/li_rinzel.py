"""Astrocyte: calcium after Li and Rinzel, IP3 metabolism (ChI), receptors of glutamate (G-ChI), and gliotransmission.

    C, I, Y, G: calcium, IP3, glutamate from synapses, gliotransmitter (uM).  Hill_n(x, K) = x^n / (x^n + K^n)
    dC/dt = (rate_release m^3 h^3 + rate_leak) (c_total - (1 + volume_ratio) C) - v_serca Hill_2(C, k_serca)
    m = Hill_1(I, d_1) Hill_1(C, d_5),   dh/dt = a_2 (q (1 - h) - C h),   q = d_2 (I + d_1) / (I + d_3)
    dI/dt = v_beta A + v_delta / (1 + I / k_inhibition) Hill_2(C, k_delta)
            - v_3k Hill_4(C, k_d) Hill_1(I, k_3) - r_5p I
    dA/dt = bind (Y + glutamate_ext) (1 - A) - unbind (1 + zeta Hill_1(C, k_pkc)) A
    dY/dt = -Y / tau_glutamate                   a spike of weight w (uM) arrives:  Y <- Y + w
    dx/dt = (1 - x) / tau_resources,   dG/dt = -G / tau_gliotransmitter
    C rises through c_threshold:  G <- G + quantum u_resources x,  x <- x - u_resources x
    dB/dt = bind_gliotransmitter G (1 - B) - B / tau_gamma

A is gamma_astrocyte, the bound share of the astrocyte's receptors, and B gamma_synapse, that of the receptors on the
presynaptic terminals that it covers: a short_term of TripartiteSynapse reads it. The output is C. Gliotransmission is
part of the cell because it needs the calcium of two steps, and all else that a backend sends is spikes. With v_beta,
v_delta, v_3k and r_5p of 0 IP3 stays as it starts, and C and h are the model of Li and Rinzel.

A step: Ralston's method of third order for C, h, I and A, with Y decaying exactly within it; x and G decay exactly; B
unbinds for dt / 2, binds for dt (exactly, in G) and unbinds for dt / 2; then arrivals, the crossing, the release.
Under constant glutamate a minute of oscillations is right to 2e-7 of itself with dt = 1 ms; under spikes, whose
glutamate decays within 25 ms, to 6e-6, and to 1e-6 with dt = 0.5 ms. bind Y dt should stay below 0.1, where binding is
right to 1e-5: this is 300 uM of glutamate with dt = 1 ms, and 3000 uM with dt = 0.1 ms.

References: lirinzel1994 (C and h), depitta2009 (IP3; the first two sets), stimberg2019 (all of it, in this form; the
third set), depitta2011 (gliotransmission).
Deviations: depitta2009 binds glutamate at once, with a Hill exponent of 0.7, where that of the other references is 1
and binding takes time; its sets take the speed of binding, and gliotransmission, from stimberg2019.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import exp, where
from neuro.units import decay, param, reference, vary


class LiRinzelState(NamedTuple):
    calcium: float  # free, in the cytosol, uM
    h: float  # share of IP3 receptors that calcium has not inactivated
    ip3: float  # uM
    gamma_astrocyte: float  # bound share of the receptors of glutamate
    glutamate: float  # from synapses, around the astrocyte, uM
    resources: float  # share of the gliotransmitter that is ready for release
    gliotransmitter: float  # around presynaptic terminals, uM
    gamma_synapse: float  # bound share of presynaptic receptors


class LiRinzelCoefficients(NamedTuple):
    r_c: float  # rate_release
    r_l: float  # rate_leak
    c_total: float
    ratio: float  # 1 + volume_ratio
    v_er: float  # v_serca
    k_er: float  # k_serca^2
    d_1: float
    d_2: float
    d_3: float
    d_5: float
    a_2: float
    v_beta: float
    v_delta: float  # times k_inhibition
    k_inhibition: float
    k_delta: float  # squared
    v_3k: float
    k_d: float  # to the fourth power
    k_3: float
    r_5p: float
    bind: float
    bind_2: float  # bind times the decay of glutamate over dt / 2, and over 3 dt / 4
    bind_3: float
    ambient: float  # bind glutamate_ext
    unbind: float
    unbind_pkc: float  # zeta unbind
    k_pkc: float
    dt_2: float  # dt / 2, to the second stage
    dt_3: float  # 3 dt / 4, to the third
    w_1: float  # 2 dt / 9, dt / 3, 4 dt / 9: weights of the three slopes
    w_2: float
    w_3: float
    p_glutamate: float  # decay over dt
    c_threshold: float
    u_resources: float
    p_resources: float  # decay over dt
    quantum: float
    p_gliotransmitter: float  # decay over dt
    exposure: float  # minus what binds over dt, for each uM at its start
    p_gamma: float  # decay of gamma_synapse over dt / 2
    zero: float
    one: float


# The slopes stand here once for each of the three stages, because a step calls no function of its own.
def li_rinzel_step(s, x, c):
    """One step of dt. s: LiRinzelState, x: arriving glutamate (uM). Returns (calcium, state)."""
    ca, h, ip3, bound, agonist = s.calcium, s.h, s.ip3, s.gamma_astrocyte, c.bind * s.glutamate + c.ambient
    gate, sq = ip3 / (ip3 + c.d_1) * ca / (ca + c.d_5) * h, ca * ca
    ca_1 = (c.r_c * gate * gate * gate + c.r_l) * (c.c_total - c.ratio * ca) - c.v_er * sq / (sq + c.k_er)
    h_1 = c.a_2 * (c.d_2 * (ip3 + c.d_1) / (ip3 + c.d_3) * (c.one - h) - ca * h)
    made = c.v_beta * bound + c.v_delta / (c.k_inhibition + ip3) * sq / (sq + c.k_delta)
    ip3_1 = made - c.v_3k * sq * sq / (sq * sq + c.k_d) * ip3 / (ip3 + c.k_3) - c.r_5p * ip3
    bound_1 = agonist * (c.one - bound) - (c.unbind + c.unbind_pkc * ca / (ca + c.k_pkc)) * bound

    ca, h, ip3 = s.calcium + c.dt_2 * ca_1, s.h + c.dt_2 * h_1, s.ip3 + c.dt_2 * ip3_1
    bound, agonist = s.gamma_astrocyte + c.dt_2 * bound_1, c.bind_2 * s.glutamate + c.ambient
    gate, sq = ip3 / (ip3 + c.d_1) * ca / (ca + c.d_5) * h, ca * ca
    ca_2 = (c.r_c * gate * gate * gate + c.r_l) * (c.c_total - c.ratio * ca) - c.v_er * sq / (sq + c.k_er)
    h_2 = c.a_2 * (c.d_2 * (ip3 + c.d_1) / (ip3 + c.d_3) * (c.one - h) - ca * h)
    made = c.v_beta * bound + c.v_delta / (c.k_inhibition + ip3) * sq / (sq + c.k_delta)
    ip3_2 = made - c.v_3k * sq * sq / (sq * sq + c.k_d) * ip3 / (ip3 + c.k_3) - c.r_5p * ip3
    bound_2 = agonist * (c.one - bound) - (c.unbind + c.unbind_pkc * ca / (ca + c.k_pkc)) * bound

    ca, h, ip3 = s.calcium + c.dt_3 * ca_2, s.h + c.dt_3 * h_2, s.ip3 + c.dt_3 * ip3_2
    bound, agonist = s.gamma_astrocyte + c.dt_3 * bound_2, c.bind_3 * s.glutamate + c.ambient
    gate, sq = ip3 / (ip3 + c.d_1) * ca / (ca + c.d_5) * h, ca * ca
    ca_3 = (c.r_c * gate * gate * gate + c.r_l) * (c.c_total - c.ratio * ca) - c.v_er * sq / (sq + c.k_er)
    h_3 = c.a_2 * (c.d_2 * (ip3 + c.d_1) / (ip3 + c.d_3) * (c.one - h) - ca * h)
    made = c.v_beta * bound + c.v_delta / (c.k_inhibition + ip3) * sq / (sq + c.k_delta)
    ip3_3 = made - c.v_3k * sq * sq / (sq * sq + c.k_d) * ip3 / (ip3 + c.k_3) - c.r_5p * ip3
    bound_3 = agonist * (c.one - bound) - (c.unbind + c.unbind_pkc * ca / (ca + c.k_pkc)) * bound

    calcium, h = s.calcium + c.w_1 * ca_1 + c.w_2 * ca_2 + c.w_3 * ca_3, s.h + c.w_1 * h_1 + c.w_2 * h_2 + c.w_3 * h_3
    ip3 = s.ip3 + c.w_1 * ip3_1 + c.w_2 * ip3_2 + c.w_3 * ip3_3
    bound = s.gamma_astrocyte + c.w_1 * bound_1 + c.w_2 * bound_2 + c.w_3 * bound_3
    free = (c.one - c.p_gamma * s.gamma_synapse) * exp(c.exposure * s.gliotransmitter)
    resources = c.one - c.p_resources * (c.one - s.resources)
    crosses = (calcium >= c.c_threshold) & (s.calcium < c.c_threshold)
    released = where(crosses, c.u_resources * resources, c.zero)
    gliotransmitter = c.p_gliotransmitter * s.gliotransmitter + c.quantum * released
    glutamate, gamma = c.p_glutamate * s.glutamate + x, c.p_gamma * (c.one - free)
    return calcium, LiRinzelState(calcium, h, ip3, bound, glutamate, resources - released, gliotransmitter, gamma)


@dataclass(frozen=True, eq=False)
class LiRinzel:
    """Astrocyte whose output is its calcium; it binds glutamate and releases gliotransmitter."""

    c_total: float = param("uM", "free calcium of the whole cell, as if it were all in the cytosol", above=0)
    volume_ratio: float = param("1", "volume of the endoplasmic reticulum, relative to the cytosol", above=0)
    rate_release: float = param("1/ms", "largest rate of release through IP3 receptors", minimum=0)
    rate_leak: float = param("1/ms", "rate of the leak from the reticulum", minimum=0)
    v_serca: float = param("uM/ms", "largest uptake into the reticulum", minimum=0)
    k_serca: float = param("uM", "calcium at half of it", above=0)
    d_1: float = param("uM", "dissociation of IP3 from its receptor", above=0)
    d_2: float = param("uM", "dissociation of inactivating calcium", above=0)
    d_3: float = param("uM", "dissociation of IP3 from an inactivated receptor", above=0)
    d_5: float = param("uM", "dissociation of activating calcium", above=0)
    a_2: float = param("1/(uM ms)", "rate at which inactivating calcium binds", above=0)
    v_beta: float = param("uM/ms", "largest production of IP3 by PLC beta, which glutamate drives", minimum=0)
    v_delta: float = param("uM/ms", "largest production by PLC delta", minimum=0)
    k_inhibition: float = param("uM", "IP3 that halves PLC delta", above=0)
    k_delta: float = param("uM", "calcium at half of the activity of PLC delta", above=0)
    v_3k: float = param("uM/ms", "largest degradation of IP3 by the 3-kinase", minimum=0)
    k_d: float = param("uM", "calcium at half of it", above=0)
    k_3: float = param("uM", "IP3 at half of it", above=0)
    r_5p: float = param("1/ms", "rate of degradation by the 5-phosphatase", minimum=0)
    bind: float = param("1/(uM ms)", "rate at which glutamate binds to the astrocyte", minimum=0)
    unbind: float = param("1/ms", "rate at which it unbinds", minimum=0)
    zeta: float = param("1", "by how much PKC speeds up unbinding, at most", minimum=0)
    k_pkc: float = param("uM", "calcium at half of that", above=0)
    tau_glutamate: float = param("ms", "time constant of the clearance of glutamate", above=0)
    glutamate_ext: float = param("uM", "constant glutamate", minimum=0)
    c_threshold: float = param("uM", "gliotransmitter is released where calcium rises through it", above=0)
    u_resources: float = param("1", "share of the resources that is released", minimum=0, maximum=1)
    tau_resources: float = param("ms", "time constant of their recovery", above=0)
    quantum: float = param("uM", "what all resources would add to the gliotransmitter outside", minimum=0)
    tau_gliotransmitter: float = param("ms", "time constant of its clearance", above=0)
    bind_gliotransmitter: float = param("1/(uM ms)", "rate at which it binds to presynaptic receptors", minimum=0)
    tau_gamma: float = param("ms", "time constant with which it unbinds", above=0)
    source: str = reference()

    State: ClassVar = LiRinzelState
    step: ClassVar = staticmethod(li_rinzel_step)
    graded: ClassVar[bool] = True
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "uM"

    EQUATIONS: ClassVar[str] = """
        dcalcium/dt = (rate_release * (ip3 / (ip3 + d_1) * calcium / (calcium + d_5) * h)**3 + rate_leak)
                      * (c_total - (1 + volume_ratio) * calcium)
                      - v_serca * calcium**2 / (calcium**2 + k_serca**2) : mmolar
        dh/dt = a_2 * (d_2 * (ip3 + d_1) / (ip3 + d_3) * (1 - h) - calcium * h) : 1
        dip3/dt = v_beta * gamma_astrocyte
                  + v_delta / (1 + ip3 / k_inhibition) * calcium**2 / (calcium**2 + k_delta**2)
                  - v_3k * calcium**4 / (calcium**4 + k_d**4) * ip3 / (ip3 + k_3) - r_5p * ip3 : mmolar
        dgamma_astrocyte/dt = bind * (glutamate + glutamate_ext) * (1 - gamma_astrocyte)
                              - unbind * (1 + zeta * calcium / (calcium + k_pkc)) * gamma_astrocyte : 1
        dglutamate/dt = -glutamate / tau_glutamate : mmolar
        dresources/dt = (1 - resources) / tau_resources : 1
        dgliotransmitter/dt = -gliotransmitter / tau_gliotransmitter : mmolar
        dgamma_synapse/dt = bind_gliotransmitter * gliotransmitter * (1 - gamma_synapse)
                            - gamma_synapse / tau_gamma : 1
    """
    THRESHOLD: ClassVar[str] = ""
    RESET: ClassVar[str] = ""
    CROSSING: ClassVar[tuple[str, str]] = (
        "calcium >= c_threshold",
        "gliotransmitter += quantum * u_resources * resources; resources -= u_resources * resources",
    )
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "glutamate_post += w * umolar"}
    METHOD: ClassVar[str] = "rk4"

    def coefficients(self, dt: float) -> LiRinzelCoefficients:
        """All that depends on parameters and dt (ms)."""
        p_gliotransmitter = decay(dt, self.tau_gliotransmitter)
        return LiRinzelCoefficients(
            r_c=self.rate_release, r_l=self.rate_leak, c_total=self.c_total, ratio=1.0 + self.volume_ratio,
            v_er=self.v_serca, k_er=self.k_serca**2, d_1=self.d_1, d_2=self.d_2, d_3=self.d_3, d_5=self.d_5,
            a_2=self.a_2, v_beta=self.v_beta, v_delta=self.v_delta * self.k_inhibition,
            k_inhibition=self.k_inhibition, k_delta=self.k_delta**2, v_3k=self.v_3k, k_d=self.k_d**4, k_3=self.k_3,
            r_5p=self.r_5p, bind=self.bind, bind_2=self.bind * decay(0.5 * dt, self.tau_glutamate),
            bind_3=self.bind * decay(0.75 * dt, self.tau_glutamate), ambient=self.bind * self.glutamate_ext,
            unbind=self.unbind, unbind_pkc=self.unbind * self.zeta, k_pkc=self.k_pkc,
            dt_2=0.5 * dt, dt_3=0.75 * dt, w_1=2.0 * dt / 9.0, w_2=dt / 3.0, w_3=4.0 * dt / 9.0,
            p_glutamate=decay(dt, self.tau_glutamate), c_threshold=self.c_threshold, u_resources=self.u_resources,
            p_resources=decay(dt, self.tau_resources), quantum=self.quantum, p_gliotransmitter=p_gliotransmitter,
            exposure=-self.bind_gliotransmitter * self.tau_gliotransmitter * (1.0 - p_gliotransmitter),
            p_gamma=decay(0.5 * dt, self.tau_gamma), zero=0.0, one=1.0,
        )  # fmt: skip

    def initial(self) -> LiRinzelState:
        """As in the programs of stimberg2019: little calcium and IP3, receptors ready, resources full."""
        return LiRinzelState(0.01, 0.9, 0.01, 0.0, 0.0, 1.0, 0.0, 0.0)


PER_S = 1e-3  # 1/s in 1/ms

# Table 1 of depitta2009, amplitude modulation (AM), which could not be opened here: the numbers in which two public
# programs after it agree. unbind and zeta are such that half of the receptors are bound at K_R + K_p Hill_1(C, k_pkc) =
# 1.3 + 10 Hill_1(C, k_pkc) uM.
DE_PITTA_AM = LiRinzel(
    c_total=2.0, volume_ratio=0.185, rate_release=6.0 * PER_S, rate_leak=0.11 * PER_S, v_serca=0.9 * PER_S, k_serca=0.1,
    d_1=0.13, d_2=1.049, d_3=0.9434, d_5=0.08234, a_2=0.2 * PER_S, v_beta=0.2 * PER_S, v_delta=0.02 * PER_S,
    k_inhibition=1.5, k_delta=0.1, v_3k=2.0 * PER_S, k_d=0.7, k_3=1.0, r_5p=0.04 * PER_S, bind=0.3 * PER_S,
    unbind=1.3 * 0.3 * PER_S, zeta=10.0 / 1.3, k_pkc=0.6, tau_glutamate=1000.0 / 40.0, glutamate_ext=0.0,
    c_threshold=0.5, u_resources=0.6, tau_resources=1000.0 / 0.6, quantum=6.5e-4 * 200e3,
    tau_gliotransmitter=1000.0 / 60.0, bind_gliotransmitter=1.5 * PER_S, tau_gamma=60e3 / 0.5, source="depitta2009",
)  # fmt: skip

# The same table, frequency modulation (FM). One of the programs has a k_serca of 0.051 uM.
DE_PITTA_FM = vary(
    DE_PITTA_AM, source="depitta2009", k_serca=0.05, v_delta=0.05 * PER_S, r_5p=0.05 * PER_S, v_beta=0.5 * PER_S
)

# The tables of its appendix, with the v_beta of the program example_4_synrel.py. The clearance of glutamate and all
# numbers of gliotransmission are those of the sets above.
STIMBERG = vary(
    DE_PITTA_AM, source="stimberg2019", volume_ratio=0.18, rate_leak=0.1 * PER_S, k_serca=0.05, d_2=1.05, d_5=0.08,
    v_beta=3.2 * PER_S, v_delta=0.6 * PER_S, v_3k=4.5 * PER_S, r_5p=0.05 * PER_S, unbind=0.5 * PER_S, zeta=10.0,
    k_pkc=0.5,
)  # fmt: skip

SETS = {"DE_PITTA_AM": DE_PITTA_AM, "DE_PITTA_FM": DE_PITTA_FM, "STIMBERG": STIMBERG}
