"""App templates: applications that an instance can be made with."""

from litestar import get
from litestar.params import FromPath

from pileus.api.auth import READ
from pileus.api.context import Context, RequestContext
from pileus.api.wire.compute.app_templates import AppTemplateView
from pileus.api.wire.paging import Page
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.errors import not_found
from pileus.store.account import projects

ALL = "/cloud/v1/apptemplates/{project_id:int}/{region_id:int}"


@get(ALL, opt=READ, tags=["Instances"])
async def list_app_templates(call: Context) -> Page[AppTemplateView]:
    """List the applications of a region, with the answers that each needs at its first start."""
    shown = [AppTemplateView.of(template) for template in await _offered(call)]
    return Page(count=len(shown), results=shown)


@get(f"{ALL}/{{apptemplate_id:str}}", opt=READ, tags=["Instances"])
async def get_app_template(call: Context, apptemplate_id: FromPath[str]) -> AppTemplateView:
    """Show one application."""
    for template in await _offered(call):
        if template.id == apptemplate_id:
            return AppTemplateView.of(template)
    raise not_found("App template", apptemplate_id)


async def _offered(call: RequestContext) -> list[AppTemplate]:
    region = call.region()
    async with call.db.read() as tx:
        await projects.require(tx, call.place)
    return [each for each in call.app.catalogue.app_templates if each.region_id in (None, region.id)]


ROUTES = [list_app_templates, get_app_template]
