"""The published operations, one module a noun."""

from pileus.api.routes import health, instances

ROUTES = [*health.ROUTES, *instances.ROUTES]
