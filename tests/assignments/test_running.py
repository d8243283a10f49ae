"""A notebook that ends its process is run once more up to there, without what only waits for its limit."""

from types import SimpleNamespace

import nbformat
import pytest

from assignments import running
from assignments.confinement.process import Confined, Died, Limits, OutOfTime
from book.errors import BookError


@pytest.fixture
def ran(monkeypatch):
    """The sources that jails were given, one list each; "loop" is stopped, "die" ends it, "slow" has no time left."""
    jails = []

    class Jail:
        def __init__(self, *_):
            jails.append([])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def run(self, source):
            jails[-1].append(source)
            if source == "die":
                raise Died("it ended")
            if source == "slow":
                raise OutOfTime("it had used the 80 s of its cells")
            if source == "loop":
                return {"error": {"name": "TimeLimit", "text": "stopped after 1 s"}}
            return {"outputs": [{"text": "half a character: \ud800"}]}

    monkeypatch.setattr(running, "Confined", Jail)
    return jails


def test_the_second_run_leaves_out_what_was_stopped(ran):
    sources = ["one", "loop", "two", "die", "three"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    graded = running.grade_notebook(SimpleNamespace(questions=[]), notebook, None, None, "", Limits())
    assert ran == [["one", "loop", "two", "die"], ["one", "two"]]
    assert graded.notes == ["code cell 2 was stopped after 1 s", "at code cell 4 it ended"]
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, None]
    assert "half a character: ?" in nbformat.writes(notebook).encode().decode()


@pytest.mark.parametrize(("source", "said"), [("die", "it ended"), ("loop", "it was stopped after 1 s")])
def test_a_reference_that_does_not_run_is_one_sentence(ran, source, said):
    marked = nbformat.v4.new_code_cell(source, metadata={"nbgrader": {"grade": False}})
    master = SimpleNamespace(name="01", notebook=nbformat.v4.new_notebook(cells=[marked]))
    sentence = rf"reference solution of 01 does not run here \({said}\); allow more than --seconds 7"
    with pytest.raises(BookError, match=sentence), running.reference_of(master, Limits(seconds=7), True):
        pass


@pytest.mark.parametrize(
    ("sources", "jails"),
    [
        (["one", "loop", "slow", "two"], [["one", "loop", "slow"], ["one", "slow"]]),
        (["one", "slow", "two"], [["one", "slow"]]),
    ],
)
def test_where_the_time_of_cells_is_used_what_was_stopped_makes_room(ran, sources, jails):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    running.grade_notebook(SimpleNamespace(questions=[]), notebook, None, None, "", Limits())
    assert ran == jails


def test_cells_leave_time_for_answers(tmp_path):
    with Confined(tmp_path, Limits(seconds=6, cell=60, answer=60), confined=False) as process:
        process.run("def f(): return 3")
        assert process.run("while True: pass")["error"]["name"] == "TimeLimit"
        with pytest.raises(OutOfTime, match="it had used the 4 s of its cells"):
            process.run("1")
        assert process.ask("f", {"list": []})["value"] == {"plain": 3}
