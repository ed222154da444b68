"""Files: written so that an interrupt leaves the old or the new one, and where caches lie."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file in one step; a reader sees the old or the new content, nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def cache_root() -> Path:
    """Where what can be made anew is kept: $NEURO_CACHE, by default ~/.cache/neuro."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NEURO_CACHE") or cache / "neuro")
