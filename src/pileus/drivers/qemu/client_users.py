"""The user of each client, and the client of each volume, snapshot and image, in the state file."""

import grp
import pwd
from contextlib import suppress
from pathlib import Path

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.machine_records import MachineRecord
from pileus.drivers.qemu.state import QemuStateFile
from pileus.drivers.qemu.users import HostUsers, ProcessUser


class ClientUsers:
    """Assigns users to clients, for good: no user ever gets the files of another client."""

    def __init__(self, state: QemuStateFile, host_users: HostUsers) -> None:
        self._db, self._host_users = state.db, host_users

    def user_of_client(self, client_id: int | None) -> ProcessUser | None:
        """Return the user of a client, assigned if it has none. Raises DriverError if all users are assigned.

        Without a client, and where clients are not separated, that is the user that all share.
        """
        if client_id is None or self._host_users.client_ids is None:
            return self._host_users.shared
        uid = self._find_user_id(client_id)
        return self._host_users.user_with_id(self._assign(client_id) if uid is None else uid, client_id)

    def user_of_process(self, record: MachineRecord) -> ProcessUser | None:
        """Return the user that the process of a machine was started as."""
        return self.user_with_id(record.user_id, record.machine.client_id)

    def user_with_id(self, user_id: int | None, client_id: int | None) -> ProcessUser | None:
        """Return the user of a client, or without an id the one that all share."""
        return self._host_users.shared if user_id is None else self._host_users.user_with_id(user_id, client_id or 0)

    def user_of_file(self, file_id: str) -> ProcessUser | None:
        """Return the user of the client that a volume, a snapshot or an image belongs to."""
        row = self._db.execute("SELECT client_id FROM file_clients WHERE id = ?", (file_id,)).fetchone()
        return self.user_of_client(row and row[0])

    def record_file(self, file_id: str, client_id: int | None) -> None:
        """Record the client of a volume, a snapshot or an image, if it is known."""
        if client_id is not None:
            self._db.execute("INSERT OR REPLACE INTO file_clients VALUES (?, ?)", (file_id, client_id))

    def copy_file_record(self, source_id: str, file_id: str) -> None:
        """Record that a file belongs to the client of another one."""
        self._db.execute(
            "INSERT OR REPLACE INTO file_clients SELECT ?, client_id FROM file_clients WHERE id = ?",
            (file_id, source_id),
        )

    def delete_file(self, file_id: str) -> None:
        """Delete the record of a file."""
        self._db.execute("DELETE FROM file_clients WHERE id = ?", (file_id,))

    def _find_user_id(self, client_id: int) -> int | None:
        row = self._db.execute("SELECT user_id FROM client_users WHERE client_id = ?", (client_id,)).fetchone()
        return row and int(row[0])

    def _assign(self, client_id: int) -> int:
        """Assign the next user that nothing on the host uses."""
        assert self._host_users.client_ids  # noqa: S101  # the only caller has checked it
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            # Another process may have been faster.
            if (user_id := self._find_user_id(client_id)) is not None:
                return user_id
            ids, used_ids = self._host_users.client_ids.for_clients, _user_ids_of_processes()
            query = "SELECT max(user_id) FROM client_users WHERE user_id BETWEEN ? AND ?"
            (last,) = self._db.execute(query, (ids[0], ids[-1])).fetchone()
            for candidate in range((last or ids[0] - 1) + 1, ids[-1] + 1):
                if candidate not in used_ids and not _is_account(candidate):
                    self._db.execute("INSERT INTO client_users VALUES (?, ?)", (client_id, candidate))
                    return candidate
        raise DriverError(
            f"All users of {self._host_users.client_ids} are assigned: widen --qemu-user-ids at its end",
            retryable=False,
        )


def _is_account(number: int) -> bool:
    """Return whether the host has a user or a group with a number."""
    with suppress(KeyError):
        pwd.getpwuid(number)
        return True
    with suppress(KeyError):
        grp.getgrgid(number)
        return True
    return False


def _user_ids_of_processes() -> set[int]:
    """Return the users of all processes of the host: those of another data directory must not be shared."""
    user_ids = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                user_ids.add(entry.stat().st_uid)
    return user_ids
