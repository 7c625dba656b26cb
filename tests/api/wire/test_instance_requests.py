"""Bodies of requests about instances become orders, for current and for older clients."""

from typing import Any

import msgspec
import pytest

from pileus.api.validation import decode_body
from pileus.api.wire.compute.instance_requests import ChangeSecurityGroups, CreateInstance, UpdateInstance
from pileus.domain.compute.instance_orders import FloatingIPChoice, InterfaceType, NewInterface, NewVolume, VolumeSource
from pileus.domain.errors import Invalid

ID = "726ecfcc-7fd0-4e30-a86e-7892524aa483"
LEAST: dict[str, Any] = {
    "flavor": "g1-standard-1-2",
    "interfaces": [{"type": "external"}],
    "volumes": [{"source": "new-volume", "size": 5}],
}


def new_instance(**more: Any) -> CreateInstance:
    return decode_body(msgspec.json.encode(LEAST | more), CreateInstance)


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        (b'{"name": "new"}', {"name": "new"}),
        (b'{"name": "new", "flavor": {}, "vm_state": "active"}', {"name": "new"}),
        (b'{"tags": null}', {"tags": None}),
        (b'{"tags": {}}', {"tags": {}}),
        (b'{"tags": {" a ": " b ", "c": null}}', {"tags": {"a": "b", "c": None}}),
    ],
)
def test_a_patch_holds_only_the_fields_that_were_sent(body: bytes, patch: dict[str, Any]) -> None:
    assert decode_body(body, UpdateInstance).to_patch() == patch


@pytest.mark.parametrize("body", [b"{}", b'{"flavor": {}, "vm_state": "active"}'])
def test_a_patch_with_neither_name_nor_tags_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match=r"^To update an instance you need to specify a name or tags$") as caught:
        decode_body(body, UpdateInstance).to_patch()

    assert caught.value.fields == {}


def test_a_patch_with_a_bad_tag_is_refused() -> None:
    with pytest.raises(Invalid):
        decode_body(b'{"tags": {"a b": "c"}}', UpdateInstance).to_patch()


@pytest.mark.parametrize(
    ("volume", "order"),
    [
        ({"source": "new-volume", "size": 5}, NewVolume(source=VolumeSource.NEW, size=5, type_name="standard")),
        (
            {"source": "image", "image_id": ID, "boot_index": 0, "metadata": {"a": "b"}},
            NewVolume(source=VolumeSource.IMAGE, source_id=ID, type_name="standard", boot_index=0, tags={"a": "b"}),
        ),
        (
            {"source": "snapshot", "snapshot_id": ID, "size": 5},
            NewVolume(source=VolumeSource.SNAPSHOT, source_id=ID, size=5),
        ),
        (
            {"source": "apptemplate", "apptemplate_id": "wordpress"},
            NewVolume(source=VolumeSource.APPTEMPLATE, source_id="wordpress", type_name="standard"),
        ),
        ({"source": "existing-volume", "volume_id": ID}, NewVolume(source=VolumeSource.EXISTING, source_id=ID)),
    ],
)
def test_a_volume_of_each_source_becomes_a_new_volume(volume: dict[str, Any], order: NewVolume) -> None:
    assert new_instance(volumes=[volume]).to_order().volumes == [order]


@pytest.mark.parametrize(
    ("interface", "order"),
    [
        (
            {"type": "external", "ip_family": None, "security_groups": [{"id": ID}]},
            NewInterface(type=InterfaceType.EXTERNAL, security_group_ids=[ID]),
        ),
        (
            {"type": "subnet", "network_id": ID, "subnet_id": ID, "floating_ip": {"source": "new"}},
            NewInterface(
                type=InterfaceType.SUBNET,
                network_id=ID,
                subnet_id=ID,
                floating_ip=FloatingIPChoice(),
                security_group_ids=[],
            ),
        ),
        (
            {"type": "any_subnet", "network_id": ID, "ip_family": "dual", "ip_address": "10.0.0.9"},
            NewInterface(
                type=InterfaceType.ANY_SUBNET,
                network_id=ID,
                ip_family="dual",
                ip_address="10.0.0.9",
                security_group_ids=[],
            ),
        ),
        (
            {
                "type": "reserved_fixed_ip",
                "port_id": ID,
                "floating_ip": {"source": "existing", "existing_floating_id": ID},
            },
            NewInterface(
                type=InterfaceType.RESERVED_FIXED_IP,
                port_id=ID,
                floating_ip=FloatingIPChoice(existing_id=ID),
                security_group_ids=[],
            ),
        ),
    ],
)
def test_an_interface_of_each_type_becomes_a_new_interface(interface: dict[str, Any], order: NewInterface) -> None:
    assert new_instance(interfaces=[interface]).to_order().interfaces == [order]


def test_legacy_fields_and_empty_text_are_accepted() -> None:
    body = new_instance(
        names=["web-1"], keypair_name="mine", metadata={"env": "prod"}, password="", username="", user_data=""
    )
    order = body.to_order()

    assert (order.name, order.ssh_key_name, order.tags) == ("web-1", "mine", {"env": "prod"})
    assert (order.username, order.password, order.user_data) == (None, None, None)
    assert body.effective_ssh_key_name() == "mine"


def test_security_groups_are_changed_on_all_or_single_ports() -> None:
    body = {"name": "web-sg", "ports_security_group_names": [{"port_id": ID, "security_group_names": ["a-b"]}]}

    assert decode_body(msgspec.json.encode(body), ChangeSecurityGroups).group_names_by_port() == [
        (None, ["web-sg"]),
        (ID, ["a-b"]),
    ]
    assert decode_body(b"{}", ChangeSecurityGroups).group_names_by_port() == []
