"""What all figures share: fonts, colours, the caption, and how picture and numbers are written."""

import json
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from matplotlib import cycler, rc_context
from matplotlib.figure import Figure

from neuro.runs import RunError, load_run, read_manifest

Draw = Callable[[Path], Figure]
Numbers = Callable[[Path], dict[str, Any]]

OUT = Path(__file__).parent / "out"

# Okabe & Ito (2008), Color universal design: told apart with every kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK)
GREY = "#777777"

LETTERS_PER_INCH = 22  # of the caption's 6 points

RULES = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def context() -> AbstractContextManager:
    """Fonts and colours, in force within `with style.context():`."""
    return rc_context(RULES)


def caption(figure: Figure, what: str, run: Path) -> None:
    """The line below a figure: what it shows, how it was run, where the run lies, and versions."""
    manifest = read_manifest(run)
    configuration, versions = manifest["configuration"], manifest["versions"]
    units = {"backend": "", "dt": " ms", "seed": ""}
    parts = [f"{name} {configuration[name]}{unit}" for name, unit in units.items() if name in configuration]
    parts.append(f"run {run.resolve().name}")
    if manifest["status"] != "finished":
        parts.append(f"status {manifest['status']}")
    parts += [f"{package} {versions[package]}" for package in ("neuro", "numpy", "torch", "numba")]
    width = int(figure.get_figwidth() * LETTERS_PER_INCH)
    lines = [*textwrap.wrap(what, width), *textwrap.wrap("; ".join(parts), width, break_on_hyphens=False)]
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6, color=GREY)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG and release the figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    figure.clear()


def write(name: str, draw: Draw, numbers: Numbers, run: Path, out: Path = OUT) -> Path:
    """Write out/name.png and, beside it, out/name.json: the numbers and the run they come from."""
    load_run(run)  # a folder that is none ends here, with a message that says so
    path = out / f"{name}.png"
    save(draw(run), path)
    table = {"run": run.resolve().name, **numbers(run)}
    path.with_suffix(".json").write_text(json.dumps(table, indent=1) + "\n")
    return path


def main(name: str, draw: Draw, numbers: Numbers) -> None:
    """The command line of a figure: python figures/NAME.py RUN"""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python figures/{name}.py RUN   (a run folder)")
    try:
        print(write(name, draw, numbers, Path(sys.argv[1])))
    except RunError as error:
        sys.exit(str(error))
