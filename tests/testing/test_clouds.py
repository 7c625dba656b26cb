"""A simulated cloud in this process, as scripts and unittest use it."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from gcore import AuthenticationError, Gcore, NotFoundError

import pileus.testing
from pileus.setting_fields import SettingError
from pileus.testing.clouds import Cloud
from pileus.testing.network_guards import PublicCloudRefused


@pytest.fixture(scope="module")
def cloud() -> Cloud:  # type: ignore[misc]  # a generator
    with pileus.testing.cloud(instance_cache_checked=True) as running:
        yield running


def test_a_client_without_arguments_uses_the_cloud(cloud: Cloud) -> None:
    with Gcore() as client:
        network = client.cloud.networks.create_and_poll(name="from-a-test")

    assert str(client.base_url).startswith(cloud.base_url)
    assert network.name == "from-a-test"


def test_a_project_does_not_see_another(cloud: Cloud) -> None:
    first, second = cloud.create_project(), cloud.create_project()
    with first.make_client() as client, second.make_client() as other:
        keypair = client.cloud.ssh_keys.create(name="of-the-first")

        assert other.cloud.ssh_keys.list().results == []
        with pytest.raises(NotFoundError):
            other.cloud.ssh_keys.get(ssh_key_id=keypair.id)


def test_a_reset_cloud_is_as_it_was_when_it_started() -> None:
    with pileus.testing.cloud(instance_cache_checked=True) as running:
        other = running.create_project()
        with running.project.make_client() as client, other.make_client() as of_other:
            client.cloud.networks.create_and_poll(name="of-the-first")
            of_other.cloud.networks.create_and_poll(name="of-the-other")

            running.reset(other)
            names = [network.name for network in client.cloud.networks.list()]
            assert list(of_other.cloud.networks.list()) == []
            running.reset()

            assert names == ["of-the-first"]
            assert list(client.cloud.networks.list()) == []
            with pytest.raises(AuthenticationError):
                of_other.cloud.networks.list()
            assert running.create_project().tenant_id == other.tenant_id


def test_variables_and_threads_are_as_before_when_the_cloud_has_stopped() -> None:
    environment, threads = dict(os.environ), set(threading.enumerate())

    with pileus.testing.cloud(instance_cache_checked=True) as running:
        assert os.environ["GCORE_BASE_URL"] == running.base_url

    assert dict(os.environ) == environment
    assert set(threading.enumerate()) == threads
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.base_url}/healthz")


def test_a_program_that_does_not_stop_its_cloud_ends() -> None:
    code = "import pileus.testing; running = pileus.testing.cloud(); running.__enter__()"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_two_clouds_run_side_by_side(cloud: Cloud) -> None:
    with pileus.testing.cloud() as second:
        cloud.project.make_client().cloud.ssh_keys.create(name="only-in-the-first")

        names = [key.name for key in second.project.make_client().cloud.ssh_keys.list()]

    assert names == []


def test_settings_are_given_by_name() -> None:
    with pileus.testing.cloud(simulated_time="realistic") as slow, slow.project.make_client() as client:
        task_id = client.cloud.volumes.create(name="slow", size=1, source="new-volume").tasks[0]

        assert client.cloud.tasks.get(task_id).state in {"NEW", "RUNNING"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"simulatedtime": "realistic"}, r"no setting simulatedtime: did you mean simulated_time\?"),
        ({"simulated_time": "slow"}, "simulated_time wants"),
        ({"catalogue": "missing.toml"}, "missing.toml"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message), pileus.testing.cloud(**settings):
        pass


def test_a_held_task_continues_after_the_block(cloud: Cloud) -> None:
    with cloud.create_project().make_client() as client:
        with cloud.faults.hold("create_volume"):
            task_id = client.cloud.volumes.create(name="held", size=1, source="new-volume").tasks[0]
            assert client.cloud.tasks.get(task_id).state in {"NEW", "RUNNING"}

        assert client.cloud.tasks.poll(task_id).state == "FINISHED"


def test_a_task_fails_as_often_as_ordered(cloud: Cloud) -> None:
    with cloud.create_project().make_client() as client:
        cloud.faults.fail("create_volume", times=1, message="the disks are full")
        first, second = (
            client.cloud.volumes.create(name=f"volume-{number}", size=1, source="new-volume").tasks[0]
            for number in (1, 2)
        )
        states = [_wait_for_end(client, task_id) for task_id in (first, second)]

    assert sorted(states) == [("ERROR", "the disks are full"), ("FINISHED", None)]


def _wait_for_end(client: Gcore, task_id: str) -> tuple[str, str | None]:
    while (task := client.cloud.tasks.get(task_id)).state not in {"FINISHED", "ERROR"}:
        pass
    return str(task.state), task.error


def test_all_faults_can_be_released_at_once(cloud: Cloud) -> None:
    cloud.faults.hold("create_volume")
    released_before = cloud.faults.hold("create_vm")
    cloud.faults.release_all()

    released_before.release()
    assert cloud.operator.get("/_pileus/faults", params={"client_id": 0}).json() == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"task_type": "create_vm", "step": "no such step"}, "step"),
        ({"task_type": "create_vm", "step": "create the router"}, "step"),
        ({"step": "no such step"}, "step"),
        ({"task_type": "create_vms"}, "task_type"),
    ],
)
def test_a_fault_that_cannot_apply_is_refused(cloud: Cloud, fault: dict[str, str], field: str) -> None:
    with pytest.raises(ValueError, match=rf"'{field}': \[\"?'?There is no ") as refusal:
        cloud.faults.hold(**fault)  # type: ignore[arg-type]  # some are step, some task_type

    assert fault[field] in str(refusal.value)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("host", ["api.gcore.com", "GCORE.COM", "api.gcorelabs.com.", "x.y.gcore.lu"])
def test_a_request_to_the_public_cloud_is_refused(host: str) -> None:
    with pytest.raises(PublicCloudRefused, match="test cloud"):
        httpx.get(f"https://{host}/cloud/v1/projects")
    with pytest.raises(PublicCloudRefused):
        socket.create_connection((host, 443))
    with pytest.raises(PublicCloudRefused):
        asyncio.run(_get(f"https://{host}/"))


async def _get(url: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.get(url)


def test_the_public_cloud_is_refused_until_the_last_cloud_has_stopped() -> None:
    resolve = socket.getaddrinfo
    with pileus.testing.cloud():
        with pileus.testing.cloud():
            pass
        with pytest.raises(PublicCloudRefused):
            socket.getaddrinfo("api.gcore.com", 443)

    assert socket.getaddrinfo is resolve


def test_the_clock_is_as_before_after_each_block(cloud: Cloud) -> None:
    clock = cloud.clock
    with clock.freeze("2030-01-01"):
        with clock.advance(days=1, hours=1):
            inside = clock.now()
        with clock.set(date(2040, 1, 1)), clock.resume():
            running = clock.now()
        outside = clock.now()
    after = clock.now()

    assert inside == datetime(2030, 1, 2, 1, tzinfo=UTC)
    assert running.year == 2040
    assert outside == datetime(2030, 1, 1, tzinfo=UTC)
    assert abs(after - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_running_clock_keeps_its_distance_after_a_block(cloud: Cloud) -> None:
    cloud.clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    with cloud.clock.freeze():
        pass
    after = cloud.clock.now()
    cloud.clock.reset()

    assert timedelta() < after - datetime(2030, 1, 1, tzinfo=UTC) < timedelta(minutes=1)


def test_a_wrong_time_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match=r"'time': .* should be a valid datetime"):
        cloud.clock.freeze("noon")
    with pytest.raises(ValueError, match="'seconds': "):
        cloud.clock.advance(days=-1)
