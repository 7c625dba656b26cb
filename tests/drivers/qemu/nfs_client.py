"""`python nfs_client.py SERVER EXPORT USER`: mount a file share by libnfs, and answer requests of lines in JSON.

A request is a list of an operation and its arguments; the answer is a list of the result and an error, or null.
The module imports the standard library alone.
"""

import ctypes
import json
import os
import stat
import sys
from typing import Any

CHUNK = 1024
"""Bytes of a request to write: libnfs cannot encode much longer ones for version 4."""
NFS = ctypes.CDLL("libnfs.so.13")
NFS.nfs_init_context.restype = NFS.nfs_get_error.restype = ctypes.c_void_p
Pointer = ctypes.c_void_p
Context = ctypes.c_void_p(NFS.nfs_init_context())


class Space(ctypes.Structure):
    """A `struct statvfs`."""

    _fields_ = [
        *((name, ctypes.c_ulong) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")),
        ("rest", ctypes.c_ulong * 16),
    ]


class Attributes(ctypes.Structure):
    """A `struct nfs_stat_64`."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size")]
    _fields_ += [("rest", ctypes.c_uint64 * 16)]


def call(name: str, *values: Any) -> int:
    """Call a function of libnfs. Raises OSError with its message."""
    result: int = getattr(NFS, name)(Context, *values)
    if result < 0:
        raise OSError(-result, ctypes.string_at(NFS.nfs_get_error(Context)).decode())
    return result


def write(path: str, text: str) -> None:
    """Create a file."""
    handle, content = Pointer(), text.encode()
    call("nfs_open", path.encode(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, ctypes.byref(handle))
    try:
        for start in range(0, len(content), CHUNK):
            chunk = content[start : start + CHUNK]
            call("nfs_write", handle, ctypes.c_uint64(len(chunk)), chunk)
    finally:
        call("nfs_close", handle)


def read(path: str) -> str:
    """Return the text of a file."""
    handle, buffer = Pointer(), ctypes.create_string_buffer(1 << 16)
    call("nfs_open", path.encode(), 0, ctypes.byref(handle))
    size = call("nfs_read", handle, ctypes.c_uint64(len(buffer)), buffer)
    call("nfs_close", handle)
    return buffer.raw[:size].decode()


def space() -> list[int]:
    """Return how many bytes there are, and how many are free."""
    status = Space()
    call("nfs_statvfs", b"/", ctypes.byref(status))
    return [status.f_frsize * status.f_blocks, status.f_frsize * status.f_bavail]


def chown(path: str, user: int) -> None:
    """Give a file to a user."""
    call("nfs_chown", path.encode(), user, user)


def attributes(path: str) -> list[int]:
    """Return the owner and the mode of a file."""
    status = Attributes()
    call("nfs_stat64", path.encode(), ctypes.byref(status))
    return [status.uid, stat.S_IMODE(status.mode)]


def main() -> None:
    """Mount, and answer requests until there are no more."""
    server, export, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
    call("nfs_set_version", 4)
    NFS.nfs_set_uid(Context, user)
    NFS.nfs_set_gid(Context, user)
    operations: dict[str, Any] = {
        "write": write,
        "read": read,
        "space": space,
        "chown": chown,
        "attributes": attributes,
    }
    operations["mount"] = lambda: call("nfs_mount", server.encode(), export.encode())
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = [operations[name](*arguments), None]
        except OSError as problem:
            answer = [None, problem.strerror]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
