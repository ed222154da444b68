"""Writes the kernel of the event backend: one compiled loop over time for one kind of network.

A kernel is plain Python source made of the models' own steps, saved to a module that is named by a hash
of everything it depends on; numba caches its machine code beside it. So a network of a known kind starts
at once, and no change of a model can meet a stale kernel. The loop over the neurons of a model and what a rule does are
modules of their own, so that a new kind of network compiles little but its own loop over time.

Every thread runs the same kernel over its own part of each population (first to last), and writes nothing that belongs
to another: it delivers the spikes of all to its own neurons. Threads wait for each other every `block` steps,
which is the least delay. In the names below, own_ is the thread's part of an array.
"""

from types import ModuleType
from typing import Any

from neuro import dialect, poisson
from neuro.backends import event_dialect, fast_exp, generated, intrinsics
from neuro.backends.event_kinds import (
    DriveKind,
    PopulationKind,
    ProjectionKind,
    drive_arguments,
    population_arguments,
    projection_arguments,
)
from neuro.backends.event_rule_source import (
    HEAD,
    import_line,
    rule_names,
    rule_source,
    short_term_source,
)

RUN = "start stop origin zero one dt thread n_threads block counts barrier full".split()


def kernel(populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]) -> ModuleType:
    """The module whose `run` advances such a network."""
    short_terms = [kind.short_term for kind in projections if kind.short_term is not None]
    return _load("neuro_kernel", _kernel_source(populations, projections, drives), short_terms)


def _load(prefix: str, lines: list[str], models: list[Any]) -> ModuleType:
    """A generated module that depends on models or rules, and on ours: who changes one of them gets a new one."""
    depends_on = [dialect, poisson, event_dialect, fast_exp, intrinsics, *generated.modules_of(*map(type, models))]
    return generated.load(prefix, lines, depends_on)


def _imported(module: ModuleType, names: list[str], number: int) -> str:
    """Names of a generated module under the numbers that they have in a kernel."""
    return f"from {module.__name__} import {', '.join(f'{name} as {name}{number}' for name in names)}"


def _kernel_source(
    populations: list[PopulationKind], projections: list[ProjectionKind], drives: list[DriveKind]
) -> list[str]:
    lines = [
        *HEAD,
        "import numpy as np",
        "from numba import njit",
        "from neuro.backends.intrinsics import expect, wait",
    ]
    for kind in populations:
        if kind.is_model:
            neurons = _load("neuro_neurons", _neurons_source(kind), [kind.model])
            lines.append(_imported(neurons, ["advance"], kind.p))
    for kind in projections:
        if kind.rule is not None:
            rule = _load("neuro_rule", rule_source(kind, populations[kind.pre]), [kind.rule])
            lines.append(_imported(rule, rule_names(kind), kind.k))
        if kind.short_term is not None:
            lines += short_term_source(kind)
    return lines + _run_source(populations, projections, drives)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _neurons_source(kind: PopulationKind) -> list[str]:
    """The module of a model: the loop over a thread's neurons."""
    fields = kind.model.State._fields
    arguments = [f"{field}_" for field in fields] + [f"c_{f}" for f in kind.coefficients._fields]
    values = [f"c_{f}[j]" if f in kind.per_neuron else f"c_{f}" for f in kind.coefficients._fields]
    arrivals = [] if kind.adds_to else [f"x_{receptor}" for receptor in kind.model.receptors]
    x = ", ".join(f"{name}[j]" for name in arrivals) or ", ".join(["zero"] * len(kind.model.receptors))
    several = len(kind.model.receptors) > 1
    return [
        *HEAD,
        import_line(type(kind.model), "Model"),
        import_line(type(kind.coefficients), "Coefficients"),
        "State = Model.State",
        *(["Arrivals = Model.Arrivals"] if several else []),
        "step = shared.inner(rebind(Model.step, shared.NUMBA))",
        "@shared.kept",
        f"def advance({', '.join(arguments + arrivals)}, output, zero):",
        f"    for j in range({fields[0]}_.shape[0]):",
        f"        c = Coefficients({', '.join(values)})",
        f"        x = Arrivals({x})" if several else f"        x = {x}",
        f"        out, s = step(State({', '.join(f'{f}_[j]' for f in fields)}), x, c)",
        *[f"        {field}_[j] = s.{field}" for field in fields],
        "        output[j] = out",
        *[f"        {name}[j] = 0" for name in arrivals],
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
    body = [f"{kind.release_factor} = {kind.gliotransmission}[0]" for kind in projections if kind.gliotransmission]
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
    body += [
        f"expect(step + 1, {_spikes_of(populations[kind.pre])}, thread, n_threads, delays{kind.k}, row{kind.k},"
        f" target{kind.k})"
        for kind in projections
        if not (kind.constant or populations[kind.pre].given)
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
        lines.append(f"shared.keep(trace{p}_{field}, step - origin, first{p}, {value}, {size})")
    if kind.is_model and kind.model.graded:
        return lines
    lines += [
        f"slot = step % depth{p}",
        f"start_ = slot * size{p} + first{p}",
        f"n = shared.collect(output{p}, first{p}, history{p}, start_)",
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
        place = f"row{k}, n_threads, thread, target{k}"
        lines += [
            f"if (step + 1) % interval{k} == 0:",
            f"    on_interval_all{k}({place}, {synapse}, {y}, m{k}, rule{k})",
        ]
    return lines


def _receive_source(kind: ProjectionKind, post: PopulationKind, populations: list[PopulationKind]) -> list[str]:
    """What was sent a delay ago arrives."""
    k, pre = kind.k, populations[kind.pre]
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
    where = f"thread, n_threads, delays{k}, row{k}, target{k}, {post.arrivals(kind.receptor)}"
    values = ", ".join([*kind.synapse, *kind.rings] + ([f"ring{k}", f"n_pre{k}"] if kind.rings else []))
    if kind.rule is not None:
        receive, values = f"receive{k}", f"{values}, {', '.join(kind.traces)}, m{k}, rule{k}"
    else:
        how = "_share" if kind.short_term is not None else "_uniform" if kind.uniform else ""
        receive = f"shared.from_{'events' if pre.given else 'neurons'}{how}"
    return [*lines, f"counts[1] += {receive}(step, {_spikes_of(pre)}, {where}, {values})"]


def _spikes_of(kind: PopulationKind) -> str:
    """What holds the spikes of a population over time."""
    p = kind.p
    return f"units{p}, offsets{p}, base{p}" if kind.given else f"history{p}, fired{p}, depth{p}, size{p}, parts{p}"


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
        state = ", ".join([*(f"state{k}_{field}" for field in kind.short_term.State._fields), kind.release_factor])
        lines.append(f"send_all{k}({spikes}, step, dt, last_sent{k}, released{k}, {now}, {state}, shortterm{k})")
    return lines
