"""`pileus openstack check` and `pileus openstack catalogue`, on the recorded double."""

from pathlib import Path

import pytest

from pileus.domain.catalogue import parse_catalogue
from tests.cli.conftest import Run, run

__all__ = ["run"]
pytestmark = pytest.mark.usefixtures("openstack_settings")


def test_a_catalogue_of_the_cloud_lacks_nothing(run: Run, tmp_path: Path) -> None:
    written = run("openstack", "catalogue")
    file = tmp_path / "cloud.toml"
    file.write_text(written.stdout)

    checked = run("openstack", "check", str(file))

    catalogue = parse_catalogue(written.stdout)
    assert [flavor.id for flavor in catalogue.flavors] == ["g1-standard-1-2", "g1-standard-2-4"]
    assert [item.name for item in catalogue.volume_types] == ["ssd_hiiops", "standard"]
    assert [(network.name, network.subnets[0].cidr) for network in catalogue.networks] == [("pub_net", "198.18.0.0/16")]
    assert [image.name for image in catalogue.images] == ["blank", "debian-12-generic-x64"]
    assert (checked.exit_code, checked.stdout) == (0, "The cloud has all that the catalogue names.\n")


def test_what_the_cloud_lacks_is_listed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bundled.toml"
    file.write_text(run("catalog", "show").stdout)

    checked = run("openstack", "check", str(file))

    lines = checked.stdout.splitlines()
    assert checked.exit_code == 1
    assert "missing: flavor g2-standard-1-2" in lines
    assert "missing: flavor g1-standard-1-2: it has 1 vCPUs and 192 MiB, not 1 and 2048" in lines
    assert "missing: volume type ultra" in lines
    assert "missing: public image ubuntu-22.04-x64" in lines
    assert "missing: subnet 2001:db8:0:1::/64 of external network pub_net" in lines
    assert not any("debian-12" in line or "extension" in line or "role" in line for line in lines)
    assert f"The cloud lacks {len(lines)} of what {file} names" in checked.stderr


def test_a_catalogue_that_cannot_be_read_is_an_error(run: Run, tmp_path: Path) -> None:
    result = run("openstack", "check", str(tmp_path / "none.toml"))

    assert result.exit_code == 1
    assert "none.toml cannot be read: " in result.stderr


def test_a_cloud_that_clouds_yaml_does_not_name_is_an_error(run: Run) -> None:
    result = run("openstack", "catalogue", "--openstack-cloud", "nowhere")

    assert result.exit_code == 1
    assert "The cloud nowhere cannot be used: " in result.stderr


def test_a_cloud_that_does_not_answer_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clouds = tmp_path / "away.yaml"
    auth = "{auth_url: 'http://127.0.0.1:9/v3', username: a, password: b, project_name: c}"
    clouds.write_text(f"clouds: {{double: {{auth: {auth}}}}}")
    monkeypatch.setenv("PILEUS_OPENSTACK_CONFIG", str(clouds))

    result = run("openstack", "catalogue")

    assert result.exit_code == 1
    assert "OpenStack cannot be reached: " in result.stderr
