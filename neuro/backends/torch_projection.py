"""The projections of the reference backend: matrices of weights, one pathway for each delay.

Axes: B sample, I presynaptic, J postsynaptic, K recording.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro.backends.job import Job
from neuro.dialect import rebind
from neuro.network import Projection, Synapses
from neuro.plasticity import interval_steps


def on_device(like: Tensor, values: tuple) -> list:
    """Numbers stay floats; arrays become tensors beside `like`."""
    return [float(v) if np.ndim(v) == 0 else torch.as_tensor(v).to(like) for v in values]


class DenseProjection:
    """The weights, traces and arrivals of a projection while a job runs: one _Pathway for each delay.

    column: what sums weighted inputs, in place of the exact product; called in every step.
    """

    def __init__(
        self,
        projection: Projection,
        job: Job,
        like: Tensor,
        names: dict[str, Any],
        populations: dict[str, Any],
        column: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        self.name, self.post, self.receptor = projection.name, projection.post, job.net.receptor(projection)
        self.pre = populations[projection.pre]
        self.modulator = populations[projection.modulator] if projection.modulator else None
        n_pre, n_post = self.pre.output.shape[1], job.net.population(self.post).size
        self.given = job.weights[self.name]
        w_JI, exists_JI, delay_JI = dense(self.given, n_pre, n_post, like, job.net.delay_steps(projection))
        delays = delay_JI[exists_JI].unique().tolist() or [job.net.delay_steps(projection)]
        self.pathways = [_Pathway(d, exists_JI & (delay_JI == d), like) for d in delays]
        self.silence = like.new_zeros(job.n_samples, n_post)
        self.rule = projection.rule if job.plastic else None
        self.kept: list[Any] = []
        self.column = column or torch.nn.functional.linear
        self.weights_every = job.weights_every if job.records(self.name, "weights") else 0
        self.constant = None
        # All that a synapse holds, as matrices; the weight first.
        self.synapse: Any = (w_JI,)
        if self.rule is not None:
            self._prepare_rule(job, names, w_JI)
        elif column is None and self.pre.input is not None and self.pre.input.ndim == 2:
            self.constant = torch.nn.functional.linear(self.pre.input, w_JI)
        self.short_term = None
        if projection.short_term is not None:
            order = [population.name for population in job.order]
            is_earlier = projection.modulator in order[: order.index(self.post)]
            self.short_term = _ShortTerm(
                projection.short_term, job, like, names, n_pre, delays[-1], self.modulator, is_earlier
            )

    def _prepare_rule(self, job: Job, names: dict[str, Any], w_JI: Tensor) -> None:
        rule: Any = self.rule
        n_post, n_pre = w_JI.shape
        c = rule.coefficients(job.net.dt)
        self.c = type(c)(*on_device(w_JI, c))
        self.interval = interval_steps(rule, job.net.dt)
        functions = ["decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post"]
        functions += ["on_interval"] if self.interval else []
        self.do = {function: rebind(getattr(rule, function), names) for function in functions}
        others = [torch.zeros_like(w_JI) for _ in rule.Synapse._fields[1:]]
        self.synapse = rule.Synapse(w_JI, *others)
        self.y = rule.PostTraces(*(w_JI.new_zeros(n_post, 1) for _ in rule.PostTraces._fields))
        for pathway in self.pathways:
            pathway.x = rule.PreTraces(*(w_JI.new_zeros(n_pre) for _ in rule.PreTraces._fields))
        self.third_factor: Any = 1.0

    def receive(self, step: int) -> Tensor:
        """Traces decay, what was sent a delay ago arrives, on_pre acts. Returns the arrivals [B, J]."""
        if self.rule is not None:
            self.y = self.do["decay_post"](self.y, self.c)
            if self.modulator is not None:
                self.third_factor = self.modulator.output[0, 0]
        if self.short_term is not None:
            # All of this step's spikes that may arrive in it are known: a delay of 0 comes from an earlier population.
            self.short_term.send(self.pre.sent(step) if self.pathways[0].delay == 0 else None, self.pre, step)
        arrivals = self.silence
        for pathway in self.pathways:
            if self.rule is not None:
                pathway.x = self.do["decay_pre"](pathway.x, self.c)
            if step >= pathway.delay:
                arrivals = arrivals + self._arrivals(pathway, step)
        return arrivals

    def _arrivals(self, pathway: "_Pathway", step: int) -> Tensor:
        if self.constant is not None:
            return self.constant
        sent_BI = self.pre.sent(step - pathway.delay)
        carried_BI = sent_BI if self.short_term is None else self.short_term.carried(step - pathway.delay)
        w_JI = self.synapse[0] if len(self.pathways) == 1 else self.synapse[0] * pathway.exists_JI
        arrivals = self.column(carried_BI, w_JI)
        if self.rule is not None:
            arrived_I = sent_BI[0] > 0
            self._change("on_pre", pathway.exists_JI & arrived_I[None, :], pathway.x, self.y, self.third_factor)
            pathway.x = _where_fired(arrived_I, self.do["spike_pre"](pathway.x, self.c), pathway.x)
        return arrivals

    def learn_from_post(self, output_BJ: Tensor, step: int) -> None:
        """on_post acts where the postsynaptic neuron fired, and on_interval when it is due."""
        if self.rule is not None:
            fired_J1 = output_BJ[0, :, None] > 0
            for pathway in self.pathways:
                self._change("on_post", pathway.exists_JI & fired_J1, pathway.x, self.y, self.third_factor)
            self.y = _where_fired(fired_J1, self.do["spike_post"](self.y, self.c), self.y)
            if self.interval and (step + 1) % self.interval == 0:
                for pathway in self.pathways:
                    self._change("on_interval", pathway.exists_JI, self.y, self.third_factor)
        if self.weights_every and (step + 1) % self.weights_every == 0:
            self.kept.append(self.final_weights())

    def _change(self, function: str, where: Tensor, *factors: Any) -> None:
        changed = self.do[function](self.synapse, *factors, self.c)
        self.synapse = type(self.synapse)(
            *(torch.where(where, new, old) for new, old in zip(changed, self.synapse, strict=True))
        )

    def n_events(self) -> int:
        """Spikes that arrived times the synapses that each crossed."""
        return int(sum((self.pre.delivered(p.delay) * p.exists_JI.sum(0)).sum() for p in self.pathways))

    def recorded_weights(self) -> Any:
        """[K, synapses], or [K, J, I]."""
        kept = [given.weights if isinstance(given, Synapses) else np.asarray(given) for given in self.kept]
        given = self.given.weights if isinstance(self.given, Synapses) else self.given
        return np.stack(kept) if kept else np.empty((0, *given.shape))

    def final_weights(self) -> Any:
        """The weights at the end, in the form in which they were given."""
        w_JI = self.synapse[0]
        if isinstance(self.given, Synapses):
            rows = torch.as_tensor(self.given.targets.astype(np.int64))
            values = w_JI[rows, torch.as_tensor(self.given.sources)].detach().cpu().numpy()
            return self.given._replace(weights=values)
        if self.rule is None:
            return self.given
        return w_JI if isinstance(self.given, Tensor) else w_JI.numpy()


class _Pathway:
    """The synapses of a projection that have one delay (steps). x: presynaptic traces, as they arrive."""

    def __init__(self, delay: int, exists_JI: Tensor, like: Tensor):
        self.delay, self.exists_JI = int(delay), exists_JI
        self.x: Any = None


class _ShortTerm:
    """What the spikes of a presynaptic population carry.

    is_earlier: whether the modulator advances before the postsynaptic population, at whose turn we look at it.
    factors: what modulated release in the last step and in this one, as it was before the step.
    """

    def __init__(
        self,
        short_term: Any,
        job: Job,
        like: Tensor,
        names: dict[str, Any],
        n_pre: int,
        longest: int,
        modulator: Any,
        is_earlier: bool,
    ):
        c = short_term.coefficients()
        self.c, self.dt = type(c)(*on_device(like, c)), job.net.dt
        self.do = rebind(short_term.send, names)
        shape = job.n_samples, n_pre
        self.state = short_term.State(*(like.new_full(shape, value) for value in short_term.initial()))
        self.since = like.new_full(shape, 2.0**40)  # steps since the last spike; none yet
        self.history = [like.new_zeros(shape)] * (longest + 2)
        self.done = -1
        self.modulator, self.field, self.is_earlier = modulator, short_term.MODULATOR, is_earlier
        self.seen = self._modulation()
        self.factors = self.seen, self.seen

    def _modulation(self) -> Any:
        return getattr(self.modulator.state, self.field) if self.field and self.modulator is not None else 0.0

    def send(self, sent_now: Tensor | None, pre: Any, step: int) -> None:
        """Work through the spikes of the last step, or of this one where they may arrive at once."""
        now = self._modulation()
        self.factors, self.seen = (self.factors[1], self.seen if self.is_earlier else now), now
        newest = step if sent_now is not None else step - 1
        while self.done < newest:
            self.done += 1
            sent_BI = pre.sent(self.done)
            self.since = self.since + 1
            m = self.factors[self.done == step]
            share, state = self.do(self.state, self.since * self.dt, m, self.c)
            fired = sent_BI > 0
            self.state = _where_fired(fired, state, self.state)
            self.since = torch.where(fired, 0.0, self.since)
            self.history[self.done % len(self.history)] = torch.where(fired, share, 0.0)

    def carried(self, step: int) -> Tensor:
        return self.history[step % len(self.history)]


def _where_fired(fired: Tensor, new: tuple, old: tuple) -> Any:
    return type(old)(*(torch.where(fired, a, b) for a, b in zip(new, old, strict=True)))


def dense(given: Any, n_pre: int, n_post: int, like: Tensor, delay: int) -> tuple[Tensor, Tensor, Tensor]:
    """w_JI, which synapses exist, and their delays in steps."""
    if not isinstance(given, Synapses):
        every = torch.ones(n_post, n_pre, dtype=torch.bool, device=like.device)
        return torch.as_tensor(given).to(like), every, every * delay
    rows, columns = torch.as_tensor(given.targets.astype(np.int64)), torch.as_tensor(given.sources)
    w_JI, exists_JI = like.new_zeros(n_post, n_pre), torch.zeros(n_post, n_pre, dtype=torch.bool)
    w_JI[rows, columns] = torch.as_tensor(given.weights).to(like)
    exists_JI[rows, columns] = True
    delay_JI = torch.full((n_post, n_pre), delay)
    if given.delays is not None:
        delay_JI[rows, columns] = torch.as_tensor(given.delays.astype(np.int64))
    return w_JI, exists_JI.to(like.device), delay_JI.to(like.device)
