"""Run one chapter in a kernel of its own, through papermill."""

from __future__ import annotations

import ast
import contextlib
import copy
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill import execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from book.chapters import KERNEL, Chapter
from book.errors import uncoloured
from book.parameters import Value, fill

_START_SECONDS = 120

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


class _ChapterEngine(NBClientEngine):
    """papermill's engine with an environment for the kernel and a file for what the kernel writes to the terminal."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        environment: Mapping[str, str],
        kernel_log: IO[bytes],
        log_output: bool = False,
        start_timeout: int = _START_SECONDS,
        **options: Any,
    ) -> None:
        options = {
            name: value for name, value in options.items() if name in PapermillNotebookClient.class_trait_names()
        }
        client = PapermillNotebookClient(
            nb_man, kernel_name=kernel_name, log_output=log_output, startup_timeout=start_timeout, **options
        )
        client.execute(env=dict(environment), stdout=kernel_log, stderr=kernel_log)


papermill_engines.register("chapter", _ChapterEngine)


def run_chapter(
    chapter: Chapter,
    values: Mapping[str, Value],
    root: Path,
    time_limit: float | None = None,
    on_cell: Callable[[int, int], None] = lambda cell, cells: None,
    progress_file: Path | None = None,
) -> Run:
    """Run a chapter with these parameters from the root of the checkout.

    The parameters are written into the `parameters` cell of the copy, in the place of the defaults, so that the page
    and the download show exactly what ran. `on_cell` hears each code cell (k, of n) as it starts; the kernel finds
    `progress_file` as BOOK_PROGRESS. Raises ChapterFailure.
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

    with tempfile.TemporaryFile() as kernel_log, _event_loop():
        try:
            executed = execute_notebook(
                notebook,
                None,
                engine_name="chapter",
                kernel_name=KERNEL,
                progress_bar=False,
                autosave_cell_every=0,
                start_timeout=_START_SECONDS,
                environment=_kernel_environment(root, progress_file),
                kernel_log=kernel_log,
                timeout_func=remaining,
                on_cell_start=on_cell_start,
                # Encrypted TCP where it is available; plain TCP would be announced by a warning in every chapter.
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),
                resources={"metadata": {"path": str(root)}},
            )
        except PapermillExecutionError as error:
            sentence = f"{where()} raised {error.ename}: {_one_line(error.evalue)}"
            raise ChapterFailure(chapter.name, sentence, "\n".join(error.traceback)) from None
        except CellTimeoutError:
            raise ChapterFailure(
                chapter.name, f"stopped in {where()}, over its time limit of {time_limit:g} seconds."
            ) from None
        except (DeadKernelError, RuntimeError) as error:
            sentence = f"the kernel died in {where()}, as when memory runs out or the code ends the process."
            if not current:
                sentence = f"the kernel did not start ({_one_line(str(error))})."
            raise ChapterFailure(chapter.name, sentence, _tail(kernel_log)) from None
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
    """Close the event loop that nbclient opens for the current thread and leaves open."""
    try:
        yield
    finally:
        ensure_event_loop().close()


def _kernel_environment(root: Path, progress_file: Path | None) -> dict[str, str]:
    environment = dict(os.environ)
    # The library that is hashed is the library that is imported, also where another checkout is installed.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    # Chapters share the cores among them, and one thread gives the same numbers on every machine size.
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # nobody debugs these kernels
    if progress_file is not None:
        environment["BOOK_PROGRESS"] = str(progress_file)
    return environment


def _text_result(cell: NotebookNode) -> str:
    """Return the string that was a cell's value; IPython shows its repr."""
    return ast.literal_eval(next(out.data["text/plain"] for out in cell.outputs if out.output_type == "execute_result"))


def _one_line(text: str) -> str:
    return " ".join(uncoloured(text).split())


def _tail(stream: IO[bytes], lines: int = 10) -> str:
    stream.seek(0)
    return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
