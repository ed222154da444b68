"""Command-line options from dataclasses, by tyro: one description of each option, the field itself.

A field declared by `neuro.units.param` or `choice` shows its meaning and unit in --help.
"""

import contextlib
import dataclasses
import io
import re
import typing
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec

Options = TypeVar("Options")


class UsageError(ValueError):
    """A command line that cannot be understood."""


def parse(default: Options, arguments: list[str], program: str) -> Options:
    """Change the fields of a dataclass instance as the arguments say. UsageError in one line if they cannot."""
    registry = ConstructorRegistry()
    registry.struct_rule(_described_fields)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                type(default),
                args=arguments,
                default=default,
                prog=program,
                registry=registry,
                config=(tyro.conf.FlagConversionOff,),
            )
    except SystemExit as stop:
        if stop.code == 0:
            raise
        raise UsageError(f"{_one_line(said.getvalue())}; see `{program} --help`") from None


def _described_fields(info: Any) -> StructConstructorSpec | None:
    """How tyro is to read a dataclass whose fields carry their meaning in metadata."""
    if not (isinstance(info.type, type) and dataclasses.is_dataclass(info.type)):
        return None
    fields = dataclasses.fields(info.type)
    if not any("doc" in field.metadata for field in fields):
        return None
    hints = typing.get_type_hints(info.type, include_extras=True)
    return StructConstructorSpec(
        instantiate=info.type,
        fields=tuple(
            StructFieldSpec(field.name, hints[field.name], _default(info, field), helptext=_help(field))
            for field in fields
        ),
    )


def _default(info: Any, field: dataclasses.Field) -> Any:
    return getattr(info.default, field.name) if dataclasses.is_dataclass(info.default) else field.default


def _help(field: dataclasses.Field) -> str:
    unit, options = field.metadata.get("unit", "1"), field.metadata.get("options")
    end = f"; one of: {', '.join(options)}" if options else ("" if unit == "1" else f" [{unit}]")
    return field.metadata.get("doc", "") + end


def _one_line(box: str) -> str:
    """What tyro says of an error, without its frame: the first line, and the name it proposes."""
    frame = r"[\u2500-\u257f|]|\+-|-+\+|-{3,}"
    lines = [re.sub(frame, " ", line).strip() for line in box.splitlines()]
    lines = [line for line in lines if line]
    text = lines[1] if len(lines) > 1 else " ".join(lines) or "the command line cannot be understood"
    for place, line in enumerate(lines):
        if line.startswith("Perhaps you meant"):
            return f"{text}; did you mean {lines[place + 1].split()[0]!r}?"
    return text
