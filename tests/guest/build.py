"""Builds the tiny guest, a disk image that boots in seconds: `scripts/tiny-guest OUTPUT.qcow2`.

It is made of Debian's packages, fetched and unpacked but not installed, so that it takes nobody's rights:
the cloud kernel with the modules that it needs, busybox, dropbear, and syslinux on a FAT file system.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
KERNEL = "linux-image-cloud-amd64"
PACKAGES = (
    "busybox-static", "cpio", "dropbear-bin", "libc6", "libcrypt1", "libgmp10", "libtomcrypt1", "libtommath1", "mtools",
    "syslinux", "zlib1g",
)  # fmt: skip
PROGRAMS = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "gzip": "gzip", "qemu-img": "qemu-utils"}
"""What must be there, and the package that has it."""
MODULES = (
    "virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "sd_mod", "sr_mod", "isofs", "virtio_balloon",
    "virtio_rng", "evdev", "button",
)  # fmt: skip
LIBRARIES = (
    "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libcrypt.so.1", "libgmp.so.10", "libtomcrypt.so.1",
    "libtommath.so.1", "libz.so.1",
)  # fmt: skip
SECTORS = 128 << 11
"""Of 512 bytes: the disk has 128 MiB."""
CONFIG = """DEFAULT tiny
PROMPT 0
LABEL tiny
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=tty0 console=ttyS0 quiet loglevel=3 mitigations=off panic=1
"""


class CannotBuild(RuntimeError):
    """Something that the building needs is missing, or a program failed."""


def built(output: Path) -> Path:
    """The image, made if there is none that is newer than what it is made of."""
    newest = max(file.stat().st_mtime for file in HERE.iterdir() if file.is_file())
    if output.exists() and output.stat().st_mtime > newest:
        return output
    for program, package in PROGRAMS.items():
        if not shutil.which(program):
            raise CannotBuild(f"{program} is missing: apt-get install {package}")
    with TemporaryDirectory(prefix="tiny-guest-") as folder:
        build(Path(folder), output)
    return output


def build(work: Path, output: Path) -> None:
    """Make the image, in a directory that is thrown away."""
    root, disk = work / "root", work / "disk.raw"
    unpack(work, root)
    (work / "initrd").write_bytes(initrd(work, root))
    (work / "syslinux.cfg").write_text(CONFIG)
    (kernel,) = root.glob("boot/vmlinuz-*")
    paths = {**os.environ, "PATH": f"{root}/usr/bin:{os.environ['PATH']}", "MTOOLS_SKIP_CHECK": "1"}
    disk.touch()
    os.truncate(disk, SECTORS << 9)
    run("mformat", "-i", str(disk), "-T", str(SECTORS), "-h", "64", "-s", "32", "::", env=paths)
    for source, name in ((kernel, "vmlinuz"), (work / "initrd", "initrd"), (work / "syslinux.cfg", "syslinux.cfg")):
        run("mcopy", "-i", str(disk), str(source), f"::{name}", env=paths)
    run("syslinux", "--install", str(disk), env=paths)
    new = output.with_suffix(f".{os.getpid()}")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(new))
    new.rename(output)


def unpack(work: Path, root: Path) -> None:
    """Fetch the packages and unpack them."""
    try:
        fetch(work)
    except CannotBuild:
        # The system's lists of packages are missing or old: with some of one's own, nobody's rights are needed.
        fresh = lists(work)
        run("apt-get", *fresh, "update", "-qq")
        fetch(work, fresh)
    for package in sorted(work.glob("*.deb")):
        run("dpkg-deb", "-x", str(package), str(root))


def lists(work: Path) -> tuple[str, ...]:
    """What tells apt to keep its lists in this directory."""
    (work / "apt/lists/partial").mkdir(parents=True)
    kept = {"Dir::State::lists": work / "apt/lists", "Dir::Cache": work / "apt", "APT::Sandbox::User": "root"}
    return tuple(word for name, value in kept.items() for word in ("-o", f"{name}={value}"))


def fetch(work: Path, options: Sequence[str] = ()) -> None:
    """Download the packages, of the kernel the one that its metapackage stands for."""
    told = run("apt-cache", *options, "depends", KERNEL).decode()
    kernel = next((line.split()[-1] for line in told.splitlines() if "Depends:" in line), None)
    if kernel is None:
        raise CannotBuild(f"apt knows no package {KERNEL}: Debian has it")
    run("apt-get", *options, "download", "-qq", kernel, *PACKAGES, cwd=work)


def initrd(work: Path, root: Path) -> bytes:
    """The file system in memory, packed as the kernel takes it."""
    tree = work / "tree"
    for folder in ("bin", "sbin", "lib64", "lib", "modules", "etc", "root", "dev"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(next(root.glob("*bin/busybox")), tree / "bin/busybox")
    shutil.copy(root / "usr/sbin/dropbear", tree / "sbin/dropbear")
    for library in LIBRARIES:
        # Not by the link in /lib64, which leads to the library of this system.
        found = next(path for path in root.rglob(f"x86_64-linux-gnu/{library}"))
        shutil.copy(found, tree / ("lib64" if library.startswith("ld-") else "lib") / library)
    place(tree)
    modules(root, tree)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = run(str(next(root.glob("*bin/cpio"))), "-o", "-H", "newc", "--quiet", "-R", "0:0", cwd=tree, said=names)
    return run("gzip", "-9", "-c", said=packed)


def place(tree: Path) -> None:
    """Write the guest's own files."""
    for name, target in (("init", "init"), ("udhcpc", "etc/udhcpc")):
        shutil.copy(HERE / name, tree / target)
        (tree / target).chmod(0o755)
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    (tree / "etc/shells").write_text("/bin/sh\n")


def modules(root: Path, tree: Path) -> None:
    """Copy the modules with those that they need, and write down in which order they are loaded."""
    there = {path.stem.replace("-", "_"): path for path in root.glob("lib/modules/*/kernel/**/*.ko")}
    if missing := set(MODULES) - set(there):
        raise CannotBuild(f"The kernel has no module {', '.join(sorted(missing))}")
    order = list(dict.fromkeys(each for name in MODULES for each in needed(name, there)))
    for name in order:
        shutil.copy(there[name], tree / "modules" / f"{name}.ko")
    (tree / "modules/order").write_text("\n".join(order))


def needed(name: str, there: Mapping[str, Path]) -> Iterator[str]:
    """A module after those that it depends on, as its own description says."""
    said = there[name].read_bytes().partition(b"\0depends=")[2].partition(b"\0")[0].decode()
    for other in filter(None, said.split(",")):
        yield from needed(other.replace("-", "_"), there)
    yield name


def run(*command: str, said: str | bytes = b"", **more: object) -> bytes:
    """Run a program; one that fails ends the building with what it said."""
    content = said.encode() if isinstance(said, str) else said
    done = subprocess.run(command, input=content, capture_output=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise CannotBuild(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return bytes(done.stdout)


if __name__ == "__main__":
    try:
        built(Path(sys.argv[1]).absolute())
    except CannotBuild as problem:
        sys.exit(f"tiny-guest: {problem}")
