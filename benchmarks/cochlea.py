"""Our spikes of recordings of the Free Spoken Digit Dataset beside the supplied ones, which have the same chain.

    python -m benchmarks.cochlea [--groups 60] [--publish]

The supplied file names digit and speaker of a sample, not its recording: the five recordings of a digit by a speaker
are assigned to the five samples so that their time profiles (5 ms) agree best. Their lengths, which the assignment does
not see, then agree too. Groups are drawn with a fixed seed. Profiles: spikes of 10 channels, or of 5 ms; the
correlation of two runs of ours with different seeds says how far noise alone lets two profiles agree.
Needs $NEURO_DATA/fsdd with recordings.zip and the test set as spikes.
"""

import argparse
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.published import described, show
from neuro.audio.cochlea import CRAMER_2020, Cochlea, Spikes, encode
from neuro.runs import hardware, made_with, versions
from neuro.seeds import child
from neuro.units import vary
from tasks import shd, wav

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
N_TEST = 5  # recordings of a digit by a speaker in the test set: the first
TARGET = 0.05  # of the number of spikes
TIME_BIN, CHANNEL_BIN = 5.0, 10  # ms, channels
LONGEST = shd.FSDD.longest
WHY = "chosen: a wave that travels"
CAUSAL = vary(CRAMER_2020, source=WHY, membrane=vary(CRAMER_2020.membrane, source=WHY, is_causal=True))


class Pair(NamedTuple):
    """A recording: supplied spikes, ours, ours with another seed, and with a membrane that moves after the sound."""

    name: str
    seconds: float
    supplied: Spikes
    ours: Spikes
    again: Spikes
    causal: Spikes


def in_time(spikes: Spikes) -> NDArray[np.float64]:
    return np.histogram(spikes.times, np.arange(0.0, LONGEST + TIME_BIN, TIME_BIN))[0].astype(float)


def in_channels(spikes: Spikes) -> NDArray[np.float64]:
    return np.bincount(spikes.channels // CHANNEL_BIN, minlength=shd.N_CHANNELS // CHANNEL_BIN).astype(float)


def encoded(sound: wav.Sound, name: str, seed: int, chain: Cochlea = CRAMER_2020) -> Spikes:
    return encode(chain, sound.samples_T, sound.rate_hz, child(seed, "cochlea", name))


def pairs_of_group(digit: int, speaker: int, supplied: list[Spikes], files: zipfile.ZipFile) -> list[Pair]:
    """The recordings of a digit by a speaker, assigned to the supplied samples."""
    where = {Path(name).name: name for name in files.namelist()}
    names = [f"{digit}_{SPEAKERS[speaker]}_{index}" for index in range(N_TEST)]
    sounds = [wav.parse(files.read(where[f"{name}.wav"]), name) for name in names]
    ours = [encoded(sound, name, 0) for sound, name in zip(sounds, names, strict=True)]
    agreement = [[np.corrcoef(in_time(a), in_time(b))[0, 1] for b in supplied] for a in ours]
    rows, columns = linear_sum_assignment(-np.array(agreement))
    return [
        Pair(
            names[i],
            len(sounds[i].samples_T) / sounds[i].rate_hz,
            supplied[j],
            ours[i],
            encoded(sounds[i], names[i], 1),
            encoded(sounds[i], names[i], 0, CAUSAL),
        )
        for i, j in zip(rows, columns, strict=True)
    ]


def measure(n_groups: int) -> tuple[dict[str, Any], list[Pair]]:
    test = shd.read(shd.FSDD, "test")
    groups = child(0, "cochlea groups").permutation(60)[:n_groups]
    pairs, start = [], time.perf_counter()
    with zipfile.ZipFile(shd.FSDD.folder / "recordings.zip") as files:
        for digit, speaker in sorted(divmod(int(group), len(SPEAKERS)) for group in groups):
            samples = np.flatnonzero((test.labels == digit) & (test.speakers == speaker))
            supplied = [test.events.take(np.array([k])) for k in samples]
            spikes = [Spikes(events.times, events.units.astype(np.int64)) for events in supplied]
            pairs += pairs_of_group(digit, speaker, spikes, files)
    rows = [_row(pair) for pair in pairs]
    sound = 3.0 * sum(pair.seconds for pair in pairs)  # each was encoded three times
    found = {
        "recordings": len(rows),
        "ratio": _spread([row["ours"] / row["supplied"] for row in rows]),
        "ratio_of_seeds": _spread([row["again"] / row["ours"] for row in rows]),
        "within_target": float(np.mean([abs(row["ours"] / row["supplied"] - 1.0) <= TARGET for row in rows])),
        **{key: _spread([row[key] for row in rows]) for key in rows[0] if key.startswith(("channels", "times", "end"))},
        "seconds_per_second": (time.perf_counter() - start) / sound,
        "rows": rows,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "numba"),
    }
    return found, pairs


def _row(pair: Pair) -> dict[str, Any]:
    def agreement(profile: Any, one: Spikes, other: Spikes) -> float:
        return float(np.corrcoef(profile(one), profile(other))[0, 1])

    return {
        "recording": pair.name,
        "supplied": len(pair.supplied.times),
        "ours": len(pair.ours.times),
        "again": len(pair.again.times),
        "channels": agreement(in_channels, pair.ours, pair.supplied),
        "channels_of_seeds": agreement(in_channels, pair.ours, pair.again),
        "times": agreement(in_time, pair.ours, pair.supplied),
        "times_of_seeds": agreement(in_time, pair.ours, pair.again),
        "times_causal": agreement(in_time, pair.causal, pair.supplied),
        "end_ms": float(pair.ours.times[-1] - pair.supplied.times[-1]),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values)), "min": min(values), "max": max(values)}


def markdown(found: dict[str, Any]) -> str:
    names = {
        "ratio": "spikes, ours over supplied", "ratio_of_seeds": "spikes, ours over ours with another seed",
        "channels": "channel profile, correlation with supplied", "channels_of_seeds": "the same, between our seeds",
        "times": "time profile, correlation with supplied", "times_of_seeds": "the same, between our seeds",
        "times_causal": "time profile, correlation with supplied, if the membrane moves after the sound",
        "end_ms": "last spike, ours less supplied (ms)",
    }  # fmt: skip
    table = [
        f"| {text} | " + " | ".join(f"{found[key][part]:.4f}" for part in ("mean", "sd", "min", "max")) + " |"
        for key, text in names.items()
    ]
    lines = [
        "# Cochlea", "", described(__doc__), "",
        f"{found['recordings']} recordings; {100 * found['within_target']:.0f} % of them have within"
        f" {100 * TARGET:g} % as many spikes as supplied.", "", "| measure | mean | sd | min | max |",
        "| --- " * 5 + "|", *table, "", "![](cochlea.png)", "",
        f"{found['seconds_per_second']:.2f} s of computing for a second of sound of 8 kHz, one process, with the"
        " membrane's response and compilation or its cache.", "",
        *made_with(found),
        "Command: `python -m benchmarks.cochlea --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def draw(pairs: list[Pair]) -> Figure:
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(2, 2)
    for ax, which in zip(axes[0], ("supplied", "ours"), strict=True):
        spikes = getattr(pairs[0], which)
        ax.plot(spikes.times, spikes.channels, ",", color="black")
        ax.set(title=f"{which}: {pairs[0].name}", xlabel="time (ms)", ylabel="channel (index)")
    profiles = (
        (in_channels, CHANNEL_BIN, "channel (index)", f"spikes in {CHANNEL_BIN} channels (count)"),
        (in_time, TIME_BIN, "time (ms)", f"spikes in {TIME_BIN:g} ms (count)"),
    )
    for ax, (profile, width, xlabel, ylabel) in zip(axes[1], profiles, strict=True):
        for which in ("supplied", "ours"):
            mean = np.mean([profile(getattr(pair, which)) for pair in pairs], 0)
            ax.plot(width * (np.arange(len(mean)) + 0.5), mean, label=which)
        ax.set(xlabel=xlabel, ylabel=ylabel, title=f"mean of {len(pairs)} recordings")
    axes[1, 0].legend()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--groups", type=int, default=60, help="of 60, five recordings each")
    parser.add_argument("--publish", action="store_true", help="write docs/results/cochlea.{json,md,png}")
    options = parser.parse_args()
    found, pairs = measure(options.groups)
    show(found, markdown(found), "cochlea" if options.publish else None, lambda: draw(pairs))


if __name__ == "__main__":
    main()
