"""The unit system, declared parameters, and named parameter sets.

One coherent system: ms, mV, pA, pF, nS, GOhm. No conversion factor occurs in any equation, because
GOhm * pA = mV, pF * mV / ms = pA, GOhm * pF = ms, nS * mV = pA. Concentrations are in uM (micromolar), and their rates
in uM/ms: a published 0.9 uM/s is 0.0009 uM/ms. Mechanics of the ear has cm and g, and ms for the seconds of cgs.

A parameter is declared with its unit and its meaning; numbers live in named sets with a source.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

ELECTRICAL = {"mV", "mV/ms", "1/(mV ms)", "pA", "pF", "nS", "GOhm"}
CHEMICAL = {"uM", "uM/ms", "1/(uM ms)"}
MECHANICAL = {"cm", "1/cm", "g/cm2", "g/cm3", "g/(cm2 ms2)"}
UNITS = frozenset({"1", "ms", "1/ms", "Hz", "px", "samples"} | ELECTRICAL | CHEMICAL | MECHANICAL)

Instance = TypeVar("Instance")


def param(
    unit: str,
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    above: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    search: tuple[float, float] | None = None,
) -> Any:
    """A dataclass field with a unit, a meaning and the range of values that make sense.

    above is an exclusive lower bound; minimum and maximum are inclusive. search: the range in which a
    hyper-parameter is tuned, evenly in its logarithm.
    """
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is not in the unit system; use one of {sorted(UNITS)}")
    metadata = {
        "unit": unit, "doc": doc, "above": above, "minimum": minimum, "maximum": maximum, "search": search,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def choice(doc: str, options: Iterable[str], *, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that names one of a few options."""
    metadata = {"unit": "1", "doc": doc, "options": tuple(options)}
    return dataclasses.field(default=default, metadata=metadata)


def reference() -> Any:
    """The field that says where a parameter set comes from: a key of neuro.references, or a reason."""
    return dataclasses.field(metadata={"doc": "where the numbers come from"})


def decay(dt: float, tau: Any) -> Any:
    """exp(-dt / tau): what is left after dt (ms) of what decays with tau (ms, a number or one a neuron).

    Of a tensor it is a tensor: time constants can be learned.
    """
    return (-dt / tau).exp() if hasattr(tau, "exp") else np.exp(-dt / np.asarray(tau))


def check(instance: object) -> None:
    """Raise ValueError unless every declared parameter of a dataclass is finite and within range."""
    for field in dataclasses.fields(instance):  # type: ignore[arg-type]
        if "unit" in field.metadata:
            name = f"{type(instance).__name__}.{field.name}"
            _check_value(name, getattr(instance, field.name), field.metadata)


def _check_value(name: str, value: Any, metadata: Any) -> None:
    options = metadata.get("options")
    if options is not None:
        if value not in options:
            raise ValueError(f"{name} = {value!r}: {unknown('option', value, options)}")
        return
    numbers = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if numbers.dtype.kind not in "iuf":
        return
    unit = "" if metadata["unit"] == "1" else f" {metadata['unit']}"
    if not np.all(np.isfinite(numbers)):
        raise ValueError(f"{name} = {value}{unit} is not finite; give a finite number")
    above, low, high = metadata["above"], metadata["minimum"], metadata["maximum"]
    if above is not None and np.any(numbers <= above):
        raise ValueError(f"{name} = {value}{unit} is out of range; give a value above {above:g}{unit}")
    if low is not None and np.any(numbers < low):
        raise ValueError(f"{name} = {value}{unit} is out of range; give at least {low:g}{unit}")
    if high is not None and np.any(numbers > high):
        raise ValueError(f"{name} = {value}{unit} is out of range; give at most {high:g}{unit}")


def vary(base: Instance, *, source: str, **changes: Any) -> Instance:
    """A parameter set derived from another. It demands a source of its own.

    A parameter of a neuron may be given as an array, one value a neuron.
    """
    names = [field.name for field in dataclasses.fields(base)]  # type: ignore[arg-type]
    for name in changes:
        if name not in names:
            raise ValueError(unknown(f"parameter of {type(base).__name__}", name, names))
    changed = dataclasses.replace(base, source=source, **changes)  # type: ignore[type-var]
    check(changed)
    return changed


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The text of an error about a name that does not exist, with the nearest one that does."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"


def steps(time: float, dt: float, what: str) -> int:
    """A time as a number of steps of dt. ValueError, which names `what`, if it is not a whole one."""
    if not math.isfinite(time) or time < 0:
        raise ValueError(f"{what} {time} ms must be finite and not negative")
    n_steps = round(time / dt)
    if abs(n_steps * dt - time) > 1e-6 * dt:
        below = math.floor(time / dt) * dt
        near = f"use {below:.10g} or {below + dt:.10g}"
        raise ValueError(f"{what} {time:.10g} ms is not a multiple of dt = {dt:.10g} ms; {near}.")
    return n_steps
