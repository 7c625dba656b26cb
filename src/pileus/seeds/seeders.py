"""Create, in the running cloud, what a seed file describes and does not exist yet."""

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from pileus.client_variables import NoApiKey, default_region, read_api_key
from pileus.initial_data import PROJECT
from pileus.seeds.files import ProjectSeed, SeedEntry, SeedError, join_path, load_seed, suggest
from pileus.seeds.kinds import NOUNS, OFFERED_LISTS, PROJECT_KIND, REFERENCES, SEED_KINDS, SUBNETS
from pileus.settings import Settings

LOG = logging.getLogger("pileus.server")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
POLL_SECONDS = 0.05
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
            await _apply(http, seeds, default_region(settings))
    except (SeedError, NoApiKey, httpx.HTTPError) as error:
        raise SeedError(f"{file}: {str(error) or type(error).__name__}") from error


async def _apply(http: httpx.AsyncClient, seeds: list[ProjectSeed], region_id: int) -> None:
    projects = {item["name"]: item["id"] for item in await _list_all(http, PROJECT_KIND.create_path)}
    for seed in seeds:
        # A project that does not exist yet has what every project has: the first one stands for it.
        project_id = projects.get(seed.project.name, PROJECT) if seed.project else PROJECT
        is_new = seed.project is not None and seed.project.name not in projects
        project = ProjectSeeder(http, project_id, region_id)
        await project.load(only_offered=is_new)
        project.check(seed.entries)
    for seed in seeds:
        project_id = PROJECT
        if seed.project:
            project_id = projects.get(seed.project.name) or await _create_project(http, seed.project)
        project = ProjectSeeder(http, project_id, region_id)
        await project.load()
        await project.create_missing(seed.entries)


async def _create_project(http: httpx.AsyncClient, entry: SeedEntry) -> int:
    project: dict[str, Any] = await _call(http, "POST", PROJECT_KIND.create_path, entry, entry.body)
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
            for item in await _list_all(self._http, path.format(**self._place)):
                self._add(name, item.get("name") or item[id_field], str(item[id_field]))

    def check(self, entries: list[SeedEntry]) -> None:
        """Check that each reference names what exists or what an earlier entry creates. Raises SeedError."""
        for entry in entries:
            self._resolve_body(entry)
            if entry.name not in self._ids[entry.kind_name]:
                self._add(entry.kind_name, entry.name, TO_BE_CREATED)

    async def create_missing(self, entries: list[SeedEntry]) -> None:
        """Create the entries whose names do not exist. Raises SeedError."""
        for entry in entries:
            if entry.name not in self._ids[entry.kind_name]:
                self._add(entry.kind_name, entry.name, await self._create(entry))
                LOG.info("Seeded", extra={"kind": entry.kind_name, "resource": entry.name})

    def _add(self, kind_name: str, name: str, resource_id: str) -> None:
        self._ids[kind_name].setdefault(name, []).append(resource_id)

    async def _create(self, entry: SeedEntry) -> str:
        kind = SEED_KINDS[entry.kind_name]
        body = self._resolve_body(entry)
        path = kind.create_path.format(**self._place)
        answer = await _call(self._http, "POST", path, entry, body)
        if "tasks" not in answer:
            return str(answer[kind.id_field])
        for task_id in answer["tasks"]:
            await _wait_for_task(self._http, task_id, entry)
        items = await _list_all(self._http, kind.path_of_list.format(**self._place))
        return next(str(item[kind.id_field]) for item in items if item["name"] == entry.name)

    def _resolve_body(self, entry: SeedEntry) -> dict[str, Any]:
        """Return the body of the request, with ids in the place of names. Raises SeedError."""
        body: dict[str, Any] = self._resolve(entry.body, entry.path)
        if entry.kind_name == SUBNETS:
            body["network_id"] = self._id_of("networks", entry.network, f"{entry.path}.network_id")
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
            hint = suggest(name, self._ids[kind_name])
            raise SeedError(f"{path}: there is no {NOUNS[kind_name]} {name}{hint}")
        if len(ids) > 1:
            raise SeedError(f"{path}: {len(ids)} have the name {name}: give the id of one: {', '.join(sorted(ids))}")
        # The API identifies SSH keys by name, and flavors by an id that is their name.
        return name if kind_name in ("ssh_keys", "flavors") else ids[0]


async def _list_all(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        response = await http.get(path, params={"offset": len(items)} if items else None)
        if not response.is_success:
            raise SeedError(f"{path}: {response.status_code} {response.text}")
        page = response.json()
        items += page["results"]
        if not page["results"] or len(items) >= page["count"]:
            return items


async def _call(http: httpx.AsyncClient, method: str, path: str, entry: SeedEntry, body: Any = None) -> Any:
    response = await http.request(method, path, json=body)
    if response.is_success:
        return response.json()
    answer = response.json()
    errors = list(_field_errors(answer.get("invalid_fields") or {}, ()))
    if errors:
        names, text = errors[0]
        raise SeedError(f"{join_path(entry.path, names)}: {text}")
    raise SeedError(f"{entry.path}: {answer.get('message') or response.text}")


def _field_errors(errors: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _field_errors(inner, (*names, *str(name).split(".")))
    else:
        yield names, ", ".join(map(str, errors)) if isinstance(errors, list) else str(errors)


async def _wait_for_task(http: httpx.AsyncClient, task_id: str, entry: SeedEntry) -> None:
    path = f"/cloud/v1/tasks/{task_id}"
    while (task := await _call(http, "GET", path, entry))["state"] in ("NEW", "RUNNING"):  # noqa: ASYNC110  # the API does not notify
        await asyncio.sleep(POLL_SECONDS)
    if task["state"] != "FINISHED":
        raise SeedError(f"{entry.path}: {task.get('error') or 'the task failed'}")
