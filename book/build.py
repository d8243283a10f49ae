"""Build the book: execute what changed, stage it, render the site."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.chapters import Chapter, choose, read_chapters
from book.errors import BookError
from book.execute import ChapterFailure, Run, run_chapter
from book.files import write_atomically
from book.keys import Keys
from book.outputs import Outputs, Record, describe
from book.parameters import Value
from book.profiles import Profile, read_profile, resolve
from book.progress import Progress
from book.project import Project
from book.site import build_site
from book.stage import stage


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
    chapter = chapters[choose(name, chapters)]
    profile = read_profile(project, profile_name, chapters) if profile_name else None
    values = resolve(chapters, [name], profile, overrides)[name]
    if not output.parent.is_dir():
        raise BookError(f"The folder {output.parent} of the output does not exist; create it first.")
    with Progress(1) as progress:
        done = _watched(project, chapter, values, profile.time_limit if profile else None, progress)
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
    if not due:
        return records, failures
    workers = min(_cores(), len(due))
    with Progress(len(due)) as progress, ThreadPoolExecutor(workers) as pool:
        futures = {
            pool.submit(_watched, project, chapters[name], values[name], profile.time_limit, progress): name
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
                else:
                    # A file that was edited meanwhile may or may not have been read: such outputs belong to no key.
                    steady = Keys(project).key(chapters[name], values[name]) == keys[name]
                    records[name] = outputs.save(name, keys[name] if steady else "", values[name], done)
                    note = "" if steady else "; what it depends on changed meanwhile, so build once more"
                    progress.end(name, f"executed in {done.seconds:.1f} s{note}")
        except KeyboardInterrupt:
            # Waiting for the threads would wait for their chapters; kernels end when their parent is gone.
            print("\nInterrupted; finished chapters are kept.", file=sys.stderr, flush=True)
            os._exit(130)
    return records, failures


def _watched(
    project: Project, chapter: Chapter, values: Mapping[str, Value], time_limit: float | None, progress: Progress
) -> Run:
    """Run a chapter and feed its cells and its progress file to the terminal."""
    folder = project.build / "progress" / f"{os.getpid()}-{chapter.name}-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    try:
        progress.start(chapter.name, folder / "line")
        return run_chapter(
            chapter,
            values,
            project.root,
            time_limit,
            on_cell=lambda cell, cells: progress.cell(chapter.name, cell, cells),
            progress_file=folder / "line",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _lock(project: Project) -> Iterator[None]:
    """Let one build of a checkout run at a time; the system lifts the lock when its holder dies."""
    project.build.mkdir(exist_ok=True)
    with open(project.build / "lock", "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BookError("Another build of this checkout is running; wait for it or stop it.") from None
        yield
