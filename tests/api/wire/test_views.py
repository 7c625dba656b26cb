"""Views other than instances have the published shape."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pileus.api.wire.account.prices import InstancePrice, ResourcePrice
from pileus.api.wire.account.projects import ProjectView
from pileus.api.wire.account.regions import RegionView
from pileus.api.wire.account.user_actions import UserActionView
from pileus.api.wire.compute.app_templates import AppTemplateView
from pileus.api.wire.compute.flavors import ListedFlavor, PricedFlavor
from pileus.api.wire.compute.images import ImageView
from pileus.api.wire.compute.metrics import DiskMetricsSample, InstanceMetricsSample
from pileus.api.wire.compute.ssh_keys import CreatedSSHKeyView, SSHKeyView
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.network.interfaces import InterfaceView
from pileus.api.wire.network.networks import NetworkWithSubnetsView
from pileus.api.wire.network.subnets import SubnetView
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import tag_views
from pileus.api.wire.tasks import TaskIds, TaskView
from pileus.domain.account.prices import Price, PricePreview
from pileus.domain.account.projects import Project
from pileus.domain.account.regions import Coordinate, Region
from pileus.domain.account.user_actions import AuditEntry, new_user_action
from pileus.domain.compute.app_templates import AppConfigParameter, AppTemplate
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, Route, Subnet
from pileus.domain.network.ports import AddressPair, AssignedAddress, Port
from pileus.domain.tags import Tag
from pileus.domain.tasks import Task, TaskState, created_resources_by_kind
from tests.contract.documents import check_answer
from tests.domain.builders import a_context, the_catalogue

ID = "726ecfcc-7fd0-4e30-a86e-7892524aa483"
WHEN = 1_701_255_409_123_456
WHOSE: dict[str, Any] = {"client_id": 1, "project_id": 1, "region_id": 1}
TIMES: dict[str, Any] = {"created_at": WHEN, "updated_at": WHEN}
TAGS = [Tag("env", "prod"), Tag("os_type", "linux", read_only=True)]
INSTANCE = f"/cloud/v1/instances/1/1/{ID}"

TASK = Task(
    id=ID,
    task_type="create_vm",
    **WHOSE,
    user_id=1,
    state=TaskState.FINISHED,
    created_resources=created_resources_by_kind(instances=[ID], ddos_profiles=[7]),
    created_at=WHEN,
    updated_at=WHEN,
    finished_at=WHEN,
    queue="1/1",
)
PROJECT = Project(id=1, client_id=1, name="default", created_at=WHEN, deleted_at=WHEN)
REGION = Region(
    id=1,
    display_name="Local",
    slug="local-1",
    keystone_name="local",
    keystone_id=1,
    country="LU",
    coordinates=Coordinate(latitude="49.6", longitude="6.1"),
    created_at=WHEN,
    vlan_physical_network="vlan",
    available_volume_types=["standard"],
    file_share_types=["standard"],
)
KEY = SSHKey(
    id=ID, client_id=1, project_id=1, user_id=1, name="mine", public_key="ssh-rsa A", fingerprint="aa", created_at=WHEN
)
IMAGE = Image(id=ID, region_id=1, name="debian-12", os_distro="debian", os_version="12.00", **TIMES)
ACTION = new_user_action(a_context(), AuditEntry("instance", "update", ID), task_id=None)
FLAVOR = Flavor(id="g1-standard-1-2", vcpus=1, ram=2048, price_per_hour=Decimal("0.01"))
TEMPLATE = AppTemplate(
    id="wordpress",
    display_name="WordPress",
    image_name="wordpress",
    version="6",
    category="web",
    developer="them",
    website="https://example.com",
    short_description="Blog",
    description="A blog",
    usage="Write",
    os_name="debian",
    os_version=12,
    app_config=[
        AppConfigParameter(name="title", label="Title", description="Of the blog", default="Blog"),
        AppConfigParameter(name="mail", label="Mail", description="Whose", required=True),
    ],
)
SUBNET = Subnet(
    id=ID,
    region_id=1,
    network_id=ID,
    name="pub",
    cidr="10.0.0.0/24",
    host_routes=[Route("0.0.0.0/0", "10.0.0.9")],
    **TIMES,
)
WIDE = Subnet(id=ID, region_id=1, network_id=ID, name="wide", cidr="fd00::/64", ip_version=6, **TIMES)
NETWORK = Network(id=ID, region_id=1, name="pub_net", external=True, **TIMES)
FLOATING = FloatingIP(id=ID, **WHOSE, floating_ip_address="5.5.5.5", **TIMES)
PORT = Port(
    id=ID,
    **WHOSE,
    network_id=ID,
    mac_address="00:16:3e:00:00:01",
    allowed_address_pairs=[AddressPair("10.1.0.0/16")],
    **TIMES,
)
SUBNETS = [SubnetView.of(subnet, TAGS, "Local", 1, available_ips=5) for subnet in (SUBNET, WIDE)]
INTERFACE = InterfaceView.of(
    PORT,
    [AssignedAddress(subnet_id=ID, ip="10.0.0.2", port_id=ID)],
    NetworkWithSubnetsView.of(NETWORK, SUBNETS, TAGS, "Local"),
    [FloatingIPView.of(FLOATING, TAGS, "Local")],
)
METRICS = InstanceMetricsSample(
    time="2023-11-29T10:56:49Z",
    cpu_util=1.5,
    memory_util=2,
    bytes_out=1,
    bytes_in=1,
    packets_out=1,
    packets_in=1,
    disks=[DiskMetricsSample(disk_name="vda", read_bytes=1, write_bytes=1, reads=1, writes=1)],
)
PREVIEW = PricePreview(flavor=Price(Decimal("7.3")), volumes={"standard": Price(Decimal(1))})


def page(*views: Any) -> Page[Any]:
    return Page(count=len(views), results=list(views))


@pytest.mark.parametrize(
    ("method", "path", "status", "view"),
    [
        ("GET", f"/cloud/v1/tasks/{ID}", 200, TaskView.of(TASK)),
        ("DELETE", INSTANCE, 200, TaskIds(tasks=[ID])),
        ("GET", "/cloud/v1/projects", 200, page(ProjectView.of(PROJECT))),
        ("GET", "/cloud/v1/regions/1", 200, RegionView.of(REGION, None)),
        ("GET", "/cloud/v1/regions", 200, page(RegionView.of(REGION, ID, with_volume_types=True))),
        ("GET", "/cloud/v1/ssh_keys/1", 200, page(SSHKeyView.of(KEY))),
        ("POST", "/cloud/v1/ssh_keys/1", 201, CreatedSSHKeyView.with_private_key(KEY, "private")),
        ("GET", f"/cloud/v1/images/1/1/{ID}", 200, ImageView.of(IMAGE, TAGS, "Local", 1)),
        ("GET", "/cloud/v1/user_actions", 200, page(UserActionView.of(ACTION))),
        ("GET", "/cloud/v1/flavors/1/1", 200, page(ListedFlavor.of(FLAVOR), PricedFlavor.with_price(FLAVOR, "EUR"))),
        ("GET", "/cloud/v1/apptemplates/1/1", 200, page(AppTemplateView.of(TEMPLATE))),
        ("GET", f"{INSTANCE}/interfaces", 200, page(INTERFACE)),
        ("GET", f"{INSTANCE}/metadata", 200, page(*tag_views(TAGS))),
        ("POST", f"{INSTANCE}/metrics", 200, page(METRICS)),
        ("POST", "/cloud/v2/pricing/1/1/instances", 200, InstancePrice.of(PREVIEW, the_catalogue())),
        ("POST", "/cloud/v2/pricing/1/1/instances", 200, InstancePrice.of(PricePreview(), the_catalogue())),
        ("GET", f"/cloud/v1/pricing/1/1/instances/{ID}", 200, ResourcePrice.of(PREVIEW.total, the_catalogue())),
        ("GET", f"/cloud/v1/pricing/1/1/instances/{ID}", 200, ResourcePrice.of(None, the_catalogue())),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_view_has_the_published_shape(method: str, path: str, status: int, view: Any) -> None:
    check_answer(method, path, status, msgspec.json.encode(view))


def test_hourly_and_monthly_prices_agree() -> None:
    priced = PricedFlavor.with_price(FLAVOR, "EUR")

    assert (priced.price_per_hour, priced.price_per_month, priced.price_status) == (0.01, 7.3, "show")
