"""500 LIF neurons for a second on the event backend, NEST and brian2: as many spikes, each in the same step."""

import pytest

pytest.importorskip("nest", reason="nest-simulator is not installed (extra: dev)")

from benchmarks import agreement_lif  # noqa: E402 (it needs NEST)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=agreement_lif.STRENGTHS)
def row(request):
    return agreement_lif.measure(request.param, seed=0)


@pytest.mark.parametrize("peer", ["nest", "brian2"])
def test_spike_for_spike(row, peer):
    """v differs by rounding, some ulps of 70 mV that a few sums add up; a spike would differ by a step."""
    found = row["peers"][peer]
    assert (found["spikes"], found["differ"]) == (row["spikes"], 0)
    assert found["max_dv"] < 1e-11


def test_the_network_is_recurrent_and_asynchronous(row):
    """Else equal spikes would say little: one input spike less changes most of those that follow."""
    assert 5.0 < row["rate_hz"] < 40.0
    assert row["correlation"] < 0.05
    assert row["peers"]["one input spike less"]["differ"] > row["spikes"]
