"""A calendar queue, compiled: events of the day lie in a heap, those of later days in lists, one a day.

An event is a time and a key, which says what happens and orders events of equal time. Opening a day moves its list
into the heap, so that days of a few events cost a constant time for each. What lies beyond the last day of the
calendar waits on that day.

References: Brown R (1988), Communications of the ACM 31(10):1220-1227, doi:10.1145/63039.63045.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

N_DAYS = 4096  # a power of 2
HEAP, DAY, FREE, WAITING = range(4)  # counters

# How all of asynchronous updating is compiled. Nothing is allocated, so numba need not count references (_nrt), which
# took half of the time.
OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}
compiled: Any = njit(cache=True, **OPTIONS)


class Queue(NamedTuple):
    """heap_*: [capacity] events of the day. heads: [days] first entry of each later day; -1: none. entry_*: [capacity].

    counters: size of the heap, the day, the first free entry, entries in lists. width: ms, of a day.
    """

    heap_time: Any
    heap_key: Any
    heads: Any
    entry_time: Any
    entry_key: Any
    entry_next: Any
    counters: Any
    width: float


def empty_queue(capacity: int, width: float, now: float) -> Queue:
    """A queue for events after `now` (ms), with days of `width` ms."""
    follows = np.arange(1, capacity + 1)
    counters = np.array([0, int(now / width), 0, 0])
    heads = np.full(N_DAYS, -1)
    return Queue(
        np.empty(capacity), np.empty(capacity, np.int64), heads,
        np.empty(capacity), np.empty(capacity, np.int64), follows, counters, width,
    )  # fmt: skip


@compiled
def _to_heap(queue, time, key):
    times, keys = queue.heap_time, queue.heap_key
    place = queue.counters[HEAP]
    queue.counters[HEAP] = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if times[above] < time or (times[above] == time and keys[above] < key):
            break
        times[place], keys[place] = times[above], keys[above]
        place = above
    times[place], keys[place] = time, key


@compiled
def pop(queue):
    """Take the first event off the heap."""
    times, keys = queue.heap_time, queue.heap_key
    size = queue.counters[HEAP] - 1
    queue.counters[HEAP] = size
    time, key, place = times[size], keys[size], 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            times[other] < times[below] or (times[other] == times[below] and keys[other] < keys[below])
        ):
            below = other
        if time < times[below] or (time == times[below] and key < keys[below]):
            break
        times[place], keys[place] = times[below], keys[below]
        place = below
    times[place], keys[place] = time, key


@compiled
def push(queue, time, key):
    """Put an event on the calendar. What lies beyond its last day waits there."""
    counters, n_days = queue.counters, queue.heads.shape[0]
    ahead = int(time / queue.width) - counters[DAY]
    if ahead < 1:
        _to_heap(queue, time, key)
        return
    day = (counters[DAY] + min(ahead, n_days - 1)) & (n_days - 1)
    entry = counters[FREE]
    counters[FREE] = queue.entry_next[entry]
    counters[WAITING] += 1
    queue.entry_time[entry], queue.entry_key[entry], queue.entry_next[entry] = time, key, queue.heads[day]
    queue.heads[day] = entry


@compiled
def next_day(queue):
    """Begin the next day: its events go to the heap, or back onto the calendar where they lie further ahead."""
    counters = queue.counters
    counters[DAY] += 1
    day = counters[DAY] & (queue.heads.shape[0] - 1)
    entry = queue.heads[day]
    queue.heads[day] = -1
    while entry >= 0:
        after = queue.entry_next[entry]
        queue.entry_next[entry] = counters[FREE]
        counters[FREE] = entry
        counters[WAITING] -= 1
        push(queue, queue.entry_time[entry], queue.entry_key[entry])
        entry = after


@compiled
def move(old, new):
    """Put all that waits in one queue into another, of another width or capacity."""
    for place in range(old.counters[HEAP]):
        push(new, old.heap_time[place], old.heap_key[place])
    for day in range(old.heads.shape[0]):
        entry = old.heads[day]
        while entry >= 0:
            push(new, old.entry_time[entry], old.entry_key[entry])
            entry = old.entry_next[entry]


@compiled
def push_all(queue, times, keys):
    for n in range(times.shape[0]):
        push(queue, times[n], keys[n])
