"""What `neuro bench` measures: cases and what is to be reached in each, and the simulators that run them."""

from typing import NamedTuple

from benchmarks.networks import NETWORKS


class Case(NamedTuple):
    """A network that runs for `duration` ms.

    measured: what is compared, "run_s" (the simulation alone) or "process_s" (from `python script.py` to the end
    of the process, everything compiled before). targets: peer -> our time over its time, at most.
    speedup: of two threads over one, at least.
    """

    network: str
    duration: float
    measured: str
    targets: dict[str, float]
    speedup: float | None = None


def _case(network: str, targets: dict[str, float], speedup: float | None = None) -> Case:
    return Case(network, NETWORKS[network].duration, "run_s", targets, speedup)


CASES = {
    "cuba": _case("cuba", {"brian2": 0.25, "nest": 0.1}),
    "cuba_40k": _case("cuba_40k", {"brian2": 0.25, "nest": 0.1}, speedup=1.6),
    "coba": _case("coba", {"brian2": 0.35, "nest": 0.1}),
    "brunel": _case("brunel", {"brian2": 0.4, "nest": 0.1}, speedup=1.6),
    "song_abbott": _case("song_abbott", {"brian2": 0.4, "nest": 0.1}),
    "izhikevich_network": _case("izhikevich_network", {"nest": 0.1}),
    "start": Case("cuba", 1000.0, "process_s", {"brian2": 0.4}),
}


class Peer(NamedTuple):
    """A simulator to compare with: the module that it is imported as, and how it is installed."""

    module: str
    install: str


PEERS = {
    "brian2": Peer("brian2", "pip install 'brian2>=2.9'"),
    "nest": Peer("nest", "pip install 'nest-simulator>=3.10'"),
}


class Variant(NamedTuple):
    """A simulator in one precision. arguments: more of its script's; {folder} is where it may keep things."""

    simulator: str
    precision: str
    script: str
    arguments: tuple[str, ...] = ()


# Of brian2's two the faster one counts. NEST has float64 only.
VARIANTS = (
    Variant("neuro", "float32", "benchmarks.on_neuro"),
    Variant("brian2", "float32", "benchmarks.on_brian2", ("--dtype", "float32", "--folder", "{folder}/code")),
    Variant("brian2", "float64", "benchmarks.on_brian2", ("--dtype", "float64", "--folder", "{folder}/code")),
    Variant("nest", "float64", "benchmarks.on_nest"),
)
