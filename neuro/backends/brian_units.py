"""Parameters of models, rules and short-term plasticity as quantities of brian2."""

import dataclasses
from typing import Any

import brian2 as b2
import numpy as np

# Our units: as a quantity, and as brian2 declares a parameter of that dimension.
UNITS: dict[str, tuple[Any, str]] = {
    "1": (1.0, "1"),
    "ms": (b2.ms, "second"),
    "1/ms": (1 / b2.ms, "hertz"),
    "mV": (b2.mV, "volt"),
    "mV/ms": (b2.mV / b2.ms, "volt/second"),
    "1/(mV ms)": (1 / (b2.mV * b2.ms), "hertz/volt"),
    "pA": (b2.pA, "amp"),
    "pF": (b2.pF, "farad"),
    "nS": (b2.nS, "siemens"),
    "GOhm": (b2.Gohm, "ohm"),
    "Hz": (b2.Hz, "hertz"),
    "uM": (b2.umolar, "mmolar"),
    "uM/ms": (b2.umolar / b2.ms, "mmolar/second"),
    "1/(uM ms)": (1 / (b2.umolar * b2.ms), "hertz/mmolar"),
}


def parameters(model: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The parameters of a model or a rule as quantities, and the declarations of those given per neuron."""
    parameters, declared = {}, {}
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if "unit" in field.metadata and not isinstance(value, str):
            unit, declaration = UNITS[field.metadata["unit"]]
            parameters[field.name] = np.asarray(value, float) * unit if np.ndim(value) else value * unit
            if np.ndim(value):
                declared[field.name] = declaration
    return parameters, declared


def short_term_parameters(short_term: Any) -> dict[str, Any]:
    """As quantities; a facilitation that is gone at once has the time constant that its coefficients give it."""
    tau_facil = -1.0 / short_term.coefficients().k_facil
    return parameters(short_term)[0] | {"tau_facil": tau_facil * UNITS["ms"][0]}


def unit_of(group: Any, field: str) -> Any:
    """Our unit of a variable, from its dimensions."""
    dimensions = group.variables[field].dim
    return next(unit for unit, _ in UNITS.values() if b2.get_dimensions(unit) == dimensions)
