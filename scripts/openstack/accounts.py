"""Create the accounts of the services, and the catalogue of their endpoints; repeating it does no harm."""

import sys
import time
from pathlib import Path

import openstack

SERVICES = {
    "placement": ("placement", "http://127.0.0.1:21411"),
    "glance": ("image", "http://127.0.0.1:21412"),
    "neutron": ("network", "http://127.0.0.1:21413"),
    "nova": ("compute", "http://127.0.0.1:21414/v2.1"),
    "cinder": ("block-storage", "http://127.0.0.1:21415/v3"),
    "octavia": ("load-balancer", "http://127.0.0.1:21417"),
}
WAIT_SECONDS = 180


def connect(home: Path) -> openstack.connection.Connection:
    """Wait until Keystone accepts the administrator."""
    config = openstack.config.OpenStackConfig(config_files=[str(home / "clouds.yaml")])
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        connection = openstack.connection.Connection(config=config.get_one("pileus"))
        try:
            connection.authorize()
        except openstack.exceptions.SDKException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return connection


def main() -> None:
    """Create what is missing."""
    identity = connect(Path(sys.argv[1])).identity
    conformance, project = (
        identity.find_project(name) or identity.create_project(name=name, domain_id="default")
        for name in ("conformance", "service")
    )
    identity.assign_project_role_to_user(conformance, identity.find_user("admin"), identity.find_role("admin"))
    roles = [
        identity.find_role("admin"),
        identity.find_role("service") or identity.create_role(name="service"),
    ]
    for name, (kind, url) in SERVICES.items():
        user = identity.find_user(name) or identity.create_user(
            name=name, password="service-password", domain_id="default"
        )
        for role in roles:
            identity.assign_project_role_to_user(project, user, role)
        service = identity.find_service(name) or identity.create_service(name=name, type=kind)
        existing = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
        for interface in {"public", "internal", "admin"} - existing:
            identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id="RegionOne")


if __name__ == "__main__":
    main()
