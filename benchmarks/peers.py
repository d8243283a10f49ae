"""JAX as a contender: a process in its own environment that takes its blocks in turn with ours."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.timing import Contender
from lib.data import Dataset

# Where `make bench` installs `requirements-jax.txt`.
PYTHON = Path(__file__).parent / ".venv-jax" / "bin" / "python"
_SCRIPT = Path(__file__).with_name("jax_peer.py")


class Jax:
    """Talk to a process that computes by JAX on as many processors as torch has threads.

    Args:
        data: points and labels that it computes on.
        folder: where they are handed over.

    Raises:
        OSError: the process does not start, or ends; with what it said last.
    """

    def __init__(self, data: Dataset, folder: Path) -> None:
        arrays = folder / "arrays.npz"
        np.savez(arrays, x=data.x.cpu().numpy(), y=data.y.cpu().numpy().astype(np.int32))
        self._said = folder / "said"
        processors = sorted(os.sched_getaffinity(0))[: torch.get_num_threads()]
        with open(self._said, "w", encoding="utf-8") as said:
            self._process = subprocess.Popen(
                [PYTHON, _SCRIPT, arrays],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": ""},
                preexec_fn=lambda: os.sched_setaffinity(0, processors),
            )

    def ask(self, **told: Any) -> dict[str, Any]:
        """Tell the process what to do and return its answer."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            last = self._said.read_text(encoding="utf-8").strip().splitlines()[-1:] or ["it said nothing"]
            raise OSError(
                f"JAX's process ended ({last[0]}); remove {PYTHON.parents[1]} and let `make bench` install it."
            )
        return json.loads(answer)

    def contender(self, kind: str, **settings: Any) -> tuple[Contender, float]:
        """Compile a kind that `jax_peer.py` knows; return what runs blocks of it, and the seconds of compiling."""
        made = self.ask(**{kind: settings})
        return lambda steps: self.ask(run=made["number"], steps=steps)["seconds"], made["compiled"]

    def forget(self) -> None:
        """Let go of everything that was compiled."""
        self.ask(forget=True)

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def version() -> str | None:
    """Return the version of JAX that is installed as a peer; None where none is, as outside of `make bench`."""
    pins = Path(__file__).with_name("requirements-jax.txt").read_text(encoding="utf-8").splitlines()
    return next(pin.removeprefix("jax==") for pin in pins if pin.startswith("jax==")) if PYTHON.exists() else None


@contextlib.contextmanager
def started(data: Dataset) -> Iterator[Jax]:
    """Yield JAX's process and end it."""
    with tempfile.TemporaryDirectory() as folder:
        peer = Jax(data, Path(folder))
        try:
            yield peer
        finally:
            peer.close()
