"""The small language in which a step is written, so that every backend can run a copy of it.

A step may use + - * /, comparisons, & |, and the five functions below. The versions here work on plain
Python numbers; `rebind` gives a copy of a step that reads a backend's own.
"""

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS = ("where", "exp", "heaviside", "minimum", "maximum")


def where(condition: bool, a: float, b: float) -> float:
    """a if the condition holds, else b."""
    return a if condition else b


def heaviside(x: float) -> float:
    """1 where x >= 0, else 0. Under autograd, a surrogate gives its derivative."""
    return 1.0 if x >= 0 else 0.0


exp = math.exp
minimum = min
maximum = max


def rebind(function: Callable, names: Mapping[str, Any]) -> Callable:
    """A copy of a function that reads the names of one dialect.

    names: the five functions, and names["dialect"], the dialect's own name. The code object is copied
    and the name changed because compilers cache by both.
    """
    function = getattr(function, "__func__", function)
    copy = types.FunctionType(
        function.__code__.replace(),
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__qualname__ = f"{function.__qualname__}_{names['dialect']}"
    return copy
