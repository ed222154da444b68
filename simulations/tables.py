"""The tables of a comparison, as text: what was reached, what it cost, how it was tuned, what papers report."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuro.audit import COLUMNS, audit
from neuro.learners import LEARNERS
from neuro.progress import Progress
from neuro.references import REFERENCES
from simulations.recipes import settings
from tasks.base import Task
from tasks.energy import ADD_J, LOIHI_SOURCE, LOIHI_SYNAPSE_J, MULTIPLY_J, SOURCE
from tasks.published import PUBLISHED, Published


class Group(NamedTuple):
    """The rows of one learner, and the results they belong to."""

    name: str
    rows: list[dict[str, Any]]
    results: dict[str, Any]

    def mean(self, key: str) -> float:
        return statistics.fmean(row[key] for row in self.rows)

    @property
    def learner(self) -> dict[str, Any]:
        """Kind, settings and tuning of the learner."""
        return self.results["learners"][self.name]

    @property
    def paper(self) -> Published | None:
        """What is published of the variant, else of its learner."""
        task = self.results["task"]
        return PUBLISHED.get((task, self.name)) or PUBLISHED.get((task, self.learner["kind"]))


class Column(NamedTuple):
    """A column of a table: its title, and its text for one learner."""

    title: str
    text: Callable[[Group], str]


def is_sequence(results: dict[str, Any]) -> bool:
    """Whether the results are those of a sequence of tasks."""
    return "stages" in results["data"]


def by_learner(results: dict[str, Any]) -> list[Group]:
    """Rows of each learner, in the order of their first appearance."""
    names = dict.fromkeys(row["learner"] for row in results["rows"])
    return [Group(name, [row for row in results["rows"] if row["learner"] == name], results) for name in names]


def percent(shares: Sequence[float]) -> str:
    """The mean in per cent, with the sample standard deviation where there are several."""
    values = [100 * share for share in shares]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def _percent(key: str) -> Callable[[Group], str]:
    return lambda group: percent([row[key] for row in group.rows])


def _paper(group: Group) -> str:
    return f"{100 * group.paper.accuracy:.2f} [{group.paper.source}]" if group.paper else "none known"


def _settings(group: Group) -> str:
    """What differs from the learner's defaults, and whether it was tuned."""
    tuned, kind = group.learner["tuning"], group.learner["kind"]
    fields = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in group.learner.items()
        if key not in ("tuning", "kind")
    }
    if tuned is None:
        return settings(LEARNERS[kind](**fields)) or "default"
    changed = settings(LEARNERS[kind](**{key: v for key, v in fields.items() if key not in tuned["values"]}))
    values = ", ".join(f"{key}={value:.3g}" for key, value in tuned["values"].items())
    return f"{changed}{'; ' * bool(changed)}tuned: {values}"


def _energy(key: str) -> Callable[[Group], str]:
    def text(group: Group) -> str:
        microjoules = 1e6 * group.mean(key)
        how = "/".join(dict.fromkeys(row["energy"] for row in group.rows))
        return f"{microjoules:,.{1 if microjoules < 100 else 0}f} {how}"

    return text


def _mean(key: str, digits: int = 0) -> Callable[[Group], str]:
    return lambda group: f"{group.mean(key):,.{digits}f}"


def _known(key: str, scale: float, digits: int) -> Callable[[Group], str]:
    """A mean where all seeds have the number, else a dash."""

    def text(group: Group) -> str:
        is_known = all(row[key] is not None for row in group.rows)
        return f"{scale * group.mean(key):,.{digits}f}" if is_known else "-"

    return text


NAME = Column("learner", lambda group: group.name)
REACHED = (
    NAME,
    Column("architecture", lambda group: group.rows[0]["architecture"] or "not layered"),
    Column("test accuracy, %", _percent("test_accuracy")),
    Column("paper, %", _paper),
    Column("seeds", lambda group: str(len(group.rows))),
    Column("samples seen", _mean("seen")),
    Column("settings", _settings),
    Column("uses", lambda group: ", ".join(use.replace("_", " ") for use in group.rows[0]["uses"])),
)
KEPT = (  # of a sequence of tasks
    NAME,
    Column("average accuracy, %", _percent("average_accuracy")),
    Column("backward transfer, %", _percent("backward_transfer")),
    Column("forward transfer, %", _percent("forward_transfer")),
    Column("forgetting, %", _percent("forgetting")),
    Column("learning accuracy, %", _percent("learning_accuracy")),
    Column("paper, %", _paper),
    Column("seeds", lambda group: str(len(group.rows))),
    Column("training, s", _mean("train_s", 1)),
    Column("peak memory, MB", _mean("peak_mb")),
)
LEARNERS_OF_SEQUENCE = (*REACHED[:2], *REACHED[5:])
COST = (
    NAME,
    Column("training, s", _mean("train_s", 1)),
    Column("samples/s", _mean("samples_per_s")),
    Column("peak memory, MB", _mean("peak_mb")),
    Column("weights", lambda group: f"{group.rows[0]['n_weights']:,}"),
    Column("training energy, µJ/sample", _energy("training_j_per_sample")),
    Column("inference energy, µJ/sample", _energy("inference_j_per_sample")),
    Column("spikes/sample", _mean("spikes_per_sample")),
    Column("synaptic events/sample", _mean("synaptic_events_per_sample")),
)
NEUROBENCH = (
    NAME,
    Column("footprint, kB", lambda group: f"{group.mean('footprint_bytes') / 1000:,.1f}"),
    Column("connection sparsity, %", _known("connection_sparsity", 100, 2)),
    Column("activation sparsity, %", _known("activation_sparsity", 100, 1)),
    Column("effective MACs/sample", _mean("macs_per_sample")),
    Column("effective ACs/sample", _mean("acs_per_sample")),
    Column("inference on Loihi, µJ/sample", _known("loihi_j_per_sample", 1e6, 2)),
)
LEFT_ALIGNED = {"learner", "architecture", "settings", "uses", "searched", *COLUMNS}
DISTURBED = 0.1  # part of a training's time that went to other programs
AUDITED = 32  # samples of the batch on which a learner is audited


def tables(results: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Title -> table, each the titles of its columns and then one row a learner."""
    groups = by_learner(results)
    parts = {"Result": REACHED, "Cost": COST}
    if is_sequence(results):
        parts = {"Result": KEPT, "Learners": LEARNERS_OF_SEQUENCE, "Cost": COST}
    if all("footprint_bytes" in row for row in results["rows"]):  # runs of earlier versions have none
        parts["NeuroBench"] = NEUROBENCH
    found = {
        title: [[c.title for c in columns], *([c.text(group) for c in columns] for group in groups)]
        for title, columns in parts.items()
    }
    if results["tuning"] is not None:
        found["Tuning"] = _tuning(groups)
    return found | {"What a learner needs, measured": results["audit"]}


def _tuning(groups: Sequence[Group]) -> list[list[str]]:
    """What tuning changed, on the validation split of one seed."""
    rows = [["learner", "trials", "own settings, validation %", "tuned, validation %", "searched"]]
    for group in groups:
        tuned = group.learner["tuning"]
        if tuned is None:
            rows.append([group.name, "0", "-", "-", "nothing: the learner marks no setting for tuning"])
            continue
        ranges = (f"{field} {low:g} to {high:g}" for field, (low, high) in tuned["searched"].items())
        accuracies = [f"{100 * tuned[key]:.2f}" for key in ("own_accuracy", "best_accuracy")]
        rows.append([group.name, str(tuned["trials"]), *accuracies, ", ".join(ranges)])
    return rows


def audit_table(learners: dict[str, Any], task: Task) -> list[list[str]]:
    """What learners were found to need of their networks: titles, then one row a learner; see neuro/audit.py."""
    batch = task.train.batch(np.arange(AUDITED))
    rows = [list(COLUMNS)]
    with Progress("audit", len(learners), "learners") as bar:
        for n_done, (name, learner) in enumerate(learners.items(), 1):
            try:
                found = dataclasses.replace(audit(learner, task.problem, batch), name=name)
                rows.append([text(found) for text in COLUMNS.values()])
            except (ValueError, RuntimeError) as reason:
                rows.append([name, f"not measured: {reason}", *[""] * (len(COLUMNS) - 2)])
            bar.update(n_done)
    return rows


def papers(results: dict[str, Any]) -> list[str]:
    """What the figures of papers were reached with, a line for each, and their references."""
    found = [group for group in by_learner(results) if group.paper]
    lines = [f"{group.name}: {100 * group.paper.accuracy:.2f} % with {group.paper.setting} [{group.paper.source}]"
             for group in found if group.paper]  # fmt: skip
    cited = dict.fromkeys(group.paper.source for group in found if group.paper)
    return [*lines, *(f"[{key}] {REFERENCES[key]}" for key in cited)]


def notes(results: dict[str, Any]) -> list[str]:
    """What a reader must know of the numbers, a paragraph each."""
    budget, plan, processes = results["budget"], results["tuning"], results["processes"]
    within = results.get("seeds_within")  # results of earlier versions have none
    text = [
        f"Equal samples, not equal compute: at most {budget['samples']:,} for each training, repeats included, in the"
        " same order for every learner; see accuracy against training seconds. Accuracy: mean and sample standard"
        + (
            _of_sequence(results)
            if is_sequence(results)
            else " deviation over seeds, on the test split, read once, after all else was fixed."
        )
        + (f" One seed where its training took more than {within:g} minutes." if within else ""),
        *_altered(results),
        f"Early stopping: after {budget['patience']} evaluations in a row (of {budget['evaluations']} in all) without"
        " a better validation accuracy; the weights of the best evaluation answer."
        if budget["patience"]
        else "No early stopping: every training uses its whole budget, and the last weights answer.",
        f"Tuning: {plan['trials']} trials for every learner with settings to tune, {plan['budget']['samples']:,}"
        " samples each, none pruned; scored on the validation split on a seed of their own; the first trial has the"
        " learner's own settings (optuna's TPE sampler [akiba2019, bergstra2011])."
        if plan
        else "Settings are each learner's own, without tuning in this comparison; a learner's module says how its"
        " defaults were chosen.",
        f"Times are of one training, threads: {results['rows'][0]['threads']}"
        + (f", up to {processes} trainings side by side on the same machine" if processes > 1 else "")
        + "; evaluations are left out. Peak memory: of training, above what the process held before, processes that a"
        " learner started included. Weights: feedback networks included. Spikes and synaptic events: of one"
        " inference; without spikes a synaptic event is a multiply-accumulate with a non-zero input.",
        *_waiting(results),
        f"Energy, estimated: counted operations on 32-bit floats, {1e12 * MULTIPLY_J:.1f} pJ a multiplication and"
        f" {1e12 * ADD_J:.1f} pJ an addition (45 nm [{SOURCE}]). Training: every multiply-accumulate of the matrix"
        " products and convolutions of one update, forward and backward, zeros included. Inference: synaptic events,"
        " additions alone where the input is a spike. Element-wise operations and memory traffic are left out."
        " Measured: by the GPU's own counter, with all that ran on it.",
    ]
    text.append(
        "NeuroBench [yik2025]: footprint, bytes of the weights that answer; activation sparsity, part of what hidden"
        " units send that is 0; effective MACs and ACs, operations whose input is not 0, ACs where it is a spike."
        f" Loihi: {1e12 * LOIHI_SYNAPSE_J:.1f} pJ a synaptic operation, and updates of neurons [{LOIHI_SOURCE}],"
        " simulated before silicon; a dash: no spikes, or steps that were not seen (tasks/neurobench.py)."
    )
    keys = [SOURCE, "yik2025", LOIHI_SOURCE, *(["akiba2019", "bergstra2011"] if plan else [])]
    keys += ["vandeven2022", "lopezpaz2017", "chaudhry2018", "riemer2019"] if is_sequence(results) else []
    text.append(
        "What a learner needs: found by changing weights, labels or steps and comparing updates (neuro/audit.py);"
        " contradictions are between this and what the learner declares to use."
    )
    return [*text, *(f"[{key}] {REFERENCES[key]}" for key in keys)]


def _altered(results: dict[str, Any]) -> list[str]:
    name = results.get("augment", "none")
    return [] if name == "none" else [f"Training samples are altered: {name} (tasks/augment.py, augment_events.py)."]


def _waiting(results: dict[str, Any]) -> list[str]:
    """A warning where other programs took the cores away; runs that do not know it are taken for undisturbed."""
    part = max(row.get("waited_s", 0.0) / row["train_s"] for row in results["rows"])
    if part < DISTURBED:
        return []
    return [f"Other programs ran: a training waited for a core for {100 * part:.0f} % of its time; times say little."]


def _of_sequence(results: dict[str, Any]) -> str:
    """How the accuracies of a sequence of tasks are to be read."""
    stages, scenario = results["data"]["stages"], results["data"]["scenario"]
    return (
        f" deviation over seeds. A sequence of {len(stages)} tasks, {scenario} [vandeven2022], an equal part of the"
        " samples for each; the test splits of all are read before learning and after each task. Average accuracy: mean"
        " over tasks after the last. Backward transfer: what came to it since a task was learned (negative: forgotten)."
        " Forward transfer: accuracy on a task just before it is learned, above that before learning [lopezpaz2017]."
        " Forgetting: from the best since a task was learned to the end [chaudhry2018]. Learning accuracy: of each task"
        " just after it was learned [riemer2019]. A learner is not told how many tasks follow, so rates that it would"
        " let fall over its budget stay as they are at first. Learning curves show the validation accuracy of the task"
        " that is being learned."
    )


def print_tables(results: dict[str, Any]) -> None:
    """The tables on the terminal, never cut off."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 180
    for name, (titles, *rows) in tables(results).items():
        drawn = Table(title=f"{name}, {results['task']}: {results['data']['data']}")
        for title in titles:
            drawn.add_column(title, justify="left" if title in LEFT_ALIGNED else "right")
        for row in rows:
            drawn.add_row(*row)
        console.print(drawn)
