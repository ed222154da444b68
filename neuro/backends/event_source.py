"""Writes the kernel of the event backend: one compiled loop over time for one kind of network.

A kernel is plain Python source made of the models' own steps, saved to a module that is named by a hash
of everything it depends on; numba caches its machine code beside it. So a network of a known kind starts
at once, and no change of a model can meet a stale kernel.
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
from neuro.backends import event_dialect

DO = ("decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post")


@dataclass(frozen=True)
class PopulationKind:
    """What the kernel must know of a population: p is its place in the order of updating.

    per_neuron: names of coefficients given as arrays. keep: fields whose trace is recorded.
    """

    p: int
    model: Any  # None: a source
    coefficients: Any
    per_neuron: frozenset[str]
    keep: tuple[str, ...]
    keep_spikes: bool


@dataclass(frozen=True)
class ProjectionKind:
    """What the kernel must know of a projection: k is its number, pre and post are places in the order."""

    k: int
    pre: int
    post: int
    receptor: str
    constant: bool  # direct current from a source
    uniform: bool  # all weights are equal and stay so
    rule: Any  # None: the weights stay
    coefficients: Any
    modulator: int | None


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
    """The module whose `run` advances such a network. `arguments(...)` gives the order of its arguments."""
    source = _module_source(populations, projections, drives)
    digest = hashlib.sha256(source.encode())
    for thing in (dialect, poisson, event_dialect, *_steps(populations, projections)):
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


def _steps(populations: list[PopulationKind], projections: list[ProjectionKind]) -> list[Any]:
    steps = [inspect.getmodule(p.model) for p in populations if p.model is not None]
    return steps + [inspect.getmodule(k.rule) for k in projections if k.rule is not None]


def population_arguments(kind: PopulationKind) -> list[str]:
    """Names of the kernel's arguments that belong to one population."""
    p = kind.p
    if kind.model is None:
        return [f"units{p}", f"offsets{p}"]
    names = [f"{field}{p}" for field in kind.model.State._fields]
    names += [f"c{p}_{field}" for field in kind.coefficients._fields]
    names += [*_arrival_names(kind), f"output{p}", f"history{p}", f"fired{p}"]
    names += [f"trace{p}_{field}" for field in kind.keep]
    return names + ([f"spike_steps{p}", f"spike_units{p}", f"n_kept{p}"] if kind.keep_spikes else [])


def _arrival_names(kind: PopulationKind) -> list[str]:
    return [f"x{kind.p}_{receptor}" for receptor in kind.model.receptors]


def projection_arguments(kind: ProjectionKind) -> list[str]:
    """Names of the kernel's arguments that belong to one projection."""
    k = kind.k
    if kind.constant:
        return [f"delay{k}", f"drive{k}", f"drive_events{k}"]
    names = [f"delay{k}", f"row{k}", f"target{k}", f"w{k}"]
    if kind.rule is not None:
        names += [f"column{k}", f"column_synapse{k}", f"column_pre{k}"]
        names += [f"r{k}_{field}" for field in kind.coefficients._fields]
        names += [f"pre{k}_{field}" for field in kind.rule.PreTraces._fields]
        names += [f"post{k}_{field}" for field in kind.rule.PostTraces._fields]
    return names


def _module_source(
    populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]
) -> str:
    lines = [
        '"""Generated by neuro.backends.event_source. Removing this file is safe."""',
        "import numpy as np",
        "from numba import njit",
        "from neuro.backends.event_dialect import NUMBA, add_poisson, collect, deliver, deliver_uniform",
        "from neuro.dialect import rebind",
    ]
    for kind in populations:
        if kind.model is not None:
            lines += _advance_source(kind)
    for kind in projections:
        if kind.rule is not None:
            lines += _rule_source(kind)
    return "\n".join(lines + _run_source(populations, projections, drives)) + "\n"


def _import(cls: type, name: str) -> str:
    return f"from {cls.__module__} import {cls.__qualname__} as {name}"


def _advance_source(kind: PopulationKind) -> list[str]:
    p, fields = kind.p, kind.model.State._fields
    arguments = [f"{field}_" for field in fields] + [f"c_{f}" for f in kind.coefficients._fields]
    values = [f"c_{f}[j]" if f in kind.per_neuron else f"c_{f}" for f in kind.coefficients._fields]
    arrivals = [f"x_{receptor}" for receptor in kind.model.receptors]
    x = ", ".join(f"{name}[j]" for name in arrivals)
    several = [f"Arrivals{p} = Model{p}.Arrivals"] if len(arrivals) > 1 else []
    return [
        _import(type(kind.model), f"Model{p}"),
        _import(type(kind.coefficients), f"Coefficients{p}"),
        f"State{p} = Model{p}.State",
        *several,
        f"step{p} = njit(rebind(Model{p}.step, NUMBA))",
        "@njit(nogil=True)",
        f"def advance{p}({', '.join(arguments + arrivals)}, output):",
        f"    for j in range({arrivals[0]}.shape[0]):",
        f"        c = Coefficients{p}({', '.join(values)})",
        f"        x = Arrivals{p}({x})" if several else f"        x = {x}",
        f"        out, s = step{p}(State{p}({', '.join(f'{f}_[j]' for f in fields)}), x, c)",
        *[f"        {field}_[j] = s.{field}" for field in fields],
        "        output[j] = out",
        *[f"        {name}[j] = 0" for name in arrivals],
    ]


def _rule_source(kind: ProjectionKind) -> list[str]:
    k, pre, post = kind.k, kind.rule.PreTraces._fields, kind.rule.PostTraces._fields
    x_all, y_all = [f"x_{f}" for f in pre], [f"y_{f}" for f in post]
    x_i, y_j = ", ".join(f"x_{f}[i]" for f in pre), ", ".join(f"y_{f}[j]" for f in post)
    lines = [
        _import(type(kind.rule), f"Rule{k}"),
        _import(type(kind.coefficients), f"RuleCoefficients{k}"),
        f"Pre{k}, Post{k} = Rule{k}.PreTraces, Rule{k}.PostTraces",
        *[f"{do}{k} = njit(rebind(Rule{k}.{do}, NUMBA))" for do in DO],
    ]
    for side, names, values, index in (("pre", pre, x_i, "i"), ("post", post, y_j, "j")):
        letter = side == "pre" and "x" or "y"
        arrays = ", ".join(f"{letter}_{f}" for f in names)
        store = [f"        {letter}_{f}[{index}] = s.{f}" for f in names]
        lines += [
            "@njit(nogil=True)",
            f"def decay_all_{side}{k}({arrays}, c):",
            f"    for {index} in range({letter}_{names[0]}.shape[0]):",
            f"        s = decay_{side}{k}({side.capitalize()}{k}({values}), c)",
            *store,
            "@njit(nogil=True)",
            f"def spike_all_{side}{k}(ids, n, {arrays}, c):",
            "    for q in range(n):",
            f"        {index} = ids[q]",
            f"        s = spike_{side}{k}({side.capitalize()}{k}({values}), c)",
            *store,
        ]
    shared = ", ".join([*x_all, *y_all])
    return lines + [
        "@njit(nogil=True)",
        f"def deliver{k}(ids, n, row, target, w, arrivals, {shared}, m, c):",
        "    events = 0",
        "    for q in range(n):",
        "        i = ids[q]",
        f"        x = Pre{k}({x_i})",
        "        for e in range(row[i], row[i + 1]):",
        "            j = target[e]",
        "            arrivals[j] += w[e]",
        f"            w[e] = on_pre{k}(w[e], x, Post{k}({y_j}), m, c)",
        "        events += row[i + 1] - row[i]",
        "    return events",
        "@njit(nogil=True)",
        f"def learn_from_post{k}(ids, n, column, synapse, pre, w, {shared}, m, c):",
        "    for q in range(n):",
        "        j = ids[q]",
        f"        y = Post{k}({y_j})",
        "        for e in range(column[j], column[j + 1]):",
        "            i = pre[e]",
        f"            w[synapse[e]] = on_post{k}(w[synapse[e]], Pre{k}({x_i}), y, m, c)",
    ]


def _run_source(
    populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]
) -> list[str]:
    names = [name for kind in populations for name in population_arguments(kind)]
    names += [name for kind in projections for name in projection_arguments(kind)]
    names += [name for kind in drives for name in drive_arguments(kind)]
    body: list[str] = []
    for kind in projections:
        if kind.rule is not None:
            values = ", ".join(f"r{kind.k}_{field}" for field in kind.coefficients._fields)
            body.append(f"    rule{kind.k} = RuleCoefficients{kind.k}({values})")
    body += ["    for step in range(start, stop):"]
    for kind in populations:
        if kind.model is not None:
            incoming = [projection for projection in projections if projection.post == kind.p]
            driving = [drive for drive in drives if drive.post == kind.p]
            loop = _population_source(kind, incoming, driving, populations)
            body += [f"        {line}" for line in loop]
    if any(kind.keep_spikes for kind in populations):
        body += ["        if stop == step + 1:", "            break"]
    return [
        "@njit(cache=True, nogil=True)",
        f"def run(start, stop, one, counts, {', '.join(names)}):",
        '    """Advance from step `start` to `stop`, or until a spike buffer is nearly full; returns the next step."""',
        *body,
        "    return stop",
    ]


def _population_source(
    kind: PopulationKind,
    incoming: list[ProjectionKind],
    driving: list[DriveKind],
    populations: list[PopulationKind],
) -> list[str]:
    p = kind.p
    lines = [line for projection in incoming for line in _receive_source(projection, populations)]
    for drive in driving:
        weight, bounds, key, *scratch = drive_arguments(drive)
        values = f"{weight}, {bounds}, np.uint32(step), {key}, {', '.join(scratch)}"
        lines.append(f"counts[1] += add_poisson(x{p}_{drive.receptor}, {values})")
    state = [f"{field}{p}" for field in kind.model.State._fields]
    state += [f"c{p}_{field}" for field in kind.coefficients._fields]
    arrivals = _arrival_names(kind)
    size = f"{arrivals[0]}.shape[0]"
    lines.append(f"advance{p}({', '.join(state + arrivals)}, output{p})")
    for field in kind.keep:
        value = f"output{p}" if field == "output" else f"{field}{p}"
        lines += [f"trace{p}_{field}[step] = {value}[:{size}]"]
    if kind.model.graded:
        return lines
    lines += [
        f"slot = step % history{p}.shape[0]",
        f"ids = history{p}[slot]",
        f"n = collect(output{p}, {size}, ids)",
        f"fired{p}[slot] = n",
        "counts[0] += n",
    ]
    for projection in incoming:
        if projection.rule is not None:
            k = projection.k
            columns, traces = f"column{k}, column_synapse{k}, column_pre{k}", _trace_names(projection)
            post = ", ".join(f"post{k}_{field}" for field in projection.rule.PostTraces._fields)
            lines += [
                f"learn_from_post{k}(ids, n, {columns}, w{k}, {traces}, m{k}, rule{k})",
                f"spike_all_post{k}(ids, n, {post}, rule{k})",
            ]
    if kind.keep_spikes:
        lines += [
            "for q in range(n):",
            f"    spike_steps{p}[n_kept{p}[0] + q] = step",
            f"    spike_units{p}[n_kept{p}[0] + q] = ids[q]",
            f"n_kept{p}[0] += n",
            f"if n_kept{p}[0] + {size} > spike_steps{p}.shape[0]:",
            "    stop = step + 1",
        ]
    return lines


def _receive_source(kind: ProjectionKind, populations: list[PopulationKind]) -> list[str]:
    k, pre, x_post = kind.k, kind.pre, f"x{kind.post}_{kind.receptor}"
    if kind.constant:
        return [
            f"if step >= delay{k}:",
            f"    for j in range(drive{k}.shape[0]):",
            f"        {x_post}[j] += drive{k}[j]",
            f"    counts[1] += drive_events{k}",
        ]
    lines: list[str] = []
    arguments = f"row{k}, target{k}, w{k}, {x_post}"
    deliver = f"    counts[1] += {'deliver_uniform' if kind.uniform else 'deliver'}(ids, n, {arguments})"
    after: list[str] = []
    if kind.rule is not None:
        x = ", ".join(f"pre{k}_{field}" for field in kind.rule.PreTraces._fields)
        y = ", ".join(f"post{k}_{field}" for field in kind.rule.PostTraces._fields)
        lines = [
            f"decay_all_pre{k}({x}, rule{k})",
            f"decay_all_post{k}({y}, rule{k})",
            f"m{k} = one" if kind.modulator is None else f"m{k} = output{kind.modulator}[0]",
        ]
        deliver = f"    counts[1] += deliver{k}(ids, n, {arguments}, {_trace_names(kind)}, m{k}, rule{k})"
        after = [f"    spike_all_pre{k}(ids, n, {x}, rule{k})"]
    lines += [f"sent = step - delay{k}", "if sent >= 0:"]
    if populations[pre].model is None:
        lines += [
            f"    ids = units{pre}[offsets{pre}[sent] : offsets{pre}[sent + 1]]",
            "    n = ids.shape[0]",
        ]
    else:
        lines += [
            f"    ids = history{pre}[sent % history{pre}.shape[0]]",
            f"    n = fired{pre}[sent % history{pre}.shape[0]]",
        ]
    return [*lines, deliver, *after]


def _trace_names(kind: ProjectionKind) -> str:
    names = [f"pre{kind.k}_{field}" for field in kind.rule.PreTraces._fields]
    return ", ".join(names + [f"post{kind.k}_{field}" for field in kind.rule.PostTraces._fields])
