"""Samples per second of learning digits by STDP, beside BindsNET's DiehlAndCook2015 in the same run.

    pip install --no-deps --target FOLDER bindsnet==0.3.4
    python -m benchmarks.stdp_digits --bindsnet FOLDER [--samples 96] [--rounds 3] [--threads 2] [--out docs/results]

Both learn the same images of MNIST (random ones of its mean where it is not found), shown for 250 ms with dt = 1 ms,
pixels as Poisson-like spikes of at most 63.75 Hz, one sample at a time and in batches of 32; drawing the spikes counts.
Every measurement is a process of its own; the two take turns, and the median of the rounds counts. A first batch,
which compiles, is not timed. BindsNET records nothing, and has as many samples to learn as takes about as long.
Packages that BindsNET imports and this network does not use are replaced by empty ones.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuro.learners.base import Batch, Problem
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from tasks import mnist
from tasks.base import DataError

ROOT = Path(__file__).parents[1]
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


def measured(tool: str, case: tuple[int, int], samples: int, options: argparse.Namespace) -> float:
    """The rate of one process."""
    paths = [str(ROOT), str(options.bindsnet), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "benchmarks.stdp_digits", "--worker", tool, "--threads", str(options.threads)]
    command += ["--case", *map(str, case), "--samples", str(samples)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tool} with {case[0]} neurons and batches of {case[1]} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def compared(options: argparse.Namespace) -> dict[str, Any]:
    """Rates of both in every case, in turns."""
    rows = []
    for case in CASES:
        few = max(options.samples // SLOWER[case[1]] // case[1], 1) * case[1]
        n_samples = {"neuro": options.samples, "bindsnet": few}
        rates: dict[str, list[float]] = {tool: [] for tool in RATES}
        for _ in range(options.rounds):
            for tool in RATES:
                rates[tool].append(measured(tool, case, n_samples[tool], options))
        medians = {tool: statistics.median(values) for tool, values in rates.items()}
        row = {"neurons": case[0], "batch": case[1], "rates": rates, "samples": n_samples, **medians}
        rows.append(row | {"ratio": medians["neuro"] / medians["bindsnet"]})
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    version = next(Path(options.bindsnet).glob("bindsnet-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    return {
        "rows": rows, "target": TARGET, "threads": options.threads, "rounds": options.rounds, "bindsnet": version,
        "torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine(),
        "cores": os.cpu_count(), "load": os.getloadavg()[0],
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| neurons | batch | neuro (samples/s) | BindsNET (samples/s) | ratio | 10x |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        rates = f"{row['neuro']:.1f} | {row['bindsnet']:.1f} | {row['ratio']:.1f}"
        lines.append(
            f"| {row['neurons']} | {row['batch']} | {rates} | {'met' if row['ratio'] >= TARGET else 'missed'} |"
        )
    return "\n".join(lines)


def write(result: dict[str, Any], out: Path) -> None:
    """out/stdp_digits.json and .md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "stdp_digits.json").write_text(json.dumps(result, indent=1) + "\n")
    about = (
        f"Learning digits by STDP, beside BindsNET {result['bindsnet']} (DiehlAndCook2015): images of 28 x 28 shown for"
        f" {DURATION} ms, dt 1 ms. Medians of {result['rounds']} rounds in turns, {result['threads']} threads,"
        f" {result['cores']} cores ({result['machine']}), torch {result['torch']}, load {result['load']:.1f} at the"
        " end. Made by `python -m benchmarks.stdp_digits`."
    )
    (out / "stdp_digits.md").write_text(f"# Speed of learning by STDP\n\n{about}\n\n{table(result['rows'])}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bindsnet", type=Path, help="folder that holds the package bindsnet")
    parser.add_argument("--samples", type=int, default=1024, help="that neuro learns in a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--worker", choices=RATES, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        torch.set_num_threads(options.threads)
        print(RATES[options.worker](options.case[0], options.case[1], options.samples))
        return
    if options.bindsnet is None or not any(options.bindsnet.glob("bindsnet-*.dist-info")):
        parser.error("--bindsnet FOLDER is needed: pip install --no-deps --target FOLDER bindsnet==0.3.4")
    result = compared(options)
    write(result, options.out)
    print(table(result["rows"]))


if __name__ == "__main__":
    main()
