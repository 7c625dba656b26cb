"""The parts of the driver that balance, and what they offer."""

import os

from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.load_balancers import LoadBalancerChoices
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.haproxy.backends import MONITOR_TYPES, POOL_PROTOCOLS
from pileus.drivers.qemu.haproxy.configuration import LISTENER_PROTOCOLS
from pileus.drivers.qemu.haproxy.load_balancers import HaproxyLoadBalancers
from pileus.drivers.qemu.haproxy.processes import HaproxyProcesses
from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecords
from pileus.drivers.qemu.haproxy.samples import LoadBalancerSampler
from pileus.drivers.qemu.haproxy.traffic import TrafficMeter
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.metrics import MetricsSampler
from pileus.drivers.qemu.state import QemuStateFile

CHOICES = LoadBalancerChoices(
    listener_protocols=LISTENER_PROTOCOLS, pool_protocols=POOL_PROTOCOLS, monitor_types=MONITOR_TYPES
)
"""What HAProxy balances."""


class LoadBalancerParts:
    """Everything that load balancers need, composed."""

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of the driver that it uses
        self,
        control: MachineControl,
        state: QemuStateFile,
        client_users: ClientUsers,
        fabric_updater: FabricUpdater,
        sampler: MetricsSampler,
        catalogue: Catalogue,
    ) -> None:
        self.records = LoadBalancerRecords(state)
        self.programs = HaproxyPrograms(is_root=os.geteuid() == 0)
        self.traffic = TrafficMeter(control.directory, self.records)
        processes = HaproxyProcesses(control.directory, control.children, self.records, self.programs)
        self.load_balancers = HaproxyLoadBalancers(
            control.directory,
            state,
            self.records,
            processes,
            programs=self.programs,
            client_users=client_users,
            fabric_updater=fabric_updater,
            traffic=self.traffic,
            catalogue=catalogue,
        )
        self.sampler = LoadBalancerSampler(
            self.records,
            processes,
            traffic=self.traffic,
            sampler=sampler,
            state=state,
            fabric_updater=fabric_updater,
            catalogue=catalogue,
        )
