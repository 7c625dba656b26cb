"""Build the sdist and the wheel, and read them."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]


class Distributions(NamedTuple):
    """The files of a release."""

    sdist: Path
    wheel: Path


def build_distributions(source: Path, directory: Path) -> Distributions:
    """Build the sdist and the wheel of a source tree."""
    _build(source, directory, "sdist", "wheel")
    return Distributions(next(directory.glob("*.tar.gz")), next(directory.glob("*.whl")))


def build_wheel_of_sdist(sdist: Path, directory: Path) -> Path:
    """Unpack an sdist and build its wheel."""
    # Debian's Python 3.11.2 has no filters for the archives that it unpacks.
    directory.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xf", str(sdist), "-C", str(directory)], check=True)
    (source,) = directory.iterdir()
    _build(source, directory / "dist", "wheel")
    return next((directory / "dist").glob("*.whl"))


def _build(source: Path, directory: Path, *targets: str) -> None:
    options = [option for target in targets for option in ("-t", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *options, "-d", str(directory)],
        cwd=source,
        check=True,
        capture_output=True,
    )


def names_in_wheel(wheel: Path) -> set[str]:
    """Return the paths of a wheel's files."""
    with ZipFile(wheel) as archive:
        return set(archive.namelist())
