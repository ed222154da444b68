"""The tables of agreement.py: on the terminal, and as docs/results/agreement.json and .md."""

import itertools
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import fisher_exact, t

from benchmarks import agreement_chaotic as chaotic
from benchmarks import agreement_lif as lif
from benchmarks.networks import DT
from neuro.files import write_whole
from neuro.references import REFERENCES
from neuro.runs import made_with

LIMIT = 2.0  # combined standard errors
PEERS = ("nest", "brian2")
STATISTICS = {
    "rate_hz": "rate, Hz",
    "cv": "CV of intervals",
    "correlation": "correlation",
    "peak_hz": "peak, Hz",
    "peak_strength": "strength of peak",
}
REGULAR, SLOW, FAST = 0.5, 60.0, 145.0  # CV of intervals below; peak below, above, Hz
CITED = ("brette2007", "vogels2005", "brunel2000", "rotter1999", "softky1993", "cohen2011", "welch1967", "nest")

CONVENTIONS = (
    "NEST: a spike is stamped with the end of its step, ours with the beginning: its times less dt. A generator's"
    " spike for step k is given at (k + 1) dt. Delays count from stamp to stamp, so they are equal.",
    "NEST: order of a step (flow, arrivals, threshold, reset), v >= v_th, and refractoriness (v held for t_ref, the"
    " shortest interval is t_ref + dt) are ours: nothing to match. iaf_psc_delta drops what arrives in refractoriness,"
    " as ours does.",
    "NEST: the sign of a weight chooses the synapse; c_m = tau_m / r_m; a constant current is I_e, not a generator's;"
    " runs are one step longer, because devices do not see the last step.",
    "NEST: iaf_cond_exp (coba) is solved by an adaptive Runge-Kutta method, ours and brian2's by exponential Euler.",
    "brian2: the schedule has synapses before thresholds (its own: after), so that arrivals count in their step.",
    "brian2: delays between neurons are given as d - dt, because its queue is next visited in the step after a spike.",
    "brian2: refractory is t_ref + dt, because it counts from the step of the spike.",
    "brian2: jumps of v are multiplied by int(not_refractory), else they would act in refractoriness; so the background"
    " of brunel is numbers from poisson() added in each step, not a PoissonInput.",
)


class Comparison(NamedTuple):
    """Means and standard errors over seeds; z: the difference in units of the combined standard error."""

    case: str
    statistic: str
    ours: tuple[float, float]
    peer: str
    theirs: tuple[float, float]
    z: float


def mean_and_error(values: list[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def difference(a: tuple[float, float], b: tuple[float, float]) -> float:
    """b less a in units of the combined standard error; 0 where all seeds of both are equal."""
    error = (a[1] ** 2 + b[1] ** 2) ** 0.5
    return (b[0] - a[0]) / error if error else (0.0 if a[0] == b[0] else float("inf"))


def varies(one: Comparison) -> bool:
    """Whether any seeds differ; if none do, the comparison is no matter of chance."""
    return one.ours[1] > 0 or one.theirs[1] > 0


def alive(results: dict[str, Any], case: str, simulator: str) -> list[dict[str, Any]]:
    rows = results["chaotic"]
    return [row for row in rows if row["case"] == case and row["simulator"] == simulator and row["alive"]]


def summary(results: dict[str, Any], case: str, simulator: str) -> dict[str, tuple[float, float]]:
    """Mean and standard error of each statistic."""
    rows = alive(results, case, simulator)
    return {name: mean_and_error([row[name] for row in rows]) for name in STATISTICS if name in rows[0]}


def cases(results: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["case"] for row in results["chaotic"]))


def comparisons(results: dict[str, Any]) -> list[Comparison]:
    found = []
    for case in cases(results):
        ours = summary(results, case, "neuro")
        for name, peer in itertools.product(ours, PEERS):
            theirs = summary(results, case, peer)[name]
            found.append(Comparison(case, name, ours[name], peer, theirs, difference(ours[name], theirs)))
    return found


def regime(row: dict[str, float]) -> str:
    """The regime of Brunel's network to which these statistics belong."""
    if row["cv"] < REGULAR:
        return "SR"
    if row["peak_hz"] < SLOW:
        return "SI_slow"
    return "SI_fast" if row["peak_hz"] > FAST else "AI"


def _number(value: tuple[float, float]) -> str:
    return f"{value[0]:.4g} ± {value[1]:.2g}"


def _table(lines: list[list[str]]) -> list[str]:
    titles, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return [titles, "|" + " --- |" * len(lines[0]), *rows, ""]


def deterministic_part(results: dict[str, Any]) -> list[str]:
    """The table of what is compared spike by spike, and what is compared."""
    rows = results["deterministic"]
    lines = [["network", "seeds", "beside", "spikes", "of one only", "first at, ms", "largest difference of v, mV"]]
    notes = []
    for name in dict.fromkeys(row["case"] for row in rows):
        group = [row for row in rows if row["case"] == name]
        for peer in group[0]["peers"]:
            found = [row["peers"][peer] for row in group]
            first = [each["first_ms"] for each in found if each["first_ms"] is not None]
            dv = [each["max_dv"] for each in found if each["max_dv"] is not None]
            numbers = [f"{sum(row['spikes'] for row in group):,}", f"{sum(each['differ'] for each in found):,}"]
            last = [f"{min(first):.1f}" if first else "none", f"{max(dv):.1e}" if peer in PEERS else ""]
            lines.append([name, str(len(group)), peer, *numbers, *last])
        means = {key: statistics.fmean(row[key] for row in group) for key in ("rate_hz", "cv", "correlation")}
        notes.append(
            f"{name}: {means['rate_hz']:.1f} Hz, CV of intervals {means['cv']:.2f}, correlation (5 ms)"
            f" {means['correlation']:.3f}; without a spike, v came as close to v_th as"
            f" {min(row['nearest_miss'] for row in group):.1e} mV."
        )
    text = (
        f"Networks of {lif.SIZE} current-based LIF neurons for {lif.DURATION / 1000:g} s, steps of {DT:g} ms, float64;"
        " for each seed the same connections, weights, currents and input spikes in all simulators. Spikes: of all"
        " seeds. Of one only: spikes of a neuron in a step in which the other simulator has none. v: of ten neurons,"
        " in all steps up to the first such spike. One input spike less: our own run without its first input spike,"
        " to show that spikes are not forced by the input. brian2 runs the models' equations (backend `brian`)."
        " Weights are not round numbers, so that sums depend on their order; yet rounding does not grow, because v"
        " is set to v_reset at each spike, currents decay, and spikes lie on the grid."
    )
    return ["## Spike for spike", "", *_table(lines), text, "", *[f"- {note}" for note in notes], ""]


def chaotic_part(results: dict[str, Any]) -> list[str]:
    """The table of statistics, and how many lie outside the limit."""
    found, n = comparisons(results), results["seeds"]
    titles = ["network", "statistic", "neuro"]
    lines = [titles + [text for peer in PEERS for text in (peer, "z")]]
    for first in found[:: len(PEERS)]:
        line = [first.case, STATISTICS[first.statistic], _number(first.ours)]
        for one in found:
            if (one.case, one.statistic) == (first.case, first.statistic):
                line += [_number(one.theirs), f"{one.z:+.2f}" + ("" if abs(one.z) <= LIMIT else " outside")]
        lines.append(line)
    model = chaotic.CASES["brunel AI"].network
    networks = (
        f"All neurons, from {chaotic.SETTLE:g} to {chaotic.DURATION:g} ms. cuba, coba: 4,000 neurons of benchmarks"
        " 2 and 1 of brette2007. brunel: the four regimes of brunel2000, Fig. 8, at a scale of"
        f" {chaotic.SCALE:g}: {model.size:,} neurons with {model.k_exc} excitatory and {model.k_inh} inhibitory inputs,"
        f" J = {model.w_exc:g} mV. Connections, start and background are drawn by each simulator for itself."
        " Correlation: mean over pairs of the first 1,000 neurons, of counts in 5 ms (cuba, coba) or 2 ms (brunel)."
        " Peak: the frequency above 5 Hz at which the spectrum of the population's rate is largest, on a grid of 2 Hz;"
        " its strength: this power over 2 rate."
    )
    return ["## Chaotic networks", "", *_table(lines), verdict(found, 2 * n - 2), "", networks, ""]


def verdict(found: list[Comparison], freedom: int) -> str:
    """How many comparisons lie outside the limit, and how many would by chance; freedom: of the t distribution."""
    varied = [one for one in found if varies(one)]
    outside = [one for one in varied if abs(one.z) > LIMIT]
    largest = max(varied, key=lambda one: abs(one.z))
    chance, larger = (2.0 * float(t.sf(z, freedom)) for z in (LIMIT, abs(largest.z)))
    return (
        "Mean ± standard error over seeds; z: the peer's mean less ours, over the combined standard error."
        f" {len(varied) - len(outside)} of {len(varied)} lie within {LIMIT:g}, {len(outside)} outside; by chance alone"
        f" {chance * len(varied):.1f} would (t distribution, {freedom} degrees of freedom)."
        f" {len(found) - len(varied)} more are equal in all seeds. The largest is {largest.z:+.2f} ({largest.case},"
        f" {STATISTICS[largest.statistic]}, {largest.peer}); among {len(varied)} independent comparisons, one as large"
        f" or larger is found by chance with probability {1.0 - (1.0 - larger) ** len(varied):.2f}."
    )


def survival_part(results: dict[str, Any]) -> list[str]:
    """How often coba fell silent."""
    simulators = ("neuro", *PEERS)
    rows = {who: [row for row in results["survival"] if row["simulator"] == who] for who in simulators}
    silent = {who: sum(not row["alive"] for row in rows[who]) for who in simulators}
    dead = {w: [r["seed"] for r in results["chaotic"] if r["simulator"] == w and not r["alive"]] for w in simulators}
    found = []
    for who in simulators:
        tables = [[silent[w], len(rows[w]) - silent[w]] for w in ("neuro", who)]
        p = f" (beside ours p = {fisher_exact(tables)[1]:.2f}, Fisher's exact test)" if who in PEERS else ""
        left_out = ", ".join(f"seed {seed}" for seed in dead[who]) or "none"
        found.append(
            f"- {who}: {silent[who]} of {len(rows[who])} seeds fell silent within {chaotic.SURVIVAL_DURATION:g} ms{p};"
            f" left out of the table: {left_out}"
        )
    text = (
        "coba may fall silent, mostly soon after its start. In the table above, seeds with which it did before the end"
        " are left out, and further seeds taken until as many were alive to the end, alike in all simulators. How often"
        " it happens soon is counted over more seeds, in short runs."
    )
    return ["## Networks that fall silent", "", text, "", *found, ""]


def regimes_part(results: dict[str, Any]) -> list[str]:
    """By what the regimes of Brunel's network are told apart, and whether every simulator's runs are."""
    names = [case for case in cases(results) if case.startswith("brunel")]
    lines = [["network", "neuro", *PEERS]]
    for case in names:
        cells = []
        for who in ("neuro", *PEERS):
            rows = alive(results, case, who)
            right = sum(regime(row) == case.split()[1] for row in rows)
            mean = {name: value for name, (value, _) in summary(results, case, who).items()}
            cells.append(f"{regime(mean)}, {right} of {len(rows)}")
        lines.append([case, *cells])
    pairs = [["pair", *STATISTICS.values()]]
    for a, b in itertools.combinations(names, 2):
        first, second = summary(results, a, "neuro"), summary(results, b, "neuro")
        apart = [f"{abs(difference(first[name], second[name])):.0f}" for name in STATISTICS]
        pairs.append([f"{a.split()[1]}, {b.split()[1]}", *apart])
    text = (
        f"Criteria, in this order: CV of intervals below {REGULAR:g}: SR. Peak below {SLOW:g} Hz: SI_slow. Peak above"
        f" {FAST:g} Hz: SI_fast. Else AI. The limits are chosen, between the regimes, for this scale. Each cell: the"
        " regime by the means over seeds, and how many single runs are told right."
    )
    gap = "How far apart two regimes are, ours, in combined standard errors:"
    synchrony = [_least_synchronous(results, name) for name in ("correlation", "peak_strength")]
    return ["## The regimes told apart", "", text, "", *_table(lines), *synchrony, "", gap, "", *_table(pairs)]


def _least_synchronous(results: dict[str, Any], name: str) -> str:
    """By how much a statistic of AI lies below that of all other regimes, in all simulators."""
    others = [case for case in cases(results) if case.startswith("brunel") and case != "brunel AI"]
    gaps = {
        (who, case): difference(summary(results, "brunel AI", who)[name], summary(results, case, who)[name])
        for who in ("neuro", *PEERS)
        for case in others
    }
    who, case = min(gaps, key=gaps.__getitem__)
    return (
        f"AI is the least synchronous: its {STATISTICS[name]} lies below that of every other regime by at least"
        f" {gaps[who, case]:.1f} combined standard errors ({case}, {who})."
    )


def markdown(results: dict[str, Any]) -> str:
    lines = ["# agreement", "", "```", results["command"], "```", ""]
    lines += deterministic_part(results) if results["deterministic"] else []
    lines += chaotic_part(results) if results["chaotic"] else []
    lines += survival_part(results) if results["survival"] else []
    lines += regimes_part(results) if any(case.startswith("brunel") for case in cases(results)) else []
    lines += ["## Conventions that had to be matched", "", *[f"- {text}" for text in CONVENTIONS], ""]
    lines += [*[f"[{key}] {REFERENCES[key]}  " for key in CITED], ""]
    lines += [
        f"Seeds: 0 to {results['seeds'] - 1}, and further ones where networks fell silent; one thread  ",
        f"Code of neuro (fingerprint of its files): {results['code']}  ",
        *made_with(results),
        "",
    ]
    return "\n".join(lines)


def publish(results: dict[str, Any], folder: Path) -> None:
    """Write agreement.json, with every run, and agreement.md."""
    folder.mkdir(parents=True, exist_ok=True)
    compared = [one._asdict() for one in comparisons(results)]
    write_whole(folder / "agreement.json", json.dumps(results | {"comparisons": compared}, indent=1) + "\n")
    write_whole(folder / "agreement.md", markdown(results))
