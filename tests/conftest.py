"""One thread for all tests: their tensors are small, and threads would only wait for each other."""

import torch

torch.set_num_threads(1)


def pytest_configure(config):
    """brian2 calls pyparsing by names that it will lose."""
    for module in ("brian2.*", "pyparsing.*"):
        config.addinivalue_line("filterwarnings", f"ignore::DeprecationWarning:{module}")
