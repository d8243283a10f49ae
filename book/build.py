"""Build the book: execute what changed, stage it, render the site."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.chapters import Chapter, choose, read_chapters
from book.destination import check_destination
from book.errors import BookError
from book.execute import ChapterFailure, Run, run_chapter
from book.files import write_atomically
from book.keys import Keys
from book.outputs import Outputs, Record, describe
from book.parameters import Value
from book.profiles import Profile, read_profile, resolve
from book.progress import Progress
from book.project import Project
from book.site import Disturbed, build_site
from book.stage import stage

# Builds in one call where somebody removes what they use.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Report:
    """What a build did: chapters executed, chapters that failed, whether the site was rendered anew."""

    executed: tuple[str, ...]
    failures: tuple[ChapterFailure, ...]
    rendered: bool


def build(project: Project, profile_name: str, only: str | None, overrides: Mapping[str, Any]) -> Report:
    """Bring the site up to date with the sources.

    With `only`, that chapter alone is executed; the others show their outputs where these are current, and say that
    they were not executed where not. A chapter that fails leaves the site as it was; the others are finished and kept.
    """
    chapters = read_chapters(project)
    selected = [choose(only, chapters)] if only else list(chapters)
    profile = read_profile(project, profile_name, chapters)
    values = resolve(chapters, selected, profile, overrides)
    with _lock(project):
        for _ in range(_ATTEMPTS):
            try:
                return _built(project, chapters, selected, profile, values)
            except (Disturbed, FileNotFoundError) as error:
                lost = getattr(error, "filename", None)
                if lost is not None and not Path(lost).is_relative_to(project.build):
                    raise
                print("Files of _build/ were removed meanwhile; building again.", file=sys.stderr, flush=True)
        raise BookError("Files of _build/ were removed again and again while the book was built; leave them alone.")


def _built(
    project: Project,
    chapters: Mapping[str, Chapter],
    selected: list[str],
    profile: Profile,
    values: Mapping[str, dict[str, Value]],
) -> Report:
    outputs = Outputs(project, profile.name)
    keys = Keys(project)
    key = {name: keys.key(chapter, values[name]) for name, chapter in chapters.items()}
    records = {name: record for name in chapters if (record := outputs.record(name, key[name]))}
    due = [name for name in selected if name not in records]
    fresh, failures = _execute(project, chapters, due, values, key, outputs, profile)
    if failures:
        return Report(tuple(fresh), tuple(failures), rendered=False)
    records |= fresh
    staged = stage(project, chapters, records, outputs, profile.name)
    rendered = build_site(project, staged, project.pages(), strict=len(records) == len(chapters))
    return Report(tuple(fresh), (), rendered)


def run(
    project: Project, name: str, overrides: Mapping[str, Any], output: Path, profile_name: str | None = None
) -> Record:
    """Execute one chapter with its defaults, a profile if one is named, and overrides, into a notebook file."""
    chapters = read_chapters(project)
    chapter = chapters[name]
    profile = read_profile(project, profile_name, chapters) if profile_name else None
    values = resolve(chapters, [name], profile, overrides)[name]
    check_destination(project, output)
    with _scratch() as folder, Progress(1) as progress:
        done = _watched(project, chapter, values, profile.time_limit if profile else None, progress, folder)
        progress.end(name, f"executed in {done.seconds:.1f} s")
    record, data = describe(project, name, profile_name, "", values, done)
    write_atomically(output, data)
    return record


def _execute(
    project: Project,
    chapters: Mapping[str, Chapter],
    due: list[str],
    values: Mapping[str, dict[str, Value]],
    keys: Mapping[str, str],
    outputs: Outputs,
    profile: Profile,
) -> tuple[dict[str, Record], list[ChapterFailure]]:
    """Execute chapters side by side; each kernel is a process, which a thread of this one waits for.

    Threads, not processes, so that a build that is killed takes nobody with it that could still write outputs.
    """
    records: dict[str, Record] = {}
    failures: list[ChapterFailure] = []
    removed: FileNotFoundError | None = None
    if not due:
        return records, failures
    workers = min(_cores(), len(due))
    with _scratch() as folder, Progress(len(due)) as progress, ThreadPoolExecutor(workers) as pool:
        futures = {
            pool.submit(_watched, project, chapters[name], values[name], profile.time_limit, progress, folder): name
            for name in due
        }
        try:
            for future in as_completed(futures):
                name = futures[future]
                try:
                    done = future.result()
                except ChapterFailure as failure:
                    failures.append(failure)
                    progress.end(name, "FAILED")
                except FileNotFoundError as error:
                    removed = error
                except Exception as error:  # a fault of the tools, which costs this chapter and no other
                    sentence = f"could not be executed ({type(error).__name__}: {' '.join(str(error).split())})"
                    failures.append(ChapterFailure(name, sentence, traceback.format_exc()))
                    progress.end(name, "FAILED")
                else:
                    # A file that was edited meanwhile may or may not have been read: such outputs belong to no key.
                    steady = Keys(project).key(chapters[name], values[name]) == keys[name]
                    records[name] = outputs.save(name, keys[name] if steady else "", values[name], done)
                    note = "" if steady else "; what it depends on changed meanwhile, so build once more"
                    progress.end(name, f"executed in {done.seconds:.1f} s{note}")
        except KeyboardInterrupt:
            # Waiting for the threads would wait for their chapters; kernels end when their parent is gone.
            print("\nInterrupted; finished chapters are kept.", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(130)
    if removed:
        raise removed
    return records, failures


def _watched(
    project: Project,
    chapter: Chapter,
    values: Mapping[str, Value],
    time_limit: float | None,
    progress: Progress,
    scratch: Path,
) -> Run:
    """Run a chapter and feed its cells and its progress file to the terminal."""
    folder = scratch / chapter.name
    folder.mkdir()
    progress.start(chapter.name, folder / "progress")
    return run_chapter(
        chapter,
        values,
        project.root,
        folder,
        time_limit,
        on_cell=lambda cell, cells: progress.cell(chapter.name, cell, cells),
    )


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for what running chapters need, outside of the checkout, which may be read-only."""
    with tempfile.TemporaryDirectory(prefix="book-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _lock(project: Project) -> Iterator[None]:
    """Let one build of a checkout run at a time; the system lifts the lock when its holder dies.

    The checkout itself is locked: `_build/` may be removed while a build runs.
    """
    project.build.mkdir(exist_ok=True)
    checkout = os.open(project.root, os.O_RDONLY)
    try:
        fcntl.flock(checkout, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(checkout)
        raise BookError("Another build of this checkout is running; wait for it or stop it.") from None
    except OSError as error:
        print(f"Locks do not work here ({error.strerror}); start no other build meanwhile.", file=sys.stderr)
    try:
        yield
    finally:
        os.close(checkout)
