"""The container: its file, and the server that it runs.

`make test-container` builds the image on a root file system made by debootstrap, by carrying out the steps of the file,
and with Podman or Docker where they are there. That takes minutes, so `make test` leaves it out.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.packaging.container_files import Image, build_image, build_image_with_builder, read_instructions
from tests.packaging.distributions import ROOT
from tests.servers import free_port

FILE = ROOT / "Containerfile"
READY = "Pileus is ready."
is_wanted = pytest.mark.skipif("PILEUS_TEST_CONTAINER" not in os.environ, reason="make test-container builds it")


def texts_of(word: str) -> list[str]:
    """Return the texts of an instruction, in order."""
    return [instruction.text for instruction in read_instructions(FILE) if instruction.word == word]


def test_the_server_is_not_root_and_keeps_its_data_in_a_volume() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", texts_of("USER")[-1])
    assert texts_of("VOLUME") == ['["/data"]']
    assert "PILEUS_DATA=/data" in texts_of("ENV")[-1]
    assert texts_of("STOPSIGNAL") == ["SIGTERM"]
    assert len(texts_of("HEALTHCHECK")) == 1


def test_packages_are_those_of_the_lock_file() -> None:
    installations = [line for text in texts_of("RUN") for line in text.split("&&") if "pip install" in line]

    assert len(installations) == 2
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation" in line for line in installations)


def test_all_files_that_are_copied_are_in_the_context() -> None:
    ignored, *kept = (ROOT / ".dockerignore").read_text().split()
    copied = {word for text in texts_of("COPY") if "--from" not in text for word in text.split()[:-1]}

    assert ignored == "*"
    assert copied == {line.removeprefix("!") for line in kept if line.startswith("!")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A base image in a folder."""
    if shutil.which("debootstrap") is None or os.geteuid():
        pytest.skip("debootstrap is not installed, or the user is not root")
    folder = tmp_path_factory.mktemp("base")
    # The user of the file must reach the folders of the tests.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    root = folder / "base"
    command = ["debootstrap", "--variant=minbase", "bookworm", str(root)]
    bootstrapped = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert bootstrapped.returncode == 0, bootstrapped.stdout[-2000:]
    yield root
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture(scope="module", params=["steps", "podman", "docker"])
def image(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image in a folder, built without a builder and with each that is there."""
    builder = str(request.param)
    if builder != "steps" and not is_builder_ready(builder):
        pytest.skip(f"{builder} is not there, or does not answer")
    folder = tmp_path_factory.mktemp(builder)
    folder.chmod(0o755)
    if builder == "steps":
        yield build_image(FILE, base, folder)
    else:
        yield build_image_with_builder(builder, FILE, base, folder)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@contextmanager
def run_container(image: Image, volume: Path) -> Iterator[httpx.Client]:
    """Run the command of an image with a volume, and check that SIGTERM ends it cleanly."""
    inside, port = image.root / "data", free_port()
    shutil.rmtree(inside)
    volume.rename(inside)
    variables = {"PILEUS_PORT": str(port), "PILEUS_API_KEY": "1_a-key-for-tests-0123456789abcdef"}
    process = image.spawn(image.command, user=image.options["USER"], **variables)
    assert process.stdout is not None
    output = iter(process.stdout.readline, "")
    try:
        assert any(READY in line for line in output), "the server has ended"
        image.run(image.health_command, user=image.options["USER"], **variables)
        authorization = {"Authorization": f"APIKey {variables['PILEUS_API_KEY']}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=authorization) as http:
            yield http
    finally:
        process.send_signal(getattr(signal, image.options["STOPSIGNAL"]))
        rest = process.communicate(timeout=30)[0]
    inside.rename(volume)
    inside.mkdir()
    assert process.returncode == 0, rest


@is_wanted
@pytest.mark.timeout(1800)
def test_the_server_starts_as_the_user_of_the_file_and_its_data_survive(image: Image) -> None:
    volume = image.root.parent / "volume"
    shutil.copytree(image.root / "data", volume)
    shutil.copystat(image.root / "data", volume)
    user, group = map(int, image.options["USER"].split(":"))
    os.chown(volume, user, group)

    with run_container(image, volume) as http:
        created = http.post("/cloud/v1/ssh_keys/1", json={"name": "survives"})
        assert created.is_success, created.text
        assert image.run(["id", "-u"], user=image.options["USER"]).strip() == str(user)
    with run_container(image, volume) as http:
        assert [key["name"] for key in http.get("/cloud/v1/ssh_keys/1").json()["results"]] == ["survives"]

    files = [path.stat() for path in volume.rglob("*")]
    assert {(status.st_uid, status.st_mode & 0o077) for status in files} == {(user, 0)}


@is_wanted
@pytest.mark.timeout(1800)
def test_a_health_check_of_a_server_that_does_not_answer_fails(image: Image) -> None:
    with pytest.raises(AssertionError, match="refused"):
        image.run(image.health_command, user=image.options["USER"], PILEUS_PORT=str(free_port()))


@is_wanted
@pytest.mark.timeout(1800)
def test_the_image_is_small_and_has_no_tools_to_build(image: Image, base: Path) -> None:
    added = measure_size(image.root) - measure_size(base)

    assert added < 250 << 20
    assert json.loads(image.options["VOLUME"]) == ["/data"]
    assert [path.name for path in (image.root / "opt/pileus/bin").glob("pip*")] == []


def measure_size(folder: Path) -> int:
    """Return the bytes that the files of a folder take."""
    return int(subprocess.check_output(["du", "-sxB1", str(folder)], text=True).split()[0])


def test_the_documented_commands_keep_the_health_check() -> None:
    """Podman leaves it out of images in its own format."""
    texts = [path.read_text("utf-8") for path in (FILE, ROOT / "docs/ci.md")]

    builds = re.findall("podman build (.*?) -t", "\n".join(texts))
    assert builds == ["--format docker"] * 2


def is_builder_ready(name: str) -> bool:
    """Return whether a builder is installed and its daemon answers."""
    return bool(shutil.which(name)) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0
