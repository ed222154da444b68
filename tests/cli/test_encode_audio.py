"""`neuro encode-audio`: labels, resuming, whole-or-nothing writing, and what is refused."""

import wave

import numpy as np
import pytest

from simulations import encode_audio as module
from simulations.encode_audio import EncodeAudio, encode_audio
from tasks import shd
from tasks.base import DataError
from tasks.spike_hdf5 import Sample, parse, write

NAMES = ("3_ann_0", "0_bob_1", "7_ann_2")


@pytest.fixture
def files(tmp_path):
    """Three tones of 40 ms."""
    for k, name in enumerate(NAMES):
        tone = 8000 * np.sin(2 * np.pi * (300 + 400 * k) * np.arange(320) / 8000)
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(tone.astype("<i2").tobytes())
    return [str(tmp_path / f"{name}.wav") for name in NAMES]


def options(tmp_path, **changes):
    return EncodeAudio(**{"out": tmp_path / "out.h5", "processes": 1, **changes})


def test_spikes_labels_and_speakers_arrive(files, tmp_path):
    said = encode_audio(files, options(tmp_path, plot=tmp_path / "plot.png"))
    assert "3 recordings" in said[-1] and (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    found = parse((tmp_path / "out.h5").read_bytes(), "out.h5", 700, 10)
    assert found.labels.tolist() == [3, 0, 7] and found.speakers.tolist() == [0, 1, 0]
    assert found.made_by == "neuro encode-audio, seed 0, rate 0"
    assert not (tmp_path / "out.h5.partial").exists()
    steps = found.events.times_us / 125.0  # a step is 125 us; float16 errs by 15 us at most below 62 ms
    assert np.abs(steps - np.rint(steps)).max() < 0.13 and len(steps) > 1000


def test_what_is_written_is_what_is_read(tmp_path):
    rng = np.random.default_rng(0)
    samples = [
        Sample(np.sort(rng.uniform(0, 1200, n)), rng.integers(0, 700, n), int(rng.integers(10)), n % 3)
        for n in (5, 0, 90)
    ]
    write(tmp_path / "x.h5", samples, list("0123456789"), ["a", "b", "c"], "a test")
    found = parse((tmp_path / "x.h5").read_bytes(), "x.h5", 700, 10)
    for k, sample in enumerate(samples):
        events = found.events.take(np.array([k]))
        np.testing.assert_array_equal(events.units, sample.units)
        np.testing.assert_allclose(events.times, sample.times, rtol=5e-4, atol=1e-3)  # 11 bits, whole microseconds
        assert (found.labels[k], found.speakers[k]) == (sample.label, sample.speaker)


def test_a_stopped_command_goes_on_to_the_same_file(files, tmp_path, monkeypatch):
    encode_audio(files, options(tmp_path))
    whole = (tmp_path / "out.h5").read_bytes()
    (tmp_path / "out.h5").unlink()
    run_job, done = module.run_job, []

    def stopped(job):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job.path.stem)
        return run_job(job)

    monkeypatch.setattr(module, "run_job", stopped)
    with pytest.raises(KeyboardInterrupt):
        encode_audio(files, options(tmp_path))
    assert not (tmp_path / "out.h5").exists() and len(list((tmp_path / "out.h5.partial").iterdir())) == 2
    done.clear()
    encode_audio(files, options(tmp_path))
    assert done == [NAMES[2]]
    assert (tmp_path / "out.h5").read_bytes() == whole


def test_order_of_files_does_not_change_spikes_and_the_seed_does(files, tmp_path):
    def spikes(given, **changes):
        encode_audio(given, options(tmp_path, **changes))
        found = parse((tmp_path / "out.h5").read_bytes(), "out.h5", 700, 10)
        return {int(label): found.events.take(np.array([k])).times.tobytes() for k, label in enumerate(found.labels)}

    assert spikes(files) == spikes(files[::-1])
    assert spikes(files)[3] != spikes(files, seed=1)[3]
    assert spikes(files)[3] != spikes(files, causal=True)[3]


@pytest.mark.slow
def test_two_processes_give_the_same_file(files, tmp_path):
    encode_audio(files, options(tmp_path))
    alone = (tmp_path / "out.h5").read_bytes()
    encode_audio(files, options(tmp_path, processes=2))
    assert (tmp_path / "out.h5").read_bytes() == alone


def test_labels_come_from_a_table_and_unknown_names_are_told(files, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("3_ann_0.wav,12\n0_bob_1,1\n7_ann_2,2\n")
    encode_audio(files, options(tmp_path, labels=table))
    assert parse((tmp_path / "out.h5").read_bytes(), "x", 700, 13).labels.tolist() == [12, 1, 2]
    odd = tmp_path / "hello.wav"
    odd.write_bytes((tmp_path / "3_ann_0.wav").read_bytes())
    said = encode_audio([str(odd)], options(tmp_path))
    assert "1 names, hello.wav for one, are not DIGIT_SPEAKER_INDEX; their label is 0" in said[0]
    table.write_text("3_ann_0,1\n")
    with pytest.raises(DataError, match="no label for 2 recordings, 0_bob_1.wav"):
        encode_audio(files, options(tmp_path, labels=table))
    table.write_text("3_ann_0,one\n")
    with pytest.raises(DataError, match="row 1: '3_ann_0,one' is not NAME,LABEL"):
        encode_audio(files, options(tmp_path, labels=table))


@pytest.mark.parametrize(
    ("changes", "message"), [({"rate": 4000}, "--rate 4000 is too low"), ({"out": "x.txt"}, "must end in .h5")]
)
def test_bad_options_are_named(files, tmp_path, changes, message):
    if "out" in changes:
        changes = {"out": tmp_path / changes["out"]}
    with pytest.raises(ValueError, match=message):
        encode_audio(files, options(tmp_path, **changes))


def test_bad_recordings_are_named_and_nothing_is_written(files, tmp_path):
    with pytest.raises(ValueError, match="2 recordings have the name '3_ann_0'"):
        encode_audio([*files, files[0]], options(tmp_path))
    with pytest.raises(DataError, match="nowhere.wav cannot be read"):
        encode_audio([str(tmp_path / "nowhere.wav")], options(tmp_path))
    (tmp_path / "0_bob_1.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="0_bob_1.wav is no WAV file"):
        encode_audio(files, options(tmp_path))
    assert not (tmp_path / "out.h5").exists()


def test_the_task_fsdd_takes_spikes_made_here_and_says_so(files, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    (tmp_path / "fsdd").mkdir()
    with pytest.raises(DataError, match=r"neuro encode-audio recordings/\*_\[5-9\]\.wav .*fsdd_train\.h5"):
        shd.load(shd.FSDD)
    encode_audio(files, options(tmp_path, out=tmp_path / "fsdd" / "fsdd_test.h5"))
    for k in range(10):
        (tmp_path / f"{k}_eve_0.wav").write_bytes((tmp_path / "3_ann_0.wav").read_bytes())
    digits = [str(tmp_path / f"{k}_eve_0.wav") for k in range(10)]
    encode_audio(digits, options(tmp_path, out=tmp_path / "fsdd" / "fsdd_train.h5"))
    task = shd.load(shd.FSDD)
    assert "made by neuro encode-audio, seed 0" in task.data and task.checksum != shd.FSDD.digests["train"]
