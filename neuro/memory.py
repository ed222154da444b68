"""What does not fit into memory is refused with the figure, before the system would kill it."""

from pathlib import Path


def available() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not say (only Linux does)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def demand(n_bytes: float, what: str, remedy: str) -> None:
    """Raise ValueError, which names what needs the memory and what to do, if there is less than n_bytes."""
    there = available()
    if there is not None and n_bytes > there:
        raise ValueError(f"{what} {n_bytes / 2**30:.3g} GiB, and {there / 2**30:.3g} GiB are available; {remedy}")
