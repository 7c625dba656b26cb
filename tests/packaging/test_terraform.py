"""The Terraform examples, where `TF_CLI_CONFIG_FILE` points to a provider that was built elsewhere."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.packaging.distributions import ROOT
from tests.servers import Server

PROVIDERS = {"terraform": "gcore_cloud_instance", "terraform-0.x": "gcore_instancev2"}
"""A resource that only the provider of a folder has."""
NO_CHANGES = 0


class Terraform:
    """Terraform in a copy of an example's folder."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder, self._variables = folder, variables

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self._folder,
            env=os.environ | self._variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def has_resource(self, name: str) -> bool:
        """Return whether the installed provider has a resource; without a provider, it has none."""
        schema = json.loads(self.run("providers", "schema", "-json").stdout or "{}")
        return any(name in provider["resource_schemas"] for provider in schema.get("provider_schemas", {}).values())


def client_variables(server: Server) -> dict[str, str]:
    """Return the variables of both versions, and those that the folders declare."""
    authorization = {"Authorization": f"APIKey {server.environment['GCORE_API_KEY']}"}
    with httpx.Client(base_url=server.url, headers=authorization) as http:
        images = http.get("/cloud/v1/images/1/1").json()["results"]
        networks = http.get("/cloud/v1/availablenetworks/1/1").json()["results"]
    return server.environment | {
        "GCORE_API_ENDPOINT": server.url,
        "GCORE_CLOUD_API": f"{server.url}/cloud",
        "GCORE_PERMANENT_TOKEN": server.environment["GCORE_API_KEY"],
        "TF_VAR_image_id": images[0]["id"],
        "TF_VAR_external_network_id": next(network["id"] for network in networks if network["external"]),
    }


@pytest.mark.skipif(
    not (Path(os.environ.get("TF_CLI_CONFIG_FILE", "")).is_file() and shutil.which("terraform")),
    reason="TF_CLI_CONFIG_FILE names no provider",
)
@pytest.mark.parametrize("name", PROVIDERS)
def test_the_folder_is_applied_without_a_difference_and_destroyed(name: str, server: Server, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "examples" / name, tmp_path / name))
    terraform = Terraform(folder, client_variables(server))
    if not terraform.has_resource(PROVIDERS[name]):
        pytest.skip(f"the provider has no {PROVIDERS[name]}")

    applied = terraform.run("apply", "-auto-approve", "-no-color")
    assert applied.returncode == 0, applied.stderr
    plan = terraform.run("plan", "-detailed-exitcode", "-no-color")
    assert plan.returncode == NO_CHANGES, plan.stdout + plan.stderr
    destroyed = terraform.run("destroy", "-auto-approve", "-no-color")
    assert destroyed.returncode == 0, destroyed.stderr


@pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")
def test_the_folders_are_formatted() -> None:
    checked = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", str(ROOT / "examples")], capture_output=True, check=False
    )

    assert checked.returncode == 0, checked.stdout
