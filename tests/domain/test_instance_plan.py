"""Instance plans: the records of a new instance, and invalid orders."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import (
    FloatingIPChoice,
    InstanceOrder,
    InterfaceType,
    NewInterface,
    NewVolume,
    VolumeDemand,
    VolumeSource,
    source_ids_of_kind,
)
from pileus.domain.compute.instance_plan import InstancePlan, ResolvedOrder, plan_instance, with_filled_name
from pileus.domain.errors import Invalid, NoCapacity, NotFound
from pileus.domain.storage.disks import VolumeSourceRecords
from pileus.domain.tags import Tag, Tags, make_tags
from tests.domain.builders import (
    EXTERNAL,
    IRONIC,
    NOW,
    TASK,
    UBUNTU,
    WINDOWS,
    a_context,
    a_snapshot,
    a_volume,
    an_instance,
    an_order,
    blank_volume,
    image_volume,
    order_sources,
    sources_with_image,
    the_catalogue,
)

SYSTEM = {
    "image_id": UBUNTU, "image_name": "ubuntu-22.04-x64", "os_distro": "ubuntu", "os_type": "linux",
    "os_version": "22.04", "task_id": TASK,
}  # fmt: skip
SCRIPT = b64encode(b"#!/bin/sh\necho hello\n").decode()
IRONIC_ORDER = an_order(image_volume(IRONIC), flavor_id="bm2-hf-medium")
EXISTING = NewVolume(source=VolumeSource.EXISTING, source_id="v-1", boot_index=0, tags={"team": "a"})


def plan_of(
    order: InstanceOrder | None = None, sources: VolumeSourceRecords | None = None, flavor: Flavor | None = None
) -> InstancePlan:
    requested = order or an_order()
    size = flavor or the_catalogue().flavor(requested.flavor_id)
    assert size is not None
    resolved = ResolvedOrder(flavor=size, ssh_key_id=requested.ssh_key_name, disks=sources or order_sources())
    return plan_instance(requested, resolved, a_context(), TASK)


def errors_of(order: InstanceOrder, sources: VolumeSourceRecords | None = None, flavor: Flavor | None = None) -> Any:
    """Return the fields that are invalid, each with its errors."""
    with pytest.raises(Invalid) as raised:
        plan_of(order, sources, flavor)
    return raised.value.fields


def tag_values(tags: Tags, *, read_only: bool) -> dict[str, str]:
    return {key: tag.value for key, tag in tags.items() if tag.read_only is read_only}


def test_new_instance_is_in_build_and_locked_by_its_task() -> None:
    instance = plan_of(an_order(ssh_key_name="k-1", placement_group_id="g-1")).instance

    assert (instance.id, instance.name, instance.flavor_id, instance.kind) == ("id-1", "web", "g1-standard-1-2", "vm")
    assert (instance.status, instance.vm_state, instance.task_state) == ("BUILD", "building", "scheduling")
    assert (instance.task_id, instance.creator_task_id) == (TASK, TASK)
    assert (instance.client_id, instance.project_id, instance.region_id) == (10, 20, 1)
    assert (instance.created_at, instance.changed_at) == (NOW, NOW)
    assert (instance.ssh_key_id, instance.placement_group_id, instance.host) == ("k-1", "g-1", None)


def test_boot_volume_is_created_from_the_image() -> None:
    [volume] = plan_of().volumes

    assert (volume.name, volume.size, volume.type_name, volume.bootable) == ("web_bootvolume", 10, "standard", True)
    assert (volume.status, volume.task_id, volume.creator_task_id) == ("creating", TASK, TASK)
    assert (volume.image_id, volume.snapshot_id, volume.apptemplate_id) == (UBUNTU, None, None)
    assert (volume.client_id, volume.project_id, volume.region_id) == (10, 20, 1)


def test_volumes_are_attached_in_order_with_the_boot_volume_first() -> None:
    data = blank_volume(name="logs", delete_on_termination=True, attachment_tag="logs")
    plan = plan_of(an_order(data, blank_volume(), image_volume(size=30)))

    assert [volume.name for volume in plan.volumes] == ["web_bootvolume", "logs", "web_volume2"]
    assert [attachment.device for attachment in plan.attachments] == ["/dev/vda", "/dev/vdb", "/dev/vdc"]
    assert [attachment.boot_index for attachment in plan.attachments] == [0, -1, -1]
    assert [attachment.delete_on_termination for attachment in plan.attachments] == [False, True, False]
    assert [attachment.attachment_tag for attachment in plan.attachments] == [None, "logs", None]
    assert [attachment.volume_id for attachment in plan.attachments] == [volume.id for volume in plan.volumes]
    assert {attachment.instance_id for attachment in plan.attachments} == {plan.instance.id}


def test_every_record_has_a_unique_id() -> None:
    plan = plan_of(an_order(image_volume(), blank_volume(), blank_volume()))
    volume_ids = [volume.id for volume in plan.volumes]
    ids = [plan.instance.id, *volume_ids, *(attachment.id for attachment in plan.attachments)]

    assert len(set(ids)) == len(ids) == 7


def test_instance_has_system_tags_and_the_tenants_tags() -> None:
    plan = plan_of(an_order(tags={"env": "prod", "os_type": "plan9"}))
    tags = plan.tags[plan.instance.id]

    assert tag_values(tags, read_only=True) == SYSTEM
    assert tag_values(tags, read_only=False) == {"env": "prod"}


def test_volumes_have_the_task_tag_and_their_own_tags() -> None:
    plan = plan_of(an_order(image_volume(tags={" env ": "prod"}), blank_volume()))

    assert [plan.tags[volume.id] for volume in plan.volumes] == [
        {"task_id": Tag("task_id", TASK, read_only=True), "env": Tag("env", "prod")},
        {"task_id": Tag("task_id", TASK, read_only=True)},
    ]
    assert set(plan.tags) == {plan.instance.id, *(volume.id for volume in plan.volumes)}


def test_instance_without_an_image_has_no_image_tags() -> None:
    plan = plan_of(an_order(blank_volume()))

    assert tag_values(plan.tags[plan.instance.id], read_only=True) == {"task_id": TASK}
    assert [attachment.boot_index for attachment in plan.attachments] == [-1]


def test_instance_from_a_snapshot_has_tags_of_snapshot_and_image() -> None:
    origin = a_volume(bootable=True, image_id=UBUNTU)
    sources = order_sources(volumes={"v-1": origin}, snapshots={"s-1": a_snapshot()})
    plan = plan_of(an_order(NewVolume(source=VolumeSource.SNAPSHOT, source_id="s-1", size=25)), sources)

    assert tag_values(plan.tags[plan.instance.id], read_only=True) == {
        **SYSTEM, "snapshot_id": "s-1", "snapshot_name": "before",
    }  # fmt: skip
    assert [(volume.snapshot_id, volume.size, volume.bootable) for volume in plan.volumes] == [("s-1", 25, True)]
    assert plan.existing_volumes == []


def test_existing_volume_is_attached_and_otherwise_unchanged() -> None:
    volume = a_volume(bootable=True, image_id=UBUNTU, creator_task_id="older")
    tags = {"v-1": {**make_tags([("task_id", "older")], read_only=True), **make_tags([("env", "prod")])}}
    plan = plan_of(an_order(EXISTING), order_sources(volumes={"v-1": volume}, tags=tags))

    assert plan.volumes == []
    assert plan.existing_volumes == [replace(volume, status="attaching", task_id=TASK, updated_at=NOW)]
    assert tag_values(plan.tags["v-1"], read_only=True) == {"task_id": "older"}
    assert tag_values(plan.tags["v-1"], read_only=False) == {"env": "prod", "team": "a"}
    assert tag_values(plan.tags[plan.instance.id], read_only=True) == SYSTEM
    [attachment] = plan.attachments
    assert (attachment.volume_id, attachment.device, attachment.boot_index) == ("v-1", "/dev/vda", 0)


def test_app_configuration_has_answers_and_defaults() -> None:
    template = NewVolume(source=VolumeSource.APPTEMPLATE, source_id="wordpress")
    plan = plan_of(an_order(template, configuration={"admin_email": "me@example.org"}))

    assert plan.configuration == {"admin_email": "me@example.org", "site_title": "My site"}
    assert [volume.apptemplate_id for volume in plan.volumes] == ["wordpress"]
    assert errors_of(an_order(template)) == {"admin_email": ["Field required"]}


@pytest.mark.parametrize(
    ("order", "kind"),
    [(IRONIC_ORDER, "baremetal"), (replace(IRONIC_ORDER, flavor_id="bm3-ai-1xlarge-h100-80-8"), "gpu")],
)
def test_bare_metal_and_gpu_servers_have_an_image_but_no_volumes(order: InstanceOrder, kind: str) -> None:
    plan = plan_of(order)

    assert plan.instance.kind == kind
    assert (plan.volumes, plan.existing_volumes, plan.attachments) == ([], [], [])
    assert tag_values(plan.tags[plan.instance.id], read_only=True)["image_id"] == IRONIC
    assert set(plan.tags) == {plan.instance.id}


@pytest.mark.parametrize(
    "volumes",
    [(), (blank_volume(),), (image_volume(IRONIC), blank_volume()), (image_volume(IRONIC), image_volume(IRONIC))],
)
def test_bare_metal_server_needs_exactly_one_image(volumes: Sequence[NewVolume]) -> None:
    assert list(errors_of(replace(IRONIC_ORDER, volumes=volumes))) == ["volumes"]


@pytest.mark.parametrize(
    ("order", "field", "text"),
    [
        ({"name": None}, "name", "Field required"),
        ({"name": ""}, "name", "Field required"),
        ({"name": "x"}, "name", "String should match pattern"),
        ({"name": "web\n"}, "name", "String should match pattern"),
        ({"name_template": "web-{ip_octets}"}, "name", "not both"),
        ({"name": None, "name_template": "web-{octets}"}, "name_template", "gives no name"),
        ({"name": None, "name_template": "{ip_octets}" + "x" * 53}, "name_template", "gives no name"),
        ({"username": "me"}, "password", "Field required"),
        ({"user_data": "not base64!"}, "user_data", "base64"),
        ({"user_data": "ключ"}, "user_data", "base64"),
        ({"tags": {"a b": "c"}}, "tags", "Tag key"),
    ],
)
def test_invalid_order_is_rejected_by_field(order: dict[str, Any], field: str, text: str) -> None:
    fields = errors_of(an_order(**order))

    assert list(fields) == [field]
    assert text in fields[field][0]


@pytest.mark.parametrize(
    ("image", "flavor", "text"),
    [
        ({"min_ram": 2049}, {}, "has 2048 MiB of RAM"),
        ({"architecture": "aarch64"}, {}, "is linux on aarch64"),
        ({}, {"architecture": "aarch64"}, "is for linux on aarch64"),
        ({"os_type": "windows"}, {}, "is windows on x86_64"),
        ({}, {"os_type": "windows"}, "is for windows on x86_64"),
        ({"is_baremetal": True}, {}, "is for bare metal servers"),
    ],
)
def test_flavor_must_boot_the_image(image: dict[str, Any], flavor: dict[str, Any], text: str) -> None:
    small = the_catalogue().flavor("g1-standard-1-2")
    assert small is not None

    fields = errors_of(an_order(), sources_with_image(**image), replace(small, **flavor))

    assert text in fields["flavor"][0]


def test_image_for_virtual_machines_is_rejected_for_bare_metal() -> None:
    assert "not for bare metal" in errors_of(replace(IRONIC_ORDER, volumes=[image_volume()]))["flavor"][0]


@pytest.mark.parametrize(
    ("changes", "text"), [({"min_ram": 2049}, "needs 2049"), ({"min_vcpus": 2}, "WordPress needs 2")]
)
def test_flavor_too_small_for_the_app_template_is_rejected(changes: dict[str, int], text: str) -> None:
    template = the_catalogue().app_template("wordpress")
    assert template is not None
    sources = order_sources(app_templates={"wordpress": replace(template, **changes)})

    fields = errors_of(an_order(NewVolume(source=VolumeSource.APPTEMPLATE, source_id="wordpress")), sources)

    assert text in fields["flavor"][0]


def test_disabled_flavor_has_no_capacity() -> None:
    flavor = the_catalogue().flavor("g1-standard-1-2")
    assert flavor is not None

    with pytest.raises(NoCapacity, match="g1-standard-1-2 is disabled"):
        plan_of(flavor=replace(flavor, disabled=True))


def test_unknown_image_is_not_found() -> None:
    with pytest.raises(NotFound, match="Image none could not be found"):
        plan_of(an_order(image_volume("none")))


@pytest.mark.parametrize(
    ("rule", "key", "complaint"),
    [
        ("allow", None, None),
        ("allow", "k-1", None),
        ("required", "k-1", None),
        ("required", None, "Field required"),
        ("deny", None, None),
        ("deny", "k-1", "takes no SSH key"),
        (None, "k-1", None),
    ],
)
def test_image_determines_whether_an_ssh_key_is_allowed(
    rule: str | None, key: str | None, complaint: str | None
) -> None:
    order, sources = an_order(ssh_key_name=key), sources_with_image(ssh_key=rule)

    if complaint is None:
        assert plan_of(order, sources).instance.ssh_key_id == key
    else:
        assert complaint in errors_of(order, sources)["ssh_key_name"][0]


@pytest.mark.parametrize(
    ("given_facts", "kept"),
    [
        ({}, (None, None, None)),
        ({"username": "", "password": "", "user_data": ""}, (None, None, None)),
        ({"user_data": SCRIPT}, (SCRIPT, None, None)),
        ({"user_data": f" {SCRIPT[:8]}\r\n{SCRIPT[8:]}\n"}, (SCRIPT, None, None)),
        ({"password": "Secret-1"}, (None, None, "Secret-1")),
        ({"username": "me", "password": "Secret-1"}, (None, "me", "Secret-1")),
        ({"password": "Secret-1", "user_data": SCRIPT}, (None, None, "Secret-1")),
        ({"password": "Secret-1", "user_data": "ignored, whatever it is"}, (None, None, "Secret-1")),
        ({"password": "Secret-1", "ssh_key_name": "k-1"}, (None, None, "Secret-1")),
    ],
)
def test_password_replaces_user_data_on_linux(given_facts: dict[str, str], kept: tuple[str | None, ...]) -> None:
    boot = plan_of(an_order(**given_facts)).instance.boot

    assert (boot.user_data, boot.username, boot.password) == kept


def test_windows_keeps_user_data_and_rejects_a_username() -> None:
    order = an_order(image_volume(WINDOWS), flavor_id="g1w-standard-2-4", password="Secret-1", user_data=SCRIPT)

    boot = plan_of(order).instance.boot

    assert (boot.user_data, boot.password) == (SCRIPT, "Secret-1")
    assert list(errors_of(replace(order, username="me"))) == ["username"]


def interface_with_groups(interface: Sequence[str]) -> NewInterface:
    return NewInterface(type=InterfaceType.EXTERNAL, security_group_ids=interface)


@pytest.mark.parametrize(
    ("order", "interface", "expected_groups"),
    [((), (), ()), (("a",), (), ("a",)), ((), ("b",), ("b",)), ((), ("b", "c"), ("b", "c"))],
)
def test_security_groups_are_the_interfaces_or_else_the_orders(
    order: Sequence[str], interface: Sequence[str], expected_groups: Sequence[str]
) -> None:
    order_with_groups = an_order(security_group_ids=order, interfaces=[interface_with_groups(interface)])

    assert plan_of(order_with_groups).instance.name == "web"
    assert order_with_groups.security_group_ids_of(order_with_groups.interfaces[0]) == expected_groups


def test_security_groups_of_order_and_interface_are_rejected() -> None:
    order = an_order(security_group_ids=["a"], interfaces=[EXTERNAL, interface_with_groups(["b"])])

    assert list(errors_of(order)) == ["security_groups"]


def test_name_template_is_filled_when_addresses_are_known() -> None:
    volumes = image_volume(), blank_volume(), blank_volume(name="logs")
    order = an_order(*volumes, name=None, name_template="web-{ip_octets}")

    plan = plan_of(order).with_filled_names(["2001:db8::2", "192.10.0.5"])

    assert plan.instance.name == "web-10-0-5"
    assert [volume.name for volume in plan.volumes] == ["web-10-0-5_bootvolume", "web-10-0-5_volume1", "logs"]


def test_plain_name_does_not_change() -> None:
    assert plan_of().with_filled_names(["192.10.0.5"]) == plan_of()
    assert with_filled_name(an_instance(), "db-{one_ip_octet}", ["192.10.0.5"]).name == "db-5"


def test_demand_counts_only_new_resources() -> None:
    interfaces = [EXTERNAL, NewInterface(type=InterfaceType.SUBNET, floating_ip=FloatingIPChoice())]
    volumes = image_volume(), blank_volume(type_name="ultra"), replace(EXISTING, boot_index=None)
    order = an_order(*volumes, interfaces=interfaces)
    flavor = the_catalogue().flavor(order.flavor_id)
    assert flavor is not None

    demand = plan_of(order, order_sources(volumes={"v-1": a_volume()})).resource_demand(order, flavor)

    assert demand.disks == [VolumeDemand(10, "standard"), VolumeDemand(5, "ultra")]
    assert (demand.flavor, demand.external_ips, demand.floating_ips, demand.count) == (flavor, 1, 1, 1)


def test_source_ids_are_distinct() -> None:
    order = an_order(image_volume(), image_volume(), blank_volume(), EXISTING)

    assert source_ids_of_kind(order.volumes, VolumeSource.IMAGE) == [UBUNTU]
    assert source_ids_of_kind(order.volumes, VolumeSource.EXISTING) == ["v-1"]
    assert source_ids_of_kind(order.volumes, VolumeSource.NEW) == []


VOLUMES = st.lists(
    st.one_of(
        st.builds(blank_volume, size=st.integers(1, 50)),
        st.builds(image_volume, size=st.none() | st.integers(5, 50), boot_index=st.none() | st.integers(-2, -1)),
    ),
    min_size=1,
    max_size=6,
)


@given(VOLUMES)
def test_any_instance_has_at_most_one_boot_volume_and_distinct_devices(volumes: list[NewVolume]) -> None:
    plan = plan_of(an_order(*volumes))

    assert len(plan.volumes) == len(plan.attachments) == len(volumes)
    assert sum(attachment.boot_index == 0 for attachment in plan.attachments) <= 1
    assert len({attachment.device for attachment in plan.attachments}) == len(volumes)
    assert all(attachment.boot_index != 0 or attachment.device == "/dev/vda" for attachment in plan.attachments)
    assert sorted(volume.size for volume in plan.volumes) == sorted(volume.size or 10 for volume in volumes)
