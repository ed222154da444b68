"""The leaky integrate-and-fire compartment of Intel's Loihi, in the integers of the chip.

    u <- decay(u, current_decay + 1) + 64 a              a: what arrives, the sum of weights m 2^e
    v <- decay(v, voltage_decay) + u + bias_mantissa 2^bias_exponent         u, v: 24 bits with sign, saturating
    v > 64 v_th:  spike, v <- 0, held there for t_ref                        decay(x, d) = x (4096 - d) / 4096

The parameters are the registers of the chip: decays of 12 bits a step, a bias of 13 bits and an exponent, a threshold
of 17 bits. u and v count in units of the least bit; a step of dt is a step of the chip, whatever dt.

The backend `fixed_point` computes this in integers, with each decay rounded towards zero and u, v saturating. The
other backends run `step`, the same equations in real numbers without bounds: for gradients, and to see what the
rounding does. On integers v > 64 v_th is v >= 64 v_th + 1, as the step has it.

References: davies2018 (the compartment), lava (widths, order and rounding: src/lava/proc/lif/models.py, the
bit-accurate model; sets), nengo_loihi (refractoriness).
Deviations: t_ref holds v as everywhere here, so a refractory delay of r steps in nengo_loihi is t_ref = (r - 1) dt;
Lava's bit-accurate model has none. Where u overflows Lava wraps it around; here it saturates, and is counted.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import param, reference

UNITY = 4096  # of decays, 12 bits
SHIFT = 6  # bits by which thresholds and arrivals are shifted to the left
ONE_ARRIVAL = 1 << SHIFT
LARGEST = 2**23 - 1  # of u and v


class LoihiLIFState(NamedTuple):
    u: float  # current, least bits
    v: float  # membrane potential, least bits
    refrac: float  # time left in refractoriness, ms


class LoihiLIFCoefficients(NamedTuple):
    p_uu: float  # what a step leaves of u
    p_vv: float  # what a step leaves of v
    arrival: float  # least bits of u per unit of what arrives
    bias: float
    v_th: float  # the least whole number above the threshold
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def loihi_lif_step(s, x, c):
    """One step of dt. s: LoihiLIFState, x: arriving weights, c: LoihiLIFCoefficients. Returns (spike, state)."""
    u = c.p_uu * s.u + c.arrival * x
    free = s.refrac <= c.half_dt
    v = where(free, c.p_vv * s.v + u + c.bias, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LoihiLIFState(u, where(fired, c.v_reset, v), refrac)


def current_first(equations: Any, variables: Any, options: Any) -> str:
    """The code of a step for brian2, from EQUATIONS: u decays, then v decays and takes it up."""
    slope = dict(equations.get_substituted_expressions(variables))
    return f"u += dt * ({slope['u']})\nv += dt * ({slope['v']})"


@dataclass(frozen=True, eq=False)
class LoihiLIF:
    """Leaky integrate-and-fire compartment of the Loihi chip, by its registers."""

    current_decay: int = param(
        "1", "decay of u in a step, of 4096, without the 1 that is added", minimum=0, maximum=4095
    )
    voltage_decay: int = param("1", "decay of v in a step, of 4096", minimum=0, maximum=4095)
    bias_mantissa: int = param("1", "constant input to v", minimum=-4096, maximum=4095)
    bias_exponent: int = param("1", "the bias is bias_mantissa 2^bias_exponent", minimum=0, maximum=7)
    v_th: int = param("1", "threshold mantissa: spike when v > 64 v_th", minimum=0, maximum=2**17 - 1)
    t_ref: float = param("ms", "refractory period, a multiple of dt, up to 63 steps", minimum=0)
    source: str = reference()

    State: ClassVar = LoihiLIFState
    step: ClassVar = staticmethod(loihi_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "1"

    EQUATIONS: ClassVar[str] = """
        du/dt = -(current_decay + 1) / 4096 * u / dt : 1
        dv/dt = (-voltage_decay / 4096 * v + u + bias_mantissa * 2**bias_exponent) / dt : 1 (unless refractory)
    """
    THRESHOLD: ClassVar[str] = "v >= 64 * v_th + 1"
    RESET: ClassVar[str] = "v = 0"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "u_post += 64 * w; v_post += 64 * w * int(not_refractory_post)"}
    METHOD: ClassVar[Any] = staticmethod(current_first)

    def coefficients(self, dt: float) -> LoihiLIFCoefficients:
        """All that depends on parameters and dt (ms), as real numbers."""
        return LoihiLIFCoefficients(
            p_uu=(UNITY - 1.0 - self.current_decay) / UNITY,
            p_vv=(UNITY - 1.0 * self.voltage_decay) / UNITY,
            arrival=float(ONE_ARRIVAL),
            bias=self.bias_mantissa * 2.0**self.bias_exponent,
            v_th=1.0 * ONE_ARRIVAL * self.v_th + 1.0,
            v_reset=0.0,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> LoihiLIFState:
        return LoihiLIFState(u=0.0, v=0.0, refrac=0.0)


# Defaults of lava.proc.lif.process.LIF: neither leaks, but for the 1 that the chip adds to the decay of u.
LAVA_DEFAULT = LoihiLIF(
    current_decay=0, voltage_decay=0, bias_mantissa=0, bias_exponent=0, v_th=10, t_ref=0.0, source="lava",
)  # fmt: skip

# First layer of Lava's tutorial that classifies MNIST: the current is gone after a step, the membrane does not leak.
# Its biases are trained ones; here there is none.
LAVA_MNIST = LoihiLIF(
    current_decay=4095, voltage_decay=0, bias_mantissa=0, bias_exponent=0, v_th=400, t_ref=0.0, source="lava",
)  # fmt: skip

SETS = {"LAVA_DEFAULT": LAVA_DEFAULT, "LAVA_MNIST": LAVA_MNIST}
