"""Making a server: the records that it begins with, and the orders that cannot be."""

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
    NewDisk,
    NewInterface,
    NewVolume,
    VolumeSource,
    source_ids,
)
from pileus.domain.compute.instance_plan import InstancePlan, InstanceSources, plan_instance, with_name
from pileus.domain.errors import Invalid, NoCapacity, NotFound
from pileus.domain.storage.disks import OrderSources
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
    blank,
    found,
    from_image,
    image_like,
    the_catalogue,
)

SYSTEM = {
    "image_id": UBUNTU, "image_name": "ubuntu-22.04-x64", "os_distro": "ubuntu", "os_type": "linux",
    "os_version": "22.04", "task_id": TASK,
}  # fmt: skip
SCRIPT = b64encode(b"#!/bin/sh\necho hello\n").decode()
IRONIC_ORDER = an_order(from_image(IRONIC), flavor_id="bm2-hf-medium")
TAKEN = NewVolume(source=VolumeSource.EXISTING, source_id="v-1", boot_index=0, tags={"team": "a"})


def plan(
    order: InstanceOrder | None = None, things: OrderSources | None = None, flavor: Flavor | None = None
) -> InstancePlan:
    wanted = order or an_order()
    size = flavor or the_catalogue().flavor(wanted.flavor_id)
    assert size is not None
    sources = InstanceSources(flavor=size, ssh_key_id=wanted.ssh_key_name, disks=things or found())
    return plan_instance(wanted, sources, a_context(), TASK)


def refused(
    order: InstanceOrder, things: OrderSources | None = None, flavor: Flavor | None = None
) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as told:
        plan(order, things, flavor)
    return told.value.fields


def values(tags: Tags, *, read_only: bool) -> dict[str, str]:
    return {key: tag.value for key, tag in tags.items() if tag.read_only is read_only}


def test_a_server_begins_building_held_by_the_task_that_makes_it() -> None:
    made = plan(an_order(ssh_key_name="k-1", placement_group_id="g-1")).instance

    assert (made.id, made.name, made.flavor_id, made.kind) == ("id-1", "web", "g1-standard-1-2", "vm")
    assert (made.status, made.vm_state, made.task_state) == ("BUILD", "building", "scheduling")
    assert (made.task_id, made.creator_task_id) == (TASK, TASK)
    assert (made.client_id, made.project_id, made.region_id) == (10, 20, 1)
    assert (made.created_at, made.changed_at) == (NOW, NOW)
    assert (made.ssh_key_id, made.placement_group_id, made.host) == ("k-1", "g-1", None)


def test_its_boot_volume_is_made_from_the_image_and_named_after_it() -> None:
    [volume] = plan().volumes

    assert (volume.name, volume.size, volume.type_name, volume.bootable) == ("web_bootvolume", 10, "standard", True)
    assert (volume.status, volume.task_id, volume.creator_task_id) == ("creating", TASK, TASK)
    assert (volume.image_id, volume.snapshot_id, volume.apptemplate_id) == (UBUNTU, None, None)
    assert (volume.client_id, volume.project_id, volume.region_id) == (10, 20, 1)


def test_volumes_hang_on_it_in_order_the_boot_volume_first() -> None:
    data = blank(name="logs", delete_on_termination=True, attachment_tag="logs")
    made = plan(an_order(data, blank(), from_image(size=30)))

    assert [volume.name for volume in made.volumes] == ["web_bootvolume", "logs", "web_volume2"]
    assert [each.device for each in made.attachments] == ["/dev/vda", "/dev/vdb", "/dev/vdc"]
    assert [each.boot_index for each in made.attachments] == [0, -1, -1]
    assert [each.delete_on_termination for each in made.attachments] == [False, True, False]
    assert [each.attachment_tag for each in made.attachments] == [None, "logs", None]
    assert [each.volume_id for each in made.attachments] == [volume.id for volume in made.volumes]
    assert {each.instance_id for each in made.attachments} == {made.instance.id}


def test_every_record_has_an_id_of_its_own() -> None:
    made = plan(an_order(from_image(), blank(), blank()))
    ids = [made.instance.id, *(volume.id for volume in made.volumes), *(each.id for each in made.attachments)]

    assert len(set(ids)) == len(ids) == 7


def test_it_carries_the_systems_tags_and_the_tenants_own() -> None:
    made = plan(an_order(tags={"env": "prod", "os_type": "plan9"}))
    tags = made.tags[made.instance.id]

    assert values(tags, read_only=True) == SYSTEM
    assert values(tags, read_only=False) == {"env": "prod"}


def test_its_volumes_carry_the_task_and_their_own_tags() -> None:
    made = plan(an_order(from_image(tags={" env ": "prod"}), blank()))

    assert [made.tags[volume.id] for volume in made.volumes] == [
        {"task_id": Tag("task_id", TASK, read_only=True), "env": Tag("env", "prod")},
        {"task_id": Tag("task_id", TASK, read_only=True)},
    ]
    assert set(made.tags) == {made.instance.id, *(volume.id for volume in made.volumes)}


def test_a_server_with_only_a_blank_disk_has_no_image_to_tell_of() -> None:
    made = plan(an_order(blank()))

    assert values(made.tags[made.instance.id], read_only=True) == {"task_id": TASK}
    assert [each.boot_index for each in made.attachments] == [-1]


def test_a_server_from_a_snapshot_tells_of_it_and_of_the_image_behind() -> None:
    origin = a_volume(bootable=True, image_id=UBUNTU)
    things = found(volumes={"v-1": origin}, snapshots={"s-1": a_snapshot()})
    made = plan(an_order(NewVolume(source=VolumeSource.SNAPSHOT, source_id="s-1", size=25)), things)

    assert values(made.tags[made.instance.id], read_only=True) == {
        **SYSTEM, "snapshot_id": "s-1", "snapshot_name": "before",
    }  # fmt: skip
    assert [(volume.snapshot_id, volume.size, volume.bootable) for volume in made.volumes] == [("s-1", 25, True)]
    assert made.existing_volumes == []


def test_an_existing_volume_is_taken_and_keeps_what_it_is() -> None:
    volume = a_volume(bootable=True, image_id=UBUNTU, creator_task_id="older")
    tags = {"v-1": {**make_tags([("task_id", "older")], read_only=True), **make_tags([("env", "prod")])}}
    made = plan(an_order(TAKEN), found(volumes={"v-1": volume}, tags=tags))

    assert made.volumes == []
    assert made.existing_volumes == [replace(volume, status="attaching", task_id=TASK, updated_at=NOW)]
    assert values(made.tags["v-1"], read_only=True) == {"task_id": "older"}
    assert values(made.tags["v-1"], read_only=False) == {"env": "prod", "team": "a"}
    assert values(made.tags[made.instance.id], read_only=True) == SYSTEM
    assert [(each.volume_id, each.device, each.boot_index) for each in made.attachments] == [("v-1", "/dev/vda", 0)]


def test_an_application_is_told_the_answers_and_the_defaults() -> None:
    template = NewVolume(source=VolumeSource.APPTEMPLATE, source_id="wordpress")
    made = plan(an_order(template, configuration={"admin_email": "me@example.org"}))

    assert made.configuration == {"admin_email": "me@example.org", "site_title": "My site"}
    assert [volume.apptemplate_id for volume in made.volumes] == ["wordpress"]
    assert refused(an_order(template)) == {"admin_email": ["Field required"]}


@pytest.mark.parametrize(
    ("order", "kind"),
    [(IRONIC_ORDER, "baremetal"), (replace(IRONIC_ORDER, flavor_id="bm3-ai-1xlarge-h100-80-8"), "gpu")],
)
def test_bare_metal_and_gpu_servers_have_an_image_but_no_volumes(order: InstanceOrder, kind: str) -> None:
    made = plan(order)

    assert made.instance.kind == kind
    assert (made.volumes, made.existing_volumes, made.attachments) == ([], [], [])
    assert values(made.tags[made.instance.id], read_only=True)["image_id"] == IRONIC
    assert set(made.tags) == {made.instance.id}


@pytest.mark.parametrize(
    "volumes", [(), (blank(),), (from_image(IRONIC), blank()), (from_image(IRONIC), from_image(IRONIC))]
)
def test_a_bare_metal_server_is_installed_from_one_thing(volumes: Sequence[NewVolume]) -> None:
    assert list(refused(replace(IRONIC_ORDER, volumes=volumes))) == ["volumes"]


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
def test_an_order_that_cannot_be_is_refused_by_field(order: dict[str, Any], field: str, text: str) -> None:
    fields = refused(an_order(**order))

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
def test_a_flavor_that_the_image_does_not_run_on_is_refused(
    image: dict[str, Any], flavor: dict[str, Any], text: str
) -> None:
    small = the_catalogue().flavor("g1-standard-1-2")
    assert small is not None

    fields = refused(an_order(), image_like(**image), replace(small, **flavor))

    assert text in fields["flavor"][0]


def test_a_virtual_machines_image_does_not_install_bare_metal() -> None:
    assert "not for bare metal" in refused(replace(IRONIC_ORDER, volumes=[from_image()]))["flavor"][0]


@pytest.mark.parametrize(
    ("changes", "text"), [({"min_ram": 2049}, "needs 2049"), ({"min_vcpus": 2}, "WordPress needs 2")]
)
def test_a_flavor_that_an_application_does_not_run_on_is_refused(changes: dict[str, int], text: str) -> None:
    template = the_catalogue().app_template("wordpress")
    assert template is not None
    things = found(app_templates={"wordpress": replace(template, **changes)})

    fields = refused(an_order(NewVolume(source=VolumeSource.APPTEMPLATE, source_id="wordpress")), things)

    assert text in fields["flavor"][0]


def test_a_disabled_flavor_has_no_room() -> None:
    flavor = the_catalogue().flavor("g1-standard-1-2")
    assert flavor is not None

    with pytest.raises(NoCapacity, match="g1-standard-1-2 is disabled"):
        plan(flavor=replace(flavor, disabled=True))


def test_what_the_order_names_must_be_there() -> None:
    with pytest.raises(NotFound, match="Image none could not be found"):
        plan(an_order(from_image("none")))


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
def test_an_image_says_whether_it_takes_an_ssh_key(rule: str | None, key: str | None, complaint: str | None) -> None:
    order, things = an_order(ssh_key_name=key), image_like(ssh_key=rule)

    if complaint is None:
        assert plan(order, things).instance.ssh_key_id == key
    else:
        assert complaint in refused(order, things)["ssh_key_name"][0]


@pytest.mark.parametrize(
    ("given_facts", "kept"),
    [
        ({}, (None, None, None)),
        ({"username": "", "password": "", "user_data": ""}, (None, None, None)),
        ({"user_data": SCRIPT}, (SCRIPT, None, None)),
        ({"user_data": SCRIPT[:8] + "\n" + SCRIPT[8:]}, (SCRIPT[:8] + "\n" + SCRIPT[8:], None, None)),
        ({"password": "Secret-1"}, (None, None, "Secret-1")),
        ({"username": "me", "password": "Secret-1"}, (None, "me", "Secret-1")),
        ({"password": "Secret-1", "user_data": SCRIPT}, (None, None, "Secret-1")),
        ({"password": "Secret-1", "user_data": "ignored, whatever it is"}, (None, None, "Secret-1")),
        ({"password": "Secret-1", "ssh_key_name": "k-1"}, (None, None, "Secret-1")),
    ],
)
def test_on_linux_a_password_takes_the_place_of_user_data(
    given_facts: dict[str, str], kept: tuple[str | None, ...]
) -> None:
    boot = plan(an_order(**given_facts)).instance.boot

    assert (boot.user_data, boot.username, boot.password) == kept


def test_on_windows_user_data_goes_with_the_password_and_there_is_no_username() -> None:
    order = an_order(from_image(WINDOWS), flavor_id="g1w-standard-2-4", password="Secret-1", user_data=SCRIPT)

    boot = plan(order).instance.boot

    assert (boot.user_data, boot.password) == (SCRIPT, "Secret-1")
    assert list(refused(replace(order, username="me"))) == ["username"]


def with_groups(interface: Sequence[str]) -> NewInterface:
    return NewInterface(type=InterfaceType.EXTERNAL, security_group_ids=interface)


@pytest.mark.parametrize(
    ("order", "interface", "meant"),
    [((), (), ()), (("a",), (), ("a",)), ((), ("b",), ("b",)), ((), ("b", "c"), ("b", "c"))],
)
def test_security_groups_are_the_interfaces_or_else_the_orders(
    order: Sequence[str], interface: Sequence[str], meant: Sequence[str]
) -> None:
    wanted = an_order(security_group_ids=order, interfaces=[with_groups(interface)])

    assert plan(wanted).instance.name == "web"
    assert wanted.security_groups_of(wanted.interfaces[0]) == meant


def test_security_groups_are_not_given_twice() -> None:
    order = an_order(security_group_ids=["a"], interfaces=[EXTERNAL, with_groups(["b"])])

    assert list(refused(order)) == ["security_groups"]


def test_a_template_names_the_server_and_its_volumes_once_addresses_are_known() -> None:
    order = an_order(from_image(), blank(), blank(name="logs"), name=None, name_template="web-{ip_octets}")

    made = plan(order).with_name(["2001:db8::2", "192.10.0.5"])

    assert made.instance.name == "web-10-0-5"
    assert [volume.name for volume in made.volumes] == ["web-10-0-5_bootvolume", "web-10-0-5_volume1", "logs"]


def test_a_plain_name_does_not_change_when_addresses_are_known() -> None:
    assert plan().with_name(["192.10.0.5"]) == plan()
    assert with_name(an_instance(), "db-{one_ip_octet}", ["192.10.0.5"]).name == "db-5"


def test_what_is_new_is_held_against_quotas() -> None:
    interfaces = [EXTERNAL, NewInterface(type=InterfaceType.SUBNET, floating_ip=FloatingIPChoice())]
    order = an_order(from_image(), blank(type_name="ultra"), replace(TAKEN, boot_index=None), interfaces=interfaces)
    flavor = the_catalogue().flavor(order.flavor_id)
    assert flavor is not None

    told = plan(order, found(volumes={"v-1": a_volume()})).demand(order, flavor)

    assert told.disks == [NewDisk(10, "standard"), NewDisk(5, "ultra")]
    assert (told.flavor, told.external_ips, told.floating_ips, told.count) == (flavor, 1, 1, 1)


def test_an_order_names_each_source_once() -> None:
    order = an_order(from_image(), from_image(), blank(), TAKEN)

    assert source_ids(order.volumes, VolumeSource.IMAGE) == [UBUNTU]
    assert source_ids(order.volumes, VolumeSource.EXISTING) == ["v-1"]
    assert source_ids(order.volumes, VolumeSource.NEW) == []


VOLUMES = st.lists(
    st.one_of(
        st.builds(blank, size=st.integers(1, 50)),
        st.builds(from_image, size=st.none() | st.integers(5, 50), boot_index=st.none() | st.integers(-2, -1)),
    ),
    min_size=1,
    max_size=6,
)


@given(VOLUMES)
def test_any_server_has_one_boot_volume_at_most_and_a_device_for_each(volumes: list[NewVolume]) -> None:
    made = plan(an_order(*volumes))

    assert len(made.volumes) == len(made.attachments) == len(volumes)
    assert sum(each.boot_index == 0 for each in made.attachments) <= 1
    assert len({each.device for each in made.attachments}) == len(volumes)
    assert all(each.boot_index != 0 or each.device == "/dev/vda" for each in made.attachments)
    assert sorted(volume.size for volume in made.volumes) == sorted(volume.size or 10 for volume in volumes)
