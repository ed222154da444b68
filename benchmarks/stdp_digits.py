"""Samples per second of learning digits by STDP, beside BindsNET's DiehlAndCook2015 in the same run.

    pip install --no-deps --target FOLDER bindsnet==0.3.4
    python -m benchmarks.stdp_digits --bindsnet FOLDER [--samples 1024] [--rounds 3] [--threads 2] [--publish]

Both learn the same images of MNIST (random ones of its mean where it is not found), shown for 250 ms with dt = 1 ms,
pixels as Poisson-like spikes of at most 63.75 Hz, one sample at a time and in batches of 32; drawing the spikes counts.
Every measurement is a process of its own; the two take turns, and the median of the rounds counts. A first batch,
which compiles, is not timed. BindsNET records nothing, and has as many samples to learn as takes about as long.
Packages that BindsNET imports and this network does not use are replaced by empty ones.
"""

import argparse
import importlib
import itertools
import json
import os
import statistics
import sys
import time
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.published import show
from benchmarks.scripts import ROOT, run_script
from neuro.learners.base import Batch, Problem
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from neuro.runs import hardware, made_with, versions
from tasks import mnist
from tasks.base import DataError

CASES = [(400, 1), (400, 32), (1600, 1), (1600, 32)]  # neurons, samples of a batch
DURATION, RATE = 250, 63.75  # ms, Hz
TARGET = 10.0
SLOWER = {1: 16, 32: 2}  # by how many times fewer samples BindsNET gets, of a batch; at least two batches
UNUSED = ("torchvision", "cv2", "gymnasium", "ale_py", "tensorboardX", "pandas", "sklearn", "skimage")


def images(n: int) -> np.ndarray:
    """[n, 784] in [0, 1]."""
    try:
        return np.asarray(mnist.load().train.batch(np.arange(n)).inputs)
    except DataError:
        rng = np.random.default_rng(0)
        return (rng.random((n, 784)) * (rng.random((n, 784)) < 0.26)).astype(np.float32)


def neuro_rate(hidden: int, batch_size: int, samples: int) -> float:
    """Samples per second of ours."""
    learner = STDPWinnerTakeAll(hidden=hidden, batch_size=batch_size, duration=float(DURATION), rate=RATE)
    state = learner.init(Problem(784, 10, 25, 1.0, 0.13, 0.31, (1, 28, 28), 10**6), 0)
    inputs = torch.from_numpy(images(samples + batch_size)).split(batch_size)
    labels = torch.zeros(batch_size, dtype=torch.int64)
    start = 0.0
    for k, batch in enumerate(inputs):
        if k == 1:
            start = time.perf_counter()
        learner.update(state, Batch(batch, labels[: len(batch)]))
    return samples / (time.perf_counter() - start)


def bindsnet_rate(hidden: int, batch_size: int, samples: int) -> float:
    """Samples per second of BindsNET."""
    sys.meta_path.insert(0, _Empty())  # type: ignore[arg-type]
    models, encoding = (importlib.import_module(f"bindsnet.{name}") for name in ("models", "encoding"))
    torch.manual_seed(0)
    network = models.DiehlAndCook2015(
        784, batch_size=batch_size, n_neurons=hidden, exc=22.5, inh=120, dt=1.0, norm=78.4, theta_plus=0.05,
        inpt_shape=(1, 28, 28),
    )  # fmt: skip
    start = 0.0
    for k, batch in enumerate(torch.from_numpy(images(samples + batch_size)).split(batch_size)):
        if k == 1:
            start = time.perf_counter()
        encoded = [encoding.poisson(RATE * image.view(1, 28, 28), time=DURATION, dt=1.0) for image in batch]
        network.run(inputs={"X": torch.stack(encoded, dim=1)}, time=DURATION)
        network.reset_state_variables()
    return samples / (time.perf_counter() - start)


class _Empty:
    """Imports a package of UNUSED as one in which every name is an empty class, or an empty package."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in UNUSED else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: _empty(spec.name, name)  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is in it."""


def _empty(package: str, name: str) -> Any:
    """A class, or a package where the name is in lower case."""
    if name.startswith("__"):
        raise AttributeError(name)
    return importlib.import_module(f"{package}.{name}") if name.islower() else type(name, (), {})


RATES: dict[str, Callable[[int, int, int], float]] = {"neuro": neuro_rate, "bindsnet": bindsnet_rate}


def compared(options: argparse.Namespace) -> dict[str, Any]:
    """Rates of both in every case, in turns."""
    rows = []
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(options.bindsnet.resolve())])}
    for neurons, batch_size in CASES:
        few = max(options.samples // SLOWER[batch_size] // batch_size, 1) * batch_size
        samples = {"neuro": options.samples, "bindsnet": few}
        rates: dict[str, list[float]] = {tool: [] for tool in RATES}
        for _, tool in itertools.product(range(options.rounds), RATES):
            arguments = ["--worker", tool, "--case", str(neurons), str(batch_size), "--samples", str(samples[tool])]
            rates[tool].append(run_script("benchmarks.stdp_digits", arguments, options.threads, path).found["rate"])
        medians = {tool: statistics.median(values) for tool, values in rates.items()}
        row = {"neurons": neurons, "batch": batch_size, "rates": rates, "samples": samples, **medians}
        rows.append(row | {"ratio": medians["neuro"] / medians["bindsnet"]})
        print(line(rows[-1]), flush=True)
    bindsnet = next(options.bindsnet.glob("bindsnet-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    known = versions("python", "neuro", "numpy", "numba", "torch")
    return {
        "rows": rows, "target": TARGET, "threads": options.threads, "rounds": options.rounds,
        "load": os.getloadavg()[0], "hardware": hardware(), "versions": known | {"bindsnet": bindsnet},
    }  # fmt: skip


def line(row: dict[str, Any]) -> str:
    rates = f"{row['neuro']:.1f} | {row['bindsnet']:.1f} | {row['ratio']:.1f}"
    return f"| {row['neurons']} | {row['batch']} | {rates} | {'met' if row['ratio'] >= TARGET else 'missed'} |"


def markdown(found: dict[str, Any]) -> str:
    lines = [
        "# Speed of learning by STDP", "",
        f"Learning digits by STDP, beside BindsNET's DiehlAndCook2015: images of 28 x 28 shown for {DURATION} ms, dt 1"
        f" ms. Medians of {found['rounds']} rounds in turns; threads: {found['threads']}; load {found['load']:.1f} at"
        f" the end. Target: {found['target']:g} times as many samples a second.", "",
        "| neurons | batch | neuro, samples/s | BindsNET, samples/s | ratio | target |",
        "| --- " * 6 + "|", *map(line, found["rows"]), "",
        *made_with(found),
        "Command: `python -m benchmarks.stdp_digits --bindsnet FOLDER --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bindsnet", type=Path, help="folder that holds the package bindsnet")
    parser.add_argument("--samples", type=int, default=1024, help="that neuro learns in a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--publish", action="store_true", help="write docs/results/stdp_digits.{json,md}")
    parser.add_argument("--worker", choices=RATES, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        torch.set_num_threads(options.threads)
        print(json.dumps({"rate": RATES[options.worker](options.case[0], options.case[1], options.samples)}))
        return
    if options.bindsnet is None or not any(options.bindsnet.glob("bindsnet-*.dist-info")):
        parser.error("--bindsnet FOLDER is needed: pip install --no-deps --target FOLDER bindsnet==0.3.4")
    found = compared(options)
    show(found, markdown(found), "stdp_digits" if options.publish else None)


if __name__ == "__main__":
    main()
