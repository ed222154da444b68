"""A liquid: neurons on a lattice, connected by distance, driven by an input, and what may change its synapses.

    P(connected) = c exp(-(distance / length)^2),  c for each pair of types: e excitatory, i inhibitory
    a share p_input of all pairs of an input and a neuron is connected, with either sign

A fifth of the neurons is inhibitory. Types lie on the lattice at random. All synapses begin with one absolute weight,
and have a delay of one step.

References: maass2002 (the geometry), ivanov2021 (all numbers; the astrocyte as a modulator of the liquid's STDP).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Dense, DistanceDependent, FromArrays
from neuro.network import Network, Population, Projection, Source
from neuro.neurons import cuba_lif
from neuro.plasticity import activity_stdp, liquid_stdp
from neuro.seeds import child
from neuro.units import vary
from neuro.weights import connect

TYPES = ("excitatory", "inhibitory")
PLASTIC = tuple(f"{pre}->{post}" for pre in ("input", *TYPES) for post in TYPES)  # projections, as far as weights go


class Rules(NamedTuple):
    """Of the synapses from the input, from excitatory and from inhibitory neurons."""

    input: Any
    excitatory: Any
    inhibitory: Any


class Plasticity(NamedTuple):
    """What changes the synapses of a liquid.

    rules: None: nothing does. has_astrocyte: whether an astrocyte sets the depression. is_lasting: whether plasticity
    goes on while a sample is shown to the readout, or ends with the initialisation. weight: of all synapses, at first.
    """

    rules: Rules | None
    has_astrocyte: bool
    is_lasting: bool
    weight: float


ASTROCYTE = Rules(liquid_stdp.NALSM_INPUT, liquid_stdp.NALSM_EXCITATORY, liquid_stdp.NALSM_INHIBITORY)
# Without an astrocyte depression has the rate of potentiation.
FIXED = {"source": "ivanov2021", "a_minus": 0.15 * liquid_stdp.NALSM_INPUT.a_minus}
STDP = Rules(*(vary(rule, **FIXED) for rule in ASTROCYTE))
ACTIVITY = Rules(activity_stdp.AP_INPUT, activity_stdp.AP_EXCITATORY, activity_stdp.AP_INHIBITORY)

# The starting weights: the largest one, for AP-STDP 1. Of a liquid without plasticity the publication shows 0.4 to 1.4,
# and reports the best of each network; 0.9 is the best of them on average.
PLASTICITIES = {
    "none": Plasticity(None, False, False, 0.9),
    "stdp": Plasticity(STDP, False, True, 3.0),
    "ap-stdp": Plasticity(ACTIVITY, False, False, 1.0),
    "astrocyte": Plasticity(ASTROCYTE, True, True, 3.0),
}


def unslowed(rules: Rules) -> Rules:
    """Rules that do not come to rest."""
    changes = {"source": "ivanov2021", "slowing": 0.0}
    return Rules(*(vary(rule, **changes) if hasattr(rule, "slowing") else rule for rule in rules))


@dataclass(frozen=True)
class Liquid:
    """shape: of the lattice. c: of synapses by (pre, post), two of TYPES. dt: ms. seed: of all that is drawn."""

    shape: tuple[int, int, int]
    n_inputs: int
    p_input: float
    c: dict[tuple[str, str], float]
    length: float
    dt: float
    seed: int

    @property
    def sizes(self) -> dict[str, int]:
        """Neurons of each type."""
        n = int(np.prod(self.shape))
        n_inhibitory = round(0.2 * n)
        return {"excitatory": n - n_inhibitory, "inhibitory": n_inhibitory}

    def network(self, rules: Rules | None, astrocyte: Any = None) -> Network:
        """The input, both types and, if there is one, the astrocyte, which is the rules' third factor."""
        cells = [Population(name, size, cuba_lif.NALSM) for name, size in self.sizes.items()]
        populations = [Population("input", self.n_inputs, Source()), *cells]
        modulator = None if astrocyte is None else "astrocyte"
        projections = []
        for pre in ("input", *TYPES):
            rule = None if rules is None else getattr(rules, pre)
            for post in TYPES:
                connector = self._input(post)[0] if pre == "input" else self._within(pre, post)
                projections.append(Projection(pre, post, connector, self.dt, rule, modulator))
        if astrocyte is not None:
            populations.append(Population("astrocyte", 1, astrocyte))
            projections += [Projection(pre, "astrocyte", Dense(), self.dt) for pre in ("input", *TYPES)]
        return Network(tuple(populations), tuple(projections), self.dt)

    def weights(self, net: Network, weight: float, w_astrocyte: float) -> dict[str, Any]:
        """float32, all of one absolute size. w_astrocyte: what a spike of the liquid adds to the astrocyte; one of the
        input takes as much away."""
        values: dict[str, Any] = {f"input->{post}": weight * self._input(post)[1] for post in TYPES}
        values |= {f"excitatory->{post}": weight for post in TYPES} | {f"inhibitory->{post}": -weight for post in TYPES}
        values |= {f"{pre}->astrocyte": w_astrocyte for pre in TYPES} | {"input->astrocyte": -w_astrocyte}
        names = [projection.name for projection in net.projections]
        found = connect(net, {name: values[name] for name in names}, self.seed)
        return {name: _single(w) for name, w in found.items()}

    def _positions(self, kind: str) -> NDArray:
        lattice = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij"), -1).reshape(-1, 3)
        order = child(self.seed, "positions").permutation(len(lattice))
        n_excitatory = self.sizes["excitatory"]
        return lattice[order[:n_excitatory] if kind == "excitatory" else order[n_excitatory:]]

    def _within(self, pre: str, post: str) -> DistanceDependent:
        positions = self._positions(pre), self._positions(post)
        return DistanceDependent(*positions, c=self.c[pre, post], length=self.length, autapses=pre != post)

    def _input(self, post: str) -> tuple[FromArrays, NDArray]:
        """Which input reaches which neuron of a type, and the sign of each of these synapses."""
        n_excitatory, n = self.sizes["excitatory"], sum(self.sizes.values())
        rng = child(self.seed, "input")
        pairs = rng.permutation(n * self.n_inputs)[: int(self.p_input * n * self.n_inputs)]
        signs = rng.choice([-1.0, 1.0], len(pairs))
        targets, sources = np.divmod(pairs, self.n_inputs)
        of_type = (targets < n_excitatory) == (post == "excitatory")
        first = 0 if post == "excitatory" else n_excitatory
        return FromArrays(sources[of_type], targets[of_type] - first), signs[of_type]


def _single(w: Any) -> Any:
    return w._replace(weights=w.weights.astype(np.float32)) if hasattr(w, "weights") else w.astype(np.float32)
