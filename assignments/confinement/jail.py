"""Start a command in namespaces and limits of its own, watch its memory, and let nothing of it outlive this process.

`python -I -S jail.py SETTINGS` with SETTINGS as JSON (`process.py` writes it): `confined`, `binds` (what of the file
system is seen, read-only), `root` (an empty folder to mount on), `folder`, `scratch`, `limits`, `environment`,
`command`. Its standard input and output become the command's; standard error carries one sentence where something was
enforced or could not be. Imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from assignments.confinement import namespaces
from book import guard

_PULSE = 0.2  # seconds between two looks at the memory


def main(settings: dict[str, Any]) -> int:
    """Run the command to its end; return its status as a shell does."""
    guard.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: guard.end_with_all(143))
    parent = os.getppid()
    child = _start_confined(settings) if settings["confined"] else _start(settings)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            guard.end_with_all(_code(status))
        if os.getppid() != parent:
            guard.end_with_all(143)
        if _holds_more_than(settings["limits"]["memory"]):
            _say(f"it used more than {settings['limits']['memory'] / 2**30:.3g} GiB of memory")
            guard.end_with_all(137)
        time.sleep(_PULSE)


def _start(settings: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        os.chdir(settings["folder"])
        _execute(settings)
    return child


def _start_confined(settings: dict[str, Any]) -> int:
    """Return the child that waits for the first process of the new namespaces."""
    user = namespaces.user_for(os.getpid())
    ready, tell_ready = os.pipe()
    mapped, tell_mapped = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            namespaces.die_with_parent()
            namespaces.leave(user)
            os.write(tell_ready, b"1")
            os.close(tell_mapped)
            if os.read(mapped, 1) != b"1":
                os._exit(71)
            first = os.fork()
            if first == 0:
                _first(settings, user)
            os._exit(_code(os.waitpid(first, 0)[1]))
        except OSError as error:
            _say(f"cannot confine: {error}")
            os._exit(71)
    os.close(tell_ready)
    os.close(mapped)
    if os.read(ready, 1) == b"1":
        try:
            if user is None:
                namespaces.map_user(child)
            os.write(tell_mapped, b"1")
        except OSError as error:
            _say(f"cannot confine: {error}")
    os.close(tell_mapped)
    return child


def _first(settings: dict[str, Any], user: int | None) -> None:
    """Be process 1 of the namespaces: set them up, start the command, bury what dies; all end with this process."""
    try:
        namespaces.mount_view(settings["root"], settings["binds"], settings["limits"]["file"], user)
        namespaces.drop_privileges(user)
        namespaces.die_with_parent()  # the kernel forgets it when the user changes
        os.chdir("/submission")
        command = os.fork()
    except OSError as error:
        _say(f"cannot confine: {error}")
        os._exit(71)
    if command == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _execute(settings)
    while True:
        done, status = os.wait()
        if done == command:
            os._exit(_code(status))


def _execute(settings: dict[str, Any]) -> None:
    limits = settings["limits"]
    for name, value in (
        ("RLIMIT_DATA", limits["memory"]),
        ("RLIMIT_NPROC", limits["processes"] if settings["confined"] else None),
        ("RLIMIT_FSIZE", limits["file"]),
        ("RLIMIT_CPU", int(limits["seconds"]) + 1),
        ("RLIMIT_NOFILE", 256),
        ("RLIMIT_CORE", 0),
    ):
        if value is not None:
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.closerange(3, 256)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execve(settings["command"][0], settings["command"], settings["environment"])


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _holds_more_than(limit: int) -> bool:
    """Whether all descendants together hold more bytes than this, a page that several share counted once.

    To count shared pages once costs a walk through all of them, so it is done only where the plain sum is too large.
    """
    pids = guard.descendants_of(os.getpid())
    plain = sum(_number(f"/proc/{pid}/statm", lambda text: text.split()[1]) for pid in pids) * resource.getpagesize()
    if plain <= limit:
        return False
    total = 0
    for pid in pids:
        total += 1024 * _number(f"/proc/{pid}/smaps_rollup", lambda text: text.partition("Pss:")[2].split()[0])
        if total > limit:
            return True
    return False


def _number(path: str, find: Callable[[str], str]) -> int:
    """Return a number in a file of /proc, 0 where the process is gone."""
    try:
        return int(find(Path(path).read_text()))
    except (OSError, ValueError, IndexError):
        return 0


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{sentence}\n".encode())


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
