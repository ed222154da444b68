"""What the backends in Triton reach on a GPU, beside snnTorch, SpikingJelly and the loop over tensors.

    python -m benchmarks.gpu --out DIR [--only training bandwidth microcircuit] [--smoke]

training: one update (forward, backward, Adam) of 784-512-10 for 25 steps of direct current, batch 128, and of
140-256-256-20 for 100 steps of sparse rasters, batch 256. All have LIF neurons with decay exp(-1 / 20), threshold 1,
reset to 0, the arctan surrogate, a leaky readout and the cross-entropy of its mean, and start with the same weights, so
that their first losses agree. The reset passes no gradient but in snnTorch. SpikingJelly runs in multi-step mode, with
the kernels that it selects itself. Contestants take turns; times are medians of updates, each waited for.

bandwidth: bytes that the fused kernel of LIF neurons must move, over its time, against those of a copy in memory.

microcircuit: the cortical microcircuit, at full scale by default, on triton_event: wall time over simulated time. Its
mean rate is written beside that of the published network.

Writes DIR/gpu.json. --smoke runs small sizes on the CPU, in Triton's interpreter; its times mean nothing.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neuro.files import write_whole
from neuro.runs import hardware, versions

TAU_M, SLOPE, LR = 20.0, 2.0, 1e-3
GAIN = 3.0  # of the first weights
WARM_UP, UPDATES = 5, 30


class Case(NamedTuple):
    """A training. rate: probability of an input spike a step; None for direct current."""

    name: str
    sizes: tuple[int, ...]
    n_steps: int
    batch: int
    rate: float | None


CASES = (Case("784-512-10", (784, 512, 10), 25, 128, None), Case("140-256-256-20", (140, 256, 256, 20), 100, 256, 0.02))
SMALL = (Case("12-8-3", (12, 8, 3), 4, 2, None), Case("10-6-6-4", (10, 6, 6, 4), 8, 2, 0.4))
Update = Callable[[], Tensor]


def weights_of(case: Case, device: str) -> list[Tensor]:
    """The same start for all contestants, w_JI of each layer, wide enough that all layers fire."""
    rng = torch.Generator().manual_seed(0)
    pairs = zip(case.sizes, case.sizes[1:], strict=False)
    drawn = [torch.empty(j, i).uniform_(-GAIN * i**-0.5, GAIN * i**-0.5, generator=rng) for i, j in pairs]
    return [w.to(device).requires_grad_() for w in drawn]


def batch_of(case: Case, device: str) -> tuple[Tensor, Tensor]:
    """Inputs [B, I] or [T, B, I], and labels."""
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(case.sizes[-1], (case.batch,), generator=rng)
    if case.rate is None:
        return torch.rand(case.batch, case.sizes[0], generator=rng).to(device), labels.to(device)
    raster = torch.rand(case.n_steps, case.batch, case.sizes[0], generator=rng) < case.rate
    return raster.float().to(device), labels.to(device)


def descending(scores: Callable[[], Tensor], parameters: list[Tensor], labels: Tensor) -> Update:
    """One update: scores [B, C], their loss, its gradient, a step of Adam. Returns the loss."""
    adam = torch.optim.Adam(parameters, lr=LR, fused=True)

    def update() -> Tensor:
        adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores(), labels)
        loss.backward()
        adam.step()
        return loss.detach()

    return update


def ours(backend: str, **options: Any) -> Callable[[Case, str], Update]:
    """The network of the learner BPTT on one of our backends. options: of its `run`."""

    def prepare(case: Case, device: str) -> Update:
        import importlib

        from neuro.backends.job import make_job
        from neuro.learners.base import Problem
        from neuro.learners.bptt import BPTT
        from neuro.learners.surrogate import spike_function

        n_in, *hidden, n_out = case.sizes
        problem = Problem(n_in, n_out, case.n_steps, 1.0, 0.0, 1.0, (n_in,), sys.maxsize)
        net = BPTT(hidden=tuple(hidden), tau_m=TAU_M).network(problem)
        weights = weights_of(case, device)
        named = {p.name: w for p, w in zip(net.projections, weights, strict=True)}
        x, labels = batch_of(case, device)
        module, surrogate = importlib.import_module(f"neuro.backends.{backend}"), spike_function("atan", SLOPE)

        def scores() -> Tensor:
            job = make_job(net, named, {"input": x}, duration=float(case.n_steps), record=("readout.output",))
            return module.run(job, surrogate, **options).traces["readout.output"].mean(0)

        return descending(scores, weights, labels)

    return prepare


def layers_of(case: Case, device: str) -> torch.nn.ModuleList:
    """Linear layers without bias, with the common start."""
    linear = []
    for w in weights_of(case, device):
        layer = torch.nn.Linear(w.shape[1], w.shape[0], bias=False, device=device)
        layer.weight.data.copy_(w.detach())
        linear.append(layer)
    return torch.nn.ModuleList(linear)


def snntorch(case: Case, device: str) -> Update:
    import snntorch
    from snntorch import surrogate

    linear, beta = layers_of(case, device), math.exp(-1.0 / TAU_M)
    hidden = {"reset_mechanism": "zero", "reset_delay": False, "spike_grad": surrogate.atan(alpha=SLOPE)}
    cells: Any = [snntorch.Leaky(beta=beta, **hidden) for _ in linear[:-1]]
    readout: Any = snntorch.Leaky(beta=beta, reset_mechanism="none")
    x, labels = batch_of(case, device)

    def scores() -> Tensor:
        potentials = [cell.reset_mem() for cell in [*cells, readout]]
        total: Any = 0.0
        for t in range(case.n_steps):
            sent = x if x.ndim == 2 else x[t]
            for k, cell in enumerate(cells):
                sent, potentials[k] = cell(linear[k](sent), potentials[k])
            _, potentials[-1] = readout(linear[-1](sent), potentials[-1])
            total = total + potentials[-1]
        return total / case.n_steps

    return descending(scores, list(linear.parameters()), labels)


def spikingjelly(case: Case, device: str) -> Update:
    """LIFNode(tau): v <- (1 - 1 / tau) v + x, so that tau makes the decay that of the others."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    tau = 1.0 / (1.0 - math.exp(-1.0 / TAU_M))
    options: Any = {"tau": tau, "decay_input": False, "step_mode": "m"}
    linear = layers_of(case, device)
    cells = torch.nn.ModuleList(
        neuron.LIFNode(v_reset=0.0, detach_reset=True, surrogate_function=surrogate.ATan(SLOPE), **options)
        for _ in linear[:-1]
    ).to(device)
    readout = neuron.LIFNode(
        v_threshold=math.inf, store_v_seq=True, surrogate_function=surrogate.ATan(SLOPE), **options
    )
    readout.to(device)
    x, labels = batch_of(case, device)

    def scores() -> Tensor:
        functional.reset_net(cells)
        functional.reset_net(readout)
        first = linear[0](x)
        arriving = first.expand(case.n_steps, -1, -1) if x.ndim == 2 else first
        for cell, layer in zip(cells, linear[1:], strict=True):
            arriving = layer(cell(arriving))
        readout(arriving)
        return readout.v_seq.mean(0)

    return descending(scores, list(linear.parameters()), labels)


CONTESTANTS = {
    "triton_fused": ours("triton_fused"), "torch_dense": ours("torch_dense"),
    "torch_dense, compiled": ours("torch_dense", compiled=True), "snntorch": snntorch, "spikingjelly": spikingjelly,
}  # fmt: skip


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(call: Callable[[], Any], device: str) -> float:
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def training(case: Case, device: str, n_updates: int) -> dict[str, Any]:
    """Median and least seconds of an update, peak memory and first loss of each contestant; they take turns."""
    found: dict[str, Any] = {name: {} for name in CONTESTANTS}
    updates = {}
    for name, prepare in CONTESTANTS.items():
        try:
            updates[name] = prepare(case, device)
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            found[name]["first_loss"] = float(updates[name]())
            if device == "cuda":
                found[name]["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        except Exception as error:  # a peer that does not run here is reported, and the others go on
            found[name]["error"] = repr(error)
            updates.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in updates}
    for k in range(WARM_UP + n_updates):
        for name, update in updates.items():
            took = seconds(update, device)
            times[name] += [took] if k >= WARM_UP else []
    for name, values in times.items():
        found[name] |= {"median_ms": 1e3 * statistics.median(values), "least_ms": 1e3 * min(values)}
    return found


def bandwidth(device: str, n: int, n_steps: int) -> dict[str, float]:
    """GB/s of the fused kernel, which reads what arrives and writes spikes once, and of a copy of as many bytes."""
    from neuro import Network, Population
    from neuro.backends.job import make_job
    from neuro.backends.torch_dense import step_function
    from neuro.backends.triton_neurons import FusedNeurons
    from neuro.neurons.lif_delta import NORMALISED

    population = Population("n", n, NORMALISED)
    job = make_job(Network((population,), (), 1.0), {}, {}, duration=float(n_steps))
    x = torch.rand(n_steps, 1, n, device=device)
    neurons, other = FusedNeurons(population, job, x.new_empty(0), False, step_function), torch.empty_like(x)
    n_bytes = 2 * x.numel() * x.element_size()
    neurons.forward([x])
    fused = min(seconds(lambda: neurons.forward([x]), device) for _ in range(10))
    copy = min(seconds(lambda: other.copy_(x), device) for _ in range(10))
    return {"fused_gb_s": n_bytes / fused / 1e9, "copy_gb_s": n_bytes / copy / 1e9, "share": copy / fused}


def microcircuit(scale: float, duration: float) -> dict[str, float]:
    """Wall time over simulated time; connecting and compiling are left out."""
    from neuro import simulate
    from simulations import cortical_microcircuit as model

    recipe = model.Recipe(scale=scale, duration=duration)
    net = model.network(recipe)
    weights = model.connections(recipe, net)
    options: Any = {"backend": "triton_event", "seed": 0}
    simulate(net, weights, {}, duration=10 * recipe.dt, **options)  # compiles
    counts = simulate(net, weights, {}, duration=duration, **options).counts
    n_neurons = sum(population.size for population in net.populations)
    return {
        "n_neurons": n_neurons,
        "n_synapses": sum(len(synapses.targets) for synapses in weights.values()),
        "duration_ms": duration,
        "wall_s": counts.wall_s,
        "wall_over_simulated": counts.wall_s / (duration / 1e3),
        "synaptic_events_per_s": counts.synaptic_events / counts.wall_s,
        "rate_hz": counts.spikes / n_neurons / (duration / 1e3),
        "published_rate_hz": float(model.SIZES_P @ model.FULL_RATES_P / model.SIZES_P.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=["training", "bandwidth", "microcircuit"])
    parser.add_argument("--scale", type=float, default=1.0, help="of the microcircuit")
    parser.add_argument("--duration", type=float, default=1000.0, help="of the microcircuit, ms")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    if args.smoke:
        os.environ["TRITON_INTERPRET"] = "1"
    elif not torch.cuda.is_available():
        parser.error("there is no GPU; --smoke checks on the CPU that everything runs")
    device = "cpu" if args.smoke else "cuda"
    found: dict[str, Any] = {"hardware": hardware(), "versions": versions(), "smoke": args.smoke}
    parts: dict[str, Callable[[], Any]] = {
        "training": lambda: {
            case.name: training(case, device, 2 if args.smoke else UPDATES) for case in (SMALL if args.smoke else CASES)
        },
        "bandwidth": lambda: bandwidth(device, *((64, 5) if args.smoke else (2**20, 100))),
        "microcircuit": lambda: microcircuit(*((0.01, 2.0) if args.smoke else (args.scale, args.duration))),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        found[name] = parts[name]()
        write_whole(args.out / "gpu.json", json.dumps(found, indent=2))
        print(json.dumps({name: found[name]}, indent=2), flush=True)


if __name__ == "__main__":
    main()
