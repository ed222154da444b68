"""Several processes that let their shares of NoProp's blocks learn, without waiting for each other.

1. The numbers of all blocks (weights, running means, the optimisers' traces) are moved into one piece of memory
   that all processes see. Each process learns its own blocks there; nobody else writes to them.
2. A batch is sent to every process. One may run about AHEAD batches ahead of another.
3. Whoever reads the weights, the memory or the optimisers of a ParallelState first waits until all batches
   have been learned. So a checkpoint or an evaluation needs no care, and results do not depend on timing.

A process ends when its pipe is closed: by the end of the state, or of the program, however it came.
"""

import contextlib
import queue
import signal
import threading
import traceback
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, multiprocessing

from neuro.learners.base import Batch, LearnerState, Problem, flat

AHEAD = 8  # batches that wait in a process; one or two more are on their way
LINE = 16  # numbers; every tensor starts at a multiple, as those that torch allocates do
LEARNED = ("weights", "memory", "optimisers")  # fields that other processes change


@dataclass
class Crew:
    """The processes behind a state. tensors: what was shared; losses_T: the last that each part has reported."""

    pipes: list[Any] = field(default_factory=list)
    workers: list[Any] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    losses_T: Tensor = field(default_factory=lambda: torch.zeros(0))
    is_busy: bool = False


@dataclass
class ParallelState(LearnerState):
    """A state that others learn: reading what they change waits for them."""

    crew: Crew = field(default_factory=Crew)

    def __getattribute__(self, name: str) -> Any:
        if name in LEARNED:
            _wait(object.__getattribute__(self, "crew"))
        return object.__getattribute__(self, name)


def learn_in_processes(learner: Any, state: ParallelState, batch: Batch) -> list[float]:
    """Send a batch to all processes, and start them where none run; returns the losses last reported.

    learner: with `learn(state, batch, parts)` for parts 1 .. blocks + 1. RuntimeError if a process has failed.
    """
    crew, raw = state.crew, vars(state)
    if not crew.is_busy and not _holds(crew, state):
        _close(crew)
        _start(crew, learner, state)
        weakref.finalize(state, _close, crew)
    crew.is_busy = True
    numbers = (flat(batch.inputs).numpy(), batch.labels.numpy(), batch.context)
    with _ended_on_failure(crew):
        for index, pipe in enumerate(crew.pipes):
            if pipe.poll():
                _receive(crew, index)
            pipe.send(numbers)
    raw["memory"]["seen"] = raw["memory"]["seen"] + len(batch.labels)
    return crew.losses_T.tolist()


def _start(crew: Crew, learner: Any, state: ParallelState) -> None:
    """Move the state's numbers into shared memory and start the processes."""
    n_parts = learner.blocks + 1
    tensors = _learned_tensors(state)
    shared = torch.zeros(n_parts + sum(tensor.numel() + LINE for tensor in tensors)).share_memory_()
    _bind(tensors, shared[n_parts:], keep=True)
    crew.tensors, crew.losses_T = tensors, shared[:n_parts]
    context = multiprocessing.get_context("spawn")
    given = (replace(learner, processes=1), state.problem, {name: int(state.memory[name]) for name in ("seen", "seed")})
    n_threads = max(1, torch.get_num_threads() // learner.processes)
    with _ended_on_failure(crew):
        for parts in np.array_split(np.arange(1, n_parts + 1), learner.processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, *given, parts.tolist(), shared, n_threads)
            worker = context.Process(target=_work, args=arguments, daemon=True)
            crew.pipes.append(ours)
            crew.workers.append(worker)
            worker.start()
            theirs.close()


def _work(
    pipe: Any,
    learner: Any,
    problem: Problem,
    counters: dict[str, int],
    parts: list[int],
    shared: Tensor,
    n_threads: int,
) -> None:
    """The life of a process: learn every batch that comes, answer when asked whether all are learned."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the main process, which closes the pipe
    torch.set_num_threads(n_threads)
    inbox: queue.Queue = queue.Queue(AHEAD)
    threading.Thread(target=_forward, args=(pipe, inbox), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        try:
            state = learner.init(problem, 0)
            _bind(_learned_tensors(state), shared[learner.blocks + 1 :], keep=False)
            state.memory |= {name: torch.tensor(value) for name, value in counters.items()}
            while (message := inbox.get()) != "end":
                if message == "wait":
                    pipe.send("done")
                    continue
                inputs, labels, context = message
                batch = Batch(torch.from_numpy(inputs), torch.from_numpy(labels), context)
                shared[torch.tensor(parts) - 1] = learner.learn(state, batch, parts)
        except Exception:
            pipe.send(traceback.format_exc())


def _forward(pipe: Any, inbox: queue.Queue) -> None:
    """Take messages off the pipe, so that the sender need not wait for the learning of each batch."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            inbox.put(pipe.recv())
    inbox.put("end")


def _wait(crew: Crew) -> None:
    """Return when all processes have learned all batches."""
    if not crew.is_busy:
        return
    with _ended_on_failure(crew):
        for pipe in crew.pipes:
            pipe.send("wait")
        for index in range(len(crew.pipes)):
            _receive(crew, index)
    crew.is_busy = False


def _receive(crew: Crew, index: int) -> None:
    """Take the answer of a process. RuntimeError unless it is "done"."""
    answer = crew.pipes[index].recv()
    if answer != "done":
        raise RuntimeError(f"process {index + 1} of {len(crew.pipes)} failed to learn its blocks:\n{answer}")


@contextlib.contextmanager
def _ended_on_failure(crew: Crew) -> Iterator[None]:
    """End all processes where one has died or failed, or where the user interrupts."""
    try:
        yield
    except (EOFError, ConnectionError):
        reports = [report for pipe in crew.pipes for report in _left_in(pipe)]
        _close(crew)
        reason = reports[0] if reports else "is the memory full, or does the script lack `if __name__ == '__main__'`?"
        raise RuntimeError(f"a process that learns blocks has ended: {reason}\nGo on from a checkpoint.") from None
    except BaseException:
        _close(crew)
        raise


def _left_in(pipe: Any) -> Iterator[str]:
    """What a process said before it ended."""
    with contextlib.suppress(EOFError, ConnectionError):
        while pipe.poll():
            if (answer := pipe.recv()) != "done":
                yield answer


def _close(crew: Crew) -> None:
    """End all processes."""
    for pipe in crew.pipes:
        pipe.close()
    for worker in crew.workers:
        if worker.pid is not None:
            worker.terminate()
            worker.join()
    crew.pipes, crew.workers, crew.tensors, crew.is_busy = [], [], [], False


def _learned_tensors(state: LearnerState) -> list[Tensor]:
    """Every float32 tensor that learning changes in place, in an order that depends on the learner alone."""
    tensors = [*state.weights.values(), *(value for value in state.memory.values() if value.is_floating_point())]
    for optimiser in state.optimisers.values():
        for group in optimiser.param_groups:
            for weight in group["params"]:
                traces = optimiser.state[weight]
                if not traces:  # as the optimiser would begin at its first step
                    traces["step"] = torch.zeros(())
                    traces["exp_avg"], traces["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
                tensors += (traces[key] for key in sorted(traces))
    return tensors


def _bind(tensors: Sequence[Tensor], shared: Tensor, *, keep: bool) -> None:
    """Let tensors lie in shared memory one after the other; keep: with their values, else with those found there."""
    start = 0
    for tensor in tensors:
        place = shared[start : start + tensor.numel()].as_strided(tensor.shape, tensor.stride())
        if keep:
            place.copy_(tensor.detach())
        tensor.data = place
        start += -(-tensor.numel() // LINE) * LINE


def _holds(crew: Crew, state: LearnerState) -> bool:
    """Whether the state still consists of the shared tensors: loading a checkpoint replaces some."""
    return bool(crew.workers) and all(
        mine is theirs for mine, theirs in zip(_learned_tensors(state), crew.tensors, strict=True)
    )
