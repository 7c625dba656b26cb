"""`python sandbox.py FOLDER`: run NFS-Ganesha with the file system of a file share, and nothing else of the host.

It runs as root in the network namespace of the share, is no part of the server's process, and imports the standard
library alone.

NFS-Ganesha acts for the users of clients and finds files by handles. That takes capabilities which open any file of a
file system that one file is open in. So it gets namespaces of its own, without other processes, without /proc, and with
these file systems alone: that of the share, the programs of the host as an overlay, which has no handles, and small
ones in memory. It has no open file of the host: its messages come through a pipe.

SIGHUP applies the present `ganesha.conf` of the folder. The file `applied` has the digest of the configuration that is
in use.
"""

import ctypes
import hashlib
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

IMAGE, CONFIGURATION, APPLIED = "share.img", "ganesha.conf", "applied"
"""Files in the folder."""
ROOT = "root"
"""Where the root of NFS-Ganesha is made in the folder."""
SHARE, CONTENT, RECOVERY = "/share", "/share/content", "/share/recovery"
"""Directories of that root: the file system of the share, what clients see, and which of them have locks."""
SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/netconfig")
SMALL = "nosuid,noexec,mode=755"
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x20000000,
)
"""Constants of the kernel's linux/sched.h."""
MNT_DETACH, PR_SET_PDEATHSIG = 2, 1
RIGHTS = "-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+setgid,+setuid"
"""What serving files of all users takes."""
STARTED, RELOADED = b"NFS SERVER INITIALIZED", b"Reread exports complete"
"""Messages of NFS-Ganesha."""
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Raise OSError if a function of the C library has failed."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(*arguments: str) -> None:
    """Run `mount`. Raises RuntimeError with its message."""
    run_tool("mount", *arguments)


def run_tool(*command: str) -> None:
    """Run a program of the host. Raises RuntimeError with its message."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  # fixed commands
    if result.returncode:
        raise RuntimeError(result.stderr.strip() or f"{command[0]} failed")


def build_root() -> None:
    """Mount the root in this mount namespace."""
    mount("--make-rprivate", "/")
    root = Path(ROOT)
    root.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"{SMALL},nodev,size=1m", "share-root", ROOT)
    for name in ("usr", "etc", "share", "dev", "run", "former", "empty"):
        (root / name).mkdir()
    # The block device of the image is found by its number: an image is mounted once.
    mount("-o", "loop,nosuid,nodev,noexec", IMAGE, f"{ROOT}{SHARE}")
    layers = f"lowerdir=/usr:{ROOT}/empty"
    mount("-t", "overlay", "-o", f"ro,nosuid,nodev,nfs_export=off,{layers}", "share-usr", f"{ROOT}/usr")
    mount("-t", "tmpfs", "-o", f"{SMALL},nodev,size=64k", "share-run", f"{ROOT}/run")
    mount("-t", "tmpfs", "-o", f"{SMALL},size=64k", "share-dev", f"{ROOT}/dev")
    os.mknod(f"{ROOT}/dev/null", 0o020666, os.makedev(1, 3))
    (root / "tmp").symlink_to("run")
    (root / "var").symlink_to(".")
    for name in SYSTEM_LINKS:
        if Path("/", name).is_symlink():
            (root / name).symlink_to(Path("/", name).readlink())
    for name in SYSTEM_FILES:
        with suppress(FileNotFoundError):
            Path(f"{ROOT}{name}").write_bytes(Path(name).read_bytes())
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/false\n", "utf-8")
    (root / "etc/group").write_text("root:x:0:\n", "utf-8")
    (root / "etc/mtab").write_text(f"share {SHARE} ext4 rw 0 0\n", "utf-8")


def create_directories() -> None:
    """Create the directories in the file system of a new share; every user of a client may write to the first one."""
    for path, mode in ((CONTENT, 0o777), (RECOVERY, 0o700)):
        folder = Path(f"{ROOT}{path}")
        if not os.path.lexists(folder):
            folder.mkdir()
            folder.chmod(mode)


def copy_configuration() -> str:
    """Copy the configuration to where NFS-Ganesha reads it, and return its digest."""
    content = Path(CONFIGURATION).read_bytes()
    Path(f"{ROOT}/etc/{CONFIGURATION}").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def pivot_root() -> None:
    """Make the root that of this process, which loses all else, and cannot write outside of the share."""
    check(LIBC.unshare(CLONE_NEWNS))
    os.chdir(ROOT)
    for path in (".", "dev"):
        mount("-o", "remount,bind,ro", path)
    run_tool("pivot_root", ".", "former")
    os.chdir("/")
    check(LIBC.umount2(b"/former", MNT_DETACH))


def execute_ganesha(messages: int) -> None:
    """Become NFS-Ganesha, with the rights that it needs, in the root."""
    pivot_root()
    null = os.open("/dev/null", os.O_RDWR)
    for source, target in ((null, 0), (messages, 1), (messages, 2)):
        os.dup2(source, target)
    rights = ["--no-new-privs", "--inh-caps=-all", f"--bounding-set={RIGHTS}", "--pdeathsig", "KILL"]
    ganesha = ["ganesha.nfsd", "-F", "-f", f"/etc/{CONFIGURATION}", "-L", "STDERR", "-p", "/run/pid"]
    command = ["setpriv", *rights, "--", *ganesha]
    os.execvpe(command[0], command, {"PATH": "/usr/sbin:/usr/bin"})  # noqa: S606  # no shell


def fork_ganesha() -> tuple[int, BinaryIO]:
    """Start NFS-Ganesha in a process namespace. Return its number and the pipe with its messages."""
    reader, writer = os.pipe()
    check(LIBC.unshare(CLONE_NEWPID))
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            end_with_reader_of(writer)
            execute_ganesha(writer)
        except (OSError, RuntimeError) as problem:
            os.write(writer, f"{problem}\n".encode())
        os._exit(1)
    os.close(writer)
    return child, os.fdopen(reader, "rb")


def end_with_reader_of(writer: int) -> None:
    """Let this process end with its parent, which reads from a pipe, at any time."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    pipe = select.poll()
    pipe.register(writer, 0)
    if pipe.poll(0):
        os._exit(1)


def serve_share() -> int:
    """Run NFS-Ganesha until it ends, and return its exit code."""
    # If the parent is killed, it ends this process, and that the mounts.
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP))
    Path(APPLIED).unlink(missing_ok=True)
    build_root()
    create_directories()
    digest = copy_configuration()
    child, messages = fork_ganesha()

    def reload(*_: object) -> None:
        nonlocal digest
        digest = copy_configuration()
        os.kill(child, signal.SIGHUP)

    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGHUP, reload)
    for line in messages:
        # On a full disk, files are served on without a log, and the server gets no answer to a change.
        with suppress(OSError):
            os.write(sys.stderr.fileno(), line)
        if STARTED in line or RELOADED in line:
            with suppress(OSError):
                write_applied(digest)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_applied(digest: str) -> None:
    """Say which configuration is in use."""
    new = Path(f"{APPLIED}.new")
    new.write_text(digest, "utf-8")
    new.rename(APPLIED)


def main() -> int:
    """Serve the share in the folder."""
    os.chdir(sys.argv[1])
    try:
        return serve_share()
    except (OSError, RuntimeError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
