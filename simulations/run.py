"""Run one simulation into a run folder."""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from neuro.references import sources
from neuro.runs import Run, open_run
from neuro.units import check, unknown
from simulations import SIMULATIONS


def run_simulation(name: str, recipe: Any, out: Path) -> Run:
    """Simulate a recipe into a new folder under `out`, which is closed with a status in any case."""
    if name not in SIMULATIONS:
        raise ValueError(unknown("simulation", name, SIMULATIONS))
    check(recipe)
    module = importlib.import_module(SIMULATIONS[name])
    configuration = {"simulation": name, **dataclasses.asdict(recipe)}
    run = open_run(out, name, configuration, references=sources(module.models(recipe)))
    try:
        run.save_record(module.simulate(recipe))
    except KeyboardInterrupt:
        run.finish("interrupted")
        raise
    except Exception as error:
        run.finish("failed", error=f"{type(error).__name__}: {error}")
        raise
    run.finish("finished")
    return run
