"""Progress and summary of grading on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from assignments.grading import Result


def tell(done: int, total: int, result: Result) -> None:
    """Write a line for a student who is done, on standard error."""
    what = result.problem or ("was graded already" if not result.fresh else _points(result))
    print(f"[{done}/{total}] {result.student}: {what}", file=sys.stderr, flush=True)


def summary(assignment: str, results: Sequence[Result]) -> str:
    """Return the table of all students, one line each, and a last line that counts."""
    width = max([7, *(len(result.student) for result in results)])
    lines = [assignment, f"  {'student':{width}}  {'points':>13}  notes"]
    for result in results:
        said = result.problem or "; ".join(result.notes)
        lines.append(f"  {result.student:{width}}  {_points(result):>13}  {said}".rstrip())
    failed = sum(result.problem is not None for result in results)
    lines.append(f"  {len(results) - failed} graded, {failed} could not be graded")
    return "\n".join(lines)


def _points(result: Result) -> str:
    return "—" if result.score is None else f"{result.score:.2f} / {result.points:g}"
