"""The `neuro` command."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from neuro.units import check, param, unknown

COMMANDS = {
    "list": "tasks, learners, variants, neurons, rules, backends and simulations that exist",
    "data": "which data are there, what is missing and where it comes from; `neuro data get NAME` fetches",
    "train": "train one learner: neuro train RECIPE [--learner.lr ...] [--seed] [--out]",
    "compare": "compare learners on a task: neuro compare TASK [--learners A B ...] [--seeds N] [--tune N] [--out DIR]",
    "audit": "measure what learners use, against what they declare: neuro audit LEARNER [LEARNER ...]",
    "simulate": "run a simulation: neuro simulate NAME [--backend B] [--duration MS] [--seed] [--out DIR]",
    "quantise": "round a trained bptt network, for Loihi: neuro quantise RUN [--bits 8] [--fine-tune SAMPLES]",
    "convert": "make a trained backprop network a spiking one: neuro convert RUN [--steps 256] [--percentile 99.9]",
    "export": "write a trained bptt network as a NIR file: neuro export RUN FILE [--units ...] [--step MS]",
    "import": "describe and try the network in a NIR file: neuro import FILE [--spikes ...] [--task TASK]",
    "encode-audio": "recordings into spikes of 700 cochlear channels: neuro encode-audio FILE.wav ... [--out FILE.h5]",
    "bench": "speed and memory beside other simulators: neuro bench NAME [NAME ...] [--peers P ...] [--out DIR]",
    "plot": "draw the figure of a run: neuro plot RUN",
    "resume": "go on with a training that was stopped: neuro resume RUN",
}

ELSEWHERE = {  # command -> module, function, and the words before its options
    "quantise": ("simulations.quantise", "command", ("run",)),
    "convert": ("simulations.convert", "command", ("run",)),
    "export": ("simulations.exchange", "export_command", ("run", "file")),
    "import": ("simulations.exchange", "import_command", ("file",)),
    "encode-audio": ("simulations.encode_audio", "command", ("file",)),
}

HELP = """usage: neuro COMMAND ...

Spiking and biologically plausible learning, side by side.

commands:
{commands}

`neuro COMMAND --help` shows every option with its unit and meaning.
Data are looked for in $NEURO_DATA, by default ~/.cache/neuro/data; runs are written to ./runs.
"""


def main() -> None:
    """Entry point. Bad input: one line on stderr and status 2. An interrupt: status 130."""
    # Threads of torch that wait for each other give way soon, instead of spinning: beside other work on the
    # same cores, one training step took 3.8 s without this and 0.04 s with it. Must be set before torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP.format(commands="\n".join(f"  {name:<14}{text}" for name, text in COMMANDS.items())))
        return
    try:
        if arguments[0] not in COMMANDS:
            raise ValueError(unknown("command", arguments[0], COMMANDS))
        name, rest = arguments[0], arguments[1:]
        _elsewhere(name, rest) if name in ELSEWHERE else globals()[f"_{name}"](rest)
    except KeyboardInterrupt as stop:
        print("; ".join(["interrupted", *map(str, stop.args)]), file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _positional(
    arguments: list[str], command: str, kind: str, known: Any = None, known_are: str = ""
) -> tuple[str, list[str]]:
    """The first word after a command, checked against the names that exist, and the rest. known_are: those in words."""
    known_are = known_are or ", ".join(sorted(known or ()))
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        choices = f"; choose from: {known_are}" if known else ""
        raise ValueError(f"neuro {command} needs a {kind}{choices}")
    if arguments[0] in ("-h", "--help"):
        choices = f"\n\n{kind}s: {known_are}" if known else ""
        more = f"\n`neuro {command} {kind.upper()} --help` shows its options." if known else ""
        print(f"usage: neuro {command} {kind.upper()} ...\n\n{COMMANDS[command]}{choices}{more}")
        sys.exit(0)
    if known is not None and arguments[0] not in known:
        raise ValueError(unknown(kind, arguments[0], known))
    return arguments[0], arguments[1:]


def _no_more(arguments: list[str], command: str) -> None:
    if arguments:
        raise ValueError(f"neuro {command} does not understand {' '.join(arguments)!r}; see `neuro {command} --help`")


def _list(arguments: list[str]) -> None:
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"usage: neuro list\n\n{COMMANDS['list']}")
        return
    _no_more(arguments, "list")
    from simulations.listing import print_names

    print_names()


def _data(arguments: list[str]) -> None:
    from tasks import DATA
    from tasks.base import data_dir

    if arguments[:1] in (["-h"], ["--help"]):
        print(f"usage: neuro data [get NAME]\n\n{COMMANDS['data']}\n\nnames: {', '.join(DATA)}")
        return
    if arguments[:1] == ["get"]:
        name, rest = _positional(arguments[1:], "data get", "name", DATA)
        _no_more(rest, "data get")
        DATA[name].get()
        print(f"{name}: complete, checksums verified, in {data_dir()}")
        return
    _no_more(arguments, "data")
    print(f"data folder: {data_dir()}")
    for name, module in DATA.items():
        print(f"{name}:")
        for line in module.status():
            print(f"  {line}")


def _train(arguments: list[str]) -> None:
    import dataclasses

    from simulations.options import parse
    from simulations.recipes import RECIPES, RECIPES_ARE, training
    from tasks.harness import Budget, open_training

    recipe, rest = _positional(arguments, "train", "recipe", RECIPES, RECIPES_ARE)
    default = training(*RECIPES[recipe])
    fields = [
        ("learner", type(default.learner)),
        ("budget", Budget),
        ("seed", int, param("1", "seed of weights, order and noise", default=0, minimum=0)),
        ("out", Path, param("1", "folder in which the run's folder is made", default=Path("runs"))),
    ]
    options_type = dataclasses.make_dataclass("Train", fields, frozen=True)
    options_type.__doc__ = f"Train a learner by the recipe {recipe}; every hyper-parameter can be changed."
    options: Any = parse(options_type(default.learner, default.budget), rest, f"neuro train {recipe}")
    check(options)
    chosen = dataclasses.replace(default, learner=options.learner, budget=options.budget, seed=options.seed)
    run = open_training(chosen, recipe, options.out)
    print(f"run: {run.path}", flush=True)
    _train_run(run)


def _resume(arguments: list[str]) -> None:
    from neuro.runs import load_run

    path, rest = _positional(arguments, "resume", "run")
    _no_more(rest, "resume")
    run = load_run(path)
    if run.manifest().get("kind") != "training":
        raise ValueError(f"{path} is no training; only trainings are resumed, start the same command again instead")
    _train_run(run)


def _train_run(run: Any) -> None:
    """Train a run folder and say what came of it."""
    from tasks.harness import train

    try:
        train(run)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was done is kept; `neuro resume {run.path}` goes on") from None
    results = run.manifest()["results"]
    print(f"test accuracy {100 * results['test_accuracy']:.2f} %, {results['train_s']:.1f} s of training")
    print(f"see it: neuro plot {run.path}")


def _compare(arguments: list[str]) -> None:
    from simulations.compare import Compare, compare
    from simulations.options import parse
    from tasks import TASKS

    task, rest = _positional(arguments, "compare", "task", TASKS)
    options = parse(Compare(), rest, f"neuro compare {task}")
    compare(task, options)


def _audit(arguments: list[str]) -> None:
    import dataclasses

    import numpy as np

    from neuro.audit import audit, print_audits
    from simulations.recipes import NAMES, named_learner
    from tasks import digits

    _positional(arguments, "audit", "learner", NAMES)
    learners = {name: named_learner(name) for name in arguments}
    task = digits.load()
    batch = task.train.batch(np.arange(64))
    audits = [dataclasses.replace(audit(each, task.problem, batch), name=name) for name, each in learners.items()]
    print_audits(audits)
    if any(each.contradictions for each in audits):
        sys.exit(1)


def _simulate(arguments: list[str]) -> None:
    import dataclasses

    from simulations import SIMULATIONS
    from simulations.options import parse
    from simulations.run import run_simulation

    name, rest = _positional(arguments, "simulate", "name", SIMULATIONS)
    recipe_type = importlib.import_module(SIMULATIONS[name]).Recipe
    out = ("out", Path, param("1", "folder in which the run's folder is made", default=Path("runs")))
    options_type = dataclasses.make_dataclass("Simulate", [out], bases=(recipe_type,), frozen=True)
    options_type.__doc__ = recipe_type.__doc__
    options: Any = parse(options_type(), rest, f"neuro simulate {name}")
    recipe = recipe_type(**{field.name: getattr(options, field.name) for field in dataclasses.fields(recipe_type)})
    run = run_simulation(name, recipe, options.out)
    print(f"run: {run.path}\nsee it: neuro plot {run.path}")


def _elsewhere(command: str, arguments: list[str]) -> None:
    """A command that another module carries out: its words, then its options."""
    module, function, kinds = ELSEWHERE[command]
    words = []
    for kind in kinds:
        if arguments[:1] in (["-h"], ["--help"]):
            words.append(kind.upper())
            continue
        word, arguments = _positional(arguments, command, kind)
        words.append(word)
    getattr(importlib.import_module(module), function)(*words, arguments)


def _bench(arguments: list[str]) -> None:
    from benchmarks.bench import Bench, bench
    from benchmarks.bench_cases import CASES
    from simulations.options import parse

    first, rest = _positional(arguments, "bench", "name", CASES)
    n_more = next((place for place, word in enumerate(rest) if word.startswith("-")), len(rest))
    bench((first, *rest[:n_more]), parse(Bench(), rest[n_more:], f"neuro bench {first}"))


def _plot(arguments: list[str]) -> None:
    from figures import FIGURES
    from neuro.runs import load_run

    path, rest = _positional(arguments, "plot", "run")
    _no_more(rest, "plot")
    manifest = load_run(path).manifest()
    figure = FIGURES.get("training" if manifest.get("kind") == "training" else manifest["name"])
    if figure is None:
        raise ValueError(f"{path}: there is no figure for {manifest['name']!r}; figures exist for {', '.join(FIGURES)}")
    from figures.style import save
    from neuro.files import write_whole

    module, run = importlib.import_module(figure), Path(path)
    save(module.draw(run), run / "figure.png")
    write_whole(run / "figure.json", json.dumps(module.numbers(run), indent=1))
    print(f"figure: {run / 'figure.png'}\nnumbers in it: {run / 'figure.json'}")


if __name__ == "__main__":
    main()
