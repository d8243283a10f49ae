"""The page on rerunning: every block of commands on it runs, in the order of the page, in a fresh checkout."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(
    r"^```bash\n(.*?)^```", (ROOT / "chapters" / "98_rerunning.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that sees this checkout, and in which what commands write stays."""
    for path in ROOT.iterdir():
        if path.name in ("chapters", "params", "book"):
            shutil.copytree(path, tmp_path / path.name)
        elif path.name == "_toc.yml":
            shutil.copy(path, tmp_path)
        elif not path.name.startswith((".", "_build")):
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def run(block: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    command = ["bash", "-e", "-c", block]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_every_block_of_the_page_runs(checkout):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    said = {}
    for block in BLOCKS:
        done = run(block.replace("8786", port), checkout)
        if "sweep.py mine/gpu.jsonl cuda" in block and not torch.cuda.is_available():
            assert done.returncode == 1 and "cuda" in done.stderr.splitlines()[-1]
            continue
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said[" ".join(block.split())] = done.stdout
    for name in ("checked", "by_hand", "from_file", "from_profile"):
        text = (checkout / f"{name}.ipynb").read_text()
        assert '"output_type": "error"' not in text and "[8, 16]" in text
    swept = [text for command, text in said.items() if "sweep.py mine/" in command]
    assert len(swept) == 3 and all(text.startswith("10 rows, 0 failed\n") for text in swept)
    merged = next(text for command, text in said.items() if " merge " in command)
    assert merged.strip().endswith("mine/merged.jsonl has rows of 10 configurations.")
    assert "replicas agree" in next(text for command, text in said.items() if " audit " in command)


def test_the_page_covers_what_can_be_rerun():
    commands = "\n".join(BLOCKS)
    parts = ("papermill ", "-f mine.yml", "book run", "--profile", "widths='[", "dask worker", "cuda", "merge", "audit")
    assert all(part in commands for part in (*parts, "lib.verdicts show"))
