"""Runs networks of Loihi compartments on Lava's bit-accurate models, for agreement_lava.py.

    LAVA_PYTHON on_lava.py NETWORKS.npz RESULTS.npz

It imports nothing of neuro, because Lava 0.10 needs a Python of its own (3.10). Recurrent: the spikes of each
projection go back to the population's own inputs; every projection has delays, of which 0 takes one step.
"""

import json
import sys
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps  # pyright: ignore[reportMissingImports]
from lava.magma.core.run_configs import Loihi1SimCfg  # pyright: ignore[reportMissingImports]
from lava.proc.dense.process import DelayDense  # pyright: ignore[reportMissingImports]
from lava.proc.io.source import RingBuffer  # pyright: ignore[reportMissingImports]
from lava.proc.lif.process import LIF  # pyright: ignore[reportMissingImports]
from lava.proc.monitor.process import Monitor  # pyright: ignore[reportMissingImports]


def run(network: dict[str, Any], arrays: dict[str, np.ndarray], n_steps: int) -> dict[str, np.ndarray]:
    """u, v [T, N] of each population after every step, v after the reset."""
    processes = {"input": RingBuffer(data=arrays["raster_TN"].T.astype(np.int32))}
    for name, cell in network["populations"].items():
        bias = {"bias_mant": arrays[f"bias.{name}"], "bias_exp": cell["bias_exponent"]}
        decays = {"du": cell["current_decay"], "dv": cell["voltage_decay"]}
        processes[name] = LIF(shape=(cell["size"],), vth=cell["v_th"], **decays, **bias)
    for projection in network["projections"]:
        mantissas, delays = (arrays[f"{what}.{projection['name']}"] for what in ("mantissas", "delays"))
        synapses = DelayDense(weights=mantissas, delays=delays, weight_exp=projection["exponent"], num_message_bits=0)
        processes[projection["pre"]].s_out.connect(synapses.s_in)
        synapses.a_out.connect(processes[projection["post"]].a_in)
    monitors = {}
    for name in network["populations"]:
        for field in ("u", "v"):
            monitors[name, field] = Monitor()
            monitors[name, field].probe(getattr(processes[name], field), n_steps)
    some = processes[next(iter(network["populations"]))]
    some.run(condition=RunSteps(num_steps=n_steps), run_cfg=Loihi1SimCfg(select_tag="fixed_pt"))
    found = {f"{name}.{field}": _data(monitor, field) for (name, field), monitor in monitors.items()}
    some.stop()
    return found


def _data(monitor: Any, field: str) -> np.ndarray:
    (of_process,) = monitor.get_data().values()
    return of_process[field].astype(np.int64)


def main() -> None:
    source, target = sys.argv[1:]
    given = np.load(source)
    description = json.loads(str(given["description"]))
    results = {}
    for k, network in enumerate(description["networks"]):
        arrays = {key.removeprefix(f"{k}/"): given[key] for key in given.files if key.startswith(f"{k}/")}
        found = run(network, arrays, description["n_steps"])
        results |= {f"{k}/{key}": values for key, values in found.items()}
        print(k, flush=True)
    np.savez_compressed(target, **results)


if __name__ == "__main__":
    main()
