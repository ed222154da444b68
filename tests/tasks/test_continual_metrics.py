"""The measures of continual learning, against numbers worked out by hand."""

import numpy as np
import pytest

from tasks.continual_metrics import summary

BEFORE = np.array([0.5, 0.1, 0.2])


def test_a_matrix_by_hand():
    accuracies = np.array([[0.9, 0.3, 0.1], [0.6, 0.8, 0.4], [0.7, 0.5, 1.0]])
    assert summary(accuracies, BEFORE) == pytest.approx(
        {
            "average_accuracy": (0.7 + 0.5 + 1.0) / 3,
            "learning_accuracy": (0.9 + 0.8 + 1.0) / 3,
            "backward_transfer": ((0.7 - 0.9) + (0.5 - 0.8)) / 2,
            "forward_transfer": ((0.3 - 0.1) + (0.4 - 0.2)) / 2,
            "forgetting": ((0.9 - 0.7) + (0.8 - 0.5)) / 2,
        }
    )


def test_forgetting_counts_from_the_best_and_not_from_before_a_task_was_learned():
    """Task 0 is best after task 1; what task 1 was before its turn (0.95) does not count."""
    accuracies = np.array([[0.6, 0.95, 0.0], [0.9, 0.8, 0.0], [0.7, 0.5, 1.0]])
    found = summary(accuracies, BEFORE)
    assert found["forgetting"] == pytest.approx(((0.9 - 0.7) + (0.8 - 0.5)) / 2)
    assert found["backward_transfer"] == pytest.approx(((0.7 - 0.6) + (0.5 - 0.8)) / 2)


def test_nothing_forgotten_and_everything_forgotten():
    kept = np.tril(np.ones((4, 4)))
    nothing = summary(kept, np.zeros(4))
    assert (nothing["average_accuracy"], nothing["backward_transfer"], nothing["forgetting"]) == (1.0, 0.0, 0.0)
    everything = summary(np.eye(4), np.zeros(4))
    assert (everything["average_accuracy"], everything["backward_transfer"]) == (0.25, -1.0)
    assert (everything["forgetting"], everything["learning_accuracy"]) == (1.0, 1.0)


def test_relations_that_hold_for_every_matrix():
    rng = np.random.default_rng(0)
    for n in (2, 3, 7):
        for _ in range(20):
            accuracies, before = rng.random((n, n)), rng.random(n)
            found = summary(accuracies, before)
            assert found["forgetting"] >= -found["backward_transfer"] - 1e-12
            gain = (n - 1) / n * found["backward_transfer"]
            assert found["average_accuracy"] == pytest.approx(found["learning_accuracy"] + gain)


@pytest.mark.parametrize(("accuracies", "before"), [(np.eye(1), np.zeros(1)), (np.ones((2, 3)), np.zeros(2))])
def test_what_is_no_sequence_is_refused(accuracies, before):
    with pytest.raises(ValueError, match=r"shape \(.*\) are not those of K tasks"):
        summary(accuracies, before)
    with pytest.raises(ValueError, match=r"have shape \(5,\), and tasks are 3"):
        summary(np.eye(3), np.zeros(5))
