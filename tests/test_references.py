"""cite: what a network used, found through its parts."""

from neuro import Dense, Network, Population, Projection, cite, vary
from neuro.neurons.lif import NEST_DEFAULT
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.references import REFERENCES


def test_cite_finds_the_sources_of_all_parts_once_in_order():
    own = vary(NEST_DEFAULT, source="chosen: fires at 10 Hz", tau_m=12.0)
    net = Network(
        (Population("a", 2, NEST_DEFAULT), Population("b", 2, own), Population("c", 2, NEST_DEFAULT)),
        (Projection("a", "b", Dense(), 1.0, SONG_ABBOTT),),
        0.1,
    )
    assert cite(net).split("\n") == [
        f"[nest] {REFERENCES['nest']}",
        "[chosen: fires at 10 Hz] chosen: fires at 10 Hz",
        f"[song2000] {REFERENCES['song2000']}",
    ]
