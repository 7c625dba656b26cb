"""The ASGI application: every route, behind one door."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from pileus.api import auth, errors, openapi, routes
from pileus.api.context import CONTEXT, AppState, RequestContext
from pileus.api.middleware import HttpMetrics, observe
from pileus.api.requests import Request
from pileus.api.responses import JsonResponse
from pileus.api.routes import consoles, health, machine_access, simulation
from pileus.drivers.protocols.compute import Simulates
from pileus.drivers.protocols.consoles import Screens
from pileus.settings import Settings


def create_app(settings: Settings, cloud: AppState | None, figures: HttpMetrics) -> Litestar:
    """Put the routes together; those of rehearsals and screens only where the driver has them."""
    playing = cloud is None or isinstance(cloud.driver, Simulates)
    showing = cloud is None or isinstance(cloud.driver, Screens)
    app = Litestar(
        route_handlers=[
            *routes.ROUTES,
            health.metrics(key_required=settings.metrics_key_required),
            machine_access.ROUTER,
            *([simulation.ROUTER] if playing else []),
            *([consoles.ROUTER] if showing else []),
        ],
        before_request=auth.authorize,
        dependencies={
            "ctx": Provide(provide_context, sync_to_thread=False),
            "cloud": Provide(provide_app_state, sync_to_thread=False),
            "figures": Provide(provide_metrics, sync_to_thread=False),
        },
        exception_handlers=errors.HANDLERS,
        request_class=Request,
        response_class=JsonResponse,
        logging_config=None,
        request_max_body_size=settings.body_limit,
        openapi_config=openapi.config(),
        state=State({"cloud": cloud, "figures": figures}),
    )
    # Outside of the router, so that unknown routes and wrong methods have a request id and are counted too.
    app.asgi_handler = observe(app.asgi_handler, figures)
    return app


def provide_context() -> RequestContext:
    """The request as handlers see it."""
    return CONTEXT.get()


def provide_app_state(request: Request) -> AppState:
    """What every request shares."""
    cloud: AppState = request.app.state.cloud
    return cloud


def provide_metrics(request: Request) -> HttpMetrics:
    """The figures of `/metrics`."""
    figures: HttpMetrics = request.app.state.figures
    return figures
