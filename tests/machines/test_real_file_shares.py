"""Test file shares of real machines through the API."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from gcore import BadRequestError, Gcore, InternalServerError
from gcore.types.cloud import FileShare, Region

from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
from tests.machines.real import OPTIONS, RealCloud, end_all
from tests.requirements import skip_unless_required
from tests.servers import KEY, Server, run_server


def an_order(client: Gcore) -> dict[str, Any]:
    """Return an order of a file share in a new private network."""
    network_id = client.cloud.networks.create_and_poll(name="inside").id
    client.cloud.networks.subnets.create_and_poll(name="inside", network_id=network_id, cidr="10.9.0.0/24")
    return {"name": "data", "protocol": "NFS", "size": 1, "network": {"network_id": network_id}}


def test_a_share_is_created_used_extended_and_deleted(real: RealCloud, client: Gcore) -> None:
    if obstacle := GaneshaPrograms(is_root=os.geteuid() == 0).find_obstacle():
        skip_unless_required(obstacle)
    shares, order = client.cloud.file_shares, an_order(client)
    share = shares.create_and_poll(**order, access=[{"ip_address": "10.9.0.0/24", "access_mode": "ro"}])
    rule = shares.access_rules.create(share.id, ip_address="10.9.0.7", access_mode="rw")
    configuration = real.data / f"qemu/file_shares/{share.id}/ganesha.conf"
    clients = [line.split()[4:8] for line in configuration.read_text("utf-8").splitlines() if "CLIENT" in line]
    shares.access_rules.delete(rule.id, file_share_id=share.id)
    shares.resize_and_poll(share.id, size=2)
    extended = shares.get(share.id)
    client.cloud.tasks.poll(shares.delete(share.id).tasks[0])
    region = client.cloud.regions.get(region_id=1)
    with pytest.raises(BadRequestError, match="of type standard alone"):
        shares.create(name="fast", protocol="NFS", size=10, type_name="vast", volume_type="vast_share_type")

    assert re.fullmatch(rf"10\.9\.0\.\d+:/shares/share-{share.id}", str(extended.connection_point))
    assert clients == [["10.9.0.7/32;", "Access_Type", "=", "RW;"], ["10.9.0.0/24;", "Access_Type", "=", "RO;"]]
    assert (extended.status, extended.size) == ("available", 2)
    assert (region.has_sfs, region.file_share_types) == (True, ["standard"])
    assert not configuration.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="without root, the answer says that root is missing")
def test_without_a_server_for_files_nothing_is_created_and_the_answer_says_what_to_install(real: RealCloud) -> None:
    programs = real.data.parent / "programs"
    programs.mkdir()
    programs.chmod(0o755)  # QEMU's user reads it, whatever the umask.
    names = {path.name: path for folder in ("/usr/sbin", "/usr/bin") for path in Path(folder).iterdir()}
    for name in names.keys() - {"ganesha.nfsd"}:
        (programs / name).symlink_to(names[name])
    bare = real.data.parent / "bare"
    try:
        with run_server(bare, *OPTIONS, PATH=str(programs)) as server:
            refused, region, existing = order_in_vain(server)
    finally:
        end_all(bare)

    assert refused.status_code == 503
    assert "apt-get install nfs-ganesha nfs-ganesha-vfs" in str(refused)
    assert (region.has_sfs, region.file_share_types, existing) == (False, [], [])


def order_in_vain(server: Server) -> tuple[InternalServerError, Region, list[FileShare]]:
    """Return the error of an order, the region, and the file shares that there are then."""
    client = Gcore(base_url=server.url, api_key=KEY, cloud_project_id=1, cloud_region_id=1, max_retries=0)
    with client:
        with pytest.raises(InternalServerError) as refused:
            client.cloud.file_shares.create(**an_order(client))
        return refused.value, client.cloud.regions.get(region_id=1), list(client.cloud.file_shares.list())
