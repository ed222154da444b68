"""The table, the curves and the report of a comparison, and its publication under docs/results."""

import base64
import html
import io
import json
import shlex
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from neuro import plot
from neuro.files import write_whole
from neuro.references import REFERENCES
from neuro.runs import read_manifest, read_metrics
from tasks.published import PUBLISHED


class Column(NamedTuple):
    """A column of the table: its title, and its text from the rows of one learner."""

    title: str
    text: Callable[[list[dict[str, Any]]], str]


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return statistics.fmean(row[key] for row in rows)


def _accuracy(rows: list[dict[str, Any]]) -> str:
    values = [100 * row["test_accuracy"] for row in rows]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


COLUMNS = (
    Column("learner", lambda rows: rows[0]["learner"]),
    Column("test accuracy, %", _accuracy),
    Column("seeds", lambda rows: str(len(rows))),
    Column("training, s", lambda rows: f"{_mean(rows, 'train_s'):.1f}"),
    Column("samples/s", lambda rows: f"{_mean(rows, 'samples_per_s'):,.0f}"),
    Column("peak memory, MB", lambda rows: f"{_mean(rows, 'peak_mb'):,.0f}"),
    Column("weights", lambda rows: f"{rows[0]['n_weights']:,}"),
    Column("spikes/sample", lambda rows: f"{_mean(rows, 'spikes_per_sample'):,.0f}"),
    Column("synaptic events/sample", lambda rows: f"{_mean(rows, 'synaptic_events_per_sample'):,.0f}"),
    Column("uses", lambda rows: ", ".join(use.replace("_", " ") for use in rows[0]["uses"])),
)

NOTES = (
    "Equal samples, not equal compute: see accuracy against training seconds. Accuracy: mean and standard"
    " deviation over seeds, on the test split, read once. Peak memory: of training, above what the process held"
    " before. Weights: feedback networks included. Spikes and synaptic events: of one inference; for networks"
    " without spikes a synaptic event is a multiply-accumulate with a non-zero input. Training seconds leave"
    " evaluations out."
)


def by_learner(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Rows of each learner, in the order of their first appearance."""
    names = dict.fromkeys(row["learner"] for row in results["rows"])
    return [[row for row in results["rows"] if row["learner"] == name] for name in names]


def table(results: dict[str, Any]) -> list[list[str]]:
    """Titles, then one row a learner."""
    rows = [[column.text(group) for column in COLUMNS] for group in by_learner(results)]
    return [[column.title for column in COLUMNS], *rows]


def print_table(results: dict[str, Any]) -> None:
    """The table on the terminal, never cut off."""
    from rich.console import Console
    from rich.table import Table

    titles, *rows = table(results)
    drawn = Table(title=f"{results['task']}: {results['data']['data']}")
    for place, title in enumerate(titles):
        drawn.add_column(title, justify="left" if place in (0, len(titles) - 1) else "right")
    for row in rows:
        drawn.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = 180
    console.print(drawn)


def learning_curves(results: dict[str, Any], out: Path) -> Figure:
    """Validation accuracy against samples seen and against training seconds."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, key, label in zip(axes, ("seen", "train_s"), ("training samples seen", "training time (s)"), strict=True):
        curves = []
        for group in by_learner(results):
            rows = [[r for r in read_metrics(out / row["run"]) if r["split"] == "val"] for row in group]
            x = np.mean([[r[key] for r in run] for run in rows], axis=0)
            y = np.array([[r["accuracy"] for r in run] for run in rows])
            curves.append({"label": group[0]["learner"], "x": x, "y": y})
        plot.learning_curve(ax, curves, label)
        ax.label_outer()
    axes[1].set_xscale("log")
    n_seeds = max(len(group) for group in by_learner(results))
    processor = results["hardware"]["processor"]
    figure.suptitle(
        f"{results['task']}, validation accuracy, {n_seeds} seed{'s' * (n_seeds > 1)}"
        f"{' (mean, band: range)' * (n_seeds > 1)}; {results['hardware']['cores']} cores, {processor}",
        fontsize=10,
    )
    return figure


def confusions(results: dict[str, Any], out: Path) -> Figure:
    """The confusion matrix of each learner on the test split, summed over seeds."""
    groups = by_learner(results)
    figure = Figure(figsize=(4.2 * len(groups), 4.0), layout="constrained")
    for ax, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        matrices = [read_manifest(out / row["run"])["results"]["confusion"] for row in group]
        plot.confusion(ax, np.sum(matrices, axis=0))
        ax.set_title(group[0]["learner"])
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def write_report(results: dict[str, Any], out: Path) -> None:
    """learning_curves.png and report.html, which needs no other file."""
    curves = _png(learning_curves(results, out))
    (out / "learning_curves.png").write_bytes(curves)
    write_whole(out / "report.html", _html(results, out, curves, _png(confusions(results, out))))


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{border-bottom:1px solid #ccc;padding:.35em .7em;text-align:right}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}img{max-width:100%}
pre{background:#f5f5f5;padding:.8em;overflow:auto;font-size:12px}"""


def _html(results: dict[str, Any], out: Path, curves: bytes, confusion: bytes) -> str:
    title = f"{results['task']}: {len(by_learner(results))} learners"
    titles, *rows = table(results)
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in titles)
    runs = "".join(
        f"<details><summary>{html.escape(row['learner'])}, seed {row['seed']}: {row['run']}</summary>"
        f"<pre>{html.escape(json.dumps(read_manifest(out / row['run'])['configuration'], indent=1))}</pre></details>"
        for row in results["rows"]
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>{STYLE}</style><h1>{html.escape(title)}</h1>
<p>{html.escape(results["data"]["data"])} ({html.escape(results["data"]["licence"])}).</p>
<table><tr>{heads}</tr>{cells}</table><p>{html.escape(NOTES)}</p>
<h2>Learning curves</h2><img alt="learning curves" src="data:image/png;base64,{base64.b64encode(curves).decode()}">
<h2>Confusions on the test split</h2>
<img alt="confusion matrices" src="data:image/png;base64,{base64.b64encode(confusion).decode()}">
<h2>Configurations</h2>{runs}
<h2>Hardware and versions</h2><pre>{html.escape(json.dumps(results["hardware"] | results["versions"], indent=1))}</pre>
</html>
"""


def publish(name: str, results: dict[str, Any], command: list[str], out: Path) -> list[Path]:
    """Write docs/results/NAME.json, .md and .png from a comparison; returns their paths."""
    folder = Path("docs") / "results"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.json", json.dumps(results, indent=1) + "\n")
    (folder / f"{name}.png").write_bytes((out / "learning_curves.png").read_bytes())
    write_whole(folder / f"{name}.md", _markdown(name, results, command))
    return [folder / f"{name}{suffix}" for suffix in (".json", ".md", ".png")]


def _markdown(name: str, results: dict[str, Any], command: list[str]) -> str:
    titles, *rows = table(results)
    lines = [f"# {name}", "", "```", shlex.join(command), "```", ""]
    lines += [f"| {' | '.join(titles)} |", "|" + " --- |" * len(titles)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", NOTES, "", f"![learning curves]({name}.png)", "", "## Beside the papers", ""]
    lines += ["| learner | ours, % | paper, % | setting of the paper |", "| --- | --- | --- | --- |"]
    cited = []
    for group in by_learner(results):
        learner = group[0]["learner"]
        paper = PUBLISHED.get((results["task"], learner))
        there = f"{100 * paper.accuracy:.2f} | {paper.setting} [{paper.source}]" if paper else "none known | "
        lines.append(f"| {learner} | {_accuracy(group)} | {there} |")
        cited += [paper.source] if paper else []
    lines += ["", *[f"[{key}] {REFERENCES[key]}" for key in dict.fromkeys(cited)], ""]
    hardware, data = results["hardware"], results["data"]
    lines += [
        f"Data: {data['data']} ({data['licence']}), SHA-256 {data['sha256'][:16]}...  ",
        f"Seeds: {sorted({row['seed'] for row in results['rows']})}  ",
        f"Hardware: {', '.join(f'{key} {value}' for key, value in hardware.items())}  ",
        f"Versions: {', '.join(f'{key} {value}' for key, value in results['versions'].items())}",
        "",
    ]
    return "\n".join(lines)
