"""Recordings into spikes of cochlear channels, in a file of the layout of the Spiking Heidelberg Digits.

Finished recordings are kept in OUT.partial until the file is written, so that a command that was stopped goes on. A
recording's random draws depend on the seed and its name alone: neither on the order of files nor on the processes.
"""

import csv
import hashlib
import io
import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neuro.audio.cochlea import CRAMER_2020, SLOWEST_HZ, Cochlea, Spikes, encode
from neuro.files import write_whole
from neuro.progress import Progress
from neuro.seeds import child
from neuro.units import check, param, vary
from tasks import spike_hdf5, wav
from tasks.base import DataError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)")
MOST_CLASSES = 1000
N_DRAWN = 4  # recordings in a plot


@dataclass(frozen=True)
class EncodeAudio:
    """Recordings into spikes of 700 cochlear channels, as the Spiking Heidelberg Digits were made."""

    out: Path = param("1", "HDF5 file to write", default=Path("spikes.h5"))
    labels: Path | None = param("1", "lines NAME,LABEL; none: from names DIGIT_SPEAKER_INDEX, else 0", default=None)
    seed: int = param("1", "seed of the fibres", default=0, minimum=0)
    rate: int = param(
        "Hz",
        "resample to this rate, on which spikes depend; 0: that of the recording, 8000 at least",
        default=0,
        minimum=0,
    )
    causal: bool = param("1", "the membrane moves after the sound; as published, before", default=False)
    processes: int = param("1", "recordings at once", default=2, above=0)
    plot: Path | None = param("1", f"also draw the spikes of the first {N_DRAWN} recordings (PNG)", default=None)


class Job(NamedTuple):
    """A recording to be encoded, and where its spikes are kept."""

    path: Path
    kept: Path
    seed: int
    rate: int
    cochlea: Cochlea


class Labelled(NamedTuple):
    """What is known of the recordings: a label and a speaker each, and their names."""

    labels: list[int]
    speakers: list[int]
    classes: Sequence[str]
    names: list[str]


def command(first: str, arguments: list[str]) -> None:
    """`neuro encode-audio FILE ...`: more files, then options."""
    from simulations.options import parse

    n_more = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    options = parse(EncodeAudio(), arguments[n_more:], "neuro encode-audio FILE")
    print("\n".join(encode_audio((first, *arguments[:n_more]), options)))


def encode_audio(files: Sequence[str], options: EncodeAudio) -> list[str]:
    """Encode recordings into a file; what came of it, in words."""
    paths, cochlea = _checked(files, options), _chain(options)
    labelled, notes = labels_of(paths, options.labels)
    folder = options.out.with_name(options.out.name + ".partial")
    kept = [folder / f"{_digest(path, options, cochlea)}.npz" for path in paths]
    jobs = [Job(path, file, options.seed, options.rate, cochlea) for path, file in zip(paths, kept, strict=True)]
    start = time.perf_counter()
    seconds = _run([job for job in jobs if not job.kept.exists()], options)
    notes += [f"{seconds:.1f} s of sound in {time.perf_counter() - start:.1f} s, {options.processes} processes"]
    spikes = [_load(job.kept) for job in jobs]
    columns = zip(spikes, labelled.labels, labelled.speakers, strict=True)
    samples = [spike_hdf5.Sample(each.times, each.channels, label, speaker) for each, label, speaker in columns]
    made_by = f"neuro encode-audio, seed {options.seed}, rate {options.rate}{', causal' if options.causal else ''}"
    spike_hdf5.write(options.out, samples, labelled.classes, labelled.names, made_by)
    if options.plot is not None:
        draw(options.plot, [path.stem for path in paths], spikes)
        notes.append(f"figure: {options.plot}")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    mean = np.mean([len(each.times) for each in spikes])
    return [*notes, f"{options.out}: {len(spikes)} recordings, {mean:.0f} spikes each on average"]


def _checked(files: Sequence[str], options: EncodeAudio) -> list[Path]:
    """The files, if they can be told apart and the options make sense."""
    check(options)
    if options.rate and options.rate < SLOWEST_HZ:
        raise ValueError(f"--rate {options.rate} is too low for the hair cells; give 0, or at least {SLOWEST_HZ}")
    for path, suffix in ((options.out, ".h5"), (options.plot, ".png")):
        if path is not None and (path.suffix != suffix or not path.parent.is_dir()):
            raise ValueError(f"{path} must end in {suffix}, in a folder that exists")
    paths = [Path(file) for file in files]
    name, n = Counter(path.stem for path in paths).most_common(1)[0]
    if n > 1:
        raise ValueError(f"{n} recordings have the name {name!r}, and names tell them apart; rename all but one")
    return paths


def _chain(options: EncodeAudio) -> Cochlea:
    if not options.causal:
        return CRAMER_2020
    why = "chosen: a wave that travels"
    return vary(CRAMER_2020, source=why, membrane=vary(CRAMER_2020.membrane, source=why, is_causal=True))


def labels_of(paths: Sequence[Path], table: Path | None) -> tuple[Labelled, list[str]]:
    """Labels by a table, or by the files' names; notes say what was not known."""
    matches = [NAME.fullmatch(path.stem) for path in paths]
    names = sorted({match["speaker"] for match in matches if match})
    speakers = [names.index(match["speaker"]) if match else 0 for match in matches]
    if table is not None:
        labels, classes = _from_table(paths, table)
    else:
        labels = [int(match["digit"]) if match else 0 for match in matches]
        classes = DIGITS
    unknown = [path.name for path, match in zip(paths, matches, strict=True) if not match]
    notes = []
    if unknown and table is None:
        notes = [f"note: {len(unknown)} names, {unknown[0]} for one, are not DIGIT_SPEAKER_INDEX; their label is 0"]
    return Labelled(labels, speakers, classes, names or ["unknown"]), notes


def _from_table(paths: Sequence[Path], table: Path) -> tuple[list[int], Sequence[str]]:
    """Labels from lines NAME,LABEL, with the file's name or stem; a label is a whole number from 0."""
    try:
        rows = [row for row in csv.reader(io.StringIO(table.read_text())) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"--labels {table} cannot be read ({error}); give lines NAME,LABEL") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not row[1].strip().isdecimal() or int(row[1]) >= MOST_CLASSES:
            raise DataError(f"{table}, row {number}: {','.join(row)!r} is not NAME,LABEL, 0 to {MOST_CLASSES - 1}")
    known = {Path(name.strip()).stem: int(label) for name, label in rows}
    missing = [path.name for path in paths if path.stem not in known]
    if missing:
        raise DataError(
            f"{table} has no label for {len(missing)} recordings, {missing[0]} for one; add a line NAME,LABEL"
        )
    labels = [known[path.stem] for path in paths]
    return labels, [str(label) for label in range(max(labels) + 1)]


def _digest(path: Path, options: EncodeAudio, cochlea: Cochlea) -> str:
    """Of all that decides on the spikes of a recording."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give WAV files") from None
    settings = f"{path.stem} {options.seed} {options.rate} {cochlea}".encode()
    return hashlib.sha256(settings + content).hexdigest()[:32]


def _run(jobs: Sequence[Job], options: EncodeAudio) -> float:
    """Encode what is missing; the seconds of sound in it."""
    done, n_processes = 0.0, min(options.processes, len(jobs))
    with Progress("encoding", len(jobs), "recordings") as progress:
        if n_processes <= 1:
            for n, job in enumerate(jobs, 1):
                done += run_job(job)
                progress.update(n)
            return done
        with ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn")) as pool:
            futures: list[Future[float]] = [pool.submit(run_job, job) for job in jobs]
            try:
                for n, future in enumerate(as_completed(futures), 1):
                    done += future.result()
                    progress.update(n)
            except BaseException as error:
                pool.shutdown(cancel_futures=True)
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt("what was done is kept; the same command goes on") from None
                raise
    return done


def run_job(job: Job) -> float:
    """Encode one recording and keep its spikes; its length in seconds."""
    sound = wav.read(job.path)
    sound = wav.resampled(sound, job.rate or max(sound.rate_hz, SLOWEST_HZ))
    rng = child(job.seed, "cochlea", job.path.stem)
    try:
        spikes = encode(job.cochlea, sound.samples_T, sound.rate_hz, rng)
    except ValueError as error:
        raise DataError(f"{job.path}: {error}") from None
    memory = io.BytesIO()
    np.savez_compressed(memory, times=spikes.times, channels=spikes.channels)
    job.kept.parent.mkdir(exist_ok=True)
    write_whole(job.kept, memory.getvalue())
    return len(sound.samples_T) / sound.rate_hz


def _load(kept: Path) -> Spikes:
    with np.load(kept) as arrays:
        return Spikes(arrays["times"], arrays["channels"])


def draw(path: Path, names: Sequence[str], spikes: Sequence[Spikes]) -> None:
    """Spikes of the first recordings, one panel each."""
    from matplotlib.figure import Figure

    n = min(N_DRAWN, len(spikes))
    figure = Figure(figsize=(3.5 * n, 3.5), layout="constrained")
    for ax, name, each in zip(figure.subplots(1, n, squeeze=False)[0], names, spikes, strict=False):
        ax.plot(each.times, each.channels, ",", color="black")
        ax.set(title=name, xlabel="time (ms)", ylabel="channel (index)")
    figure.savefig(path, dpi=130)
