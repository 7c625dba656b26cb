"""The ASGI application: every route, behind one door."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from pileus.api import auth, errors, reference, routes
from pileus.api.answers import Answer
from pileus.api.call import CALL, Call, Cloud
from pileus.api.observing import Figures, observed
from pileus.api.requests import Request
from pileus.api.routes import guests, health, rehearsal, screens
from pileus.drivers.driver import Rehearses
from pileus.drivers.screens import Screens
from pileus.settings import Settings


def application(settings: Settings, cloud: Cloud | None, figures: Figures) -> Litestar:
    """Put the routes together; those of rehearsals and screens only where the driver has them."""
    playing = cloud is None or isinstance(cloud.driver, Rehearses)
    showing = cloud is None or isinstance(cloud.driver, Screens)
    app = Litestar(
        route_handlers=[
            *routes.ROUTES,
            health.metrics(key_required=settings.metrics_key_required),
            guests.ROUTER,
            *([rehearsal.ROUTER] if playing else []),
            *([screens.ROUTER] if showing else []),
        ],
        before_request=auth.admit,
        dependencies={
            "call": Provide(provide_call, sync_to_thread=False),
            "cloud": Provide(provide_cloud, sync_to_thread=False),
            "figures": Provide(provide_figures, sync_to_thread=False),
        },
        exception_handlers=errors.HANDLERS,
        request_class=Request,
        response_class=Answer,
        logging_config=None,
        request_max_body_size=settings.body_limit,
        openapi_config=reference.config(),
        state=State({"cloud": cloud, "figures": figures}),
    )
    # Outside of the router, so that unknown routes and wrong methods have a request id and are counted too.
    app.asgi_handler = observed(app.asgi_handler, figures)
    return app


def provide_call() -> Call:
    """The request as handlers see it."""
    return CALL.get()


def provide_cloud(request: Request) -> Cloud:
    """What every request shares."""
    cloud: Cloud = request.app.state.cloud
    return cloud


def provide_figures(request: Request) -> Figures:
    """The figures of `/metrics`."""
    figures: Figures = request.app.state.figures
    return figures
