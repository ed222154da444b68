"""Machine instructions that numba does not offer: prefetching, and a barrier at which threads wait for each other.

Functions that compiled code alone calls have no wrappers for Python, which take a third of the time to compile. `kept`
on disk, and shared by all kernels, are those that their own file alone determines: numba would not see others change.
"""

import sys
from typing import Any, cast

from llvmlite import ir
from numba import njit, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

WITHIN = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = cast(Any, njit)(**WITHIN)
kept: Any = cast(Any, njit)(cache=True, **WITHIN)


def _pointer(context, builder, signature, arguments):
    """To an element of an array, of which arguments are (array, index)."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def _prefetch(typing_context, array, index):
    """Ask for a cache line that will be read soon."""

    def generate(context, builder, signature, arguments):
        pointer = builder.bitcast(_pointer(context, builder, signature, arguments), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, number(0), number(3), number(1)])  # to read, keep it close, data
        return context.get_dummy_value()

    return types.none(array, types.intp), generate


prefetch: Any = intrinsic(_prefetch)
LINE = 16  # synapses in a cache line
LINES = 8  # of a row that are asked for; what lies behind them follows by itself


@kept
def expect(step, history, fired, depth, size, parts, thread, n_threads, delays, row, target):
    """Ask for the synapses of what arrives in `step`: rows lie far apart, and memory is slow to find them."""
    if delays.shape[0] > 1:
        return
    slot = (step - delays[0]) % depth
    for part in range(n_threads):
        start = slot * size + parts[part]
        for q in range(start, start + fired[part, slot]):
            segment = history[q] * n_threads + thread
            first = row[segment]
            for e in range(first, min(row[segment + 1], first + LINES * LINE), LINE):
                prefetch(target, e)


def _atomic_add(typing_context, array, index, value):
    """Add to an element, and return what it was before."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


atomic_add: Any = intrinsic(_atomic_add)


def _atomic_load(typing_context, array, index):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(context, builder, signature, arguments), "seq_cst", 8)

    return types.int64(array, types.intp), generate


atomic_load: Any = intrinsic(_atomic_load)


PATIENCE = 2000  # looks at the barrier before a thread lets another one have its core
if sys.platform == "win32":

    @kept
    def _give_way():
        pass

else:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @kept
    def _give_way():
        _sched_yield()


@kept
def wait(barrier, n_threads):
    """Return when all threads have come here. barrier: int64, 0 at the start; it counts who came, and never falls."""
    wanted = (atomic_add(barrier, 0, 1) // n_threads + 1) * n_threads
    looks = 0
    while atomic_load(barrier, 0) < wanted:
        looks += 1
        if looks > PATIENCE:
            _give_way()
