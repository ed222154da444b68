"""How the audit looks into a learner: one update of a copy with something changed, what met a weight, what was kept.

Axes: n row, J unit of a layer, I its input.
"""

import itertools
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import unfold
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neuro.learners.base import Batch, Learner, LearnerState, from_tensors, to_tensors

aten = torch.ops.aten
# Each with the places of its two factors.
PRODUCTS = {
    aten.mm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.bmm.default: (0, 1),
    aten.baddbmm.default: (1, 2),
    aten.mv.default: (0, 1),
    aten.addmv.default: (1, 2),
}


class Subject(NamedTuple):
    """A learner in one state: every update of it starts from the same bits.

    layers: names of the weights of what is taken for a layer, lowest first; saved: the state, as of `to_tensors`;
    scratch: a state into which it is put anew before each update.
    """

    learner: Learner
    batch: Batch
    layers: list[list[str]]
    saved: dict[str, Tensor]
    scratch: LearnerState


class Outcome(NamedTuple):
    """What one update changed: each weight, by name, and each layer in one row; losses: what it returned."""

    weights: dict[str, Tensor]
    layers: list[Tensor]
    losses: dict[str, float]


def copy_of(subject: Subject, changed: Mapping[str, Tensor] | None = None) -> LearnerState:
    """The scratch state with the saved bits; `changed` replaces some of the saved tensors."""
    state, saved = subject.scratch, subject.saved | dict(changed or {})
    if to_tensors(state).keys() != saved.keys():
        from_tensors(state, saved)  # the first time: optimisers have no memory yet
    with torch.no_grad():
        for name, tensor in to_tensors(state).items():
            tensor.copy_(saved[name])
    state.rng.set_state(saved["rng"])
    for weight in state.weights.values():
        weight.grad = None
    return state


def update_of(subject: Subject, changed: Mapping[str, Tensor] | None = None) -> Outcome:
    """One update of a copy."""
    state = copy_of(subject, changed)
    with torch.no_grad():
        before = {name: weight.clone() for name, weight in state.weights.items()}
    losses = subject.learner.update(state, subject.batch)
    with torch.no_grad():
        weights = {name: (weight - before[name]).flatten() for name, weight in state.weights.items()}
    layers = [torch.cat([weights[name] for name in layer]) for layer in subject.layers]
    return Outcome(weights, layers, losses)


def difference(base: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Norm of the difference of two updates, relative to the first; 0.0 only if all bits agree."""
    a, b = torch.cat(list(base)), torch.cat(list(other))
    if torch.equal(a, b):
        return 0.0
    return float((b - a).double().norm() / a.double().norm().clamp(min=1e-300))


def typical_change(base: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Median of the relative change of single weights' updates, of those that differ at all.

    A median, because Adam makes a whole step of a gradient that is nothing but rounding.
    """
    a, b = torch.cat(list(base)).double(), torch.cat(list(other)).double()
    differ = a != b
    if not differ.any():
        return 0.0
    return float(((b - a)[differ].abs() / torch.maximum(a.abs(), b.abs())[differ]).median())


def rounding(subject: Subject, names: Sequence[str]) -> float:
    """Norm that the difference of two updates of some weights has by rounding alone.

    A stored weight is wrong by up to half its spacing; in a difference of two the variance is 1/6 of its square.
    """
    weights = torch.cat([subject.saved[f"weights/{name}"].flatten() for name in names]).abs()
    spacing = torch.nextafter(weights, torch.full_like(weights, torch.inf)) - weights
    return float(spacing.double().norm()) / 6**0.5


def sines(base: Sequence[Tensor], others: Sequence[Sequence[Tensor]], floor: float = 0.0) -> list[float]:
    """Sines of the angles between the differences of some updates from one.

    All 0 if one number that multiplies the gradient is all that differs: whether the optimiser is plain or has a
    memory, the differences then lie on one line. What rounding adds, by its norm `floor`, is taken off; differences
    that hardly exceed it or are not finite are left out, possibly all.
    """
    a = torch.cat(list(base)).double()
    differences = [_without_outliers(torch.cat(list(other)) - a) for other in others]
    kept = sorted(
        (d for d in differences if d.isfinite().all() and d.norm() > 2 * floor), key=lambda d: float(d.norm())
    )
    found = []
    for short, long in itertools.combinations(kept, 2):
        aside = (short - (short @ long) / (long @ long) * long).norm() ** 2
        noise = 1.5 * floor**2 * (1 + (short @ short) / (long @ long))
        found.append(float((aside - noise).clamp(min=0.0).sqrt() / short.norm().clamp(min=1e-300)))
    return found


def _without_outliers(difference: Tensor) -> Tensor:
    """Cut at ten medians of what is not 0: Adam makes a whole step of a gradient that is nothing but rounding."""
    sizes = difference[difference != 0].abs()
    return difference.clamp(-10 * sizes.median(), 10 * sizes.median()) if len(sizes) else difference


def replaced(subject: Subject, names: Sequence[str], size: float, rng: torch.Generator) -> dict[str, Tensor]:
    """Other values in place of saved tensors: noise of `size` times their root mean square."""
    scales = {name: size * subject.saved[name].square().mean().sqrt() for name in names}
    return {
        name: torch.randn(subject.saved[name].shape, generator=rng).to(scale) * scale for name, scale in scales.items()
    }


def nudged(subject: Subject, names: Sequence[str], size: float, rng: torch.Generator) -> dict[str, Tensor]:
    """Saved tensors with noise of `size` times their root mean square added."""
    noise = replaced(subject, names, size, rng)
    return {name: subject.saved[name] + noise[name] for name in names}


def inputs_of(subject: Subject, name: str) -> Tensor | None:
    """Every row [n, I] that a weight matrix multiplies in one update; of convolutions the patches.

    The transposed use, W^T times an error, is left out: it is what the audit looks for. None if the weight
    was met by nothing that is understood here (a copy of it, say).
    """
    state = copy_of(subject)
    with _Inputs(state.weights[name]) as met:
        subject.learner.update(state, subject.batch)
    return torch.cat(met.rows).double() if met.rows else None


class _Inputs(TorchDispatchMode):
    """Notes what is multiplied with a weight or a view of it, recognised by its storage."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.storage = weight.untyped_storage().data_ptr()
        self.shape, self.n_in = weight.shape, weight[0].numel()
        self.element = torch.arange(weight.numel())
        self.rows: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            left, right = (args[place] for place in PRODUCTS[func])
            if self._is_weight(right):
                self._note(left, right)
            if self._is_weight(left):
                self._note(right.mT if right.ndim > 1 else right[None], left.mT)
        elif func == aten.convolution.default and self._is_weight(args[1]) and args[6:] == (False, [0, 0], 1):
            images, weight, _, stride, padding, dilation = args[:6]
            patches = unfold(images.data, weight.shape[2:], dilation, padding, stride)
            self.rows.append(patches.mT.flatten(0, 1).unique(dim=0))
        return result

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() == self.storage

    def _note(self, factor: Tensor, weight: Tensor) -> None:
        """factor [.., n, k] times a view of the weight [.., k, m]: rows of the factor, at the columns they meet."""
        place = self.element.as_strided(weight.shape, weight.stride(), weight.storage_offset())
        place_KM = place.reshape(-1, *weight.shape[-2:])[0] if weight.ndim > 1 else place[:, None]
        row_K, column_K = place_KM[:, 0] // self.n_in, place_KM[:, 0] % self.n_in
        if (row_K != row_K[0]).any():
            return  # along J: the transposed use
        rows = factor.data.reshape(-1, factor.shape[-1])
        wide = rows.new_zeros(len(rows), self.n_in)
        wide[:, column_K] = rows
        self.rows.append(wide.unique(dim=0))


def unseen_change(weight: Tensor, rows_nI: Tensor, rng: torch.Generator) -> Tensor | None:
    """Noise as large as the weight that no noted input can tell: it lies in the null space of all rows.

    None where the rows leave no null space.
    """
    _, sizes, directions = torch.linalg.svd(rows_nI.unique(dim=0), full_matrices=False)
    directions = directions[sizes > 1e-9 * sizes.max()]
    if len(directions) >= rows_nI.shape[1]:
        return None
    noise_JI = torch.randn(len(weight), rows_nI.shape[1], generator=rng, dtype=torch.float64)
    noise_JI -= noise_JI @ directions.T @ directions
    noise_JI *= weight.norm() / noise_JI.norm()
    return noise_JI.reshape(weight.shape).to(weight)


def peak_kept(subject: Subject) -> int:
    """Most bytes alive at one time of all that one update makes: what autograd saves and what lists keep."""
    state = copy_of(subject)
    with _Kept() as kept:
        subject.learner.update(state, subject.batch)
    return kept.peak


class _Kept(TorchDispatchMode):
    """Counts the bytes of storages from the operation that makes them until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.alive: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            storage = tensor.untyped_storage() if isinstance(tensor, Tensor) else None
            if storage is not None and storage._cdata not in self.alive:
                size = storage.nbytes()
                self.alive.add(storage._cdata)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._free, storage._cdata, size)
        return result

    def _free(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size
