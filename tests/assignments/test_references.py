"""Each reference solution scores everything, in its variants too; each untouched release scores nothing."""

import pytest
from classroom import SECRET, solved, untouched

from assignments.confinement.process import Limits
from assignments.masters import names, read_master
from assignments.releasing import release_notebook
from assignments.running import grade_notebook, reference_of
from assignments.submissions import merge
from assignments.variants import draw

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", names())
def test_solutions_score_everything_and_releases_nothing(name):
    master = read_master(name)
    varied = master.vary(draw(master, "somebody", SECRET))
    assert varied.values != master.values
    with reference_of(varied, Limits(), True) as reference:
        for notebook, share in ((solved(name), 1), (untouched(name), 0)):
            merged, _ = merge(release_notebook(varied), notebook)
            graded = grade_notebook(varied, merged, None, reference, SECRET, Limits())
            by_program = sum(question.points for question in master.questions if not question.written)
            assert sum(outcome.score for outcome in graded.outcomes) == share * by_program
            assert graded.notes == []
            failed = [
                cell for cell in graded.notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", []))
            ]
            assert bool(failed) == (share == 0)  # the visible tests teach nothing to who is right
