"""Create, in the running cloud, what a seed file describes and does not exist yet."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import httpx

from pileus.client_variables import NoApiKey, default_region, read_api_key
from pileus.domain.ip_addresses import ip_address
from pileus.domain.suggestions import describe_similar_names
from pileus.initial_data import PROJECT
from pileus.seeds.api_requests import create, list_all, wait_for_task, wait_for_unfinished_tasks
from pileus.seeds.files import ProjectSeed, SeedEntry, SeedError, load_seed
from pileus.seeds.kinds import (
    FLOATING_IPS,
    NAME_TAG,
    NAMELESS_KINDS,
    NOUNS,
    OFFERED_LISTS,
    PROJECT_KIND,
    REFERENCES,
    RESERVED_FIXED_IPS,
    SEED_KINDS,
    SPECIFIC_ADDRESS,
    SUBNETS,
)
from pileus.settings import Settings

LOG = logging.getLogger("pileus.server")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ATTEMPTS, ATTEMPT_SECONDS = 60, 0.5
"""How often a seed is applied if connections break, and the pause between two attempts."""
TO_BE_CREATED = ""
"""In the place of the id of what the file creates later."""
Ids = dict[str, dict[str, list[str]]]
"""The ids of resources, by kind and name."""


async def apply_seed_file(file: Path, settings: Settings, url: str) -> None:
    """Create what a seed file describes. Raises SeedError.

    The whole file is checked before anything is created. The server must answer at the URL.
    """
    try:
        seeds = await asyncio.to_thread(load_seed, file)
        headers = {"Authorization": f"APIKey {read_api_key(settings)}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
            await _apply_repeatedly(http, seeds, default_region(settings))
    except (SeedError, NoApiKey, httpx.HTTPError) as error:
        raise SeedError(f"{file}: {str(error) or type(error).__name__}") from error


async def _apply_repeatedly(http: httpx.AsyncClient, seeds: list[ProjectSeed], region_id: int) -> None:
    """Apply a seed again when a server process ends meanwhile: another one answers, or it is started again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await _apply(http, seeds, region_id)
        except httpx.TransportError as error:
            LOG.warning("The seed file is applied again", extra={"why": str(error) or type(error).__name__})
            await asyncio.sleep(ATTEMPT_SECONDS)
    return await _apply(http, seeds, region_id)


async def _apply(http: httpx.AsyncClient, seeds: list[ProjectSeed], region_id: int) -> None:
    projects = {item["name"]: item["id"] for item in await list_all(http, PROJECT_KIND.create_path)}
    for seed in seeds:
        # A project that does not exist yet has what every project has: the first one stands for it.
        project_id = projects.get(seed.project.name, PROJECT) if seed.project else PROJECT
        is_new = seed.project is not None and seed.project.name not in projects
        if not is_new:
            await wait_for_unfinished_tasks(http, project_id)
        project = ProjectSeeder(http, project_id, region_id)
        await project.load(only_offered=is_new)
        project.check(seed.entries)
    for seed in seeds:
        project_id = PROJECT
        if seed.project:
            project_id = projects.get(seed.project.name) or await _create_project(http, seed.project)
        project = ProjectSeeder(http, project_id, region_id)
        await project.load()
        await project.create_entries(seed.entries)


async def _create_project(http: httpx.AsyncClient, entry: SeedEntry) -> int:
    project: dict[str, Any] = await create(http, PROJECT_KIND.create_path, entry, entry.body)
    return int(project["id"])


class ProjectSeeder:
    """What exists in a project and region, and the creation of what is missing."""

    def __init__(self, http: httpx.AsyncClient, project_id: int, region_id: int) -> None:
        self._http = http
        self._place = {"project_id": project_id, "region_id": region_id}
        self._ids: Ids = {}

    async def load(self, *, only_offered: bool = False) -> None:
        """Read what exists."""
        lists = dict(OFFERED_LISTS)
        self._ids = {name: {} for name in SEED_KINDS}
        if not only_offered:
            lists |= {name: (kind.path_of_list, kind.id_field) for name, kind in SEED_KINDS.items()}
        for name, (path, id_field) in lists.items():
            self._ids[name] = {}
            for item in await list_all(self._http, path.format(**self._place)):
                self._add(name, _name_of(name, item) or item[id_field], str(item[id_field]))

    def check(self, entries: list[SeedEntry]) -> None:
        """Check that each reference names what exists or what an earlier entry creates. Raises SeedError."""
        for entry in entries:
            self._resolve_body(entry)
            if not self._exists(entry):
                self._add(entry.kind_name, entry.name, TO_BE_CREATED)

    async def create_entries(self, entries: list[SeedEntry]) -> None:
        """Create the entries that do not exist. Raises SeedError."""
        for entry in entries:
            if not self._exists(entry):
                self._add(entry.kind_name, entry.name, await self._create(entry))
                LOG.info("Seeded", extra={"kind": entry.kind_name, "resource": entry.name})

    def _add(self, kind_name: str, name: str, resource_id: str) -> None:
        self._ids[kind_name].setdefault(name, []).append(resource_id)

    def _exists(self, entry: SeedEntry) -> bool:
        """Return whether an entry exists; what has another name in the API then also has that of the entry."""
        ids = self._ids[entry.kind_name]
        if entry.kind_name == RESERVED_FIXED_IPS:
            body = self._resolve_body(entry)
            key = _address_key(str(body["network_id"]), body[SPECIFIC_ADDRESS])
            if key in ids:
                ids[entry.name] = ids[key]
        return entry.name in ids

    async def _create(self, entry: SeedEntry) -> str:
        kind = SEED_KINDS[entry.kind_name]
        path = kind.create_path.format(**self._place)
        answer = await create(self._http, path, entry, self._resolve_body(entry))
        if "tasks" not in answer:
            return str(answer[kind.id_field])
        task = await wait_for_task(self._http, answer["tasks"][0])
        if task["state"] != "FINISHED":
            raise SeedError(f"{entry.path}: {task.get('error') or 'the task failed'}")
        return str(task["created_resources"][kind.created_kind][0])

    def _resolve_body(self, entry: SeedEntry) -> dict[str, Any]:
        """Return the body of the request, with ids in the place of names. Raises SeedError."""
        body: dict[str, Any] = self._resolve(entry.body, entry.path)
        if entry.kind_name == SUBNETS:
            body["network_id"] = self._id_of("networks", entry.network, f"{entry.path}.network_id")
        if entry.kind_name in NAMELESS_KINDS:
            del body["name"]
        if entry.kind_name == FLOATING_IPS:
            body["tags"] = {**(body.get("tags") or body.pop("metadata", None) or {}), NAME_TAG: entry.name}
        if entry.kind_name == RESERVED_FIXED_IPS:
            body["type"] = SPECIFIC_ADDRESS
        return body

    def _resolve(self, value: Any, path: str, field: str = "") -> Any:
        if field in ("tags", "metadata"):
            return value
        if isinstance(value, dict):
            is_group = field == "security_groups"
            return {
                key: self._id_of("security_groups", item, f"{path}.{key}")
                if is_group and key == "id"
                else self._resolve(item, f"{path}.{key}", key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._resolve(item, f"{path}[{index}]", field) for index, item in enumerate(value)]
        return self._id_of(REFERENCES[field], value, path) if field in REFERENCES else value

    def _id_of(self, kind_name: str, name: Any, path: str) -> Any:
        if not isinstance(name, str) or UUID.fullmatch(name):
            return name
        ids = self._ids[kind_name].get(name)
        if ids is None:
            hint = describe_similar_names(name, self._ids[kind_name], count=1)
            raise SeedError(f"{path}: there is no {NOUNS[kind_name]} {name}{hint}")
        if len(ids) > 1:
            raise SeedError(f"{path}: {len(ids)} have the name {name}: give the id of one: {', '.join(sorted(ids))}")
        # The API identifies SSH keys by name, and flavors by an id that is their name.
        return name if kind_name in ("ssh_keys", "flavors") else ids[0]


def _name_of(kind_name: str, item: dict[str, Any]) -> str:
    """Return the name by which an existing resource is recognized, or an empty text."""
    if kind_name == FLOATING_IPS:
        return next((str(tag["value"]) for tag in item["tags"] if tag["key"] == NAME_TAG), "")
    if kind_name == RESERVED_FIXED_IPS:
        return _address_key(item["network_id"], item["fixed_ip_address"] or item["fixed_ipv6_address"] or "")
    return str(item.get("name") or "")


def _address_key(network_id: str, address: str) -> str:
    """Return an address of a network in one form; an address alone may be in several networks."""
    return f"{ip_address(address) if address else ''} in {network_id}"
