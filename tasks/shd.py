"""Spoken words as spikes of 700 cochlear channels: SHD and SSC (official files), and FSDD in the same layout.

shd   20 spoken digits, English and German: 8,156 and 2,264 recordings; validation: one speaker of the training set
ssc   35 words; validation as published
fsdd  10 English digits, real recordings of the Free Spoken Digit Dataset turned into spikes: not SHD; validation:
      a tenth of the training set, drawn with a fixed seed (its test set has the same six speakers)

They are looked for in $NEURO_DATA/NAME, as .h5, .h5.gz or .h5.zip. SHD and SSC are downloaded if they are not there;
what is downloaded is checked by its MD5. As in the leading results, five channels make one unit and a step is 10 ms;
`load` takes any other binning. A unit's spikes all stay; most learners take those of one step for one, `delays` counts
them, as hammouamri2024 do. In training, recordings are altered (tasks/augment_events.py) unless `augment` says "none".

References: cramer2020 (SHD, SSC, their layout), jackson2018 (FSDD), hammouamri2024 (the binning).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuro.seeds import child
from tasks.base import DataError, Split, Task, data_dir, make_task, split_off
from tasks.download import download, sha256
from tasks.spike_hdf5 import Recordings, find, parse, unpacked

N_CHANNELS = 700
MIRRORS = ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/")
FSDD_SITE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
FSDD_FILES = {"train": "recordings/*_[5-9].wav recordings/*_??.wav", "test": "recordings/*_[0-4].wav"}


@dataclass(frozen=True)
class Corpus:
    """Files of a data set. digests: MD5 of the official .h5.zip, or SHA-256 of the unpacked file, by part."""

    name: str
    n_classes: int
    longest: float  # ms
    digests: dict[str, str]
    size: int  # bytes of the largest archive, about
    label: str
    source: str
    licence: str

    @property
    def folder(self) -> Path:
        return data_dir() / self.name

    def load(self) -> Task:
        """The task with the usual binning."""
        return load(self)

    def get(self) -> None:
        """Download what is missing, and check everything."""
        for part in self.digests:
            read(self, part)

    def status(self) -> list[str]:
        """Which files are there and whole, and what to do about the others."""
        return [f"{part:<5} {_state(self, part)}" for part in self.digests]


SHD = Corpus(
    "shd", 20, 1400.0, {"train": "f3252aeb598ac776c1b526422d90eecb", "test": "1503a5064faa34311c398fb0a1ed0a6f"},
    130_000_000, "Spiking Heidelberg Digits, official files", "cramer2020", "CC BY 4.0",
)  # fmt: skip
SSC = Corpus(
    "ssc", 35, 1000.0,
    {"train": "d102be95e7144fcc0553d1f45ba94170", "valid": "b4eee3516a4a90dd0c71a6ac23a8ae43",
     "test": "a35ff1e9cffdd02a20eb850c17c37748"},
    1_200_000_000, "Spiking Speech Commands, official files", "cramer2020", "CC BY 4.0",
)  # fmt: skip
FSDD = Corpus(
    "fsdd", 10, 1300.0,
    {"train": "68a156914fa3fbb60416676213741441a36d5dc9f19c1773876a9477442ebd1c",
     "test": "62e6a7722f924f18508b6653c2bb2f9554f07236172d28dcd8e4b802427e4dfd"},
    50_000_000, "Free Spoken Digit Dataset as spikes (layout of SHD; not SHD)", "jackson2018", "CC BY-SA 4.0",
)  # fmt: skip


def load(corpus: Corpus, channels: int = 5, dt: float = 10.0) -> Task:
    """A corpus as a task. channels: that make one unit; dt: ms of a step."""
    if channels < 1 or N_CHANNELS % channels:
        raise ValueError(f"channels = {channels} do not divide the {N_CHANNELS} channels; give 1, 2, 5, 7 or 10, say")
    parts = {part: read(corpus, part) for part in corpus.digests}
    train, test = (_split(parts[part], channels) for part in ("train", "test"))
    if "valid" in parts:
        val = _split(parts["valid"], channels)
    elif corpus is SHD:
        train, val = _by_speaker(train, parts["train"].speakers)
    else:
        train, val = split_off(train, len(train.labels) // 10, 0, f"{corpus.name} validation")
    data, checksum = _origin(corpus, parts)
    return make_task(
        corpus.name, train, val, test, shape=(N_CHANNELS // channels,), n_steps=round(corpus.longest / dt), dt=dt,
        source=corpus.source, licence=corpus.licence, data=data, checksum=checksum, augment="recording",
    )  # fmt: skip


def _origin(corpus: Corpus, parts: dict[str, Recordings]) -> tuple[str, str]:
    """What the data are, and the checksum of the training set: of its spike times, where it was made here."""
    made = sorted({recordings.made_by for recordings in parts.values()} - {""})
    if not made:
        how = "" if corpus is FSDD else " (MD5 of the official archive; files that were there already are not compared)"
        return corpus.label, corpus.digests["train"] + how
    return f"{corpus.label}, made by {'; '.join(made)}", sha256(parts["train"].events.times_us.tobytes())


def _split(recordings: Recordings, channels: int) -> Split:
    events = recordings.events
    return Split(events._replace(units=(events.units // channels).astype(np.uint16)), recordings.labels)


def _by_speaker(train: Split, speakers: np.ndarray) -> tuple[Split, Split]:
    """Hold one speaker out: nobody is heard in both parts."""
    held = child(0, "shd validation").choice(np.unique(speakers))
    return train.keep(np.flatnonzero(speakers != held)), train.keep(np.flatnonzero(speakers == held))


def read(corpus: Corpus, part: str) -> Recordings:
    """The recordings of a part, checked; downloaded first if they are not there."""
    path = find(corpus.folder, f"{corpus.name}_{part}") or _download(corpus, part)
    data = unpacked(path)
    recordings = parse(data, str(path), N_CHANNELS, corpus.n_classes)
    if corpus is FSDD and not recordings.made_by and sha256(data) != corpus.digests[part]:
        raise DataError(f"{path} does not have the checksum of FSDD as spikes ({len(data)} bytes unpacked)")
    return recordings


def _download(corpus: Corpus, part: str) -> Path:
    stem = f"{corpus.name}_{part}"
    path, where = corpus.folder / f"{stem}.h5.zip", f"{stem}.h5, .h5.gz or .h5.zip is not in {corpus.folder}"
    if corpus is FSDD:
        raise DataError(
            f"{where}; set NEURO_DATA to a folder that holds fsdd/, or make it from the recordings of {FSDD_SITE}:"
            f" `neuro encode-audio {FSDD_FILES[part]} --out {corpus.folder / stem}.h5`"
        )
    try:
        download(tuple(mirror + path.name for mirror in MIRRORS), path, corpus.size)
    except DataError as error:
        raise DataError(
            f"{where}: {error}; go online and run `neuro data get {corpus.name}`, or put the files there by hand"
        ) from None
    found = hashlib.md5(path.read_bytes()).hexdigest()
    if found != corpus.digests[part]:
        path.rename(path.with_suffix(".bad"))
        raise DataError(
            f"{path.name} arrived with the MD5 {found}, not {corpus.digests[part]}; it is kept as {path.stem}.bad; run"
            f" `neuro data get {corpus.name}` again"
        )
    return path


def _state(corpus: Corpus, part: str) -> str:
    path = find(corpus.folder, f"{corpus.name}_{part}")
    if path is None:
        fetched = f"`neuro data get {corpus.name}` fetches it from {MIRRORS[0]}"
        own = f"`neuro encode-audio` makes it from the recordings of {FSDD_SITE}"
        return f"missing; {own}" if corpus is FSDD else f"missing; {fetched}"
    try:
        return f"{path}, {len(read(corpus, part).labels)} recordings"
    except DataError as error:
        return str(error)
