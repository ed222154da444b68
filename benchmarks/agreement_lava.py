"""Our integers of Loihi against Lava's bit-accurate models: u and v of every neuron after every step.

    python3.10 -m venv LAVA && LAVA/bin/pip install lava-nc==0.10.0
    python -m benchmarks.agreement_lava --lava LAVA/bin/python [--networks 40] [--steps 500] [--publish]

Random recurrent networks, input -> a -> b, a -> a, b -> a: decays, thresholds, biases, exponents and signs of weights
and delays are drawn. Lava's DelayDense takes a step more than its delay, so a delay of d there is d + 1 steps here.
Where the exponent is negative all synapses of a projection have one delay, for Lava shifts the sum of what was sent in
one step, and here the sum of what arrives in one step is shifted; with one delay that is the same. Lava wraps u around
where it overflows, and here it saturates: a network in which u reaches its bound is drawn again, and counted. v
saturates in both.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.published import show
from neuro import Dense, Network, Population, Projection, Source, connect, simulate, vary
from neuro.backends.fixed_point_formats import Loihi
from neuro.events import from_raster
from neuro.neurons.loihi_lif import LARGEST, LAVA_DEFAULT
from neuro.record import Record
from neuro.runs import hardware, made_with, versions

SIZES = {"input": 12, "a": 20, "b": 15}
PAIRS = (("input", "a"), ("a", "b"), ("a", "a"), ("b", "a"))
DT, LONGEST, RATE = 1.0, 6, 0.2  # ms, steps, spikes a step of each input
ON_LAVA = Path(__file__).parent / "on_lava.py"


class Drawn(NamedTuple):
    """One network: how it is told to Lava (description and arrays), and what is run here."""

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    net: Network
    weights: dict[str, Any]


def mantissas(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Of 8 bits: all positive, all negative, or even numbers of both signs."""
    drawn = rng.integers(-128, 128, shape) * 2
    sign = rng.choice((0, 0, 0, 1, -1))
    return sign * np.abs(drawn).clip(max=255) if sign else drawn


def draw(seed: int, n_steps: int) -> Drawn:
    """A random network, the same for a seed."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {"raster_TN": rng.random((n_steps, SIZES["input"])) < RATE}
    cells, populations = {}, [Population("input", SIZES["input"], Source())]
    for name in ("a", "b"):
        registers = {
            "current_decay": int(rng.choice([int(rng.integers(0, 4096)), 4095, 0])),
            "voltage_decay": int(rng.integers(0, 2048)),
            "v_th": int(rng.integers(20, 500)),
            "bias_exponent": int(rng.integers(0, 8)),
        }
        arrays[f"bias.{name}"] = rng.integers(-50, 201, SIZES[name])
        cell = vary(LAVA_DEFAULT, source="drawn", bias_mantissa=arrays[f"bias.{name}"], **registers)
        populations.append(Population(name, SIZES[name], cell))
        cells[name] = {**registers, "size": SIZES[name]}
    projections, values, delays, described = [], {}, {}, []
    for pre, post in PAIRS:
        projection = Projection(pre, post, Dense(), delay=DT)
        shape, exponent = (SIZES[post], SIZES[pre]), int(rng.integers(-4, 4))
        drawn = arrays[f"mantissas.{projection.name}"] = mantissas(rng, shape)
        drawn_delays = rng.integers(0, LONGEST, shape if exponent >= 0 else 1)
        arrays[f"delays.{projection.name}"] = np.broadcast_to(drawn_delays, shape)
        values[projection.name] = drawn * 2.0**exponent
        delays[projection.name] = DT * (1 + arrays[f"delays.{projection.name}"])
        projections.append(projection)
        described.append({"name": projection.name, "pre": pre, "post": post, "exponent": exponent})
    net = Network(tuple(populations), tuple(projections), DT)
    weights = connect(net, values, 0, delays)
    return Drawn({"populations": cells, "projections": described}, arrays, net, weights)


def run_here(drawn: Drawn, n_steps: int) -> Record:
    inputs = {"input": from_raster(drawn.arrays["raster_TN"][:, None].astype(float), DT)}
    kept = tuple(f"{name}.{field}" for name in ("a", "b") for field in ("u", "v", "spikes"))
    arithmetic = Loihi(allow_saturation=True)
    return simulate(
        drawn.net,
        drawn.weights,
        inputs,
        duration=n_steps * DT,
        backend="fixed_point",
        arithmetic=arithmetic,
        record=kept,
    )


def networks(wanted: int, n_steps: int) -> tuple[list[Drawn], list[Record], int]:
    """Networks in which u stays within its bounds, how they run here, and how many were drawn in vain."""
    found, records, seed = [], [], 0
    while len(found) < wanted:
        drawn = draw(seed, n_steps)
        record = run_here(drawn, n_steps)
        if all(np.abs(record.traces[f"{name}.u"]).max() < LARGEST for name in ("a", "b")):
            found.append(drawn)
            records.append(record)
        seed += 1
    return found, records, seed - wanted


def run_on_lava(python: str, found: list[Drawn], n_steps: int) -> dict[str, np.ndarray]:
    """Lava's traces, by "network/population.field"."""
    description = {"n_steps": n_steps, "networks": [drawn.description for drawn in found]}
    arrays: dict[str, Any] = {
        f"{k}/{key}": values for k, drawn in enumerate(found) for key, values in drawn.arrays.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        given, results = Path(folder) / "networks.npz", Path(folder) / "results.npz"
        np.savez(given, description=json.dumps(description), **arrays)
        done = subprocess.run([python, str(ON_LAVA), str(given), str(results)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"Lava failed:\n{done.stderr[-2000:]}")
        with np.load(results) as loaded:
            return dict(loaded)


def compared(records: list[Record], theirs: dict[str, np.ndarray]) -> dict[str, int]:
    """How many numbers were compared, how many differ, and what happened in these runs."""
    what = ("values", "different", "spikes", "v_at_bound", "silent_networks")
    found: dict[str, int] = {name: 0 for name in what}
    for k, record in enumerate(records):
        for name in ("a", "b"):
            for field in ("u", "v"):
                ours_TN = record.traces[f"{name}.{field}"][:, 0]
                found["values"] += ours_TN.size
                found["different"] += int(np.count_nonzero(ours_TN != theirs[f"{k}/{name}.{field}"]))
            found["v_at_bound"] += int((np.abs(record.traces[f"{name}.v"]) >= LARGEST).sum())
        found["spikes"] += record.counts.spikes
        found["silent_networks"] += record.counts.spikes == 0
    return found


def text(found: dict[str, Any]) -> str:
    """Markdown."""
    return "\n".join([
        "# Loihi's integers, held against Lava",
        "",
        f"{found['networks']} random recurrent networks of {SIZES['a']} + {SIZES['b']} compartments and"
        f" {SIZES['input']} inputs, {found['steps']} steps each, here (`fixed_point`) and in Lava {found['lava']}"
        " (its bit-accurate `LIF` and `DelayDense`). Compared are u and v of each compartment after each step.",
        "",
        "| what | how many |",
        "| --- | --- |",
        f"| values compared | {found['values']:,} |",
        f"| **values that differ** | **{found['different']:,}** |",
        f"| spikes | {found['spikes']:,} |",
        f"| values of v at the bound of 24 bits | {found['v_at_bound']:,} |",
        f"| networks without a spike | {found['silent_networks']} |",
        f"| networks left out, because u reached its bound (Lava wraps it around) | {found['left_out']} |",
        "",
        *made_with(found),
        f"Command: `{found['command']}`",
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lava", required=True, help="a Python in which lava-nc is installed")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--publish", action="store_true", help="into docs/results")
    options = parser.parse_args()
    asked = [options.lava, "-c", "from importlib.metadata import version; print(version('lava-nc'))"]
    lava = subprocess.run(asked, capture_output=True, text=True)
    if lava.returncode:
        parser.error(f"{options.lava} has no lava-nc; make one as the head of this file says")
    found, records, left_out = networks(options.networks, options.steps)
    theirs = run_on_lava(options.lava, found, options.steps)
    results: dict[str, Any] = {
        "networks": options.networks, "steps": options.steps, "left_out": left_out, **compared(records, theirs),
        "lava": lava.stdout.strip(), "hardware": hardware(), "versions": versions(),
        "command": f"python -m benchmarks.agreement_lava --lava LAVA/bin/python --networks {options.networks}"
        f" --steps {options.steps} --publish",
    }  # fmt: skip
    show(results, text(results), "agreement_lava" if options.publish else None)
    if results["different"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
