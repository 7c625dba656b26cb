"""Installs the built wheel of Pileus and the driver of docs/drivers.md into directories, without pip."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
UNUSED_PLUGINS = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist")
"""They leave files behind, or take seconds to load."""
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


def install_wheel(wheel: Path, directory: Path) -> Path:
    """Unpack a wheel; it is an archive of importable files."""
    with ZipFile(wheel) as archive:
        archive.extractall(directory)
    return directory


def install_example(directory: Path) -> Path:
    """Write the driver of the page with the metadata that an installer would write."""
    files = dict(BLOCK.findall((ROOT / "docs" / "drivers.md").read_text("utf-8")))
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    metadata = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    files[f"{metadata}/METADATA"] = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    files[f"{metadata}/entry_points.txt"] = "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entry_points.items())
        for group, entry_points in project["entry-points"].items()
    )
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, "utf-8")
    return directory


def run_python(
    *arguments: str, installed: list[Path], cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty directory with these directories installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    environment = kept | {"PYTHONPATH": os.pathsep.join(map(str, installed))} | dict(variables or {})
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def run_suite(
    driver: str, *, installed: list[Path], cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the conformance suite."""
    arguments = ["--pileus-driver", driver, "--pyargs", "pileus.testing.conformance", "-rs"]
    unused = [word for plugin in UNUSED_PLUGINS for word in ("-p", f"no:{plugin}")]
    return run_python("-m", "pytest", *arguments, *unused, installed=installed, cwd=cwd, variables=variables)
