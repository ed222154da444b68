"""Digits: 1,797 real handwritten digits of 8 x 8 pixels, which scikit-learn carries inside its package.

The embedded default: nothing is downloaded. The split is ours: 360 for test and 150 for validation, by
fixed seeds.
"""

import hashlib

import numpy as np

from tasks.base import Split, Task, make_task, split_off


def load() -> Task:
    """The task; inputs_nI with I = 64, grey values of 0 to 16 divided by 16."""
    from sklearn.datasets import load_digits

    grey_nI, labels_n = load_digits(return_X_y=True)
    inputs_nI = (grey_nI / 16.0).astype(np.float32)
    rest, test = split_off(Split(inputs_nI, np.asarray(labels_n, np.int64)), 360, 0, "digits test")
    train, val = split_off(rest, 150, 0, "digits validation")
    return make_task(
        "digits", train, val, test, shape=(1, 8, 8), n_steps=25, dt=1.0, source="alpaydin1998", licence="CC BY 4.0",
        data="optical digits, the 1,797 of scikit-learn, real",
        checksum=hashlib.sha256(inputs_nI.tobytes()).hexdigest(),
    )  # fmt: skip
