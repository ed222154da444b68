"""The curves and the report of a comparison, and its publication under docs/results."""

import base64
import html
import io
import json
import shlex
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from neuro import plot
from neuro.files import write_whole
from neuro.runs import made_with, read_manifest, read_metrics
from simulations import continual_report
from simulations.tables import LEFT_ALIGNED, by_learner, is_sequence, notes, papers, tables

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
LINES = ("-", "--", ":", "-.")  # 28 curves that differ in colour or line
LEGEND_COLUMNS = 4
GRID_COLUMNS = 5


def learning_curves(results: dict[str, Any], out: Path) -> Figure:
    """Validation accuracy against samples seen and against training seconds."""
    groups = by_learner(results)
    n_legend_rows = -(-len(groups) // LEGEND_COLUMNS)
    figure = Figure(figsize=(10, 4.2 + 0.22 * n_legend_rows), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    looks = [{"linestyle": line, "color": colour} for line, colour in product(LINES, COLOURS)]
    for ax, key, label in zip(axes, ("seen", "train_s"), ("training samples seen", "training time (s)"), strict=True):
        ax.set_prop_cycle(color=[look["color"] for look in looks], linestyle=[look["linestyle"] for look in looks])
        curves = []
        for group in groups:
            rows = [[r for r in read_metrics(out / row["run"]) if r["split"] == "val"] for row in group.rows]
            n = min(map(len, rows))  # as far as all seeds went
            x = np.mean([[r[key] for r in run[:n]] for run in rows], axis=0)
            y = np.array([[r["accuracy"] for r in run[:n]] for run in rows])
            curves.append({"label": group.name, "x": x, "y": y})
        plot.learning_curve(ax, curves, label)
        if ax.get_legend():
            ax.get_legend().remove()
        ax.label_outer()
    axes[1].set_xscale("log")
    shortest, longest = axes[1].get_xlim()
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if longest < 500 * shortest else (1.0,)))
    axes[1].xaxis.set_major_formatter("{x:,g}")
    axes[1].xaxis.set_minor_formatter(NullFormatter())
    axes[0].xaxis.set_major_formatter(EngFormatter())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=8)
    n_seeds = max(len(group.rows) for group in groups)
    up_to = "up to " * any(len(group.rows) < n_seeds for group in groups)
    processor, threads = results["hardware"]["processor"], results["rows"][0]["threads"]
    figure.suptitle(
        f"{results['task']}, validation accuracy, {up_to}{n_seeds} seed{'s' * (n_seeds > 1)}"
        f"{' (mean, band: range)' * (n_seeds > 1)}; {threads} thread{'s' * (threads > 1)}, {processor}",
        fontsize=10,
    )
    return figure


def confusions(results: dict[str, Any], out: Path) -> Figure:
    """The confusion matrix of each learner on the test split, summed over seeds."""
    groups = by_learner(results)
    n_columns = min(len(groups), GRID_COLUMNS)
    n_rows = -(-len(groups) // n_columns)
    figure = Figure(figsize=(4.2 * n_columns, 4.0 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).flat
    for ax, group in zip(axes, groups, strict=False):
        matrices = [read_manifest(out / row["run"])["results"]["confusion"] for row in group.rows]
        plot.confusion(ax, np.sum(matrices, axis=0))
        ax.set_title(group.name)
    for ax in list(axes)[len(groups) :]:
        ax.set_axis_off()
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def write_report(results: dict[str, Any], out: Path) -> None:
    """learning_curves.png and report.html, which needs no other file; of a sequence of tasks two more pictures."""
    pictures = {"learning curves": _png(learning_curves(results, out))}
    (out / "learning_curves.png").write_bytes(pictures["learning curves"])
    if is_sequence(results):
        pictures["accuracy matrices"] = _png(continual_report.matrices(results))
        pictures["learning curves of each task"] = _png(continual_report.task_curves(results, out))
        (out / "accuracy_matrices.png").write_bytes(pictures["accuracy matrices"])
        (out / "task_curves.png").write_bytes(pictures["learning curves of each task"])
    pictures["confusion matrices"] = _png(confusions(results, out))
    write_whole(out / "report.html", _html(results, out, pictures))


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{border-bottom:1px solid #ccc;padding:.35em .7em;text-align:right;
vertical-align:top}.text{text-align:left}img{max-width:100%}
pre{background:#f5f5f5;padding:.8em;overflow:auto;font-size:12px}"""


HEADINGS = {"confusion matrices": "Confusions on the test split"}  # of pictures that are not headed by their own name


def _html(results: dict[str, Any], out: Path, pictures: dict[str, bytes]) -> str:
    title = f"{results['task']}: {len(by_learner(results))} learners"
    drawn = "".join(f"<h2>{name}</h2>{_html_table(rows)}" for name, rows in tables(results).items())
    said = "".join(f"<p>{html.escape(text)}</p>" for text in notes(results))
    beside = "".join(f"<p>{html.escape(text)}</p>" for text in papers(results))
    runs = "".join(
        f"<details><summary>{html.escape(row['learner'])}, seed {row['seed']}: {row['run']}</summary>"
        f"<pre>{html.escape(json.dumps(read_manifest(out / row['run'])['configuration'], indent=1))}</pre></details>"
        for row in results["rows"]
    )
    shown = "".join(
        f"<h2>{HEADINGS.get(name, name.capitalize())}</h2>\n"
        f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}">\n'
        for name, png in pictures.items()
    )
    about = {key: results[key] for key in ("data", "hardware", "versions", "commits")}
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>{STYLE}</style><h1>{html.escape(title)}</h1>
<p>{html.escape(results["data"]["data"])} ({html.escape(results["data"]["licence"])}).</p>
{drawn}<h2>How to read them</h2>{said}<h2>Figures of the papers</h2>{beside or "<p>none known</p>"}
{shown}<h2>Configurations</h2>{runs}
<h2>Data, hardware and versions</h2><pre>{html.escape(json.dumps(about, indent=1))}</pre>
</html>
"""


def _html_table(rows: list[list[str]]) -> str:
    kinds = [' class="text"' * (title in LEFT_ALIGNED) for title in rows[0]]
    lines = [
        "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))
        for tag, row in zip(["th", *["td"] * (len(rows) - 1)], rows, strict=True)
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def publish(name: str, results: dict[str, Any], command: list[str], out: Path) -> list[Path]:
    """Write docs/results/NAME.json, .md and .png from a comparison; returns their paths.

    Of a sequence of tasks also NAME_matrices.png and NAME_tasks.png.
    """
    folder = Path("docs") / "results"
    folder.mkdir(parents=True, exist_ok=True)
    published = {"command": shlex.join(command), **results}
    write_whole(folder / f"{name}.json", json.dumps(published, indent=1) + "\n")
    pictures = _pictures(results)
    for suffix, (file, _) in pictures.items():
        (folder / f"{name}{suffix}").write_bytes((out / file).read_bytes())
    write_whole(folder / f"{name}.md", _markdown(name, published))
    return [folder / f"{name}{suffix}" for suffix in (".json", ".md", *pictures)]


def _pictures(results: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """End of a published picture's name -> its file in the comparison, and what it shows."""
    found = {".png": ("learning_curves.png", "learning curves")}
    if is_sequence(results):
        found["_matrices.png"] = ("accuracy_matrices.png", "accuracy matrices")
        found["_tasks.png"] = ("task_curves.png", "learning curves of each task")
    return found


def _markdown(name: str, results: dict[str, Any]) -> str:
    lines = [f"# {name}", "", "```", results["command"], "```", ""]
    for title, rows in tables(results).items():
        lines += [f"## {title}", "", *_markdown_table(rows), ""]
    for paragraph in notes(results):
        lines += [paragraph, ""]
    for suffix, (_, what) in _pictures(results).items():
        lines += [f"![{what}]({name}{suffix})", ""]
    lines += ["## Figures of the papers", ""]
    for line in papers(results) or ["none known"]:
        lines += [line, ""]
    data = results["data"]
    lines += ["## Settings and surroundings", ""]
    for group in by_learner(results):
        fields = {key: value for key, value in group.learner.items() if key not in ("kind", "tuning")}
        values = ", ".join(f"{key}={value!r}" for key, value in fields.items())
        lines += [f"{group.name} ({group.learner['kind']}): {values}", ""]
    commits = [
        f"{each['commit']}{' with changes' * each['dirty']}" if each else "unknown" for each in results["commits"]
    ]
    lines += [
        f"Data: {data['data']} ({data['licence']}), checksum {data['checksum']}  ",
        f"Seeds: {sorted({row['seed'] for row in results['rows']})}; budget: {json.dumps(results['budget'])};"
        f" processes at once: {results['processes']}  ",
        *made_with(results),
        f"Source of the trainings: commit {', '.join(commits)}",
        "",
    ]
    return "\n".join(lines)


def _markdown_table(rows: list[list[str]]) -> list[str]:
    titles, *rows = rows
    lines = [f"| {' | '.join(titles)} |", "|" + " --- |" * len(titles)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
