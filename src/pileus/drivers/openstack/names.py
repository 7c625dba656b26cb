"""The names by which resources of Pileus are known in OpenStack.

OpenStack chooses most ids itself. A name is set by the request that creates a resource, so there is no moment at which
it exists without it, and no table of ids that could be lost.
"""

PREFIX = "pileus-"
MACHINE_TAG = "pileus"
"""The tag of all servers of Pileus."""


def engine_name(resource_id: str) -> str:
    """Return the name, tag or description of a resource in OpenStack."""
    return f"{PREFIX}{resource_id}"


def machine_id_of(server: dict[str, object]) -> str | None:
    """Return the id of a server's machine, or None if the server is not of Pileus."""
    tags = server.get("tags")
    names = tags if isinstance(tags, list) else []
    return next((str(tag).removeprefix(PREFIX) for tag in names if str(tag).startswith(PREFIX)), None)
