"""The measurements of the audit; what they mean stands in neuro/audit.py."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuro.audit_probes import (
    Outcome,
    Subject,
    difference,
    inputs_of,
    nudged,
    peak_kept,
    replaced,
    rounding,
    sines,
    typical_change,
    unseen_change,
    update_of,
)
from neuro.events import Events
from neuro.learners.base import Batch, Learner, Problem, to_tensors

WARM_UP = 5  # updates before the audit: optimisers and weights that start at zero must be under way
NUDGES = (1e-4, 1e-3, 1e-2, 1e-2, 1e-1, 1e-1)  # in pairs where differences stand well above rounding
SIZES = (1.0, 100.0, 0.01)  # of weights that replace others: draws may come out the same, a clip may be idle
IS_TURNED = 0.3  # sine between differences: a common scale stays below 0.15, an error lies above 0.8
IS_TRANSPORT = 1e-3  # typical change of an update: rounding stays below 1e-4, transport lies near 0.1
SCALE = "only a common scale"


class Baseline(NamedTuple):
    """The learner at rest, and its undisturbed update.

    beside: matrices that stand in no layer, learned (feedback networks, readouts) or kept, as `to_tensors` names them.
    """

    subject: Subject
    outcome: Outcome
    beside: list[str]
    rng: torch.Generator

    def regrouped(self, layers: list[list[str]]) -> "Baseline":
        """The same, with other groups of weights taken for layers."""
        subject = self.subject._replace(layers=layers)
        return self._replace(subject=subject, outcome=update_of(subject))

    @property
    def layers(self) -> list[list[str]]:
        """Names of the weights of each layer."""
        return self.subject.layers

    @property
    def problem(self) -> Problem:
        return self.subject.scratch.problem

    def below(self, layer: int) -> list[Tensor]:
        """The undisturbed updates of all layers below one."""
        return self.outcome.layers[:layer]

    def changed(self, changed: Mapping[str, Tensor]) -> list[Tensor]:
        """The update of every layer after tensors were changed."""
        return update_of(self.subject, changed).layers

    def sines(self, layer: int, moves: Sequence[Sequence[Tensor]]) -> list[float]:
        """Between the differences of other updates of all layers below one."""
        names = [name for names in self.layers[:layer] for name in names]
        return sines(self.below(layer), moves, rounding(self.subject, names))

    def differing(self, layers: Sequence[Tensor]) -> set[int]:
        """Numbers of the layers whose update differs in any bit."""
        return _differing(self.outcome.layers, layers)


def _differing(some: Sequence[Tensor], others: Sequence[Tensor]) -> set[int]:
    return {k for k, (a, b) in enumerate(zip(some, others, strict=True)) if not torch.equal(a, b)}


def warmed_up(learner: Learner, problem: Problem, batch: Batch, seed: int) -> Baseline:
    """The learner after a few updates. ValueError if it has no layers, or if two copies learn differently."""
    name = type(learner).__name__
    state = learner.init(problem, seed)
    if not state.layers:
        raise ValueError(f"{name} names no layers in its state; the audit compares layers")
    for _ in range(WARM_UP):
        learner.update(state, batch)
    with torch.no_grad():
        saved = {name: tensor.clone() for name, tensor in to_tensors(state).items()}
    subject = Subject(learner, batch, [list(names) for names in state.layers], saved, learner.init(problem, seed))
    outcome, again = update_of(subject), update_of(subject)
    if not all(bool(change.isfinite().all()) for change in outcome.layers):
        raise ValueError(f"an update of {name} is not finite; lower its learning rate")
    if _differing(outcome.layers, again.layers):
        raise ValueError(f"two copies of {name} learn differently from one batch; draw from state.rng alone")
    in_layers = {name for names in subject.layers for name in saved_names(names)}
    beside = [name for name, tensor in saved.items() if tensor.is_floating_point() and tensor.ndim > 1]
    beside = [name for name in beside if name.startswith(("weights/", "memory/")) and name not in in_layers]
    return Baseline(subject, outcome, beside, torch.Generator().manual_seed(seed))


def saved_names(names: Iterable[str]) -> list[str]:
    """Names of weights as `to_tensors` has them."""
    return [f"weights/{name}" for name in names]


def grouped(layers: Sequence[list[str]]) -> dict[str, list[list[str]]]:
    """Layers of each block, by the block's name. Names of weights are BLOCK.NAME; without a point a layer is alone."""
    blocks: dict[str, list[list[str]]] = {}
    for names in layers:
        block = names[0].rpartition(".")[0] or names[0]
        blocks.setdefault(block, []).append(names)
    return blocks


def crossings_of(base: Baseline, changed: Iterable[int], evidence: dict[str, float]) -> dict[int, set[int]]:
    """Upper layer -> layers below whose update turns with it; the set is empty where only a common factor changes.

    From the top down, until all below the top are reached.
    """
    found: dict[int, set[int]] = {}
    for upper in sorted(changed, reverse=True):
        if len(set().union(*found.values())) == len(base.layers) - 1:
            break
        reached, moves = set(range(upper)), []
        for size in NUDGES:
            layers = base.changed(nudged(base.subject, saved_names(base.layers[upper]), size, base.rng))
            reached &= base.differing(layers)
            if not reached:
                break
            moves.append(layers[:upper])
            change = difference(base.below(upper), layers[:upper])
            evidence[f"nudge {size:g}"] = max(change, evidence.get(f"nudge {size:g}", 0.0))
        if moves and reached:
            part = min(base.sines(upper, moves), default=1.0)
            evidence["turned"] = max(part, evidence.get("turned", 0.0))
            found[upper] = reached if part > IS_TURNED else set()
    return found


def transport_of(base: Baseline, crossings: Mapping[int, set[int]], evidence: dict[str, float]) -> str:
    """Whether weights carry errors to layers below, in words."""
    unknown = []
    for upper, reached in crossings.items():
        lower = [name for names in base.layers[:upper] for name in names]
        for name in _matrices(base, base.layers[upper]) if reached else ():
            change = _unseen_change(base, name, lower)
            if change is None:
                unknown.append(name)
                continue
            evidence["transport"] = max(change, evidence.get("transport", 0.0))
            if change > IS_TRANSPORT:
                return "yes"
    return f"not measured for {', '.join(unknown)}" if unknown else "no"


def is_transported_within(base: Baseline, evidence: dict[str, float]) -> bool:
    """Whether weights carry errors to other weights of their own layer."""
    for names in base.layers:
        for name in _matrices(base, names):
            own = [other for other in names if other != name]
            change = _unseen_change(base, name, own) if _matrices(base, own) else None
            evidence["transport within"] = max(change or 0.0, evidence.get("transport within", 0.0))
            if (change or 0.0) > IS_TRANSPORT:
                return True
    return False


def _matrices(base: Baseline, names: Iterable[str]) -> list[str]:
    return [name for name in names if base.subject.saved[f"weights/{name}"].ndim > 1]


def _unseen_change(base: Baseline, name: str, observed: Sequence[str]) -> float | None:
    """Typical change of the update of some weights, when one changes in a way the forward pass cannot tell.

    The batch is halved until its inputs leave a null space. None if that cannot be measured.
    """
    n_samples = 8
    while n_samples > 1:  # batch normalisation needs two
        batch = base.subject.batch
        inputs = (
            batch.inputs.take(np.arange(n_samples)) if isinstance(batch.inputs, Events) else batch.inputs[:n_samples]
        )
        few = batch._replace(inputs=inputs, labels=batch.labels[:n_samples])
        subject = base.subject._replace(batch=few)
        rows_nI = inputs_of(subject, name)
        if rows_nI is None:
            return None
        weight = subject.saved[f"weights/{name}"]
        change = unseen_change(weight, rows_nI, base.rng)
        if change is not None:
            before, after = update_of(subject), update_of(subject, {f"weights/{name}": weight + change})
            if any(abs(after.losses[key] - old) > 1e-3 * abs(old) for key, old in before.losses.items()):
                return None
            return typical_change(
                [before.weights[name] for name in observed], [after.weights[name] for name in observed]
            )
        n_samples //= 2
    return None


def locking_of(base: Baseline, changed: Iterable[int]) -> tuple[str, str]:
    """Update locking and forward locking, in words."""
    forward, update = False, "no"
    for layer in changed:
        moves: list[list[Tensor]] = []
        for size in SIZES:
            layers = _replacing(base, layer, size)
            differing = base.differing(layers)
            forward |= any(k > layer for k in differing)
            if any(k < layer for k in differing):
                moves += [layers[:layer], _replacing(base, layer, size)[:layer]]  # a line needs two
        if moves and update != "yes":
            update = SCALE if max(base.sines(layer, moves), default=1.0) < IS_TURNED else "yes"
        if forward and update == "yes":
            break
    return update, "yes" if forward else "no"


def _replacing(base: Baseline, layer: int, size: float) -> list[Tensor]:
    return base.changed(replaced(base.subject, saved_names(base.layers[layer]), size, base.rng))


def backward_locking_of(base: Baseline, is_crossing: bool, transport: str) -> str:
    """Whether a layer waits for what comes down through layers between, in words. transport: as of transport_of."""
    if transport == "yes":
        return "yes"
    if _are_in_series(base):
        return "yes" if is_crossing else "feedback network only"
    return "no" if transport == "no" else "not measured"


def _are_in_series(base: Baseline) -> bool:
    """Whether one matrix beside the layers acts on low layers only through another, which acts on no higher ones."""
    reached = {name: _turned_by(base, name, {}) for name in base.beside}
    for upper, lower in itertools.permutations(base.beside, 2):
        above = reached[upper] - reached[lower]
        if reached[lower] and reached[lower] < reached[upper] and min(above) > max(reached[lower]):
            cut = {lower: torch.zeros_like(base.subject.saved[lower])}
            if reached[lower] - _turned_by(base, upper, cut):
                return True
    return False


def _turned_by(base: Baseline, name: str, cut: Mapping[str, Tensor]) -> set[int]:
    """Layers whose update turns with a matrix, when others are cut off; a common scale does not count."""
    plain = base.changed(cut) if cut else base.outcome.layers
    moves = [base.changed(nudged(base.subject, [name], 1e-2, base.rng) | dict(cut)) for _ in range(2)]
    turned = set()
    for k in _differing(plain, moves[0]) & _differing(plain, moves[1]):
        floor = rounding(base.subject, base.layers[k])
        if any(sine > IS_TURNED for sine in sines([plain[k]], [[layers[k]] for layers in moves], floor)):
            turned.add(k)
    return turned


def kept_over_time_of(base: Baseline, evidence: dict[str, float], seed: int) -> str:
    """Whether what is kept in memory grows with the number of time steps, in words. seed: from which the state came."""
    for dt in (base.problem.dt, base.problem.dt / 2):  # of half the length for learners that look at a fixed time
        problem = base.problem._replace(n_steps=2 * base.problem.n_steps, dt=dt)
        longer = base.subject._replace(scratch=base.subject.learner.init(problem, seed))
        if base.differing(update_of(longer).layers):
            break
    else:
        return "no time"
    grown = peak_kept(longer) - peak_kept(base.subject)
    learner: Any = base.subject.learner
    n_steps, batch = base.problem.n_steps, base.subject.batch
    if hasattr(learner, "step"):  # the length of steps of its own
        n_steps = learner.steps(base.problem)[0]
    if isinstance(batch.inputs, Events):  # as a raster they grow with time, and are the input itself
        grown -= 4 * n_steps * len(batch.labels) * base.problem.n_inputs
    hidden = [names for names in base.layers[:-1] or base.layers]
    n_units = sum(max(base.subject.saved[name].shape[0] for name in saved_names(names)) for names in hidden)
    numbers = grown / 4 / (n_steps * len(batch.labels) * n_units)
    evidence["numbers kept a step, sample and unit"] = numbers
    return "yes" if numbers >= 0.5 else "no"


def labels_of(base: Baseline, crossed: set[int]) -> str:
    """Where labels are needed, in words. crossed: layers that an error from above reaches."""
    batch = base.subject.batch
    batch = batch._replace(labels=(batch.labels + 1) % base.problem.n_classes)
    outcome = update_of(base.subject._replace(batch=batch))
    needing, top = base.differing(outcome.layers), len(base.layers) - 1
    if not needing:
        is_same = all(torch.equal(change, outcome.weights[name]) for name, change in base.outcome.weights.items())
        return "no" if is_same else "beside the layers"
    if needing == {top} and top:
        return "at the top layer"
    return "through the layers above" if top and needing - {top} <= crossed else "at the layer"
