"""Graphs of the publication of NIR, which Norse, Rockpool and Sinabs wrote."""

import os
from pathlib import Path

import numpy as np
import pytest

from neuro import make_events, simulate
from neuro.interop.nir import read_nir

GRAPHS = Path(os.environ.get("NEURO_DATA", "/nonexistent")) / "nir"
needs_graphs = pytest.mark.skipif(not GRAPHS.exists(), reason="$NEURO_DATA/nir holds no graphs of other tools")
PULSES = "0000001000000000000000100001000110010100110111111111110000000000000111111111111000001100000000000000"


@needs_graphs
@pytest.mark.parametrize("name, cell", [("lif_norse", "1"), ("lif_rockpool", "1_LIFNeuronTorch")])
@pytest.mark.parametrize("discretisation", ["exact", "euler"])
def test_the_lif_of_the_publication(name, cell, discretisation):
    """Its input: a pulse of 0.1 ms every 1 ms at most. Between pulses v only decays."""
    imported = read_nir(GRAPHS / f"{name}.nir", discretisation=discretisation)
    steps = np.flatnonzero(np.array(list(PULSES)) == "1") * 10
    record = simulate(
        imported.net, imported.weights, {"input": make_events(0.1 * steps, np.zeros(len(steps), int))}, duration=100.0,
        record=(f"{cell}.spikes",),
    )  # fmt: skip
    p = np.exp(-0.04) if discretisation == "exact" else 1.0 - 0.04
    gain = (1.0 if name == "lif_norse" else 24.019737 * 0.04) * (1.0 - p)
    v, last, wanted = 0.0, 0, []
    for step in steps:
        v, last = v * p ** (step - last) + gain, step
        if v > 0.1:
            wanted.append(step)
            v = 0.0
    assert len(wanted) >= 2
    np.testing.assert_array_equal(np.rint(record.spikes[cell].times / 0.1), wanted)


@needs_graphs
def test_the_network_of_the_publication_reads_a_recording():
    """The sample of N-MNIST is of a 4; Sinabs wrote a spike as an impulse (r = 1) and numbers without units."""
    from tasks import nmnist

    sample = GRAPHS.parent / "nmnist" / "sample_nmnist.bin"
    times_us, units = nmnist.parse(sample.read_bytes(), str(sample))
    imported = read_nir(GRAPHS / "cnn_sinabs.nir", dt=1.0, spikes="impulse", units="normalised")
    assert imported.inputs == {"input": (2, 34, 34)} and imported.outputs == {"output": "12"}
    sizes = {population.name: population.size for population in imported.net.populations}
    assert sizes == {"input": 2312, "1": 4096, "3": 4096, "6": 512, "10": 256, "12": 10}
    record = simulate(
        imported.net, imported.weights, {"input": make_events(times_us / 1000.0, units.astype(int))}, duration=315.0,
        record=("12.spikes",), initial=imported.initial,
    )  # fmt: skip
    counts = np.bincount(record.spikes["12"].units, minlength=10)
    assert counts.argmax() == 4 and counts[4] > 10 * np.sort(counts)[-2]


@pytest.mark.slow
@needs_graphs
def test_the_network_of_the_publication_classifies_simulated_recordings():
    """cnn_sinabs.nir on 100 simulated recordings; 98 % were right when it was added (November 2026)."""
    from simulations.exchange import scores
    from tasks import mnist, saccades

    images = mnist.parse_idx(mnist.read("test images"), "images")[1000:1100]
    labels = mnist.parse_idx(mnist.read("test labels"), "labels")[1000:1100]
    found = list(saccades.recordings(images, np.arange(1000, 1100), "test"))
    times, units = (np.concatenate([sample[k] for sample in found]) for k in (0, 1))
    offsets = np.concatenate([[0], np.cumsum([len(sample[0]) for sample in found])])
    events = make_events(times / 1000.0, units.astype(int), offsets)
    imported = read_nir(GRAPHS / "cnn_sinabs.nir", dt=1.0, spikes="impulse", units="normalised")
    accuracy = (scores(imported, "input", "12", events, 315.0).argmax(1) == labels).mean()
    assert accuracy > 0.9
