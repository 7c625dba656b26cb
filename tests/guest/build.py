"""Build the tiny guest, a disk image that boots in seconds: `scripts/tiny-guest OUTPUT.qcow2`.

It is built from Debian packages, downloaded and unpacked but not installed, which takes no privileges: the cloud kernel
with some modules, busybox, dropbear, and syslinux on a FAT file system.
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
"""Required programs, and the packages that contain them."""
MODULES = (
    "virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "sd_mod", "sr_mod", "isofs", "virtio_balloon",
    "virtio_rng", "evdev", "button",
)  # fmt: skip
LIBRARIES = (
    "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libcrypt.so.1", "libgmp.so.10", "libtomcrypt.so.1",
    "libtommath.so.1", "libz.so.1",
)  # fmt: skip
SECTORS = 128 << 11
"""Sectors of 512 bytes: the disk has 128 MiB."""
CONFIG = """DEFAULT tiny
PROMPT 0
LABEL tiny
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=tty0 console=ttyS0 quiet loglevel=3 mitigations=off panic=1
"""


class CannotBuild(RuntimeError):
    """A required file or program is missing, or a program failed."""


def ensure_image(output: Path) -> Path:
    """Return the image, built if it is missing or older than its sources."""
    newest_source = max(file.stat().st_mtime for file in HERE.iterdir() if file.is_file())
    if output.exists() and output.stat().st_mtime > newest_source:
        return output
    for program, package in PROGRAMS.items():
        if not shutil.which(program):
            raise CannotBuild(f"{program} is missing: apt-get install {package}")
    with TemporaryDirectory(prefix="tiny-guest-") as folder:
        build(Path(folder), output)
    return output


def build(folder: Path, output: Path) -> None:
    """Build the image in a temporary directory."""
    root, disk = folder / "root", folder / "disk.raw"
    unpack(folder, root)
    (folder / "initrd").write_bytes(build_initrd(folder, root))
    (folder / "syslinux.cfg").write_text(CONFIG)
    (kernel,) = root.glob("boot/vmlinuz-*")
    paths = {**os.environ, "PATH": f"{root}/usr/bin:{os.environ['PATH']}", "MTOOLS_SKIP_CHECK": "1"}
    disk.touch()
    os.truncate(disk, SECTORS << 9)
    run("mformat", "-i", str(disk), "-T", str(SECTORS), "-h", "64", "-s", "32", "::", env=paths)
    for source, name in ((kernel, "vmlinuz"), (folder / "initrd", "initrd"), (folder / "syslinux.cfg", "syslinux.cfg")):
        run("mcopy", "-i", str(disk), str(source), f"::{name}", env=paths)
    run("syslinux", "--install", str(disk), env=paths)
    new = output.with_suffix(f".{os.getpid()}")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(new))
    new.rename(output)


def unpack(folder: Path, root: Path) -> None:
    """Download and unpack the packages."""
    try:
        fetch(folder)
    except CannotBuild:
        # The system's package lists are missing or old: lists in a directory of our own take no privileges.
        fresh = list_options(folder)
        run("apt-get", *fresh, "update", "-qq")
        fetch(folder, fresh)
    for package in sorted(folder.glob("*.deb")):
        run("dpkg-deb", "-x", str(package), str(root))


def list_options(folder: Path) -> tuple[str, ...]:
    """Return the options that make apt keep its lists in this directory."""
    (folder / "apt/lists/partial").mkdir(parents=True)
    options = {"Dir::State::lists": folder / "apt/lists", "Dir::Cache": folder / "apt", "APT::Sandbox::User": "root"}
    return tuple(word for option, value in options.items() for word in ("-o", f"{option}={value}"))


def fetch(folder: Path, options: Sequence[str] = ()) -> None:
    """Download the packages; for the kernel, the one that the metapackage depends on."""
    dependencies = run("apt-cache", *options, "depends", KERNEL).decode()
    kernel = next((line.split()[-1] for line in dependencies.splitlines() if "Depends:" in line), None)
    if kernel is None:
        raise CannotBuild(f"apt knows no package {KERNEL}: Debian has it")
    run("apt-get", *options, "download", "-qq", kernel, *PACKAGES, cwd=folder)


def build_initrd(folder: Path, root: Path) -> bytes:
    """Build the initial RAM disk."""
    tree = folder / "tree"
    for name in ("bin", "sbin", "lib64", "lib", "modules", "etc", "root", "dev"):
        (tree / name).mkdir(parents=True)
    shutil.copy(next(root.glob("*bin/busybox")), tree / "bin/busybox")
    shutil.copy(root / "usr/sbin/dropbear", tree / "sbin/dropbear")
    for library in LIBRARIES:
        # The link in /lib64 leads to the library of this system.
        path = next(path for path in root.rglob(f"x86_64-linux-gnu/{library}"))
        shutil.copy(path, tree / ("lib64" if library.startswith("ld-") else "lib") / library)
    write_guest_files(tree)
    copy_modules(root, tree)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = run(str(next(root.glob("*bin/cpio"))), "-o", "-H", "newc", "--quiet", "-R", "0:0", cwd=tree, stdin=names)
    return run("gzip", "-9", "-c", stdin=archive)


def write_guest_files(tree: Path) -> None:
    """Write the guest's own files."""
    for name, target in (("init", "init"), ("udhcpc", "etc/udhcpc")):
        shutil.copy(HERE / name, tree / target)
        (tree / target).chmod(0o755)
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    (tree / "etc/shells").write_text("/bin/sh\n")


def copy_modules(root: Path, tree: Path) -> None:
    """Copy the modules and their dependencies, and write the order in which they are loaded."""
    paths = {path.stem.replace("-", "_"): path for path in root.glob("lib/modules/*/kernel/**/*.ko")}
    if missing := set(MODULES) - set(paths):
        raise CannotBuild(f"The kernel has no module {', '.join(sorted(missing))}")
    order = list(dict.fromkeys(module for name in MODULES for module in with_dependencies(name, paths)))
    for name in order:
        shutil.copy(paths[name], tree / "modules" / f"{name}.ko")
    (tree / "modules/order").write_text("\n".join(order))


def with_dependencies(name: str, paths: Mapping[str, Path]) -> Iterator[str]:
    """Yield a module after its dependencies, as the module file names them."""
    dependencies = paths[name].read_bytes().partition(b"\0depends=")[2].partition(b"\0")[0].decode()
    for other in filter(None, dependencies.split(",")):
        yield from with_dependencies(other.replace("-", "_"), paths)
    yield name


def run(*command: str, stdin: str | bytes = b"", **more: object) -> bytes:
    """Run a program. Raises CannotBuild with its error output."""
    input_bytes = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(command, input=input_bytes, capture_output=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise CannotBuild(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return bytes(done.stdout)


if __name__ == "__main__":
    try:
        ensure_image(Path(sys.argv[1]).absolute())
    except CannotBuild as problem:
        sys.exit(f"tiny-guest: {problem}")
