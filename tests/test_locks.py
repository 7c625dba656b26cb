"""The lock files are complete, agree with each other, and name no package index."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN, DEV = ((ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "requirements-dev.lock"))


PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", re.MULTILINE)
"""A package can be pinned once for each version of Python."""


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall(lock))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in requirements}


def test_tests_use_the_pinned_versions_of_the_program() -> None:
    assert pins(RUN).items() <= pins(DEV).items()


def test_all_dependencies_of_the_project_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]

    run = names(project["project"]["dependencies"] + project["project"]["optional-dependencies"]["sdk"])
    assert run | names(groups["build"]) <= pins(RUN).keys()
    assert names([requirement for requirement in groups["dev"] if isinstance(requirement, str)]) <= pins(DEV).keys()


def test_every_pin_has_hashes_and_no_lock_names_an_index() -> None:
    for lock in (RUN, DEV):
        blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
        assert len(blocks) == len(PIN.findall(lock))
        assert [block for block in blocks if "--hash=sha256:" not in block] == []
        assert "://" not in lock
