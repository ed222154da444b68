"""Networks with learned delays, as they were trained and as events: whether they name the same words.

    python -m benchmarks.delays_everywhere RUN... [--publish NAME]

The network of each finished `delays` training names the test samples. As trained: sums over whole delays in 32-bit
floats, and batch normalisation with its running means. By events: the network that `as_network`
gives, whose delays are integers and whose weights hold the normalisation, on the backends event and fixed_point. Equal
answers: part of the test samples to which a row gives the answer of the network as trained.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.published import described, show
from neuro.backends import simulate
from neuro.backends.fixed_point_formats import QFormat
from neuro.events import Events
from neuro.learners.delay_layers import VARIANCE_FLOOR, summed_shares
from neuro.learners.delays import Delays
from neuro.learners.event_counts import counts
from neuro.runs import hardware, load_run, made_with, versions
from neuro.units import decay
from simulations.trained import Trained, load_trained

CHUNK = 100
Q_FORMAT = QFormat(total=32, fraction=20)
Answer = Callable[[Any], Tensor]  # events -> scores


def as_trained(trained: Trained) -> Answer:
    """Sums over delays, normalisation and membranes, written down once more in plain torch."""
    learner, problem, state = trained.learner, trained.task.problem, trained.state
    p = float(decay(problem.dt, learner.tau_m))
    last = len(learner.hidden)

    def arrivals(z_TBI: Tensor, k: int) -> Tensor:
        w_JI = state.weights[f"layer_{k}"]
        delay_JI = learner._places(state, k).round()
        x_TBJ = torch.zeros(*z_TBI.shape[:2], len(w_JI))
        for d in delay_JI.unique().int().tolist():
            x_TBJ[d:] += z_TBI[: len(z_TBI) - d] @ (w_JI * (delay_JI == d)).T
        return x_TBJ

    @torch.no_grad()
    def answer(events: Events) -> Tensor:
        n_steps = learner.n_steps(problem)
        z_TBI = torch.from_numpy(counts(events, problem.n_inputs, n_steps, problem.dt, learner.most))
        for k in range(last):
            gain, shift, mean, var = learner._normalisation(state, k)
            x_TBJ = (arrivals(z_TBI, k) - mean) / torch.sqrt(var + VARIANCE_FLOOR) * gain + shift
            u_BJ, fired = torch.zeros_like(x_TBJ[0]), []
            for x_BJ in x_TBJ:
                v_BJ = p * u_BJ + x_BJ
                fired.append((v_BJ >= learner.v_th).float())
                u_BJ = v_BJ * (1.0 - fired[-1])
            z_TBI = torch.stack(fired)
        x_TBC = arrivals(z_TBI, last)
        for t in range(1, n_steps):
            x_TBC[t] += p * x_TBC[t - 1]
        return summed_shares(x_TBC)

    return answer


def on_backend(trained: Trained, backend: str, arithmetic: QFormat | None = None) -> Answer:
    """The network with whole delays that the learner exports."""
    learner, problem = trained.learner, trained.task.problem
    net, weights = learner.as_network(trained.state)

    def answer(events: Events) -> Tensor:
        record = simulate(
            net, weights, {"input": learner.entering(problem, events)}, duration=learner.n_steps(problem) * problem.dt,
            backend=backend, record=("readout.output",), arithmetic=arithmetic,
        )  # fmt: skip
        return summed_shares(torch.as_tensor(np.asarray(record.traces["readout.output"], np.float64)))

    return answer


def forms(trained: Trained) -> dict[str, Answer]:
    """Row -> what answers."""
    return {
        "as trained, float32": as_trained(trained),
        "event, float64": on_backend(trained, "event"),
        f"fixed_point, {Q_FORMAT.total} bits, {Q_FORMAT.fraction} of them fraction": on_backend(
            trained, "fixed_point", Q_FORMAT
        ),
    }


def answers(answer: Answer, trained: Trained) -> NDArray[np.int64]:
    """The words that the test samples are taken for."""
    return np.concatenate([answer(part.inputs).argmax(1).numpy() for part in trained.task.test.batches(CHUNK)])


def measure(paths: Sequence[str]) -> dict[str, Any]:
    """A row for each run and form."""
    rows, about = [], ""
    for path in paths:
        trained = load_trained(load_run(path), Delays, "only networks of delays are run here")
        seed, task, first = trained.training.seed, trained.task, None
        about = f"{task.data}, {len(task.test.labels)} test samples"
        for name, answer in forms(trained).items():
            start = time.perf_counter()
            found = answers(answer, trained)
            seconds = time.perf_counter() - start
            first = found if first is None else first
            row = {"delays": trained.learner.delays, "seed": seed, "form": name}
            row |= {"accuracy": float((found == task.test.labels).mean()), "equal": float((found == first).mean())}
            rows.append(row)
            print(row, f"{seconds:.0f} s", flush=True)
    return {
        "data": about,
        "rows": rows,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch", "numba"),
    }


def markdown(found: dict[str, Any], name: str) -> str:
    lines = ["# Learned delays everywhere", "", described(__doc__), "", f"{found['data']}.", ""]
    lines += ["| delays | seed | | test accuracy, % | equal answers, % |", "| --- | --- | --- | --- | --- |"]
    for row in found["rows"]:
        figures = [f"{100 * row[key]:.2f}" for key in ("accuracy", "equal")]
        lines.append(f"| {row['delays']} | {row['seed']} | {row['form']} | {' | '.join(figures)} |")
    lines += ["", *made_with(found), f"Command: `python -m benchmarks.delays_everywhere RUN... --publish {name}`", ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of finished trainings of delays")
    parser.add_argument("--publish", help="write docs/results/NAME.{json,md}")
    options = parser.parse_args(arguments)
    found = measure(options.runs)
    show(found, markdown(found, options.publish or "NAME"), options.publish)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
