"""The snippets of docs/ci.md: they are valid, and name only what the action, the image and the server have."""

import re

import pytest
import yaml  # type: ignore[import-untyped]  # it has no type annotations

from pileus.client_variables import CLIENT_VARIABLES, SDK
from pileus.settings import SETTINGS
from tests.packaging.distributions import ROOT
from tests.packaging.workflows import read_yaml

PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
ACTION = read_yaml(ROOT / "action.yml")


def test_the_workflow_uses_inputs_and_outputs_of_the_action() -> None:
    steps = yaml.safe_load(SNIPPETS["workflow.yml"])["jobs"]["test"]["steps"]
    (action,) = (step for step in steps if step["uses" if "uses" in step else "run"] == "./.pileus")

    assert action["with"].keys() <= ACTION["inputs"].keys()
    assert set(re.findall(r"steps\.pileus\.outputs\.([\w-]+)", SNIPPETS["workflow.yml"])) <= ACTION["outputs"].keys()


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_the_page_lists_what_the_action_has(kind: str) -> None:
    table = PAGE.partition(f"| {kind.removesuffix('s')} |")[2].partition("\n\n")[0]
    first_cells = "".join(row.split("|")[1] for row in table.splitlines()[2:])

    assert set(re.findall(r"`([\w-]+)`", first_cells)) == set(ACTION[kind])


def test_the_gitlab_job_sets_variables_that_the_server_and_the_sdk_read() -> None:
    variables = yaml.safe_load(SNIPPETS[".gitlab-ci.yml"])["test"]["variables"]
    known = {row.environment_variable for row in SETTINGS} | set(CLIENT_VARIABLES[SDK]) | {"HEALTHCHECK_TCP_PORT"}

    assert set(variables) - known == set()
    assert set(CLIENT_VARIABLES[SDK]) - set(variables) == set()


def test_the_recipes_use_the_port_and_the_health_check_of_the_image() -> None:
    compile(SNIPPETS["conftest.py"], "conftest.py", "exec")

    for recipe in ("conftest.py", "cloud_test.go"):
        assert "8080" in SNIPPETS[recipe]
        assert "/readyz" in SNIPPETS[recipe]
        assert "PILEUS_API_KEY" in SNIPPETS[recipe]
    assert "EXPOSE 8080" in (ROOT / "Containerfile").read_text("utf-8")
