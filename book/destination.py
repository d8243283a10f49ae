"""Where `book run` may write: a new notebook, or one that was executed before, and nothing that anybody keeps."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

from book.errors import BookError
from book.project import Project


def check_destination(project: Project, output: Path) -> None:
    """Raise one sentence where an output cannot be written or would overwrite something else than an older output.

    Called before the run, whose result would be lost otherwise.
    """
    said = str(output) if len(str(output)) <= 80 else f"...{str(output)[-77:]}"
    if output.suffix != ".ipynb":
        raise BookError(f"The output {said} must be a notebook; give a name that ends with .ipynb.")
    try:
        folder = output.parent.resolve(strict=True)
        there = (folder / output.name).lstat()
    except FileNotFoundError:
        there = None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BookError(f"The output {said} cannot be written: {reason}; give another.") from error
    if not output.parent.is_dir():
        raise BookError(f"The folder {said[: -len(output.name)] or '.'} of the output does not exist; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BookError(f"The output {said} cannot be written: its folder is read-only; give another with -o.")
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise BookError(f"The output {said} is {_kind(there.st_mode)}, not a file; give a new name.")
    for owned in (project.chapters, project.build, project.root / "results"):
        if folder.is_relative_to(owned.resolve()):
            raise BookError(f"The output {said} lies in {owned.name}/, which is the book's own; give another folder.")
    if _tracked(folder / output.name):
        raise BookError(f"The output {said} is under version control; give a new name.")
    if there is not None and not _executed(folder / output.name):
        raise BookError(f"The output {said} exists and is no executed notebook; remove it or give a new name.")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _tracked(path: Path) -> bool:
    """Whether git knows a file; not where there is no git, or no repository."""
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(path.parent), "ls-files", "--", f":(literal){path.name}"],
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout)


def _executed(path: Path) -> bool:
    """Whether a file is a notebook whose cells have run."""
    try:
        notebook = json.loads(path.read_bytes())
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        ran = "papermill" in notebook["metadata"] or any(cell["execution_count"] for cell in code)
        return "nbformat" in notebook and ran
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
