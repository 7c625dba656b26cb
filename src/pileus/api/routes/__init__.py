"""The published operations, one module a noun."""

from pileus.api.routes import (
    baremetal,
    ddos_profiles,
    health,
    images,
    instance_actions,
    instance_creation,
    instance_deletion,
    instance_flavors,
    instance_placement,
    instance_security_groups,
    instances,
    projects,
    regions,
    ssh_keys,
    tasks,
    user_actions,
)

ROUTES = [
    *baremetal.ROUTES,
    *health.ROUTES,
    *instances.ROUTES,
    *instance_actions.ROUTES,
    *instance_creation.ROUTES,
    *instance_deletion.ROUTES,
    *instance_security_groups.ROUTES,
    *instance_flavors.ROUTES,
    *instance_placement.ROUTES,
    *ddos_profiles.ROUTES,
    *tasks.ROUTES,
    *projects.ROUTES,
    *regions.ROUTES,
    *ssh_keys.ROUTES,
    *images.ROUTES,
    *user_actions.ROUTES,
]
