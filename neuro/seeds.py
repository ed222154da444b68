"""Random generators. One seed gives children by name, so that adding a draw does not shift the others."""

import zlib

import numpy as np


def child(seed: int, *names: str | int) -> np.random.Generator:
    """The generator that belongs to a seed and a path of names."""
    key = tuple(name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
