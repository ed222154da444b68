"""Run folders: one folder for each run, made before the work, closed with a status, never overwritten.

    manifest.json           configuration, versions, hardware, data, references, argv, start, end, status
    metrics.jsonl           one line an evaluation
    checkpoint.safetensors  all tensors of a learner, and how far it had come
    record.npz              arrays of a simulation
    log.txt                 what was said

A file is replaced whole or not at all, so that a run killed at any moment can be read and resumed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from neuro.files import write_whole

PACKAGES = ("torch", "numpy", "numba", "brian2", "snntorch", "spikingjelly", "matplotlib", "scikit-learn")


class RunError(ValueError):
    """A run folder that is missing, damaged or in use; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """An open run folder."""

    path: Path

    def log(self, text: str) -> None:
        """Add a line to log.txt."""
        with open(self.path / "log.txt", "a") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")

    def metrics(self, **values: Any) -> None:
        """Add one flushed line to metrics.jsonl."""
        with open(self.path / "metrics.jsonl", "a") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.path)

    def update(self, **values: Any) -> None:
        """Change entries of the manifest."""
        write_whole(self.path / "manifest.json", json.dumps(self.manifest() | values, indent=1))

    def finish(self, status: str, **values: Any) -> None:
        """Close the run: status is finished, failed or interrupted."""
        self.update(status=status, end=now(), **values)

    def save_record(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write record.npz."""
        temporary = self.path / "record.tmp.npz"
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, self.path / "record.npz")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def fingerprint(configuration: Mapping[str, Any]) -> str:
    """Eight characters that differ between configurations."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:8]


def open_run(parent: Path, name: str, configuration: Mapping[str, Any], **entries: Any) -> Run:
    """Make the folder parent/<date>_<name>_<seed>_<hash> and its manifest.

    Two runs that start at once get two folders. entries: more lines of the manifest.
    """
    parent.mkdir(parents=True, exist_ok=True)
    seed = configuration.get("seed", 0)
    stem = f"{datetime.now():%Y%m%d-%H%M%S}_{name}_{seed}_{fingerprint(configuration)}"
    path = _make_new(parent, stem)
    manifest = {
        "name": name,
        "configuration": dict(configuration),
        "status": "running",
        "start": now(),
        "argv": sys.argv,
        "process": os.getpid(),
        "commit": _commit(),
        "versions": versions(),
        "hardware": hardware(),
        **entries,
    }
    write_whole(path / "manifest.json", json.dumps(manifest, indent=1))
    return Run(path)


def _make_new(parent: Path, stem: str) -> Path:
    for attempt in range(1000):
        path = parent / (stem if attempt == 0 else f"{stem}-{attempt}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise RunError(f"{parent / stem} exists a thousand times; clean up {parent}")


@contextlib.contextmanager
def lock(run: Run) -> Iterator[None]:
    """Hold a run folder, so that no second process works in it. The system lets go when a process dies."""
    with open(run.path / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{run.path} is being worked on by another process; wait for it, or stop it") from None
        yield


def load_run(path: Path | str) -> Run:
    """An existing run folder; RunError says what is wrong with it."""
    run = Run(Path(path))
    read_manifest(run.path)
    return run


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run folder; RunError where there is none, or it is damaged."""
    file = path / "manifest.json"
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise RunError(f"run folder {path} {what}; name a folder that `neuro train` or `neuro simulate` printed")
    if not file.exists():
        raise RunError(f"{path} is no run folder: it has no manifest.json; name one that has")
    return read_json(file, ("name", "status", "configuration"), f"remove {path}, and start the run again")


def read_json(file: Path, keys: tuple[str, ...], remedy: str) -> dict[str, Any]:
    """What a JSON file holds under some keys and others; RunError with the remedy where it is damaged."""
    try:
        found = json.loads(file.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{file} is damaged ({error}); {remedy}") from None
    if not isinstance(found, dict) or not set(keys) <= found.keys():
        raise RunError(f"{file} is damaged (it lacks {', '.join(keys)}); {remedy}")
    return found


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The evaluations of a run, in order. Lines that were cut off in the middle are left out."""
    file = path / "metrics.jsonl"
    rows = []
    for line in file.read_text().splitlines() if file.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def read_record(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a simulation."""
    file = path / "record.npz"
    if not file.exists():
        raise RunError(f"{path} holds no record.npz; its simulation did not finish, run it again")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}); run the simulation again") from None


def versions(*names: str) -> dict[str, str]:
    """Versions of "python" and of packages; without names, of all that matter to results."""
    return {
        name: platform.python_version() if name == "python" else _version(name)
        for name in names or ("python", "neuro", *PACKAGES)
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, and threads of torch if it is loaded."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {"processor": model, "cores": cores, "system": platform.platform(terse=True)}
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found["memory_gib"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found["torch_threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


def made_with(found: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown on found["hardware"] and found["versions"], as `hardware` and `versions` give them."""
    return [
        f"{title}: {', '.join(f'{key} {value}' for key, value in found[title.lower()].items())}  "
        for title in ("Hardware", "Versions")
    ]


def _commit() -> dict[str, Any]:
    """Commit of the source tree and whether it was changed since; empty outside a checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # it may lie in a folder of somebody else's repository
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}
