"""What the providers of Octavia balance. What they do not is refused before anything is made."""

from collections.abc import Iterator

from pileus.domain.load_balancers.health_monitors import HealthMonitorType
from pileus.domain.load_balancers.listeners import ListenerProtocol
from pileus.domain.load_balancers.pools import BalancingAlgorithm, PoolProtocol, SessionPersistenceType
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import LoadBalancerChoices, LoadBalancerSpec

OVN = "ovn"
"""The provider without machines: the virtual switches of the network balance TCP and UDP connections."""
CHOICES = LoadBalancerChoices(
    listener_protocols=frozenset(ListenerProtocol) - {ListenerProtocol.TERMINATED_HTTPS},
    pool_protocols=frozenset(PoolProtocol),
    monitor_types=frozenset(HealthMonitorType) - {HealthMonitorType.K8S},
)
OVN_CHOICES = LoadBalancerChoices(
    listener_protocols=frozenset({ListenerProtocol.TCP, ListenerProtocol.UDP}),
    pool_protocols=frozenset({PoolProtocol.TCP, PoolProtocol.UDP}),
    monitor_types=frozenset({HealthMonitorType.TCP, HealthMonitorType.UDP_CONNECT}),
)


def choices_of(provider: str) -> LoadBalancerChoices:
    """Return the protocols and monitors of a provider."""
    return OVN_CHOICES if provider == OVN else CHOICES


def check_is_offered(spec: LoadBalancerSpec, provider: str) -> None:
    """Raise DriverError if the provider cannot balance like this. An empty name stands for an unknown provider."""
    obstacles = [*_unknown_words(spec, choices_of(provider)), *_obstacles(spec)]
    if provider == OVN:
        obstacles += _ovn_obstacles(spec)
    if obstacles:
        raise DriverError(f"Load balancers of this region have no {'; no '.join(obstacles)}", retryable=False)


def _unknown_words(spec: LoadBalancerSpec, choices: LoadBalancerChoices) -> Iterator[str]:
    words = {
        "listeners of protocol": {part.protocol for part in spec.listeners} - choices.listener_protocols,
        "pools of protocol": {part.protocol for part in spec.pools} - choices.pool_protocols,
        "health monitors of type": {part.type for part in spec.health_monitors} - choices.monitor_types,
    }
    return (f"{noun} {word}" for noun, unknown in words.items() for word in sorted(unknown))


def _obstacles(spec: LoadBalancerSpec) -> Iterator[str]:
    if any(listener.user_list for listener in spec.listeners):
        yield "listeners with a user list"
    if any(listener.secret_id or listener.sni_secret_ids for listener in spec.listeners):
        yield "listeners with certificates"
    if any(pool.secret_id or pool.ca_secret_id or pool.crl_secret_id for pool in spec.pools):
        yield "pools with certificates"


def _ovn_obstacles(spec: LoadBalancerSpec) -> Iterator[str]:
    """Yield what OVN would refuse, and what it would ignore although traffic depends on it."""
    if any(listener.allowed_cidrs for listener in spec.listeners):
        yield "listeners with allowed_cidrs (use security groups of the members)"
    if any(pool.lb_algorithm == BalancingAlgorithm.LEAST_CONNECTIONS for pool in spec.pools):
        yield "pools with LEAST_CONNECTIONS"
    persistences = [pool.session_persistence for pool in spec.pools if pool.session_persistence]
    if any(persistence.type != SessionPersistenceType.SOURCE_IP for persistence in persistences):
        yield "session persistence but SOURCE_IP"
    if any(member.backup for member in spec.members):
        yield "backup members"
    if any(member.weight != 1 for member in spec.members):
        yield "members with a weight other than 1"
    if any(member.monitor_address or member.monitor_port for member in spec.members):
        yield "members with a monitor_address or monitor_port"
    if spec.l7_policies:
        yield "L7 policies"
