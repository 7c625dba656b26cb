"""The tests of the service. The pytest plug-in of Pileus gives each test an empty project."""

import subprocess
import sys

import pytest

import previews


def list_names(client):
    resources = [*client.cloud.instances.list(), *client.cloud.networks.list(), *client.cloud.volumes.list()]
    return {resource.name for resource in resources if getattr(resource, "external", False) is False}


def test_a_preview_is_a_machine_with_a_public_address(pileus_client):
    instance = previews.start_preview(pileus_client, "login-page")

    assert instance.status == "ACTIVE"
    assert {"login-page"} == {tag.value for tag in instance.tags if tag.key == previews.TAG}
    assert len(instance.addresses) == 2


def test_a_preview_is_started_once(pileus_client):
    first = previews.start_preview(pileus_client, "login-page")

    assert previews.start_preview(pileus_client, "login-page").id == first.id
    assert previews.start_preview(pileus_client, "other").id != first.id


def test_a_stopped_preview_leaves_nothing_behind(pileus_client):
    previews.start_preview(pileus_client, "login-page")

    previews.stop_preview(pileus_client, "login-page")

    assert list_names(pileus_client) == set()
    previews.stop_preview(pileus_client, "login-page")


def test_a_preview_that_cannot_start_leaves_nothing_behind(pileus, pileus_client):
    pileus.faults.fail("create_vm", message="no host is free")

    with pytest.raises(Exception, match="no host is free"):
        previews.start_preview(pileus_client, "login-page")

    assert list_names(pileus_client) == set()


@pytest.mark.usefixtures("pileus_project")
def test_the_commands_use_the_cloud_of_the_environment():
    def run(*arguments):
        return subprocess.check_output([sys.executable, "-m", "previews", *arguments], text=True)

    assert run("start", "login-page").startswith("preview-login-page ")
    assert run("list") == "login-page\n"
    run("stop", "login-page")
    assert run("list") == "\n"
