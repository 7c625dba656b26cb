"""The directory of a load balancer: only the server writes it, but for the part that HAProxy runs in."""

import os
import shutil
from pathlib import Path

from pileus.drivers.qemu.file_ownership import share_file
from pileus.drivers.qemu.haproxy.files import CERTIFICATES, TlsFiles
from pileus.drivers.qemu.paths import PRIVATE, TRAVERSABLE, atomic_write
from pileus.drivers.qemu.users import ProcessUser

NO_STATES = "1\n"
"""States of no servers, in the first version of the format."""


class LoadBalancerDirectory:
    """The files of one load balancer; those that HAProxy reads are shared with the user that it runs as."""

    def __init__(self, folder: Path, user: ProcessUser | None) -> None:
        self.folder, self._user = folder, user
        self.run = folder / "run"
        self.configuration, self.candidate = folder / "haproxy.cfg", folder / "haproxy.cfg.candidate"
        self._certificates = folder / CERTIFICATES

    def create(self) -> None:
        """Create the directories."""
        for path in (self.folder, self._certificates):
            path.mkdir(exist_ok=True, mode=PRIVATE)
            path.chmod(TRAVERSABLE if self._user else PRIVATE)
        self.run.mkdir(exist_ok=True, mode=PRIVATE)
        if self._user:
            os.chown(self.run, self._user.uid, self._user.gid, follow_symlinks=False)
        if not (self.folder / "server-states").exists():
            self.write_server_states(NO_STATES)

    def write_candidate(self, text: str, files: TlsFiles) -> None:
        """Write a configuration that is to be checked, and the files that it refers to."""
        for name, content in files.contents.items():
            if not (path := self._certificates / name).exists():
                # It is never written again.
                self._write(path, content, durable=True)
        self._write(self.candidate, text)

    def accept_candidate(self) -> None:
        """Make the candidate the configuration that HAProxy reads next."""
        self.candidate.replace(self.configuration)

    def write_server_states(self, text: str) -> None:
        """Write the states of servers that the next worker begins with."""
        self._write(self.folder / "server-states", text)

    def remove_unused_certificates(self, files: TlsFiles) -> None:
        """Remove the files of former configurations."""
        for path in self._certificates.iterdir():
            if path.name not in files.contents:
                path.unlink()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: Path, text: str, *, durable: bool = False) -> None:
        with atomic_write(path, durable=durable) as new:
            new.touch(mode=0o600)
            new.write_text(text, "utf-8")
            share_file(new, self._user)
