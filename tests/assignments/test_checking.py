"""Hidden tests judge answers, whatever they are, and tell nothing of the case."""

import numpy as np
import pytest
from classroom import FIRST, SECRET

from assignments.checking import Answers, Outcome, agree, check, generator
from assignments.masters import Master, Question, read_master


class Told:
    """Stands for a process that answers what it is told to."""

    died = None

    def __init__(self, **functions):
        self.functions = functions

    def __call__(self, function, arguments):
        answer = self.functions[function]
        if isinstance(answer, str):
            return None, answer
        return answer(*arguments), None


def judge(hidden: str, answer, right) -> Outcome:
    master: Master = read_master(FIRST)
    question = Question("q", "Q", 3.0, hidden, False)
    reference = Told(f=right)
    return check(master, question, Told(f=answer), lambda name, arguments: reference(name, arguments)[0], SECRET)


@pytest.mark.parametrize(
    ("answer", "right"),
    [(1.0, 1.0), ([1, 2], [1.0, 2.0]), (np.array([1.0, 2.0]), [1.0, 2.0]), (np.array(3), 3), ("a", "a"), (True, True),
     ({"a": 1.0}, {"a": 1.0 + 1e-9}), ([np.ones((2, 2)), 1], [np.ones((2, 2)), 1]), (None, None)],
)  # fmt: skip
def test_equal_values_agree(answer, right):
    assert agree(answer, right, 1e-6, 0.0)


@pytest.mark.parametrize(
    ("answer", "right"),
    [(1.1, 1.0), (np.nan, 1.0), (np.nan, np.nan), ("1.0", 1.0), (None, 1.0), ([1.0], 1.0), (1.0, [1.0]),
     ([1, 2, 3], [1, 2]),
     ({"a": 1}, {"a": 1, "b": 1}), ("b", "a"), (1, True), ([[1.0], [1.0, 2.0]], np.ones((2, 2))),
     (np.ones((1, 2)), np.ones(2)),
     ({}, 1.0), ("nan", 1.0)],
)  # fmt: skip
def test_other_values_do_not(answer, right):
    assert not agree(answer, right, 1e-6, 0.0)


def test_cases_share_the_points():
    hidden = "for x in (1.0, 2.0, 3.0, 4.0):\n    same('small' if x < 2 else 'large', 'f', x)"
    outcome = judge(hidden, lambda x: x if x > 1 else 0, lambda x: x)
    assert outcome.score == 2.25
    assert (outcome.passed, outcome.cases) == ({"small": 0, "large": 3}, {"small": 1, "large": 3})
    assert list(outcome.notes) == ["small: not the expected value"]


def test_a_known_mistake_is_diagnosed():
    hidden = "same('a', 'f', 3.0, mistakes={'a square': lambda right: right**2, 'the negative': -3.0})"
    assert list(judge(hidden, lambda x: x * x, lambda x: x).notes) == ["a: a square"]
    assert list(judge(hidden, lambda x: -x, lambda x: x).notes) == ["a: the negative"]
    assert judge(hidden, lambda x: x, lambda x: x).notes == {}


def test_a_condition_that_cannot_be_computed_does_not_hold():
    hidden = "holds('a', 'f', that=lambda answer, right: answer[0] > 0)"
    for answer in (None, "x", 3.0, [], "an error"):
        assert judge(hidden, (lambda value: lambda: value)(answer), lambda: [1.0]).score == 0
    assert judge(hidden, "no answer in time", lambda: [1.0]).notes == {"a: no answer in time": 1}


def test_cases_come_from_the_secret():
    def first(secret, question="q", assignment="a"):
        return generator(secret, assignment, question).integers(2**40)

    assert first("s") == first("s")
    assert len({first("s"), first("t"), first("s", "r"), first("s", "q", "b")}) == 4


def test_a_function_that_never_answers_is_waited_for_twice():
    asked = []

    class Process:
        def ask(self, function, arguments):
            asked.append(function)
            return {"error": "TimeLimit"} if function == "endless" else {"value": {"plain": 1}}

    answers = Answers(Process())
    assert [answers("endless", ()) for _ in range(6)] == [(None, "no answer in time")] * 6
    assert answers("other", ()) == (1, None) and asked == ["endless", "endless", "other"]
