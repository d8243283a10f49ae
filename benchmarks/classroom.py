"""How long a class of 60 takes to grade, and how much memory: `python -m benchmarks.classroom`, on a quiet machine.

Submissions of one assignment, as a class hands them in: solved, with a mistake, with an error, untouched, in turns;
graded confined, by `python -m assignments grade`, with as many at once as this process has cores.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil

from assignments.course import Course
from assignments.grading import workers_of_this_machine
from assignments.masters import choose, mark, read_master
from assignments.releasing import release_notebook
from benchmarks import environment
from benchmarks.timings import RESULTS
from book.files import write_atomically

_PULSE = 0.5  # seconds between two looks at the memory


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classroom", description=__doc__)
    parser.add_argument("--assignment", default="2", help="which one (default: 2)")
    parser.add_argument("--students", type=int, default=60, help="submissions (default: 60)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    name = choose(options.assignment)
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder))
        course.set_up()
        hand_in(course, name, options.students)
        seconds, memory = grade(course, name)
        graded = len(list((course.root / "graded").glob(f"*/{name}.json")))
    if graded < options.students:
        print(f"error: {options.students - graded} submissions were not graded.", file=sys.stderr)
        return 1
    content = {
        "benchmark": "classroom",
        "command": "python -m benchmarks.classroom",
        "environment": environment.describe("cpu"),
        "assignment": name,
        "students": options.students,
        "workers": workers_of_this_machine(),
        "seconds": round(seconds, 1),
        "peak_bytes_by_third": [max(third) for third in _thirds(memory)],
        **environment.moment(),
    }
    write_atomically(options.results / "classroom-cpu.json", (json.dumps(content, indent=1) + "\n").encode())
    peaks = ", ".join(f"{peak / 2**20:.0f}" for peak in content["peak_bytes_by_third"])
    print(f"{graded} of {name} in {seconds:.0f} s, {content['workers']} at once; peak MiB by thirds: {peaks}")
    return 0


def hand_in(course: Course, name: str, students: int) -> None:
    """Write submissions of four kinds in turns."""
    master = read_master(name)
    solutions = {mark(cell)["grade_id"]: cell.source for cell in master.notebook.cells if mark(cell).get("solution")}
    for number in range(students):
        notebook = copy.deepcopy(release_notebook(master))
        wrong = list(solutions)[number // 4 % len(solutions)]
        for cell in notebook.cells:
            grade_id = mark(cell).get("grade_id")
            if grade_id in solutions and number % 4 != 3:
                cell.source = solutions[grade_id]
                if grade_id == wrong and number % 4 == 1:
                    cell.source = cell.source.replace("return ", "return 2 * ")
                if grade_id == wrong and number % 4 == 2:
                    cell.source += "\nundefined_name"
        folder = course.submitted / f"student-{number:02}" / name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{name}.ipynb")


def grade(course: Course, name: str) -> tuple[float, list[int]]:
    """Grade the class; return the seconds, and the memory of the grader and all that it started, over time."""
    memory: list[int] = []
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "assignments", "grade", name, "--course", str(course.root)],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    watch = threading.Thread(target=_watch, args=(process.pid, memory))
    watch.start()
    process.wait()
    seconds = time.perf_counter() - started
    watch.join()
    return seconds, memory


def _watch(pid: int, memory: list[int]) -> None:
    while True:
        try:
            root = psutil.Process(pid)
            total = 0
            for each in [root, *root.children(recursive=True)]:
                try:
                    total += each.memory_full_info().pss
                except psutil.Error:
                    continue
        except psutil.NoSuchProcess:
            return
        if root.status() == psutil.STATUS_ZOMBIE:
            return
        memory.append(total)
        time.sleep(_PULSE)


def _thirds(values: list[int]) -> list[list[int]]:
    third = max(1, len(values) // 3)
    return [values[:third], values[third : 2 * third] or values[:third], values[2 * third :] or values[:third]]


if __name__ == "__main__":
    sys.exit(main())
