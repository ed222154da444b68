"""The loops of the random connectors, compiled by numba. Only `neuro.connectors` imports them, when it draws.

Each kernel makes two passes over the same random numbers: the first counts the synapses of every presynaptic
neuron, the second writes them. So nothing but the final arrays is ever held.

Random words come from SplitMix64, one stream for a projection: mix(seed + n * GAMMA) for n = 1, 2, ... Whole
numbers below n are exactly uniform; real ones have 53 bits.

References: steele2014 (SplitMix64, figure 17), lemire2019 (whole numbers below n), batagelj2005 (skipping to
the next success), bentley1987 (Floyd's sample without replacement).
"""

import math

import numpy as np
from numba import njit

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
LOW_32 = np.uint64(0xFFFFFFFF)


@njit(cache=True)
def next_word(state):
    """The next 64 random bits; state: uint64 [1], moved on."""
    state[0] += GAMMA
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def uniform(state):
    """A number from [0, 1), a multiple of 2^-53."""
    return (next_word(state) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def below(state, n):
    """A whole number from 0 to n - 1, each equally likely; n < 2^32."""
    n = np.uint64(n)
    product = (next_word(state) >> np.uint64(32)) * n
    if product & LOW_32 < n:
        reject = (np.uint64(1 << 32) - n) % n
        while product & LOW_32 < reject:
            product = (next_word(state) >> np.uint64(32)) * n
    return np.int64(product >> np.uint64(32))


@njit(cache=True)
def bernoulli(seed, p, x_pre, x_post, sides, autapses):
    """Connect each pair, independently, with probability p exp(-distance^2); without positions, with p.

    Pairs are passed row by row. The gap to the next one that p lets through is geometric, and each of these
    stays with probability exp(-distance^2). x_pre, x_post: positions [n, d], in units of the length over which
    the probability falls; d may be 0. sides: of the periodic box, 0 where there is no border [d].
    """
    n_pre, n_post = x_pre.shape[0], x_post.shape[0]
    log_miss = math.log1p(-p) if p < 1.0 else -math.inf
    state = np.empty(1, np.uint64)
    offsets = np.zeros(n_pre + 1, np.int64)
    targets = np.empty(0, np.int32)
    for fill in (False, True):
        state[0] = seed
        i, j, found = 0, -1, 0
        while p > 0.0 and not (fill and found == targets.shape[0]):
            gap = math.log(1.0 - uniform(state)) / log_miss
            if gap >= (n_pre - i) * float(n_post) - j:
                break  # far beyond the last pair, where a whole number might overflow
            j += 1 + np.int64(gap)
            if j >= n_post:
                i += j // n_post
                j %= n_post
            if i >= n_pre:
                break
            stays = autapses or i != j
            if sides.shape[0] > 0:
                stays &= uniform(state) < math.exp(-distance2(x_pre, i, x_post, j, sides))
            if fill:
                targets[found] = j  # the next one overwrites it if it does not stay: a branch here would
                found += stays  # be guessed wrong too often, and take more time than all the rest
            else:
                offsets[i + 1] += stays
        if not fill:
            offsets = np.cumsum(offsets)
            targets = np.empty(offsets[-1], np.int32)
    return offsets, targets


@njit(cache=True)
def distance2(x, i, y, j, sides):
    """The squared distance of points x[i] and y[j], through the nearest border where a side is periodic."""
    total = 0.0
    for d in range(sides.shape[0]):
        difference = x[i, d] - y[j, d]
        if sides[d] > 0.0:
            difference -= sides[d] * math.floor(difference / sides[d] + 0.5)
        total += difference * difference
    return total


@njit(cache=True)
def distance_probability(x_pre, x_post, sides):
    """The sum of exp(-distance^2) over all pairs."""
    total = 0.0
    for i in range(x_pre.shape[0]):
        for j in range(x_post.shape[0]):
            total += math.exp(-distance2(x_pre, i, x_post, j, sides))
    return total


@njit(cache=True)
def in_degree(seed, k, n_pre, n_post, autapses):
    """Give each postsynaptic neuron k different partners. It is their turn in order, so that rows rise."""
    state = np.empty(1, np.uint64)
    offsets = np.zeros(n_pre + 1, np.int64)
    targets = np.empty(0, np.int32)
    next_free = offsets
    for fill in (False, True):
        state[0] = seed
        taken_by = np.full(n_pre, -1, np.int32)
        partners = np.empty(k, np.int32)
        for j in range(n_post):
            draw_partners(state, j, n_pre, autapses, taken_by, partners)
            for i in partners:
                if fill:
                    targets[next_free[i]] = j
                    next_free[i] += 1
                else:
                    offsets[i + 1] += 1
        if not fill:
            offsets = np.cumsum(offsets)
            targets = np.empty(offsets[-1], np.int32)
            next_free = offsets[:-1].copy()
    return offsets, targets


@njit(cache=True)
def out_degree(seed, k, n_pre, n_post, autapses):
    """Give each presynaptic neuron k different partners."""
    state = np.full(1, seed, np.uint64)
    targets = np.empty(n_pre * k, np.int32)
    taken_by = np.full(n_post, -1, np.int32)
    for i in range(n_pre):
        row = targets[i * k : (i + 1) * k]
        draw_partners(state, i, n_post, autapses, taken_by, row)
        if n_post > 16 * k:
            row.sort()
            continue
        q = 0
        for j in range(n_post):  # faster than sorting, where partners are many
            if taken_by[j] == i:
                row[q] = j
                q += 1
    return np.arange(n_pre + 1) * k, targets


@njit(cache=True)
def draw_partners(state, neuron, n, autapses, taken_by, partners):
    """Fill partners with different neurons out of n, every subset equally likely (Floyd).

    taken_by: scratch [n], which must not hold the number of this neuron yet; afterwards its partners do.
    Without autapses the sample is taken from n - 1, and those from `neuron` on move up by one.
    """
    k = partners.shape[0]
    first = (n if autapses else n - 1) - k
    for last in range(first, first + k):
        drawn = below(state, last + 1)
        partner = drawn + (not autapses and drawn >= neuron)
        if taken_by[partner] == neuron:
            partner = last + (not autapses and last >= neuron)
        taken_by[partner] = neuron
        partners[last - first] = partner


@njit(cache=True)
def order_by(keys, n_keys, order, ordered):
    """Write `order` to `ordered` so that keys[ordered] rises, and what has the same key keeps its order."""
    place = np.zeros(n_keys + 1, np.int64)
    for q in range(keys.shape[0]):
        place[keys[q] + 1] += 1
    place = np.cumsum(place)
    for q in order:
        ordered[place[keys[q]]] = q
        place[keys[q]] += 1


@njit(cache=True)
def pick(numbers, order):
    """numbers[order] as int32, without a copy of another type on the way."""
    picked = np.empty(order.shape[0], np.int32)
    for q in range(order.shape[0]):
        picked[q] = numbers[order[q]]
    return picked
