"""The configuration of NFS-Ganesha, generated from ids and addresses alone."""

from collections.abc import Collection

from pileus.domain.ip_addresses import ip_address, ip_network
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.qemu.ganesha.sandbox import CONTENT, RECOVERY
from pileus.drivers.qemu.paths import require_safe_id

ACCESS_TYPES = {"ro": "RO", "rw": "RW"}
FIXED = f"""
NFS_CORE_PARAM {{
    Protocols = 4; NFS_Port = 2049; Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
    RPC_Ioq_ThrdMax = 32; Bind_addr = @ADDRESS@;
}}
NFSv4 {{
    RecoveryBackend = fs; RecoveryRoot = {RECOVERY}; Lease_Lifetime = 15; Grace_Period = 20;
    Only_Numeric_Owners = true;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
EXPORT_DEFAULTS {{ Access_Type = None; SecType = sys; Anonymous_uid = 65534; Anonymous_gid = 65534; }}
LOG {{ Default_Log_Level = EVENT; Components {{ RPC = CRIT; TIRPC = CRIT; DBUS = FATAL; }} }}
"""
"""Version 4 alone: it needs one port, no portmapper and no lock daemons. A client that is gone loses its locks after
the lease, and after a restart clients have the grace period to claim theirs."""


def export_path(share_id: str) -> str:
    """Return the path that clients mount."""
    return f"/shares/share-{require_safe_id(share_id)}"


def ganesha_configuration(share: FileShareSpec, rules: Collection[ShareAccess]) -> str:
    """Return the configuration of a file share. Without a rule, nobody can mount it."""
    address = str(ip_address(share.ip_address or ""))
    # The first block that matches a client decides: that of the smallest range.
    smallest_first = sorted(rules, key=lambda rule: (-ip_network(rule.access_to).prefixlen, rule.access_to))
    clients = "\n".join(
        f"    CLIENT {{ Clients = {ip_network(rule.access_to)}; Access_Type = {ACCESS_TYPES[rule.access_level]};"
        " Squash = No_Root_Squash; }"
        for rule in smallest_first
    )
    return f"""{FIXED.replace("@ADDRESS@", address)}
EXPORT {{
    Export_Id = 1; Path = {CONTENT}; Pseudo = {export_path(share.id)}; Protocols = 4; Transports = TCP;
    FSAL {{ Name = VFS; }}
{clients}
}}
"""
