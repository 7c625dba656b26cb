"""Read a seed file and check its kinds and fields."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pileus.api.unread_inputs import find_unread_fields_of_type
from pileus.domain.ip_addresses import ip_address
from pileus.domain.suggestions import describe_similar_names
from pileus.seeds.kinds import (
    FLOATING_IPS,
    NETWORKS,
    PROJECT_KIND,
    PROJECTS,
    RESERVED_FIXED_IPS,
    SEED_KINDS,
    SPECIFIC_ADDRESS,
    SUBNETS,
    SeedKind,
)
from pileus.server.startup import StartError

EXTRA_FIELDS = {NETWORKS: (SUBNETS,), FLOATING_IPS: ("name",), RESERVED_FIXED_IPS: ("name", "type")}
"""The fields of entries that are not fields of the request."""


class SeedError(StartError):
    """A seed file cannot be applied; the message is one line that names the file and the place in it."""


class SeedEntry(Struct, frozen=True, kw_only=True):
    """A resource that should exist: its place in the file, and the body of the request that creates it."""

    path: str
    kind_name: str
    body: dict[str, Any]
    network: str = ""
    """The name of the network of a subnet."""

    @property
    def name(self) -> str:
        """Return the name, by which the resource is recognized."""
        return str(self.body["name"])


class ProjectSeed(Struct, frozen=True, kw_only=True):
    """What should exist in a project; `project` is None for the first one."""

    project: SeedEntry | None
    entries: list[SeedEntry]


def load_seed(file: Path) -> list[ProjectSeed]:
    """Return what should exist, by project. Raises SeedError."""
    content = _read(file)
    _check_known(content, (*_kinds_of_files(), PROJECTS), "")
    seeds = [ProjectSeed(project=None, entries=list(_read_entries(content, "")))]
    for path, item in _items_of(content, PROJECTS, ""):
        body = {name: value for name, value in item.items() if name not in _kinds_of_files()}
        _check_body(body, PROJECT_KIND, path, _kinds_of_files())
        project = SeedEntry(path=path, kind_name=PROJECTS, body=body)
        seeds.append(ProjectSeed(project=project, entries=list(_read_entries(item, f"{path}."))))
    _check_names_are_unique(seeds)
    return seeds


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
        content = tomllib.loads(text) if file.suffix.lower() == ".toml" else msgspec.yaml.decode(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SeedError(f"it cannot be read: {reason}") from None
    except (tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise SeedError(f"it is neither YAML nor TOML by its suffix: {' '.join(str(error).split())}") from None
    # Dates become text, as in JSON.
    content = msgspec.to_builtins(content, str_keys=True)
    if content is not None and not isinstance(content, dict):
        raise SeedError("it must contain kinds of resource, each with a list")
    return content or {}


def _kinds_of_files() -> tuple[str, ...]:
    return tuple(name for name in SEED_KINDS if name != SUBNETS)


def _read_entries(content: dict[Any, Any], prefix: str) -> Iterator[SeedEntry]:
    for kind_name in _kinds_of_files():
        for path, item in _items_of(content, kind_name, prefix):
            body = dict(item)
            subnets = body.pop(SUBNETS, None) if kind_name == NETWORKS else None
            _check_body(body, SEED_KINDS[kind_name], path, EXTRA_FIELDS.get(kind_name, ()))
            if kind_name == RESERVED_FIXED_IPS:
                _check_address(body, path)
            yield SeedEntry(path=path, kind_name=kind_name, body=body)
            yield from _read_subnets(subnets, path, body["name"])


def _read_subnets(subnets: object, path: str, network: str) -> Iterator[SeedEntry]:
    for inner_path, item in _items_of({SUBNETS: subnets}, SUBNETS, f"{path}."):
        if "network_id" in item:
            raise SeedError(f"{inner_path}.network_id: the subnet is in the network that contains it")
        _check_body(item, SEED_KINDS[SUBNETS], inner_path, ())
        yield SeedEntry(path=inner_path, kind_name=SUBNETS, body=item, network=network)


def _items_of(content: dict[Any, Any], name: str, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    items = content.get(name)
    if items is not None and not isinstance(items, list):
        raise SeedError(f"{prefix}{name}: must be a list")
    for index, item in enumerate(items or ()):
        path = f"{prefix}{name}[{index}]"
        if not isinstance(item, dict):
            raise SeedError(f"{path}: must be an object with a name")
        yield path, item


def _check_known(content: dict[Any, Any], names: Iterable[str], prefix: str) -> None:
    for key in content:
        if key not in names:
            raise SeedError(f"{prefix}{key}: there is no such kind{describe_similar_names(str(key), names, count=1)}")


def _check_body(body: dict[str, Any], kind: SeedKind, path: str, extra_names: tuple[str, ...]) -> None:
    request_body = {name: value for name, value in body.items() if name not in extra_names}
    for unread in find_unread_fields_of_type(request_body, kind.body_type):
        names = (*unread.known_names, *extra_names) if len(unread.path) == 1 else unread.known_names
        hint = describe_similar_names(unread.path[-1], names, count=1)
        raise SeedError(f"{join_path(path, unread.path)}: the {kind.noun} has no such field{hint}")
    for name in kind.refused_fields & body.keys():
        raise SeedError(f"{path}.{name}: give each {kind.noun} an entry with a name")
    if not isinstance(body.get("name"), str) or not body["name"]:
        raise SeedError(f"{path}.name: the {kind.noun} needs a name, which is text")


def _check_address(body: dict[str, Any], path: str) -> None:
    """Check that a reserved fixed IP has an address, by which a later start recognizes it."""
    if body.get("type", SPECIFIC_ADDRESS) != SPECIFIC_ADDRESS:
        raise SeedError(f"{path}.type: must be {SPECIFIC_ADDRESS}: the address identifies it")
    try:
        ip_address(body[SPECIFIC_ADDRESS])
    except (KeyError, ValueError):
        raise SeedError(f"{path}.{SPECIFIC_ADDRESS}: must be the address to reserve") from None


def join_path(path: str, names: Iterable[str]) -> str:
    """Return the place of a field, such as `instances[0].volumes[1].size`."""
    return path + "".join(f"[{name}]" if name.isdecimal() else f".{name}" for name in names)


def _check_names_are_unique(seeds: list[ProjectSeed]) -> None:
    projects = [seed.project for seed in seeds if seed.project]
    for entries in (projects, *(seed.entries for seed in seeds)):
        paths: dict[tuple[str, str], str] = {}
        for entry in entries:
            first = paths.setdefault((entry.kind_name, entry.name), entry.path)
            if first != entry.path:
                raise SeedError(f"{entry.path}.name: {first} has the name {entry.name} already")
