"""What can be asked of a curve: the registered tests of trends, for the rows and the quantity that a reader chooses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from lib.verdicts.archive import kind_of
from lib.verdicts.claims import Component, Margin, Register
from lib.verdicts.selection import Choice as Selection
from lib.verdicts.verdict import least_levels

# The question -> statistic and alternative of the registered tests that ask it.
QUESTIONS: dict[str, tuple[str, str | None]] = {
    "rises": ("page_t", "greater"),
    "falls": ("page_t", "less"),
    "stays constant": ("tost", None),
    "rises, then falls": ("inverted_u", None),
}
# Abscissa -> axis of the register, and the factor that tells curves apart.
AXES = {"width": ("log2_width", "depth"), "depth": ("depth", "width")}
# The margin of the register on shares: log 1.05 says nothing of an accuracy.
_SHARES = "one_point"


class Choice(NamedTuple):
    """What a reader chooses.

    Attributes:
        sweeps: of the register, that have the rows of the setting.
        initializer, moment, column: as rows name them; under attack "fcn-6" or "cnn-madry" are architecture and λ in
            the place of the initializer.
        x: "width" or "depth".
        log: whether logarithms are tested, or the values themselves.
        trained: leave out replicas that have not learned.
        samples: the number of training points, None for all.
    """

    sweeps: tuple[str, ...]
    initializer: str
    moment: str
    column: str
    x: str
    log: bool
    trained: bool
    samples: int | None = None


def component(question: str, choice: Choice, register: Register) -> Component:
    """Return the registered test that asks a question, with what a reader chooses in the place of what it registers."""
    statistic, alternative = QUESTIONS[question]
    axis, factor = AXES[choice.x]
    model, _ = _registered(statistic, alternative, axis, register)
    attacked = kind_of(choice.sweeps[0]) == "adversarial"
    architecture, _, strength = choice.initializer.partition("-")
    madry = attacked and strength == "madry"
    return replace(
        model,
        sweeps=("madry",) if madry else choice.sweeps,
        settings="primary",
        cells=(),
        initializers=None if attacked else (choice.initializer,),
        architectures=(architecture,) if attacked else None,
        strengths=(1.0 if madry else float(strength),) if attacked else None,
        depths=None,
        widths=None,
        samples=None if choice.samples is None else (choice.samples,),
        features=None,
        levels=None,
        axis=axis,
        effect="change",
        curves=(factor,),
        pool=(),
        arms=(),
        versus=None,
        trained=choice.trained,
        column=choice.column,
        transform="log" if choice.log else "none",
        moment=choice.moment,
        against="always",
        center=0.0,
        margin=model.margin if choice.log else _margin(register, _SHARES),
    )


def described(register: Register, columns: Collection[str]) -> dict[str, list[dict[str, object]]]:
    """Return, by abscissa, what the page needs to know of each question: margins, levels and the claims that ask it.

    Args:
        register: the current one.
        columns: the quantities about which claims are named, those on trainings of Eq. (2).
    """
    found: dict[str, list[dict[str, object]]] = {}
    for x, (axis, _) in AXES.items():
        found[x] = []
        for question, (statistic, alternative) in QUESTIONS.items():
            model, tests = _registered(statistic, alternative, axis, register)
            claims = dict.fromkeys(
                number for number, test in tests if test.column in columns and not kind_of(test.sweeps[0])
            )
            found[x].append(
                {
                    "question": question,
                    "statistic": statistic,
                    "alternative": alternative,
                    "margins": {"log": model.margin.value, "none": _margin(register, _SHARES).value},
                    "least_levels": {
                        "primary": least_levels(model, register, Selection(1)),
                        "setting": least_levels(model, register, Selection(1, setting=("", 0.0))),
                    },
                    "claims": list(claims),
                }
            )
    return found


def _margin(register: Register, name: str) -> Margin:
    entry = register.vocabulary["margins"][name]
    return Margin(name, entry["value"], entry["reason"])


def _registered(
    statistic: str, alternative: str | None, axis: str, register: Register
) -> tuple[Component, list[tuple[int, Component]]]:
    """Return a registered test of a statistic about changes along an axis, and all of them with their claims.

    A statistic that no claim asks along this axis is taken from the other.
    """
    tests = [
        (number, test)
        for number, claim in register.claims.items()
        for test in claim.tests
        if (test.statistic, test.alternative, test.effect) == (statistic, alternative, "change") and not test.arms
    ]
    own = [(number, test) for number, test in tests if test.axis == axis]
    return (own or tests)[0][1], own
