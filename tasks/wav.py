"""Sound from WAV files: PCM of 8, 16, 24 or 32 bits, any rate, any number of channels, whose mean is taken.

    RIFF size WAVE, then chunks:  fmt (format, channels, rate, bytes a second, bytes a frame, bits)  and  data (samples)

The format is 1 (PCM), or 65534 (extensible) with PCM inside. What a header says twice must agree, and all bytes that it
promises must be there: a damaged file is an error that names it, never another sound. Samples are -1 to 1.
"""

import struct
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.base import DataError

PCM, EXTENSIBLE = 1, 65534
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
RATES_HZ = (1000, 384_000)
REMEDY = "give a WAV file of PCM samples"


class Sound(NamedTuple):
    """samples_T: -1 to 1."""

    samples_T: NDArray[np.float64]
    rate_hz: int


class Format(NamedTuple):
    n_channels: int
    rate_hz: int
    n_bytes: int  # of a sample


def read(path: Path) -> Sound:
    """The sound in a file. DataError, which names the file, if there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from None
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Sound:
    """The sound in the bytes of a file."""
    chunks = _chunks(data, name)
    kind = _format(chunks, name)
    frame, samples = kind.n_channels * kind.n_bytes, chunks.get(b"data", b"")
    if not samples or len(samples) % frame:
        raise DataError(f"{name} has {len(samples)} bytes of samples, not whole frames of {frame}; {REMEDY}")
    values = _integers(samples, kind.n_bytes).reshape(-1, kind.n_channels)
    return Sound(values.mean(1) / 2.0 ** (8 * kind.n_bytes - 1), kind.rate_hz)


def _chunks(data: bytes, name: str) -> dict[bytes, bytes]:
    """The chunks by name, each of which must be whole and there once."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise DataError(f"{name} is no WAV file: {len(data)} bytes that begin with {data[:12]!r}; {REMEDY}")
    size = struct.unpack("<I", data[4:8])[0]
    if size + 8 != len(data):
        raise DataError(f"{name} is damaged or cut off: it has {len(data)} bytes, and says {size + 8}; {REMEDY}")
    chunks, place = {}, 12
    while place + 8 <= len(data):
        key, length = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])[0]
        content = data[place + 8 : place + 8 + length]
        if len(content) < length:
            raise DataError(f"{name} is damaged: {length} bytes of {key!r} at {place}, {len(content)} there; {REMEDY}")
        if key in chunks and key in (b"fmt ", b"data"):
            raise DataError(f"{name} is damaged: it has more than one {key!r}; {REMEDY}")
        chunks[key] = content
        place += 8 + length + length % 2
    if place not in (len(data), len(data) + 1):
        raise DataError(f"{name} is damaged: {len(data) - place} bytes at its end are no chunk; {REMEDY}")
    return chunks


def _format(chunks: dict[bytes, bytes], name: str) -> Format:
    header = chunks.get(b"fmt ", b"")
    if len(header) < 16:
        raise DataError(f"{name} does not say what its samples are ({len(header)} bytes of 'fmt '); {REMEDY}")
    tag, n_channels, rate_hz, per_second, frame, bits = struct.unpack("<HHIIHH", header[:16])
    if tag == EXTENSIBLE and header[24:40] == PCM_GUID:
        tag = PCM
    if tag != PCM or bits not in (8, 16, 24, 32):
        raise DataError(f"{name} has samples of format {tag} with {bits} bits, not PCM of 8 to 32; {REMEDY}")
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1] or not n_channels:
        raise DataError(f"{name} has {n_channels} channels at {rate_hz} Hz, outside {RATES_HZ} Hz; {REMEDY}")
    if frame != n_channels * bits // 8 or per_second != frame * rate_hz:
        raise DataError(
            f"{name} is damaged: {n_channels} channels of {bits} bits at {rate_hz} Hz are not {frame} bytes a frame and"
            f" {per_second} a second; {REMEDY}"
        )
    return Format(n_channels, rate_hz, bits // 8)


def _integers(samples: bytes, n_bytes: int) -> NDArray[np.int64]:
    """Whole numbers around 0; 8 bits are stored without a sign, all others with one."""
    if n_bytes == 1:
        return np.frombuffer(samples, np.uint8).astype(np.int64) - 128
    if n_bytes != 3:
        return np.frombuffer(samples, f"<i{n_bytes}").astype(np.int64)
    low, middle, high = np.frombuffer(samples, np.uint8).reshape(-1, 3).astype(np.int64).T
    return (high << 16 | middle << 8 | low) - ((high >> 7) << 24)


def resampled(sound: Sound, rate_hz: int) -> Sound:
    """The sound at another rate, by a polyphase filter."""
    if rate_hz == sound.rate_hz:
        return sound
    from scipy.signal import resample_poly

    ratio = Fraction(rate_hz, sound.rate_hz)
    return Sound(resample_poly(sound.samples_T, ratio.numerator, ratio.denominator), rate_hz)
