"""Modules of generated source, saved under a name that is a hash of all that they depend on, and imported."""

import functools
import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
import threading
from types import ModuleType
from typing import Any

from neuro.files import cache_root

_LOADING = threading.RLock()  # a module that another thread sees is whole; one may load others


def load(prefix: str, lines: list[str], depends_on: list[Any]) -> ModuleType:
    """The module with these lines. depends_on: modules whose change must lead to another name."""
    source = "\n".join(lines) + "\n"
    digest = hashlib.sha256(source.encode())
    for thing in depends_on:
        digest.update(_source(thing))
    name = f"{prefix}_{digest.hexdigest()[:24]}"
    with _LOADING:
        return sys.modules[name] if name in sys.modules else _import(name, source)


def _import(name: str, source: str) -> ModuleType:
    """The module, which is saved first unless it is there. One that cannot be run to its end is not kept."""
    path = cache_root() / "kernels" / f"{name}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(source)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def modules_of(*classes: type) -> list[Any]:
    """Where models or rules, their bases, and the functions that they take from others, are written."""
    bases = [base for cls in classes for base in cls.__mro__ if base is not object]
    shared = [f.__func__ for base in bases for f in vars(base).values() if isinstance(f, staticmethod)]
    return list(dict.fromkeys(inspect.getmodule(thing) for thing in (*bases, *shared)))


@functools.cache
def _source(thing: Any) -> bytes:
    """The source of what is loaded, read once a process: a network may be simulated thousands of times."""
    return inspect.getsource(thing).encode()
