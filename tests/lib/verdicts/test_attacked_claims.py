"""Claims on convolutional and attacked networks: planted effects are judged as planted, missing rows are awaited."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from lib.experiments.adversarial import STRENGTHS, WIDTHS, AdversarialTraining, adversarial
from lib.experiments.convolutional import ConvolutionalTraining, convolutional
from lib.experiments.plan import grid, untrained
from lib.experiments.width_adjusted import WidthAdjustedTraining, war
from lib.rows import Task
from lib.verdicts.archive import GRID, Archive
from lib.verdicts.cells import BESIDE, Cells
from lib.verdicts.claims import Register
from lib.verdicts.effects import effects
from lib.verdicts.multiverse import explore
from lib.verdicts.power import coverage
from lib.verdicts.verdict import Verdict, judge

ATTACKED = (70, 71, 72, 73, 74, 75, 76, 77, 79, 80, 81, 82, 83, 84)
Numbers = Mapping[str, float]
World = Callable[[AdversarialTraining], Numbers]


def archive_of(rules: dict[int, Register], world: World, noise: float = 0.001) -> Archive:
    """Return all planned rows of the attacked networks with the numbers of a world, times a seed's noise."""
    stream, rows = np.random.default_rng(0), []
    for number, task in enumerate([*adversarial(2), *war(2)], start=1):
        seen = {name: value * float(np.exp(noise * stream.standard_normal())) for name, value in world(task).items()}
        measurements = [{"selection": name, **seen} for name in ("held-out", "test", "last")]
        row = {"key": f"{number:016d}", "configuration": task.asdict(), "measurements": measurements, "failure": None}
        rows.append((f"line {number}", row))
    return Archive({"adversarial": Cells("adversarial", rows)}, rules[2])


def some(register: Register, *numbers: int) -> Register:
    return dataclasses.replace(register, claims={n: register.claims[n] for n in numbers or ATTACKED})


def verdicts(rules: dict[int, Register], world: World, *numbers: int) -> dict[int, Verdict]:
    return judge(some(rules[2], *numbers), archive_of(rules, world), 2, {})


def words(found: Mapping[int, Verdict]) -> dict[int, str]:
    return {number: verdict.word for number, verdict in found.items()}


def size(task: AdversarialTraining) -> float:
    """Doublings of the narrowest width."""
    return math.log2(task.width / WIDTHS[task.architecture][0])


def numbers_of(natural: float, stability: float, robust: float, P: float, slope: float) -> dict[str, float]:
    seen = {"test_accuracy": natural, "natural_accuracy": natural, "stability": stability, "robust_accuracy": robust}
    seen |= {"held_out_robust_accuracy": robust, "P": P, "relative_stability": P, "divergence_slope": slope}
    return {**seen, "tuning_seconds": 20.0, "wide_seconds": 20.0}


def as_wu_say(task: AdversarialTraining) -> Numbers:
    """Width buys accuracy and costs stability, λ the other way round, and robust is their product."""
    x, log_strength = size(task), math.log(task.strength or 1.0)
    natural, stability = 0.80 + 0.03 * x - 0.02 * log_strength, 0.75 - 0.03 * x + 0.04 * log_strength
    return numbers_of(natural, stability, natural * stability, math.exp(0.5 * x), math.exp(-20 * stability))


def as_width_helps(task: AdversarialTraining) -> Numbers:
    """Width costs accuracy and buys stability and robustness; λ does nothing; the slope follows nothing."""
    x, index = size(task), STRENGTHS.index(task.strength or 1.0)
    slope = 1 + (7 * x + 3 * index) % 5
    return numbers_of(0.95 - 0.02 * x, 0.70 + 0.05 * x, 0.60 + 0.04 * x, math.exp(-0.5 * x), slope)


def peaked(best: Callable[[float], float], adjusted: float, tuning: float) -> World:
    """Robust accuracy has its peak, 0.7, at a λ of its own for each width."""

    def world(task: AdversarialTraining) -> Numbers:
        far = math.log((task.strength or 1.0) / best(size(task)))
        robust = adjusted if isinstance(task, WidthAdjustedTraining) else 0.7 - 0.03 * far**2
        # Seeds that were trained one by one have times of their own: the noise.
        return numbers_of(0.9, 0.8, robust, 1.0, 1.0) | {"tuning_seconds": tuning}

    return world


def test_what_wu_et_al_say_is_supported_where_it_holds(rules) -> None:
    found = words(verdicts(rules, as_wu_say))
    assert {number: found[number] for number in (71, 73, 74, 75, 76, 77)} == dict.fromkeys(
        (71, 73, 74, 75, 76, 77), "supported"
    )
    # P rises and robust accuracy of λ = 1 falls with width: they agree, and width makes nothing more robust.
    assert (found[70], found[72]) == ("contradicted", "contradicted")


def test_it_is_contradicted_where_width_helps(rules) -> None:
    found = words(verdicts(rules, as_width_helps))
    assert {number: found[number] for number in (71, 73, 74, 75, 76, 77)} == dict.fromkeys(
        (71, 73, 74, 75, 76, 77), "contradicted"
    )
    assert (found[70], found[84]) == ("supported", "supported")
    opposite = words(verdicts(rules, lambda task: {**as_width_helps(task), "P": math.exp(size(task))}, 72, 84))
    assert opposite == {72: "supported", 84: "contradicted"}


def test_what_tuning_is_said_to_do_is_found_where_it_does(rules) -> None:
    tuning = (79, 80, 81, 82, 83)
    rising = peaked(lambda x: STRENGTHS[round(x)], adjusted=0.7, tuning=20.0)
    found = verdicts(rules, rising, *tuning)
    assert words(found) == dict.fromkeys(tuning, "supported")
    # The narrowest network's λ is 1; the widest's is 18, and of the convolutional one, with four widths, 12.
    assert [r.effect for r in found[80].tests[0].results] == pytest.approx([math.log(12), math.log(18)], rel=0.3)
    assert [r.effect for r in found[79].tests[0].results] == pytest.approx(
        [-0.03 * math.log(12) ** 2, -0.03 * math.log(18) ** 2], abs=0.01
    )
    assert [math.exp(r.effect) for r in found[83].tests[0].results] == pytest.approx([0.4, 0.4], rel=0.01)
    flat = peaked(lambda x: 3.0, adjusted=0.6, tuning=120.0)
    assert words(verdicts(rules, flat, *tuning)) == dict.fromkeys(tuning, "contradicted")


def test_the_best_of_narrower_networks_is_chosen_by_other_images(rules) -> None:
    """All networks are alike: the luckiest of four narrower ones would beat the widest."""
    stream = np.random.default_rng(1)

    def alike(task: AdversarialTraining) -> Numbers:
        judged, chose = 0.6 + 0.02 * stream.standard_normal(2)
        return numbers_of(0.9, 0.8, judged, 1.0, 1.0) | {"held_out_robust_accuracy": chose}

    (test,) = verdicts(rules, alike, 75)[75].tests
    gaps = [result.effect for result in test.results]
    assert len(gaps) == 10 and np.mean(gaps) == pytest.approx(0, abs=3 * 0.02 * math.sqrt(2 / 50))


def test_a_network_that_predicts_one_class_is_not_stable_but_missing(rules) -> None:
    def dead(task: AdversarialTraining) -> Numbers:
        seen = as_width_helps(task)
        if size(task) < 2 and task.strength == 18.0:
            seen = {**seen, "test_accuracy": 0.1, "natural_accuracy": 0.1, "robust_accuracy": 0.1, "stability": 1.0}
        return seen

    found = verdicts(rules, dead, 70, 74)
    assert words(found) == {70: "supported", 74: "contradicted"}
    cut = [c for c in found[74].tests[0].curves if c.where == {"architecture": "fcn", "strength": 18}]
    assert [len(curve.levels) for curve in cut] == [3]
    assert "architecture = fcn, strength = 18: L = 3, m = 32, n = 20000" in found[74].tests[0].left_out
    # Two widths of the convolutional network are left, and no trend.
    assert "architecture = cnn, strength = 18 (2 of 3 levels)" in found[74].tests[0].left_out


def test_replicas_of_one_stack_have_one_time(rules) -> None:
    together = peaked(lambda x: 3.0, adjusted=0.7, tuning=20.0)
    archive = archive_of(rules, together, noise=0.0)
    found = judge(some(rules[2], 83), archive, 2, {})[83]
    assert found.word == "not testable"
    assert "architecture = fcn (no cell has 5 usable seeds)" in found.tests[0].left_out
    assert len(STRENGTHS) == GRID


def test_another_data_set_and_another_guess_are_universes(rules) -> None:
    def world(task: AdversarialTraining) -> Numbers:
        if isinstance(task, WidthAdjustedTraining):
            return numbers_of(0.9, 0.8, 0.7 if task.rate == 1.0 else 0.5, 1.0, 1.0)
        return as_wu_say(task) if task.dataset == "mnist" else as_width_helps(task) | {"robust_accuracy": 0.7}

    register, archive = some(rules[2], 74, 82), archive_of(rules, world)
    found = judge(register, archive, 2, {})
    raw = {number: verdict.raw for number, verdict in found.items()}
    trends = explore(register.claims[74], register, archive, 2, raw)
    by_data = {(u.choices["dataset"], u.word) for u in trends.universes}
    assert by_data == {("mnist", "supported"), ("fashion-mnist", "contradicted")}
    guesses = explore(register.claims[82], register, archive, 2, raw)
    effect = {u.choices["adjustment"]: u.effect for u in guesses.universes}
    assert effect["war"] == pytest.approx(effect["war-end"], abs=0.01) and effect["war-half"] < effect["war"] - 0.1


def test_a_claim_waits_for_every_row_it_names(rules, archive) -> None:
    expected = {68: 75, 70: 20, 71: 45, 74: 225, 79: 5 * 5 * 5, 82: 3 * 5 * 5 + 2 * 5, 83: 10, 84: 225}
    for number, planned in expected.items():
        covered = coverage(rules[2].claims[number], rules[2], Archive({}, rules[2]), 2)
        assert str(covered) == f"0 of {planned} rows", number
    full = archive_of(rules, as_wu_say)
    for number in ATTACKED:
        assert coverage(rules[2].claims[number], rules[2], full, 2).complete, number


def test_kinds_that_are_compared_share_their_cells() -> None:
    assert BESIDE[WidthAdjustedTraining.kind] == AdversarialTraining.kind


def test_choices_are_made_for_each_seed(rules, test_of, curves_of) -> None:
    strengths, widths = np.tile([1.0, 3.0, 6.0], 2), np.repeat([4, 16], 3)
    judged = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 2).T
    chose = np.array([[3, 2, 1, 1, 2, 3], [1, 3, 2, 1, 3, 2]], dtype=float).T
    (curve,) = curves_of(judged[None], np.log2(widths), versus=chose[None], strength=strengths, width=widths)

    def effect(name: str) -> list[float]:
        test = test_of(effect=name, transform="none", versus="held_out_robust_accuracy")
        return effects(curve, test, rules[2]).tolist()

    # Seed 0 tunes the narrow network to 1 and the wide one to 6, seed 1 both to 3.
    assert effect("reuse_gap") == pytest.approx([0.4 - 0.6, 0.0])
    assert effect("chosen_change") == pytest.approx([math.log(6), 0.0])


def test_orders_are_compared_within_their_pool(rules, test_of, curves_of) -> None:
    x, y = np.array([1.0, 2, 3, 1, 2, 3]), np.array([1.0, 2, 3, 30, 10, 20])
    curve = curves_of(x[None, :, None], versus=y[None, :, None], strength=np.repeat([1.0, 3.0], 3))[0]
    test = test_of(effect="kendall", versus="P", pool=("strength",))
    assert effects(curve, test, rules[2]).tolist() == pytest.approx([(1 - 1 / 3) / 2])
    (line,) = curves_of(np.array([[[1.0], [2.0], [4.0]]]), versus=np.array([[[-1.0], [-2.0], [-4.0]]]))
    assert effects(line, test_of(effect="r_squared", versus="P"), rules[2]).tolist() == pytest.approx([1.0])


# -- slopes: at initialization, after plain training and under attack --------------------------------------------------


def sloped(rules: dict[int, Register], start: float, plain: float, attack: float) -> Archive:
    """Return all rows that claim 78 names, whose slopes in x grow like m to a power of each moment's own."""
    stream, pools = np.random.default_rng(0), {}

    def grown(task: Task, power: float) -> float:
        return float(task.width**power * np.exp(0.02 * stream.standard_normal()))

    def networks(task: Task) -> list[dict]:
        return [{"epoch": 0, "reached": None, "jacobian_spectral": grown(task, start)}]

    def trainings(task: Task) -> list[dict]:
        return [{"epoch": 50, "reached": None, "jacobian_spectral": grown(task, plain), "test_accuracy": 0.95}]

    def attacked(task: Task) -> list[dict]:
        seen = {"P": grown(task, attack), "test_accuracy": 0.95}
        return [{"selection": name, **seen} for name in ("held-out", "test", "last")]

    deep = [task for task in grid(2) if task.initializer == "ntk" and task.depth >= 6]
    for kind, tasks, measured in (
        ("untrained-network", untrained(2), networks),
        ("", deep, trainings),
        ("adversarial", adversarial(2), attacked),
    ):
        rows = [
            {"key": f"{number:016d}", "configuration": task.asdict(), "measurements": measured(task), "failure": None}
            for number, task in enumerate(tasks)
        ]
        pools[kind] = Cells(kind, [(f"line {row['key']}", row) for row in rows])
    return Archive(pools, rules[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("powers", "word"),
    [
        ((0.5, 0.5, 0.5), "supported"),
        ((0.0, 0.0, 0.0), "contradicted"),
        # A growth at initialization alone is not one "trained from it, and trained under attack".
        ((0.5, 0.0, 0.5), "contradicted"),
        ((0.5, 0.5, 0.0), "contradicted"),
    ],
)
def test_slopes_grow_with_the_width_where_they_are_planted(powers, word, rules) -> None:
    register, archive = some(rules[2], 78), sloped(rules, *powers)
    assert coverage(register.claims[78], register, archive, 2).complete
    found = judge(register, archive, 2, {})[78]
    assert found.word == word
    assert [len(test.curves) for test in found.tests] == [5, 3, 10]
    for test, power in zip(found.tests, powers, strict=True):
        assert [result.effect for result in test.results] == pytest.approx([power] * len(test.results), abs=0.03)


# -- convolutional networks ------------------------------------------------------------------------------------------


def convolutional_archive(rules: dict[int, Register], P: Callable[[ConvolutionalTraining], float]) -> Archive:
    stream, rows = np.random.default_rng(0), []
    for number, task in enumerate(convolutional(2), start=1):
        value = P(task) * float(np.exp(0.01 * stream.standard_normal()))
        seen = {"P": value, "P_train": value, "relative_stability": value, "test_accuracy": 0.95}
        measurements = [{"epoch": epoch, "reached": None, **seen} for epoch in (0, 2, 3, 8, 15)]
        row = {"key": f"{number:016d}", "configuration": task.asdict(), "measurements": measurements, "failure": None}
        rows.append((f"line {number}", row))
    return Archive({"convolutional": Cells("convolutional", rows)}, rules[2])


def test_convolutional_networks_are_judged_by_their_own_rows(rules) -> None:
    register = some(rules[2], 68)

    def rises_and_falls(task: ConvolutionalTraining) -> float:
        return math.exp(0.2 * task.depth - 0.2 * (math.log2(task.width) - 4) ** 2)

    archive = convolutional_archive(rules, rises_and_falls)
    assert coverage(register.claims[68], register, archive, 2).complete
    found = judge(register, archive, 2, {})[68]
    assert found.word == "supported" and [len(test.curves) for test in found.tests] == [3, 5]
    assert judge(register, convolutional_archive(rules, lambda task: 1.0), 2, {})[68].word == "contradicted"
    moments = explore(register.claims[68], register, archive, 2, {68: found.raw})
    assert {u.choices["dataset"] for u in moments.universes} == {"mnist", "fashion-mnist"}


def test_the_plan_of_the_simulation_is_that_of_the_register(rules) -> None:
    """Each planned training is in one of the registered sweeps, and each registered cell is planned."""
    for kind, tasks in (("convolutional", convolutional(2)), ("adversarial", [*adversarial(2), *war(2)])):
        rows = [
            (str(i), {"key": str(i), "configuration": task.asdict(), "measurements": [], "failure": None})
            for i, task in enumerate(tasks)
        ]
        for _, row in rows:
            row["measurements"] = [{"selection": "last", "epoch": 0, "reached": None}]
        archive = Archive({kind: Cells(kind, rows)}, rules[2])
        sweeps = [name for name in rules[2].vocabulary["sweeps"] if name.startswith((kind, "madry", "war"))]
        sweeps = [name for name in sweeps if (kind == "convolutional") == name.startswith("convolutional")]
        members = [archive.there(rules[2], name, 2) for name in sweeps]
        assert np.sum(members, axis=0).max() == 1 and sum(m.sum() for m in members) == len(tasks)
        registered = sum(
            math.prod(len(values) for name, values in block.items() if values and name != "rounds") * 5
            for name, block in itertools.chain.from_iterable(
                [(name, block) for block in rules[2].vocabulary["sweeps"][name]["blocks"]] for name in sweeps
            )
        )
        assert registered == len(tasks)
