"""A simulator's script: how it is called, what it answers, and what its process took.

A script runs one network once and prints one line of JSON last:

    build_s     of the network and its connectivity
    compile_s   of machine code; 0 where there is none to compile
    run_s       of the simulation alone
    spikes      of its neurons
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.networks import NETWORKS

ROOT = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


class ScriptFailed(RuntimeError):
    """A simulator's process ended with an error; the message is its last line."""


class Answer(NamedTuple):
    """found: what the script printed. process_s: of the whole process. peak_mb: of it or its largest child."""

    found: dict[str, Any]
    process_s: float
    peak_mb: float


def script_parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that every script has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--duration", type=float, required=True, help="ms")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def run_script(module: str, arguments: list[str], threads: int, variables: Mapping[str, str]) -> Answer:
    """Run a module as a script. variables: more of its environment."""
    command = [sys.executable, "-m", module, *arguments, "--threads", str(threads)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env=_environment(threads, variables), start_new_session=True
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)  # its compilers and binaries too
            process.wait()
            raise
        process_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said, complaint = _lines(out), _lines(err)
    if process.returncode or not said:
        raise ScriptFailed((complaint or [f"exit status {process.returncode}, without a word"])[-1])
    return Answer(json.loads(said[-1]), process_s, usage.ru_maxrss * MAXRSS_BYTES / 1e6)


def _environment(threads: int, variables: Mapping[str, str]) -> dict[str, str]:
    """GOMP_SPINCOUNT, which the `neuro` command sets for torch, would slow the threads of the peers."""
    inherited = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return inherited | dict.fromkeys(THREADS, str(threads)) | {"PYTHONPATH": path} | dict(variables)


def _lines(file: Any) -> list[str]:
    file.seek(0)
    return [line.strip() for line in file.read().splitlines() if line.strip()]
