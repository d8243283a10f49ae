"""The commands a teacher types, and what they say when something is wrong."""

import csv
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from classroom import FIRST, cell, hand_in, solved, untouched

from assignments import gradebook
from assignments.__main__ import main
from assignments.checking import Outcome
from assignments.confinement import process
from assignments.course import Course
from assignments.masters import mark, read_master
from assignments.releasing import leaks


@pytest.fixture
def secret(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef")
    monkeypatch.setenv("CLASSROOM_SECRET", str(path))


@pytest.fixture
def course(tmp_path, monkeypatch, secret, new_course) -> Course:
    monkeypatch.setenv("CLASSROOM_COURSE", str(tmp_path / "course"))
    return new_course(tmp_path / "course")


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def test_a_release_holds_the_notebook_alone(course, capsys):
    assert call("release") == 0
    files = sorted(path for path in (course.root / "release").rglob("*") if path.is_file())
    assert [path.suffix for path in files] == [".ipynb"] * 5
    for path in files:
        assert leaks(read_master(path.stem), path.read_text()) == []
    assert "20 points" in capsys.readouterr().out


def test_each_student_gets_a_variant_that_grading_knows(course, tmp_path, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("student,last_name\nann,A\nbob,B\n")
    assert call("release", "1", "--per-student", roster) == 0
    sizes = [cell(nbformat.read(course.release(FIRST, who), 4), "sizes").source for who in ("ann", "bob")]
    assert sizes[0] != sizes[1] != cell(untouched(), "sizes").source
    for who, source in zip(("ann", "bob"), sizes, strict=True):
        width = course.variant(FIRST, who).values["width"]
        assert f"width: int = {width}  #" in source
    assert course.variant(FIRST).values == read_master(FIRST).values
    assert call("release", "1", "--per-student", roster) == 0
    assert cell(nbformat.read(course.release(FIRST, "ann"), 4), "sizes").source == sizes[0]


def test_a_class_gets_its_parameters(course):
    assert call("release", "1", "-p", "width=33") == 0
    assert "width: int = 33  #" in cell(nbformat.read(course.release(FIRST), 4), "sizes").source
    assert course.variant(FIRST, "anybody").values["width"] == 33


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["release", "7"], 'There is no assignment "7"'),
        (["release", "1", "-p", "width=5"], "width cannot be 5"),
        (["release", "1", "--per-student", "nowhere.csv"], "nowhere.csv does not exist"),
        (["grade", "1"], "nothing was handed in"),
        (["grade", "1", "--secret", "nowhere"], "nothing was handed in"),
        (["grade", "1", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["grade", "1", "--seconds", "nan"], "--seconds must be positive and finite, got nan"),
        (["grade", "1", "--seconds", "-5"], "--seconds must be positive and finite, got -5"),
        (["grade", "--written", "points.csv"], "--written needs the name of one assignment"),
        (["feedback", "1"], "nobody was graded in 01_initialization"),
        (["grades", "--course", "nowhere"], "nowhere is none"),
        (["release", "1", "--course", ""], "must name a folder, and is empty"),
    ],
)
def test_wrong_input_is_one_sentence(course, capsys, arguments, said):
    assert call(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"student,question,points\ndan,written-verdict\n", "line 2: points must be a number, such as 4.5, not ''"),
        (b'student,question,points\ndan,"' + b"x" * 200_000, "must be a CSV file, and is none after line 1 (field"),
        (b"student,question,points\ndan,test-curve,2\n", "'test-curve' is no question of 05_judge_a_claim that is"),
        (b"student,question,points\neve,written-verdict,2\n", "no answer of 'eve' to written-verdict; grade 05"),
        (b"\xff\xfes\x00", "must be a CSV file in UTF-8"),
    ],
)
def test_wrong_points_by_hand_are_one_sentence(course, tmp_path, capsys, content, said):
    (tmp_path / "points.csv").write_bytes(content)
    assert call("grade", "5", "--written", tmp_path / "points.csv") == 2
    assert said in capsys.readouterr().err


def test_points_by_hand_are_entered_all_or_none(course, tmp_path, capsys):
    master, path = read_master("05_judge_a_claim"), tmp_path / "points.csv"
    outcomes = [Outcome(question.name, question.points) for question in master.questions if not question.written]
    gradebook.register(course, master)
    gradebook.keep(course, master, "dan", outcomes, {"written-verdict": True}, 0.0)
    right = 'student,question,points,comment\ndan,written-verdict,5,"Two\nlines"\n'
    path.write_text(right + "eve,written-verdict,5,\n")
    assert call("grade", "5", "--written", path) == 2
    assert gradebook.points(course, master.name, "dan")["written-verdict"] == (None, "")
    path.write_text(right)
    assert call("grade", "5", "--written", path) == 0
    assert gradebook.points(course, master.name, "dan")["written-verdict"] == (5.0, "Two\nlines")


@pytest.mark.parametrize("command", [["grades"], ["feedback"], ["grade", "5", "--written"]])
def test_nothing_is_made_where_no_course_is(secret, tmp_path, capsys, command):
    points, other = tmp_path / "points.csv", tmp_path / "other"
    points.write_text("student,question,points\n")
    other.mkdir()
    assert call(*command, *([points] if "--written" in command else []), "--course", other) == 2
    assert f"{other} is none; name the one of your releases" in capsys.readouterr().err
    assert not list(other.iterdir())


def test_a_refused_release_leaves_no_course(course, tmp_path):
    assert call("release", "1", "-p", "width=5", "--course", tmp_path / "new") == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "said"), [("x,y\n1,2\n", "needs a column `student`"), ("student\n\n", "names no student"),
                       ("student\nann\nann\n", "names ann twice"), ("student\n../x\n", "must be a folder's name"),
                       ("student\nann\nAnn\n", "names ann and Ann, which may be one folder"),
                       ('student\n"' + "x" * 200_000, "must be a CSV file, and is none after line 1")]
)  # fmt: skip
def test_a_wrong_roster_is_one_sentence(course, tmp_path, capsys, text, said):
    (tmp_path / "roster.csv").write_text(text)
    assert call("release", "1", "--per-student", tmp_path / "roster.csv") == 2
    assert said in capsys.readouterr().err


def test_a_secret_in_the_repository_or_too_short_is_refused(course, tmp_path, capsys):
    hand_in(course, "ann", solved())
    (tmp_path / "short").write_text("abc")
    inside = Path(__file__)
    for path, said in ((tmp_path / "short", "needs at least 16"), (inside, "lies in the repository")):
        assert call("grade", "1", "--secret", path) == 2
        assert said in capsys.readouterr().err


def test_a_machine_that_cannot_confine_grades_nobody(course, monkeypatch, capsys):
    hand_in(course, "ann", solved())

    monkeypatch.setattr(process, "_binds", lambda *_: [("/nowhere", "/nowhere")])
    assert call("grade", "1") == 2
    said = capsys.readouterr().err
    assert "cannot be confined here" in said and "--unconfined" in said
    assert not (course.root / "graded").exists()


def grades(path: Path) -> list[dict[str, str]]:
    with open(path) as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_from_a_folder_to_grades(course, tmp_path, capsys):
    """Unconfined, which is the same but for the namespaces; a written answer waits for a person."""
    name = "05_judge_a_claim"
    assert call("release", "1", "5") == 0
    hand_in(course, "ann", solved())
    (course.submitted / "bob" / FIRST).mkdir(parents=True)
    hand_in(course, "cleo", untouched(name), name)
    answered = untouched(name)
    cell(answered, "written-verdict").source = "Inconclusive, by the rule."
    hand_in(course, "dan", answered, name)
    assert call("grade", "--unconfined") == 1
    said = capsys.readouterr()
    assert "no notebook" in said.out and "2 graded, 0 could not be graded" in said.out and "[1/2]" in said.err
    points = tmp_path / "points.csv"
    points.write_text("student,question,points,comment\ndan,written-verdict,5,Which numbers?\n")
    assert call("feedback", "5") == 0 and "not graded yet" in course.feedback("dan", name).read_text()
    assert "not graded yet" not in course.feedback("cleo", name).read_text()
    assert call("grade", "5", "--written", points) == 0
    assert call("feedback") == 0
    page = course.feedback("dan", name).read_text()
    assert "5 / 20" in page and "Which numbers?" in page
    assert call("grades") == 0
    by_nbgrader = {
        (line["assignment"], line["student_id"]): line for line in grades(course.root / "grades-nbgrader.csv")
    }
    assert by_nbgrader[FIRST, "ann"]["score"] == "20.0" and by_nbgrader[name, "dan"]["score"] == "5.0"
    assert call("grades", "--format", "canvas") == 0 and call("grades", "--format", "moodle") == 0
    canvas = grades(course.root / "grades-canvas.csv")
    assert canvas[0][FIRST] == "20" and [line["SIS Login ID"] for line in canvas[1:]] == ["ann", "cleo", "dan"]
    assert {line["username"]: line[FIRST] for line in grades(course.root / "grades-moodle.csv")}["ann"] == "20"
    points.write_text("student,question,points\ndan,written-verdict,9\n")
    assert call("grade", "5", "--written", points) == 2
    assert "has 6 points" in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_is_told_and_a_second_run_goes_on(tmp_path):
    """On a small disk of its own, made in a namespace: graded until it is full, and further when there is room."""
    course = Course(tmp_path / "disk" / "course")
    (tmp_path / "disk").mkdir()
    root = Path(__file__).parents[2]
    script = f"""
import sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests" / "support")!r}]
from pathlib import Path
from assignments.__main__ import main
from assignments.course import Course
from classroom import FIRST, hand_in, solved
course = Course(Path({str(course.root)!r}))
assert main(["release", "1"]) == 0
for student in ("ann", "bob"):
    hand_in(course, student, solved())
balloon = course.root / "balloon"
with open(balloon, "wb", buffering=0) as stream:
    try:
        while True:
            stream.write(b"x" * 4096)
    except OSError:
        pass
print("FULL", main(["grade", "1", "--workers", "1"]))
balloon.unlink()
print("ROOM", main(["grade", "1", "--workers", "1"]))
"""
    (tmp_path / "secret").write_text("0123456789abcdef")
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         f"mount -t tmpfs -o size=4m none {tmp_path / 'disk'} && exec {sys.executable} -"],
        input=script, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(tmp_path), "CLASSROOM_COURSE": str(course.root),
             "CLASSROOM_SECRET": str(tmp_path / "secret"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "FULL 1" in run.stdout and "full" in run.stdout and "ROOM 0" in run.stdout, run.stdout + run.stderr
    assert run.stdout.count("20.00 / 20") == 2


def test_masters_mark_every_code_cell():
    assert all(mark(each) for each in read_master(FIRST).notebook.cells if each.cell_type == "code")
