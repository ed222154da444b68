"""Writes the parts of a kernel of the event backend that concern plasticity.

Traces of presynaptic neurons lie in rings of the last steps, flat: the values of a step begin at the place `now`, those
of the step before at `before`. So a synapse with a long delay finds the trace as it was when its spike left.
"""

from neuro.backends.event_kinds import PopulationKind, ProjectionKind

DO = ("decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post")


def import_line(cls: type, name: str) -> str:
    return f"from {cls.__module__} import {cls.__qualname__} as {name}"


# What the kernel itself calls of what `rule_source` writes.
CALLED = "RuleCoefficients decay_all_pre decay_all_post spike_all_pre spike_all_post receive learn_from_post".split()


def rule_key(kind: ProjectionKind, sender: PopulationKind) -> tuple:
    """Projections with the same key have the same functions, whatever their parameters."""
    return (
        type(kind.rule),
        type(kind.coefficients),
        kind.delays,
        kind.interval,
        kind.short_term is not None,
        sender.given,
    )


def rule_aliases(kind: ProjectionKind, first: ProjectionKind) -> list[str]:
    """The functions of another projection under this one's names."""
    names = [*CALLED, *["on_interval_all"] * kind.interval]
    return [f"{name}{kind.k} = {name}{first.k}" for name in names]


def rule_source(kind: ProjectionKind, sender: PopulationKind) -> list[str]:
    """Traces over time, and what synapses do at presynaptic and postsynaptic spikes and at intervals."""
    k, rule = kind.k, kind.rule
    pre, post, synapse = rule.PreTraces._fields, rule.PostTraces._fields, rule.Synapse._fields
    x_all, y_all, s_all = [f"x_{f}" for f in pre], [f"y_{f}" for f in post], [f"s_{f}" for f in synapse]
    # Rings lie flat: the values of a step begin at the place `now`, those of the step before at `before`.
    x_i, old_x = (", ".join(f"{x}[{place} + i]" for x in x_all) for place in ("now", "before"))
    y_j = ", ".join(f"{y}[j]" for y in y_all)
    released = ", released" if kind.short_term is not None else ""
    times_released = " * released[sent % ring * n_pre + i]" if kind.short_term is not None else ""

    def change(index: str, call: str, indent: str) -> list[str]:
        values = ", ".join(f"{s}[{index}]" for s in s_all)
        store = [f"{indent}{name}[{index}] = s.{f}" for name, f in zip(s_all, synapse, strict=True)]
        return [f"{indent}s = {call.format(f'Synapse{k}({values})')}", *store]

    slot = ["            now = places[delay[e]]"] if kind.delays else []
    lines = [
        import_line(type(rule), f"Rule{k}"),
        import_line(type(kind.coefficients), f"RuleCoefficients{k}"),
        f"Pre{k}, Post{k}, Synapse{k} = Rule{k}.PreTraces, Rule{k}.PostTraces, Rule{k}.Synapse",
        *[
            f"{do}{k} = shared.inner(rebind(Rule{k}.{do}, shared.NUMBA))"
            for do in (*DO, *["on_interval"] * kind.interval)
        ],
        "@shared.inner",
        f"def decay_all_pre{k}({', '.join(x_all)}, before, now, n, c):",
        *[f"    old_{f}, new_{f} = x_{f}[before : before + n], x_{f}[now : now + n]" for f in pre],
        "    for i in range(n):",
        f"        s = decay_pre{k}(Pre{k}({', '.join(f'old_{f}[i]' for f in pre)}), c)",
        *[f"        new_{f}[i] = s.{f}" for f in pre],
        "@shared.inner",
        f"def decay_all_post{k}({', '.join(y_all)}, c):",
        f"    for j in range({y_all[0]}.shape[0]):",
        f"        s = decay_post{k}(Post{k}({y_j}), c)",
        *[f"        {y}[j] = s.{f}" for y, f in zip(y_all, post, strict=True)],
    ]
    lines += [
        "@shared.inner",
        f"def spike_all_pre{k}(ids, start, n, {', '.join(x_all)}, now, c):",
        "    for q in range(start, start + n):",
        "        i = ids[q]",
        f"        s = spike_pre{k}(Pre{k}({x_i}), c)",
        *[f"        {x}[now + i] = s.{f}" for x, f in zip(x_all, pre, strict=True)],
        "@shared.inner",
        f"def spike_all_post{k}(ids, start, n, {', '.join(y_all)}, c):",
        "    for q in range(start, start + n):",
        "        j = ids[q]",
        f"        s = spike_post{k}(Post{k}({y_j}), c)",
        *[f"        {y}[j] = s.{f}" for y, f in zip(y_all, post, strict=True)],
        "@shared.inner",
        f"def deliver{k}(ids, start, n, row, stride, place, sent, target, arrivals, {', '.join(s_all + x_all)}"
        f"{released}, ring, n_pre, {', '.join(y_all)}, m, c):",
        "    before = (sent - 1) % ring * n_pre",
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
        f"receive{k} = shared.receiver_of_{'events' if sender.given else 'neurons'}(shared.LEARNING, deliver{k})",
        "@shared.inner",
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
            "@shared.inner",
            f"def on_interval_all{k}(row, stride, place, target, {', '.join(s_all + y_all)}, m, c):",
            "    for segment in range(place, row.shape[0] - 1, stride):",
            "        for e in range(row[segment], row[segment + 1]):",
            "            j = target[e]",
            *change("e", f"on_interval{k}({{}}, Post{k}({y_j}), m, c)", " " * 12),
        ]
    return lines


def short_term_source(kind: ProjectionKind) -> list[str]:
    """What the neurons that fire release; `released` and `last_sent` are of all neurons."""
    k, fields = kind.k, kind.short_term.State._fields
    values, state = ", ".join(f"s_{f}[i]" for f in fields), ", ".join(f"s_{f}" for f in fields)
    return [
        import_line(type(kind.short_term), f"ShortTerm{k}"),
        import_line(type(kind.short_term_coefficients), f"ShortTermCoefficients{k}"),
        f"Resources{k} = ShortTerm{k}.State",
        f"send{k} = shared.inner(rebind(ShortTerm{k}.send, shared.NUMBA))",
        "@shared.inner",
        f"def send_all{k}(ids, start, n, step, dt, last_sent, released, now, {state}, m, c):",
        "    for q in range(start, start + n):",
        "        i = ids[q]",
        f"        share, s = send{k}(Resources{k}({values}), (step - last_sent[i]) * dt, m, c)",
        "        released[now + i], last_sent[i] = share, step",
        *[f"        s_{f}[i] = s.{f}" for f in fields],
    ]
