"""What the tables of the web console say of the API, the official client and the commands of `pileus`."""

import ast
import inspect
import json
import re
import shlex
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from gcore import Gcore

from pileus.cli.main import pileus
from tests.cli.test_help import parse_words
from tests.console.conftest import Browser

pytestmark = pytest.mark.timeout(180)


def test_every_operation_is_one_of_the_api_and_of_the_official_client(browser: Browser) -> None:
    tables = browser.run("tables")
    root = Path(__file__).parents[2]
    paths = json.loads((root / "docs/openapi.json").read_text("utf-8"))["paths"]
    served = {f"{method.upper()} {normalize(path)}" for path, verbs in paths.items() for method in verbs}
    kinds = json.loads((root / "src/pileus/cli/resource_methods.json").read_text("utf-8"))["kinds"]
    operations = [
        (tables["NOUNS"][word], operation) for word, listed in tables["OPERATIONS"].items() for operation in listed
    ]
    operations += [(None, operation) for operation in tables["PART_OPERATIONS"].values()]

    for noun, operation in operations:
        assert f"{operation['method']} {normalize(operation['path'])}" in served, operation
        command = operation.get("command") or (noun and noun["word"])
        if operation["verb"] and command:
            assert operation["verb"].replace("_", "-") in kinds[command]["verbs"], operation
    for word, noun in tables["NOUNS"].items():
        assert f"GET {normalize(noun['path'])}" in served, word
        columns = [column["name"] for column in noun["columns"]]
        filters = [entry["name"] for entry in noun.get("filters", []) if entry["kind"] != "tag"]
        assert not {*columns, *filters} - {*tables["texts"]["fields"]}, word


def test_the_same_as_each_operation_is_a_command_a_call_of_the_official_client_and_a_request(browser: Browser) -> None:
    samples = browser.run("samples")
    assert any("$${value}" in sample["terraform"] for sample in samples)
    for sample in samples:
        if sample["command"].startswith("pileus "):
            parse_words(pileus, shlex.split(sample["command"])[1:])
        assert shlex.split(sample["curl"])[:2] == ["curl", "-X"]
        assert sample["terraform"].startswith(('resource "gcore_cloud_', "# Terraform has no counterpart"))
        assert re.sub(r"\$\$\{", "", sample["terraform"]).count("${") == 0
        if sample["hasVerb"]:
            check_call(sample["python"])


def check_call(program: str) -> None:
    """Check that the official client has the method that a program calls, with its arguments. Raises TypeError."""
    call = ast.parse(program).body[-1].value  # type: ignore[attr-defined]
    _, *names = ast.unparse(call.func).split(".")
    client: Any = Gcore(api_key="a-key")
    method = reduce(getattr, names, client)
    inspect.signature(method).bind(**{argument.arg: None for argument in call.keywords})


def normalize(path: str) -> str:
    """Return a path without the names of its parameters."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
