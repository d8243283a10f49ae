"""What makes a run green beyond exit codes: a whole site, results that a GPU really made, rows that were only appended.

python .ci/green.py site | cuda NOTEBOOK ... | appended
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def site_faults(root: Path) -> Iterator[str]:
    """Yield what a built site lacks: pages, text on them, chapters that were executed."""
    from book.project import Project

    project = Project(root)
    for page in project.pages():
        path = project.html / f"{page}.html"
        if not path.is_file() or "<article" not in path.read_text(encoding="utf-8"):
            yield f"{path.relative_to(root)} is missing or has no text"
    try:
        strict = json.loads((project.html / "build.json").read_bytes())["strict"]
    except (OSError, ValueError, KeyError):
        strict = False
    if not strict:
        yield "not every chapter was executed"


def notebook_faults(path: Path) -> Iterator[str]:
    """Yield why an executed notebook is no record of a run by papermill on a CUDA device."""
    try:
        notebook = json.loads(path.read_bytes())
        about = notebook["metadata"]["papermill"]
        ran = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError):
        yield f"{path} was not executed by papermill"
        return
    if about.get("exception") or not ran or not all(ran):
        yield f"{path} was not executed to its end"
    if about.get("parameters", {}).get("device") != "cuda":
        yield f"{path} does not record device = cuda"


def row_faults(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield which new rows no CUDA device has made; a row of a processor tells its threads and instructions."""
    if not rows:
        yield "no new row was trained; name an experiment that lacks rows"
    for row in rows:
        made = row["provenance"]
        if row["failure"]:
            yield f"row {row['key']} failed: {row['failure']}"
        elif made["threads"] is not None or made["instructions"] is not None or "+cpu" in made["torch"]:
            yield f"row {row['key']} was made on {made['hardware']}, not on a CUDA device"


def new_rows(root: Path) -> list[dict[str, Any]]:
    """Return the rows that the working tree has and the last commit has not."""
    diff = _git(root, "diff", "--unified=0", "HEAD", "--", "results/*.jsonl")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", "results/*.jsonl").split()
    lines = [line[1:] for line in diff.splitlines() if line.startswith("+{")]
    lines += [line for name in new for line in (root / name).read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines if line]


def appended_faults(root: Path) -> Iterator[str]:
    """Yield changes to the working tree that are no new rows."""
    for line in _git(root, "diff", "--numstat", "HEAD").splitlines():
        _, removed, name = line.split("\t")
        if not name.startswith("results/") or not name.endswith((".jsonl", ".jsonl.sha256")):
            yield f"{name} has changed and holds no rows"
        elif removed != "0":
            yield f"{name} has lost {removed} lines; rows are only appended"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["site", "cuda", "appended"])
    parser.add_argument("notebooks", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    if options.what == "site":
        faults = list(site_faults(root))
    elif options.what == "appended":
        faults = list(appended_faults(root))
    else:
        faults = [fault for path in options.notebooks for fault in notebook_faults(path)]
        faults += [] if options.notebooks else ["no notebook was executed"]
        faults += row_faults(new_rows(root))
    for fault in faults:
        print(f"error: {fault}.", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
