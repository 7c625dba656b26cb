"""What each package and module may import; `test_rooms.py` enforces it."""

# The packages and modules that each top-level package may import.
ROOMS: dict[str, set[str]] = {
    "domain": set(),
    "store": {"domain"},
    "drivers": {"domain", "outbound", "setting_fields"},
    "outbound": {"domain", "drivers.protocols"},
    "services": {"domain", "store", "drivers.protocols"},
    "tasks": {"domain", "store", "services", "drivers.protocols", "outbound.protocols"},
    "api": {"domain", "store", "services", "tasks", "drivers.protocols", "outbound.protocols"},
    "cli": {"install_hints", "setting_fields", "settings"},
    "testing": {"domain", "drivers.protocols", "drivers.registry", "install_hints", "settings"},
}
# The modules that compose the program or configure it. Packages import them only as EXCEPTIONS says.
COMPOSITION = {
    "__init__",
    "__main__",
    "app",
    "api_keys",
    "backups",
    "cells",
    "client_variables",
    "driver_homes",
    "initial_data",
    "install_hints",
    "logs",
    "private_files",
    "region_drivers",
    "running_servers",
    "seeds",
    "server",
    "setting_fields",
    "setting_files",
    "setting_groups",
    "settings",
    "users",
}
EXCEPTIONS: dict[str, set[str]] = {
    "api": {"__init__", "settings"},
    "cli": {"__init__"},
    # These work without a server, as `serve` and `catalog check` do.
    "cli.serve": {"app", "server", "settings"},
    "cli.connections": {"running_servers"},
    "cli.database_access": {"app", "domain.errors", "initial_data", "running_servers", "server.startup"},
    "cli.secrets": {"app", "domain.errors"},
    "cli.backups": {"backups"},
    "cli.env": {"client_variables", "settings"},
    "cli.catalog": {"domain", "region_drivers", "settings"},
    "cli.openstack": {"domain", "drivers.openstack", "drivers.protocols", "drivers.registry"},
    # The pattern of API keys, the default of a limit, and the settings of drivers.
    "settings": {
        "domain.account.api_keys",
        "domain.limits",
        "domain.suggestions",
        "drivers.registry",
        "setting_fields",
        "setting_files",
        "setting_groups",
    },
    # What to install if a driver needs an extra.
    "drivers.registry": {"install_hints"},
    "setting_fields": set(),
    "testing.server_threads": {"app", "server.process", "server.start_steps", "tasks.cancellation"},
    "setting_files": {"setting_fields"},
    "setting_groups": {"setting_fields"},
    # Drivers define their set-up for the conformance suite.
    "drivers.qemu.testing": {"testing.conformance.harnesses"},
    "drivers.openstack.testing": {"testing.conformance.harnesses"},
    "testing.clouds": {"client_variables", "initial_data", "server.http_server"},
    "testing.conformance.fixtures": {"store.schema", "store.simulated_cloud"},
    "__main__": {"cli"},
}
OUTSIDE: dict[str, set[str]] = {
    # apscheduler calculates the next time of a schedule, without a clock of its own.
    "domain": {"apscheduler", "msgspec"},
    "store": {"cryptography", "msgspec", "psycopg"},
    "tasks": {"msgspec"},
    "cli": {"click", "gcore", "httpx", "msgspec", "rich"},
    "testing": {"gcore", "httpx", "msgspec", "pytest", "pytest_asyncio", "uvloop"},
}
