"""Compiled functions on several items at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch


def in_threads(function: Callable, items: Sequence) -> list:
    """A function that releases the lock of Python, on all items, by as many threads as torch may use."""
    threads = min(torch.get_num_threads(), len(items))
    if threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
