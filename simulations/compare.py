"""`neuro compare`: learners side by side on one task, each training in a process of its own.

A comparison is a folder. Called again with the same folder, it keeps finished trainings and trials of tuning,
goes on with those that were stopped and adds what is new; a folder that holds another comparison is refused. Tables and
report are of the learners and seeds of the last call.
"""

import dataclasses
import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from neuro.files import write_whole
from neuro.learners import LEARNERS
from neuro.progress import Progress
from neuro.runs import Run, fingerprint, lock, read_json
from neuro.units import check, choice, param
from simulations import tuning
from simulations.recipes import named_learner, training
from simulations.report import publish, write_report
from simulations.tables import audit_table, print_tables
from simulations.trainings import run_of, train_each
from tasks.base import AUGMENTATION_NAMES
from tasks.harness import Budget, Training, load_task, to_json
from tasks.sequence import check_budget

TUNE_PART = 4  # a trial of tuning gets a quarter of the budget


@dataclass(frozen=True)
class Compare:
    """Compare learners on a task: the same samples in the same order; the test split is read once."""

    learners: tuple[str, ...] = param("1", "names of learners or variants; none: all learners", default=())
    seeds: int = param("1", "number of seeds, counted from 0", default=1, above=0)
    seeds_within: float | None = param(
        "1", "minutes: a learner whose training from seed 0 takes longer has no further seed; none: no limit",
        default=None, above=0,
    )  # fmt: skip
    samples: int | None = param(
        "samples",
        "training samples for each learner, an equal part for each task of a sequence; none: the task's",
        default=None,
        above=0,
    )
    patience: int = param(
        "1", "evaluations without a better one that end a training, the best answers; 0: never", default=0, minimum=0
    )
    augment: str = choice(
        "how training samples are altered; task: the task's own way", ("task", *AUGMENTATION_NAMES), default="task"
    )
    precision: str = choice(
        "of the factors of matrix products, in all learners that let one choose; own: as each is set",
        ("own", "float32", "bfloat16"),
        default="own",
    )
    tune: int | None = param(
        "1", "trials of tuning for each learner, on the validation split; none: own settings", default=None, above=0
    )
    tune_samples: int | None = param(
        "samples", "training samples of one trial; none: a quarter of the budget", default=None, above=0
    )
    processes: int = param("1", "trainings at once, each with its share of the cores", default=1, above=0)
    out: Path | None = param(
        "1", "folder of the comparison, gone on with if it exists; none: new in ./runs", default=None
    )
    publish: str | None = param("1", "also write docs/results/NAME.json and NAME.md, under this name", default=None)


def compare(task: str, options: Compare) -> None:
    """Train what is missing, then print the tables and write results.json, figures and report.html."""
    learners, plan, budget = _checked(task, options)
    mark = _mark(learners, plan, budget)
    out = options.out or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}_compare_{task}_{mark}"
    # Missing or damaged data, and a budget that a sequence of tasks cannot have, end here, before anything is written.
    data = load_task(task)
    check_budget(data, (plan.budget if plan.trials else budget).samples, budget.patience)
    data.augmentation(budget.augment)
    _claim(out, plan, budget)
    print(f"comparison: {out}", flush=True)
    try:
        with lock(Run(out)):
            results = _work(learners, plan, budget, options, out)
            write_whole(out / "results.json", json.dumps(results, indent=1))
            write_report(results, out)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was done is kept; the same command with --out {out} goes on") from None
    print_tables(results)
    print(f"\nresults: {out / 'results.json'}\nreport:  {out / 'report.html'}")
    if options.publish is not None:
        for path in publish(options.publish, results, _command(sys.argv[1:]), out):
            print(f"published: {path}")


def _checked(task: str, options: Compare) -> tuple[dict[str, Any], tuning.Plan, Budget]:
    """Learners by name, what each gets in tuning, and the budget. ValueError for what cannot be."""
    check(options)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if options.processes > cores:
        raise ValueError(f"--processes {options.processes} is more than the {cores} cores; give at most {cores}")
    if options.publish is not None and not options.publish.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"--publish {options.publish!r}: use letters, digits, '-' and '_' only")
    learners = {name: in_precision(named_learner(name), options.precision) for name in options.learners or LEARNERS}
    for learner in learners.values():
        check(learner)
    budget = replace(training(task, next(iter(learners))).budget, patience=options.patience, augment=options.augment)
    budget = replace(budget, samples=options.samples or budget.samples)
    if options.tune is None and options.tune_samples is not None:
        raise ValueError(f"--tune-samples {options.tune_samples} needs --tune N, the number of trials")
    samples = options.tune_samples or max(budget.samples // TUNE_PART, 1)
    if samples > budget.samples:
        raise ValueError(f"--tune-samples {samples} is more than the budget of {budget.samples}; give less")
    # Trials are evaluated at the distances of the trainings, so that patience means the same.
    evaluations = max(round(budget.evaluations * samples / budget.samples), 1)
    threads = max(min(torch.get_num_threads(), cores // options.processes), 1)
    trial_budget = replace(budget, samples=samples, evaluations=evaluations)
    plan = tuning.Plan(task, options.tune or 0, trial_budget, options.processes, threads)
    if plan.trials:
        tuning.check_possible(learners)
    return learners, plan, budget


def in_precision(learner: Any, precision: str) -> Any:
    """A learner with the precision of its products set, if it has one and another than its own is asked for."""
    has_choice = precision != "own" and hasattr(learner, "precision")
    return replace(learner, precision=precision) if has_choice else learner


def _mark(learners: dict[str, Any], plan: tuning.Plan, budget: Budget) -> str:
    trainings = [to_json(Training(plan.task, name, learner, budget)) for name, learner in learners.items()]
    return fingerprint({"learners": trainings, "plan": str(plan)})


def _claim(out: Path, plan: tuning.Plan, budget: Budget) -> None:
    """Note what a folder compares; refuse one that holds something else."""
    mark = _held_equal(plan, budget)
    file = out / "comparison.json"
    if file.exists():
        found = read_json(file, ("task",), f"remove it if {out} holds what this command trained, or give another --out")
        for key in mark:
            if found.get(key) != mark[key]:
                raise ValueError(
                    f"{out} holds a comparison with {key} {found.get(key)}, not {mark[key]}; give another --out"
                )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and holds no comparison; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(mark))


def _held_equal(plan: tuning.Plan, budget: Budget) -> dict[str, Any]:
    """What all trainings of a comparison share, as plain data."""
    trials = {"trials": plan.trials, "budget": dataclasses.asdict(plan.budget)} if plan.trials else None
    return {"task": plan.task, "budget": dataclasses.asdict(budget), "tuning": trials, "processes": plan.processes}


def _work(learners: dict[str, Any], plan: tuning.Plan, budget: Budget, options: Compare, out: Path) -> dict[str, Any]:
    """Tune if asked for, train what is missing; returns the results."""
    tuned = tuning.tune(learners, plan, out) if plan.trials else {}
    learners |= {name: replace(learners[name], **found.values) for name, found in tuned.items()}
    trainings = [
        Training(plan.task, name, learner, budget, seed)
        for name, learner in learners.items()
        for seed in range(options.seeds)
    ]
    if options.seeds_within is None:
        runs = _train(trainings, plan, out)
    else:
        runs = _train([each for each in trainings if each.seed == 0], plan, out)
        limit = 60.0 * options.seeds_within
        fast = [name for name, run in zip(learners, runs, strict=True) if run.manifest()["results"]["train_s"] <= limit]
        runs += _train([each for each in trainings if each.seed > 0 and each.name in fast], plan, out)
    task = load_task(plan.task)
    altered = task.augmentation(budget.augment)
    how = {"augment": altered.name if altered else "none", "audit": audit_table(learners, task)}
    how["seeds_within"] = options.seeds_within
    return collect(plan, budget, tuned, runs, out) | how


def _train(trainings: list[Training], plan: tuning.Plan, out: Path) -> list[Run]:
    """Train what is missing of trainings; returns their runs."""
    runs = [run_of(each, out / "runs", "training", plan.threads) for each in trainings]
    with (
        Progress(f"{plan.task}: {len({each.name for each in trainings})} learners", len(runs), "trainings") as bar,
        closing(train_each(iter(runs), plan.processes)) as finished,
    ):
        for n_done, _ in enumerate(finished, 1):
            if plan.processes > 1:  # a process that is alone shows a bar of its own
                bar.update(n_done)
    return runs


def collect(
    plan: tuning.Plan, budget: Budget, tuned: dict[str, tuning.Tuned], runs: list[Run], out: Path
) -> dict[str, Any]:
    """The results of finished runs, in the layout of results.json."""
    rows, learners = [], {}
    manifests = [run.manifest() for run in runs]
    commits = [manifest["commit"] for manifest in manifests]
    for run, manifest in zip(runs, manifests, strict=True):
        configuration = manifest["configuration"]
        name, seed = configuration["name"], configuration["seed"]
        results = {key: value for key, value in manifest["results"].items() if key != "confusion"}
        about = {"threads": manifest["threads"], "run": str(run.path.relative_to(out))}
        rows.append({"learner": name, "seed": seed, **results, **about})
        learners[name] = configuration["learner"] | {"tuning": tuned[name]._asdict() if name in tuned else None}
    return {
        **_held_equal(plan, budget),
        "data": manifests[0]["data"],
        "hardware": manifests[0]["hardware"] | {"torch_threads": manifests[0]["threads"]},
        "versions": manifests[0]["versions"],
        "commits": [each for k, each in enumerate(commits) if each not in commits[:k]],
        "learners": learners,
        "rows": rows,
    }


def _command(arguments: list[str]) -> list[str]:
    """The command to print beside published results: without the folder, which is the reader's own."""
    kept = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        if word != "--out" and before != "--out" and not word.startswith("--out="):
            kept.append(word)
    return ["neuro", *kept]
