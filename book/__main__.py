"""The command line: `python -m book build | run | check | pair | metadata | picture | pdf | preprint | serve`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from book.errors import BookError, uncoloured
from book.profiles import parse_overrides
from book.project import Project


def main(arguments: list[str] | None = None, root: Path | None = None) -> int:
    """Run one command; 0 when all is well, 1 when a chapter or a check failed, 2 when the input is wrong."""
    options = _parser().parse_args(arguments)
    project = Project((root or Path.cwd()).resolve())
    try:
        if not (project.root / "_toc.yml").is_file():
            raise BookError(f"{project.root} holds no _toc.yml; call this in the root of a checkout of the book.")
        return options.command(project, options)
    except BookError as error:
        print(f"book: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nbook: stopped.", file=sys.stderr)
        return 130
    except OSError as error:
        print(
            f"book: cannot use {error.filename}: {error.strerror}; check its permissions and the space left.",
            file=sys.stderr,
        )
        return 2


def _build(project: Project, options: argparse.Namespace) -> int:
    from book.build import build

    started = time.monotonic()
    report = build(project, options.profile, options.only, parse_overrides(options.parameter))
    for failure in report.failures:
        print(f"\nbook: {failure}", file=sys.stderr)
        print(_for_terminal(failure.traceback), file=sys.stderr)
    if report.failures:
        kept = "The site was left as it was." if project.html.is_dir() else "No site was built."
        print(f"\nbook: {len(report.failures)} chapter(s) failed. {kept}", file=sys.stderr)
        return 1
    did = f"executed {len(report.executed)} chapter(s)" if report.executed else "executed no chapter"
    site = "rendered" if report.rendered else "was up to date"
    shown = (project.html / "index.html").relative_to(project.root)
    print(f"{did}; the site {site} in {time.monotonic() - started:.1f} s: {shown}")
    return 0


def _run(project: Project, options: argparse.Namespace) -> int:
    from book.build import run
    from book.chapters import choose
    from book.execute import ChapterFailure

    chapter = choose(options.chapter, project.chapter_names())
    output = Path(f"{chapter}.out.ipynb" if options.output is None else options.output)
    try:
        record = run(project, chapter, parse_overrides(options.parameter), output, options.profile)
    except ChapterFailure as failure:
        print(f"book: {failure}\n{_for_terminal(failure.traceback)}", file=sys.stderr)
        return 1
    print(f"{chapter} ran in {record.seconds:g} s on {record.device}: {output}")
    return 0


def _for_terminal(traceback: str) -> str:
    """Keep IPython's colours for a terminal only."""
    return traceback if sys.stderr.isatty() else uncoloured(traceback)


def _check(project: Project, options: argparse.Namespace) -> int:
    from book.pairs import problems

    found = problems(project)
    for problem in found:
        print(f"book: {problem}", file=sys.stderr)
    if not found:
        print("Chapters, pairs, parameter files and metadata are in order.")
    return 1 if found else 0


def _pair(project: Project, options: argparse.Namespace) -> int:
    from book.pairs import write_pairs

    written = write_pairs(project)
    print(f"wrote {', '.join(written)}" if written else "every pair was up to date")
    return 0


def _metadata(project: Project, options: argparse.Namespace) -> int:
    from book.citation import write_metadata
    from book.crate import write_crate

    written = write_metadata(project)
    if options.crate:
        written.append(write_crate(project).name)
    print(f"wrote {', '.join(written)}" if written else "all metadata were up to date")
    return 0


def _picture(project: Project, options: argparse.Namespace) -> int:
    from book.picture import write_picture
    from book.preview import write_preview

    print(f"wrote {write_picture(project, options.profile).relative_to(project.root)}")
    print(f"wrote {write_preview(project).relative_to(project.root)}")
    return 0


def _pdf(project: Project, options: argparse.Namespace) -> int:
    from book.paper import print_book

    output = print_book(project, project.build / "book.pdf")
    print(f"{output.relative_to(project.root)}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


def _preprint(project: Project, options: argparse.Namespace) -> int:
    from book.preprint import write_preprint

    write_preprint(project, options.folder)
    print(f"{options.folder} is laid out as NeuroLibre builds it")
    return 0


def _serve(project: Project, options: argparse.Namespace) -> int:
    from book.serve import serve

    serve(project)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m book", description="Turn the chapters into the site.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    parameter = {
        "action": "append", "default": [], "metavar": "NAME=VALUE",
        "help": "a parameter of the chapter(s); the value is YAML, e.g. widths='[16, 32]'; may be repeated",
    }  # fmt: skip

    command = commands.add_parser("build", help="execute what changed and build the site")
    command.add_argument("--profile", default="quick", help="parameters from params/PROFILE.yml (default: quick)")
    command.add_argument("--only", metavar="NN_name", help="execute this chapter alone (NN is enough)")
    command.add_argument("-p", "--parameter", **parameter)
    command.set_defaults(command=_build)

    command = commands.add_parser("run", help="execute one chapter into a notebook, with its default parameters")
    command.add_argument("chapter", metavar="NN_name")
    command.add_argument("--profile", help="start from params/PROFILE.yml instead of the chapter's defaults")
    command.add_argument("-p", "--parameter", **parameter)
    command.add_argument("-o", "--output", metavar="OUT.ipynb", help="where to write (default: NN_name.out.ipynb)")
    command.set_defaults(command=_run)

    command = commands.add_parser(
        "check", help="check headers, parameters, profiles, pairs and metadata; executes nothing"
    )
    command.set_defaults(command=_check)

    command = commands.add_parser("pair", help="write chapters/NN_name.ipynb beside every chapters/NN_name.md")
    command.set_defaults(command=_pair)

    command = commands.add_parser("metadata", help="write codemeta.json and .zenodo.json from CITATION.cff")
    command.add_argument("--crate", action="store_true", help="and ro-crate-metadata.json, which describes all files")
    command.set_defaults(command=_metadata)

    command = commands.add_parser(
        "picture", help="draw the README's picture from the landing page as it was executed, and the preview of links"
    )
    command.add_argument("--profile", default="quick", help="the profile it was executed with (default: quick)")
    command.set_defaults(command=_picture)

    command = commands.add_parser("pdf", help="print the built site as one PDF, _build/book.pdf; needs a Chromium")
    command.set_defaults(command=_pdf)

    command = commands.add_parser("preprint", help="write the built book into a folder as NeuroLibre expects it")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="empty, or not there yet")
    command.set_defaults(command=_preprint)

    command = commands.add_parser("serve", help="serve the built site on this machine")
    command.set_defaults(command=_serve)
    return parser


if __name__ == "__main__":
    sys.exit(main())
