"""Run one chapter in a kernel of its own, through papermill."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import copy
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill import execute_notebook
from papermill.exceptions import PapermillExecutionError

from book.chapters import KERNEL, Chapter
from book.errors import uncoloured
from book.kernel import ENGINE, OUTPUT_BYTES, TooMuchOutput
from book.parameters import Value, fill

# Appended to the copy that runs, and cut off again: only the kernel knows what the chapter really used.
_ENVIRONMENT_CELL = """
def _environment():
    import json, os, platform, sys
    modules = ("lib", "torch", "torchvision", "numpy", "scipy", "pandas", "sklearn", "matplotlib")
    versions = {"python": platform.python_version()}
    for name in modules:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            versions[name] = str(version)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        device = torch.cuda.get_device_name()
    else:
        device = f"CPU, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    return json.dumps({"device": device, "versions": versions})
_environment()
"""


class ChapterFailure(Exception):
    """A chapter that did not end: one sentence, and the traceback of the cell where there is one."""

    def __init__(self, chapter: str, sentence: str, traceback: str = "") -> None:
        super().__init__(f"{chapter}: {sentence}")
        self.chapter = chapter
        self.traceback = traceback


@dataclass(frozen=True)
class Run:
    """The outputs of a chapter, and where and how long it ran."""

    notebook: NotebookNode
    seconds: float
    device: str
    versions: dict[str, str]


def run_chapter(
    chapter: Chapter,
    values: Mapping[str, Value],
    root: Path,
    folder: Path,
    time_limit: float | None = None,
    on_cell: Callable[[int, int], None] = lambda cell, cells: None,
) -> Run:
    """Run a chapter with these parameters from the root of the checkout.

    The parameters are written into the `parameters` cell of the copy, in the place of the defaults, so that the page
    and the download show exactly what ran. `on_cell` hears each code cell (k, of n) as it starts; `folder`, which is
    empty, takes what a running kernel needs, and the file `progress`, which the kernel finds as BOOK_PROGRESS.
    Raises ChapterFailure.
    """
    notebook = prepare(chapter, values)
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    started = time.monotonic()
    current = 0

    def on_cell_start(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        if cell_index in code:
            current = min(code.index(cell_index) + 1, len(code) - 1)  # the environment cell is none of the chapter's
            on_cell(current, len(code) - 1)

    def remaining(cell: NotebookNode) -> int | None:
        return None if time_limit is None else max(1, round(time_limit - (time.monotonic() - started)))

    def where() -> str:
        source = chapter.code_cells[current - 1] if current and chapter.code_cells else None
        location = f" ({chapter.locate(source)})" if source is not None else ""
        return f"code cell {current} of {len(code) - 1}{location}"

    with _event_loop():
        kernel_log = folder / "log"
        try:
            with kernel_log.open("wb") as log:
                executed = execute_notebook(
                    notebook,
                    None,
                    engine_name=ENGINE,
                    kernel_name=KERNEL,
                    progress_bar=False,
                    autosave_cell_every=0,
                    environment=_kernel_environment(root, folder / "progress"),
                    folder=folder,
                    kernel_log=log,
                    timeout_func=remaining,
                    on_cell_start=on_cell_start,
                    resources={"metadata": {"path": str(root)}},
                )
        except PapermillExecutionError as error:
            sentence = f"{where()} raised {error.ename}: {_one_line(error.evalue)}"
            raise ChapterFailure(chapter.name, sentence, "\n".join(error.traceback)) from None
        except CellTimeoutError:
            raise ChapterFailure(
                chapter.name, f"stopped in {where()}, over its time limit of {time_limit:g} seconds."
            ) from None
        except TooMuchOutput:
            sentence = f"stopped in {where()}, which shows more than {OUTPUT_BYTES / 1e6:g} MB; print less there."
            raise ChapterFailure(chapter.name, sentence) from None
        except (DeadKernelError, RuntimeError) as error:
            sentence = f"the kernel died in {where()}, as when memory runs out or the code ends the process."
            if not current:
                sentence = f"the kernel did not start ({_one_line(str(error))})."
            raise ChapterFailure(chapter.name, sentence, _tail(kernel_log)) from None
    if any(out.get("ename") == "SystemExit" for cell in executed.cells for out in cell.get("outputs", [])):
        raise ChapterFailure(chapter.name, f"{where()} left by SystemExit; a chapter runs to its end, so remove that.")
    environment = json.loads(_text_result(executed.cells.pop()))
    return Run(executed, time.monotonic() - started, environment["device"], environment["versions"])


def prepare(chapter: Chapter, values: Mapping[str, Value]) -> NotebookNode:
    """Return the copy of a chapter that runs: its parameters filled in, the environment cell at its end."""
    notebook = copy.deepcopy(chapter.notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            cell.source = fill(cell.source, chapter.parameters, dict(values))
    notebook.cells.append(nbformat.v4.new_code_cell(_ENVIRONMENT_CELL))
    return notebook


@contextlib.contextmanager
def _event_loop() -> Iterator[None]:
    """Close the event loop that nbclient opens for the current thread and leaves open, with what waits in it."""
    try:
        yield
    finally:
        loop = ensure_event_loop()
        if waiting := asyncio.all_tasks(loop):
            for task in waiting:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        loop.close()


def _kernel_environment(root: Path, progress_file: Path) -> dict[str, str]:
    environment = dict(os.environ)
    # The library that is hashed is the library that is imported, also where another checkout is installed.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    # Chapters share the cores among them, and one thread gives the same numbers on every machine size.
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # nobody debugs these kernels
    environment["BOOK_PROGRESS"] = str(progress_file)
    return environment


def _text_result(cell: NotebookNode) -> str:
    """Return the string that was a cell's value; IPython shows its repr."""
    return ast.literal_eval(next(out.data["text/plain"] for out in cell.outputs if out.output_type == "execute_result"))


def _one_line(text: str) -> str:
    return " ".join(uncoloured(text).split())


def _tail(path: Path, lines: int = 10) -> str:
    """Return the last lines of what a kernel wrote to its terminal, however much that was."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 100_000))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
