"""The grader's end of a submission's process: start it in its jail, send requests, read answers, whatever they are."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import sysconfig
import tempfile
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

_HERE = Path(__file__).parent
_LIBRARY = _HERE.parents[1] / "lib"
_LARGEST_REPLY = 32 * 2**20
_START_SECONDS = 60.0
_GRACE_SECONDS = 3.0  # a cell that does not stop by itself after its time is killed after this


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds in all, for a cell and for an answer; bytes; processes."""

    seconds: float = 120.0
    cell: float = 40.0
    answer: float = 15.0
    memory: int = 3 * 2**30
    processes: int = 64
    file: int = 64 * 2**20

    @property
    def cells(self) -> float:
        """Seconds for all cells together; the others are kept for answers, which loops in cells must not cost."""
        return self.seconds * 2 / 3


class Died(Exception):
    """The submission's process is gone; the message says why, in words."""


class OutOfTime(Died):
    """Its time is used; where only that of cells is, the process still answers."""


class CannotConfine(Exception):
    """This machine does not allow the jail; the message says what was refused."""


class Confined:
    """A context manager: the process of one submission.

    Args:
        folder: what the submission sees as its own folder, read-only; it must hold nothing else.
        limits: what it may use.
        confined: whether in namespaces of its own; else only limits of its own are set.
    """

    _live: ClassVar[weakref.WeakSet[Confined]] = weakref.WeakSet()

    def __init__(self, folder: Path, limits: Limits, confined: bool = True) -> None:
        self._limits = limits
        self._left = limits.seconds
        self._root = tempfile.TemporaryDirectory(prefix="jail-")
        self._buffer = b""
        self._requests = 0
        settings = _settings(folder, Path(self._root.name), limits, confined)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "jail.py"), json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)
        self._live.add(self)

    @classmethod
    def end_all(cls) -> None:
        """End every process that is running, of all threads, whose requests then raise Died."""
        for each in list(cls._live):
            each._process.terminate()

    def __enter__(self) -> Confined:
        try:
            self._receive(time.monotonic() + _START_SECONDS)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, source: str) -> dict[str, Any]:
        """Run a cell; return its outputs and its error, as the submission's process tells them."""
        left = self._limits.cells - (self._limits.seconds - self._left)
        if left <= 0:
            raise OutOfTime(f"it had used the {self._limits.cells:g} s of its cells")
        return self._request({"cell": source}, min(self._limits.cell, left))

    def ask(self, name: str, arguments: Any) -> dict[str, Any]:
        """Return the answer of a function of the submission to encoded arguments, or the value of a name for None."""
        return self._request({"ask": name, "arguments": arguments}, self._limits.answer)

    def close(self) -> None:
        """End the process and everything that it has started."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        self._root.cleanup()

    def _request(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        seconds = min(seconds, self._left)
        if seconds <= 0:
            raise OutOfTime(f"it used its {self._limits.seconds:g} s")
        started = time.monotonic()
        deadline = started + seconds + _GRACE_SECONDS
        self._requests += 1
        line = json.dumps({**request, "seconds": seconds, "id": self._requests})
        try:
            self._send(line.encode() + b"\n", deadline)
            while True:  # what the submission itself writes into the channel is passed over
                reply = self._receive(deadline)
                if reply.get("id") == self._requests:
                    return reply
        finally:
            self._left -= time.monotonic() - started

    def _send(self, data: bytes, deadline: float) -> None:
        """Write into the process's input, which it need not read."""
        while data:
            self._wait_for(self._process.stdin, selectors.EVENT_WRITE, deadline)
            try:
                data = data[os.write(self._process.stdin.fileno(), data) :]
            except OSError:
                raise Died(self._why()) from None

    def _wait_for(self, pipe: IO[bytes], event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if left <= 0 or not selector.select(left):
                raise Died("it did not answer in time, and did not stop")

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            self._wait_for(self._process.stdout, selectors.EVENT_READ, deadline)
            part = os.read(self._process.stdout.fileno(), 2**20)
            self._buffer += part
            if not part:
                raise Died(self._why())
            if len(self._buffer) > _LARGEST_REPLY:
                raise Died("it answered with more than 32 MiB")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise Died("it wrote over the grader's channel")
        return reply

    def _why(self) -> str:
        """Say why the process is gone: what the jail says, else its status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        status = self._process.poll()
        said = b""
        if status is not None:
            said = self._process.stderr.read(2000)
        sentence = said.decode(errors="replace").strip()
        if sentence.startswith("cannot confine"):
            raise CannotConfine(sentence.removeprefix("cannot confine: "))
        if sentence:
            return sentence.splitlines()[0]
        if status is None:
            return "it closed the grader's channel"
        return f"its process ended by signal {status - 128}" if status > 128 else f"its process ended with {status}"


def _settings(folder: Path, root: Path, limits: Limits, confined: bool) -> dict[str, Any]:
    inside = "/grader" if confined else str(_HERE / "inside")
    library = "/library" if confined else str(_LIBRARY.parent)
    prefix = Path(sys.prefix).resolve()
    python = prefix / "bin" / Path(sys.executable).name
    scratch = "/tmp" if confined else str(root)
    return {
        "confined": confined,
        "root": str(root),
        "binds": _binds(folder, prefix) if confined else [],
        "folder": str(folder),
        "limits": asdict(limits),
        "environment": {
            "HOME": scratch, "TMPDIR": scratch, "PATH": f"{prefix}/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
            "IPYTHONDIR": f"{scratch}/ipython", "MPLCONFIGDIR": f"{scratch}/matplotlib", "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        },
        "command": [str(python), "-I", f"{inside}/runner.py", library],
    }  # fmt: skip


def _binds(folder: Path, prefix: Path) -> list[tuple[str, str]]:
    """List what is seen inside: the system's programs, Python, the library, the runner and the submission's folder."""
    base = Path(sys.base_prefix).resolve()
    seen = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", str(base)]
    packages = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    seen += [str(prefix), *(path for path in packages if not Path(path).resolve().is_relative_to(prefix))]
    return [
        *((path, path) for path in dict.fromkeys(seen) if os.path.lexists(path)),
        (str(_HERE / "inside"), "/grader"),
        (str(_LIBRARY), "/library/lib"),
        (str(folder), "/submission"),
    ]
