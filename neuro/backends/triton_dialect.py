"""The dialect of the backends in Triton, and the hash of neuro/poisson.py for their kernels.

The steps of the models are compiled from `rebind(step, TRITON)`; kernels in the generated modules call the same
functions. TRITON_INTERPRET=1, set before Triton is imported, runs all of it on the CPU, in NumPy.

Deviations: on a GPU `exp` and `/` in float32 are Triton's fast ones, which are not rounded correctly; `+ - *` are
rounded as IEEE 754 has it, because kernels are launched without fused multiplication and addition.
"""

from typing import Any

import triton
import triton.language as tl
from triton import knobs


@triton.jit
def where(condition, a, b):
    return tl.where(condition, a, b)


@triton.jit
def exp(x):
    return tl.exp(x)


@triton.jit
def heaviside(x):
    return (x >= 0).to(x.dtype)


@triton.jit
def minimum(a, b):
    return tl.where(a < b, a, b)


@triton.jit
def maximum(a, b):
    return tl.where(a > b, a, b)


TRITON = {
    "dialect": "triton",
    "tl": tl,  # the interpreter demands that a function sees it
    "where": where,
    "exp": exp,
    "heaviside": heaviside,
    "minimum": minimum,
    "maximum": maximum,
}


@triton.jit
def hash_bits(neuron, step, key):
    """32 bits that belong to a neuron, a step and a key; all uint32, wrapping around."""
    a, b = tl.full((), 1664525, tl.uint32), tl.full((), 1013904223, tl.uint32)
    x = neuron * a + b
    y = step * a + b
    z = key * a + b
    x = x + y * z
    y = y + z * x
    z = z + x * y
    x = x ^ (x >> 16)
    y = y ^ (y >> 16)
    z = z ^ (z >> 16)
    return x + y * z


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU."""
    return bool(knobs.runtime.interpret)


def grid(n: int) -> tuple[tuple[int], dict[str, Any]]:
    """How to launch a kernel over n places: programs, and the arguments that all kernels share.

    The interpreter runs one program after the other in Python, so there blocks are large.
    """
    block = min(triton.next_power_of_2(n), 1 << 16) if interpreted() else 256
    return (triton.cdiv(n, block),), {"BLOCK": block, "enable_fp_fusion": False}
