"""What holds for every registered model and rule: units, sources, the dialect."""

import ast
import dataclasses
import inspect
import textwrap

import numpy as np
import pytest

from neuro import dialect, neurons, plasticity
from neuro.references import REFERENCES
from neuro.units import UNITS, check

RESERVED = {"i", "t", "dt", "N", "xi"}  # by brian2
RULE_FUNCTIONS = ("decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post")

CLASSES = {**neurons.NEURONS, **plasticity.RULES}
NAMED_SETS = {
    f"{key}-{name}": item
    for sets in (neurons.SETS, plasticity.SETS)
    for key, named in sets.items()
    for name, item in named.items()
}
DYNAMICS = {f"{key}-step": model.step for key, model in neurons.NEURONS.items()} | {
    f"{key}-{name}": getattr(rule, name)
    for key, rule in plasticity.RULES.items()
    for name in (*RULE_FUNCTIONS, "on_interval")
    if name in RULE_FUNCTIONS or hasattr(rule, name)
}


def test_every_registered_item_has_named_sets():
    assert set(neurons.SETS) == set(neurons.NEURONS)
    assert set(plasticity.SETS) == set(plasticity.RULES)
    for key, named in {**neurons.SETS, **plasticity.SETS}.items():
        assert named, f"{key} has no named set"
        assert all(isinstance(item, CLASSES[key]) for item in named.values())


@pytest.mark.parametrize("key", CLASSES)
def test_numbers_are_declared_with_unit_and_meaning(key):
    for field in dataclasses.fields(CLASSES[key]):
        if field.name == "source":
            continue
        assert field.metadata.get("unit") in UNITS, f"{field.name} has no unit: declare it with param(...)"
        assert field.metadata.get("doc"), f"{field.name} has no meaning"
        assert field.default is dataclasses.MISSING, f"{field.name} has a default; numbers live in named sets"


@pytest.mark.parametrize("key", CLASSES)
def test_classes_are_frozen(key):
    assert CLASSES[key].__dataclass_params__.frozen


@pytest.mark.parametrize("name", NAMED_SETS)
def test_named_sets_are_valid_and_have_a_reference(name):
    check(NAMED_SETS[name])
    assert NAMED_SETS[name].source in REFERENCES


@pytest.mark.parametrize("key", REFERENCES)
def test_references_can_be_found(key):
    assert "doi:10." in REFERENCES[key] or "https://" in REFERENCES[key], "a reference gives its DOI or its address"


@pytest.mark.parametrize("name", NAMED_SETS)
def test_coefficients_are_numbers_and_the_state_starts_finite(name):
    item = NAMED_SETS[name]
    assert all(np.isfinite(value) for value in item.coefficients(0.1))
    if hasattr(item, "initial"):
        start = item.initial()
        assert isinstance(start, item.State)
        assert all(np.isfinite(value) for value in start)


@pytest.mark.parametrize("key", neurons.NEURONS)
def test_state_names_are_not_reserved_by_brian2(key):
    assert not RESERVED & set(neurons.NEURONS[key].State._fields)


@pytest.mark.parametrize("key", plasticity.RULES)
def test_trace_names_are_not_reserved_by_brian2(key):
    rule = plasticity.RULES[key]
    assert not RESERVED & {*rule.Synapse._fields, *rule.PreTraces._fields, *rule.PostTraces._fields}


@pytest.mark.parametrize("key", neurons.NEURONS)
def test_a_model_is_written_a_second_time_for_brian2(key):
    model = neurons.NEURONS[key]
    assert model.EQUATIONS and model.ON_ARRIVAL and model.METHOD
    assert bool(model.THRESHOLD) == bool(model.RESET) == (not model.graded)


# The dialect.

OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.BitAnd, ast.BitOr,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
SYNTAX = (
    ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.Name, ast.Load, ast.Store, ast.Attribute,
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Constant, ast.Tuple, ast.Expr,
)  # fmt: skip


def complaints(function):
    """What in a function is not of the dialect, in words."""
    function = getattr(function, "__func__", function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    arguments = {argument.arg for argument in tree.args.args}
    local = set(arguments)
    in_comparison = {id(node) for test in ast.walk(tree) if isinstance(test, ast.Compare) for node in ast.walk(test)}
    found = []
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    for node in [node for statement in body for node in ast.walk(statement)]:
        if not isinstance(node, SYNTAX + OPERATORS):
            found.append(f"{type(node).__name__} is not in the dialect")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id in arguments:
                found.append(f"argument {node.id} is written to")
            local.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.append(f"{ast.unparse(node)} is written in place")
        elif isinstance(node, ast.Constant) and id(node) not in in_comparison:
            found.append(f"literal {node.value!r} outside a comparison: make it a coefficient")
        elif isinstance(node, ast.Call):
            name, target = ast.unparse(node.func), function.__globals__.get(ast.unparse(node.func))
            is_state = isinstance(target, type) and issubclass(target, tuple) and hasattr(target, "_fields")
            if name not in dialect.FUNCTIONS and not is_state:
                found.append(f"{name} is not one of {dialect.FUNCTIONS} nor a state")
            elif name in dialect.FUNCTIONS and target is not getattr(dialect, name):
                found.append(f"{name} does not come from neuro.dialect")
    for node in [node for statement in body for node in ast.walk(statement)]:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in local:
            if node.id not in dialect.FUNCTIONS and not isinstance(function.__globals__.get(node.id), type):
                found.append(f"{node.id} comes from outside the function")
    return found


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_use_only_the_dialect(name):
    assert complaints(DYNAMICS[name]) == []


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_have_the_arguments_of_their_kind(name):
    wanted = {
        "step": ["s", "x", "c"], "decay_pre": ["x", "c"], "decay_post": ["y", "c"], "spike_pre": ["x", "c"],
        "spike_post": ["y", "c"], "on_pre": ["s", "x", "y", "m", "c"], "on_post": ["s", "x", "y", "m", "c"],
        "on_interval": ["s", "y", "m", "c"],
    }[name.rsplit("-", 1)[1]]  # fmt: skip
    assert list(inspect.signature(DYNAMICS[name]).parameters) == wanted


def _branches(s, x, c):
    if s.v > 0:
        return x
    return s


def _writes_in_place(s, x, c):
    s.v = x
    return s


def _adds_in_place(s, x, c):
    x += c.one
    return x


def _has_a_literal(s, x, c):
    return 0.5 * x


def _calls_numpy(s, x, c):
    return np.exp(x)


def _reads_a_global(s, x, c):
    return x * RESERVED


def _loops(s, x, c):
    return sum(x for _ in s)


@pytest.mark.parametrize(
    "function",
    [_branches, _writes_in_place, _adds_in_place, _has_a_literal, _calls_numpy, _reads_a_global, _loops],
)
def test_the_check_itself_rejects_what_is_not_of_the_dialect(function):
    assert complaints(function)
