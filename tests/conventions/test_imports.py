"""Every arrow points one way: who may import whom, and what must not be imported at all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("neuro", "tasks", "simulations", "figures", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

# A layer imports from those above it and from itself.
LAYERS = [
    {
        "units",
        "dialect",
        "references",
        "seeds",
        "progress",
        "poisson",
        "memory",
        "files",
        "threads",
        "crossbar_devices",
    },
    {"neurons", "plasticity", "connectors", "connector_kernels", "encode_kernels", "audio"},
    {
        "events",
        "event_frames",
        "event_filters",
        "record",
        "network",
        "weights",
        "encode",
        "spike_statistics",
        "criticality",
        "crossbar",
    },
    {"backends"},
    {"learners", "interop"},
    {"audit", "audit_measures", "audit_probes", "quantise", "conversion"},
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}
FREE_OF_LEVELS = {"runs": {"units", "references", "seeds", "progress", "files"}, "plot": {"units"}}

# Folder -> what of this project it may import (a prefix of the module's name).
ALLOWED = {
    "neuro": ("neuro",),
    "tasks": ("neuro", "tasks"),
    "simulations": ("neuro", "tasks", "simulations"),
    "figures": ("neuro.plot", "neuro.runs", "figures"),
    "benchmarks": ("neuro", "tasks", "simulations", "benchmarks"),
}
FORBIDDEN = {"torchvision", "torchaudio", "pickle", "cPickle", "dill", "joblib", "cloudpickle"}


def imports(path):
    """Full names of the modules that a file imports, wherever in the file."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_within(name, prefixes):
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize("path", FILES, ids=module)
def test_folders_import_in_one_direction(path):
    folder = path.relative_to(ROOT).parts[0]
    found = {name for name in imports(path) if name.split(".")[0] in FOLDERS}
    # `from neuro import plot` names neuro and neuro.plot; the package itself is only the way there.
    allowed = ALLOWED[folder] + (
        ("figures", "benchmarks") if module(path) == "simulations.cli" else ()
    )  # it starts them
    wrong = {name for name in found if not is_within(name, allowed) and name not in ("neuro", "figures")}
    assert not wrong, f"{folder} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", [path for path in FILES if path.is_relative_to(ROOT / "neuro")], ids=module)
def test_layers_of_neuro(path):
    parts = module(path).split(".")
    if len(parts) == 1:
        return  # neuro/__init__ names everything, lazily
    own = parts[1]
    found = {name.split(".")[1] for name in imports(path) if name.startswith("neuro.")} - {own}
    if own in FREE_OF_LEVELS:
        assert found <= FREE_OF_LEVELS[own]
        return
    assert own in LEVEL, f"neuro.{own} has no layer yet; give it one in this test"
    wrong = {name for name in found if name not in LEVEL or LEVEL[name] > LEVEL[own]}
    assert not wrong, f"neuro.{own} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_forbidden_is_imported(path):
    """torchvision and torchaudio are not needed; a pickle runs code of whoever wrote it."""
    assert not {name.split(".")[0] for name in imports(path)} & FORBIDDEN


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_is_loaded_as_a_pickle(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert options.get("allow_pickle", "False") == "False"
            assert ast.unparse(node.func) != "torch.load", "use safetensors"


@pytest.mark.parametrize("name", ["neuro", "neuro.network"])
def test_importing_neuro_imports_nothing_heavy(name):
    code = (
        f"import sys, {name};"
        "print([m for m in ('torch', 'brian2', 'numba', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
