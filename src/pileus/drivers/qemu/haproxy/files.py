"""Files of certificates that HAProxy reads. Their names depend on their contents, so that none is ever changed."""

import hashlib
from collections.abc import Iterator

from msgspec import Struct, field

from pileus.drivers.protocols.load_balancers import ListenerSpec, LoadBalancerSpec, PoolSpec

CERTIFICATES = "certificates"
"""The directory, below that of the load balancer. HAProxy runs in a directory beside it."""


class PoolFiles(Struct, frozen=True, kw_only=True):
    """The files of a pool for TLS to its members."""

    certificate: str | None = None
    authorities: str | None = None
    revocations: str | None = None


class TlsFiles(Struct, frozen=True, kw_only=True):
    """All files by their names: `lists` has the certificates of each listener."""

    contents: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    pools: dict[str, PoolFiles] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: LoadBalancerSpec) -> "TlsFiles":
        """Plan the files of a load balancer."""
        files = cls()
        for listener in spec.listeners:
            files._add_list(spec, listener)
        for pool in spec.pools:
            files.pools[pool.id] = PoolFiles(**dict(files._pool_files(spec, pool)))
        return files

    def _add_list(self, spec: LoadBalancerSpec, listener: ListenerSpec) -> None:
        ids = [secret_id for secret_id in (listener.secret_id, *listener.sni_secret_ids) if secret_id]
        if ids:
            # The first one is for clients that name no server, or an unknown one.
            lines = [self._add(spec.tls.certificates[secret_id], "pem") for secret_id in dict.fromkeys(ids)]
            self.lists[listener.id] = self._add("".join(f"{line}\n" for line in lines), "list")

    def _pool_files(self, spec: LoadBalancerSpec, pool: PoolSpec) -> Iterator[tuple[str, str]]:
        for name, secret_id, texts in (
            ("certificate", pool.secret_id, spec.tls.certificates),
            ("authorities", pool.ca_secret_id, spec.tls.authorities),
            ("revocations", pool.crl_secret_id, spec.tls.revocation_lists),
        ):
            if secret_id:
                yield name, self._add(texts[secret_id], "pem")

    def _add(self, content: str, suffix: str) -> str:
        name = f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.{suffix}"
        self.contents[name] = content
        return f"../{CERTIFICATES}/{name}"
