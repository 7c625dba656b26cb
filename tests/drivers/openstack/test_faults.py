"""Lost answers, busy services and refusals, on the recorded double of OpenStack."""

import random
import sys
import uuid

import pytest

from pileus.drivers import registry
from pileus.drivers.openstack import waits
from pileus.drivers.openstack.cloud import OpenstackError
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.machines import has_been_built
from pileus.drivers.openstack.networks import allocation_pool
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable, NotYetDone
from pileus.drivers.protocols.network import SubnetSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.testing.conformance.helpers import new_machine
from tests.drivers.openstack.double import Double
from tests.drivers.openstack.exchanges import LOST

RECORDING = "test_a_machine_runs_after_a_restart[SHUTOFF-True]"
NOVA = "/21414/v2.1"


@pytest.fixture
def recording_name() -> str:
    """The recording that these tests play: a machine is created, stopped and restarted."""
    return "".join(letter if letter.isalnum() else "_" for letter in RECORDING).strip("_")


@pytest.fixture
def machine() -> MachineSpec:
    """The machine of the recording."""
    numbers = random.Random(RECORDING)  # noqa: S311  # not a secret
    return new_machine(id=str(uuid.UUID(int=numbers.getrandbits(128), version=4)))


def creations(double: Double) -> int:
    return sum(key.startswith(f"POST {NOVA}/servers ") for key in double.received)


async def test_a_creation_whose_answer_is_lost_makes_one_server(
    driver: Openstack, machine: MachineSpec, cloud_server: Double
) -> None:
    cloud_server.faults[f"POST {NOVA}/servers "] = LOST

    with pytest.raises(DriverError, match="cannot be reached") as lost:
        await driver.ensure_running_machine(machine)
    await driver.ensure_running_machine(machine)

    assert lost.value.retryable
    assert creations(cloud_server) == 1


@pytest.mark.parametrize(
    ("status_code", "kind"),
    [(409, OpenstackError), (500, OpenstackError), (502, DriverUnreachable), (503, DriverUnreachable)],
)
async def test_a_busy_service_is_asked_again(
    driver: Openstack, machine: MachineSpec, cloud_server: Double, status_code: int, kind: type[DriverError]
) -> None:
    cloud_server.faults[f"POST {NOVA}/servers "] = status_code

    with pytest.raises(DriverError) as busy:
        await driver.ensure_running_machine(machine)

    assert busy.value.retryable
    assert type(busy.value) is kind


@pytest.mark.parametrize("status_code", [400, 403, 413])
async def test_a_refusal_is_final(
    driver: Openstack, machine: MachineSpec, cloud_server: Double, status_code: int
) -> None:
    cloud_server.faults[f"POST {NOVA}/servers "] = status_code

    with pytest.raises(DriverError) as refused:
        await driver.ensure_running_machine(machine)

    assert not refused.value.retryable


def test_a_refusal_by_the_policy_of_a_service_that_has_just_started_is_tried_again() -> None:
    transient = OpenstackError("OpenStack: rule:create_port:fixed_ips is disallowed by policy", 403)
    final = OpenstackError("OpenStack: Quota exceeded for instances", 403)

    assert (transient.retryable, final.retryable) == (True, False)


def refusal_of_volume(status: str) -> str:
    return f"OpenStack: Invalid volume: Volume v status must be available or downloading to reserve, {status}"


def is_tried_again(message: str) -> bool:
    return OpenstackError(message, 400).retryable


def test_a_refusal_for_a_volume_that_another_request_holds_is_tried_again() -> None:
    assert is_tried_again(refusal_of_volume("but the current status is reserved. (HTTP 400)"))
    assert is_tried_again(refusal_of_volume("but the current status is attaching. (HTTP 400)"))
    assert is_tried_again(refusal_of_volume("but the current status is in-use. (HTTP 400)"))
    assert not is_tried_again(refusal_of_volume("but the current status is error. (HTTP 400)"))
    assert not is_tried_again("OpenStack: Invalid volume type: there is no type gold")
    assert not is_tried_again("OpenStack: Invalid imageRef provided")


async def test_a_task_gives_its_slot_back_while_openstack_works(
    driver: Openstack, machine: MachineSpec, cloud_server: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.waits, "_timeout", -1.0)

    with pytest.raises(NotYetDone):
        await driver.lifecycle.ensure_running_machine(machine)
    # The suite's own driver repeats the call, as tasks do.
    monkeypatch.setattr(waits, "LOOK_AGAIN_SECONDS", 0)
    await driver.ensure_running_machine(machine)

    assert (await driver.servers.require(machine.id))["status"] == "ACTIVE"
    assert creations(cloud_server) == 1


async def test_a_conflict_at_a_stop_is_no_failure(
    driver: Openstack, machine: MachineSpec, cloud_server: Double
) -> None:
    """The server may have changed by itself since it was read, so it is read again."""
    await driver.ensure_running_machine(machine)
    action = f"POST {NOVA}/servers/{(await driver.servers.require(machine.id))['id']}/action"
    cloud_server.faults[action] = 409

    await driver.ensure_stopped_machine(machine.id)

    assert cloud_server.faults == {}
    assert any(key.startswith(action) for key in cloud_server.received)


async def test_the_health_check_names_the_cloud_or_fails(driver: Openstack, cloud_server: Double) -> None:
    cloud_server.faults[f"GET {NOVA}/limits"] = 503

    with pytest.raises(DriverError):
        await driver.check_health()

    cloud_server.unknown.clear()


async def test_a_machine_without_boot_volume_is_refused_unless_an_image_is_set(
    driver: Openstack, machine: MachineSpec, cloud_server: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.lifecycle._devices, "_boot_image", "")  # noqa: SLF001  # a setting of another server

    with pytest.raises(DriverError, match="has no boot volume"):
        await driver.ensure_running_machine(machine)

    assert creations(cloud_server) == 0


async def test_a_missing_sdk_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pileus.drivers.openstack.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "keystoneauth1", None)
    monkeypatch.setitem(sys.modules, "keystoneauth1.adapter", None)

    with pytest.raises(registry.UnknownDriver, match=r"install .*openstack"):
        registry.load_object(registry.find_driver_location("openstack"))


@pytest.mark.parametrize(
    ("cidr", "gateway_ip", "pool"),
    [
        ("10.0.0.0/24", "10.0.0.1", ("10.0.0.247", "10.0.0.254")),
        ("10.0.0.0/24", "10.0.0.254", ("10.0.0.247", "10.0.0.253")),
        ("10.0.0.0/24", "10.0.0.250", ("10.0.0.251", "10.0.0.254")),
        ("10.0.0.0/29", "10.0.0.1", ("10.0.0.2", "10.0.0.6")),
        ("2001:db8::/64", "2001:db8::1", ("2001:db8::ffff:ffff:ffff:fff8", "2001:db8::ffff:ffff:ffff:ffff")),
    ],
)
def test_openstack_chooses_its_own_addresses_from_the_end_of_a_subnet(
    cidr: str, gateway_ip: str, pool: tuple[str, str]
) -> None:
    subnet = SubnetSpec(id="s", network_id="n", cidr=cidr, gateway_ip=gateway_ip)

    assert tuple(allocation_pool(subnet).values()) == pool


async def test_a_failure_is_an_outage_if_another_service_does_not_answer(
    driver: Openstack, machine: MachineSpec, cloud_server: Double
) -> None:
    cloud_server.faults[f"POST {NOVA}/servers "] = 500
    cloud_server.stopped = {"/21412/v2/images?limit=1"}

    with pytest.raises(DriverUnreachable):
        await driver.ensure_running_machine(machine)


async def test_a_refusal_by_the_policy_of_a_service_that_was_stopped_is_an_outage(
    driver: Openstack, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = OpenstackError("OpenStack: rule:get_port is disallowed by policy", 403)
    answers = iter([refusal, DriverUnreachable("OpenStack does not work"), refusal])

    def answer(_service: str, _method: str, path: str, _arguments: object) -> dict[str, object]:
        if path == "/ports":
            raise next(answers)
        return {}

    monkeypatch.setattr(driver.cloud, "_send_once", answer)

    with pytest.raises(OpenstackError):
        await driver.cloud.get("network", "/ports")
    for _ in range(2):
        with pytest.raises(DriverUnreachable):
            await driver.cloud.get("network", "/ports")
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("server", "is_built"),
    [
        ({"status": "BUILD", "host_status": "UP"}, False),
        ({"status": "BUILD", "host_status": ""}, False),
        ({"status": "BUILD", "host_status": "UNKNOWN"}, True),
        ({"status": "BUILD", "host_status": "DOWN"}, True),
        ({"status": "ACTIVE", "host_status": "UP"}, True),
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "rebooting"}, False),
    ],
)
def test_nobody_builds_a_server_whose_host_has_died(server: dict[str, str], is_built: bool) -> None:  # noqa: FBT001  # a parameter
    assert has_been_built(server) is is_built


async def test_a_new_volume_that_gets_no_content_is_deleted_for_another_try(
    driver: Openstack, cloud_server: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = {"id": "v", "name": "pileus-data", "created_at": "", "status": "error", "attachments": []}
    requests: list[tuple[str, str]] = []

    def answer(_service: str, method: str, path: str, _arguments: object) -> dict[str, object]:
        requests.append((method, path))
        if requests[-1] == ("GET", "/volumes/v") and ("DELETE", "/volumes/v") in requests:
            raise OpenstackError("OpenStack: it does not exist", 404)
        return {"volume": volume, "volumes": [volume] if ("POST", "/volumes") in requests else []}

    with monkeypatch.context() as patch:
        patch.setattr(driver.cloud, "_send_once", answer)
        with pytest.raises(DriverError, match="cannot fill volume data") as failure:
            await driver.volumes.ensure_volume(DiskSpec(id="data", size=1, type_name="standard"))

    assert failure.value.retryable
    assert requests.count(("POST", "/volumes")) == requests.count(("DELETE", "/volumes/v")) == 1
    assert cloud_server.unknown == []
