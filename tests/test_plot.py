"""Plots draw the arrays they are given, and every axis says what it shows and in which unit."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from neuro import plot

RNG = np.random.default_rng(0)
TIMES = np.array([0.5, 1.0, 7.25])


@pytest.fixture
def ax():
    return Figure().subplots()


def curve(label, y):
    return {"label": label, "x": [0, 100, 200], "y": y}


def test_raster_puts_a_tick_at_every_spike(ax):
    assert plot.raster(ax, TIMES, [4, 0, 2]) is None
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), np.column_stack([TIMES, [4, 0, 2]]))


def test_trace_draws_the_values_over_time(ax):
    assert plot.trace(ax, TIMES, [-70.0, -60.0, -65.0], "recovery", "mV/ms") is None
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([TIMES, [-70.0, -60.0, -65.0]]))
    assert ax.get_ylabel() == "recovery (mV/ms)"


def test_weights_counts_every_synapse_once(ax):
    w_JI = RNG.random((20, 30))
    assert plot.weights(ax, w_JI, "pA", bins=7) is None
    counts, edges = np.histogram(w_JI, bins=7)
    np.testing.assert_array_equal([bar.get_height() for bar in ax.patches], counts)
    np.testing.assert_allclose([bar.get_x() for bar in ax.patches], edges[:-1], rtol=1e-12)  # rounding of widths
    assert ax.get_xlabel() == "weight (pA)"


@pytest.mark.parametrize("differences", [[-2.0, -1.0, 0.0, 1.0], [-2.0, -1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
def test_stdp_window_is_broken_between_depression_and_potentiation(ax, differences):
    differences, changes = np.array(differences), np.array([-1.0, -2.0, 2.0, 1.0])
    assert plot.stdp_window(ax, differences, changes, "soft", "%") is None
    drawn = ax.lines[0].get_xydata()
    kept = np.isfinite(drawn).all(axis=1)
    np.testing.assert_array_equal(drawn[kept], np.column_stack([differences, changes]))
    assert list(np.flatnonzero(~kept)) == [np.count_nonzero(differences < 0)]
    assert ax.lines[0].get_label() == "soft"


def test_learning_curve_draws_mean_and_range_in_per_cent(ax):
    y_SN = np.array([[0.1, 0.5, 0.9], [0.3, 0.7, 0.7]])
    assert plot.learning_curve(ax, [curve("two seeds", y_SN), curve("one", y_SN[0])], "training time (s)") is None
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [20.0, 60.0, 80.0], rtol=1e-12)  # rounding of the mean
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 100, 200])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), 100.0 * y_SN[0])
    assert len(ax.collections) == 1  # one seed has no range
    band = ax.collections[0].get_paths()[0].vertices
    for x, lowest, highest in ((0, 10.0, 30.0), (100, 50.0, 70.0), (200, 70.0, 90.0)):
        there = band[band[:, 0] == x, 1]
        np.testing.assert_allclose([there.min(), there.max()], [lowest, highest], rtol=1e-12)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["two seeds", "one"]


def test_confusion_writes_every_count_and_shades_by_share_of_the_true_class(ax):
    counts_CC = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
    assert plot.confusion(ax, counts_CC, ["a", "b", "c"]) is None
    written = {text.get_position(): int(text.get_text()) for text in ax.texts}
    assert written == {(column, row): count for (row, column), count in np.ndenumerate(counts_CC)}
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]


DRAWN = {
    "raster": (lambda ax: plot.raster(ax, TIMES, [0, 1, 2]), "(ms)", "(index)"),
    "trace": (lambda ax: plot.trace(ax, TIMES, TIMES), "(ms)", "(mV)"),
    "weights": (lambda ax: plot.weights(ax, TIMES, "mV"), "(mV)", "(count)"),
    "stdp_window": (lambda ax: plot.stdp_window(ax, TIMES, TIMES), "(ms)", "(w_max)"),
    "learning_curve": (lambda ax: plot.learning_curve(ax, [curve("one", TIMES / 10)]), "(count)", "(%)"),
    "confusion": (lambda ax: plot.confusion(ax, np.eye(2, dtype=int)), "(class)", "(class)"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_both_axes_have_units_and_the_picture_can_be_drawn(ax, name):
    draw, x_unit, y_unit = DRAWN[name]
    draw(ax)
    assert ax.get_xlabel().endswith(x_unit) and ax.get_ylabel().endswith(y_unit)
    ax.figure.canvas.draw()


def test_plots_leave_the_state_of_pyplot_alone():
    code = "import sys, neuro.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
