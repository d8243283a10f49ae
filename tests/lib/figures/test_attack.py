"""The figures of chapters 12 and 13 on rows that are known: published and live parts, their curves, their numbers."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lib.figures import adjusted, attack


@pytest.fixture
def rows():
    """Width × λ of two architectures on three seeds: stability grows with λ, accuracy with the width."""
    lines = []
    for (architecture, factor), width, strength, seed in itertools.product(
        (("fcn", 8), ("cnn", 1)), (4, 8, 16), (1.0, 6.0, 18.0), (8, 9, 10)
    ):
        natural, stability = 0.5 + 0.1 * np.log2(width) - 0.01 * strength, 0.5 + 0.02 * strength + 0.001 * seed
        line = {"key": f"{architecture}-{width}-{strength}-{seed}", "dataset": "mnist", "architecture": architecture}
        line |= {"epsilon": 0.05, "width": factor * width, "strength": strength, "curve": f"λ = {strength:g}"}
        line |= {"seed": seed, "natural_accuracy": natural, "stability": stability, "P": width / strength}
        line |= {"relative_stability": 1.0, "divergence_slope": 1 / strength}
        for at, selection in enumerate(("held-out", "test", "last")):
            robust = natural * stability + 0.01 * at
            lines.append({**line, "selection": selection, "robust_accuracy": robust})
    return pd.DataFrame(lines)


def labels(axis):
    return axis.get_legend_handles_labels()[1]


def titles(figure):
    return [axis.get_title(loc="left").split("\n")[0] for axis in figure.axes]


def test_every_architecture_has_its_panels_and_a_live_run_its_own(rows):
    held = rows[rows.selection == "held-out"]
    live = held[held.architecture == "fcn"].assign(dataset="digits", epsilon=0.1)
    figure = attack.over_width(held, live, attack.ACCURACIES)
    names = [name for name in titles(figure) if name]
    assert names == [
        "fully connected, MNIST, ε = 0.05", "convolutional, MNIST, ε = 0.05", "fully connected, digits, ε = 0.1 (live)",
    ]  # fmt: skip
    assert labels(figure.axes[0]) == ["λ = 1", "λ = 6", "λ = 18"]
    assert labels(figure.axes[6]) == ["λ = 1 (live)", "λ = 6 (live)", "λ = 18 (live)"]
    assert titles(attack.over_width(held.iloc[:0], live, attack.ACCURACIES))[0].endswith("(live)")


def test_the_root_of_the_width_starts_at_the_narrowest(rows):
    held = rows[(rows.selection == "held-out") & (rows.architecture == "cnn")]
    axis = attack.over_width(held, held.iloc[:0], attack.GRADIENTS, root=True).axes[0]
    (root,) = (line for line in axis.lines if line.get_label() == r"$\sqrt{m}$")
    start = np.exp(np.log([4 / 1, 4 / 6, 4 / 18]).mean())
    assert root.get_ydata() == pytest.approx([start, start * 2**0.5, start * 2])


def test_trade_off_and_chosen_lambda(rows):
    held = rows[(rows.selection == "held-out") & (rows.architecture == "cnn")]
    left, right = attack.trade_off(held, held.iloc[:0]).axes
    assert labels(left) == ["$m = 4$", "$m = 8$", "$m = 16$"]
    product, robust = right.lines[0].get_data()
    assert product == pytest.approx(robust, abs=1e-3)
    _, right = attack.over_strength(held, held.iloc[:0], held[held.strength == 6]).axes
    assert set(right.lines[0].get_ydata()) == {6.0} and right.lines[1].get_ydata() == pytest.approx([6.0, 6.0, 6.0])


def test_ranks_have_a_point_a_width_and_lambda(rows):
    held = rows[(rows.selection == "held-out") & (rows.architecture == "cnn")]
    axes = attack.against_each_other(held, held.iloc[:0]).axes
    assert [sum(len(points.get_offsets()) for points in axis.collections) for axis in axes] == [9, 9, 9]


def test_choices_of_the_epoch_are_compared_seed_by_seed(rows):
    gains = attack.gain_by_choice(rows[rows.architecture == "cnn"])
    assert gains.groupby("selection").gain.mean().to_dict() == pytest.approx({"test": 1.0, "last": 2.0})
    figure = attack.choices_of_the_epoch(rows, rows.iloc[:0])
    assert labels(figure.axes[0]) == ["chosen on test images", "last epoch"]


def test_radii_show_every_seed(rows):
    tried = pd.concat([rows[(rows.width == 4) & (rows.strength == 18)].assign(epsilon=e) for e in (0.1, 0.2)])
    axis = attack.over_epsilon(tried).axes[0]
    assert any(line.get_marker() == "x" and len(line.get_xdata()) == len(tried) for line in axis.lines)


def test_ways_to_tune_are_drawn_over_the_width_and_at_the_widest(rows):
    held = rows[(rows.selection == "held-out") & (rows.architecture == "cnn")]
    ways = pd.concat([held[held.strength == λ].assign(way=way) for λ, way in ((6, "grid search"), (18, "WAR"))])
    left, right = adjusted.robust_by_way(ways, ways.iloc[:0]).axes
    assert labels(left) == ["grid search", "WAR"]
    assert [text.get_text() for text in right.get_yticklabels()] == ["grid search", "WAR"]


def test_ratio_has_its_goal_and_seconds_add_up(rows):
    held = rows[(rows.selection == "held-out") & (rows.strength == 6) & (rows.architecture == "fcn")]
    traces = pd.concat([held.assign(way="WAR", epoch=t, rho=0.2 * t, goal=0.1 * t, **{"lambda": 6.0}) for t in (1, 2)])
    left, _ = adjusted.ratio_and_strength(traces, traces.iloc[:0]).axes
    assert labels(left) == ["small network", "WAR"] and left.lines[0].get_ydata() == pytest.approx([0.1, 0.2])
    fitted = held.assign(curve="WAR", tuning_seconds=10.0, wide_seconds=4.0)
    (axis,) = adjusted.seconds_by_way(fitted, fitted.iloc[:0], grid=5).axes
    ends = {round(bar.get_y() + 0.4): bar.get_x() + bar.get_width() for bar in axis.patches}
    assert ends == {0: pytest.approx(20.0), 1: pytest.approx(14.0)}
