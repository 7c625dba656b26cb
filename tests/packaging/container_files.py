"""Read a Containerfile, and build its image in folders: by its steps alone, or with a builder."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CONTINUED = re.compile(r"\\\n")
HOST_FILES = {"/etc/resolv.conf": "etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt": "run/host-certificates.crt"}
"""What a step needs to reach the registries, and where it gets it."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Instruction(NamedTuple):
    """An instruction: `RUN`, and what follows."""

    word: str
    text: str


@dataclass(slots=True)
class Image:
    """A root file system, and how to run its program."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SYSTEM_PATH})
    working_directory: str = "/"
    options: dict[str, str] = field(default_factory=dict)
    """The last text of each instruction that does not change files, such as `USER`."""

    @property
    def command(self) -> list[str]:
        """Return the command line of a container."""
        return [*json.loads(self.options["ENTRYPOINT"]), *json.loads(self.options["CMD"])]

    @property
    def health_command(self) -> list[str]:
        """Return the command line of the health check."""
        return ["/bin/sh", "-c", self.options["HEALTHCHECK"].partition("CMD ")[2]]

    def spawn(self, command: list[str], *, user: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program in the root file system, as a user, with none of this process's variables."""
        change = ["chroot", f"--userspec={user}", str(self.root)] if user else ["chroot", str(self.root)]
        inside = f"cd {shlex.quote(self.working_directory)} && exec {shlex.join(command)}"
        return subprocess.Popen(
            [*change, "/bin/sh", "-c", inside],
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: list[str], *, user: str = "", **variables: str) -> str:
        """Run a program and return its output. Raises AssertionError if it fails."""
        process = self.spawn(command, user=user, **variables)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, f"{shlex.join(command)}\n{output}"
        return output


def read_instructions(file: Path) -> Iterator[Instruction]:
    """Yield the instructions of a Containerfile."""
    text = CONTINUED.sub("", file.read_text("utf-8"))
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield Instruction(word, rest.strip())


def build_image_with_builder(builder: str, file: Path, base: Path, folder: Path) -> Image:
    """Build an image with Podman or Docker on a base, and unpack it. The base needs no registry."""
    prepared = folder / "prepared"
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(prepared)], check=True)
    for source, target in HOST_FILES.items():
        shutil.copy(source, prepared / target)
    settings = [f"{name.removeprefix('PIP_').lower()} = {value}" for name, value in _registry_variables().items()]
    (prepared / "etc/pip.conf").write_text("\n".join(["[global]", *settings]))
    base_name, name = "pileus-test-base", "pileus-test"
    _pipe(["tar", "-C", str(prepared), "-c", "."], [builder, "import", "-", base_name])
    # Without a runtime of containers, as this machine may itself be one.
    options = ["--format", "docker", "--isolation", "chroot"] if builder == "podman" else []
    build = [builder, "build", *options, "--network", "host", "--build-arg", f"BASE={base_name}", "--tag", name]
    built = subprocess.run(
        [*build, "--file", str(file), str(file.parent)], capture_output=True, text=True, timeout=1200, check=False
    )
    assert built.returncode == 0, built.stderr[-2000:]
    return unpack_image(builder, name, folder / name)


def unpack_image(builder: str, name: str, root: Path) -> Image:
    """Unpack an image of a builder into a folder."""
    (described,) = json.loads(subprocess.check_output([builder, "inspect", "--type", "image", name]))
    config = described["Config"]
    health_check = config.get("Healthcheck") or described["Healthcheck"]
    container = subprocess.check_output([builder, "create", name], text=True).strip()
    root.mkdir()
    _pipe([builder, "export", container], ["tar", "-C", str(root), "-x"])
    subprocess.run([builder, "rm", container], capture_output=True, check=True)
    return Image(
        root,
        dict(pair.split("=", 1) for pair in config["Env"]),
        config["WorkingDir"],
        {
            "USER": config["User"],
            "ENTRYPOINT": json.dumps(config["Entrypoint"]),
            "CMD": json.dumps(config["Cmd"]),
            "HEALTHCHECK": f"CMD {health_check['Test'][-1]}",
            "STOPSIGNAL": config["StopSignal"],
            "VOLUME": json.dumps([*config["Volumes"]]),
        },
    )


def _pipe(source: list[str], target: list[str]) -> None:
    with subprocess.Popen(source, stdout=subprocess.PIPE) as sending:
        subprocess.run(target, stdin=sending.stdout, capture_output=True, check=True)
    assert sending.returncode == 0, source


def build_image(file: Path, base: Path, folder: Path) -> Image:
    """Carry out the steps of a Containerfile on copies of a base, and return the last stage."""
    stages: dict[str, Image] = {}
    image = Image(base)
    for word, text in read_instructions(file):
        if word == "FROM":
            name = text.partition(" AS ")[2] or "final"
            subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(folder / name)], check=True)
            image = stages[name] = Image(folder / name)
            for source, target in HOST_FILES.items():
                shutil.copy(source, image.root / target)
        elif word == "RUN":
            image.run(["/bin/sh", "-c", text], DEBIAN_FRONTEND="noninteractive", **_registry_variables())
        elif word == "COPY":
            _copy(text.split(), stages, image, file.parent)
        elif word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in text.split())
        elif word == "WORKDIR":
            image.working_directory = text
            (image.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
        else:
            image.options[word] = text
    return image


def _registry_variables() -> dict[str, str]:
    names = ("PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "http_proxy", "https_proxy")
    certificates = {"PIP_CERT": "/run/host-certificates.crt"}
    return certificates | {name: os.environ[name] for name in names if name in os.environ}


def _copy(words: list[str], stages: dict[str, Image], image: Image, context: Path) -> None:
    source_root = context
    if words[0].startswith("--from="):
        source_root = stages[words.pop(0).partition("=")[2]].root
    *sources, target = words
    inside = Path(image.working_directory, target)
    destination = image.root / str(inside).lstrip("/")
    for source in sources:
        path = source_root / source.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, destination, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            destination.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, destination)
