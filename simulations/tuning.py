"""Tuning of learners: the same number of trials, the same budget a trial, the same rules for every learner.

A trial is a training with other values of the fields that a learner marks by `search=(low, high)`, evenly in
their logarithm. It is scored on the validation split by the harness's rule (the last weights, or with patience
the best), on a seed that no final training uses; it never reads the test split. No trial is pruned; one that
diverges scores 0. The first trial has the learner's own settings, the next ones are random, and from then on
a tree-structured Parzen estimator proposes (optuna's TPESampler, one parameter at a time). The best trial wins,
of equal ones the first.

Finished trials lie in tuning.sqlite and, with their curves, under trials/. A trial that was stopped is repeated
with the same values, from its last checkpoint on. With one process the same command gives the same values, also
after a kill. With several, a proposal depends on which trials are finished when it is made, and hence on time.

References: akiba2019 (optuna), bergstra2011 (TPE).
"""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from neuro.progress import Progress
from neuro.runs import Run, fingerprint
from neuro.seeds import child
from simulations.trainings import run_of, train_each, train_here
from tasks.harness import Budget, Training, to_json

SEED = 1_000_000  # of every trial's training; final seeds count from 0
N_RANDOM = 5  # trials, the first included, before the estimator proposes


class Plan(NamedTuple):
    """What every learner gets. threads: of torch, in each process."""

    task: str
    trials: int
    budget: Budget
    processes: int
    threads: int


class Tuned(NamedTuple):
    """What tuning found: values by field; accuracies on the validation split, of the own settings and the best."""

    values: dict[str, float]
    searched: dict[str, tuple[float, float]]
    own_accuracy: float
    best_accuracy: float
    trials: int


def search_space(learner: Any) -> dict[str, tuple[float, float]]:
    """Field -> lowest and highest value that is tried. ValueError if the learner's own lies outside."""
    ranges = {f.name: f.metadata["search"] for f in dataclasses.fields(learner) if f.metadata.get("search")}
    for name, (low, high) in ranges.items():
        if not low <= getattr(learner, name) <= high:
            raise ValueError(
                f"{type(learner).__name__}.{name} = {getattr(learner, name)} lies outside its search range of {low}"
                f" to {high}; widen the range in its declaration"
            )
    return ranges


def tune(learners: dict[str, Any], plan: Plan, out: Path) -> dict[str, Tuned]:
    """Tune learners, by name; returns what was found for each that has something to tune."""
    spaces = {name: search_space(learner) for name, learner in learners.items()}
    present = {name: Training(plan.task, name, learner, plan.budget, SEED) for name, learner in learners.items()}
    studies = {name: _open_study(present[name], spaces[name], out) for name, space in spaces.items() if space}
    asked: dict[Path, tuple[Any, Any]] = {}
    n_done = sum(len(_complete(study)) for study in studies.values())
    title = f"tuning on {plan.task}"
    wanted = _ask(studies, learners, plan, out, asked)
    with (
        Progress(title, plan.trials * len(studies), "trials") as bar,
        closing(train_each(wanted, plan.processes) if plan.processes > 1 else train_here(wanted)) as finished,
    ):
        for run in finished:
            study, trial = asked.pop(run.path)
            study.tell(trial, run.manifest()["results"]["val_accuracy"])
            for weights in run.path.glob("*.safetensors"):
                weights.unlink()
            n_done += 1
            if plan.processes > 1:  # a training in this process shows a bar of its own
                bar.update(n_done, f"{title}, {study.study_name}: best {100 * study.best_value:.2f} %")
    return {name: _found(study, learners[name], spaces[name]) for name, study in studies.items()}


def check_possible(learners: dict[str, Any]) -> None:
    """ValueError if learners cannot be tuned: no optuna, or a search range that leaves out a learner's own value."""
    _optuna()
    for learner in learners.values():
        search_space(learner)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ValueError("--tune needs optuna; install it with `pip install 'neuro[tune]'`") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _open_study(training: Training, space: dict[str, tuple[float, float]], out: Path) -> Any:
    """The study of a learner, in which what was running when it stopped waits to be repeated.

    ValueError if its trials were of other settings than the training has, searched ones or not.
    """
    optuna, own = _optuna(), _own(training.learner, space)
    states, file, settings = optuna.trial.TrialState, out / "tuning.sqlite", fingerprint(to_json(training))
    storage = f"sqlite:///{file.absolute()}"
    try:
        study = optuna.create_study(
            study_name=training.name, storage=storage, direction="maximize", load_if_exists=True
        )
    except Exception as error:
        raise ValueError(f"{file} cannot be read ({str(error).splitlines()[0]}); give another --out") from None
    if study.user_attrs.get("settings", settings) != settings:
        raise ValueError(
            f"{training.name} was tuned here from other settings than its present ones; give another --out"
        )
    study.set_user_attr("settings", settings)
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(states.WAITING,))]
    for trial in study.get_trials(states=(states.RUNNING,)):
        values = trial.params if trial.params.keys() == own.keys() else trial.system_attrs.get("fixed_params")
        if values and values not in waiting:  # queued before it is closed, so that a kill in between loses nothing
            study.enqueue_trial(values)
            waiting.append(values)
        study.tell(trial.number, state=states.FAIL)
    if not waiting and not _complete(study):
        study.enqueue_trial(own)
    return study


def _ask(
    studies: dict[str, Any],
    learners: dict[str, Any],
    plan: Plan,
    out: Path,
    asked: dict[Path, tuple[Any, Any]],
) -> Iterator[Run]:
    """Runs of the trials that are missing, one after the other; notes in `asked` whose they are."""
    optuna = _optuna()
    for name, study in studies.items():
        distributions = {
            field: optuna.distributions.FloatDistribution(low, high, log=True)
            for field, (low, high) in search_space(learners[name]).items()
        }
        for index in range(len(_complete(study)), plan.trials):
            seed = int(child(SEED, name, index).integers(2**31))
            study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_RANDOM)
            trial = study.ask(distributions)
            learner = dataclasses.replace(learners[name], **trial.params)
            training = Training(plan.task, name, learner, plan.budget, SEED)
            run = run_of(training, out / "trials", "trial", plan.threads)
            trial.set_user_attr("run", run.path.name)
            asked[run.path] = study, trial
            yield run


def _complete(study: Any) -> list[Any]:
    return study.get_trials(states=(_optuna().trial.TrialState.COMPLETE,))


def _own(learner: Any, space: dict[str, tuple[float, float]]) -> dict[str, float]:
    return {field: getattr(learner, field) for field in space}


def _found(study: Any, learner: Any, space: dict[str, tuple[float, float]]) -> Tuned:
    trials = _complete(study)
    best = max(trials, key=lambda trial: (trial.value, -trial.number))
    own = next(trial.value for trial in trials if trial.params == _own(learner, space))
    return Tuned(best.params, space, own, best.value, len(trials))
