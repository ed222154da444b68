"""What the frame of this package costs: one pass of each learner beside a plain torch loop of the same rule.

    python -m benchmarks.learner_loops [LEARNER ...] [--samples 12000] [--rounds 3] [--threads 1] [--publish]

The plain loops are the scripts one would write for one rule alone, with nn.Linear, the same sizes, batches and fused
optimisers; they share no code with the learners. The two take turns, each pass over all samples in a new order, and
the best round of each counts; a first round is not timed. Random images of MNIST's size, and MNIST where it is found.
Target: at most 1.5 times the plain loop.

Axes: B sample, C class, I input, J unit of a layer.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.published import described, show
from neuro.learners import LEARNERS
from neuro.runs import hardware, made_with, versions
from neuro.units import unknown
from tasks import mnist
from tasks.base import DataError, Split, make_task, stream

TARGET = 1.5
N_IN, N_OUT = 784, 10
Step = Callable[[Tensor, Tensor], Any]  # of learning, from images and labels


def _linears(hidden: tuple[int, ...], bias: bool = True) -> list[nn.Linear]:
    sizes = (N_IN, *hidden, N_OUT)
    return [nn.Linear(n_in, n_out, bias=bias) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]


def backprop(learner: Any) -> Step:
    first, *rest = _linears(learner.hidden)
    model = nn.Sequential(first, *(module for layer in rest for module in (nn.ReLU(), layer)))
    adam = torch.optim.Adam(model.parameters(), lr=learner.lr, fused=True)

    def step(x_BI: Tensor, y_B: Tensor) -> float:
        loss = functional.cross_entropy(model((x_BI - 0.13) / 0.31), y_B)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def mono_forward(learner: Any) -> Step:
    layers = _linears(learner.hidden)[:-1]
    heads = [nn.Linear(n, N_OUT, bias=False) for n in learner.hidden]
    adams = [torch.optim.Adam([*a.parameters(), *b.parameters()], lr=learner.lr, fused=True)
             for a, b in zip(layers, heads, strict=True)]  # fmt: skip

    def step(x_BI: Tensor, y_B: Tensor) -> float:
        x_BI, total = (x_BI - 0.13) / 0.31, 0.0
        for layer, head, adam in zip(layers, heads, adams, strict=True):
            h_BJ = torch.relu(layer(x_BI))
            loss = functional.cross_entropy(head(h_BJ), y_B)
            adam.zero_grad()
            loss.backward()
            adam.step()
            x_BI, total = h_BJ.detach(), total + loss.item()
        return total

    return step


def forward_forward(learner: Any) -> Step:
    sizes = (N_IN + N_OUT, *learner.hidden)
    layers = [nn.Linear(n_in, n_out) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]
    softmax = nn.Linear(sum(learner.hidden[1:]), N_OUT)
    adams = [torch.optim.Adam(layer.parameters(), lr=learner.lr, fused=True) for layer in layers]
    adam_softmax = torch.optim.Adam(softmax.parameters(), lr=learner.lr_softmax, fused=True)

    def unit(h_BJ: Tensor) -> Tensor:
        return h_BJ / (h_BJ.square().mean(1, keepdim=True).sqrt() + 1e-6)

    def labelled(x_BI: Tensor, y_B: Tensor) -> Tensor:
        return torch.cat([x_BI, learner.label_strength * functional.one_hot(y_B, N_OUT)], 1)

    def step(x_BI: Tensor, y_B: Tensor) -> float:
        with torch.no_grad():
            h_BJ, seen = torch.cat([x_BI, torch.full((len(x_BI), N_OUT), 1.0 / N_OUT)], 1), []
            for layer in layers:
                h_BJ = unit(torch.relu(layer(h_BJ)))
                seen.append(h_BJ)
        logits_BC = softmax(torch.cat(seen[1:], 1))
        loss = functional.cross_entropy(logits_BC, y_B)
        adam_softmax.zero_grad()
        loss.backward()
        adam_softmax.step()
        others_BC = logits_BC.detach().scatter(1, y_B[:, None], -torch.inf).softmax(1)
        wrong_B = torch.multinomial(others_BC, 1)[:, 0]
        h_BJ, total = torch.cat([labelled(x_BI, y_B), labelled(x_BI, wrong_B)]), loss.item()
        for layer, adam in zip(layers, adams, strict=True):
            a_BJ = torch.relu(layer(h_BJ))
            true_B, false_B = a_BJ.square().mean(1).chunk(2)
            loss = functional.softplus(learner.sharpness * (false_B - true_B)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            h_BJ, total = unit(a_BJ.detach()), total + loss.item()
        return total

    return step


def counter_current(learner: Any) -> Step:
    sizes = (N_IN, *learner.hidden, N_OUT)
    up = _linears(learner.hidden, bias=False)
    down = [nn.Linear(n_out, n_in, bias=False) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]
    networks = [nn.ModuleList(up), nn.ModuleList(down)]
    rates = (learner.lr_forward, learner.lr_feedback)
    sgds = [torch.optim.SGD(net.parameters(), lr=lr, fused=True) for net, lr in zip(networks, rates, strict=True)]

    def step(x_BI: Tensor, y_B: Tensor) -> float:
        a = [(x_BI - 0.13) / 0.31]
        for k, layer in enumerate(up):
            drive_BJ = layer(a[-1].detach())
            a.append(drive_BJ if k == len(up) - 1 else functional.elu(drive_BJ))
        c = [torch.eye(N_OUT)]
        for k, layer in reversed(list(enumerate(down))):
            drive_CJ = layer(c[-1].detach())
            c.append(drive_CJ if k == 0 else functional.elu(drive_CJ))
        target_BC = functional.one_hot(y_B, N_OUT).float()
        loss = functional.cross_entropy(a[-1], y_B)
        for a_BJ, c_CJ in zip(a[:-1], reversed(c[1:]), strict=True):
            loss = loss + learner.loss_scale / a_BJ.shape[1] * functional.mse_loss(a_BJ @ c_CJ.T, target_BC)
        for sgd in sgds:
            sgd.zero_grad()
        loss.backward()
        for network, sgd in zip(networks, sgds, strict=True):
            nn.utils.clip_grad_norm_(network.parameters(), learner.clip_norm)
            sgd.step()
        return loss.item()

    return step


def _aligned(learner: Any, is_direct: bool) -> Step:
    layers = _linears(learner.hidden)
    feedback = [torch.randn(N_OUT if is_direct else up.out_features, up.in_features) * 0.03 for up in layers[1:]]
    adam = torch.optim.Adam([weight for layer in layers for weight in layer.parameters()], lr=learner.lr, fused=True)

    @torch.no_grad()
    def step(x_BI: Tensor, y_B: Tensor) -> float:
        h = [(x_BI - 0.13) / 0.31]
        for k, layer in enumerate(layers):
            h.append(layer(h[-1]) if k == len(layers) - 1 else torch.tanh(layer(h[-1])))
        loss = functional.cross_entropy(h[-1], y_B)
        error_BC = delta_BJ = (h[-1].softmax(1) - functional.one_hot(y_B, N_OUT)) / len(y_B)
        for k in reversed(range(len(layers))):
            layers[k].weight.grad, layers[k].bias.grad = delta_BJ.T @ h[k], delta_BJ.sum(0)
            if k:
                delta_BJ = ((error_BC if is_direct else delta_BJ) @ feedback[k - 1]) * (1 - h[k] ** 2)
        adam.step()
        return loss.item()

    return step


def pepita(learner: Any) -> Step:
    layers = _linears(learner.hidden, bias=False)
    feedback_CI = 0.05 * (2 * torch.rand(N_OUT, N_IN) - 1) * (6 / N_IN) ** 0.5
    sgd = torch.optim.SGD([layer.weight for layer in layers], lr=0.01, momentum=learner.momentum, fused=True)

    def run(x_BI: Tensor, masks: list[Tensor]) -> list[Tensor]:
        h = [x_BI]
        for layer, mask_BJ in zip(layers[:-1], masks, strict=True):
            h.append(torch.relu(layer(h[-1])) * mask_BJ)
        return [*h, layers[-1](h[-1]).softmax(1)]

    @torch.no_grad()
    def step(x_BI: Tensor, y_B: Tensor) -> float:
        kept = 1.0 - learner.dropout
        masks = [torch.bernoulli(torch.full((len(x_BI), n), kept)) / kept for n in learner.hidden]
        target_BC = functional.one_hot(y_B, N_OUT)
        first = run(x_BI, masks)
        error_BC = first[-1] - target_BC
        second = run(x_BI + error_BC @ feedback_CI, masks)
        for k, layer in enumerate(layers):
            d_BJ = (first[k + 1] - second[k + 1]) if k < len(layers) - 1 else second[-1] - target_BC
            layer.weight.grad = d_BJ.T @ second[k] / len(y_B)
        sgd.step()
        return functional.nll_loss(first[-1].clamp(min=1e-9).log(), y_B).item()

    return step


LOOPS: dict[str, Callable[[Any], Step]] = {
    "backprop": backprop,
    "forward-forward": forward_forward,
    "mono-forward": mono_forward,
    "counter-current": counter_current,
    "feedback-alignment": lambda learner: _aligned(learner, is_direct=False),
    "direct-feedback-alignment": lambda learner: _aligned(learner, is_direct=True),
    "pepita": pepita,
}


def random_images(n: int) -> Split:
    """As dark as MNIST: four of five pixels are 0."""
    rng = np.random.default_rng(0)
    images = rng.random((n, N_IN), np.float32) * (rng.random((n, N_IN)) < 0.2)
    return Split(images.astype(np.float32), rng.integers(0, N_OUT, n))


def passes(name: str, split: Split, rounds: int) -> tuple[float, float]:
    """Seconds of the best pass, of the learner and of the plain loop."""
    learner, n = LEARNERS[name](), len(split.labels)
    task = make_task("pass", split, split, split, shape=(1, 28, 28), n_steps=25, dt=1.0, source="", licence="",
                     data="", checksum="")  # fmt: skip
    state, step = learner.init(task.problem, 0), LOOPS[name](learner)
    images, labels = torch.from_numpy(split.inputs), torch.from_numpy(split.labels)

    def ours(seed: int) -> None:
        for _, batch in stream(split, n, learner.batch_size, seed):
            learner.update(state, batch)

    def plain(seed: int) -> None:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        for rows in order.split(learner.batch_size):
            step(images[rows], labels[rows])

    best = [float("inf")] * 2
    for seed in range(rounds + 1):
        for place, work in enumerate((ours, plain)):
            start = time.perf_counter()
            work(seed)
            if seed:
                best[place] = min(best[place], time.perf_counter() - start)
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("learners", nargs="*", default=list(LOOPS), metavar="LEARNER", help=", ".join(LOOPS))
    parser.add_argument("--samples", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write docs/results/learner_loops.{json,md}")
    options = parser.parse_args()
    for name in options.learners:
        if name not in LOOPS:
            parser.error(unknown("learner", name, LOOPS))
    torch.set_num_threads(options.threads)
    found = measured(options)
    show(found, markdown(found), "learner_loops" if options.publish else None)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """A row for each learner and data."""
    torch.manual_seed(0)
    data = {"random": random_images(options.samples)}
    try:
        train = mnist.load().train
        data["MNIST"] = Split(train.inputs[: options.samples], train.labels[: options.samples])
    except DataError as error:
        print(f"without MNIST: {error}")
    rows = []
    for name in options.learners:
        for what, split in data.items():
            ours, plain = passes(name, split, options.rounds)
            rows.append({"learner": name, "data": what, "ours_s": ours, "plain_s": plain, "ratio": ours / plain})
            print(line(rows[-1]), flush=True)
    known = versions("python", "neuro", "torch")
    about = {"samples": options.samples, "rounds": options.rounds, "load": os.getloadavg()[0]}
    return {"rows": rows} | about | {"hardware": hardware(), "versions": known}


def line(row: dict[str, Any]) -> str:
    mark = "met" if row["ratio"] <= TARGET else "missed"
    seconds = f"{row['ours_s']:.3f} | {row['plain_s']:.3f} | {row['ratio']:.2f}"
    return f"| {row['learner']} | {row['data']} | {seconds} | {mark} |"


def markdown(found: dict[str, Any]) -> str:
    lines = [
        "# Learners beside plain torch loops", "",
        described(__doc__), "",
        f"{found['samples']:,} samples a pass, {found['rounds']} rounds; load {found['load']:.1f} at the end.", "",
        "| learner | images | here, s | plain loop, s | ratio | target |", "| --- " * 6 + "|",
        *map(line, found["rows"]), "",
        *made_with(found),
        "Command: `python -m benchmarks.learner_loops --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
