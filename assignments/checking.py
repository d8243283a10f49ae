"""What a hidden test may say, and what comes of it. It runs here, in the grader's process; a submission only answers.

A hidden test calls functions of the submission by name, and the same functions of the reference solution, which runs
in a process of its own with the same variant. It sees `random` (a generator drawn from the secret seed, the assignment
and the question), `np`, the values of the parameters, and three verbs:

    same(aspect, function, *arguments, rtol=1e-6, atol=0.0, mistakes={})  the answer is the reference's, shape and value
    holds(aspect, function, *arguments, that=..., mistakes={})            that(answer, reference) is true
    expected(function, *arguments)                                        the reference's answer

Each `same` and `holds` is one case; a question's points are shared equally among its cases. `mistakes` maps a diagnosis
to the value that a common mistake gives, or to a function that makes it from the reference's answer.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assignments.confinement.inside.wire import decode, encode
from assignments.confinement.process import Confined, Died
from assignments.masters import Master, Question
from book.errors import BookError

_PATIENCE = 2  # answers of one function that are waited for in vain: more would take the time of other questions
_REFUSED = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}


@dataclass
class Outcome:
    """What came of one question: cases passed of all by aspect, and what may be said about the others.

    It holds no argument, no expected value and no text of the submission, so that it can be shown to the student.
    """

    question: str
    points: float
    passed: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The points that were reached, to a hundredth."""
        total = sum(self.cases.values())
        return round(self.points * sum(self.passed.values()) / total, 2) if total else 0.0

    def count(self, aspect: str, passed: bool, note: str | None) -> None:
        """Add one case."""
        self.cases[aspect] += 1
        self.passed[aspect] += passed
        if note and not passed:
            self.notes[f"{aspect}: {note}"] = self.notes.get(f"{aspect}: {note}", 0) + 1


class Answers:
    """What one process answers; a dead one is asked nothing more."""

    def __init__(self, process: Confined) -> None:
        self._process = process
        self.died: str | None = None
        self._late: Counter[str] = Counter()

    def __call__(self, function: str, arguments: tuple[Any, ...]) -> tuple[Any, str | None]:
        """Return the decoded answer, or None and why there is none, in words of our own."""
        if self.died:
            return None, "no answer, because the process had ended"
        if self._late[function] >= _PATIENCE:
            return None, "no answer in time"
        try:
            reply = self._process.ask(function, encode(list(arguments)))
        except Died as reason:
            self.died = str(reason)
            return None, "no answer: the process ended"
        if "value" in reply:
            try:
                return decode(reply["value"]), None
            except (ValueError, TypeError, RecursionError):
                return None, "the answer cannot be read"
        name = str(reply.get("error"))  # of a class that the submission may have named as it likes
        if name == "TimeLimit":
            self._late[function] += 1
            return None, "no answer in time"
        if name == "NotImplementedError":
            return None, "nothing was written here"
        if name == "KeyError":
            return None, "an error (KeyError, also where the function is missing)"
        return None, f"an error ({name})" if name in _REFUSED else "an error"


class Reference:
    """The reference solution's answers, each asked once for all submissions of a variant."""

    def __init__(self, answers: Answers, name: str) -> None:
        self._answers = answers
        self._name = name
        self._known: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, function: str, arguments: tuple[Any, ...]) -> Any:
        key = json.dumps([function, encode(list(arguments))])
        with self._lock:  # submissions are checked in several threads, and the process answers one at a time
            if key not in self._known:
                value, problem = self._answers(function, arguments)
                if problem:
                    raise BookError(f"the reference solution of {self._name} gives {problem} for {function}.")
                self._known[key] = value
            return self._known[key]


def generator(secret: str, assignment: str, question: str) -> np.random.Generator:
    """Return the generator of a question's hidden cases."""
    digest = hashlib.sha256(f"{secret}\0{assignment}\0{question}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def check(master: Master, question: Question, answers: Answers, reference: Reference, secret: str) -> Outcome:
    """Run the hidden tests of a question against a submission's answers."""
    outcome = Outcome(question.name, question.points)

    def judge(aspect: str, function: str, arguments: tuple, that: Callable, mistakes: dict[str, Any]) -> None:
        right = reference(function, arguments)
        answer, problem = answers(function, arguments)
        if problem:
            outcome.count(aspect, False, problem)
            return
        passed = _holds(that, answer, right)
        wrong = (text for text, mistake in mistakes.items() if not passed and _holds(mistake, answer, right))
        outcome.count(aspect, passed, next(wrong, "not the expected value"))

    def same(aspect: str, function: str, *arguments: Any, rtol: float = 1e-6, atol: float = 0.0, mistakes: Any = None):
        def is_mistake(mistake: Any) -> Callable:
            def holds_mistake(answer: Any, right: Any) -> bool:
                array = [np.asarray(item) for item in right] if isinstance(right, list) else np.asarray(right)
                if isinstance(right, list) and all(item.ndim == 0 for item in array):
                    array = np.asarray(right)
                wrong = mistake(array) if callable(mistake) else mistake
                return not agree(right, wrong, rtol, atol) and agree(answer, wrong, rtol, atol)

            return holds_mistake

        table = {text: is_mistake(mistake) for text, mistake in (mistakes or {}).items()}
        judge(aspect, function, arguments, lambda answer, right: agree(answer, right, rtol, atol), table)

    def holds(aspect: str, function: str, *arguments: Any, that: Callable, mistakes: Any = None) -> None:
        judge(aspect, function, arguments, that, mistakes or {})

    scope = {
        **master.values,
        "np": np,
        "random": generator(secret, master.name, question.name),
        "same": same,
        "holds": holds,
        "expected": lambda function, *arguments: reference(function, arguments),
    }
    exec(compile(question.hidden, f"<hidden tests of {master.name}, {question.name}>", "exec"), scope)
    return outcome


def _holds(that: Callable, answer: Any, right: Any) -> bool:
    """Whether a condition holds; it does not where the answer is of a form with which it cannot be computed."""
    try:
        with np.errstate(all="ignore"):
            return bool(that(answer, right))
    except Exception:
        return False


def agree(answer: Any, right: Any, rtol: float, atol: float) -> bool:
    """Whether two values are equal in form and, number by number, within atol + rtol·|right|; NaN equals nothing."""
    if isinstance(right, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == right.keys()
            and all(agree(answer[key], right[key], rtol, atol) for key in right)
        )
    if isinstance(right, str | bool) or right is None:
        return type(answer) is type(right) and answer == right
    if isinstance(right, list):
        items = list(answer) if isinstance(answer, list) or (isinstance(answer, np.ndarray) and answer.ndim) else None
        return (
            items is not None
            and len(items) == len(right)
            and all(agree(ours, theirs, rtol, atol) for ours, theirs in zip(items, right, strict=True))
        )
    try:
        ours, theirs = np.asarray(answer, dtype=float), np.asarray(right, dtype=float)
    except (TypeError, ValueError):
        return False
    if ours.shape != theirs.shape or isinstance(answer, str):
        return False
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(ours - theirs) <= atol + rtol * np.abs(theirs)))
