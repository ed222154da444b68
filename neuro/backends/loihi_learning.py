"""The learning engine of Loihi, compiled by numba: traces, and sums of their products at spikes.

The rule and its order of operations: neuro/plasticity/sum_of_products.py. Random bits are a hash of (place, step,
key), as in neuro/poisson.py: the same seed gives the same weights.

Axes: Q plastic projection, N compartment or source, M product.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro import poisson
from neuro.backends.event_dialect import inner
from neuro.backends.loihi_weights import bounds
from neuro.plasticity.sum_of_products import FACTORS, SumOfProducts
from neuro.poisson import hash_bits
from neuro.units import decay

BELOW = 7  # bits of the sum below those of the weight
TRACE_BITS, DECAY_BITS, MOST_FACTORS = 7, 12, 4
LARGEST_TRACE = 2**TRACE_BITS - 1
LARGEST_SUM = 2**15 - 1
FULL = np.uint32(2**32 - 1)

_hash = njit(inline="always")(hash_bits)


class Plastic(NamedTuple):
    """The plastic projections. projection: their numbers; empty for none. pre, post: numbers of their populations.

    traces_Q5N: x1, x2, y1, y2, y3. keep_Q5: what a step leaves of them, of 4096. grid_Q: bits from the sum to the grid
    of the mantissas. up_Q: shift from a mantissa to what is sent. factors_MF: places in FACTORS, -1 for none.
    """

    projection: NDArray[np.int64]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    traces_Q5N: NDArray[np.int64]
    keep_Q5: NDArray[np.int64]
    impulse_Q5: NDArray[np.int64]
    is_stochastic: NDArray[np.bool_]
    key: NDArray[np.uint32]
    grid: NDArray[np.int64]
    up: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    post_offset: NDArray[np.int64]
    products: NDArray[np.int64]
    scale_M: NDArray[np.int64]
    exponent_M: NDArray[np.int64]
    factors_MF: NDArray[np.int64]


def plastic_of(rules: list[tuple[int, int, int, SumOfProducts, Any, int, str]], size: int, dt: float, seed: int):
    """The Plastic of projections: (number, pre, post, rule, Mantissas, accumulator minus compartment, name) of each."""
    n, products = len(rules), [product for rule in rules for product in rule[3].products]
    factors_MF = np.full((len(products), MOST_FACTORS), -1, np.int64)
    for m, product in enumerate(products):
        factors_MF[m, : len(product.factors)] = [FACTORS.index(factor) for factor in product.factors]
    limits = [bounds(rule[4].is_mixed, bool(rule[4].values.min(initial=0) < 0)) for rule in rules]
    keep = [[round(4096 * float(decay(dt, tau))) for tau in (*rule[3].tau_x, *rule[3].tau_y)] for rule in rules]
    return Plastic(
        projection=np.array([rule[0] for rule in rules], np.int64),
        pre=np.array([rule[1] for rule in rules], np.int64),
        post=np.array([rule[2] for rule in rules], np.int64),
        traces_Q5N=np.zeros((n, 5, size if n else 0), np.int64),
        keep_Q5=np.array(keep, np.int64).reshape(n, 5),
        impulse_Q5=np.array([(*rule[3].impulse_x, *rule[3].impulse_y) for rule in rules], np.int64).reshape(n, 5),
        is_stochastic=np.array([rule[3].is_stochastic for rule in rules], np.bool_),
        key=np.array([poisson.key(seed, f"{rule[6]}.learning", 0) for rule in rules], np.uint32),
        grid=np.array([BELOW + rule[4].is_mixed for rule in rules], np.int64),
        up=np.array([max(rule[4].exponent, 0) for rule in rules], np.int64),
        low=np.array([low for low, _ in limits], np.int64),
        high=np.array([high for _, high in limits], np.int64),
        post_offset=np.array([rule[5] for rule in rules], np.int64),
        products=np.cumsum([0, *(len(rule[3].products) for rule in rules)]).astype(np.int64),
        scale_M=np.array([product.scale for product in products], np.int64),
        exponent_M=np.array([product.exponent for product in products], np.int64),
        factors_MF=factors_MF,
    )


@inner
def rounded_shift(value, n_bits, place, step, key, is_stochastic, otherwise):
    """value 2^-n_bits as an integer: with random bits added before the shift, or the constant `otherwise`."""
    if not is_stochastic:
        return (value + otherwise) >> n_bits
    bits = np.int64(_hash(np.uint32(place & FULL), np.uint32(step & FULL), key)) & ((1 << n_bits) - 1)
    return (value + bits) >> n_bits


@inner
def advance_traces(step, chip, now, plastic, q):
    """Traces decay, then take up the spikes of this step; x of the presynaptic, y of the postsynaptic neurons."""
    for r in range(5):
        p = plastic.pre[q] if r < 2 else plastic.post[q]
        trace, keep, impulse = plastic.traces_Q5N[q, r], plastic.keep_Q5[q, r], plastic.impulse_Q5[q, r]
        for j in range(chip.first[p], chip.first[p + 1]):
            if trace[j] != 0:
                key = plastic.key[q] + np.uint32(r + 1)
                trace[j] = rounded_shift(trace[j] * keep, DECAY_BITS, j, step, key, plastic.is_stochastic[q], 0)
            if now.fired[j]:
                trace[j] = min(trace[j] + impulse, LARGEST_TRACE)


@inner
def change_of(plastic, q, factors):
    """The sum of products, in units of 2^-7 of the mantissa's."""
    total = 0
    for m in range(plastic.products[q], plastic.products[q + 1]):
        product = plastic.scale_M[m]
        for place in plastic.factors_MF[m]:
            if place >= 0:
                product *= factors[place]
        shift = plastic.exponent_M[m] + BELOW
        total += product << shift if shift >= 0 else product >> -shift
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def learn(step, chip, now, plastic):
    """One step of every plastic projection."""
    factors = np.zeros(8, np.int64)
    for q in range(plastic.projection.shape[0]):
        advance_traces(step, chip, now, plastic, q)
        pre, post = plastic.pre[q], plastic.post[q]
        any_post = False
        for j in range(chip.first[post], chip.first[post + 1]):
            any_post |= now.fired[j] != 0
        base = chip.row_base[plastic.projection[q]] - chip.first[pre]
        half = np.int64(1) << (plastic.grid[q] - 1)
        for i in range(chip.first[pre], chip.first[pre + 1]):
            if not any_post and now.fired[i] == 0:
                continue
            for e in range(chip.row[base + i], chip.row[base + i + 1]):
                j = chip.target[e] - plastic.post_offset[q]
                if now.fired[i] == 0 and now.fired[j] == 0:
                    continue
                factors[0], factors[1] = now.fired[i], now.fired[j]
                for r in range(5):
                    factors[2 + r] = plastic.traces_Q5N[q, r, i if r < 2 else j]
                w = np.int64(now.values[e] >> plastic.up[q])
                factors[7] = w
                total = (w << BELOW) + change_of(plastic, q, factors)
                total = min(max(total, -LARGEST_SUM - 1), LARGEST_SUM)
                new = rounded_shift(total, plastic.grid[q], e, step, plastic.key[q], plastic.is_stochastic[q], half)
                new = min(max(new << (plastic.grid[q] - BELOW), plastic.low[q]), plastic.high[q])
                now.values[e] = new << plastic.up[q]
