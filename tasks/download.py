"""Downloads that resume, show their progress and are checked. (pooch, which we would use, cannot resume.)"""

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from neuro.progress import Progress
from tasks.base import DataError


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def download(urls: tuple[str, ...], path: Path, size: int) -> None:
    """Fetch a file from the first of several mirrors that answers; `size` (bytes) is for the bar.

    An interrupted download continues where it stopped, in `path`.part. Raises DataError when no mirror
    answers. The caller checks what arrived.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        try:
            _fetch(url, path.with_name(path.name + ".part"), size)
        except (OSError, urllib.error.URLError) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', error)}")
        else:
            os.replace(path.with_name(path.name + ".part"), path)
            return
    raise DataError(f"cannot download {path.name} ({'; '.join(reasons)})")


def _fetch(url: str, part: Path, size: int) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: the part is already whole, or too long; the checksum will tell
            raise
        return
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        first = done = file.tell()
        with Progress(f"downloading {part.stem}", size, "bytes") as progress:
            while block := response.read(1 << 16):
                file.write(block)
                done += len(block)
                progress.update(done)
    length = response.headers.get("Content-Length")
    if length is not None and done < first + int(length):
        raise OSError(f"connection lost after {done} of {first + int(length)} bytes; call again to continue")
