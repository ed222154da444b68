"""The tensors of a learner's state in one file, which is replaced whole or not at all."""

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neuro.learners.base import LearnerState, from_tensors, to_tensors
from neuro.runs import RunError


def save_tensors(path: Path, state: LearnerState, header: dict[str, str]) -> None:
    """Write all tensors of a state as one file, whole or not at all. header: text to keep beside them."""
    temporary = path.with_suffix(".tmp")
    tensors = {name: tensor.contiguous() for name, tensor in to_tensors(state).items()}
    save_file(tensors, temporary, metadata=header)
    os.replace(temporary, path)


def load_tensors(path: Path, state: LearnerState) -> dict[str, str]:
    """Put saved tensors into a state; returns what was saved beside them."""
    try:
        with safe_open(path, "pt") as file:
            from_tensors(state, {name: file.get_tensor(name) for name in file.keys()})
            return file.metadata() or {}
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise RunError(
            f"{path} is damaged or missing ({error}); remove *.safetensors there to start this run from its beginning"
        ) from None
