"""A preview environment for each branch: a network and a machine with a public address.

    python -m previews start my-branch
    python -m previews list
    python -m previews stop my-branch

The official SDK reads address, key, project and region from the environment.
"""

import sys

from gcore import Gcore
from gcore.types.cloud import Instance

FLAVOR = "g1-standard-1-2"
IMAGE = "ubuntu-22.04"
TAG = "preview-of"


def start_preview(client: Gcore, branch: str) -> Instance:
    """Return the machine of a branch, and create it first if there is none. A failure leaves nothing behind."""
    running = find_previews(client).get(branch)
    if running:
        return running
    network = client.cloud.networks.create_and_poll(name=f"preview-{branch}", tags={TAG: branch})
    try:
        subnet = client.cloud.networks.subnets.create_and_poll(
            name=network.name, cidr="192.168.0.0/24", network_id=network.id
        )
        return client.cloud.instances.create_and_poll(
            name=network.name,
            flavor=FLAVOR,
            volumes=[{"source": "image", "image_id": find_image_id(client), "size": 10, "boot_index": 0}],
            interfaces=[
                {"type": "external"},
                {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id},
            ],
            tags={TAG: branch},
        )
    except Exception:
        delete_network(client, branch)
        raise


def stop_preview(client: Gcore, branch: str) -> None:
    """Delete the machine and the network of a branch. Does nothing if there are none."""
    instance = find_previews(client).get(branch)
    if instance:
        client.cloud.instances.delete_and_poll(
            instance_id=instance.id, volumes=",".join(volume.id for volume in instance.volumes)
        )
    delete_network(client, branch)


def find_previews(client: Gcore) -> dict[str, Instance]:
    """Return the machines of all branches, by branch."""
    tags = (
        (tag.value, instance) for instance in client.cloud.instances.list() for tag in instance.tags if tag.key == TAG
    )
    return dict(tags)


def find_image_id(client: Gcore) -> str:
    """Return the image of all previews."""
    images = client.cloud.instances.images.list().results
    return next(image.id for image in images if image.name.startswith(IMAGE))


def delete_network(client: Gcore, branch: str) -> None:
    """Delete the network of a branch, if there is one."""
    for network in client.cloud.networks.list(tag_key_value=f'{{"{TAG}": "{branch}"}}'):
        client.cloud.networks.delete_and_poll(network_id=network.id)


def main(command: str, branch: str = "") -> None:
    """Run a command."""
    client = Gcore()
    if command == "start":
        instance = start_preview(client, branch)
        addresses = [address.addr for network in instance.addresses.values() for address in network]
        print(instance.name, *addresses)
    elif command == "stop":
        stop_preview(client, branch)
    else:
        print(*sorted(find_previews(client)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
