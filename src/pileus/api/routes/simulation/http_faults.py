"""Faults of HTTP, for operators: error answers, delays and lost connections in the operations of the API."""

import secrets
from http import HTTPStatus
from typing import Annotated, Any, Literal

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct
from msgspec.structs import asdict

from pileus.api.authorization import CONTROL
from pileus.api.context import Ctx
from pileus.api.operations import ApiOperation, OperationIndex
from pileus.api.paging import Id
from pileus.api.task_operations import describe_missing_operation
from pileus.domain.errors import invalid, not_found
from pileus.domain.faults import MAX_COUNT
from pileus.domain.http_faults import MAX_DELAY_SECONDS, SEED_BITS, HttpFault, HttpFaultKind
from pileus.domain.suggestions import describe_similar_names
from pileus.services import http_faults as http_fault_service
from pileus.store import http_faults

ERROR_STATUSES = frozenset(status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
Seconds = Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)]


class AddHttpFault(Struct, kw_only=True):
    """A fault to inject, and the requests that it selects: all to which the given conditions apply.

    `operation` is an id of this document, in which `*` stands for any text; `path` is the path of an operation, in
    which a part `*` or `{name}` stands for any text, and `**` at the end for all further parts. `client_id` is the
    tenant of the key (0: any), and `project_id` the project in the path.

    Of these requests the first `skip` pass, and each later one is hit with a `probability`, until `times` were hit
    (without `times`: always). The same `seed` hits the same requests again.
    """

    kind: HttpFaultKind
    operation: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    client_id: Id | None = None
    project_id: Id | None = None
    status: int | None = None
    message: Annotated[str, Meta(max_length=1000)] | None = None
    retry_after: Annotated[int, Meta(ge=0, le=86400)] | None = None
    seconds: Seconds | None = None
    max_seconds: Seconds | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: Annotated[int, Meta(ge=0, lt=1 << SEED_BITS)] | None = None
    times: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    skip: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0


class OperationView(Struct, kw_only=True):
    """An operation, with one of its paths."""

    operation: str
    method: str
    path: str

    @classmethod
    def of(cls, operation: ApiOperation) -> "OperationView":
        """Show an operation."""
        return cls(operation=operation.operation_id, method=operation.method, path=operation.template)


@get("/http_operations", opt=CONTROL)
async def list_http_operations(ctx: Ctx) -> list[OperationView]:
    """List the operations into which faults can be injected."""
    return [OperationView.of(operation) for operation in ctx.app.operations.public]


@get("/http_faults", opt=CONTROL)
async def list_http_faults(ctx: Ctx) -> list[HttpFault]:
    """List the faults of HTTP, oldest first, with the numbers of requests that they have selected and hit."""
    async with ctx.db.read() as tx:
        return await http_faults.list_all(tx)


@get("/http_faults/{fault_id:str}", opt=CONTROL)
async def get_http_fault(ctx: Ctx, fault_id: FromPath[str]) -> HttpFault:
    """Get a fault of HTTP."""
    async with ctx.db.read() as tx:
        fault = await http_faults.find(tx, fault_id)
    if fault is None:
        raise not_found("Fault", fault_id)
    return fault


@post("/http_faults", opt=CONTROL, status_code=200)
async def add_http_fault(ctx: Ctx, data: JSONBody[AddHttpFault]) -> HttpFault:
    """Inject a fault of HTTP: requests get an error (`respond`), wait (`delay`) or lose their connection.

    The connection is closed instead of the operation (`disconnect`), in the middle of its answer (`truncate`), or after
    it without an answer (`lose_answer`). The faults that select a request apply to it from the oldest one on; delays
    add up, and any other fault is the last one. None applies to requests for health checks, metrics and the control of
    the cloud.

    When this is answered, all server processes apply the fault.
    """
    _check_selection(data, ctx.app.operations)
    _check_effect(data)
    seed = secrets.randbits(SEED_BITS) if data.seed is None else data.seed
    values = {**asdict(data), "kind": data.kind.value, "client_id": data.client_id or None, "seed": seed}
    fault = HttpFault(id=ctx.new_id(), created_at=ctx.now(), **values)
    return await ctx.change_controls(lambda tx: http_fault_service.add_http_fault(tx, fault))


@delete("/http_faults/{fault_id:str}", opt=CONTROL)
async def delete_http_fault(ctx: Ctx, fault_id: FromPath[str]) -> None:
    """Delete a fault of HTTP. Requests that it delays go on."""
    await ctx.change_controls(lambda tx: http_fault_service.delete_http_fault(tx, fault_id))


@delete("/http_faults", opt=CONTROL)
async def delete_http_faults(ctx: Ctx) -> None:
    """Delete all faults of HTTP. Requests that they delay go on."""
    async with ctx.db.read() as tx:
        has_faults = await http_faults.count(tx) > 0
    if has_faults:
        await ctx.change_controls(http_fault_service.delete_http_faults)


def _check_selection(data: AddHttpFault, operations: OperationIndex) -> None:
    """Check that there are operations that the fault can select. Raises Invalid."""
    if data.operation is not None and not operations.select(data.operation, None, None):
        raise invalid(operation=describe_missing_operation(data.operation, operations.public_ids, "/schema"))
    if data.path is not None and not operations.select(None, None, data.path):
        hint = describe_similar_names(data.path, operations.public_paths, count=1, min_similarity=0.5)
        raise invalid(path=f"No operation has this path{hint or ': /schema lists them'}")
    if not operations.select(data.operation, data.method, data.path):
        raise invalid(method="No operation matches operation, method and path together")


def _check_effect(data: AddHttpFault) -> None:
    """Check that the fields that say what happens fit the kind. Raises Invalid."""
    effects: dict[str, tuple[HttpFaultKind, Any]] = {
        "status": (HttpFaultKind.RESPOND, data.status),
        "message": (HttpFaultKind.RESPOND, data.message),
        "retry_after": (HttpFaultKind.RESPOND, data.retry_after),
        "seconds": (HttpFaultKind.DELAY, data.seconds),
        "max_seconds": (HttpFaultKind.DELAY, data.max_seconds),
    }
    surplus = {
        name: f"Only for the kind {kind}"
        for name, (kind, value) in effects.items()
        if value is not None and kind != data.kind
    }
    if surplus:
        raise invalid(**surplus)
    if data.kind == HttpFaultKind.RESPOND and data.status not in ERROR_STATUSES:
        raise invalid(status="The status of an error is required, from 400 to 511")
    if data.kind == HttpFaultKind.DELAY and data.seconds is None:
        raise invalid(seconds="Field required")
    if data.max_seconds is not None and data.max_seconds < (data.seconds or 0):
        raise invalid(max_seconds="Must not be below seconds")


ROUTES = [
    list_http_operations, list_http_faults, get_http_fault, add_http_fault, delete_http_fault, delete_http_faults,
]  # fmt: skip
