"""Writes the kernel of the event backend: one compiled loop over time for one kind of network.

A kernel is plain Python source made of the models' own steps, saved to a module that is named by a hash
of everything it depends on; numba caches its machine code beside it. So a network of a known kind starts
at once, and no change of a model can meet a stale kernel.

Every thread runs the same kernel over its own part of each population (first to last), and writes nothing that belongs
to another: it delivers the spikes of all to its own neurons. Threads wait for each other every `block` steps,
which is the least delay. In the names below, own_ is the thread's part of an array.
"""

import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from neuro import dialect, poisson
from neuro.backends import event_dialect, fast_exp, intrinsics

RUN = "start stop origin zero one dt thread n_threads block counts barrier full".split()
DO = ("decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post")


@dataclass(frozen=True)
class PopulationKind:
    """What the kernel must know of a population: p is its place in the order of updating.

    model: None for events that are given, "poisson" for spikes that are drawn.
    per_neuron: names of coefficients given as arrays. keep: fields whose trace is recorded.
    """

    p: int
    model: Any
    coefficients: Any
    per_neuron: frozenset[str]
    keep: tuple[str, ...]
    keep_spikes: bool

    @property
    def given(self) -> bool:
        return self.model is None

    @property
    def drawn(self) -> bool:
        return self.model == "poisson"

    @property
    def is_model(self) -> bool:
        return not (self.given or self.drawn)

    @property
    def adds_to(self) -> dict[str, str]:
        """Fields to which arrivals are added directly, after the step, which saves arrays for them."""
        return getattr(self.model, "ADDS_TO", {})

    def arrivals(self, receptor: str) -> str:
        """The array to which spikes deliver."""
        field = self.adds_to.get(receptor)
        return f"x{self.p}_{receptor}" if field is None else f"all_{field}{self.p}"

    def own_arrivals(self, receptor: str) -> str:
        field = self.adds_to.get(receptor)
        return f"own_x{self.p}_{receptor}" if field is None else f"{field}{self.p}"


@dataclass(frozen=True)
class ProjectionKind:
    """What the kernel must know of a projection: k is its number, pre and post are places in the order."""

    k: int
    pre: int
    post: int
    receptor: str
    constant: bool  # direct current from a source
    uniform: bool  # all weights are equal and stay so
    delays: bool  # synapses differ in their delays
    rule: Any  # None: the weights stay
    coefficients: Any
    modulator: int | None
    interval: bool  # the rule has on_interval
    short_term: Any
    short_term_coefficients: Any

    @property
    def pre_traces(self) -> list[str]:
        """Arrays of the presynaptic neurons, rings of the last steps."""
        return [] if self.rule is None else [f"pre{self.k}_{field}" for field in self.rule.PreTraces._fields]

    @property
    def rings(self) -> list[str]:
        """All arrays that hold the last steps, up to the longest delay."""
        return self.pre_traces + ([f"released{self.k}"] if self.short_term is not None else [])

    @property
    def traces(self) -> list[str]:
        """Arrays of the postsynaptic neurons."""
        return [] if self.rule is None else [f"post{self.k}_{field}" for field in self.rule.PostTraces._fields]

    @property
    def synapse(self) -> list[str]:
        """Arrays of the synapses, the weight first."""
        fields = self.rule.Synapse._fields[1:] if self.rule is not None else ()
        return [f"w{self.k}", *(f"s{self.k}_{field}" for field in fields)]


@dataclass(frozen=True)
class DriveKind:
    """What the kernel must know of a Poisson drive: d is its number, post a place in the order."""

    d: int
    post: int
    receptor: str


def drive_arguments(kind: DriveKind) -> list[str]:
    """Names of the kernel's arguments that belong to one drive."""
    return [f"d{kind.d}_{part}" for part in ("weight", "bounds", "key", "bits", "counts")]


def kernel(populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]) -> ModuleType:
    """The module whose `run` advances such a network."""
    source = _module_source(populations, projections, drives)
    digest = hashlib.sha256(source.encode())
    for thing in (dialect, poisson, event_dialect, fast_exp, intrinsics, *_models(populations, projections)):
        digest.update(inspect.getsource(thing).encode())
    name = f"neuro_kernel_{digest.hexdigest()[:24]}"
    if name in sys.modules:
        return sys.modules[name]
    path = cache_dir() / f"{name}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(source)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def cache_dir() -> Path:
    """Where kernels lie: $NEURO_CACHE/kernels, by default ~/.cache/neuro/kernels."""
    root = os.environ.get("NEURO_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuro"
    return Path(root) / "kernels"


def _models(populations: list[PopulationKind], projections: list[ProjectionKind]) -> list[Any]:
    models = [kind.model for kind in populations if kind.is_model]
    models += [thing for kind in projections for thing in (kind.rule, kind.short_term) if thing is not None]
    return [inspect.getmodule(model) for model in models]


def population_arguments(kind: PopulationKind) -> list[str]:
    """Names of the kernel's arguments that belong to one population."""
    p = kind.p
    if kind.given:
        return [f"units{p}", f"offsets{p}", f"base{p}"]
    names = [f"{name}{p}" for name in ("first", "last", "parts", "size", "depth", "output", "history", "fired")]
    if kind.drawn:
        names += [f"bound{p}", f"key{p}"]
    else:
        names += [f"{field}{p}" for field in kind.model.State._fields]
        names += [f"c{p}_{field}" for field in kind.coefficients._fields]
        names += [f"all_{field}{p}" for field in kind.adds_to.values()]
        if not kind.adds_to:
            names += [f"{own}x{p}_{receptor}" for receptor in kind.model.receptors for own in ("", "own_")]
    names += [f"trace{p}_{field}" for field in kind.keep]
    return names + ([f"spike_steps{p}", f"spike_units{p}", f"n_kept{p}"] if kind.keep_spikes else [])


def projection_arguments(kind: ProjectionKind) -> list[str]:
    """Names of the kernel's arguments that belong to one projection."""
    k = kind.k
    if kind.constant:
        return [f"delay{k}", f"drive{k}", f"drive_events{k}"]
    names = [f"delays{k}", f"row{k}", f"target{k}", *kind.synapse]
    if kind.rings:
        names += [f"ring{k}", f"n_pre{k}", *kind.rings]
    if kind.short_term is not None:
        names += [f"last_sent{k}", *(f"state{k}_{field}" for field in kind.short_term.State._fields)]
        names += [f"q{k}_{field}" for field in kind.short_term_coefficients._fields]
    if kind.rule is not None:
        names += [f"column{k}", f"column_synapse{k}", f"column_pre{k}"]
        names += [f"column_delay{k}"] if kind.delays else []
        names += [f"r{k}_{field}" for field in kind.coefficients._fields]
        names += [f"{own}{trace}" for trace in kind.traces for own in ("", "own_")]
        names += [f"interval{k}"] if kind.interval else []
    return names


def _module_source(
    populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]
) -> str:
    lines = [
        '"""Generated by neuro.backends.event_source. Removing this file is safe."""',
        "import numpy as np",
        "from numba import njit",
        "from neuro.backends import event_dialect as shared",
        "from neuro.backends.intrinsics import wait",
        "from neuro.dialect import rebind",
    ]
    for kind in populations:
        if kind.is_model:
            lines += _advance_source(kind)
    for kind in projections:
        if kind.rule is not None:
            lines += _rule_source(kind)
        if kind.short_term is not None:
            lines += _short_term_source(kind)
    return "\n".join(lines + _run_source(populations, projections, drives)) + "\n"


def _import(cls: type, name: str) -> str:
    return f"from {cls.__module__} import {cls.__qualname__} as {name}"


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _advance_source(kind: PopulationKind) -> list[str]:
    """The loop over a thread's neurons of one model."""
    p, fields = kind.p, kind.model.State._fields
    arguments = [f"{field}_" for field in fields] + [f"c_{f}" for f in kind.coefficients._fields]
    values = [f"c_{f}[j]" if f in kind.per_neuron else f"c_{f}" for f in kind.coefficients._fields]
    arrivals = [] if kind.adds_to else [f"x_{receptor}" for receptor in kind.model.receptors]
    x = ", ".join(f"{name}[j]" for name in arrivals) or ", ".join(["zero"] * len(kind.model.receptors))
    several = len(kind.model.receptors) > 1
    return [
        _import(type(kind.model), f"Model{p}"),
        _import(type(kind.coefficients), f"Coefficients{p}"),
        f"State{p} = Model{p}.State",
        *([f"Arrivals{p} = Model{p}.Arrivals"] if several else []),
        f"step{p} = njit(rebind(Model{p}.step, shared.NUMBA), error_model='numpy')",
        "@njit(nogil=True)",
        f"def advance{p}({', '.join(arguments + arrivals)}, output, zero):",
        f"    for j in range({fields[0]}_.shape[0]):",
        f"        c = Coefficients{p}({', '.join(values)})",
        f"        x = Arrivals{p}({x})" if several else f"        x = {x}",
        f"        out, s = step{p}(State{p}({', '.join(f'{f}_[j]' for f in fields)}), x, c)",
        *[f"        {field}_[j] = s.{field}" for field in fields],
        "        output[j] = out",
        *[f"        {name}[j] = 0" for name in arrivals],
    ]


def _rule_source(kind: ProjectionKind) -> list[str]:
    """Traces over time, and what synapses do at presynaptic and postsynaptic spikes and at intervals."""
    k, rule = kind.k, kind.rule
    pre, post, synapse = rule.PreTraces._fields, rule.PostTraces._fields, rule.Synapse._fields
    x_all, y_all, s_all = [f"x_{f}" for f in pre], [f"y_{f}" for f in post], [f"s_{f}" for f in synapse]
    # Rings lie flat: the values of a step begin at the place `now`, those of the step before at `before`.
    x_i, old_x = (", ".join(f"{x}[{place} + i]" for x in x_all) for place in ("now", "before"))
    y_j = ", ".join(f"{y}[j]" for y in y_all)
    released = ", released, sent" if kind.short_term is not None else ""
    times_released = " * released[sent + i]" if kind.short_term is not None else ""

    def change(index: str, call: str, indent: str) -> list[str]:
        values = ", ".join(f"{s}[{index}]" for s in s_all)
        store = [f"{indent}{name}[{index}] = s.{f}" for name, f in zip(s_all, synapse, strict=True)]
        return [f"{indent}s = {call.format(f'Synapse{k}({values})')}", *store]

    slot = ["            now = places[delay[e]]"] if kind.delays else []
    lines = [
        _import(type(rule), f"Rule{k}"),
        _import(type(kind.coefficients), f"RuleCoefficients{k}"),
        f"Pre{k}, Post{k}, Synapse{k} = Rule{k}.PreTraces, Rule{k}.PostTraces, Rule{k}.Synapse",
        *[
            f"{do}{k} = njit(rebind(Rule{k}.{do}, shared.NUMBA), error_model='numpy')"
            for do in (*DO, *["on_interval"] * kind.interval)
        ],
        "@njit(nogil=True)",
        f"def decay_all_pre{k}({', '.join(x_all)}, before, now, n, c):",
        "    for i in range(n):",
        f"        s = decay_pre{k}(Pre{k}({old_x}), c)",
        *[f"        {x}[now + i] = s.{f}" for x, f in zip(x_all, pre, strict=True)],
        "@njit(nogil=True)",
        f"def decay_all_post{k}({', '.join(y_all)}, c):",
        f"    for j in range({y_all[0]}.shape[0]):",
        f"        s = decay_post{k}(Post{k}({y_j}), c)",
        *[f"        {y}[j] = s.{f}" for y, f in zip(y_all, post, strict=True)],
    ]
    lines += [
        "@njit(nogil=True)",
        f"def spike_all_pre{k}(ids, start, n, {', '.join(x_all)}, now, c):",
        "    for q in range(start, start + n):",
        "        i = ids[q]",
        f"        s = spike_pre{k}(Pre{k}({x_i}), c)",
        *[f"        {x}[now + i] = s.{f}" for x, f in zip(x_all, pre, strict=True)],
        "@njit(nogil=True)",
        f"def spike_all_post{k}(ids, start, n, {', '.join(y_all)}, c):",
        "    for q in range(start, start + n):",
        "        j = ids[q]",
        f"        s = spike_post{k}(Post{k}({y_j}), c)",
        *[f"        {y}[j] = s.{f}" for y, f in zip(y_all, post, strict=True)],
        "@njit(nogil=True)",
        f"def deliver{k}(ids, start, n, row, stride, place, target, arrivals, {', '.join(s_all + x_all)}, before"
        f"{released}, {', '.join(y_all)}, m, c):",
        "    events = 0",
        "    for q in range(start, start + n):",
        "        i = ids[q]",
        f"        x = decay_pre{k}(Pre{k}({old_x}), c)",
        "        first, last = row[i * stride + place], row[i * stride + place + 1]",
        "        for e in range(first, last):",
        "            j = target[e]",
        f"            arrivals[j] += s_w[e]{times_released}",
        *change("e", f"on_pre{k}({{}}, x, Post{k}({y_j}), m, c)", " " * 12),
        "        events += last - first",
        "    return events",
        "@njit(nogil=True)",
        f"def learn_from_post{k}(ids, start, n, column, synapse, pre, {'delay, places' if kind.delays else 'now'}, "
        f"{', '.join(s_all + x_all + y_all)}, m, c):",
        "    for q in range(start, start + n):",
        "        j = ids[q]",
        f"        y = Post{k}({y_j})",
        "        for e in range(column[j], column[j + 1]):",
        "            i = pre[e]",
        *slot,
        *change("synapse[e]", f"on_post{k}({{}}, Pre{k}({x_i}), y, m, c)", " " * 12),
    ]
    if kind.interval:
        lines += [
            "@njit(nogil=True)",
            f"def on_interval_all{k}(row, stride, place, target, {', '.join(s_all + y_all)}, m, c):",
            "    for segment in range(place, row.shape[0] - 1, stride):",
            "        for e in range(row[segment], row[segment + 1]):",
            "            j = target[e]",
            *change("e", f"on_interval{k}({{}}, Post{k}({y_j}), m, c)", " " * 12),
        ]
    return lines


def _short_term_source(kind: ProjectionKind) -> list[str]:
    """What the neurons that fire release; `released` and `last_sent` are of all neurons."""
    k, fields = kind.k, kind.short_term.State._fields
    values, state = ", ".join(f"s_{f}[i]" for f in fields), ", ".join(f"s_{f}" for f in fields)
    return [
        _import(type(kind.short_term), f"ShortTerm{k}"),
        _import(type(kind.short_term_coefficients), f"ShortTermCoefficients{k}"),
        f"Resources{k} = ShortTerm{k}.State",
        f"send{k} = njit(rebind(ShortTerm{k}.send, shared.NUMBA), error_model='numpy')",
        "@njit(nogil=True)",
        f"def send_all{k}(ids, start, n, step, dt, last_sent, released, now, {state}, c):",
        "    for q in range(start, start + n):",
        "        i = ids[q]",
        f"        share, s = send{k}(Resources{k}({values}), (step - last_sent[i]) * dt, c)",
        "        released[now + i], last_sent[i] = share, step",
        *[f"        s_{f}[i] = s.{f}" for f in fields],
    ]


def _run_source(
    populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]
) -> list[str]:
    names = [name for kind in populations for name in population_arguments(kind)]
    names += [name for kind in projections for name in projection_arguments(kind)]
    names += [name for kind in drives for name in drive_arguments(kind)]
    prepare: list[str] = []
    for kind in projections:
        for letter, title, c in (("r", "Rule", kind.coefficients), ("q", "ShortTerm", kind.short_term_coefficients)):
            if c is not None:
                values = ", ".join(f"{letter}{kind.k}_{field}" for field in c._fields)
                prepare.append(f"{title.lower()}{kind.k} = {title}Coefficients{kind.k}({values})")
    body: list[str] = []
    for kind in populations:
        incoming = [projection for projection in projections if projection.post == kind.p]
        outgoing = [projection for projection in projections if projection.pre == kind.p]
        driving = [drive for drive in drives if drive.post == kind.p]
        if not kind.given:
            body += _population_source(kind, incoming, driving, populations)
        body += [line for projection in outgoing for line in _send_source(projection, kind)]
    # A buffer of spikes that might not hold another block ends the run for all threads at the same step.
    full = [
        f"if n_kept{kind.p}[0] + (last{kind.p} - first{kind.p}) * block > spike_steps{kind.p}.shape[0]:\n"
        f"                full[0] = step + 1"
        for kind in populations
        if kind.keep_spikes
    ]
    body += [
        "if (step + 1) % block == 0 or step + 1 == stop:",
        *_indented(full),
        "    if n_threads > 1:",
        "        wait(barrier, n_threads)",
        "    if full[0] == step + 1:",
        "        return step + 1",
    ]
    return [
        "@njit(cache=True, nogil=True)",
        f"def run({', '.join([*RUN, *names])}):",
        '    """Advance from step start to stop, or until a buffer of spikes is nearly full; returns the next step."""',
        *_indented(prepare),
        "    for step in range(start, stop):",
        *_indented(_indented(body)),
        "    return stop",
    ]


def _population_source(
    kind: PopulationKind,
    incoming: list[ProjectionKind],
    driving: list[DriveKind],
    populations: list[PopulationKind],
) -> list[str]:
    """Traces decay, arrivals, on_pre, step, on_post; arrivals that the step does not look at come after it."""
    p, size = kind.p, f"(last{kind.p} - first{kind.p})"
    lines = [line for projection in incoming for line in _receive_source(projection, kind, populations)]
    for drive in driving:
        weight, bounds, key, *scratch = drive_arguments(drive)
        values = f"first{p}, {weight}, {bounds}, np.uint32(step), {key}, {', '.join(scratch)}"
        lines.append(f"counts[1] += shared.add_poisson({kind.own_arrivals(drive.receptor)}, {values})")
    if kind.drawn:
        advance = f"shared.draw_spikes(output{p}, first{p}, {size}, bound{p}, np.uint32(step), key{p})"
    else:
        arguments = [f"{field}{p}" for field in kind.model.State._fields]
        arguments += [f"c{p}_{field}" for field in kind.coefficients._fields]
        if not kind.adds_to:
            arguments += [f"own_x{p}_{receptor}" for receptor in kind.model.receptors]
        advance = f"advance{p}({', '.join(arguments)}, output{p}, zero)"
    lines = [advance, *lines] if kind.is_model and kind.adds_to else [*lines, advance]
    for field in kind.keep:
        value = f"output{p}" if field == "output" else f"{field}{p}"
        lines.append(f"trace{p}_{field}[step - origin, first{p}:last{p}] = {value}[:{size}]")
    if kind.is_model and kind.model.graded:
        return lines
    lines += [
        f"slot = step % depth{p}",
        f"start_ = slot * size{p} + first{p}",
        f"n = shared.collect(output{p}, {size}, first{p}, history{p}, start_)",
        f"fired{p}[thread, slot] = n",
    ]
    if kind.is_model:
        lines.append("counts[0] += n")
    for projection in incoming:
        lines += _learn_source(projection, f"history{p}, start_, n")
    if kind.keep_spikes:
        lines += [
            "for q in range(n):",
            f"    spike_steps{p}[n_kept{p}[0] + q] = step",
            f"    spike_units{p}[n_kept{p}[0] + q] = history{p}[start_ + q]",
            f"n_kept{p}[0] += n",
        ]
    return lines


def _learn_source(kind: ProjectionKind, spikes: str) -> list[str]:
    """The postsynaptic neurons `spikes` fired."""
    if kind.rule is None:
        return []
    k = kind.k
    x, synapse, y = ", ".join(kind.pre_traces), ", ".join(kind.synapse), ", ".join(kind.traces)
    now = f"(step - delays{k}{'' if kind.delays else '[0]'}) % ring{k} * n_pre{k}"
    columns = f"column{k}, column_synapse{k}, column_pre{k}" + (f", column_delay{k}" if kind.delays else "")
    lines = [
        "if n > 0:",
        f"    learn_from_post{k}({spikes}, {columns}, {now}, {synapse}, {x}, {y}, m{k}, rule{k})",
        f"    spike_all_post{k}({spikes}, {y}, rule{k})",
    ]
    if kind.interval:
        place = f"row{k}, n_threads * delays{k}.shape[0], thread, target{k}"
        lines += [
            f"if (step + 1) % interval{k} == 0:",
            f"    on_interval_all{k}({place}, {synapse}, {y}, m{k}, rule{k})",
        ]
    return lines


def _receive_source(kind: ProjectionKind, post: PopulationKind, populations: list[PopulationKind]) -> list[str]:
    """What was sent a delay ago arrives."""
    k, p, pre = kind.k, kind.pre, populations[kind.pre]
    if kind.constant:
        own = post.own_arrivals(kind.receptor)
        return [
            f"if step >= delay{k}:",
            f"    for j in range({own}.shape[0]):",
            f"        {own}[j] += drive{k}[first{post.p} + j]",
            f"    counts[1] += drive_events{k} if thread == 0 else 0",
        ]
    lines: list[str] = []
    if kind.rule is not None:
        lines = [
            f"decay_all_post{k}({', '.join(f'own_{trace}' for trace in kind.traces)}, rule{k})",
            f"m{k} = one" if kind.modulator is None else f"m{k} = output{kind.modulator}[0]",
        ]
    spikes = f"units{p}, start_, n" if pre.given else f"history{p}, start_, n"
    row = f"row{k}, delays{k}.shape[0] * n_threads, g * n_threads + thread, target{k}"
    arrivals = post.arrivals(kind.receptor)
    released = f", released{k}, sent % ring{k} * n_pre{k}" if kind.short_term is not None else ""
    if kind.rule is not None:
        synapse, x, y = ", ".join(kind.synapse), ", ".join(kind.pre_traces), ", ".join(kind.traces)
        before = f"(sent - 1) % ring{k} * n_pre{k}"
        call = f"deliver{k}({spikes}, {row}, {arrivals}, {synapse}, {x}, {before}{released}, {y}, m{k}, rule{k})"
    else:
        how = "_share" if released else "_uniform" if kind.uniform else ""
        call = f"shared.deliver{how}({spikes}, {row}, w{k}, {arrivals}{released})"
    if pre.given:
        find = [
            f"start_ = offsets{p}[sent - base{p}]",
            f"n = offsets{p}[sent - base{p} + 1] - start_",
            f"counts[1] += {call}",
        ]
    else:
        find = [
            f"slot = sent % depth{p}",
            "for part in range(n_threads):",
            f"    n = fired{p}[part, slot]",
            "    if n > 0:",
            f"        start_ = slot * size{p} + parts{p}[part]",
            f"        counts[1] += {call}",
        ]
    return [*lines, f"for g in range(delays{k}.shape[0]):", *_indented([f"sent = step - delays{k}[g]", *find])]


def _send_source(kind: ProjectionKind, pre: PopulationKind) -> list[str]:
    """The presynaptic neurons fired: their traces, and what their spikes will carry."""
    if kind.constant or not kind.rings:
        return []
    k, p = kind.k, kind.pre
    if pre.given:
        # Every thread keeps the traces of all of them, since nobody owns a source.
        lines = [f"start_ = offsets{p}[step - base{p}]", f"n = offsets{p}[step - base{p} + 1] - start_"]
        spikes, first, size = f"units{p}, start_, n", "0", f"n_pre{k}"
    else:
        lines = [f"start_ = step % depth{p} * size{p} + first{p}", f"n = fired{p}[thread, step % depth{p}]"]
        spikes, first, size = f"history{p}, start_, n", f"first{p}", f"last{p} - first{p}"
    now, before = (f"{step} % ring{k} * n_pre{k}" for step in ("step", "(step - 1)"))
    if kind.rule is not None:
        x = ", ".join(kind.pre_traces)
        lines += [
            f"decay_all_pre{k}({x}, {before} + {first}, {now} + {first}, {size}, rule{k})",
            f"spike_all_pre{k}({spikes}, {x}, {now}, rule{k})",
        ]
    if kind.short_term is not None:
        state = ", ".join(f"state{k}_{field}" for field in kind.short_term.State._fields)
        lines.append(f"send_all{k}({spikes}, step, dt, last_sent{k}, released{k}, {now}, {state}, shortterm{k})")
    return lines
