"""The audit finds what each learner declares, no more and no less, and catches learners that cheat."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, cross_entropy, linear

from neuro import make_events
from neuro.audit import COLUMNS, Audit, audit, audit_table
from neuro.audit_measures import SCALE
from neuro.audit_probes import Subject, inputs_of, rounding, sines, unseen_change
from neuro.learners import LEARNERS
from neuro.learners.base import Batch, LearnerState, to_tensors
from neuro.learners.liquid_state_machine import LiquidStateMachine
from tasks import digits
from tests.learners.test_conformance import SMALL

TASK = digits.load()
BATCH = TASK.train.batch(np.arange(64))


def learner_named(name):
    return dataclasses.replace(LEARNERS[name](), **SMALL.get(name, {}))


@functools.cache
def found(name: str) -> Audit:
    return audit(learner_named(name), TASK.problem, BATCH)


UNMEASURED = {"delays"}  # its weights are spread over delays and transformed before they multiply anything


COMPILED = {"sparse-bptt", "eventprop"}  # what they multiply and keep lies outside torch


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_contradicts_what_a_learner_declares(name):
    assert found(name).contradictions == [], found(name)
    assert found(name).transport.startswith("not measured") == (name in UNMEASURED | COMPILED)


# What theory says: crossing, transport, forward, update and backward locking, kept over time.
EXPECTED = {
    "backprop": ("yes", "yes", "yes", "yes", "yes", "no time"),
    "bptt": ("yes", "yes", "yes", "yes", "yes", "yes"),
    "bptt-recurrent": ("yes", "yes", "yes", "yes", "yes", "yes"),
    "truncated-bptt": ("yes", "yes", "yes", "yes", "yes", "no"),
    "sltt": ("yes", "yes", "yes", "yes", "yes", "no"),
    "ottt": ("yes", "yes", "yes", "yes", "yes", "no"),
    "spiking-mlp": ("yes", "yes", "yes", "yes", "yes", "yes"),
    "spiking-cnn": ("yes", "yes", "yes", "yes", "yes", "yes"),
    "feedback-alignment": ("yes", "no", "yes", "yes", "yes", "no time"),
    "direct-feedback-alignment": ("yes", "no", "yes", "yes", "no", "no time"),
    "pepita": ("yes", "no", "yes", "yes", "no", "no time"),
    "eprop": ("yes", "no", "yes", "yes", "no", "no"),
    "forward-forward": ("no", "no", "yes", "yes", "no", "no time"),
    "forward-forward-cnn": ("no", "no", "yes", "no", "no", "no time"),
    "mono-forward": ("no", "within layers", "yes", "no", "no", "no time"),
    "counter-current": ("no", "no", "yes", SCALE, "feedback network only", "no time"),
    "noprop-dt": ("within blocks",) * 5 + ("no time",),
    "noprop-backprop": ("yes",) * 5 + ("no time",),
}


@pytest.mark.parametrize("name", [name for name in EXPECTED if name in LEARNERS])
def test_what_theory_says_is_found(name):
    it = found(name)
    locking = it.forward_locking, it.update_locking, it.backward_locking
    crossing = it.crossing.replace(SCALE, "no")  # a clip may be idle
    assert (crossing, it.transport, *locking, it.kept_over_time) == EXPECTED[name]


LOCAL = [name for name in LEARNERS if "global_error" not in learner_named(name).uses]


# The layers below cascaded-forward's predictors and lsm's readout are random; stdp-wta has one layer alone.
@pytest.mark.parametrize("name", [name for name in LOCAL if name not in ("cascaded-forward", "lsm", "stdp-wta")])
def test_a_learner_that_forgets_to_detach_is_caught(name):
    it = audit(Forgetful(learner_named(name)), TASK.problem, BATCH)
    assert "global_error is found, not declared" in it.contradictions
    assert it.transport != "no"  # grouped convolutions: not measured


@pytest.mark.parametrize(
    "name", [name for name in ("forward-forward", "mono-forward", "noprop-dt") if name in LEARNERS]
)
def test_a_learner_whose_bottom_looks_at_its_top_is_caught(name):
    it = audit(Peeping(learner_named(name)), TASK.problem, BATCH)
    assert found(name).crossing != "yes" == it.crossing == it.update_locking


class Forgetful:
    """A learner in which every `detach` was left out."""

    def __init__(self, learner):
        self.learner, self.uses, self.init = learner, learner.uses, learner.init

    def update(self, state, batch):
        kept = torch.Tensor.detach
        torch.Tensor.detach = lambda tensor: tensor
        try:
            measured = self.learner.update(state, batch)
        finally:
            torch.Tensor.detach = kept
        state.memory = {name: tensor.detach() for name, tensor in state.memory.items()}
        return measured


class Peeping(Forgetful):
    """A learner whose lowest layer moves by what stands in the highest one."""

    def update(self, state, batch):
        measured = self.learner.update(state, batch)
        with torch.no_grad():
            low, high = state.weights[state.layers[0][0]], state.weights[state.layers[-1][0]]
            low += 1e-2 * high.flatten()[torch.arange(low.numel()) % high.numel()].reshape(low.shape)
        return measured


class Clipped:
    """Two linear layers, each with a loss of its own; gradients share one norm or one optimiser's memory."""

    uses = frozenset({"labels", "whole_pass"})

    def __init__(self, optimiser, clip=True):
        self.optimiser, self.clip = optimiser, clip

    def init(self, problem, seed):
        rng = torch.Generator().manual_seed(seed)
        sizes = {"low": (20, problem.n_inputs), "high": (problem.n_classes, 20)}
        weights = {name: torch.randn(size, generator=rng).requires_grad_() for name, size in sizes.items()}
        optimiser = self.optimiser(weights.values())
        return LearnerState(problem, weights, {"all": optimiser}, rng, (("low",), ("high",)))

    def update(self, state, batch):
        low_BJ = linear(batch.inputs, state.weights["low"])
        scores_BC = linear(low_BJ.detach(), state.weights["high"])
        loss = cross_entropy(low_BJ[:, :10], batch.labels) + cross_entropy(scores_BC, batch.labels)
        state.optimisers["all"].zero_grad()
        loss.backward()
        if self.clip:
            torch.nn.utils.clip_grad_norm_(state.weights.values(), 0.01)
        state.optimisers["all"].step()
        return {"loss": loss.item()}


@pytest.mark.parametrize(
    "optimiser",
    [
        lambda weights: torch.optim.SGD(weights, lr=1.0),
        lambda weights: torch.optim.SGD(weights, lr=1.0, momentum=0.9, weight_decay=1e-3),
    ],
)
def test_a_common_clip_is_told_from_an_error(optimiser):
    it = audit(Clipped(optimiser), TASK.problem, BATCH)
    assert (it.crossing, it.transport, it.backward_locking) == (SCALE, "no", "no")
    assert it.update_locking == SCALE and it.contradictions == []
    free = audit(Clipped(optimiser, clip=False), TASK.problem, BATCH)
    assert (free.crossing, free.update_locking) == ("no", "no")
    assert free.contradictions == ["whole_pass is declared, not found"]


def test_differences_on_one_line_have_no_sine():
    base = [torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)]
    one, other = torch.tensor([[0.0, 0.3, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    assert sines(base, [[base[0] + one], [base[0] - 2 * one]]) == pytest.approx([0.0], abs=1e-12)
    others = [[base[0] + one + 0.3 * other], [base[0] + one], [base[0] + other]]
    assert sorted(sines(base, others)) == pytest.approx([0.5**0.5, 0.5**0.5, 1.0])
    assert sines(base, [[base[0] + one], [base[0] * float("nan")]]) == []
    hidden = sines(base, [[base[0] + one + 0.02 * other], [base[0] + 2 * one]], floor=0.02)
    assert hidden == [0.0]  # 0.02 aside may be rounding


def test_rounding_of_an_update_is_as_large_as_it_is_said_to_be():
    """Two float32 sums that should differ by the same amount everywhere."""
    weights = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    step = 1e-3 * torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    error = ((weights + 1.001 * step) - (weights + step)).double() - (0.001 * step).double()
    subject = Subject(None, None, [["w"]], {"weights/w": weights}, None)
    assert rounding(subject, ["w"]) == pytest.approx(float(error.norm()), rel=0.05)


class Meeting:
    """Multiplies its weight with its inputs in one of several ways, and its transpose with others."""

    uses = frozenset({"labels"})

    def __init__(self, shape, way):
        self.shape, self.way = shape, way

    def init(self, problem, seed):
        weight = torch.arange(float(np.prod(self.shape))).reshape(self.shape).requires_grad_()
        return LearnerState(problem, {"w": weight}, {}, torch.Generator().manual_seed(seed), (("w",),))

    def update(self, state, batch):
        self.way(batch.inputs, state.weights["w"])
        return {}


WAYS = {
    "linear": lambda x, w: linear(x, w, torch.zeros(len(w))),
    "matmul of the transpose": lambda x, w: x @ w.T,
    "from the left": lambda x, w: w @ x.T,
    "one by one": lambda x, w: [w @ row for row in x],
    "einsum": lambda x, w: torch.einsum("bi,ji->bj", x, w),
    "in two parts": lambda x, w: (linear(x[:, :3], w[:, :3]), linear(x[:, 3:], w[:, 3:])),
    "with time": lambda x, w: linear(x[None].expand(2, -1, -1), w),
    "beside its transposed use": lambda x, w: linear(x, w) @ w,
    "differentiated": lambda x, w: linear(x.clone().requires_grad_(), w).sum().backward(),
}


def meets(shape, way, inputs):
    learner = Meeting(shape, way)
    state = learner.init(TASK.problem, 0)
    return inputs_of(Subject(learner, Batch(inputs, torch.zeros(len(inputs))), [["w"]], to_tensors(state), state), "w")


@pytest.mark.parametrize("way", WAYS)
def test_what_meets_a_weight_is_found(way):
    x = torch.rand(4, 7, generator=torch.Generator().manual_seed(0))
    rows_nI = meets((5, 7), WAYS[way], x)
    assert torch.linalg.matrix_rank(rows_nI) == (7 if way == "in two parts" else 4)
    change_JI = unseen_change(torch.ones(5, 7), rows_nI, torch.Generator().manual_seed(0))
    if way == "in two parts":  # 3 columns of rank 3 and 4 of rank 4 leave nothing
        assert change_JI is None
    else:
        torch.testing.assert_close(x @ change_JI.T, torch.zeros(4, 5), atol=1e-5, rtol=0)
        assert change_JI.norm() == pytest.approx(35**0.5, rel=1e-5)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_a_convolution_does_not_see_a_change_in_the_null_space(stride, padding):
    x = torch.rand(1, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    rows_nI = meets((5, 6, 3, 3), lambda x, w: conv2d(x, w, None, stride, padding), x)
    change = unseen_change(torch.ones(5, 6, 3, 3), rows_nI, torch.Generator().manual_seed(0))
    seen = conv2d(x, change, None, stride, padding)
    torch.testing.assert_close(seen, torch.zeros_like(seen), atol=1e-5, rtol=0)


def test_a_copied_weight_is_not_taken_for_unmet():
    assert meets((5, 7), lambda x, w: x @ (2.0 * w).T, torch.rand(4, 7)) is None


class Drawing(Clipped):
    def update(self, state, batch):
        with torch.no_grad():
            state.weights["low"].add_(torch.rand(()))
        return super().update(state, batch)


def test_a_learner_that_does_not_repeat_itself_is_refused():
    with pytest.raises(ValueError, match="learn differently"):
        audit(Drawing(lambda weights: torch.optim.SGD(weights, lr=1.0)), TASK.problem, BATCH)


def test_table_has_a_row_for_each_audit():
    table = audit_table([found("backprop"), found("forward-forward")])
    assert table[0] == list(COLUMNS) and [row[0] for row in table[1:]] == ["backprop", "forward-forward"]
    assert {len(row) for row in table} == {len(COLUMNS)}


@pytest.mark.parametrize(("name", "kept"), [("bptt", "yes"), ("eprop", "no")])
def test_a_raster_of_events_is_no_memory_of_activity(name, kept):
    """Many inputs, few neurons: the input alone is larger than what BPTT keeps, and e-prop keeps nothing."""
    rng, n_inputs, n = np.random.default_rng(0), 200, 4000
    problem = TASK.problem._replace(n_inputs=n_inputs, shape=(n_inputs,), n_steps=20)
    offsets = np.arange(17) * n // 16
    events = make_events(rng.uniform(0.0, 20.0, n), rng.integers(0, n_inputs, n), offsets)
    learner = LEARNERS[name](hidden=(40,) if name == "bptt" else 40)
    it = audit(learner, problem, Batch(events, torch.arange(16) % 10))
    assert it.kept_over_time == kept and it.contradictions == []


def test_steps_of_its_own_are_what_a_learner_keeps_activity_of():
    """Five steps of 20 ms, in each of which arrive the events of 20 steps of the problem."""
    rng, n = np.random.default_rng(0), 8000
    problem = TASK.problem._replace(n_steps=100)
    events = make_events(rng.uniform(0.0, 100.0, n), rng.integers(0, problem.n_inputs, n), np.arange(17) * n // 16)
    learner = LEARNERS["spiking-cnn"](conv=(16, 32), step=20.0)
    it = audit(learner, problem, Batch(events, torch.arange(16) % 10))
    assert it.kept_over_time == "yes" and it.contradictions == []


def test_a_learner_whose_shapes_its_seed_draws_is_audited_from_any_seed():
    learner = LiquidStateMachine(shape=(4, 4, 4), plasticity="stdp", duration=20.0, snapshots=40, batch_size=16)
    found = [audit(learner, TASK.problem, TASK.train.batch(np.arange(16)), seed) for seed in (0, 1)]
    assert [each.kept_over_time for each in found] == ["no time"] * 2
