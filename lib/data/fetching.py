"""Bring a benchmark's files into the data root: extract archives that are there, download what is not."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
from pathlib import Path
from urllib.error import URLError

from lib.data.files import Files, is_intact, read_verified
from lib.torchvision_compat import import_torchvision


def ensure(files: Files, root: Path, download: bool) -> None:
    """Make sure that the extracted files are in the root; their checksums are compared when they are read.

    Without `download` nothing is checked or fetched where all files are there, and missing ones are extracted from
    intact archives without network. With `download` every file that is missing or altered is brought anew.

    Raises:
        FileNotFoundError: files are missing, and so are their archives.
        ValueError: an archive from which a missing file should be extracted is truncated or altered.
        ConnectionError: the download failed.
        OSError: the root cannot be written.
        ImportError: torchvision is needed and not installed.
    """
    if download:
        extracted = {root / files.folder / file: md5 for file, md5 in files.extracted.items()}
        if not all(is_intact(path, md5, files.remedy) for path, md5 in extracted.items()):
            _fetch(files, root)
        return
    missing = [file for file in files.extracted if not (root / files.folder / file).is_file()]
    if not missing:
        return
    if not all((root / archive).is_file() for archive in files.archives):
        raise FileNotFoundError(
            f"{root / files.folder} lacks {missing[0]} of {files.name}; {files.remedy} or set BOOK_DATA to a folder "
            "that has it."
        )
    for archive, md5 in files.archives.items():
        read_verified(root / archive, md5, files.remedy)
    _fetch(files, root)


def _fetch(files: Files, root: Path) -> None:
    """Let torchvision download and extract in a staging folder and move only complete files into the root.

    A run that is killed leaves at most a folder `.incomplete-*` that nothing reads, and two runs at once do not see
    each other's half-written files. Intact archives of the root go to the staging folder first, and torchvision
    downloads only those that it does not find.
    """
    datasets = import_torchvision().datasets
    intact = [archive for archive, md5 in files.archives.items() if is_intact(root / archive, md5, files.remedy)]
    _check_writable(files, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".incomplete-", dir=root) as staging:
            for archive in intact:
                (Path(staging) / archive).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / archive, Path(staging) / archive)
            _download(files, getattr(datasets, files.torchvision), staging)
            for path in sorted(Path(staging).rglob("*")):
                name = path.relative_to(staging)
                # What was intact stays the file that it was.
                if path.is_file() and name.as_posix() not in intact:
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, root / name)
    except ConnectionError:
        raise
    except OSError as error:
        raise type(error)(_cannot_write(files, root, error.strerror or str(error))) from error


def _check_writable(files: Files, root: Path) -> None:
    """Respect a folder that is marked read-only, which the system itself does not do for the superuser."""
    folder = root / files.folder
    for path in (root, folder.parent, folder):
        if path.is_dir() and not path.stat().st_mode & 0o222:
            raise PermissionError(_cannot_write(files, root, f"{path} is read-only"))


def _cannot_write(files: Files, root: Path, reason: str) -> str:
    return (
        f"The files of {files.name} cannot be written to {root} ({reason}); set BOOK_DATA to a writable folder with "
        f"enough space, with the archives copied into it if there is no network, and {files.remedy}."
    )


def _download(files: Files, dataset: type, staging: str) -> None:
    try:
        dataset(staging, download=True)
    except (RuntimeError, URLError, ConnectionError, TimeoutError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())
        raise ConnectionError(
            f"{files.name} could not be downloaded; check the network and {files.remedy} again ({reason})."
        ) from error
