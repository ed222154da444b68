"""The kernels of the backend triton_event that are the same for all models: delivery, Poisson drives, the clock.

Spikes of all steps lie one after the other: those of step t are ids[offsets[t]] up to ids[offsets[t + 1]]. The step is
read from device memory (`clock`), so that a step is launched with the same arguments every time.
"""

import triton
import triton.language as tl

from neuro.backends.triton_dialect import hash_bits, interpreted


def spread() -> tuple[tuple[int, int], dict[str, int]]:
    """How to launch a kernel over (spikes, blocks of their synapses), whose numbers the host does not know."""
    return ((1, 1), {"BLOCK": 1024}) if interpreted() else ((512, 4), {"BLOCK": 256})


@triton.jit
def deliver(clock, n_steps, ids, offsets, row, target, delay, weight, arrivals, depth, n_slots, events,
            BLOCK: tl.constexpr):  # fmt: skip
    """Add the weights of the synapses of this step's spikes to what arrives after their delays (CSR rows).

    arrivals: a ring [depth, n_slots]. events: counts deliveries that come before the end.
    """
    t = tl.load(clock)
    last = tl.load(offsets + t + 1)
    n = tl.zeros((BLOCK,), tl.int32)
    for q in range(tl.load(offsets + t) + tl.program_id(0), last, tl.num_programs(0)):
        i = tl.load(ids + q)
        end = tl.load(row + i + 1)
        for start in range(tl.load(row + i) + tl.program_id(1) * BLOCK, end, tl.num_programs(1) * BLOCK):
            e = start + tl.arange(0, BLOCK)
            inside = e < end
            arrives = t + tl.load(delay + e, mask=inside, other=0)
            j = tl.load(target + e, mask=inside, other=0)
            w = tl.load(weight + e, mask=inside, other=0.0)
            tl.atomic_add(arrivals + (arrives % depth) * n_slots + j, w, mask=inside, sem="relaxed")
            n += (inside & (arrives < n_steps)).to(tl.int32)
    tl.atomic_add(events, tl.sum(n).to(tl.int64), sem="relaxed")


@triton.jit
def drive(clock, n, first, key, bounds, n_bounds, weight, arrivals, depth, n_slots, events, BLOCK: tl.constexpr):
    """Add a weight times a Poisson number to what arrives now; numbers are those of neuro/poisson.py.

    key, bounds: 32 bits each, as int32. weight: in memory, of the dtype of the simulation. first: slot of neuron 0.
    """
    t = tl.load(clock)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    bits = hash_bits(place.to(tl.uint32), t.to(tl.uint32), tl.load(key).to(tl.uint32, bitcast=True))
    count = tl.zeros((BLOCK,), tl.int32)
    for q in range(n_bounds):
        count += (bits >= tl.load(bounds + q).to(tl.uint32, bitcast=True)).to(tl.int32)
    count = tl.where(inside, count, 0)
    slot = arrivals + (t % depth) * n_slots + first + place
    w = tl.load(weight)
    tl.store(slot, tl.load(slot, mask=inside, other=0.0) + w * count.to(w.dtype), mask=inside)
    tl.atomic_add(events, tl.sum(count).to(tl.int64), sem="relaxed")


@triton.jit
def tick(clock, offsets):
    """The next step begins: its spikes follow those of this one."""
    t = tl.load(clock)
    tl.store(offsets + t + 2, tl.load(offsets + t + 1))
    tl.store(clock, t + 1)
