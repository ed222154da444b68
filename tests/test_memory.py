"""What does not fit is refused with a figure, before anything is allocated."""

import numpy as np
import pytest

from neuro import Network, Population, Source, simulate
from neuro import memory as neuro_memory
from neuro.neurons.lif_delta import NEST_DEFAULT
from neuro.units import vary

NET = Network((Population("in", 3, Source()), Population("cells", 50, NEST_DEFAULT)), (), 0.1)


@pytest.mark.parametrize("backend", ["event", "torch_dense", "brian"])
def test_traces_that_do_not_fit_are_refused(backend):
    """10^10 steps of 50 numbers of 8 bytes and one index are 3,800 GiB."""
    with pytest.raises(ValueError, match=r"50 traces over 10,000,000,000 steps of 1 samples needs 3\.8e\+03 GiB"):
        simulate(NET, {}, {"in": np.zeros((1, 3))}, duration=1e9, record=("cells.v",), backend=backend)


def test_recorded_spikes_that_do_not_fit_end_the_run_with_a_figure(monkeypatch):
    """About 50 x 150 spikes of 12 bytes a second against 100 kB: over within two seconds of simulated time."""
    monkeypatch.setattr(neuro_memory, "available", lambda: 100_000)
    cell = vary(NEST_DEFAULT, source="test", i_ext=2000.0)
    net = Network((Population("cells", 50, cell),), (), 0.1)
    with pytest.raises(ValueError, match=r"spikes recorded until \d+ ms need another .* GiB.*record fewer"):
        simulate(net, {}, {}, duration=10_000.0, record=("cells.spikes",))


def test_nothing_is_refused_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setattr(neuro_memory, "available", lambda: None)
    neuro_memory.demand(1e30, "it needs", "nothing")
    monkeypatch.setattr(neuro_memory, "available", lambda: 2**30)
    neuro_memory.demand(2.0**30, "it needs", "nothing")
    with pytest.raises(ValueError, match="it needs 2 GiB, and 1 GiB are available; nothing"):
        neuro_memory.demand(2.0**31, "it needs", "nothing")
