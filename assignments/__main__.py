"""The command line: `python -m assignments release | publish | grade | feedback | grades`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

import nbformat

from assignments import gradebook, grades
from assignments.confinement.process import CannotConfine, Limits
from assignments.course import Course
from assignments.feedback import write_feedback
from assignments.grading import Grading, read_written, workers_of_this_machine
from assignments.masters import choose, names, read_master
from assignments.releasing import release_notebook
from assignments.secret import read_secret
from assignments.table import summary, tell
from assignments.variants import draw, read_roster
from book.errors import BookError
from book.files import write_if_changed
from book.profiles import parse_overrides

RELEASES = Path(__file__).with_name("releases")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 when a submission could not be graded, 2 when the input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.named = [choose(name) for name in options.names]
        options.names = options.named or names()
        if not options.course:
            raise BookError("--course, or $CLASSROOM_COURSE, must name a folder, and is empty.")
        return options.command(Course(Path(options.course).expanduser().resolve()), options)
    except CannotConfine as reason:
        print(
            f"assignments: submissions cannot be confined here: {reason}. Not enforced would be: no network, no sight "
            "of other submissions, of the gradebook and of your files, limits of processes and of memory in all. Grade "
            "on Linux or in a container (see the teaching guide), or say --unconfined if you trust who handed in.",
            file=sys.stderr,
        )
        return 2
    except (BookError, gradebook.NotKept) as error:
        print(f"assignments: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nassignments: stopped; the same command goes on.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"assignments: cannot use {error.filename}: {error.strerror}.", file=sys.stderr)
        return 2


def _release(course: Course, options: argparse.Namespace) -> int:
    overrides = parse_overrides(options.parameter)
    roster = read_roster(options.per_student) if options.per_student else {}
    secret = read_secret(options.secret) if roster else ""
    masters = {name: read_master(name).vary(overrides) for name in options.names}  # what is refused leaves no course
    course.set_up()
    for name, master in masters.items():
        drawn = {student: draw(master, student, secret) for student in roster}
        gradebook.register(course, master)
        gradebook.enrol(course, roster)
        course.write_variants(name, {key: master.values[key] for key in overrides}, drawn)
        _write(course.release(name), master)
        for number, (student, values) in enumerate(drawn.items(), 1):
            _write(course.release(name, student), master.vary(values))
            print(f"[{number}/{len(drawn)}] {name} for {student}", file=sys.stderr, flush=True)
        shown = ", ".join(f"{key} = {value}" for key, value in overrides.items()) or "default parameters"
        print(f"{name}  {master.points:g} points  {shown}  {course.release(name)}")
    return 0


def _publish(course: Course, options: argparse.Namespace) -> int:
    for name in options.names:
        _write(RELEASES / f"{name}.ipynb", read_master(name))
    print(f"{len(options.names)} releases in {RELEASES}")
    return 0


def _write(path: Path, master) -> None:
    write_if_changed(path, (nbformat.writes(release_notebook(master)) + "\n").encode())


def _grade(course: Course, options: argparse.Namespace) -> int:
    if options.workers < 1:
        raise BookError(f"--workers must be at least 1, got {options.workers}.")
    if not 0 < options.seconds < math.inf:
        raise BookError(f"--seconds must be positive and finite, got {options.seconds:g}.")
    if options.written:
        if len(options.named) != 1:
            raise BookError("--written needs the name of one assignment, such as 5, whose questions the file tells.")
        return _grade_by_hand(course, options.names[0], options.written)
    handed_in = [name for name in options.names if any(course.submitted.glob(f"*/{name}"))]
    if not handed_in:
        raise BookError(f"nothing was handed in: {course.submitted} holds no STUDENT/{'|'.join(options.names)} folder.")
    secret = read_secret(options.secret)
    limits = Limits(seconds=options.seconds)
    failed = 0
    for name in handed_in:
        gradebook.register(course, course.variant(name))
        grading = Grading(course, name, secret, limits, not options.unconfined, options.workers, options.again)
        results = grading.run(tell)
        print(summary(name, results))
        failed += sum(result.problem is not None for result in results)
    return 1 if failed else 0


def _grade_by_hand(course: Course, name: str, path: Path) -> int:
    given = read_written(path, read_master(name))
    _refuse_no_course(course)
    gradebook.grade_by_hand(course, name, given)
    print(f"{name}: {len(given)} written answers are graded from {path}")
    return 0


def _refuse_no_course(course: Course) -> None:
    """Refuse a folder in which nothing was released or graded, before a gradebook is made in it."""
    if not (course.root / "gradebook.db").is_file():
        raise BookError(
            f"--course must be the folder of a course, and {course.root} is none; name the one of your releases."
        )


def _feedback(course: Course, options: argparse.Namespace) -> int:
    _refuse_no_course(course)
    pages = {name: len(write_feedback(course, name)) for name in options.names}
    if not any(pages.values()):
        raise BookError(f"nobody was graded in {', '.join(options.names)} in {course.root}; grade what was handed in.")
    for name, count in pages.items():
        if count:
            print(f"{name}: {count} pages in {course.root / 'feedback'}")
    return 0


def _grades(course: Course, options: argparse.Namespace) -> int:
    _refuse_no_course(course)
    path = options.output or course.root / f"grades-{options.format}.csv"
    print(f"{grades.write_grades(course, options.format, path)} students: {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m assignments", description="Hand out, grade and give back.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("names", nargs="*", metavar="NAME", help="assignments, e.g. 1 (default: all)")
    common.add_argument(
        "--course", default=os.environ.get("CLASSROOM_COURSE", "course"),
        help="the course folder (default: $CLASSROOM_COURSE, else ./course)",
    )  # fmt: skip
    secret = argparse.ArgumentParser(add_help=False)
    secret.add_argument("--secret", type=Path, metavar="FILE", help="the secret seed (default: $CLASSROOM_SECRET)")

    command = commands.add_parser("release", parents=[common, secret], help="write what students get")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a variant")
    command.add_argument("--per-student", type=Path, metavar="ROSTER.csv", help="draw a variant for each student")
    command.set_defaults(command=_release)

    command = commands.add_parser("publish", parents=[common], help="write the releases that the book offers")
    command.set_defaults(command=_publish)

    command = commands.add_parser("grade", parents=[common, secret], help="run and check what was handed in")
    command.add_argument("--workers", type=int, default=workers_of_this_machine(), help="submissions run at once")
    command.add_argument("--seconds", type=float, default=Limits.seconds, help="for one submission in all")
    command.add_argument("--again", action="store_true", help="run what is graded already, too")
    command.add_argument("--unconfined", action="store_true", help="run submissions with your own rights")
    command.add_argument("--written", type=Path, metavar="POINTS.csv", help="enter points given by hand, and stop")
    command.set_defaults(command=_grade)

    command = commands.add_parser("feedback", parents=[common], help="write a page for each student")
    command.set_defaults(command=_feedback)

    command = commands.add_parser("grades", parents=[common], help="write everybody's grades")
    command.add_argument("--format", choices=grades.FORMATS, default="nbgrader")
    command.add_argument("-o", "--output", type=Path, metavar="FILE.csv")
    command.set_defaults(command=_grades)
    return parser


if __name__ == "__main__":
    sys.exit(main())
