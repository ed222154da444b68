"""`neuro bench`: the event backend beside brian2 (C++ standalone) and NEST, in alternation, in one run.

Every repetition is a process of its own (on_neuro.py, on_brian2.py, on_nest.py): ours, brian2, NEST, ours, ... The
first of each starts with nothing compiled and is reported apart; medians are of those after it. OUT/NAME.json is
written after each, and the same command with the same folder goes on from there.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from benchmarks.bench_cases import CASES, PEERS, VARIANTS, Case, Variant
from benchmarks.bench_report import print_report, publish
from benchmarks.bench_results import summary
from benchmarks.networks import DT, NETWORKS, SEED
from benchmarks.scripts import ROOT, Answer, ScriptFailed, run_script
from neuro.files import write_whole
from neuro.runs import Run, fingerprint, hardware, lock, now, versions
from neuro.units import check, param, steps, unknown

PACKAGES = ("python", "neuro", "numpy", "numba", "brian2")
FIRST = 0  # the repetition that starts with nothing compiled


@dataclass(frozen=True)
class Bench:
    """Speed and memory of the event backend beside other simulators; they take turns, each time in a new process."""

    peers: tuple[str, ...] = param("1", f"simulators to compare with, of {', '.join(PEERS)}", default=tuple(PEERS))
    out: Path | None = param(
        "1", "folder of the results, gone on with if they are there; none: new in ./runs", default=None
    )
    threads: tuple[int, ...] = param("1", "numbers of threads, each of which is measured", default=(1,), minimum=1)
    repeats: int = param("1", "repetitions, of which the median counts", default=5, minimum=1)
    duration: float | None = param("ms", "time simulated, for a trial; none: the case's", default=None, above=0)
    # Counted, because `parse` lets flags of booleans have a value.
    publish: tyro.conf.UseCounterAction[int] = param(
        "1", "also write docs/results/event_core.json and .md, of all cases in the folder", default=0
    )


class Job(NamedTuple):
    """One simulator in one precision, with a number of threads."""

    variant: Variant
    threads: int

    @property
    def label(self) -> str:
        return f"{self.variant.simulator} {self.variant.precision}, {self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def marks(self) -> dict[str, Any]:
        return {
            "simulator": self.variant.simulator,
            "precision": self.variant.precision,
            "threads": self.threads,
        }


def bench(names: tuple[str, ...], options: Bench) -> None:
    """Measure what is missing of each case, then print the tables. Status 1 where a simulator failed."""
    _check(names, options)
    out = options.out or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}_bench"
    environment = {"hardware": _hardware(), "versions": _versions()}
    cases = {name: _case(name, options) for name in dict.fromkeys(names)}
    results = {name: _open(out / f"{name}.json", name, cases[name], environment) for name in cases}
    missing = {p: PEERS[p].install for p in dict.fromkeys(options.peers) if find_spec(PEERS[p].module) is None}
    out.mkdir(parents=True, exist_ok=True)
    with lock(Run(out)):
        try:
            for name, case in cases.items():
                results[name] |= {"command": _command(name, options), "missing": missing, "failed": {}}
                measure(name, case, results[name], options, out)
        except KeyboardInterrupt:
            print(f"interrupted; what was done is in {out}, the same command with --out {out} goes on", file=sys.stderr)
            sys.exit(130)
    print_report(results)
    print(f"\nresults: {', '.join(str(out / f'{name}.json') for name in results)}")
    if options.publish:
        for path in publish(out):
            print(f"published: {path}")
    if any(result["failed"] for result in results.values()):
        sys.exit(1)


def _check(names: tuple[str, ...], options: Bench) -> None:
    check(options)
    for name in names:
        if name not in CASES:
            raise ValueError(unknown("name", name, CASES))
    for peer in options.peers:
        if peer not in PEERS:
            raise ValueError(unknown("peer", peer, PEERS))
    if not options.threads:
        raise ValueError("--threads needs at least one number; give 1, or 1 2")
    if options.duration is not None:
        if options.publish:
            raise ValueError(f"--publish needs whole runs, not {options.duration:g} ms; leave out --duration")
        if steps(options.duration, DT, "duration") == 0:
            raise ValueError(f"duration {options.duration} ms is no step; give at least {DT} ms")


def _case(name: str, options: Bench) -> Case:
    case = CASES[name]
    return case if options.duration is None else case._replace(duration=options.duration)


def _command(name: str, options: Bench) -> str:
    """What measures a case again, without the folder, which is the reader's own."""
    words = ["neuro", "bench", name, "--peers", *options.peers, "--threads", *options.threads]
    words += ["--repeats", options.repeats]
    words += [] if options.duration is None else ["--duration", f"{options.duration:g}"]
    return shlex.join(map(str, words))


def _hardware() -> dict[str, Any]:
    """Without what hardware() says of torch, which takes no part."""
    return {name: value for name, value in hardware().items() if name not in ("torch_threads", "gpu")}


def _versions() -> dict[str, str]:
    found = {name: version for name, version in versions().items() if name in PACKAGES}
    try:
        found["nest"] = metadata.version("nest-simulator")
    except metadata.PackageNotFoundError:
        found["nest"] = "not installed"
    found["g++"] = "not installed"
    if shutil.which("g++"):
        found["g++"] = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    return found


def _code() -> str:
    """Differs where what is measured was changed."""
    files = [
        *(ROOT / "neuro").rglob("*.py"),
        ROOT / "benchmarks" / "networks.py",
        *(ROOT / "benchmarks").glob("on_*.py"),
    ]
    return fingerprint({str(path.relative_to(ROOT)): path.read_text() for path in files})


def _open(file: Path, name: str, case: Case, environment: dict[str, Any]) -> dict[str, Any]:
    """The result that a file holds, or a new one. ValueError where it holds other runs than these would be."""
    network = NETWORKS[case.network]
    configuration = {
        "name": name,
        "neurons": network.size,
        "synapses": network.n_synapses,
        "duration_ms": case.duration,
        "dt_ms": DT,
        "seed": SEED,
        "compared": case.measured,
        "code": _code(),
    }
    new = {"configuration": configuration, **environment, "begun": now(), "runs": [], "parts": []}
    if not file.exists():
        return new
    try:
        found = json.loads(file.read_text())
        there = {**found["configuration"], **found["hardware"], **found["versions"]}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is no result of `neuro bench` ({error!r}); give another --out") from None
    here = {**configuration, **environment["hardware"], **environment["versions"]}
    for key in here | there:
        if here.get(key) != there.get(key):
            raise ValueError(
                f"{file} holds runs with {key} {there.get(key)!r}, now it is {here.get(key)!r}; give another --out"
            )
    return found


def measure(name: str, case: Case, result: dict[str, Any], options: Bench, out: Path) -> None:
    """Add to a result the runs that it lacks, and write it after each."""
    present = [peer for peer in options.peers if peer not in result["missing"]]
    chosen = [variant for variant in VARIANTS if variant.simulator in ("neuro", *present)]
    jobs = [Job(variant, threads) for threads in dict.fromkeys(options.threads) for variant in chosen]
    work = out / f"{name}.work"
    for repetition in range(FIRST, options.repeats + 1):
        for job in jobs:
            if job.label not in result["failed"]:
                try:
                    if _repeat(name, case, result, job, repetition, options.repeats, work):
                        _write(out / f"{name}.json", case, result)
                except ScriptFailed as error:
                    result["failed"][job.label] = str(error)
                    print(f"{name}: {job.label} failed: {error}", file=sys.stderr, flush=True)
                    _write(out / f"{name}.json", case, result)
    _write(out / f"{name}.json", case, result)
    shutil.rmtree(work, ignore_errors=True)


def _repeat(name: str, case: Case, result: dict[str, Any], job: Job, repetition: int, repeats: int, work: Path) -> bool:
    """One repetition of one job, unless the result has it; for ours on one thread also the costs of its parts.

    Returns whether anything was added.
    """
    marks = job.marks | {"repetition": repetition}
    is_done = any(marks.items() <= run.items() for run in result["runs"])
    folder = work / "_".join(map(str, job.marks.values()))
    if not is_done:
        run = marks | _run(case, job, repetition, folder)
        result["runs"].append(run)
        which = "first start" if repetition == FIRST else f"{repetition} of {repeats}"
        text = f"run {run['run_s']:.4g} s, process {run['process_s']:.3g} s, {run['rate_hz']:.2f} Hz"
        print(f"{name}: {job.label}, {which}: {text} (load {run['load']})", file=sys.stderr, flush=True)
    has_parts = case.measured == "run_s" and (job.variant.simulator, job.threads) == ("neuro", 1)
    if not (has_parts and repetition != FIRST and len(result["parts"]) < repetition):
        return not is_done
    result["parts"].append(_script(case, job, folder, "--parts").found)
    return True


def _run(case: Case, job: Job, repetition: int, folder: Path) -> dict[str, Any]:
    """What a run took. Where nothing is compiled yet but should be, a run before it, which is not counted."""
    compiled = folder / "compiled"
    is_from_nothing = repetition == FIRST or not compiled.exists()
    more = ["--once"] if (case.measured, job.variant.simulator) == ("process_s", "neuro") else []
    if is_from_nothing:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    load, time = round(os.getloadavg()[0], 2), now()
    answer = _script(case, job, folder, *more)
    compiled.touch()
    if is_from_nothing and repetition != FIRST:
        load, time = round(os.getloadavg()[0], 2), now()
        answer = _script(case, job, folder, *more)
    network, spikes = NETWORKS[case.network], answer.found["spikes"]
    return {
        **answer.found,
        "process_s": answer.process_s,
        "peak_mb": answer.peak_mb,
        "rate_hz": 1000.0 * spikes / network.size / case.duration,
        "synaptic_events": network.synaptic_events(spikes, case.duration),
        "load": load,
        "time": time,
    }


def _script(case: Case, job: Job, folder: Path, *more: str) -> Answer:
    """Run a simulator's script; numba's machine code lies in the folder too."""
    caches = {"NEURO_CACHE": f"{folder.absolute()}/neuro", "NUMBA_CACHE_DIR": f"{folder.absolute()}/numba"}
    arguments = [argument.format(folder=folder.absolute()) for argument in job.variant.arguments]
    arguments = [case.network, "--duration", str(case.duration), *arguments, *more]
    return run_script(job.variant.script, arguments, job.threads, caches)


def _write(file: Path, case: Case, result: dict[str, Any]) -> None:
    result |= summary(case, result["runs"], result["parts"])
    write_whole(file, json.dumps(result, indent=1) + "\n")
