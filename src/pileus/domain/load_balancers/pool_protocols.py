"""The protocols that a listener and its pools can combine."""

from collections.abc import Mapping

from pileus.domain.errors import Invalid, invalid
from pileus.domain.load_balancers.listeners import Listener, ListenerProtocol
from pileus.domain.load_balancers.pools import Pool, PoolProtocol

PROXIES = frozenset({PoolProtocol.PROXY, PoolProtocol.PROXYV2})
POOL_PROTOCOLS: Mapping[ListenerProtocol, frozenset[PoolProtocol]] = {
    ListenerProtocol.TCP: PROXIES | {PoolProtocol.HTTP, PoolProtocol.HTTPS, PoolProtocol.TCP},
    ListenerProtocol.HTTP: PROXIES | {PoolProtocol.HTTP},
    ListenerProtocol.HTTPS: PROXIES | {PoolProtocol.HTTPS, PoolProtocol.TCP},
    ListenerProtocol.TERMINATED_HTTPS: PROXIES | {PoolProtocol.HTTP},
    ListenerProtocol.UDP: frozenset({PoolProtocol.UDP}),
    ListenerProtocol.PROMETHEUS: frozenset(),
}
TLS_POOL_PROTOCOLS: Mapping[ListenerProtocol, frozenset[PoolProtocol]] = {
    ListenerProtocol.HTTP: frozenset({PoolProtocol.HTTPS}),
    ListenerProtocol.TERMINATED_HTTPS: frozenset({PoolProtocol.HTTPS}),
}
"""Also accepted if the pool has a secret for TLS to its members: the load balancer then encrypts by itself."""
L7_PROTOCOLS = frozenset({ListenerProtocol.HTTP, ListenerProtocol.TERMINATED_HTTPS})


def is_pool_accepted(listener_protocol: str, pool: Pool) -> bool:
    """Return whether a listener of this protocol can use a pool."""
    protocol = ListenerProtocol(listener_protocol)
    if pool.protocol in POOL_PROTOCOLS[protocol]:
        return True
    has_secret = pool.secret_id is not None or pool.ca_secret_id is not None
    return has_secret and pool.protocol in TLS_POOL_PROTOCOLS.get(protocol, frozenset())


def check_pool_accepted(listener_protocol: str, pool: Pool, field: str = "protocol") -> None:
    """Raise Invalid, for a field of the request, if a listener of this protocol cannot use a pool."""
    if is_pool_accepted(listener_protocol, pool):
        return
    accepted = sorted(POOL_PROTOCOLS[ListenerProtocol(listener_protocol)])
    choices = f"it takes {', '.join(accepted)}" if accepted else "it has no pools"
    text = f"A listener of protocol {listener_protocol} cannot use a pool of protocol {pool.protocol}: {choices}"
    raise invalid(**{field: text})


def check_has_l7_policies(listener: Listener) -> None:
    """Raise Invalid if a listener cannot have L7 policies, because it does not read HTTP."""
    if listener.protocol not in L7_PROTOCOLS:
        raise Invalid(
            f"Listener {listener.id} has protocol {listener.protocol}: only HTTP and TERMINATED_HTTPS have L7 policies"
        )
