"""A step of learning of `sparse-bptt` beside snnTorch and SpikingJelly: time and peak memory.

    python -m benchmarks.sparse_bptt [--repeats 3] [--threads 1 2] [--passes 5] [--publish]

FSDD (real spoken digits as spikes), 700 channels, 100 steps of 13 ms, 256 and 256 hidden neurons, batches of 256. The
same weights, inputs and loss for all: LIF without bias that resets to 0 through which no gradient passes, leaky
readout, cross-entropy of its mean, Adam. Measured with the weights of the start, and with those that `sparse-bptt`
has after some passes, when more neurons fire. Every measurement is a process of its own, in alternation; a step is
forward, backward and Adam. The peers get a raster that was made before, which counts neither as time nor as memory;
`sparse-bptt` gets events. What the processor did for others meanwhile is noted, as it slows all of them.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.published import show
from benchmarks.scripts import run_script
from neuro.events import Events, raster
from neuro.learners.base import Batch
from neuro.learners.bptt import BPTT
from neuro.learners.sparse_bptt import SparseBPTT
from neuro.runs import hardware, made_with, versions
from tasks import shd
from tasks.base import stream
from tasks.metrics import PeakMemory

CHANNELS, N_STEPS, DT, HIDDEN, BATCH = 700, 100, 13.0, (256, 256), 256
STEPS = 4  # that are timed in a process, after one that is not
OURS = {
    "sparse-bptt": SparseBPTT(hidden=HIDDEN, batch_size=BATCH),
    "sparse-bptt, atan": SparseBPTT(hidden=HIDDEN, batch_size=BATCH, surrogate="atan", slope=2.0),
    "bptt": BPTT(hidden=HIDDEN, batch_size=BATCH),
}
PEERS = ("snntorch", "spikingjelly")
STATES = ("initial", "trained")
TARGET_TIME, TARGET_MEMORY = 0.35, 0.5
COLUMNS = ("threads", "weights", "program", "ms a step", "fastest", "CPU ms", "peak MB", "time ratio", "CPU ratio",
           "memory ratio", "other cores", "loss")  # fmt: skip
BETA = float(np.exp(-DT / OURS["sparse-bptt"].tau_m))


class SnnTorch(nn.Module):
    """The network with snntorch.Leaky, its default surrogate (atan) and its loop over steps."""

    def __init__(self, linears: nn.ModuleList):
        super().__init__()
        import snntorch

        self.linears = linears
        self.cells = nn.ModuleList([snntorch.Leaky(beta=BETA, reset_mechanism="zero") for _ in HIDDEN])
        self.readout = snntorch.Leaky(beta=BETA, reset_mechanism="none")

    def forward(self, spikes_TBI: torch.Tensor) -> torch.Tensor:
        mem = [spikes_TBI.new_zeros(spikes_TBI.shape[1], len(linear.weight)) for linear in self.linears]
        outputs = []
        for x in spikes_TBI:
            for k, cell in enumerate(self.cells):
                x, mem[k] = cell(self.linears[k](x), mem[k])
            _, mem[-1] = self.readout(self.linears[-1](x), mem[-1])
            outputs.append(mem[-1])
        return torch.stack(outputs).mean(0)


class SpikingJelly(nn.Module):
    """The network with SpikingJelly's LIFNode over all steps at once, its default surrogate (sigmoid).

    Its non-spiking LIF divides the input by tau, which is taken off again.
    """

    def __init__(self, linears: nn.ModuleList):
        super().__init__()
        from spikingjelly.activation_based import functional, neuron

        tau = 1.0 / (1.0 - BETA)
        self.tau, self.forget, layers = tau, functional.reset_net, []
        for linear in linears[:-1]:
            layers += [linear, neuron.LIFNode(tau=tau, decay_input=False, detach_reset=True, step_mode="m")]
        self.layers = nn.Sequential(*layers, linears[-1])
        self.readout = neuron.NonSpikingLIFNode(tau=tau, decode="mean-mem")

    def forward(self, spikes_TBI: torch.Tensor) -> torch.Tensor:
        self.forget(self)
        return self.readout(self.tau * self.layers(spikes_TBI))


def peer_step(name: str, weights: dict[str, torch.Tensor], batch: Batch) -> Callable[[], float]:
    """A step of learning of a peer."""
    linears = nn.ModuleList([nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights.values()])
    for linear, weight in zip(linears, weights.values(), strict=True):
        linear.weight.data.copy_(weight)
    net = (SnnTorch if name == "snntorch" else SpikingJelly)(linears)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    spikes_TBI = torch.from_numpy(raster(batch.inputs, CHANNELS, N_STEPS, DT)[0])

    def step() -> float:
        loss = cross_entropy(net(spikes_TBI), batch.labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def our_step(name: str, weights: dict[str, torch.Tensor], batch: Batch) -> Callable[[], float]:
    state = OURS[name].init(task().problem, 0)
    with torch.no_grad():
        for key, weight in weights.items():
            state.weights[key].copy_(weight)
    return lambda: OURS[name].update(state, batch)["loss"]


def task() -> Any:
    return shd.load(shd.FSDD, channels=shd.N_CHANNELS // CHANNELS, dt=DT)


def prepare(folder: Path, passes: int) -> list[dict[str, Any]]:
    """Write the batch and the weights at the start and after some passes; returns what is known of both."""
    data, learner, found = task(), OURS["sparse-bptt"], []
    batch = data.train.batch(np.arange(BATCH))
    spikes_TBI, _ = raster(batch.inputs, CHANNELS, N_STEPS, DT)
    np.savez(folder / "batch.npz", labels=batch.labels.numpy(), **batch.inputs._asdict())
    n = passes * len(data.train.labels)
    state = learner.init(data.problem._replace(samples=n), 0)
    for which in STATES:
        if which == "trained":
            for _, other in stream(data.train, n, BATCH, 0):
                learner.update(state, other)
        np.savez(folder / f"{which}.npz", **{key: w.detach().numpy() for key, w in state.weights.items()})
        before = state.counts.spikes
        learner.predict(state, batch.inputs)
        fired = (state.counts.spikes - before) / (BATCH * N_STEPS * sum(HIDDEN))
        active = learner.gradients(data.problem, state.weights, batch.inputs, batch.labels)[1]["active"]
        found.append({"state": which, "input_density": float(spikes_TBI.mean()), "hidden_density": fired,
                      "active": active})  # fmt: skip
    return found


def measure(name: str, which: str, folder: Path, threads: int) -> dict[str, float]:
    """Run in a process of its own: median seconds of a step, peak memory above what was held before, the first loss."""
    torch.set_num_threads(threads)
    with np.load(folder / "batch.npz") as arrays:
        events = Events(arrays["times"], arrays["units"], arrays["offsets"])
        batch = Batch(events, torch.from_numpy(arrays["labels"]))
    with np.load(folder / f"{which}.npz") as arrays:
        weights = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    step, seconds = (peer_step if name in PEERS else our_step)(name, weights, batch), []
    memory = PeakMemory()
    loss, others = step(), -_busy()
    own = -time.process_time()
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    memory.pause()
    own += time.process_time()
    others += _busy()
    return {"s": statistics.median(seconds), "fastest_s": min(seconds), "peak_mb": memory.peak, "loss": loss,
            "cpu_s": own / STEPS, "other_cores": max(others - own, 0.0) / sum(seconds)}  # fmt: skip


def _busy() -> float:
    """Seconds that all cores have worked, for whatever process (Linux)."""
    user, nice, system = (int(x) for x in Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / 100.0


def run(options: argparse.Namespace) -> dict[str, Any]:
    rows, names = [], (*OURS, *PEERS)
    with tempfile.TemporaryDirectory() as folder:
        states = prepare(Path(folder), options.passes)
        for threads, which in itertools.product(options.threads, STATES):
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _, name in itertools.product(range(options.repeats), names):
                arguments = ["--worker", name, "--state", which, "--folder", folder]
                runs[name].append(run_script("benchmarks.sparse_bptt", arguments, threads, {}).found)
                print(threads, which, name, runs[name][-1], file=sys.stderr, flush=True)
            medians = {
                name: {key: statistics.median(one[key] for one in found) for key in found[0]}
                for name, found in runs.items()
            }
            fastest = medians[min(PEERS, key=lambda peer: medians[peer]["s"])]
            for name, found in runs.items():
                ratios = {f"{key}_ratio": medians[name][key] / fastest[key] for key in ("s", "cpu_s", "peak_mb")}
                row = {"threads": threads, "state": which, "name": name} | medians[name] | ratios
                rows.append(row | {"all_s": [one["s"] for one in found]})
    return {"rows": rows, "states": states, "repeats": options.repeats,
            "passes": options.passes, "target_time": TARGET_TIME, "target_memory": TARGET_MEMORY,
            "hardware": hardware(),
            "versions": versions("python", "neuro", "numpy", "numba", "torch", "snntorch", "spikingjelly")}  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The report."""
    lines = [
        f"| {r['threads']} | {r['state']} | {r['name']} | {1e3 * r['s']:.0f} | {1e3 * r['fastest_s']:.0f} |"
        f" {1e3 * r['cpu_s']:.0f} | {r['peak_mb']:.0f} | {r['s_ratio']:.3f} | {r['cpu_s_ratio']:.3f} |"
        f" {r['peak_mb_ratio']:.3f} | {r['other_cores']:.1f} | {r['loss']:.4f} |"
        for r in found["rows"]
    ]
    states = [
        f"| {s['state']} | {100 * s['input_density']:.2f} % | {100 * s['hidden_density']:.2f} % |"
        f" {100 * s['active']:.1f} % |"
        for s in found["states"]
    ]
    titles, table, densities = f"| {' | '.join(COLUMNS)} |", "\n".join(lines), "\n".join(states)
    made = "\n".join(made_with(found))
    return f"""# A step of `sparse-bptt` beside snnTorch and SpikingJelly

FSDD, {CHANNELS} channels, {N_STEPS} steps of {DT:g} ms, hidden {HIDDEN[0]}-{HIDDEN[1]}, batch {BATCH}, float32;
forward, backward and Adam. Medians of {found["repeats"]} processes of {STEPS} steps each, in alternation. Ratios are to
the faster peer. Target: time at most {found["target_time"]:g}, memory at most {found["target_memory"]:g}.

Memory is the peak above what the process held before its first step. "Other cores": how many cores other processes
kept busy meanwhile, about; they slow all programs, and most those whose threads wait for each other, so that CPU time
on one thread is the safer measure on a busy machine. The losses of the first step agree, since weights and inputs do.

{titles}
{"| --- " * len(COLUMNS)}|
{table}

`sparse-bptt` has its default surrogate, the triangle of slope {OURS["sparse-bptt"].slope:g}; with atan no derivative
is 0, and nothing of the backward pass between layers can be left out. Trained: after {found["passes"]} passes.

| weights | input spikes per unit and step | hidden spikes per neuron and step | derivatives that are not 0 |
| --- | --- | --- | --- |
{densities}

{made}
Command: `python -m benchmarks.sparse_bptt --publish`
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--passes", type=int, default=5, help="over the data, before the weights count as trained")
    parser.add_argument("--publish", action="store_true", help="write docs/results/sparse_bptt.{json,md}")
    parser.add_argument("--worker", choices=(*OURS, *PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--state", choices=STATES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(measure(options.worker, options.state, options.folder, options.threads[0])))
        return
    found = run(options)
    show(found, markdown(found), "sparse_bptt" if options.publish else None)


if __name__ == "__main__":
    main()
