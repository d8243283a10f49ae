"""What continuous integration installs is named by digest, in the versions that everybody gets."""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCKED = (ROOT / ".ci/locked.txt").read_text(encoding="utf-8")
# Chosen by torch for its CUDA build, and by what builds packages; constraints.txt serves machines without them.
OF_TORCH = re.compile(r"nvidia-.*|cuda-.*|triton|setuptools|wheel")


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"(?m)^([\w.-]+)==([\w.+]+)", text)
    return {re.sub(r"[-_.]+", "-", name.lower()): version for name, version in found}


@pytest.fixture
def lock() -> ModuleType:
    loader = SourceFileLoader("lock", str(ROOT / ".ci/lock"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lock", loader))
    loader.exec_module(module)
    return module


def test_every_archive_has_a_digest_and_the_pinned_version():
    """Where this fails, a pin has changed: run .ci/lock with the book's Python."""
    lines = [line for line in LOCKED.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.+]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    pinned, locked = pins((ROOT / "constraints.txt").read_text()), pins(LOCKED)
    assert len(locked) == len(lines) and set(pinned) <= set(locked)
    assert {name: version for name, version in locked.items() if not OF_TORCH.fullmatch(name)} == pinned


def test_a_report_of_pip_becomes_sorted_requirements(lock):
    def one(name: str, digest: str) -> dict:
        archive = {"archive_info": {"hashes": {"sha256": digest}}}
        return {"metadata": {"name": name, "version": "1.0"}, "download_info": archive}

    text = lock.locked({"install": [one("Zope.Interface", "b" * 64), one("a_b", "a" * 64)]})
    assert text == f"{lock.HEAD}a-b==1.0 --hash=sha256:{'a' * 64}\nzope-interface==1.0 --hash=sha256:{'b' * 64}\n"
    assert LOCKED.startswith(lock.HEAD)


def test_hosted_jobs_that_use_the_environment_install_it_by_digest():
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            runs = "\n".join(step.get("run", "") for step in job["steps"])
            uses = re.search(r"\bmake\b|\.venv/bin|\.ci/(?:run|green|archive)", runs)
            if uses and "self-hosted" not in job["runs-on"]:
                installs = runs.find(".ci/install")
                assert 0 <= installs < uses.start(), f"{path.name}: {name}"


def test_the_installation_trusts_digests_alone_and_make_takes_it():
    script = (ROOT / ".ci/install").read_text()
    first, second = re.findall(r"-m pip install .*", script)
    assert "--require-hashes --no-deps -r .ci/locked.txt" in first
    assert "--no-deps --no-build-isolation -e ." in second
    assert script.rstrip().endswith("touch .venv/installed")
