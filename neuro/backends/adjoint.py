"""The adjoint of a step: what the gradient of its results is in its state and its arrivals.

A step of the dialect is a list of assignments without branches, so that it can be differentiated as text:

    t = a b:   t* = gradient of the loss in t;   a* <- a* + b t*,   b* <- b* + a t*

and likewise for the rest of the dialect, from the last assignment to the first. Comparisons pass no gradient, a spike
that of a surrogate, whose derivative is given as the name `derivative`. What nobody reads is left out.

Names in what is written: s_FIELD and x_RECEPTOR (the arguments), c_FIELD, output; g_output, g_FIELD are the gradients
in what the step returns, which come in; dx_RECEPTOR, ds_FIELD those in its arguments, which go out.

References: griewank2008 (reverse mode of automatic differentiation, chapter 3).
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitAnd: "&", ast.BitOr: "|",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


class Assignment(NamedTuple):
    """name = operator(operands); every name is assigned once. Operands are names or numbers."""

    name: str
    operator: str
    operands: tuple[str, ...]

    @property
    def text(self) -> str:
        a = self.operands
        if not self.operator:
            return f"{self.name} = {a[0]}"
        if self.operator.isidentifier():
            return f"{self.name} = {self.operator}({', '.join(a)})"
        return f"{self.name} = " + (f" {self.operator} ".join(a) if len(a) == 2 else f"{self.operator}{a[0]}")


class Adjoint(NamedTuple):
    """argument: lines that compute that of the spike, `argument`, from s_, x_ and c_ (none for a graded model).

    lines: from the gradients of the results to those of the arguments. reads: the names that they need, of s_, x_ and
    c_, `output` and `derivative`, and `zero` where an argument changes nothing.
    """

    argument: list[str]
    lines: list[str]
    reads: frozenset[str]


def adjoint(model: Any) -> Adjoint:
    """Differentiate the step of a model."""
    step = _Step(model.step, model.receptors, model.State._fields)
    back = _Reverse(step)
    ins = {**{f"g_{field}": value for field, value in step.state.items()}, "g_output": step.output}
    for name, value in ins.items():
        back.add(value, name)
    for assignment in reversed(step.tape):
        back.through(assignment)
    for kind, names in (("s", model.State._fields), ("x", model.receptors)):
        for name in names:
            back.tape.append(Assignment(f"d{kind}_{name}", "", (back.gradients.get(f"{kind}_{name}", "zero"),)))
    given = [Assignment(step.spike, "", ("output",)) if a.name == step.spike else a for a in step.tape]
    wanted = {f"ds_{field}" for field in model.State._fields} | {f"dx_{receptor}" for receptor in model.receptors}
    lines, reads = _live(given + back.tape, wanted)
    argument = []
    if step.argument:
        argument, _ = _live([*step.tape, Assignment("argument", "", (step.argument,))], {"argument"})
    return Adjoint(argument, lines, reads)


def _live(tape: list[Assignment], wanted: set[str]) -> tuple[list[str], frozenset[str]]:
    """The lines that lead to what is wanted, and what they read that none of them assigns."""
    lines, assigned = [], {a.name for a in tape}
    for assignment in reversed(tape):
        if assignment.name in wanted:
            lines.append(assignment.text)
            wanted = wanted | {name for name in assignment.operands if name[0].isalpha()}
    return lines[::-1], frozenset(wanted - assigned)


class _Step:
    """The assignments of a step, each name once. spike: the name of heaviside(argument); empty where there is none."""

    def __init__(self, step: Callable, receptors: tuple[str, ...], fields: tuple[str, ...]):
        tree: Any = ast.parse(textwrap.dedent(inspect.getsource(step))).body[0]
        self.s, self.x, self.c = (argument.arg for argument in tree.args.args)
        self.receptors, self.tape, self.names = receptors, [], {}
        self.spike = self.argument = ""
        body = tree.body[1:] if ast.get_docstring(tree) else tree.body
        for statement in body[:-1]:
            self._assign(statement.targets[0], statement.value)
        output, state = body[-1].value.elts
        self.output = self._value(output)
        self.state = {field: self._value(value) for field, value in zip(fields, state.args, strict=True)}

    def _assign(self, target: Any, value: Any) -> None:
        if isinstance(target, ast.Tuple):
            values = [self._value(element) for element in value.elts]  # all before any name changes
            self.names.update(zip((element.id for element in target.elts), values, strict=True))  # type: ignore[attr-defined]
        else:
            self.names[target.id] = self._value(value)

    def _value(self, node: Any) -> str:
        """The name of an expression's value; what it computes is added to the tape."""
        if isinstance(node, ast.Constant):
            return repr(float(node.value))  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return f"x_{self.receptors[0]}" if node.id == self.x else self.names[node.id]
        if isinstance(node, ast.Attribute):
            owner = {self.s: "s", self.x: "x", self.c: "c"}[node.value.id]  # type: ignore[attr-defined]
            return f"{owner}_{node.attr}"
        if isinstance(node, ast.UnaryOp):
            return self._append("-", node.operand)
        if isinstance(node, ast.BinOp):
            return self._append(OPERATORS[type(node.op)], node.left, node.right)
        if isinstance(node, ast.Compare):
            return self._append(OPERATORS[type(node.ops[0])], node.left, node.comparators[0])
        name = self._append(node.func.id, *node.args)
        if node.func.id == "heaviside":
            if self.spike:
                raise ValueError("a step with two spikes cannot be differentiated; use one heaviside")
            self.spike, self.argument = name, self.tape[-1].operands[0]
        return name

    def _append(self, operator: str, *nodes: Any) -> str:
        operands = tuple(self._value(node) for node in nodes)
        self.tape.append(Assignment(f"t{len(self.tape)}", operator, operands))
        return self.tape[-1].name


class _Reverse:
    """The gradients under way, and the assignments that compute them."""

    def __init__(self, step: _Step):
        self.tape: list[Assignment] = []
        self.gradients: dict[str, str] = {}
        self.step, self.active = step, set()
        for a in step.tape:
            if a.operator[0] not in "<>=!&|" and any(self._is_active(name) for name in a.operands):
                self.active.add(a.name)

    def _is_active(self, name: str) -> bool:
        return name in self.active or re.match("[sx]_", name) is not None

    def add(self, name: str, gradient: str) -> None:
        """Add to the gradient of a value; constants have none."""
        if self._is_active(name):
            old = self.gradients.get(name)
            self.gradients[name] = gradient if old is None else self._new("+", old, gradient)

    def _new(self, operator: str, *operands: str) -> str:
        self.tape.append(Assignment(f"b{len(self.tape)}", operator, operands))
        return self.tape[-1].name

    def through(self, a: Assignment) -> None:
        """Pass the gradient of an assignment on to its operands."""
        g, new = self.gradients.get(a.name), self._new
        if g is None:
            return
        one, two = a.operands[0], a.operands[-1]
        if a.operator == "where":
            self.add(a.operands[1], new("where", one, g, "0.0"))
            self.add(two, new("where", one, "0.0", g))
        elif a.operator in ("minimum", "maximum"):
            closer = new("<=" if a.operator == "minimum" else ">=", one, two)
            self.add(one, new("where", closer, g, "0.0"))
            self.add(two, new("where", closer, "0.0", g))
        elif a.operator in ("+", "-"):
            if len(a.operands) == 2:
                self.add(one, g)
            self.add(two, g if a.operator == "+" else new("-", g))
        elif a.operator == "*":
            self.add(one, new("*", g, two))
            self.add(two, new("*", g, one))
        elif a.operator == "/":
            share = new("/", g, two)
            self.add(one, share)
            self.add(two, new("-", new("*", share, a.name)))
        else:
            self.add(one, new("*", g, "derivative" if a.operator == "heaviside" else a.name))
