"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

import lib
from lib.sweeps.computing import hardware, instructions


def describe(device: str) -> dict[str, Any]:
    """Return what makes two measurements comparable: hardware, threads and versions."""
    return {
        "hardware": hardware(device),
        "instructions": instructions(device),
        "device": device,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "version": lib.__version__,
        "dtype": "float32",
    }


def moment() -> dict[str, Any]:
    """Return what may differ from cell to cell: when, at which commit, and how busy the machine was before."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _git("rev-parse", "--short=10", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no", "--", "lib", "benchmarks/*.py")),
        "load": round(os.getloadavg()[0], 2),
    }


def _git(*arguments: str) -> str | None:
    """Return what git says about this checkout, None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
