"""Routes of app templates: applications that an instance can be created with."""

from litestar import get
from litestar.params import FromPath

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.compute.app_templates import AppTemplateView
from pileus.api.wire.paging import Page
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.errors import not_found
from pileus.store.account import projects

ALL = "/cloud/v1/apptemplates/{project_id:int}/{region_id:int}"


@get(ALL, opt=READ, tags=["Instances"])
async def list_app_templates(ctx: Ctx) -> Page[AppTemplateView]:
    """List the app templates of a region, with the settings that each needs at its first boot."""
    views = [AppTemplateView.of(template) for template in await _templates_of_region(ctx)]
    return Page(count=len(views), results=views)


@get(f"{ALL}/{{apptemplate_id:str}}", opt=READ, tags=["Instances"])
async def get_app_template(ctx: Ctx, apptemplate_id: FromPath[str]) -> AppTemplateView:
    """Get an app template."""
    for template in await _templates_of_region(ctx):
        if template.id == apptemplate_id:
            return AppTemplateView.of(template)
    raise not_found("App template", apptemplate_id)


async def _templates_of_region(ctx: RequestContext) -> list[AppTemplate]:
    region = ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return [template for template in ctx.catalogue.app_templates if template.region_id in (None, region.id)]


ROUTES = [list_app_templates, get_app_template]
