"""Generated modules: whole for every thread that sees them, and gone where they could not be loaded."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from neuro.backends import generated

SLOW = ["import time", "time.sleep(0.2)", "found = 3"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path))


def test_threads_that_ask_at_once_all_get_a_whole_module():
    gate = threading.Barrier(4)

    def load(_):
        gate.wait()
        return generated.load("neuro_test", SLOW, []).found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(4))) == [3] * 4


def test_a_module_that_fails_fails_again_with_the_same_error():
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            generated.load("neuro_test", ["1 / 0"], [])
    assert not any(name.startswith("neuro_test_") and not hasattr(sys.modules[name], "found") for name in sys.modules)
