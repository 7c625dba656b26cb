"""Views of instances have the published shape for each kind of flavor, and strict clients can read them."""

import json
from typing import Any

import msgspec
import pytest
from gcore._models import validate_type
from gcore.types.cloud import Instance as SdkInstance

from pileus.api.wire.compute.instances import InstanceView, InstanceViewOptions
from pileus.api.wire.paging import Page
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_details import AttachedVolume, InstanceAddress, InstanceDetails
from pileus.domain.compute.instances import Instance, InstanceKind, Status
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile, DdosTemplate, DdosTemplateField
from pileus.domain.tags import Tag
from tests.contract.documents import check_answer

ID = "726ecfcc-7fd0-4e30-a86e-7892524aa483"
SUBNET = "b39792c3-3160-4356-912e-ba396c95cdcf"
PORT = "1f0ca628-a73b-42c0-bdac-7b10d023e097"
HOUR = 3_600_000_000
WHEN = 1_701_255_409_000_000
WORDS = {name: name.upper() for name in ("cpu", "disk", "license", "network", "ram", "gpu")}
FLAVORS = [
    Flavor(id="g2-standard-2-4", vcpus=2, ram=4096),
    Flavor(id="bm2-hf-medium", kind=InstanceKind.BAREMETAL, vcpus=8, ram=65536, resource_class="bm2", hardware=WORDS),
    Flavor(id="g3-ai-8", kind=InstanceKind.GPU, vcpus=96, ram=524288, resource_class="ai", hardware=WORDS),
]


def an_instance(**changes: Any) -> Instance:
    known: dict[str, Any] = {
        "id": ID,
        "client_id": 1,
        "project_id": 1,
        "region_id": 1,
        "name": "web-1",
        "flavor_id": "g2-standard-2-4",
        "status": Status.ACTIVE,
        "vm_state": "active",
        "created_at": WHEN,
        "changed_at": WHEN,
    }
    return Instance(**known | changes)


def an_address(addr: str, *, floating: bool = False) -> InstanceAddress:
    return InstanceAddress(
        network_name="net",
        addr=addr,
        subnet_id=SUBNET,
        subnet_name="subnet",
        interface_name="eth0",
        port_id=PORT,
        floating=floating,
    )


def all_attached() -> InstanceDetails:
    alarm: dict[str, Any] = {
        "id": 1,
        "client_id": 1,
        "region_id": 1,
        "destination_ip": "5.5.5.5",
        "started_at": WHEN,
    }
    return InstanceDetails(
        tags=[Tag("env", "prod"), Tag("os_type", "linux", read_only=True)],
        volumes=[AttachedVolume(ID, "/dev/vda")],
        addresses=[an_address("5.5.5.5", floating=True), an_address("10.0.0.2"), an_address("10.0.0.3")],
        security_groups=["default"],
        blackhole_ports=[
            BlackholePort(alarm_state="ALARM", **alarm),
            BlackholePort(alarm_state="CLEAR", ended_at=WHEN + HOUR, **alarm | {"id": 2}),
        ],
        ddos_profile=DdosProfile(
            id=7,
            client_id=1,
            project_id=1,
            region_id=1,
            ip_address="5.5.5.5",
            template_id=3,
            fields=[{"base_field": 11, "field_value": [80]}],
            created_at=WHEN,
        ),
        ddos_template=DdosTemplate(id=3, name="Web", fields=[DdosTemplateField(id=11, name="Allowed ports")]),
    )


def wire(view: object) -> Any:
    return json.loads(msgspec.json.encode(view))


@pytest.mark.parametrize("flavor", FLAVORS, ids=lambda flavor: str(flavor.kind))
@pytest.mark.parametrize("attached", [InstanceDetails(), all_attached()], ids=["bare", "full"])
def test_a_view_has_the_published_shape_and_the_official_client_reads_it(
    flavor: Flavor, attached: InstanceDetails
) -> None:
    view = InstanceView.of(an_instance(isolated=True, isolation_reason="abuse"), attached, "Local", flavor)
    listed = InstanceView.of(
        an_instance(), attached, "Local", flavor, InstanceViewOptions(subnets=False, interface_names=False)
    )

    check_answer("GET", f"/cloud/v1/instances/1/1/{ID}", 200, msgspec.json.encode(view))
    check_answer("GET", "/cloud/v1/instances/1/1", 200, msgspec.json.encode(Page(count=1, results=[listed])))
    read = validate_type(type_=SdkInstance, value=wire(view))
    assert read.id == ID
    assert read.flavor.flavor_id == flavor.id
    validate_type(type_=SdkInstance, value=wire(listed))


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_published(status: Status) -> None:
    view = InstanceView.of(an_instance().with_status(status, WHEN), InstanceDetails(), "Local", FLAVORS[0])

    check_answer("GET", f"/cloud/v1/instances/1/1/{ID}", 200, msgspec.json.encode(view))
    validate_type(type_=SdkInstance, value=wire(view))


def test_addresses_are_grouped_by_network_with_floating_ips_last() -> None:
    view = wire(InstanceView.of(an_instance(), all_attached(), "Local", FLAVORS[0]))

    fixed = {"type": "fixed", "interface_name": "eth0", "subnet_id": SUBNET, "subnet_name": "subnet"}
    assert view["addresses"] == {
        "net": [fixed | {"addr": "10.0.0.2"}, fixed | {"addr": "10.0.0.3"}, {"type": "floating", "addr": "5.5.5.5"}]
    }
    assert [entry["ip_address"] for entry in view["fixed_ip_assignments"]] == ["10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(("with_names", "name"), [(False, None), (True, "eth0")])
def test_a_list_shows_no_subnets_and_interface_names_on_request(with_names: bool, name: str | None) -> None:  # noqa: FBT001
    view = wire(
        InstanceView.of(
            an_instance(),
            all_attached(),
            "Local",
            FLAVORS[0],
            InstanceViewOptions(subnets=False, interface_names=with_names, ddos_profile=False),
        )
    )

    assert view["addresses"]["net"][0] == {"type": "fixed", "addr": "10.0.0.2", "interface_name": name}
    assert view["ddos_profile"] is None


def test_alarms_have_a_duration() -> None:
    ongoing, over = wire(InstanceView.of(an_instance(), all_attached(), "Local", FLAVORS[0]))["blackhole_ports"]

    assert (ongoing["AlarmEnd"], ongoing["AlertDuration"]) == ("0001-01-01T00:00:00Z", "ongoing")
    assert (over["AlarmEnd"], over["AlertDuration"]) == ("2023-11-29T11:56:49Z", "1 hour")


def test_legacy_fields_repeat_the_values() -> None:
    view = wire(InstanceView.of(an_instance(ssh_key_id=PORT), all_attached(), "Local", FLAVORS[0]))

    assert (view["instance_id"], view["instance_name"], view["instance_created"]) == (
        ID,
        "web-1",
        "2023-11-29T10:56:49Z",
    )
    assert view["keypair_name"] == view["ssh_key_name"] == PORT
    assert view["metadata"] == {"env": "prod", "os_type": "linux"}
    assert view["metadata_detailed"] == view["tags"]
