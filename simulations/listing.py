"""What `neuro list` prints: every name that exists, with the first line of what it says of itself."""

import ast
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neuro.backends import BACKENDS
from neuro.learners import LEARNERS
from neuro.neurons import NEURONS
from neuro.plasticity import RULES
from simulations import SIMULATIONS
from simulations.recipes import RECIPES_ARE, VARIANTS, settings
from tasks import TASKS


def print_names() -> None:
    """All registries."""
    docs = {name: _first_line(thing) for registry in (LEARNERS, NEURONS, RULES) for name, thing in registry.items()}
    for name, model in NEURONS.items():
        docs[name] += f" Weights in {model.arrival_unit}; receptors: {', '.join(model.receptors)}."
    docs |= {name: _first_line(sys.modules[load.__module__]) for name, load in TASKS.items()}
    docs |= {name: f"{type(learner).__name__} with {settings(learner)}." for name, learner in VARIANTS.items()}
    modules = BACKENDS | SIMULATIONS
    docs |= {name: _docstring_of(path) for name, path in modules.items()}
    groups = {
        "tasks": TASKS,
        "learners": LEARNERS,
        "variants": VARIANTS,
        "neurons": NEURONS,
        "rules": RULES,
        "backends": BACKENDS,
        "simulations": SIMULATIONS,
    }
    for title, names in groups.items():
        print(f"{title}:")
        for name in names:
            print(f"  {name:<24} {docs.get(name, '')}".rstrip())
    print(f"recipes:\n  {RECIPES_ARE}")


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _docstring_of(module: str) -> str:
    """First line of a module's docstring, without importing it (brian2 takes a second)."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return (ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or "").split("\n")[0]
