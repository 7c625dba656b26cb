"""Two tenants in the same state: one asks for the things of a third tenant, the other for things that do not exist.

Whatever they ask, their answers must not differ.
"""

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from pileus.domain.account.access import Role
from pileus.store.database import Tx
from tests.api.foreign_ids import Ids, create_everything, missing_ids
from tests.chaos.generated_requests import PARAMETER, Operation
from tests.chaos.values import Values
from tests.tasks.db_snapshot import load_columns
from tests.tenants import REGION, Tenant
from tests.watched_transactions import leave_unwatched

OWN_NAME = "known-to-its-owner-only"
CHANGING_HEADERS = {"content-length", "date", "etag", "request_id", "x-request-id"}
MIN_TEXT = 4
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
IN_OWN_PROJECT, IN_OTHER_PROJECT, IN_BODY = "thing", "project and thing", "body and query"
WAYS = (IN_OWN_PROJECT, IN_OTHER_PROJECT, IN_BODY)
"""Where a request names what belongs to another tenant."""
ANY_ADDRESS = "access_to"
"""A column that holds any address: a tenant may let the address of another one mount its own file share."""


@dataclass(slots=True)
class Asker:
    """A tenant with one resource of each kind; `other_ids` are those that it must not learn anything about."""

    tenant: Tenant
    api: httpx.AsyncClient
    own_ids: Ids
    other_ids: Ids
    extra: dict[str, str]
    """Names and addresses that belong to the same tenant as `other_ids`."""
    sent: set[str] = field(default_factory=set)
    """The texts in the last request."""

    async def send(self, operation: Operation, way: str, seed: int, document: dict[str, Any]) -> httpx.Response:
        """Send a request whose values depend on the seed and on the ids alone; wait for its tasks."""
        values = Values(document, Random(seed))  # noqa: S311  # no secret
        values.known.update({name: [value] for name, value in (self.other_ids.values | self.extra).items()})
        values.known["region_id"] = [REGION]
        body = None if operation.body is None else values.make_valid(operation.body)
        query = {name: _query_value(values.make_valid(schema, name)) for name, schema in operation.queries.items()}
        path = self._fill_path(operation, way)
        self.sent = {text for text in _texts([path.split("/"), query, body]) if text}
        headers = {"Authorization": f"APIKey {self.tenant.tokens[Role.ADMINISTRATORS]}"}
        content = {} if body is None else {"json": body}
        answer = await self.api.request(operation.method, path, params=query, headers=headers, **content)
        await self._wait_for_tasks(answer)
        return answer

    def _fill_path(self, operation: Operation, way: str) -> str:
        own, other = self.own_ids, self.other_ids.but(region_id=REGION)
        ids = (
            own
            if way == IN_BODY
            else other.but(project_id=own.values["project_id"])
            if way == IN_OWN_PROJECT
            else other
        )
        return PARAMETER.sub(lambda match: str(ids.of(operation.path, match[1])), operation.path)

    async def _wait_for_tasks(self, answer: httpx.Response) -> None:
        view = answer.json() if answer.is_success and answer.content[:1] == b"{" else {}
        for task_id in view.get("tasks") or () if isinstance(view, dict) else ():
            if isinstance(task_id, str):
                await self.tenant.wait_for_task(task_id)

    def describe(self, answer: httpx.Response) -> dict[str, Any]:
        """Return what both tenants must see alike: an error without the ids that were sent, and else its shape."""
        headers = {name: value for name, value in answer.headers.items() if name not in CHANGING_HEADERS}
        text = answer.text if answer.is_error else str(_shape(answer))
        for sent in sorted(self.sent, key=len, reverse=True):
            # Short ones are also numbers in patterns and limits.
            text = (
                pattern_of(sent).sub("<sent>", text) if len(sent) >= MIN_TEXT else text.replace(f" {sent} ", " <sent> ")
            )
        text = re.sub(r'"request_id":"[0-9a-f]{32}"', "", UUID.sub("<id>", text))
        return {"status": answer.status_code, "headers": headers, "view": text}


def pattern_of(text: str) -> re.Pattern[str]:
    """Return the pattern of a text that is no part of a longer word, number or address."""
    return re.compile(rf"(?<![\w.-]){re.escape(text)}(?![\w-]|\.\d)")


def contains(answer: str, text: str) -> bool:
    """Return whether an answer contains a text as a whole."""
    return text in answer and pattern_of(text).search(answer) is not None


def _shape(answer: httpx.Response) -> Any:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return ""
    view = answer.json()
    if isinstance(view, dict) and "results" in view:
        return {**dict.fromkeys(view, ""), "count": view.get("count"), "results": len(view["results"])}
    return sorted(view) if isinstance(view, dict) else type(view).__name__


def _cells(names: list[str], row: Any) -> set[str]:
    return {str(value) for name, value in zip(names, row, strict=True) if name != ANY_ADDRESS}


def _query_value(value: Any) -> Any:
    return value if isinstance(value, str | list) else str(value).lower()


def _texts(value: Any) -> set[str]:
    """Return all texts and numbers in a value."""
    if isinstance(value, dict):
        return {text for key, item in value.items() for text in {str(key), *_texts(item)}}
    if isinstance(value, list):
        return {text for item in value for text in _texts(item)}
    return {str(value)}


@dataclass(slots=True)
class Owner:
    """The tenant whose things the others must not learn anything about."""

    tenant: Tenant
    ids: Ids
    addresses: list[str]

    @property
    def secrets(self) -> set[str]:
        """The texts that no other tenant may see: ids, names and addresses."""
        uuids = {value for value in self.ids.values.values() if isinstance(value, str) and UUID.fullmatch(value)}
        return uuids - set(missing_ids().values.values()) | {OWN_NAME, *self.addresses}

    async def load_rows(self) -> dict[str, list[Any]]:
        """Return the rows of all tables that belong to the tenant or name one of its ids."""
        db, secrets = self.tenant.running.app_state.db, self.secrets
        tables = await load_columns(db)
        async with db.read() as tx:
            rows = {table: await tx.all(f"SELECT {', '.join(names)} FROM {table}") for table, names in tables.items()}
        return {
            table: sorted(repr(row) for row in rows[table] if self._is_own(names, row) or secrets & _cells(names, row))
            for table, names in tables.items()
            if table not in {"user_actions", "tasks", "counters"}
        }

    def _is_own(self, names: list[str], row: Any) -> bool:
        return "client_id" in names and row[names.index("client_id")] == self.tenant.client_id


async def create_owner(tenant: Tenant) -> Owner:
    """Create one resource of each kind, with names that no other tenant uses."""
    ids, db = await create_everything(tenant), tenant.running.app_state.db
    named = [table for table, names in (await load_columns(db)).items() if {"name", "client_id"} <= set(names)]

    async def rename(tx: Tx) -> None:
        for table in named:
            statement = f"UPDATE {table} SET name = :name WHERE client_id = :client_id"
            await tx.run(statement, name=OWN_NAME, client_id=tenant.client_id)

    with leave_unwatched():
        await db.write(rename)
    async with db.read() as tx:
        rows = await tx.all(
            "SELECT a.ip FROM addresses a JOIN ports p ON p.id = a.port_id WHERE p.client_id = :id"
            " UNION SELECT floating_ip_address FROM floating_ips WHERE client_id = :id",
            id=tenant.client_id,
        )
    return Owner(tenant, ids, sorted(str(ip) for (ip,) in rows if not str(ip).startswith("10.")))
