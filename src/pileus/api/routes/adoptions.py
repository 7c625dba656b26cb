"""Adopt what others have created in the cloud of a region. These operations are not part of the public API."""

from dataclasses import replace

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from pileus.api.authorization import OPERATE
from pileus.api.client_scope import ClientScope, require_one_client
from pileus.api.context import Ctx, RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.api.wire.paging import Page
from pileus.domain.errors import Conflict
from pileus.domain.places import Place
from pileus.drivers.protocols.adoption import SupportsAdoption
from pileus.services.adoption import AdoptableKind, Adoption, Candidate
from pileus.store.account import projects


class AdoptResource(Struct, kw_only=True):
    """The resource to adopt: its kind, and its id in the cloud."""

    kind: AdoptableKind
    cloud_id: str


@get("/_pileus/foreign_resources/{project_id:int}/{region_id:int}", opt=OPERATE, tags=["Operators"])
async def list_foreign_resources(
    ctx: Ctx, client_scope: ClientScope, project_id: FromPath[int], region_id: FromPath[int]
) -> Page[Candidate]:
    """List what others have created in the cloud of a region, and what prevents its adoption into a project.

    `obstacle` is null if nothing does. `id` is the id that a resource gets. Nothing is changed. Of each kind 200
    resources are checked; `is_checked` is false for the others.

    For a project of another tenant, pass its `client_id`.
    """
    adoption = await _make_adoption(ctx, client_scope, project_id, region_id)
    with translate_driver_errors():
        candidates = await adoption.list_candidates()
    return Page(count=len(candidates), results=candidates)


@post("/_pileus/adoptions/{project_id:int}/{region_id:int}", opt=OPERATE, tags=["Operators"], status_code=200)
async def adopt_resource(
    ctx: Ctx,
    client_scope: ClientScope,
    project_id: FromPath[int],
    region_id: FromPath[int],
    data: JSONBody[AdoptResource],
) -> Candidate:
    """Adopt a network, a volume or an instance of the cloud into a project. From then on it is managed like any other.

    A network is adopted with its subnets, and an instance with its interfaces and volumes; its networks come first. Its
    security groups are copied, as others may use the originals. Nothing is restarted. To repeat the request is safe.

    409 if something prevents the adoption or another project has the resource, 404 if there is no such resource. For a
    project of another tenant, pass its `client_id`.
    """
    adoption = await _make_adoption(ctx, client_scope, project_id, region_id)
    with translate_driver_errors():
        return await adoption.adopt(data.kind, data.cloud_id)


async def _make_adoption(ctx: RequestContext, client_scope: int, project_id: int, region_id: int) -> Adoption:
    """Return the adoption into a project of a tenant. Raises NotFound or Conflict."""
    place = Place(require_one_client(client_scope), project_id, region_id)
    async with ctx.db.read() as tx:
        await projects.require_active(tx, place)
    driver = ctx.driver
    if not isinstance(driver, SupportsAdoption):
        raise Conflict(f"The driver of region {region_id} has nothing to adopt: only regions in OpenStack have")
    return Adoption(replace(ctx, place=place), ctx.write, driver)


ROUTES = [list_foreign_resources, adopt_resource]
