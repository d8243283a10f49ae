"""Dockerfile and Binder: the same requirements, and a torch that fits the device."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def install(device: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the Dockerfile's installing line with a stand-in for pip."""
    (line,) = re.findall(r"(?ms)^RUN (case .*?)\n(?=USER)", DOCKERFILE)
    (folder / "pip").write_text('#!/bin/sh\necho "$PIP_EXTRA_INDEX_URL|$*"\n')
    (folder / "pip").chmod(0o755)
    text = line.replace("\\\n", " ")
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "DEVICE": device}
    return subprocess.run(["/bin/sh", "-c", text], env=environment, capture_output=True, text=True)


def test_the_device_chooses_the_index_of_torch(tmp_path):
    assert (
        install("cpu", tmp_path).stdout
        == "https://download.pytorch.org/whl/cpu|install --no-cache-dir -r requirements.txt\n"
    )
    assert install("cuda", tmp_path).stdout == "|install --no-cache-dir -r requirements.txt\n"
    wrong = install("tpu", tmp_path)
    assert wrong.returncode == 1 and wrong.stdout == "" and "DEVICE must be cpu or cuda, not tpu." in wrong.stderr


def test_the_image_has_the_oldest_python_and_no_root():
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"FROM python:{oldest}-" in DOCKERFILE and "\nUSER 1000\n" in DOCKERFILE
    assert (ROOT / "binder/runtime.txt").read_text() == f"python-{oldest}\n"


@pytest.mark.parametrize("name", [".git", ".venv", "_build", "data"])
def test_the_image_takes_no_more_than_the_sources(name):
    assert name in (ROOT / ".dockerignore").read_text().split()


def test_binder_installs_the_book_s_requirements():
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    (included,) = (line.removeprefix("-r ") for line in lines if line.startswith("-r "))
    assert (ROOT / "binder" / included).resolve() == ROOT / "requirements.txt"
    assert [line for line in lines if not line.startswith(("#", "-"))] == []  # nothing of its own
