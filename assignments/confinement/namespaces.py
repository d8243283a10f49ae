"""Linux namespaces by their system calls: mounts, processes, network, IPC, host name and, for an ordinary user, users.

Two ways lead there. Root leaves the namespaces as root and then becomes a user that owns nothing on this machine; an
ordinary user needs a user namespace, in which the kernel lends it the right to mount. `user` is the number of the user
that root becomes, None on the other way. Imports the standard library alone. Every function raises OSError, with the
step in words, where the kernel refuses.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW = {"mount": 0x00020000, "host name": 0x04000000, "IPC": 0x08000000, "process": 0x20000000, "network": 0x40000000}
_NEW_USER = 0x10000000
_BIND, _RECURSIVE, _PRIVATE, _NOSUID, _NODEV = 4096, 16384, 1 << 18, 2, 4
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_READ_ONLY = struct.pack("QQQQ", 0x1 | 0x2 | 0x4, 0, 0, 0)  # read-only, no set-uid, no devices
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CAPABILITY_VERSION_3 = 0x20080522
_FIRST_USER = 1_000_000  # users from here on own nothing on a usual machine
_INSIDE = 1000  # what an ordinary user is called in its user namespace


def die_with_parent() -> None:
    """Let this process be killed when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)


def user_for(jail: int) -> int | None:
    """Return the number of a user of this jail's own where this process may become it, None where it may not."""
    user = _FIRST_USER + jail
    if os.geteuid() != 0:
        return None
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= user < first + count:
            return user
    return None


def leave(user: int | None) -> None:
    """Leave the namespaces of the parent; what is forked next is process 1 of the new ones."""
    if platform.machine() not in _PIVOT_ROOT:
        raise OSError(f"processors of the kind {platform.machine()} are not supported")
    if tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) < (5, 14):
        raise OSError("Linux before 5.14 does not count the processes of a user namespace by themselves")
    if os.geteuid() == 0 and user is not None:
        os.setgroups([])
    _call("new namespaces", _LIBC.unshare, sum(_NEW.values()) | (_NEW_USER if user is None else 0))


def map_user(pid: int) -> None:
    """Write who a process in a user namespace of its own is: the user of this process, by another number."""
    Path(f"/proc/{pid}/setgroups").write_text("deny")
    Path(f"/proc/{pid}/uid_map").write_text(f"{_INSIDE} {os.geteuid()} 1")
    Path(f"/proc/{pid}/gid_map").write_text(f"{_INSIDE} {os.getegid()} 1")


def mount_view(root: str, binds: list[tuple[str, str]], scratch: int, user: int | None) -> None:
    """Make a file system of what the binds (source, target) name, read-only, and a scratch folder /tmp in memory."""
    if user is None:
        os.setresgid(_INSIDE, _INSIDE, _INSIDE)
        os.setresuid(_INSIDE, _INSIDE, _INSIDE)
    _mount("the old view", "none", "/", None, _RECURSIVE | _PRIVATE)
    _mount("a root", "tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for folder, size, mode in (("/tmp", scratch, "1777"), ("/dev", 4096, "755"), ("/dev/shm", scratch, "1777")):
        os.makedirs(root + folder, exist_ok=True)
        _mount(folder, "tmpfs", root + folder, "tmpfs", _NOSUID | _NODEV, f"size={size},mode={mode}")
    for name in ("null", "zero", "full", "random", "urandom"):
        _bind(f"/dev/{name}", f"{root}/dev/{name}")
    for source, target in binds:
        if os.path.islink(source) and source == target:
            os.symlink(os.readlink(source), root + target)
            continue
        _bind(source, root + target)
        _set_read_only(root + target, recursive=True)
    os.makedirs(f"{root}/proc", exist_ok=True)
    with contextlib.suppress(OSError):  # a container that hides parts of its own /proc gets none here
        _mount("/proc", "proc", f"{root}/proc", "proc", _NOSUID | _NODEV)
    os.makedirs(f"{root}/etc", exist_ok=True)
    number = _INSIDE if user is None else user
    Path(f"{root}/etc/passwd").write_text(f"student:x:{number}:{number}::/tmp:/bin/false\n")
    _set_read_only(root, recursive=False)
    os.chdir(root)
    _call("the new root", _LIBC.syscall, _PIVOT_ROOT[platform.machine()], b".", b".")
    _call("leaving the old root", _LIBC.umount2, b".", 2)
    os.chdir("/")


def drop_privileges(user: int | None) -> None:
    """Give up every right, for good: no program that is started from here gains any."""
    if user is None:
        with contextlib.suppress(OSError):  # namespaces within this one would only be more kernel to attack
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
        _call("dropping privileges", _LIBC.capset, struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    else:
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    _mount(source, source, target, None, _BIND | _RECURSIVE)


def _mount(step: str, source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    _call(f"mounting {step}", _LIBC.mount, *encoded, ctypes.c_ulong(flags), data and data.encode())


def _set_read_only(target: str, recursive: bool) -> None:
    flags = _AT_RECURSIVE if recursive else 0
    _call(f"making {target} read-only", _LIBC.syscall, _MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, _READ_ONLY,
          ctypes.c_size_t(len(_READ_ONLY)))  # fmt: skip


def _call(step: str, function: object, *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{step} was refused ({os.strerror(number)})")
