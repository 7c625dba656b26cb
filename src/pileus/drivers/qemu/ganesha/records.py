"""Records of file shares in the state file: what is shared with whom, and by which process."""

import msgspec
from msgspec import Struct, field

from pileus.domain.network.ports import derive_mac_address
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.qemu.state import QemuStateFile


class FileShareRecord(Struct, frozen=True, kw_only=True):
    """A file share with its access rules by id, and the process that was last started for it.

    `image_size` is that of its file system in GiB: None until there is one. `starts` counts the processes.
    """

    share: FileShareSpec
    rules: dict[str, ShareAccess] = field(default_factory=dict)
    image_size: int | None = None
    pid: int | None = None
    started: str | None = None
    starts: int = 0

    @property
    def nic(self) -> NicSpec:
        """The port of the file share. Its access rules say who can use it, and no security group."""
        return NicSpec(
            port_id=self.share.id,
            network_id=self.share.network_id or "",
            mac_address=derive_mac_address(self.share.id),
            addresses=[self.share.ip_address or ""],
            secured=False,
        )


class FileShareRecords:
    """The records of all file shares."""

    def __init__(self, state: QemuStateFile) -> None:
        self._db = state.db

    def find(self, share_id: str) -> FileShareRecord | None:
        """Return a record, or None."""
        row = self._db.execute("SELECT known FROM file_shares WHERE id = ?", (share_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=FileShareRecord)

    def by_id(self) -> dict[str, FileShareRecord]:
        """Return all records by id."""
        rows = self._db.execute("SELECT id, known FROM file_shares ORDER BY id").fetchall()
        return {share_id: msgspec.json.decode(text, type=FileShareRecord) for share_id, text in rows}

    def save(self, record: FileShareRecord) -> None:
        """Insert or update a record."""
        text = msgspec.json.encode(record).decode()
        self._db.execute("INSERT OR REPLACE INTO file_shares VALUES (?, ?)", (record.share.id, text))

    def delete(self, share_id: str) -> None:
        """Delete a record."""
        self._db.execute("DELETE FROM file_shares WHERE id = ?", (share_id,))
