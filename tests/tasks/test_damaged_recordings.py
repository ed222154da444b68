"""WAV and N-MNIST files: read exactly, and thousands of damaged ones, each an error or what its bytes say."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import nmnist, wav
from tasks.base import DataError


def written(values, n_bytes=2, n_channels=1, rate_hz=8000):
    """A WAV file by the standard library, from whole numbers."""
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(n_bytes)
        file.setframerate(rate_hz)
        shift = 128 if n_bytes == 1 else 0
        file.writeframes(b"".join(int(v + shift).to_bytes(n_bytes, "little", signed=n_bytes > 1) for v in values))
    return memory.getvalue()


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 4])
def test_every_width_is_read_exactly(n_bytes):
    top = 2 ** (8 * n_bytes - 1)
    values = [0, 1, -1, 100, -100, top - 1, -top]
    found = wav.parse(written(values, n_bytes, rate_hz=44_100), "x.wav")
    assert found.rate_hz == 44_100
    np.testing.assert_array_equal(found.samples_T, np.array(values) / top)


def test_channels_are_averaged_and_the_extensible_format_is_read():
    found = wav.parse(written([10, 30, -5, 5], n_channels=2), "x.wav")
    np.testing.assert_array_equal(found.samples_T, np.array([20, 0]) / 2**15)
    plain = written([7, -7])
    header = struct.pack("<HHIIHHHHI", 65534, 1, 8000, 16_000, 2, 16, 22, 16, 0) + wav.PCM_GUID
    body = (
        b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"LIST" + struct.pack("<I", 3) + b"abc\0" + plain[36:]
    )
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    np.testing.assert_array_equal(wav.parse(data, "x.wav").samples_T, np.array([7, -7]) / 2**15)


def test_another_rate_keeps_the_tone():
    ms = np.arange(8000) / 8.0
    found = wav.resampled(wav.Sound(np.sin(2 * np.pi * 0.5 * ms), 8000), 22_050)
    expected = np.sin(2 * np.pi * 0.5 * np.arange(22_050) / 22.05)
    assert len(found.samples_T) == 22_050
    np.testing.assert_allclose(found.samples_T[500:-500], expected[500:-500], atol=2e-3)  # ripple of the filter


GOOD = written([1, 2, 3])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no WAV file: 0 bytes"),
        (b"fLaC" + GOOD, "no WAV file"),
        (GOOD[:-1], "damaged or cut off: it has 49 bytes, and says 50"),
        (written([]), "0 bytes of samples"),
        (GOOD[:20] + b"\x03\0" + GOOD[22:], "format 3 with 16 bits, not PCM"),
        (GOOD[:24] + struct.pack("<I", 8001) + GOOD[28:], "8001 Hz are not 2 bytes a frame and 16000 a second"),
        (GOOD[:22] + b"\0\0" + GOOD[24:], "0 channels at 8000 Hz"),
    ],
)
def test_what_is_no_recording_is_named(data, message):
    with pytest.raises(DataError, match=rf"^a/b\.wav .*{message}"):
        wav.parse(data, "a/b.wav")


def damage(data, whole):
    """A file cut off, with a bit turned over, blocks swapped, or bytes overwritten; often near its start."""
    damaged = bytearray(whole)
    last = data.draw(st.sampled_from([min(60, len(whole)), len(whole)])) - 1
    place, other = data.draw(st.integers(0, last)), data.draw(st.integers(0, last))
    how = data.draw(st.sampled_from(["cut", "flip", "swap", "write", "grow"]))
    if how == "cut":
        del damaged[place:]
    elif how == "flip":
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "swap":
        damaged[place : place + 4], damaged[other : other + 4] = damaged[other : other + 4], damaged[place : place + 4]
    elif how == "write":
        damaged[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    else:
        damaged += data.draw(st.binary(min_size=1, max_size=9))
    return bytes(damaged)


SAMPLES = np.random.default_rng(0).integers(-(2**15), 2**15, 200)
WHOLE = written(SAMPLES)


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_a_damaged_wav_file_is_an_error_or_the_samples_that_it_holds(data):
    """Samples have no checksum: a turned bit there is another sample, but rate, number and place stay."""
    damaged = damage(data, WHOLE)
    try:
        found = wav.parse(damaged, "a/b.wav")
    except DataError as error:
        assert str(error).startswith("a/b.wav ")
        return
    assert found.rate_hz == 8000 and len(damaged) == len(WHOLE) and damaged[20:36] == WHOLE[20:36]
    expected = np.frombuffer(damaged[44:], "<i2") / 2**15
    np.testing.assert_array_equal(found.samples_T, expected)


EVENTS = [(17 * k, (3 * k) % 34, (5 * k) % 34, k % 2) for k in range(80)]
EVENT_BYTES = b"".join(bytes([x, y]) + (polarity << 23 | time).to_bytes(3, "big") for time, x, y, polarity in EVENTS)


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_a_damaged_event_file_is_an_error_or_the_events_that_it_holds(data):
    """Every event that is read is one of the file's, within the field, by time; one that is not is named."""
    damaged = damage(data, EVENT_BYTES)
    rows = [damaged[first : first + 5] for first in range(0, len(damaged), 5)]
    outside = [k for k, row in enumerate(rows) if max(row[:2]) >= 34]
    is_whole = damaged and len(damaged) % 5 == 0
    try:
        times_us, units = nmnist.parse(damaged, "a/00001.bin")
    except DataError as error:
        assert str(error).startswith("a/00001.bin ") and (not is_whole or f"event {outside[0]} " in str(error))
        return
    assert is_whole and not outside
    words = [int.from_bytes(row[2:], "big") for row in rows]
    expected = [(w & 0x7FFFFF, (w >> 23) * 1156 + row[1] * 34 + row[0]) for w, row in zip(words, rows, strict=True)]
    assert list(zip(times_us.tolist(), units.tolist(), strict=True)) == sorted(expected, key=lambda event: event[0])
