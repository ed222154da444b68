"""One thread for all tests: their tensors are small, and threads would only wait for each other.

Triton's kernels run in its interpreter, which must be known before Triton is imported.
"""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")

import torch  # noqa: E402

torch.set_num_threads(1)


def pytest_configure(config):
    """brian2 calls pyparsing by names that it will lose."""
    for module in ("brian2.*", "pyparsing.*"):
        config.addinivalue_line("filterwarnings", f"ignore::DeprecationWarning:{module}")
