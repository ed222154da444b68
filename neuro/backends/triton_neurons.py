"""A population on the backend triton_fused: all its steps in one kernel, and their adjoint in another.

Axes: T step, B sample, N neuron.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro.backends.job import Job
from neuro.backends.triton_source import NeuronKind, kernels, saved_fields
from neuro.network import Population

LARGEST = 2**31  # places in an array that a kernel counts


def coefficient_tensors(kind: NeuronKind, coefficients: Any, like: Tensor) -> list[Tensor]:
    """The arguments of a kernel that hold coefficients: the shared numbers, then the arrays, one value a neuron."""
    values = coefficients._asdict()
    numbers = like.new_tensor([float(values[field]) for field in kind.numbers] or [0.0])
    return [numbers, *(torch.as_tensor(values[field]).to(like).contiguous() for field in kind.arrays)]


class FusedNeurons:
    """A population whose steps are fused. learns: whether gradients are wanted; surrogate: the spike function."""

    def __init__(self, population: Population, job: Job, like: Tensor, learns: bool, surrogate: Callable):
        self.model: Any = population.model
        c = self.model.coefficients(job.net.dt)
        arrays = tuple(field for field, value in zip(c._fields, c, strict=True) if np.ndim(value))
        recorded = job.recorded.get(population.name, [])
        keep = tuple(field for field in self.model.State._fields if field in recorded)
        self.kind = NeuronKind(type(self.model), type(c), arrays, keep, learns)
        self.shape = job.n_steps, job.n_samples, population.size
        if np.prod(self.shape) >= LARGEST:
            raise ValueError(
                f"population {population.name!r}: {self.shape} steps, samples and neurons are 2^31 values or more;"
                " simulate fewer samples at a time"
            )
        self.coefficients = coefficient_tensors(self.kind, c, like)
        start = job.initial[population.name]
        rows = (torch.as_tensor(value).to(like).expand(self.shape[1:]).contiguous() for value in start)
        self.start = dict(zip(start._fields, rows, strict=True))
        self.surrogate = surrogate
        self.kernels = kernels(self.kind)

    def advance(self, x: list[Tensor]) -> dict[str, Tensor]:
        """All steps. x: what arrives at each receptor [T, B, N]. Returns the output and the fields that are kept."""
        if self.kind.learns:
            found: Any = _Fused.apply(self, *x)
        else:
            found = self.forward(x)[0]
        return dict(zip(("output", *self.kind.keep), found, strict=True))

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        """Output and kept fields; the saved fields before each step [T + 1, B, N]; the arguments of the spikes."""
        from neuro.backends.triton_dialect import grid

        kind, like = self.kind, self.start[self.model.State._fields[0]]
        output = like.new_empty(self.shape)
        stored = {field: like.new_empty(self.shape[0] + 1, *self.shape[1:]) for field in kind.stored}
        for field, values in stored.items():
            values[0] = self.start[field]
        has_argument = kind.learns and not self.model.graded
        argument = torch.empty_like(output) if has_argument else None
        x, strides = _strided(x)
        where, options = grid(like.numel())
        self.kernels.forward[where](
            *self._sizes(), *x, *strides, *self.start.values(), output, *(values[1:] for values in stored.values()),
            *([] if argument is None else [argument]), *self.coefficients, **options,
        )  # fmt: skip
        saved = [stored[field] for field in saved_fields(self.kind.model)] if kind.learns else []
        return [output, *(stored[field][1:] for field in kind.keep)], saved, argument

    def backward(self, x: list[Tensor], output: Tensor, saved: list[Tensor], argument: Tensor | None, g: list[Tensor]):
        """Gradients in what arrives. g: of the output and of the kept fields."""
        from neuro.backends.triton_dialect import grid

        reads = self.kernels.READS
        given = [output] if "output" in reads else []
        given += [self._derivative(argument)] if argument is not None else []
        needed = [place for place, receptor in enumerate(self.model.receptors) if f"x_{receptor}" in reads]
        arrived, strides = _strided([x[place] for place in needed])
        g_x = [torch.empty_like(output) for _ in self.model.receptors]
        where, options = grid(output[0].numel())
        self.kernels.backward[where](
            *self._sizes(), *given, *saved, *arrived, *strides, *(part.contiguous() for part in g), *g_x,
            *self.coefficients, **options,
        )  # fmt: skip
        return g_x

    def _sizes(self) -> tuple[int, int, int]:
        n_steps, n_samples, size = self.shape
        return n_steps, n_samples * size, size

    def _derivative(self, argument: Tensor) -> Tensor:
        """The derivative that the surrogate stands for; 0 for a step function that has none."""
        with torch.enable_grad():
            leaf = argument.detach().requires_grad_()
            spikes = self.surrogate(leaf)
        if not spikes.requires_grad:
            return torch.zeros_like(argument)
        return torch.autograd.grad(spikes, leaf, torch.ones_like(spikes))[0]


def _strided(x: list[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Arrays in which a step lies in one piece, and the distance of two steps: 0 where they are the same."""
    constant = [values.stride(0) == 0 and values[0].is_contiguous() if len(values) else False for values in x]
    parts = [values if same else values.contiguous() for values, same in zip(x, constant, strict=True)]
    return parts, [0 if same else values[0].numel() for values, same in zip(x, constant, strict=True)]


class _Fused(torch.autograd.Function):
    """All steps of a population, with their adjoint."""

    @staticmethod
    def forward(ctx: Any, neurons: FusedNeurons, *x: Tensor) -> tuple[Tensor, ...]:
        found, saved, argument = neurons.forward(list(x))
        ctx.neurons, ctx.n = neurons, (len(x), len(saved))
        ctx.save_for_backward(*x, *saved, found[0], argument)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Any, ...]:
        n_x, n_saved = ctx.n
        *x_saved, output, argument = ctx.saved_tensors
        x, saved = list(x_saved[:n_x]), list(x_saved[n_x : n_x + n_saved])
        return None, *ctx.neurons.backward(x, output, saved, argument, list(upstream))
