"""The lock files: whole, in step with each other, and free of addresses."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN, DEV = ((ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "requirements-dev.lock"))


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", lock, re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", one)[0] for one in requirements}


def test_what_runs_is_what_is_tested() -> None:
    assert pins(RUN).items() <= pins(DEV).items()


def test_all_that_the_project_names_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]

    run = names(project["project"]["dependencies"] + project["project"]["optional-dependencies"]["sdk"])
    assert run | names(groups["build"]) <= pins(RUN).keys()
    assert names([one for one in groups["dev"] if isinstance(one, str)]) <= pins(DEV).keys()


def test_every_pin_has_its_hashes_and_no_lock_names_an_address() -> None:
    for lock in (RUN, DEV):
        blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
        assert len(blocks) == len(pins(lock))
        assert [block for block in blocks if "--hash=sha256:" not in block] == []
        assert "://" not in lock
