"""Where the results of benchmarks are published, and how."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neuro.files import write_whole

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def described(doc: str | None) -> str:
    """The third paragraph of a benchmark's docstring, which says what is measured, in one line."""
    return " ".join((doc or "").split("\n\n")[2].split())


def show(found: dict[str, Any], text: str, name: str | None, draw: Callable[[], Figure] | None = None) -> None:
    """Print what was found, and publish it if it has a name; draw: makes its figure."""
    print(text)
    if name:
        publish(name, found, text, draw() if draw else None)


def publish(name: str, found: dict[str, Any], text: str, figure: Figure | None = None) -> None:
    """Write docs/results/NAME.json and .md and, where there is a figure, .png."""
    write_whole(RESULTS / f"{name}.json", json.dumps(found, indent=1) + "\n")
    write_whole(RESULTS / f"{name}.md", text)
    if figure is not None:
        figure.savefig(RESULTS / f"{name}.png", dpi=130)
