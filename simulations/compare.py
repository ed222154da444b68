"""`neuro compare`: learners side by side on one task, each training in a process of its own.

A comparison is a folder. Called again with the same folder, it keeps finished trainings, goes on with
those that were stopped and adds what is new; a folder that holds another comparison is refused.
"""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from neuro.files import write_whole
from neuro.learners import LEARNERS
from neuro.runs import Run, fingerprint, hardware, versions
from neuro.units import check, unknown
from simulations.recipes import training
from simulations.report import print_table, publish, write_report
from tasks.harness import Training, load_task, open_training, to_json


def compare(task: str, options: Any) -> None:
    """Train what is missing, then print the table and write results.json, learning_curves.png, report.html."""
    check(options)
    trainings = _trainings(task, options)
    if options.publish is not None and not options.publish.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"--publish {options.publish!r}: use letters, digits, '-' and '_' only")
    out = _folder(task, options, trainings)
    load_task(task)  # missing or damaged data end here, before anything is written
    _claim(out, task, trainings[0])
    runs = [_run_of(training, out / "runs") for training in trainings]
    for run in runs:
        if run.manifest()["status"] != "finished":
            _train_in_process(run)
    results = collect(task, runs, out)
    write_whole(out / "results.json", json.dumps(results, indent=1))
    write_report(results, out)
    print_table(results)
    print(f"\nresults: {out / 'results.json'}\nreport:  {out / 'report.html'}")
    if options.publish is not None:
        for path in publish(options.publish, results, _command(sys.argv[1:]), out):
            print(f"published: {path}")


def _command(arguments: list[str]) -> list[str]:
    """The command to print beside published results: without the folder, which is the reader's own."""
    if "--out" in arguments:
        place = arguments.index("--out")
        arguments = arguments[:place] + arguments[place + 2 :]
    return ["neuro", *arguments]


def _trainings(task: str, options: Any) -> list[Training]:
    names = options.learners or tuple(LEARNERS)
    for name in names:
        if name not in LEARNERS:
            raise ValueError(unknown("learner", name, LEARNERS))
    trainings = [training(task, name, seed) for name in dict.fromkeys(names) for seed in range(options.seeds)]
    if options.samples is not None:
        trainings = [replace(t, budget=replace(t.budget, samples=options.samples)) for t in trainings]
    for each in trainings:
        check(each.budget)
        check(each.learner)
    return trainings


def _folder(task: str, options: Any, trainings: list[Training]) -> Path:
    if options.out is not None:
        return options.out
    mark = fingerprint({"trainings": [to_json(each) for each in trainings]})
    return Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}_compare_{task}_{mark}"


def _claim(out: Path, task: str, first: Training) -> None:
    """Note what a folder compares; refuse one that holds something else."""
    mark = {"task": task, "budget": to_json(first)["budget"]}
    file = out / "comparison.json"
    if file.exists():
        found = json.loads(file.read_text())
        if found != mark:
            raise ValueError(f"{out} holds a comparison of {found}, not of {mark}; give another --out")
    elif out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} exists and holds no comparison; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(mark))


def _run_of(training: Training, parent: Path) -> Run:
    """The run of a training: the one that exists, or a new one."""
    configuration = to_json(training)
    mark = fingerprint(configuration)
    for path in sorted(parent.glob(f"*_{mark}")):
        if (path / "manifest.json").exists():
            return Run(path)
    name = configuration["learner"]["name"]
    return open_training(training, f"{training.task}_{name}".replace("-", "_"), parent)


def _train_in_process(run: Run) -> None:
    """Train in a fresh process, so that peak memory and caches of one learner do not touch the next."""
    command = [sys.executable, "-m", "simulations.cli", "resume", str(run.path)]
    process = subprocess.run(command, stdout=subprocess.DEVNULL)
    if process.returncode in (130, -2):
        raise KeyboardInterrupt
    if process.returncode != 0:
        reason = run.manifest().get("error", f"status {process.returncode}")
        raise ValueError(f"{run.path} failed: {reason}; the same command goes on from there")


def collect(task: str, runs: list[Run], out: Path) -> dict[str, Any]:
    """The results of finished runs, in the layout of results.json."""
    rows = []
    for run in runs:
        manifest = run.manifest()
        configuration = manifest["configuration"]
        results = {key: value for key, value in manifest["results"].items() if key != "confusion"}
        name = configuration["learner"]["name"]
        rows.append({"learner": name, "seed": configuration["seed"], **results, "run": str(run.path.relative_to(out))})
    data = runs[0].manifest()["data"]
    return {"task": task, "data": data, "hardware": hardware(), "versions": versions(), "rows": rows}
